"""The resolution actor: finds the true outcome of every market, or leaves it open.

Owns: the open cases, the schedule of polls, the findings that are not stored yet.
Receives: Tick, Poll, ResolutionHint, UniverseChanged, EvidenceRestored,
MarketsRestored, RechecksRestored, StoreOpened, TicketsStored. Sends:
ResolutionObserved, MarketStateChanged, MarketResolved, ResolutionConflict, RequestMarkets
and RequestRechecks to the writer, MarketsSettled to the catalog,
ResolutionReport to the supervisor. Fails on unexpected errors only; a source that
does not answer is an expected one. Restarted by the supervisor; the new
incarnation asks the writer for the markets without a resolution and the evidence
on them.

Each Poll makes one request to one source. Then the actor sends itself Poll again,
unless the rate limit of that source is reached: then it goes on at the next Tick.
`resolution/quorum.py` alone decides. Markets that the catalog removes stay here:
they were traded, so their outcome is wanted.
"""

import logging
from collections.abc import Callable, Iterable

import msgspec

from actors.actor import Addresses, BaseActor, Incarnation
from actors.errors import PayloadRejected, SourceUnavailable
from actors.messages import (
    EvidenceRestored,
    MarketsRestored,
    MarketsSettled,
    Poll,
    RechecksRestored,
    RequestMarkets,
    RequestRechecks,
    ResolutionHint,
    ResolutionReport,
    StoreOpened,
    Tick,
    TicketsStored,
    UniverseChanged,
)
from actors.model.assumptions import Assumption, ViolationCounter
from actors.model.conversion import chunks
from actors.model.market import Market, Source
from actors.model.trade import ConditionId
from actors.polymarket import gamma
from actors.polymarket.pagination import Pagination
from actors.polymarket.sources import Chain, SourceGates, Sources
from actors.resolution.cases import CaseBook
from actors.resolution.outbox import FindingsOutbox
from actors.resolution.polling import (
    ROUND_MARKETS,
    PollRound,
    RecentlyClosed,
    Request,
    closing_times,
    read_answer,
    send,
)
from actors.resolution.schedule import RecheckHorizon

log = logging.getLogger(__name__)

PENDING_REASONS = 20
SETTLED_CHUNK = 1_000


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
        sources: Gamma, CLOB and Data API; closed when the actor stops.
        chain: The CTF contract, or None when it is not asked; closed likewise.
        settings: Poll interval and hold.
    """

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
        self._gates = SourceGates(each for each in Source if chain or each is not Source.CHAIN)
        self._cases = CaseBook(poll_s=settings.poll_s, hold_s=settings.hold_s)
        self._recently_closed = RecentlyClosed(settings.poll_s)
        self._outbox = FindingsOutbox(to.writer, incarnation=incarnation.number)
        self._horizon = RecheckHorizon()
        self._round: PollRound | None = None
        self._early: list[EvidenceRestored | RechecksRestored] = []
        self._now, self._wall_ms = 0.0, 0
        self._rounds_ended = 0  # since the last tick
        self._ticked = self._polling = False
        self._violations = ViolationCounter()
        self.handlers = {
            Tick: self._tick,
            Poll: self._poll,
            UniverseChanged: self._universe_changed,
            EvidenceRestored: self._restored,
            MarketsRestored: self._markets_restored,
            RechecksRestored: self._restored,
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
        """Record the time, start what is due, report."""
        self._now, self._wall_ms = tick.now, tick.wall_ns // 1_000_000
        self._outbox.tick(tick.now)
        self._gates.share(tick.trackers, tick.now)
        self._rounds_ended = 0
        if not self._ticked:
            self._first_tick()
        window = self._horizon.tick(self._wall_ms)
        if window is not None:
            self._writer.tell(RequestRechecks(window=window))
        self._recently_closed.tick(tick.now, self._wall_ms)
        self._go_on()
        self._violations.add(Assumption.CLOCK, self._sources.take_clock_errors())
        self._violations.add(Assumption.FRESH_ANSWERS, self._sources.take_old_answers())
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
            )
        )

    def _first_tick(self) -> None:
        """Take in what arrived before the time was known."""
        self._ticked = True
        # The process before may have used up the rate limits a moment ago: the gates
        # stay shut for ten seconds.
        self._gates.begin(self._now)
        # The writer sends them by itself only when it opens the database; then the first
        # incarnation was there, and what it received is lost with it.
        if self.incarnation > 1:
            self._writer.tell(RequestMarkets())
        early, self._early = self._early, []
        for message in early:
            self._restored(message)

    # ------------------------------------------------------------------ poll

    def _poll(self, _: Poll) -> None:
        """Make one request to one source, then go on. Blocks for 20 s at most."""
        self._polling = False
        # The listing first: it takes one request and names the markets that the next round polls.
        if self._readable_listing() is not None:
            if self._guarded(Source.GAMMA, self._read_closings) is not None:
                self._recently_closed.failed()
        elif self._may_advance():
            if self._round is not None:
                self._advance(self._round)
            else:
                self._begin_round()
        self._go_on()

    def _go_on(self) -> None:
        """Send Poll to this actor when there is a request to make and a source to answer it."""
        # One Poll at a time: otherwise each message that makes a market due would
        # start another chain of them.
        if not self._polling and (self._readable_listing() is not None or self._may_advance()):
            self._polling = True
            self.actor_ref.tell(Poll())

    def _is_able(self, source: Source) -> bool:
        # A round does not wait for the rate limit of the chain: it leaves the chain out.
        chain = source is Source.CHAIN
        return (self._gates.open if chain else self._gates.able)(source, self._now)

    def _readable_listing(self) -> Pagination | None:
        """Return the pass through the closings if a page of it may be read now."""
        return self._recently_closed.listing if self._gates.open(Source.GAMMA, self._now) else None

    def _may_advance(self) -> bool:
        """Return whether the round under way goes on now, or another one begins."""
        if self._round is None:
            return self._may_begin_round()
        source = self._round.next_source
        return source is None or not self._is_able(source) or self._gates.affords(source, self._now)

    def _may_begin_round(self) -> bool:
        """Return whether a market is due and polling it makes sense.

        It does not while no source answers, nor while too much waits for the
        database: the sources will report the same later.
        """
        return (
            not self._outbox.is_full
            and self._cases.schedule.has_due(self._wall_ms)
            and self._gates.any_able(self._now)
        )

    def _guarded(
        self, source: Source, work: Callable[[], None]
    ) -> SourceUnavailable | PayloadRejected | None:
        """Do work that makes a request to a source; return its failure, or None."""
        # Counted before it is sent: the server counts it, whether its answer arrives or not.
        self._gates.asked(source, self._now)
        try:
            work()
        except (SourceUnavailable, PayloadRejected) as failure:
            wait_s = self._gates.failed(source, self._now, failure)
            log.warning(
                "source_failed",
                extra={"source": source.value, "reason": str(failure), "retry_s": wait_s},
            )
            return failure
        self._gates.answered(source)
        return None

    def _read_closings(self) -> None:
        """Read a page of the closings: its markets are due now."""
        listing = self._recently_closed.listing
        if listing is None:
            return
        page = self._sources.markets_page(listing.params, listing.cursor, route=listing.route)
        listing.advance(page.next_cursor, count=len(page.markets))
        self._violations.add(Assumption.KEYSET, len(listing.findings()))
        rows = ((gamma.condition_of(raw), gamma.resolved_at_ms(raw)) for raw in page.markets)
        for condition_id in self._recently_closed.add_page(rows, self._wall_ms):
            self._cases.poll_unresolved(condition_id, self._wall_ms)

    def _begin_round(self) -> None:
        """Begin a round with markets that are due."""
        schedule = self._cases.schedule
        ids = schedule.take(self._wall_ms, ROUND_MARKETS)
        markets = [market for each in ids if (market := schedule.market(each)) is not None]
        ended = [each for each in ids if schedule.ended(each, self._wall_ms)]
        self._round = PollRound(
            markets,
            ended=ended,
            with_chain=self._chain is not None,
            without_clob=self._cases.past_first_recheck(ids, self._wall_ms),
        )

    def _advance(self, poll_round: PollRound) -> None:
        """Make the next request of this round; at its end set when each market is due again."""
        request = poll_round.next(self._is_able)
        if request is not None:
            failure = self._guarded(request.source, lambda: self._request(request, poll_round))
            if failure is not None:
                poll_round.failed(request, failure)
            return
        self._round = None
        self._rounds_ended += 1
        self._cases.horizon_ms = self._horizon.until_ms
        markets = poll_round.markets.values()
        for transition in self._cases.end_round(markets, self._wall_ms, missed=poll_round.missed):
            self._outbox.add_transition(transition)

    def _request(self, request: Request, poll_round: PollRound) -> None:
        """Send a request and take in the answer."""
        answer = send(request, self._sources, self._chain)
        # A hint can bring a second round in one tick. Market, source and time are the key of a
        # stored observation, so with equal times the second would be lost.
        at_ms = self._wall_ms + self._rounds_ended
        age_ms = 0 if request.source is Source.CHAIN else int(self._sources.age_s * 1000)
        observations = read_answer(request, answer, poll_round.markets, at_ms, age_ms=age_ms)
        poll_round.answered(request, observations)
        # Before the observations: one of them may decide a market, and is then dated by this time.
        for condition_id, closed_ms in closing_times(request, answer):
            self._cases.closed(condition_id, closed_ms, self._wall_ms)
        for observation in observations:
            market = poll_round.markets[observation.condition_id]
            self._outbox.add(self._cases.observe(observation, market, self._wall_ms))

    # ---------------------------------------------- messages of other actors

    def _universe_changed(self, change: UniverseChanged) -> None:
        """Wait for the outcome of what is watched. What is removed stays here."""
        self._add(change.added)

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

    def _markets_restored(self, message: MarketsRestored) -> None:
        """Wait for the outcome of stored markets that have none."""
        self._add(message.markets)

    def _add(self, markets: Iterable[Market]) -> None:
        # A catalog that watches a settled market was started after it had settled.
        self._settle(self._cases.add(markets, self._wall_ms))
        self._go_on()

    def _resolution_hint(self, hint: ResolutionHint) -> None:
        """Poll this market now: the feed reports that it resolved."""
        self._cases.poll_now(hint.condition_id, self._wall_ms)
        self._go_on()

    def _store_opened(self, _: StoreOpened) -> None:
        """Send the writer again what is not stored."""
        # What was in the mailbox or in the batch of the writer is lost. What did arrive is stored
        # once all the same: the rows have unique keys.
        self._outbox.resend()
        self._horizon.ask_soon()

    def _tickets_stored(self, message: TicketsStored) -> None:
        """Forget what is stored; the markets whose resolution is stored are settled."""
        settled = self._outbox.stored(message.tickets)
        for condition_id in settled:
            self._cases.stored(condition_id)
        self._settle(settled)

    def _settle(self, condition_ids: tuple[ConditionId, ...]) -> None:
        """Report to the catalog that these need no more watching."""
        for chunk in chunks(condition_ids, SETTLED_CHUNK):
            self._catalog.tell(MarketsSettled(condition_ids=chunk))
