"""The writer actor: the only one that writes to the database.

Owns: the store, the acknowledgement mark, the batch that is being gathered.
Hears: TradesSeen, FactSeen, ReadJournal, ConnectionNoted; MarketsSeen,
ResolutionObserved, MarketMoved, MarketResolved, ResolutionConflict; Open, Flush,
CatchUp, Drain, Tick. Tells: BatchWritten, TradesMissed, StoreOpened, StoreLost,
reports to the supervisor; StoreOpened, MarketsRemembered, TicketsStored to catalogue
and resolution. Dies when: the unexpected happens; a database that is away is not.
Restarted: by the supervisor; what was gathered is read again from the journal.

While the database is away, or while the journal is ahead of what was told,
messages about journal records are let go: the journal has them, and `_catch_up`
reads them in order. What is not in the journal carries a ticket, and is told
again by its owner until the ticket is stored.
"""

from collections import deque
from collections.abc import Callable
from random import Random

import msgspec

from actors.actor import Addresses, BaseActor, BatchingMailbox, Handler, Incarnation
from actors.errors import StorePoisoned, StoreUnavailable
from actors.journal.recorder import Journal
from actors.journal.watermark import StallDetector, Watermark
from actors.messages import (
    CatchUp,
    ConnectionNoted,
    Drain,
    FactSeen,
    Flush,
    MarketMoved,
    MarketResolved,
    MarketsSeen,
    Message,
    Open,
    ReadJournal,
    RequestMarkets,
    RequestRechecks,
    ResolutionConflict,
    ResolutionObserved,
    Tick,
    TradesMissed,
    TradesSeen,
)
from actors.model.batch import ConnectionEvent
from actors.model.database_state import AWAY, BEHIND, LIVE
from actors.writer.catchup import Store, open_store, read_range
from actors.writer.feed_comparison import FeedComparison
from actors.writer.gather import Evidence, FindingsBatch, TradeBatch, batch
from actors.writer.notify import Reader, WriterNotifier
from actors.writer.pacing import BatchSize, DatabaseState

GATHERED: frozenset[type[Message]] = frozenset(
    {
        *(TradesSeen, FactSeen, ConnectionNoted, MarketsSeen),
        *(MarketMoved, ResolutionObserved, MarketResolved, ResolutionConflict),
    }
)
"""What waits for the next `Flush` in any case, so nobody is woken for it."""


class WriterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one transaction, in trades, records and markets, and of what waits outside it.

    Attributes:
        batch_trades: New trades; each is told as often as there are feeds.
        hole_s: How long a sequence may be missing between others before the
            journal is asked for it.
        notes_max: Connection events kept while the database is away; older ones go.
        feeds: How many connections should report each trade.
    """

    batch_trades: int = 5_000
    batch_records: int = 20_000
    batch_markets: int = 2_000
    hole_s: float = 5.0
    notes_max: int = 10_000
    feeds: int = 1


class WriterActor(BaseActor):
    """The one door to the database."""

    first = Open()

    @staticmethod
    def _create_actor_inbox() -> BatchingMailbox:
        return BatchingMailbox(GATHERED)

    def __init__(
        self,
        incarnation: Incarnation,
        *,
        to: Addresses,
        store: Store,
        journal: Journal,
        settings: WriterSettings,
        rng: Random,
    ) -> None:
        super().__init__(incarnation, to.supervisor)
        self._notifier = WriterNotifier(incarnation, to)
        self._store = store
        self._journal = journal
        self._reader = Reader(store, self._notifier)
        self._database_state = DatabaseState(rng)
        self._batch_size = BatchSize(
            most_trades=settings.batch_trades * settings.feeds,
            most_records=settings.batch_records,
        )
        self._batch_markets = settings.batch_markets
        self._watermark = Watermark(0)
        self._now, self._wall_ns = incarnation.at.now, incarnation.at.wall_ns
        self._stall = StallDetector(settings.hole_s)
        self._gathered = TradeBatch()
        self._knowledge = FindingsBatch()
        self._comparison = FeedComparison(settings.feeds)
        self._notes: deque[ConnectionEvent] = deque(maxlen=settings.notes_max)
        self.handlers = self._table()

    def _table(self) -> dict[type[Message], Handler]:
        reader = self._reader
        return {
            Open: self._open,
            Tick: self._tick,
            Flush: self._flush,
            CatchUp: self._catch_up,
            Drain: self._drain,
            TradesSeen: self._trades_seen,
            FactSeen: self._fact_seen,
            ReadJournal: self._journalled,
            ConnectionNoted: lambda note: self._notes.append(ConnectionEvent.of(note)),
            RequestMarkets: lambda _: self._ask(reader.unresolved),
            RequestRechecks: lambda told: self._ask(lambda: reader.verdicts(told.window)),
            MarketsSeen: self._markets_seen,
            MarketMoved: lambda told: self._keep(told.ticket, told.transition),
            ResolutionObserved: lambda told: self._keep(told.ticket, told.observation),
            MarketResolved: lambda told: self._keep(told.ticket, told.resolution),
            ResolutionConflict: lambda told: self._keep(told.ticket, told.contradiction),
        }

    def on_stop(self) -> None:
        """Let go of the database. In the actor's thread."""
        self._notifier.say_written(self._now, at_once=True)
        self._store.close()

    def _open(self, _: Open) -> None:
        """Reach the database; catch up from the mark it names."""
        try:
            opened = open_store(self._store, self._journal)
        except StoreUnavailable as away:
            self._lose(away)
            return
        self._watermark = Watermark(max(opened.watermark, 1))
        self._journal.release(self._watermark.seq)
        self._fall_behind()
        self._notifier.opened(opened.server, self._watermark.seq)
        self._guarded(self._reader.unresolved)

    def _ask(self, question: Callable[[], None]) -> None:
        """Have the database tell somebody something; while it is away, they ask again."""
        if self._database_state.is_open:
            self._guarded(question)

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Do database work; give False when the database went away over it, or rejected it."""
        try:
            work()
        except StoreUnavailable as away:
            self._lose(away)
            return False
        except StorePoisoned as poisoned:
            self._let_go()
            retry_s = self._database_state.stopped(self._now)
            self._notifier.stopped(str(poisoned), retry_s)
            self._report()
            return False
        return True

    def _lose(self, away: StoreUnavailable) -> None:
        """The database is away: try again later."""
        self._let_go()
        retry_s = self._database_state.lost(self._now)
        self._notifier.lost(str(away), retry_s)

    def _let_go(self) -> None:
        """Forget what the journal or its owner will tell again."""
        self._store.close()
        self._comparison.forget()
        self._gathered = TradeBatch()
        self._knowledge = FindingsBatch()

    def _fall_behind(self) -> None:
        """From here on the journal is read, until its end is reached."""
        self._gathered = TradeBatch()
        self._comparison.forget()
        if self._database_state.state != BEHIND:
            self._database_state.state = BEHIND
            self.actor_ref.tell(CatchUp())

    def _tick(self, tick: Tick) -> None:
        """Try again, look for sequences that never came, report."""
        self._now, self._wall_ns = tick.now, tick.wall_ns
        self._notifier.say_written(tick.now)
        if self._database_state.due(tick.now):
            self._open(Open())
        missed = self._comparison.missed(tick.now)
        if missed:
            self.supervisor.tell(TradesMissed(missed=missed))
        standing = {"watermark": self._watermark.seq, "next_seq": self._journal.next_seq}
        if self._stall.noticed(tick.now, **standing) and self._database_state.is_live:
            self._fall_behind()
        self._report()

    def _report(self) -> None:
        self._notifier.report(
            self._now, state=self._database_state.state, waiting=self._gathered.records
        )

    # ---------------------------------------------------------------- gather

    def _trades_seen(self, message: TradesSeen) -> None:
        """Gather trades; commit early when the batch is full."""
        if not self._database_state.is_live or message.seq < self._watermark.seq:
            return
        seq, connection, trades = message.seq, message.connection, message.trades
        self._gathered.frames(seq, connection, trades, message.hashes, message.rejections)
        self._comparison.heard(connection, trades, self._now)
        if len(self._gathered.trades) >= self._batch_size.trades:
            self._commit()

    def _fact_seen(self, message: FactSeen) -> None:
        """Gather a fact about coverage."""
        if self._database_state.is_live and message.seq >= self._watermark.seq:
            self._gathered.fact(message.seq, message.fact)
            if self._gathered.full_of[1] >= self._batch_size.records:
                self._commit()

    def _journalled(self, _: ReadJournal) -> None:
        """Too much was in flight to tell: commit what is here, then read the journal."""
        if self._database_state.is_live:
            self._commit()
        if self._database_state.is_live:
            self._fall_behind()

    def _markets_seen(self, message: MarketsSeen) -> None:
        """Gather markets; their owner tells them again until they are stored."""
        if self._database_state.is_open:
            self._knowledge.markets += message.markets
            self._knowledge.catalog_tickets.append(message.ticket)
            if len(self._knowledge.markets) >= self._batch_markets:
                self._commit()

    def _keep(self, ticket: int, evidence: Evidence) -> None:
        """Gather evidence and verdicts, likewise."""
        if self._database_state.is_open:
            self._knowledge.keep(ticket, evidence)

    # ---------------------------------------------------------------- commit

    def _flush(self, _: Flush) -> None:
        """The batch window is over."""
        waits = self._gathered.records or self._knowledge or self._notes
        if waits and self._database_state.is_open:
            self._commit()

    def _commit(self) -> None:
        """Store what was gathered and move the mark, in one transaction."""
        gathered, self._gathered = self._gathered, TradeBatch()
        knowledge, self._knowledge = self._knowledge, FindingsBatch()
        for first, last in gathered.stretches:
            self._watermark.done(first, last)
        if self._guarded(lambda: self._transact(gathered, knowledge)):
            self._batch_size.held()
        elif self._database_state.state == AWAY:
            self._batch_size.failed()

    def _transact(self, gathered: TradeBatch, knowledge: FindingsBatch) -> None:
        notes = tuple(self._notes)
        committed = self._store.commit(batch(gathered, knowledge, notes, self._watermark.seq))
        for _ in notes:
            self._notes.popleft()
        self._journal.release(self._watermark.seq)
        self._notifier.committed(gathered, knowledge, committed, self._wall_ns)

    def _catch_up(self, _: CatchUp) -> None:
        """Commit one more stretch of the journal; go live at its end."""
        if self._database_state.state != BEHIND:
            return
        self._gathered = read_range(
            self._journal,
            self._watermark,
            most_trades=self._batch_size.trades,
            most_records=self._batch_size.records,
        )
        if self._gathered.records:
            self._commit()
            if self._database_state.state == BEHIND:
                self.actor_ref.tell(CatchUp())
        else:
            self._database_state.state = LIVE

    def _drain(self, _: Drain) -> bool:
        """Commit everything that is in the journal; give False when the database is away."""
        if self._database_state.is_live:
            self._commit()
        if self._database_state.is_live:
            self._fall_behind()
        while self._database_state.state == BEHIND:
            self._catch_up(CatchUp())
        return self._database_state.is_live
