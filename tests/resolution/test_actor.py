"""The resolution actor, not started: a test sends it messages and looks at what it sends."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from actors.actor import Addresses, Incarnation
from actors.errors import PayloadRejected, SourceUnavailable
from actors.messages import (
    EvidenceRestored,
    MarketResolved,
    MarketsRestored,
    MarketsSettled,
    MarketStateChanged,
    Message,
    RechecksRestored,
    RequestConflicts,
    RequestMarkets,
    RequestRechecks,
    RequestUnresolved,
    ResolutionConflict,
    ResolutionHint,
    ResolutionObserved,
    ResolutionReport,
    StoreOpened,
    Tick,
    TicketsStored,
    UniverseChanged,
)
from actors.model.assumptions import Assumption
from actors.model.market import (
    ContradictionKind,
    Market,
    MarketState,
    Naming,
    Observation,
    Recheck,
    Resolution,
    Source,
    StoredEvidence,
    Transition,
)
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.gamma import parse_market
from actors.polymarket.sources import CHAIN, GAMMA_OUTCOMES, MOST_BAD
from actors.resolution.actor import ResolutionActor, ResolutionSettings
from actors.resolution.evidence import listed_names
from actors.resolution.outbox import OUTBOX_MAX
from actors.resolution.quorum import outcome_text
from tests.clocks import DAY_S, HOUR_S, Clocks, clocks
from tests.fakes_asking import FakeAsker
from tests.fakes_box import Box, drain, step, waiting
from tests.fakes_http import WALL_MS, FakeMarket, FakePolymarket, condition, tokens

POLL_S = 60.0
HOLD_S = 120.0
ENDED = WALL_MS - 1_000


class Harness:
    """A resolution actor with boxes for the other actors and a clock."""

    def __init__(
        self,
        web: FakePolymarket,
        *,
        incarnation: int = 1,
        hold_s: float = HOLD_S,
        chain: bool,
        settled: bool = True,
    ) -> None:
        self.web = web
        self.supervisor, self.writer, self.catalog = Box(), Box(), Box()
        self.elapsed_s = 0.0
        self.asker = FakeAsker(web, chain=chain)
        self.actor = ResolutionActor(
            Incarnation("resolution", incarnation, Tick(now=1000.0, wall_ns=WALL_MS * 1_000_000)),
            to=Addresses(supervisor=self.supervisor, writer=self.writer, catalog=self.catalog),
            asker=self.asker,
            settings=ResolutionSettings(poll_s=POLL_S, hold_s=hold_s),
        )
        if settled:  # its first ten seconds, in which it asks nothing, are over
            self.elapsed_s = -11.0
            self.tick(0.0)
            self.elapsed_s = 0.0

    def tick(self, after_s: float = 1.0, *, drained: bool = True) -> None:
        self.elapsed_s += after_s
        while (at := self.asker.next_at) is not None and at <= self.elapsed_s:
            self.asker.deliver()
            drain(self.actor)
        self.asker.now = self.elapsed_s
        wall_ns = WALL_MS * 1_000_000 + int(self.elapsed_s * 1e9)
        self.actor.on_receive(Tick(now=1000.0 + self.elapsed_s, wall_ns=wall_ns))
        if drained:
            drain(self.actor)

    def run(self, seconds: float, step_s: float = 5.0) -> None:
        for _ in range(int(seconds / step_s)):
            self.tick(step_s)

    def watch(self, *markets: FakeMarket) -> None:
        """Announce these markets as the catalog would, while they are open."""
        self.actor.on_receive(UniverseChanged(added=tuple(map(parsed, markets)), removed=()))

    def transitions(self) -> list[Transition]:
        return [message.transition for message in self.writer.of(MarketStateChanged)]

    def to_store(self) -> list[Message]:
        """Return what the writer is to store."""
        asked = (RequestRechecks, RequestUnresolved, RequestConflicts)
        return [each for each in self.writer.received if not isinstance(each, asked)]

    def resolutions(self) -> list[Resolution]:
        return [message.resolution for message in self.writer.of(MarketResolved)]

    def evidence(self, source: Source) -> list[str]:
        """Return what was stored of this source: its reasons, or `final`."""
        return [
            message.observation.reason or "final"
            for message in self.writer.of(ResolutionObserved)
            if message.observation.source is source
        ]

    def store_all(self) -> None:
        kinds = (ResolutionObserved, MarketStateChanged, MarketResolved, ResolutionConflict)
        tickets = tuple(m.ticket for m in self.writer.received if isinstance(m, kinds))
        self.actor.on_receive(TicketsStored(tickets=tickets))

    def settled(self) -> list[ConditionId]:
        return [each for m in self.catalog.of(MarketsSettled) for each in m.condition_ids]

    def report(self) -> ResolutionReport:
        self.tick(0.001, drained=False)
        return self.supervisor.last(ResolutionReport)


def parsed(market: FakeMarket) -> Market:
    return parse_market(market.gamma())


def watching(
    *markets: FakeMarket, incarnation: int = 1, hold_s: float = HOLD_S, chain: bool = False
) -> Harness:
    """Return a harness that watches these markets."""
    web = FakePolymarket()
    harness = Harness(web, incarnation=incarnation, hold_s=hold_s, chain=chain)
    for market in markets:
        web.add(market)
    harness.watch(*markets)
    return harness


# ------------------------------------------------------------------ outcomes


@pytest.mark.parametrize(
    "sources",
    [pytest.param("gd", id="gamma-data"), pytest.param("gc", id="gamma-clob"), "dc", "gdc"],
)
def test_two_sources_that_agree_for_the_hold_bring_the_resolution(sources: str) -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(1, sources=sources)
    harness.tick()
    assert harness.resolutions() == []
    harness.run(HOLD_S + POLL_S)
    (resolution,) = harness.resolutions()
    assert resolution.kind == "winner"
    assert resolution.winning_token_id == tokens(1)[1]
    assert resolution.winning_outcome == "No"
    assert resolution.payouts == (Decimal(0), Decimal(1))


def test_the_resolution_comes_within_hold_and_one_poll_and_not_before_the_hold() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0)
    harness.tick()
    harness.run(HOLD_S - 10)
    assert harness.resolutions() == []
    harness.run(20 + POLL_S)
    assert len(harness.resolutions()) == 1


def test_a_fifty_fifty_is_a_split_without_a_winner() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(None)
    harness.run(HOLD_S + 2 * POLL_S)
    (resolution,) = harness.resolutions()
    assert resolution.kind == "split"
    assert resolution.winning_token_id is None
    assert resolution.payouts == (Decimal("0.5"), Decimal("0.5"))


@pytest.mark.parametrize("source", ["g", "d", "c"])
def test_one_source_alone_never_brings_a_resolution(source: str) -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0, sources=source)
    harness.run(3600)
    assert harness.resolutions() == []
    assert ("only " in harness.report().pending[0][0], harness.report().pending[0][1]) == (True, 1)


def test_a_price_near_one_and_a_proposal_bring_no_resolution() -> None:
    market = FakeMarket(1, end_ms=ENDED, status="proposed", prices=("0.9995", "0.0005"))
    harness = watching(market)
    market.data_status = "proposed"
    harness.run(3600)
    assert harness.resolutions() == []
    assert harness.evidence(Source.GAMMA) == ["proposed"]


def test_proposed_disputed_and_then_the_other_outcome_gives_only_the_last_one() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    for status, prices in (("proposed", ("1", "0")), ("disputed", ("0.9", "0.1"))):
        market.closed, market.status, market.prices = True, status, prices
        market.data_status = status
        harness.run(POLL_S * 2)
    market.resolve(1)
    harness.run(HOLD_S + 2 * POLL_S)
    assert [resolution.winning_outcome for resolution in harness.resolutions()] == ["No"]
    assert harness.evidence(Source.GAMMA) == ["proposed", "disputed", "final"]
    assert harness.evidence(Source.DATA) == ["proposed", "disputed", "final"]


def test_an_outcome_that_is_withdrawn_during_the_hold_brings_no_resolution() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0)
    harness.tick()
    market.resolve(1)
    market.status, market.data_status = "disputed", "disputed"
    market.clob_winner, market.clob_closed = None, False
    harness.run(3600)
    assert harness.resolutions() == []


def test_a_flip_during_the_hold_starts_the_hold_again() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0)
    harness.tick()
    harness.run(POLL_S)
    market.resolve(1)
    harness.run(HOLD_S - 5)
    assert harness.resolutions() == []
    harness.run(HOLD_S + 2 * POLL_S)
    assert [resolution.winning_outcome for resolution in harness.resolutions()] == ["No"]


def test_a_v2_market_gets_its_resolution() -> None:
    market = FakeMarket(1, end_ms=ENDED, v2=True)
    harness = watching(market, chain=True)
    market.resolve(0)
    harness.run(HOLD_S + 2 * POLL_S)
    assert [resolution.condition_id for resolution in harness.resolutions()] == [
        market.condition_id
    ]
    assert harness.evidence(Source.GAMMA) == ["final"]  # found under its bare id
    assert harness.web.times("chain") == 0  # V2 markets are not on that contract


def test_the_chain_is_one_source_among_the_others() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market, chain=True)
    market.resolve(0, sources="d")
    harness.web.dead["gamma"] = SourceUnavailable("gone")
    harness.web.dead["clob"] = SourceUnavailable("gone")
    harness.run(HOLD_S + 3 * POLL_S)
    assert [set(resolution.sources) for resolution in harness.resolutions()] == [
        {Source.DATA, Source.CHAIN}
    ]


def test_the_time_of_resolution_is_gammas_closing_time() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0, closed_ms=WALL_MS - 77_000)
    harness.run(HOLD_S + 2 * POLL_S)
    assert harness.resolutions()[0].resolved_at_ms == WALL_MS - 77_000


def test_without_a_closing_time_it_is_the_first_final_observation() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0, sources="dc")
    harness.tick()
    harness.run(HOLD_S + 2 * POLL_S)
    assert harness.resolutions()[0].resolved_at_ms == WALL_MS + 1_000


# ------------------------------------------------------------------------ due


def test_a_market_is_not_polled_before_its_end() -> None:
    harness = watching(FakeMarket(1, end_ms=WALL_MS + 600_000))
    harness.run(590)
    assert harness.web.times("lookup") == harness.web.times("data") == 0
    harness.run(20)
    assert harness.web.times("lookup") > 0


def test_a_hint_brings_a_poll_at_once() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 86_400_000)
    harness = watching(market)
    harness.tick()
    market.resolve(0)
    harness.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
    drain(harness.actor)
    assert harness.evidence(Source.GAMMA) == ["final"]
    harness.run(HOLD_S + POLL_S)
    assert len(harness.resolutions()) == 1


def test_observations_of_two_polls_in_one_tick_have_times_of_their_own() -> None:
    """Market, source and time are the key of a stored observation: with equal times one is lost."""
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    harness.tick()
    for winner in (0, 1, 0):
        market.resolve(winner)
        harness.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
        drain(harness.actor)
    observed = [message.observation for message in harness.writer.of(ResolutionObserved)]
    for source in (Source.GAMMA, Source.DATA, Source.CLOB):
        times_ms = [each.observed_at_ms for each in observed if each.source is source]
        assert len(times_ms) == 4, source
        assert times_ms == sorted(set(times_ms))
        assert times_ms[-1] < WALL_MS + 1_010  # still the time of this tick


def test_a_hint_before_the_first_tick_waits_for_the_time() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 86_400_000)
    harness = Harness(FakePolymarket(), chain=False, settled=False)
    harness.watch(harness.web.add(market))
    harness.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
    drain(harness.actor)
    assert harness.web.asked == []
    harness.tick()
    harness.tick(10.0)
    assert harness.evidence(Source.GAMMA) == ["open"]


def test_a_hint_alone_is_no_evidence() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    for _ in range(10):
        harness.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
        harness.run(POLL_S)
    assert harness.resolutions() == []


def test_a_hint_about_an_unknown_market_is_no_error() -> None:
    harness = watching()
    harness.actor.on_receive(ResolutionHint(condition_id=condition(5)))
    harness.tick()
    assert harness.web.times("lookup") == 0


@pytest.mark.parametrize(("v2", "status"), [(False, "resolved"), (False, None), (True, None)])
def test_a_market_that_closes_early_is_found_in_the_listing_of_the_closed(
    v2: bool, status: str | None
) -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 86_400_000, v2=v2)
    harness = watching(market)
    harness.tick()
    market.resolve(0, sources="gdc", closed_ms=WALL_MS + 30_000)
    market.status = status
    harness.run(HOLD_S + 3 * POLL_S)
    assert len(harness.resolutions()) == 1


def test_the_listing_of_the_closed_is_read_only_back_to_what_is_known() -> None:
    harness = watching()
    for number in range(1000):
        old = harness.web.add(FakeMarket(number))
        old.resolve(0, closed_ms=WALL_MS - 3_600_000)
    harness.tick()
    assert harness.web.times("page") == 1


def test_a_closed_market_is_polled_before_its_end() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 86_400_000)
    harness = watching()
    harness.web.add(market).resolve(0)
    harness.tick()
    harness.watch(market)
    drain(harness.actor)
    assert harness.evidence(Source.GAMMA) == ["final"]


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_a_market_without_an_end_is_polled_every_hour() -> None:
    harness = watching(FakeMarket(1, end_ms=None))
    harness.run(86_400 * 2, step_s=600.0)
    assert 47 <= harness.web.times("data") <= 49


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_a_stale_market_is_polled_less_and_less() -> None:
    harness = watching(FakeMarket(1, end_ms=ENDED - 30 * 86_400_000))
    harness.run(86_400, step_s=60.0)
    assert 22 <= harness.web.times("data") <= 26  # once an hour


# -------------------------------------------------------------------- sources


def test_a_dead_source_backs_off_alone() -> None:
    markets = [FakeMarket(number, end_ms=ENDED) for number in range(30)]
    harness = watching(*markets)
    harness.web.dead["data"] = SourceUnavailable("HTTP 500")
    for market in markets:
        market.resolve(0, sources="gc")
    harness.run(HOLD_S + 2 * POLL_S)
    assert len(harness.resolutions()) == 30
    assert dict(harness.report().sources) == {"gamma": "ok", "clob": "ok", "data": "HTTP 500"}
    assert harness.web.times("data") < 10


@pytest.mark.no_cover  # see CONTRIBUTING.md
@pytest.mark.parametrize(
    ("method", "status"), [("lookup", 403), ("lookup", 500), ("data", 400), ("clob", 500)]
)
@pytest.mark.parametrize("bad", [(0,), (7, 31), tuple(range(0, 50, 10))])
def test_a_market_that_a_source_rejects_costs_the_others_nothing(
    method: str, status: int, bad: tuple[int, ...]
) -> None:
    markets = [FakeMarket(number, end_ms=ENDED) for number in range(50)]
    harness = watching(*markets)
    harness.web.rejecting[method] = (status, {markets[number].condition_id for number in bad})
    # Each of two sources knows all; the third is needed for all but the bad ones.
    left = {"lookup": "gd", "data": "gd", "clob": "gc"}[method]
    for market in markets:  # closed so long ago that the listing does not show them
        market.resolve(0, sources=left, closed_ms=WALL_MS - 3_600_000)
    harness.run(HOLD_S + 2 * POLL_S)
    assert len(harness.resolutions()) == 50 - len(bad)
    for number in bad:
        markets[number].resolve(0)
    harness.run(HOLD_S + 2 * POLL_S)
    assert len(harness.resolutions()) == 50


def test_a_source_that_rejects_everything_is_asked_a_few_times_and_then_left_alone() -> None:
    markets = [FakeMarket(number, end_ms=ENDED) for number in range(50)]
    harness = watching(*markets)
    ids = {market.condition_id for market in markets}
    harness.web.rejecting = {"data": (500, ids), "clob": (500, ids)}
    for market in markets:
        market.resolve(0)
    harness.run(60, step_s=1.0)
    assert harness.web.times("data") <= MOST_BAD + 6
    assert harness.web.times("clob") <= MOST_BAD + 6
    assert dict(harness.report().sources)["data"] == "HTTP 500"


def test_gamma_away_does_not_hold_up_the_others() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    harness.web.dead["gamma"] = PayloadRejected("not JSON")
    market.resolve(0, sources="dc")
    harness.run(HOLD_S + 2 * POLL_S)
    assert len(harness.resolutions()) == 1


def test_with_every_source_dead_nothing_happens_until_one_is_back() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    for source in ("gamma", "data", "clob"):
        harness.web.dead[source] = SourceUnavailable("gone", retry_after_s=300.0)
    harness.run(290)
    asked = len(harness.web.asked)
    assert asked <= 6
    harness.web.dead.clear()
    market.resolve(0)
    harness.run(900)
    assert len(harness.resolutions()) == 1


def test_an_old_market_that_was_missed_because_all_fail_is_polled_soon() -> None:
    harness = watching(FakeMarket(1, end_ms=ENDED - 30 * 86_400_000))
    for source in ("gamma", "data", "clob"):
        harness.web.dead[source] = SourceUnavailable("gone")
    harness.tick()
    harness.web.dead.clear()
    harness.run(POLL_S + 10)  # the next planned poll would be in an hour
    assert harness.evidence(Source.DATA) == ["initialized"]


def test_an_old_market_that_one_source_answered_for_waits_for_its_planned_poll() -> None:
    harness = watching(FakeMarket(1, end_ms=ENDED - 30 * 86_400_000))
    harness.web.dead["data"] = SourceUnavailable("gone")
    harness.run(1800)
    assert harness.web.times("clob") == 1


def test_an_old_market_that_only_the_failing_source_knows_is_polled_soon() -> None:
    harness = watching(FakeMarket(1, end_ms=ENDED - 30 * 86_400_000, listed=False))
    harness.web.dead["data"] = SourceUnavailable("gone")
    harness.web.dead["clob"] = SourceUnavailable("gone")
    harness.tick()
    harness.web.dead.clear()
    harness.run(POLL_S + 10)
    assert harness.evidence(Source.DATA) == ["initialized"]


def test_what_falls_due_while_no_source_may_be_asked_is_polled_when_one_may() -> None:
    harness = watching(FakeMarket(1, end_ms=ENDED))
    for source in ("gamma", "data", "clob"):
        harness.web.dead[source] = SourceUnavailable("gone", retry_after_s=270.0)
    harness.tick()
    harness.web.dead.clear()
    harness.watch(harness.web.add(FakeMarket(2, end_ms=ENDED)))
    harness.run(265)
    assert dict(harness.report().pending) == {"not ended": 1, "sources do not answer": 1}
    harness.run(10)  # not only at the next full minute
    assert dict(harness.report().pending) == {"open": 2}


def test_a_listing_that_gets_stuck_does_not_keep_gamma_from_the_polls() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 300_000)
    harness = watching(market)
    harness.web.stuck_cursor = "100:100"
    for number in range(100, 300):
        harness.web.add(FakeMarket(number)).resolve(0, closed_ms=WALL_MS)
    harness.run(400)
    assert harness.evidence(Source.GAMMA) == ["open"]


def test_a_lagging_source_delays_the_resolution_until_it_agrees() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0, sources="g")
    harness.run(1200)
    assert harness.resolutions() == []
    market.resolve(0, sources="d")
    harness.run(HOLD_S + 3 * POLL_S)
    assert [set(resolution.sources) for resolution in harness.resolutions()] == [
        {Source.GAMMA, Source.DATA}
    ]


def test_two_sources_that_contradict_bring_a_conflict_once_and_no_resolution() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0, sources="g")
    market.resolve(1, sources="d")
    harness.run(3600)
    assert harness.resolutions() == []
    (conflict,) = [m.contradiction for m in harness.writer.of(ResolutionConflict)]
    assert conflict.source is Source.DATA
    assert conflict.observed == f"winner {tokens(1)[1]}"
    assert conflict.recorded == f"winner {tokens(1)[0]}"
    assert harness.report().conflicts_total == 1
    assert harness.report().pending == (("sources contradict each other", 1),)


def test_an_answer_about_another_market_is_ignored() -> None:
    market, other = FakeMarket(1, end_ms=ENDED), FakeMarket(2)
    harness = watching(market)
    other.resolve(0)

    harness.web.canned = {
        "lookup": (other.gamma(), b"<html>", b"{}", b""),
        "clob": (other.clob(),),
        "data": (other.data(), b"null"),
    }
    harness.run(3600)
    assert harness.resolutions() == []
    assert harness.evidence(Source.CLOB) == ["wrong market echoed"]


def test_requests_stay_within_the_sizes_that_the_sources_take() -> None:
    markets = [FakeMarket(number, end_ms=ENDED, v2=number % 2 == 0) for number in range(230)]
    harness = watching(*markets)
    harness.tick()  # the fake rejects more than 100 and 20 ids
    asked = {each for name, ids in harness.web.asked if name == "data" for each in ids}
    assert len(asked) == 230


def test_an_answer_brings_one_request_at_most() -> None:
    harness = watching(*(FakeMarket(number, end_ms=ENDED) for number in range(230)))
    harness.tick(drained=False)
    while waiting(harness.actor):
        before = len(harness.web.asked)
        step(harness.actor)
        assert len(harness.web.asked) - before <= 1


def test_each_source_has_one_request_under_way_at_most() -> None:
    harness = watching(*(FakeMarket(number, end_ms=ENDED) for number in range(230)), chain=True)
    harness.asker.delays_s = dict.fromkeys(Source, 15.0)
    harness.run(14, step_s=1.0)
    methods = sorted(name for name, _ in harness.web.asked)
    assert methods == ["chain", "clob", "data", "page"]
    harness.run(3, step_s=1.0)
    assert len(harness.web.asked) == 8


# ------------------------------------------------------------ evidence, store


def test_the_same_observation_is_stored_once() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    harness.run(1200)
    assert harness.evidence(Source.GAMMA) == ["open"]
    assert harness.evidence(Source.DATA) == ["initialized"]


def test_a_resolution_is_sent_once_and_after_its_evidence() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0)
    harness.run(7200)
    kinds = [type(m) for m in harness.writer.received]
    assert kinds.count(MarketResolved) == 1
    assert kinds.index(MarketResolved) > kinds.index(ResolutionObserved)


def test_a_market_is_settled_only_when_its_resolution_is_stored() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0)
    harness.run(HOLD_S + 2 * POLL_S)
    assert harness.settled() == []
    assert harness.report().recorded_total == 0
    harness.store_all()
    assert harness.settled() == [market.condition_id]
    assert harness.report().recorded_total == 1
    harness.store_all()  # reported twice, counted once
    assert harness.settled() == [market.condition_id]
    assert harness.report().recorded_total == 1


def test_what_is_not_stored_is_sent_again_in_order_when_the_database_opens() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0)
    harness.run(HOLD_S + 2 * POLL_S)
    sent = harness.to_store()
    assert harness.report().waiting == len(sent)
    harness.writer.clear()
    harness.actor.on_receive(StoreOpened(server="x"))
    assert harness.to_store() == sent
    harness.store_all()
    assert harness.report().waiting == 0
    harness.writer.clear()
    harness.actor.on_receive(StoreOpened(server="x"))
    assert harness.to_store() == sent  # it may have lost its last commits


def test_nothing_is_asked_while_too_much_waits_for_the_database() -> None:
    harness = watching(FakeMarket(1, end_ms=ENDED))
    observed = ResolutionObserved
    for _ in range(OUTBOX_MAX):
        harness.actor._outbox._outbox.put(lambda n: observed(ticket=n, observation=None))  # type: ignore[arg-type]
    harness.run(600)
    assert harness.web.asked == []


def test_a_new_incarnation_asks_for_what_is_stored_and_goes_on() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = Harness(FakePolymarket(), incarnation=2, chain=False)
    harness.web.add(market)
    harness.tick()
    assert len(harness.writer.of(RequestMarkets)) == 1
    harness.actor.on_receive(MarketsRestored(markets=(parsed(market),)))
    market.resolve(0)
    harness.run(HOLD_S + 2 * POLL_S)
    assert len(harness.resolutions()) == 1


def test_the_first_incarnation_asks_for_no_markets() -> None:
    harness = watching()
    harness.tick()
    assert harness.writer.of(RequestMarkets) == []


def test_a_market_that_the_catalog_removes_still_gets_its_resolution() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    change = UniverseChanged(added=(), removed=(market.condition_id,))
    harness.actor.on_receive(change)
    market.resolve(0)
    harness.run(HOLD_S + 2 * POLL_S)
    assert len(harness.resolutions()) == 1


def test_a_settled_market_that_the_catalog_adds_again_is_reported_again() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0)
    harness.run(HOLD_S + 2 * POLL_S)
    harness.store_all()
    harness.catalog.clear()
    harness.watch(market)
    assert harness.settled() == [market.condition_id]
    assert len(harness.resolutions()) == 1


# --------------------------------------------------------------- transitions


def test_each_transition_of_a_market_is_sent_once() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    harness.run(POLL_S * 2)
    market.data_status = "proposed"
    harness.run(POLL_S * 2)
    market.data_status = "disputed"
    harness.run(POLL_S * 2)
    market.data_status = "reproposed"
    harness.run(POLL_S * 2)
    market.resolve(1)
    harness.run(HOLD_S + 2 * POLL_S)
    assert [each.after for each in harness.transitions()] == [
        "ended",
        "proposed",
        "disputed",
        "proposed",
        "agreed-holding",
        "recorded",
    ]
    assert [each.before for each in harness.transitions()][:2] == ["open", "ended"]
    assert harness.transitions()[-1].reason == "clob and data and gamma agree"
    times = [each.at_ms for each in harness.transitions()]
    assert times == sorted(set(times))


def test_a_contradiction_after_the_resolution_is_a_transition_too() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = recorded(market)
    market.resolve(1, sources="d")
    harness.run(700)
    assert [each.after for each in harness.transitions()][-2:] == ["recorded", "conflict"]


# ------------------------------------------------------------------- restart


def stored(market: FakeMarket, source: Source, winner: int, at_ms: int) -> Observation:
    payouts = tuple(
        (TokenId(token), Decimal(int(side == winner)))
        for side, token in enumerate(tokens(market.number))
    )
    return Observation(
        condition_id=market.condition_id,
        source=source,
        observed_at_ms=at_ms,
        payouts=payouts,
        reason="",
        payload="",
        naming=Naming.OWN_LIST if source is Source.GAMMA else Naming.BY_ID,
        names=listed_names(parsed(market)),
    )


def restarted(market: FakeMarket, evidence: StoredEvidence) -> Harness:
    """Return a harness that has the market and its stored evidence before its first tick."""
    harness = Harness(FakePolymarket(), chain=False, settled=False)
    harness.web.add(market)
    harness.actor.on_receive(EvidenceRestored(evidence=evidence))
    harness.actor.on_receive(MarketsRestored(markets=(parsed(market),)))
    return harness


def test_a_hold_goes_on_after_a_restart_and_no_evidence_is_sent_again() -> None:
    market = FakeMarket(1, end_ms=ENDED - 300_000)
    market.resolve(0)
    since = WALL_MS - 60_000
    observations = tuple(stored(market, each, 0, since) for each in (Source.GAMMA, Source.DATA))
    harness = restarted(
        market,
        StoredEvidence(
            observations=observations, states=((market.condition_id, MarketState.HOLDING, since),)
        ),
    )
    harness.run(HOLD_S - 70)
    assert harness.resolutions() == []
    harness.run(15)
    assert len(harness.resolutions()) == 1
    assert harness.evidence(Source.GAMMA) == harness.evidence(Source.DATA) == []
    assert [each.after for each in harness.transitions()] == ["recorded"]


def test_an_outcome_that_changed_during_a_restart_starts_the_hold_again() -> None:
    market = FakeMarket(1, end_ms=ENDED - 300_000)
    market.resolve(1)
    since = WALL_MS - 600_000
    observations = tuple(stored(market, each, 0, since) for each in (Source.GAMMA, Source.DATA))
    harness = restarted(market, StoredEvidence(observations=observations))
    harness.run(HOLD_S - 10)
    assert harness.resolutions() == []
    harness.run(20 + POLL_S)
    assert [resolution.winning_outcome for resolution in harness.resolutions()] == ["No"]


def test_after_a_stored_contradiction_the_hold_starts_again() -> None:
    market = FakeMarket(1, end_ms=ENDED - 300_000)
    market.resolve(0)
    observations = tuple(
        stored(market, each, 0, WALL_MS - 600_000) for each in (Source.GAMMA, Source.DATA)
    )
    harness = restarted(
        market, StoredEvidence(observations=observations, contradicted=(market.condition_id,))
    )
    harness.run(HOLD_S - 10)
    assert harness.resolutions() == []
    harness.run(20 + POLL_S)
    assert len(harness.resolutions()) == 1


def test_what_a_person_has_acknowledged_is_not_opened_again_by_a_restart() -> None:
    market = FakeMarket(1, end_ms=ENDED - 300_000)
    market.resolve(0)
    seen = stored(market, Source.CLOB, 1, WALL_MS - 600_000)
    outcomes = [stored(market, Source.GAMMA, each, 0).payouts for each in (0, 1)]
    pair = frozenset(outcome_text(frozenset(each)) for each in outcomes if each)
    known = (market.condition_id, ContradictionKind.OUTCOME, pair)
    for acknowledged in ((), (known,)):
        evidence = StoredEvidence(
            observations=(seen,),
            contradicted=(market.condition_id,),
            acknowledged=acknowledged,
        )
        harness = restarted(market, evidence)
        harness.run(2 * POLL_S)
        opened = harness.writer.of(ResolutionConflict)
        assert bool(opened) is not bool(acknowledged)
        assert harness.resolutions() == []


def test_observations_from_a_clock_that_was_ahead_are_left_out() -> None:
    market = FakeMarket(1, end_ms=ENDED - 300_000)
    market.resolve(0)
    observations = tuple(
        stored(market, each, 1, WALL_MS + 86_400_000) for each in (Source.GAMMA, Source.DATA)
    )
    harness = restarted(market, StoredEvidence(observations=observations))
    harness.run(HOLD_S + 2 * POLL_S)
    assert [resolution.winning_outcome for resolution in harness.resolutions()] == ["Yes"]


def test_stored_resolutions_are_checked_again_when_they_fall_due() -> None:
    market = FakeMarket(1, end_ms=ENDED - 86_400_000)
    market.resolve(1, closed_ms=ENDED - 86_400_000)
    harness = Harness(FakePolymarket(), chain=False)
    harness.web.add(market)
    harness.tick()
    (asked,) = harness.writer.of(RequestRechecks)
    assert asked.window.since_ms is None
    due_ms = WALL_MS + 600_000
    restored = RechecksRestored(
        rechecks=(
            Recheck(
                resolution=Resolution(
                    condition_id=market.condition_id,
                    kind="winner",
                    winning_token_id=TokenId(tokens(1)[0]),
                    winning_outcome="Yes",
                    payouts=(Decimal(1), Decimal(0)),
                    resolved_at_ms=WALL_MS - 86_400_000,
                    sources=(Source.DATA, Source.GAMMA),
                ),
                market=parsed(market),
                recorded_at_ms=due_ms - 86_400_000,
                due_at_ms=due_ms,
                contradicted_by=((Source.CHAIN, "split"),),
            ),
        ),
        until_ms=asked.window.until_ms,
    )
    harness.actor.on_receive(restored)
    harness.run(590)
    assert harness.web.times("data") == 0
    harness.run(20)
    (conflict,) = [m.contradiction for m in harness.writer.of(ResolutionConflict)]
    assert (conflict.source, conflict.observed) == (Source.GAMMA, f"winner {tokens(1)[1]}")
    assert harness.resolutions() == []
    assert harness.report().pending == ()
    harness.run(1200)
    last = harness.writer.of(RequestRechecks)[-1]
    assert last.window.since_ms == asked.window.until_ms  # no recheck is left out


def test_what_the_database_does_not_answer_is_asked_again() -> None:
    harness = watching()
    harness.tick()
    harness.run(120)
    assert len(harness.writer.of(RequestRechecks)) == 3
    harness.actor.on_receive(StoreOpened(server="x"))
    harness.tick()
    assert len(harness.writer.of(RequestRechecks)) == 4


# --------------------------------------------------------------- rate limits


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_a_source_is_never_asked_more_often_than_its_rate_limit_allows() -> None:
    markets = [FakeMarket(number, end_ms=ENDED) for number in range(4_500)]  # 4,000 in 10 s
    harness = watching(*markets)
    harness.tick()
    lookups = harness.web.times("lookup") + harness.web.times("page")
    assert lookups == GAMMA_OUTCOMES
    harness.tick(1.0)  # until here they may have been on their way
    harness.tick(9.0)
    assert harness.web.times("lookup") + harness.web.times("page") == GAMMA_OUTCOMES
    harness.tick(1.0)
    assert harness.web.times("lookup") + harness.web.times("page") > GAMMA_OUTCOMES
    for _ in range(15):
        harness.store_all()
        harness.tick(10.0)
    asked = {each for name, ids in harness.web.asked if name == "data" for each in ids}
    assert len(asked) == 4_500  # late, and none left out
    lately = {name: count for name, _, count, _ in harness.report().requests}
    assert lately["gamma"] <= GAMMA_OUTCOMES


def test_a_new_incarnation_asks_nothing_in_its_first_ten_seconds() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = Harness(FakePolymarket(), chain=False, settled=False)
    harness.web.add(market)
    harness.watch(market)
    harness.tick()
    harness.tick(9.9)
    assert harness.web.asked == []
    harness.tick(0.1)
    assert harness.evidence(Source.GAMMA) == ["open"]


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_a_chain_that_was_asked_enough_does_not_hold_up_the_others() -> None:
    markets = [FakeMarket(number, end_ms=ENDED) for number in range(1_000)]
    harness = watching(*markets, chain=True)
    harness.tick()
    assert harness.web.times("chain") == CHAIN
    asked = {each for name, ids in harness.web.asked if name == "data" for each in ids}
    assert len(asked) == 1_000


# ------------------------------------------------------ after the resolution


def recorded(market: FakeMarket) -> Harness:
    harness = watching(market)
    market.resolve(0)
    harness.run(HOLD_S + 2 * POLL_S)
    harness.store_all()
    return harness


@pytest.mark.no_cover  # see CONTRIBUTING.md
@pytest.mark.parametrize("hinted", [True, False])
def test_a_source_that_changes_later_is_reported_once_and_changes_nothing(
    hinted: bool,
) -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = recorded(market)
    market.resolve(1, sources="d")
    if hinted:
        harness.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
        drain(harness.actor)
    else:
        harness.run(700)
    (conflict,) = [m.contradiction for m in harness.writer.of(ResolutionConflict)]
    assert conflict.recorded == f"winner {tokens(1)[0]}"
    assert conflict.observed == f"winner {tokens(1)[1]}"
    assert conflict.source is Source.DATA
    harness.run(86_400, step_s=60.0)
    assert len(harness.writer.of(ResolutionConflict)) == 1
    assert len(harness.resolutions()) == 1


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_a_resolution_is_checked_once_more_and_then_left_to_the_database() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = recorded(market)
    harness.run(90_000, step_s=60.0)
    polls = harness.web.times("data")
    harness.run(90_000, step_s=600.0)
    assert harness.web.times("data") == polls
    assert harness.report().pending == ()
    assert len(harness.actor._cases.schedule) == 0


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_a_resolution_that_is_not_stored_yet_is_not_forgotten() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    market.resolve(0)
    harness.run(3 * 86_400, step_s=600.0)
    assert len(harness.resolutions()) == 1
    assert harness.report().pending == (("resolution to be stored", 1),)
    harness.store_all()
    assert harness.settled() == [market.condition_id]


def test_the_report_counts_markets_by_what_they_wait_for() -> None:
    later = WALL_MS + 86_400_000
    harness = watching(
        *(FakeMarket(number, end_ms=later) for number in range(3)), FakeMarket(9, end_ms=ENDED)
    )
    harness.tick()
    assert dict(harness.report().pending) == {"not ended": 3, "open": 1}


def test_a_changed_end_is_taken_up() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 86_400_000)
    harness = watching(market)
    harness.tick()
    sooner = datetime.fromtimestamp(WALL_MS / 1000 + 60, UTC)
    changed = msgspec.structs.replace(parsed(market), end_at=sooner)
    harness.actor.on_receive(UniverseChanged(added=(changed,), removed=()))
    harness.run(70)
    assert harness.web.times("data") > 0


# ------------------------------------------------------------ a clock that steps

# Faults: after a step back a market that resolves is neither polled nor found in the listing
# until the clock has caught up; a market is lost; an observation of the future counts; a time
# of resolution is in the future; a crash.


class Stepping(Harness):
    """A resolution actor whose clocks a test controls; the sources know the right time."""

    def __init__(self, held: Clocks, *markets: FakeMarket, right_ms: int = WALL_MS) -> None:
        self._held, self._right_ms = held, right_ms
        super().__init__(FakePolymarket(), chain=False)
        held.run(11.0)
        for market in markets:
            self.web.add(market)
        self.watch(*markets)

    def tick(self, after_s: float = 1.0, *, drained: bool = True) -> None:
        self._held.run(after_s)
        self.web.clock_offset_s = self.right_ms() / 1000 - time.time()
        self.actor.on_receive(Tick(now=self._held.now, wall_ns=time.time_ns()))
        if drained:
            drain(self.actor)

    def right_ms(self) -> int:
        return self._right_ms + int((self._held.now - 1000.0) * 1000)


def right() -> datetime:
    return datetime.fromtimestamp(WALL_MS / 1000, UTC)


@pytest.mark.parametrize("ahead_s", [HOUR_S, DAY_S, 20 * DAY_S])
def test_a_clock_that_was_ahead_at_the_start_hides_no_resolution_once_it_is_right(
    ahead_s: float,
) -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 30 * 86_400_000)
    with clocks(right()) as held:
        held.step(ahead_s)
        harness = Stepping(held, market)
        harness.run(POLL_S)
        held.step(-ahead_s)
        harness.run(POLL_S)
        market.resolve(0, closed_ms=harness.right_ms())
        harness.run(HOLD_S + 4 * POLL_S)
    assert [resolution.winning_outcome for resolution in harness.resolutions()] == ["Yes"]


@pytest.mark.parametrize("ahead_s", [HOUR_S, DAY_S])
def test_one_reading_of_a_clock_that_is_ahead_hides_no_resolution(ahead_s: float) -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 30 * 86_400_000)
    with clocks(right()) as held:
        harness = Stepping(held, market)
        harness.run(POLL_S)
        held.step(ahead_s)
        harness.tick()
        held.step(-ahead_s)
        market.resolve(0, closed_ms=harness.right_ms())
        harness.run(HOLD_S + 4 * POLL_S)
    assert [resolution.winning_outcome for resolution in harness.resolutions()] == ["Yes"]


@pytest.mark.parametrize("step_s", [HOUR_S, DAY_S, -HOUR_S, -DAY_S])
def test_a_step_of_the_clock_ends_no_hold_and_delays_no_resolution(step_s: float) -> None:
    market = FakeMarket(1, end_ms=WALL_MS - 1_000)
    with clocks(right()) as held:
        harness = Stepping(held, market)
        market.resolve(0)
        harness.run(POLL_S, step_s=5)
        held.step(step_s)
        harness.run(HOLD_S - POLL_S - 10, step_s=5)
        assert harness.resolutions() == []
        harness.run(2 * POLL_S, step_s=5)
    assert [resolution.winning_outcome for resolution in harness.resolutions()] == ["Yes"]


def test_one_look_at_a_clock_that_was_a_day_ahead_delays_no_resolution() -> None:
    market = FakeMarket(1, end_ms=WALL_MS - 1_000)
    with clocks(right()) as held:
        harness = Stepping(held, market)
        held.step(DAY_S)
        harness.tick()
        assert harness.web.times("data") == 1
        held.step(-DAY_S)
        market.resolve(0)
        harness.run(HOLD_S + 2 * POLL_S, step_s=5)
    assert [resolution.winning_outcome for resolution in harness.resolutions()] == ["Yes"]


def test_a_clock_that_is_a_day_ahead_at_a_restart_ends_no_hold_that_was_stored() -> None:
    market = FakeMarket(1, end_ms=WALL_MS - 300_000)
    market.resolve(0)
    kept = [stored(market, each, 0, WALL_MS - 1_000) for each in (Source.GAMMA, Source.DATA)]
    with clocks(right()) as held:
        held.step(DAY_S)
        harness = Stepping(held)
        harness.web.add(market)
        harness.actor.on_receive(
            EvidenceRestored(evidence=StoredEvidence(observations=tuple(kept)))
        )
        harness.watch(market)
        harness.run(HOLD_S - 20, step_s=5)
        assert harness.resolutions() == []
        harness.run(HOLD_S, step_s=5)
    assert [resolution.winning_outcome for resolution in harness.resolutions()] == ["Yes"]


@pytest.mark.parametrize("back_s", [HOUR_S, DAY_S])
def test_a_clock_that_is_set_back_delays_no_poll(back_s: float) -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 600_000)
    with clocks(right()) as held:
        harness = Stepping(held, market)
        harness.tick()
        held.step(-back_s)
        market.resolve(1, sources="dc")  # the listing, which is Gamma's, does not list it
        harness.run(600 + HOLD_S + 2 * POLL_S, step_s=5)
    assert [resolution.winning_outcome for resolution in harness.resolutions()] == ["No"]


@pytest.mark.parametrize("back_s", [HOUR_S, DAY_S])
def test_a_hint_brings_a_poll_although_the_clock_was_set_back(back_s: float) -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 30 * 86_400_000)
    with clocks(right()) as held:
        harness = Stepping(held, market)
        harness.tick()
        held.step(-back_s)
        harness.tick()
        market.resolve(0)
        harness.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
        harness.run(HOLD_S + 2 * POLL_S)
    assert [resolution.winning_outcome for resolution in harness.resolutions()] == ["Yes"]


def test_no_resolution_is_dated_in_the_future_and_none_is_late() -> None:
    market = FakeMarket(1, end_ms=WALL_MS - 1_000)
    market.resolve(0, closed_ms=WALL_MS - 2_000)
    with clocks(right()) as held:
        held.step(-HOUR_S)  # Gamma's closing time is in our future: it is ignored
        harness = Stepping(held, market)
        harness.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
        harness.run(HOLD_S + 2 * POLL_S)
        (resolution,) = harness.resolutions()
        assert resolution.resolved_at_ms <= harness.right_ms()


@pytest.mark.parametrize(
    "end",
    [
        datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ],
    ids=["leap day", "year end", "new year"],
)
def test_a_market_is_polled_in_the_second_of_its_end_over_midnight(end: datetime) -> None:
    end_ms = int(end.timestamp() * 1000)
    market = FakeMarket(1, end_ms=end_ms, start_ms=end_ms - 3_600_000)
    with clocks(end) as held:
        held.step(-30.0)
        harness = Stepping(held, market, right_ms=end_ms - 30_000)
        for _ in range(18):
            harness.tick()
        assert harness.web.times("data") == 0  # 1 s before its end
        harness.tick()
        assert harness.web.times("data") == 1


# ------------------------------------------------------------------ end


def test_what_asks_is_closed_when_it_stops() -> None:
    harness = Harness(FakePolymarket(), chain=True)
    harness.actor.on_stop()
    assert harness.asker.closed == 1


def test_what_asks_is_closed_when_it_fails() -> None:
    harness = Harness(FakePolymarket(), chain=True)
    harness.actor.on_failure(ValueError, ValueError("fault"), None)
    assert harness.asker.closed == 1


def test_answers_that_show_a_wrong_clock_are_counted() -> None:
    harness = Harness(FakePolymarket(), chain=False)
    harness.web.clock_errors = 2
    harness.tick()
    harness.tick()
    assert dict(harness.supervisor.last(ResolutionReport).violations)[Assumption.CLOCK] == 2
