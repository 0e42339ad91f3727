"""The writer actor: the only one that writes to the database.

Owns: the store, the watermark, the batch that is being gathered.
Receives: TradesSeen, FactSeen, ReadJournal from connections and the supervisor;
ConnectionNoted from the supervisor; MarketsSeen, RequestMarkets and RequestReview from the catalog;
ResolutionObserved, MarketStateChanged, MarketResolved, ResolutionConfirmed, ResolutionConflict,
ConflictCleared, RequestMarkets, RequestUnresolved, RequestConflicts and RequestRechecks from
resolution; AuditMade and RequestAuditData from the audit; Flush and Drain from the main thread,
Tick from the supervisor; Open, CatchUp and SendMarkets from itself.
Sends: BatchWritten, LatestStored, TradesMissed, StoreOpened, CoverageForgotten, StoreLost and
reports to the supervisor; StoreOpened, MarketsRestored, TicketsStored to catalog and resolution;
StoreOpened, TicketsStored and AuditDataRead to the audit;
MarketsReviewed and MarketsSettled to the catalog; EvidenceRestored, UnresolvedRestored,
ConflictsRestored and RechecksRestored to resolution.
Ends when: the unexpected happens; a database that is away is not unexpected.
Restarted: by the supervisor; what was gathered is read again from the journal.

While the database is away, or is none that this version can or must write to, or while the journal
is read, messages about journal records are dropped: the journal has them, and `_catch_up` reads
them in order. What is not there carries a ticket; its sender sends it again until that is stored.
"""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random

import msgspec

from actors.actor import Addresses, BaseActor, BatchingMailbox, Handler, Incarnation
from actors.errors import (
    ConfigError,
    JournalBusy,
    JournalTaken,
    SchemaMismatch,
    SchemaNewer,
    StoreMiscounts,
    StorePoisoned,
)
from actors.journal.recorder import Journal
from actors.journal.watermark import StallDetector, Watermark
from actors.messages import (
    AuditMade,
    CatchUp,
    ConflictCleared,
    ConnectionNoted,
    Drain,
    FactSeen,
    Flush,
    MarketResolved,
    MarketsSeen,
    MarketStateChanged,
    Message,
    Open,
    ReadJournal,
    RequestAuditData,
    RequestConflicts,
    RequestMarkets,
    RequestRechecks,
    RequestReview,
    RequestUnresolved,
    ResolutionConfirmed,
    ResolutionConflict,
    ResolutionObserved,
    SendMarkets,
    Tick,
    TradesMissed,
    TradesSeen,
)
from actors.model.assumptions import Assumption
from actors.model.conversion import DAY_NS
from actors.model.storage import AWAY, BEHIND, ConnectionEvent
from actors.writer.catchup import Store, forgotten, open_store, read_range, renew
from actors.writer.feed_comparison import FeedComparison
from actors.writer.gather import Finding, FindingsBatch, TradeBatch, mark, to_batch
from actors.writer.latest import MOST_COPIES
from actors.writer.notify import WriterNotifier
from actors.writer.pacing import UNUSABLE, BatchSize, DatabaseState
from actors.writer.questions import AFTER_CATCHING_UP, ANSWERS
from actors.writer.upkeep import Upkeep

GATHERED: frozenset[type[Message]] = frozenset(
    {
        *(TradesSeen, FactSeen, ConnectionNoted, MarketsSeen),
        *(MarketStateChanged, ResolutionObserved, MarketResolved),
        *(ResolutionConfirmed, ResolutionConflict, ConflictCleared, AuditMade),
    }
)
"""What waits for the next `Flush` in any case, so that the writer is not woken for it."""


class WriterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one transaction, in trades, records and markets, and of what waits outside it.

    Attributes:
        batch_trades: New trades; each is received as often as there are feeds.
        hole_s: How long a sequence may be missing between others before the journal is read
            for it, in seconds.
        notes_max: Connection events kept while the database is away; older ones are dropped.
        feeds: How many connections should report each trade.
    """

    batch_trades: int = 5_000
    batch_records: int = 20_000
    batch_markets: int = 2_000
    hole_s: float = 5.0
    notes_max: int = 10_000
    feeds: int = 1


class WriterActor(BaseActor):
    """One run of the writer."""

    first = Open()

    @staticmethod
    def _create_actor_inbox() -> BatchingMailbox:
        return BatchingMailbox(GATHERED, latest=Flush)

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
        self._database = DatabaseState(rng)
        self._markets: Iterator[None] = iter(())
        self._batch_size = BatchSize(
            most_trades=settings.batch_trades * settings.feeds,
            most_records=settings.batch_records,
        )
        self._batch_markets = settings.batch_markets
        self._watermark = Watermark(0)
        # What the database may have as watermark; see `open_store`.
        self._possible: tuple[int, ...] = ()
        self._now, self._wall_ns = incarnation.at.now, incarnation.at.wall_ns
        self._stall = StallDetector(settings.hole_s)
        self._upkeep = Upkeep(store, self._notifier, to.supervisor, self._now)
        self._gathered = TradeBatch()
        self._findings = FindingsBatch()
        self._comparison = FeedComparison(settings.feeds)
        # Neither in the journal nor under a ticket: they serve people only, so they may be lost.
        self._notes: deque[ConnectionEvent] = deque(maxlen=settings.notes_max)
        self.handlers = self._table()

    def _table(self) -> dict[type[Message], Handler]:
        return {
            Open: self._open,
            Tick: self._tick,
            Flush: self._flush,
            CatchUp: self._catch_up,
            SendMarkets: self._send_markets,
            Drain: self._drain,
            TradesSeen: self._trades_seen,
            FactSeen: self._fact_seen,
            ReadJournal: self._read_journal,
            ConnectionNoted: lambda note: self._notes.append(ConnectionEvent.of(note)),
            RequestMarkets: self._request_markets,
            RequestReview: self._asked,
            RequestUnresolved: self._asked,
            RequestConflicts: self._asked,
            RequestRechecks: self._asked,
            RequestAuditData: self._asked,
            MarketsSeen: self._markets_seen,
            MarketStateChanged: lambda moved: self._add_finding(moved.ticket, moved.transition),
            ResolutionObserved: lambda seen: self._add_finding(seen.ticket, seen.observation),
            MarketResolved: lambda found: self._add_finding(found.ticket, found.resolution),
            ResolutionConfirmed: lambda found: self._add_finding(found.ticket, found.confirmation),
            ResolutionConflict: lambda found: self._add_finding(found.ticket, found.contradiction),
            ConflictCleared: lambda found: self._add_finding(found.ticket, found.clearance),
            AuditMade: lambda made: self._add_finding(made.ticket, made.audit),
        }

    def on_stop(self) -> None:
        """Close the database. In the actor's thread."""
        self._notifier.log_written(self._now, at_once=True)
        self._store.close()

    # -------------------------------------------------------------- database

    def _open(self, _: Open) -> None:
        """Reach the database; catch up from the watermark that it names."""
        try:
            opened = open_store(self._store, self._journal, self._possible)
        except UNUSABLE as error:
            self._stop_storing(error)
            return
        self._database.opened(self._now)
        # Only the database knows what is committed: the answer to the last
        # commit may have been lost.
        self._watermark = Watermark(max(opened.watermark, 1))
        self._possible = (opened.watermark,)
        self._journal.release(self._watermark.seq)
        lacking = forgotten(opened, self._journal)
        if lacking is not None:
            self._notifier.forgotten(lacking, "new" if opened.is_new else "restored")
        # Even when nothing waits: only the end of the journal shows that no message was lost.
        self._fall_behind()
        self._notifier.opened(opened, self._watermark.seq)
        self._request_markets(RequestMarkets())

    def _request_markets(self, _: RequestMarkets) -> None:
        """Send the open markets; while the database is away, `_open` does so later."""
        self._markets = self._notifier.send_open_markets(self._store)
        self._send_markets(SendMarkets())

    def _send_markets(self, _: SendMarkets) -> None:
        """Send one page; a message brings the next, so that commits get their turn between two."""
        sent: list[None] = []
        if self._database.is_open:
            self._guarded(lambda: sent.extend(islice(self._markets, 1)))
        if sent:
            self.actor_ref.tell(SendMarkets())

    def _asked(self, message: Message) -> None:
        """Answer a question, if the database can answer it now."""
        kind, database = type(message), self._database
        if database.is_live if kind in AFTER_CATCHING_UP else database.is_open:
            self._guarded(lambda: ANSWERS[kind](self._notifier, self._store, message))

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Do database work; return False when the database was lost over it, or rejected it."""
        try:
            work()
        except UNUSABLE as error:
            if isinstance(error, JournalTaken):
                renew(self._journal)
            self._stop_storing(error)
            return False
        return True

    def _stop_storing(self, error: Exception) -> None:
        """Leave everything in the journal and with its senders; try again later.

        Whatever the database is now, the process goes on: to end would only add a gap.
        """
        self._drop_gathered()
        reason, now = str(error), self._now
        if isinstance(error, SchemaNewer):
            self._notifier.outdated(reason, self._database.outdated(now))
        elif isinstance(error, SchemaMismatch):
            self._notifier.mismatched(reason, self._database.mismatched(now), now)
        elif isinstance(error, StorePoisoned):
            # So many bad rows point to a fault of ours. Storing stops for minutes rather than that
            # the whole stream goes into `rejected_messages`.
            self._notifier.stopped(reason, self._database.stopped(now))
        else:
            needs_person = isinstance(error, ConfigError)
            retry_s = self._database.unusable(now) if needs_person else self._database.lost(now)
            if isinstance(error, StoreMiscounts):
                self._notifier.miscounted(reason)
            self._notifier.lost(reason, retry_s, now)
            return
        self._report()

    def _drop_gathered(self) -> None:
        """Forget what is in the journal or will be sent again."""
        self._store.close()
        self._comparison.forget()
        self._gathered = TradeBatch()
        self._findings = FindingsBatch()

    def _fall_behind(self) -> None:
        """Read the journal from here on, until its end is reached; each CatchUp sends the next."""
        self._gathered = TradeBatch()
        self._comparison.forget()
        self._database.fell_behind()
        self.actor_ref.tell(CatchUp())

    def _read_on(self) -> None:
        """Read the journal from here on, unless it is being read or the database is away."""
        if self._database.is_live:
            self._fall_behind()

    def _tick(self, tick: Tick) -> None:
        """Try the database again, look for sequences that never came, report."""
        self._now, self._wall_ns = tick.now, tick.wall_ns
        self._notifier.log_written(tick.now)
        if self._database.retry_due(tick.now):
            self._open(Open())
        missed = self._comparison.missed(tick.now)
        if missed:
            self.supervisor.tell(TradesMissed(missed=missed))
        self._notes.extend(map(mark, self._comparison.take_disputed()))
        stalled = self._stall.noticed(
            tick.now, watermark=self._watermark.seq, next_seq=self._journal.next_seq
        )
        # A message dies with a mailbox, its record does not. A sequence that never came holds the
        # watermark, and with it the deletion of segments, until it is read from the journal.
        if stalled:
            self._read_on()
        if self._database.is_open:
            self._guarded(lambda: self._upkeep.step(tick.now, is_live=self._database.is_live))
        self._report()

    def _report(self) -> None:
        disputed = self._comparison.disputed_total
        self._notifier.report(
            self._now,
            state=self._database.state,
            waiting=self._gathered.records,
            violations=((Assumption.SENT_ONCE, disputed),) if disputed else (),
        )

    # ---------------------------------------------------------------- gather

    def _trades_seen(self, message: TradesSeen) -> None:
        """Gather trades; commit early when the batch is full."""
        # Below the watermark: it was committed while the journal was read.
        if not self._database.is_live or message.seq < self._watermark.seq:
            return
        seq, connection, trades = message.seq, message.connection, message.trades
        rejections, epoch = message.rejections, message.epoch
        self._gathered.add_frames(seq, connection, trades, message.hashes, rejections, epoch)
        self._comparison.add(connection, trades, self._now)
        if len(self._gathered.trades) + self._gathered.rejected_size >= self._batch_size.trades:
            self._commit()

    def _fact_seen(self, message: FactSeen) -> None:
        """Gather a fact about coverage; commit early when the batch is full."""
        if self._database.is_live and message.seq >= self._watermark.seq:
            self._gathered.add_fact(message.seq, message.fact)
            _, records = self._gathered.size
            if records >= self._batch_size.records:
                self._commit()

    def _read_journal(self, message: ReadJournal) -> None:
        """Commit what is here, then read the journal: too much was in flight to be sent."""
        if self._database.is_live and message.seq >= self._watermark.seq:
            self._commit()
            self._read_on()

    def _markets_seen(self, message: MarketsSeen) -> None:
        """Gather markets; their sender sends them again until they are stored."""
        if self._database.is_open:
            self._findings.markets += message.markets
            self._findings.catalog_tickets.append(message.ticket)
            if len(self._findings.markets) >= self._batch_markets:
                self._commit()

    def _add_finding(self, ticket: int, finding: Finding) -> None:
        """Gather a finding of resolution or an audit; it too is sent again until it is stored."""
        if self._database.is_open:
            self._findings.add(ticket, finding)

    # ---------------------------------------------------------------- commit

    def _flush(self, _: Flush) -> None:
        """Commit what is gathered: the batch window is over."""
        waits = self._gathered.records or self._findings or self._notes
        if waits and self._database.is_open:
            self._commit()

    def _commit(self) -> None:
        """Store what was gathered and move the watermark, in one transaction."""
        # Emptied before the commit: if that fails, the journal and the
        # senders bring all of it again.
        gathered, self._gathered = self._gathered, TradeBatch()
        findings, self._findings = self._findings, FindingsBatch()
        for first, last in gathered.ranges:
            # Before the commit, as it goes into the same transaction. After a failure `_open` takes
            # the watermark of the database instead.
            self._watermark.done(first, last)
        if self._guarded(lambda: self._transact(gathered, findings)):
            self._batch_size.succeeded()
        # Not when storing was stopped: then the rows were at fault, not the size of the batch.
        elif self._database.state == AWAY:
            self._batch_size.failed()

    def _transact(self, gathered: TradeBatch, findings: FindingsBatch) -> None:
        notes = tuple(self._notes)
        batch = to_batch(gathered, findings, notes, self._watermark.seq)
        self._possible = (self._possible[0], self._watermark.seq)
        committed = self._store.commit(batch)
        self._possible = (committed.watermark,)
        # Only now: after a failed commit they wait for the next one.
        for _ in notes:
            self._notes.popleft()
        # Which trades the database could not hold is not known here; then none is shown.
        if committed.rejected == len(gathered.rejections):
            self._upkeep.latest.trades.extend(gathered.trades[-MOST_COPIES:])
        self._upkeep.latest.resolved.extend(findings.resolutions)
        self._journal.release(self._watermark.seq)
        self._notifier.committed(gathered, findings, committed, self._wall_ns)

    def _catch_up(self, _: CatchUp) -> None:
        """Commit one more range of the journal; go live at its end."""
        # The database was lost, or a drain has read the journal, since this message was sent.
        if self._database.state != BEHIND:
            return
        size = self._batch_size
        try:
            self._gathered = read_range(
                self._journal, self._watermark, most_trades=size.trades, most_records=size.records
            )
        except JournalBusy as busy:
            # The watermark may have passed a hole whose loss is not stored: that of the database
            # is taken again, as after the loss of the database.
            self._stop_storing(busy)
            return
        # Not "nothing was left": under steady trades something always arrives during a commit. Of
        # all that was recorded since the reading, the messages are still in this mailbox.
        to_end = self._gathered.to_end
        if self._gathered.lost is not None:  # before it is stepped over in the database
            self._notifier.records_lost(*self._gathered.lost, self._journal)
        if self._gathered.records:
            self._commit()
        if self._database.state != BEHIND:
            return
        if to_end:
            self._database.caught_up()
            self._guarded(self._send_day)
        else:
            # A message instead of a loop: Tick, Flush and stop get their turn between two ranges.
            self.actor_ref.tell(CatchUp())

    def _send_day(self) -> None:
        day = self._wall_ns // DAY_NS
        self._notifier.send_day(self._store, day, opened_at_seq=self._journal.opened_at_seq)

    def _drain(self, _: Drain) -> bool:
        """Commit everything that is in the journal; return False when the database is away."""
        if self._database.is_live:
            self._comparison.end()
            self._commit()
            self._read_on()
        # A loop here: the process ends, and nothing else is waited for in this mailbox.
        while self._database.state == BEHIND:
            self._catch_up(CatchUp())
        # After all trades, since a trade that is not stored matters more than a mark.
        while self._database.is_live and (disputed := self._comparison.take_disputed()):
            self._notes.extend(map(mark, disputed))
            self._commit()
        return self._database.is_live
