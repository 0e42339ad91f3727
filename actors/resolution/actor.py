"""The resolution actor: finds the true outcome of every market, or leaves it open.

Owns: the open cases, the schedule of polls, the queues of the sources, the findings that are not
stored yet, and the threads that ask the sources.
Receives: Tick, SourceAnswered, ResolutionHint, UniverseChanged, EvidenceRestored,
MarketsRestored, UnresolvedRestored, ConflictsRestored, RechecksRestored, StoreOpened,
TicketsStored. Sends: what is to be stored (ResolutionObserved, MarketStateChanged,
MarketResolved, ResolutionConfirmed, ResolutionConflict, ConflictCleared) and RequestMarkets,
RequestUnresolved, RequestConflicts and RequestRechecks to the writer, MarketsSettled to the
catalog, ResolutionReport to the supervisor. Fails on unexpected errors only, not when a source
does not answer. Restarted by the supervisor; the new incarnation asks the writer again.

The sources are asked side by side, each in its own thread (`asking.py`) and one request at a
time; each answer is a message, and brings the next request to its source, unless its rate limit
is reached or it failed: then it goes on at a later Tick. `resolution/quorum.py` alone decides.
Markets that the catalog removes stay here: they were traded, so their outcome is wanted.
"""

import logging
from collections.abc import Iterable

import msgspec

from actors.actor import Address, Addresses, BaseActor, Incarnation
from actors.errors import PayloadRejected, SourceUnavailable
from actors.messages import (
    ConflictsRestored,
    EvidenceRestored,
    MarketsRestored,
    MarketsSettled,
    RechecksRestored,
    RequestConflicts,
    RequestMarkets,
    RequestRechecks,
    ResolutionHint,
    ResolutionReport,
    StoreOpened,
    Tick,
    TicketsStored,
    UniverseChanged,
    UnresolvedRestored,
)
from actors.model.assumptions import Assumption, ViolationCounter
from actors.model.conversion import chunks
from actors.model.market import Market, Observation, Source, Transition
from actors.model.trade import ConditionId
from actors.polymarket import gamma
from actors.polymarket.sources import Page, SourceGates
from actors.resolution.asking import Asker, SourceAnswered
from actors.resolution.cases import CaseBook
from actors.resolution.clock import Hold, SteadyClock
from actors.resolution.memory import ConflictsAsked, UnresolvedPass
from actors.resolution.outbox import FindingsOutbox
from actors.resolution.polling import (
    MOST_MARKETS,
    Answer,
    PageRequest,
    RecentlyClosed,
    Request,
    closing_times,
    read_answer,
    read_page,
)
from actors.resolution.queues import EndedPoll, PollQueues, Urgency
from actors.resolution.rechecks import RecheckHorizon
from actors.resolution.under_way import OVERDUE_S, RequestsUnderWay

log = logging.getLogger(__name__)

PENDING_REASONS = 20
SETTLED_CHUNK = 1_000
SHARES = {Urgency.NEW: 1.0, Urgency.AGAIN: 0.75, Urgency.RECHECK: 0.75, Urgency.IDLE: 0.05}
"""Of its rate limit, how much a source may have used up when it is asked about such markets."""


class ResolutionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often the sources are asked, and how long an agreement must last.

    Attributes:
        poll_s: Seconds between two polls of a market that is about to resolve.
        hold_s: Seconds for which sources must agree before the outcome is recorded.
    """

    poll_s: float
    hold_s: float


class ResolutionActor(BaseActor):
    """One incarnation of the search for outcomes.

    Args:
        incarnation: This incarnation.
        to: The other actors; it sends to the supervisor, the writer and the catalog.
        asker: Asks the sources; closed when the actor stops.
        settings: Poll interval and hold.
    """

    def __init__(
        self,
        incarnation: Incarnation,
        *,
        to: Addresses,
        asker: Asker,
        settings: ResolutionSettings,
    ) -> None:
        super().__init__(incarnation, to.supervisor)
        self._writer = to.writer
        self._catalog = to.catalog
        self._asker = asker
        self._me = Address()  # of this incarnation alone: an answer to an earlier one is lost
        self._me.move_to(self.actor_ref)
        public_nodes = asker.chain is not None and asker.chain.is_public
        self._gates = SourceGates(
            (each for each in Source if each in asker.sources), public_nodes=public_nodes
        )
        self._cases = CaseBook(
            poll_s=settings.poll_s, hold_s=settings.hold_s, public_nodes=public_nodes
        )
        self._queues = PollQueues(asker.sources, self._cases.schedule)
        self._recently_closed = RecentlyClosed(settings.poll_s)
        self._outbox = FindingsOutbox(to.writer, incarnation=incarnation.number)
        self._horizon = RecheckHorizon()
        self._early: list[EvidenceRestored | RechecksRestored] = []
        self._under_way = RequestsUnderWay(asker)
        self._clock = SteadyClock()
        self._hold = Hold(settings.hold_s)
        self._unresolved = UnresolvedPass()
        self._conflicts = ConflictsAsked()
        self._now, self._wall_ms = 0.0, 0
        self._ticked = self._page_was_last = False
        self._violations = ViolationCounter()
        self.handlers = {
            Tick: self._tick,
            SourceAnswered: self._source_answered,
            UniverseChanged: lambda change: self._watch(change.added),
            EvidenceRestored: self._restored,
            MarketsRestored: lambda message: self._watch(message.markets),
            RechecksRestored: self._restored,
            UnresolvedRestored: self._unresolved_restored,
            ConflictsRestored: self._conflicts_restored,
            ResolutionHint: self._resolution_hint,
            StoreOpened: self._store_opened,
            TicketsStored: self._tickets_stored,
        }

    def on_stop(self) -> None:
        """End the threads that ask, and close their HTTP sessions."""
        self._asker.close()

    # ------------------------------------------------------------------ time

    def _tick(self, tick: Tick) -> None:
        """Record the time, start what is due, report."""
        self._now = tick.now
        self._wall_ms = self._clock.tick(tick.now, tick.wall_ns // 1_000_000)
        self._outbox.tick(tick.now)
        self._cases.tick(tick.now, self._wall_ms)
        self._gates.share(tick.trackers, tick.now)
        if self._asker.chain is not None:
            self._asker.chain.share(tick.trackers)
        self._under_way.tick()
        if not self._ticked:
            self._first_tick()
        self._ask_database()
        self._recently_closed.tick(tick.now, self._wall_ms)
        self._end_polls(self._queues.overdue(tick.now))
        for request in self._under_way.abandon_overdue(self._now):
            self._failed(request, SourceUnavailable(f"no answer in {OVERDUE_S:g} s"))
        self._go_on()
        self.supervisor.tell(
            ResolutionReport(
                child=self.child,
                incarnation=self.incarnation,
                now=tick.now,
                violations=self._violations.totals(),
                recorded_total=self._outbox.recorded_total,
                conflicts_total=self._outbox.conflicts_total,
                pending=self._cases.pending(PENDING_REASONS),
                sources=self._gates.states(),
                waiting=len(self._outbox),
                requests=self._gates.requests(tick.now),
                conflicts_open=max(len(self._cases.conflicts), self._conflicts.total),
                final=tuple(self._outbox.final.items()),
                mute=self._cases.mute.mute,
                ended=self._cases.overdue.count(),
                conflicts_by=self._cases.conflicts.by_source(),
            )
        )

    def _first_tick(self) -> None:
        """Take in what arrived before the time was known."""
        self._ticked = True
        # The process before may have used up the rate limits a moment ago: the gates
        # stay shut for ten seconds.
        self._gates.begin(self._now)
        # By itself the writer sends them only when it opens the database: to one that is gone.
        if self.incarnation > 1:
            self._writer.tell(RequestMarkets())
        early, self._early = self._early, []
        for message in early:
            self._restored(message)

    def _ask_database(self) -> None:
        """Ask for what the database remembers: rechecks, unresolved markets, contradictions."""
        window = self._horizon.tick(self._wall_ms)
        if window is not None:
            self._writer.tell(RequestRechecks(window=window))
        step = self._unresolved.tick(self._now, self._queues.most_waiting)
        if step is not None:
            self._writer.tell(step)
        if self._conflicts.is_due(self._now):
            self._writer.tell(RequestConflicts())

    # ------------------------------------------------------------------- ask

    def _go_on(self) -> None:
        """Begin the polls that are due, and ask each source that may be asked.

        Nothing is asked while too much waits for the database: the sources will report the same
        later.
        """
        if not self._ticked or self._outbox.is_full:
            return
        self._begin_polls()
        for source in self._asker.sources:
            self._ask(source)

    def _begin_polls(self) -> None:
        """Put the markets that are due into the queues."""
        self._cases.horizon_ms = self._horizon.until_ms
        due = self._cases.take_due(self._wall_ms)
        able = self._able() if due else ()
        for market in due:
            # The one before is over at the latest now.
            for ended in self._queues.begin(market, self._now, able):
                self._add(self._cases.judge(ended.condition_id, self._wall_ms))

    def _able(self) -> frozenset[Source]:
        """Return the sources that answer, as far as is known."""
        return frozenset(each for each in self._asker.sources if self._gates.able(each, self._now))

    def _ask(self, source: Source) -> None:
        """Make the next request to a source, if it may be asked now."""
        # Seldom while its answers cannot be dated: then only its clock is learnt.
        rested = self._clock.is_trusted or self._under_way.rested(source, self._now)
        if source in self._under_way or not rested:
            return
        request = self._next_request(source)
        if request is None:
            return
        # Counted before it is sent: the server counts it, whether its answer arrives or not.
        self._gates.asked(source, self._now)
        if source is Source.GAMMA:
            self._page_was_last = isinstance(request, PageRequest)
        self._under_way.ask(request, self._now, self._wall_ms, self._me)

    def _next_request(self, source: Source) -> Request | PageRequest | None:
        """Return what to ask a source next, as far as its rate limit allows it."""
        urgency = self._queues.urgency(source)
        page = self._recently_closed.request if source is Source.GAMMA else None
        # A page and a look-up in turn: a long listing must not keep Gamma from the markets.
        if self._page_was_last and urgency is not None:
            page = None
        if page is not None:
            urgency = Urgency.NEW
        if urgency is None or not self._gates.open(source, self._now, share=SHARES[urgency]):
            return None
        chain = self._asker.chain if source is Source.CHAIN else None
        most = MOST_MARKETS[source] if chain is None else chain.at_once
        return page or self._queues.next(source, most)

    # ---------------------------------------------------------------- answers

    def _source_answered(self, message: SourceAnswered) -> None:
        """Take in an answer or a failure, and ask on."""
        request = message.request
        asked = self._under_way.answered(request)
        if asked is None:
            return  # it was abandoned
        # When the clock is set back, what is under way was not asked later than now.
        at_ms = min(asked.wall_ms, self._wall_ms) if self._learn(message) else asked.wall_ms
        failure = message.failure
        if isinstance(failure, SourceUnavailable | PayloadRejected):
            self._failed(request, failure)
        elif failure is not None:
            raise failure
        else:
            self._gates.answered(request.source)
            if not self._clock.is_trusted:  # ask the same again when its answer can be dated
                self._queues.put_back(request)
            elif isinstance(request, Request):
                self._take_answer(request, message.answer, at_ms, message.age_ms)
                made_at = asked.at - message.age_ms / 1000
                self._cases.mute.answered(request.source, request.ids, made_at)
            elif message.page is not None:
                self._take_page(message.page, at_ms, message.age_ms)
        self._go_on()

    def _learn(self, message: SourceAnswered) -> bool:
        """Take in what an answer shows of the clock and of caches; return whether that was set."""
        self._violations.add(Assumption.CLOCK, message.clock_errors)
        self._violations.add(Assumption.FRESH_ANSWERS, message.old_answers)
        self._cases.hold_for(self._hold.seen(message.request.source, message.max_age_s))
        wrong_ms = self._clock.heard(message.request.source, message.clock_offset_s)
        if wrong_ms:
            log.warning("clock_set", extra={"wrong_s": round(wrong_ms / 1000, 1)})
            self._wall_ms += wrong_ms
            self._cases.clock_set(self._wall_ms)
            self._under_way.clock_set(self._wall_ms)
        return wrong_ms != 0

    def _failed(
        self, request: Request | PageRequest, failure: SourceUnavailable | PayloadRejected
    ) -> None:
        """Leave the source alone for a while, or ask it about the half of what it rejected."""
        wait_s = self._gates.failed(request.source, self._now, failure)
        log.warning(
            "source_failed",
            extra={"source": request.source.value, "reason": str(failure), "retry_s": wait_s},
        )
        if isinstance(request, Request):
            self._end_polls(self._queues.failed(request, failure, self._able()))
        else:
            self._recently_closed.failed()
        if not self._gates.able(request.source, self._now):
            self._end_polls(self._queues.away(request.source, self._able()))

    def _take_answer(self, request: Request, answer: Answer, at_ms: int, age_ms: int) -> None:
        """Take in what a source answered about markets."""
        observations = read_answer(
            request, answer, self._markets(request.ids), at_ms, age_ms=age_ms
        )
        # Before the observations: one of them may decide a market, and is then dated by this time.
        for condition_id, closed_ms in closing_times(request, answer):
            self._cases.closed(condition_id, closed_ms, self._wall_ms)
        for observation in observations:
            self._under_way.dated(observation)
            self._observe(observation)
        observed = (each.condition_id for each in observations)
        self._end_polls(self._queues.answered(request, observed, self._able()))

    def _take_page(self, page: Page, at_ms: int, age_ms: int) -> None:
        """Take in a page of the closings, which is evidence on its markets; news make them due."""
        listing = self._recently_closed.listing
        if listing is None:
            return
        listing.advance(page.next_cursor, count=len(page.markets))
        self._violations.add(Assumption.KEYSET, len(listing.findings()))
        rows = [(gamma.condition_of(raw), gamma.resolved_at_ms(raw)) for raw in page.markets]
        recent = self._recently_closed.add_page(rows, self._wall_ms)
        markets = self._markets(recent)
        for condition_id, closed_ms in rows:
            if condition_id in markets:
                self._cases.closed(condition_id, closed_ms, self._wall_ms)
        for observation in read_page(page, markets, at_ms, age_ms=age_ms):
            self._under_way.dated(observation)
            market = markets[observation.condition_id]
            self._outbox.add(self._cases.observe_listed(observation, market, self._wall_ms), market)

    def _markets(self, ids: Iterable[ConditionId]) -> dict[ConditionId, Market]:
        """Return those of these markets that still wait; others were settled meanwhile."""
        found = ((each, self._cases.schedule.market(each)) for each in ids)
        return {each: market for each, market in found if market is not None}

    def _observe(self, observation: Observation) -> None:
        """Take in an observation; ask the CLOB, too, about what another source calls final."""
        condition_id = observation.condition_id
        market = self._cases.schedule.market(condition_id)
        if market is None:
            return
        self._outbox.add(self._cases.observe(observation, market, self._wall_ms), market)
        final = observation.payouts is not None and observation.source is not Source.CLOB
        if final and self._cases.may_ask_clob(condition_id, self._wall_ms):
            self._queues.ask_clob(condition_id, self._able())

    def _end_polls(self, ended: Iterable[EndedPoll]) -> None:
        """Judge the states of these markets, and forget those of which nothing more is asked."""
        self._cases.horizon_ms = self._horizon.until_ms
        for poll in ended:
            condition_id = poll.condition_id
            if poll.late:
                self._add(self._cases.judge(condition_id, self._wall_ms))
                continue
            self._add(self._cases.end_poll(condition_id, self._wall_ms, missed=poll.missed))
            if condition_id not in self._cases.schedule:
                self._queues.remove(condition_id)

    def _add(self, transition: Transition | None) -> None:
        if transition is not None:
            self._outbox.add_transition(transition)

    # ---------------------------------------------- messages of other actors

    def _restored(self, message: EvidenceRestored | RechecksRestored) -> None:
        """Take over stored evidence, or resolutions to recheck."""
        if not self._ticked:
            self._early.append(message)
        elif isinstance(message, EvidenceRestored):
            self._cases.restore(message.evidence, self._wall_ms)
        else:
            self._cases.restore_rechecks(message.rechecks, self._wall_ms)
            if message.until_ms is not None:
                self._horizon.answered(message.until_ms)
            self._go_on()

    def _unresolved_restored(self, message: UnresolvedRestored) -> None:
        """Wait for the outcome of markets that ended, maybe long ago."""
        self._unresolved.answered(message.until)
        self._watch(message.markets)

    def _conflicts_restored(self, message: ConflictsRestored) -> None:
        """Take over which contradictions are open: a person may have acknowledged some."""
        before = self._conflicts.answered(message)
        complete = len({condition_id for condition_id, _ in message.open}) >= message.total
        self._cases.conflicts.restore_open(before=before, now=message.open, complete=complete)
        self._cases.restore_rechecks(message.rechecks, self._wall_ms)
        self._go_on()

    def _watch(self, markets: Iterable[Market]) -> None:
        """Wait for the outcome of these. What the catalog removes stays here."""
        # A catalog that watches a settled market was started after it had settled.
        self._settle(self._cases.add(markets, self._wall_ms))
        self._go_on()

    def _resolution_hint(self, hint: ResolutionHint) -> None:
        """Poll this market now: the feed reports that it resolved."""
        self._cases.hinted(hint.condition_id, self._wall_ms)
        self._go_on()

    def _store_opened(self, _: StoreOpened) -> None:
        """Send the writer again what is not stored; what did arrive is stored once all the same."""
        self._outbox.resend()
        self._horizon.ask_soon()
        self._unresolved.begin()
        self._conflicts.ask_soon()

    def _tickets_stored(self, message: TicketsStored) -> None:
        """Forget what is stored; the markets whose resolution is stored are settled."""
        stored = self._outbox.stored(message.tickets)
        for condition_id in message.unproven:
            self._cases.unproven(condition_id, self._wall_ms)
        settled = tuple(each for each in stored if each not in message.unproven)
        for condition_id in settled:
            self._cases.stored(condition_id)
        self._settle(settled)

    def _settle(self, condition_ids: tuple[ConditionId, ...]) -> None:
        """Report to the catalog that these need no more watching."""
        for chunk in chunks(condition_ids, SETTLED_CHUNK):
            self._catalog.tell(MarketsSettled(condition_ids=chunk))
