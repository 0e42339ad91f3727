"""The resolution actor: the true outcome of every market, or none.

Owns: which markets are due for a look, what the sources have said, what is not
yet stored. Hears: Tick, Poll, ResolutionHint, UniverseChanged, MarketsRemembered,
StoreOpened, TicketsStored. Tells: ResolutionObserved, MarketResolved and
ResolutionConflict to the writer, MarketsSettled to the catalogue,
ResolutionReport to the supervisor. Dies when: the unexpected happens; a source
that does not answer is not. Restarted: by the supervisor; the new life asks the
writer for the markets without a verdict.

Each Poll asks one source one question, then tells itself Poll again. The verdict
is `logic/outcome.py`'s alone. Markets that the catalogue lets go are kept here:
they were traded, so their outcome is wanted.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

from actors.errors import PayloadRefused, SourceUnavailable
from actors.logic import gamma
from actors.logic.closings import Closings
from actors.logic.court import Court
from actors.logic.evidence import Observation, Source
from actors.logic.inquiry import LOOK_IDS, Ask, Inquiry, closings, read
from actors.logic.market import Market
from actors.logic.outbox import Outbox
from actors.logic.outcome import Contradiction, Resolution
from actors.logic.patience import Patience
from actors.logic.sources import Chain, Sources
from actors.logic.trade import ConditionId
from actors.logic.walk import Walk, chunks, spellings
from actors.messages import (
    MarketResolved,
    MarketsRemembered,
    MarketsSettled,
    Poll,
    RecallMarkets,
    ResolutionConflict,
    ResolutionHint,
    ResolutionObserved,
    ResolutionReport,
    StoreOpened,
    Tick,
    TicketsStored,
    UniverseChanged,
)
from actors.shell import Mailbox, Shell

log = logging.getLogger(__name__)

OUTBOX_MAX = 10_000
PENDING_REASONS = 20
SETTLED_CHUNK = 1_000

Ticketed = ResolutionObserved | MarketResolved | ResolutionConflict


class ResolutionActor(Shell):
    """One life of the search for outcomes."""

    def __init__(  # noqa: PLR0913 -- the composition root names each neighbour
        self,
        child: str,
        incarnation: int,
        supervisor: Mailbox,
        *,
        writer: Mailbox,
        catalog: Mailbox,
        sources: Sources,
        poll_s: float,
        hold_s: float,
        chain: Chain | None = None,
    ) -> None:
        super().__init__(child, incarnation, supervisor)
        self._writer = writer
        self._catalog = catalog
        self._sources = sources
        self._chain = chain
        asked = [source for source in Source if chain or source is not Source.CHAIN]
        self._patience = {source: Patience() for source in asked}
        self._court = Court(poll_s=poll_s, hold_s=hold_s)
        self._closings = Closings(poll_s)
        self._outbox = Outbox(life=incarnation)
        self._inquiry: Inquiry | None = None
        self._now, self._wall_ms = 0.0, 0
        self._ticked = self._polling = False
        self._recorded_total = self._conflicts_total = 0
        self.handlers = {
            Tick: self._tick,
            Poll: self._poll,
            UniverseChanged: self._universe_changed,
            MarketsRemembered: self._markets_remembered,
            ResolutionHint: self._resolution_hint,
            StoreOpened: self._store_opened,
            TicketsStored: self._tickets_stored,
        }

    # ------------------------------------------------------------------ time

    def _tick(self, tick: Tick) -> None:
        """Note the time, begin what is due, report."""
        self._now, self._wall_ms = tick.now, tick.wall_ns // 1_000_000
        if not self._ticked:
            self._ticked = True
            if self.incarnation > 1:
                self._writer.tell(RecallMarkets())
        self._closings.tick(tick.now, self._wall_ms)
        self._go_on()
        self.supervisor.tell(
            ResolutionReport(
                child=self.child,
                incarnation=self.incarnation,
                now=tick.now,
                recorded_total=self._recorded_total,
                conflicts_total=self._conflicts_total,
                pending=self._court.pending(PENDING_REASONS),
                sources=tuple((source.value, p.state) for source, p in self._patience.items()),
                waiting=len(self._outbox),
            )
        )

    # ------------------------------------------------------------------ poll

    def _poll(self, _: Poll) -> None:
        """Ask one source one question, then go on. Blocks for 20 s at most."""
        self._polling = False
        if self._walk() is not None:
            if not self._guarded(Source.GAMMA, self._read_closings):
                self._closings.failed()
        elif self._inquiry is not None:
            self._inquire(self._inquiry)
        elif self._may_inquire():
            self._begin_inquiry()
        self._go_on()

    def _go_on(self) -> None:
        """Tell itself Poll when there is something to ask and somebody to answer."""
        work = self._walk() is not None or self._inquiry is not None or self._may_inquire()
        if work and not self._polling:
            self._polling = True
            self.actor_ref.tell(Poll())

    def _able(self, source: Source) -> bool:
        return self._patience[source].ready(self._now)

    def _walk(self) -> Walk | None:
        """Give the walk through the closings if a page of it may be read."""
        return self._closings.walk if self._able(Source.GAMMA) else None

    def _may_inquire(self) -> bool:
        """Say whether a look is due and makes sense.

        Not while no source answers, and not while the database keeps too much
        waiting: the sources will say the same again.
        """
        return (
            len(self._outbox) < OUTBOX_MAX
            and self._court.docket.due(self._wall_ms)
            and any(self._able(source) for source in self._patience)
        )

    def _guarded(self, source: Source, work: Callable[[], None]) -> bool:
        """Do work that asks a source; give False when it did not answer."""
        patience = self._patience[source]
        try:
            work()
        except (SourceUnavailable, PayloadRefused) as failure:
            wait_s = patience.failed(self._now, failure)
            log.warning(
                "source_failed",
                extra={"source": source.value, "reason": str(failure), "retry_s": wait_s},
            )
            return False
        patience.succeeded()
        return True

    def _read_closings(self) -> None:
        """Read a page of the markets that resolved lately: they are due now."""
        walk = self._closings.walk
        if walk is None:
            return
        page = self._sources.markets_page(walk.params, walk.cursor)
        walk.turn(page.next_cursor)
        rows = ((gamma.condition_of(raw), gamma.resolved_at_ms(raw)) for raw in page.markets)
        for condition_id in self._closings.read(rows, self._wall_ms):
            self._court.call_unresolved(condition_id, self._wall_ms)

    def _begin_inquiry(self) -> None:
        """Take up markets that are due."""
        docket = self._court.docket
        ids = docket.take(self._wall_ms, LOOK_IDS)
        markets = [market for each in ids if (market := docket.market(each)) is not None]
        ended = [each for each in ids if docket.ended(each, self._wall_ms)]
        self._inquiry = Inquiry(markets, ended=ended, with_chain=self._chain is not None)

    def _inquire(self, inquiry: Inquiry) -> None:
        """Ask the next question of this look; at its end, set when each market is due again."""
        ask = inquiry.next(self._able)
        if ask is not None:
            if not self._guarded(ask.source, lambda: self._put(ask, inquiry)):
                inquiry.unanswered(ask)
            return
        self._inquiry = None
        self._court.rise(inquiry.markets, self._wall_ms, missed=inquiry.missed)

    def _put(self, ask: Ask, inquiry: Inquiry) -> None:
        """Ask, and hear the answer."""
        answer = self._answer(ask)
        observations = read(ask, answer, inquiry.markets, self._wall_ms)
        inquiry.heard(ask, observations)
        for condition_id, closed_ms in closings(ask, answer):
            self._court.date(condition_id, closed_ms, self._wall_ms)
        for observation in observations:
            self._hear(observation, inquiry.markets[observation.condition_id])

    def _answer(self, ask: Ask) -> Sequence[bytes]:
        if ask.source is Source.GAMMA:
            ids = spellings(ask.ids)
            return self._sources.markets_by_condition(ids, closed=ask.closed)
        if ask.source is Source.DATA:
            return self._sources.resolutions(ask.ids)
        if ask.source is Source.CHAIN and self._chain is not None:
            return self._chain.payouts(ask.ids)
        found = self._sources.clob_market(ask.ids[0])
        return () if found is None else (found,)

    # --------------------------------------------------------------- verdict

    def _hear(self, observation: Observation, market: Market) -> None:
        """Tell the writer what follows from what a source says."""
        heard = self._court.hear(observation, market, self._wall_ms)
        if heard.evidence is not None:
            self._tell_writer(lambda n: ResolutionObserved(ticket=n, observation=observation))
        if heard.resolution is not None:
            self._resolve(heard.resolution)
        if heard.contradiction is not None:
            self._contradict(heard.contradiction)

    def _resolve(self, resolution: Resolution) -> None:
        """Have a verdict recorded for ever."""
        self._tell_writer(lambda n: MarketResolved(ticket=n, resolution=resolution))
        log.info(
            "market_resolved",
            extra={"condition_id": resolution.condition_id, "kind": resolution.kind},
        )

    def _contradict(self, contradiction: Contradiction) -> None:
        """Show that a source contradicts a verdict or another source."""
        self._conflicts_total += 1
        self._tell_writer(lambda n: ResolutionConflict(ticket=n, contradiction=contradiction))
        log.error(
            "resolution_conflict",
            extra={
                "condition_id": contradiction.condition_id,
                "source": contradiction.source.value,
                "recorded": contradiction.recorded,
                "observed": contradiction.observed,
            },
        )

    def _tell_writer(self, make: Callable[[int], Ticketed]) -> None:
        self._writer.tell(self._outbox.put(make))

    # ------------------------------------------------------- what others say

    def _universe_changed(self, change: UniverseChanged) -> None:
        """Wait for what is watched. What is let go is kept: its outcome is wanted."""
        self._add(change.added)

    def _markets_remembered(self, message: MarketsRemembered) -> None:
        """Wait for what earlier lives did not see resolve."""
        self._add(message.markets)

    def _add(self, markets: Iterable[Market]) -> None:
        # A catalogue that watches a settled market was born after it was told.
        self._tell_settled(self._court.admit(markets, self._wall_ms))
        self._go_on()

    def _resolution_hint(self, hint: ResolutionHint) -> None:
        """Look at this market now: the feed says that it resolved."""
        self._court.call(hint.condition_id, self._wall_ms)
        self._go_on()

    def _store_opened(self, _: StoreOpened) -> None:
        """Tell the writer again what is not stored."""
        for message in self._outbox.waiting():
            self._writer.tell(message)

    def _tickets_stored(self, message: TicketsStored) -> None:
        """Forget what is stored; the markets with a stored verdict are settled."""
        stored = self._outbox.stored(message.tickets)
        settled = [m.resolution.condition_id for m in stored if isinstance(m, MarketResolved)]
        for condition_id in settled:
            self._recorded_total += 1
            self._court.stored(condition_id)
        self._tell_settled(settled)

    def _tell_settled(self, condition_ids: Sequence[ConditionId]) -> None:
        for chunk in chunks(condition_ids, SETTLED_CHUNK):
            self._catalog.tell(MarketsSettled(condition_ids=chunk))
