"""The resolution actor: the true outcome of every market, or none.

Owns: which markets are due for a look, what the sources have said, what is not
yet stored. Hears: Tick, Poll, ResolutionHint, UniverseChanged, EvidenceRestored,
MarketsRestored, RechecksRestored, StoreOpened, TicketsStored. Tells:
ResolutionObserved, MarketMoved, MarketResolved, ResolutionConflict and
RequestRechecks to the writer, MarketsSettled to the catalogue, ResolutionReport to
the supervisor. Dies when: the unexpected happens; a source that does not answer is
not. Restarted: by the supervisor; the new life asks the writer for the markets
without a verdict and what was last said of them.

Each Poll asks one source one question, then tells itself Poll again, unless that
source has had its share of requests: then the next Tick goes on. The verdict is
`resolution/quorum.py`'s alone. Markets that the catalogue lets go are kept here: they
were traded, so their outcome is wanted.
"""

import logging
from collections.abc import Callable, Iterable

import msgspec

from actors.actor import Addresses, BaseActor, Incarnation, Mailbox, Outbox
from actors.errors import PayloadRejected, SourceUnavailable
from actors.messages import (
    EvidenceRestored,
    MarketMoved,
    MarketResolved,
    MarketsRestored,
    MarketsSettled,
    Poll,
    RechecksRestored,
    RequestMarkets,
    RequestRechecks,
    ResolutionConflict,
    ResolutionHint,
    ResolutionObserved,
    ResolutionReport,
    StoreOpened,
    Tick,
    TicketsStored,
    UniverseChanged,
)
from actors.model.chunks import chunks
from actors.model.market import Market
from actors.model.outcome import Contradiction, Resolution, Source, Transition
from actors.model.trade import ConditionId
from actors.polymarket import gamma
from actors.polymarket.pagination import Pagination
from actors.polymarket.ports import Chain, Sources
from actors.polymarket.ratelimit import SourceGates
from actors.resolution.cases import CaseBook, Heard
from actors.resolution.polling import (
    LOOK_IDS,
    Ask,
    PollRound,
    RecentlyResolved,
    ask_sources,
    closings,
    read,
)
from actors.resolution.recheck import RecheckWindow

# MERGED: The outbox of the resolution actor: tells the writer what the cases found, until
# it is stored.


OUTBOX_MAX = 10_000
Ticketed = ResolutionObserved | MarketMoved | MarketResolved | ResolutionConflict


class FindingsOutbox:
    """What is told and not yet stored. In the thread of its actor.

    Attributes:
        recorded_total: Verdicts that are stored.
        conflicts_total: Contradictions that were told.
    """

    def __init__(self, writer: Mailbox, *, incarnation: int) -> None:
        self.recorded_total = self.conflicts_total = 0
        self._writer = writer
        self._outbox = Outbox(incarnation=incarnation)

    def __len__(self) -> int:
        return len(self._outbox)

    @property
    def busy(self) -> bool:
        """Return whether so much waits for the database that nothing new should be looked for."""
        return len(self._outbox) >= OUTBOX_MAX

    def note(self, heard: Heard) -> None:
        """Return what follows from the word of a source, the evidence first."""
        evidence = heard.evidence
        if evidence is not None:
            self._tell(lambda n: ResolutionObserved(ticket=n, observation=evidence))
        if heard.transition is not None:
            self.move(heard.transition)
        if heard.resolution is not None:
            self._resolve(heard.resolution)
        if heard.contradiction is not None:
            self._contradict(heard.contradiction)

    def move(self, step: Transition) -> None:
        """Have it written down that a market stands elsewhere."""
        self._tell(lambda n: MarketMoved(ticket=n, transition=step))

    def tell_again(self) -> None:
        """Return what is not stored; in the order in which it was told."""
        for message in self._outbox.waiting():
            self._writer.tell(message)

    def stored(self, tickets: Iterable[int]) -> tuple[ConditionId, ...]:
        """Forget what is stored; give the markets whose verdict is."""
        stored = self._outbox.stored(tickets)
        settled = [m.resolution.condition_id for m in stored if isinstance(m, MarketResolved)]
        self.recorded_total += len(settled)
        return tuple(settled)

    def _resolve(self, resolution: Resolution) -> None:
        """Have a verdict recorded for ever."""
        self._tell(lambda n: MarketResolved(ticket=n, resolution=resolution))
        log.info(
            "market_resolved",
            extra={"condition_id": resolution.condition_id, "kind": resolution.kind},
        )

    def _contradict(self, contradiction: Contradiction) -> None:
        """Show that a source contradicts a verdict or another source."""
        self.conflicts_total += 1
        self._tell(lambda n: ResolutionConflict(ticket=n, contradiction=contradiction))
        log.error(
            "resolution_conflict",
            extra={
                "condition_id": contradiction.condition_id,
                "source": contradiction.source.value,
                "recorded": contradiction.recorded,
                "observed": contradiction.observed,
            },
        )

    def _tell(self, make: Callable[[int], Ticketed]) -> None:
        self._writer.tell(self._outbox.put(make))


log = logging.getLogger(__name__)
PENDING_REASONS = 20
SETTLED_CHUNK = 1_000


class ResolutionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often the sources are asked, and how long a decision must hold.

    Attributes:
        poll_s: Seconds between two looks at a market that is about to resolve.
        hold_s: How long the sources must agree before an outcome is recorded, in seconds.
    """

    poll_s: float
    hold_s: float


class ResolutionActor(BaseActor):
    """One life of the search for outcomes."""

    def __init__(
        self,
        incarnation: Incarnation,
        *,
        to: Addresses,
        sources: Sources,
        chain: Chain | None,
        settings: ResolutionSettings,
    ) -> None:
        super().__init__(incarnation, to.supervisor)
        self._writer = to.writer
        self._catalog = to.catalog
        self._sources = sources
        self._chain = chain
        self._doors = SourceGates(each for each in Source if chain or each is not Source.CHAIN)
        self._cases = CaseBook(poll_s=settings.poll_s, hold_s=settings.hold_s)
        self._closings = RecentlyResolved(settings.poll_s)
        self._outbox = FindingsOutbox(to.writer, incarnation=incarnation.number)
        self._rechecks = RecheckWindow()
        self._poll_round: PollRound | None = None
        self._early: list[EvidenceRestored | RechecksRestored] = []
        self._now, self._wall_ms = 0.0, 0
        self._ticked = self._polling = False
        self.handlers = {
            Tick: self._tick,
            Poll: self._poll,
            UniverseChanged: self._universe_changed,
            EvidenceRestored: self._remembered,
            MarketsRestored: self._markets_remembered,
            RechecksRestored: self._remembered,
            ResolutionHint: self._resolution_hint,
            StoreOpened: self._store_opened,
            TicketsStored: self._tickets_stored,
        }

    def on_stop(self) -> None:
        """Close the HTTP sessions, which belong to this actor alone."""
        self._sources.close()
        if self._chain is not None:
            self._chain.close()

    # ------------------------------------------------------------------ time

    def _tick(self, tick: Tick) -> None:
        """Note the time, begin what is due, report."""
        self._now, self._wall_ms = tick.now, tick.wall_ns // 1_000_000
        if not self._ticked:
            self._begin()
        stretch = self._rechecks.tick(self._wall_ms)
        if stretch is not None:
            self._writer.tell(RequestRechecks(stretch=stretch))
        self._closings.tick(tick.now, self._wall_ms)
        self._go_on()
        self.supervisor.tell(
            ResolutionReport(
                child=self.child,
                incarnation=self.incarnation,
                now=tick.now,
                recorded_total=self._outbox.recorded_total,
                conflicts_total=self._outbox.conflicts_total,
                pending=self._cases.pending(PENDING_REASONS),
                sources=self._doors.states(),
                waiting=len(self._outbox),
                requests=self._doors.requests(tick.now),
            )
        )

    def _begin(self) -> None:
        """Know the time at last: take in what was remembered before."""
        self._ticked = True
        self._doors.begin(self._now)
        if self.incarnation > 1:
            self._writer.tell(RequestMarkets())
        early, self._early = self._early, []
        for message in early:
            self._remembered(message)

    # ------------------------------------------------------------------ poll

    def _poll(self, _: Poll) -> None:
        """Ask one source one question, then go on. Blocks for 20 s at most."""
        self._polling = False
        if self._walk() is not None:
            if not self._guarded(Source.GAMMA, self._read_closings):
                self._closings.failed()
        elif self._may_go_on():
            if self._poll_round is not None:
                self._inquire(self._poll_round)
            else:
                self._begin_poll_round()
        self._go_on()

    def _go_on(self) -> None:
        """Tell itself Poll when there is something to ask and somebody to answer."""
        if not self._polling and (self._walk() is not None or self._may_go_on()):
            self._polling = True
            self.actor_ref.tell(Poll())

    def _able(self, source: Source) -> bool:
        # What the chain does not afford is left out of this look: the others must not wait for it.
        chain = source is Source.CHAIN
        return (self._doors.open if chain else self._doors.able)(source, self._now)

    def _walk(self) -> Pagination | None:
        """Return the walk through the closings if a page of it may be read."""
        return self._closings.walk if self._doors.open(Source.GAMMA, self._now) else None

    def _may_go_on(self) -> bool:
        """Return whether the look under way goes on now, or another one begins."""
        if self._poll_round is None:
            return self._may_inquire()
        head = self._poll_round.head
        return head is None or not self._able(head) or self._doors.affords(head, self._now)

    def _may_inquire(self) -> bool:
        """Return whether a look is due and makes sense.

        Not while no source answers, and not while the database keeps too much
        waiting: the sources will say the same again.
        """
        return (
            not self._outbox.busy
            and self._cases.schedule.due(self._wall_ms)
            and self._doors.any_able(self._now)
        )

    def _guarded(self, source: Source, work: Callable[[], None]) -> bool:
        """Do work that asks a source; give False when it did not answer."""
        self._doors.asked(source, self._now)
        try:
            work()
        except (SourceUnavailable, PayloadRejected) as failure:
            wait_s = self._doors.failed(source, self._now, failure)
            log.warning(
                "source_failed",
                extra={"source": source.value, "reason": str(failure), "retry_s": wait_s},
            )
            return False
        self._doors.answered(source)
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
            self._cases.call_unresolved(condition_id, self._wall_ms)

    def _begin_poll_round(self) -> None:
        """Take up markets that are due."""
        schedule = self._cases.schedule
        ids = schedule.take(self._wall_ms, LOOK_IDS)
        markets = [market for each in ids if (market := schedule.market(each)) is not None]
        ended = [each for each in ids if schedule.ended(each, self._wall_ms)]
        self._poll_round = PollRound(
            markets,
            ended=ended,
            with_chain=self._chain is not None,
            checked=self._cases.checked(ids, self._wall_ms),
        )

    def _inquire(self, poll_round: PollRound) -> None:
        """Ask the next question of this look; at its end, set when each market is due again."""
        ask = poll_round.next(self._able)
        if ask is not None:
            if not self._guarded(ask.source, lambda: self._put(ask, poll_round)):
                poll_round.unanswered(ask)
            return
        self._poll_round = None
        self._cases.horizon_ms = self._rechecks.horizon_ms
        markets = poll_round.markets.values()
        for step in self._cases.rise(markets, self._wall_ms, missed=poll_round.missed):
            self._outbox.move(step)

    def _put(self, ask: Ask, poll_round: PollRound) -> None:
        """Ask, and hear the answer."""
        answer = ask_sources(ask, self._sources, self._chain)
        observations = read(ask, answer, poll_round.markets, self._wall_ms)
        poll_round.heard(ask, observations)
        for condition_id, closed_ms in closings(ask, answer):
            self._cases.date(condition_id, closed_ms, self._wall_ms)
        for observation in observations:
            market = poll_round.markets[observation.condition_id]
            self._outbox.note(self._cases.hear(observation, market, self._wall_ms))

    # ------------------------------------------------------- what others say

    def _universe_changed(self, change: UniverseChanged) -> None:
        """Wait for what is watched. What is let go is kept: its outcome is wanted."""
        self._add(change.added)

    def _remembered(self, message: EvidenceRestored | RechecksRestored) -> None:
        """Take over what earlier lives heard last, and verdicts that are to be looked at again."""
        if not self._ticked:
            self._early.append(message)
        elif isinstance(message, EvidenceRestored):
            self._cases.remember(message.said, self._wall_ms)
        else:
            self._cases.recheck(message.verdicts, self._wall_ms)
            if message.until_ms is not None:
                self._rechecks.answered(message.until_ms)
            self._go_on()

    def _markets_remembered(self, message: MarketsRestored) -> None:
        """Wait for what earlier lives did not see resolve."""
        self._add(message.markets)

    def _add(self, markets: Iterable[Market]) -> None:
        # A catalogue that watches a settled market was born after it was told.
        self._tell_settled(self._cases.admit(markets, self._wall_ms))
        self._go_on()

    def _resolution_hint(self, hint: ResolutionHint) -> None:
        """Look at this market now: the feed says that it resolved."""
        self._cases.call(hint.condition_id, self._wall_ms)
        self._go_on()

    def _store_opened(self, _: StoreOpened) -> None:
        """Tell the writer again what is not stored."""
        self._outbox.tell_again()
        self._rechecks.ask_soon()

    def _tickets_stored(self, message: TicketsStored) -> None:
        """Forget what is stored; the markets with a stored verdict are settled."""
        settled = self._outbox.stored(message.tickets)
        for condition_id in settled:
            self._cases.stored(condition_id)
        self._tell_settled(settled)

    def _tell_settled(self, condition_ids: tuple[ConditionId, ...]) -> None:
        for chunk in chunks(condition_ids, SETTLED_CHUNK):
            self._catalog.tell(MarketsSettled(condition_ids=chunk))
