"""The resolution actor, unstarted: told by hand, drained, looked at through its neighbours."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from actors.actor import Addresses, Incarnation
from actors.errors import PayloadRejected, SourceUnavailable
from actors.messages import (
    EvidenceRestored,
    MarketMoved,
    MarketResolved,
    MarketsRestored,
    MarketsSettled,
    Message,
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
from actors.model.market import Market
from actors.model.outcome import (
    MarketState,
    Observation,
    Recheck,
    Resolution,
    Source,
    StoredEvidence,
    Transition,
)
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.gamma import parse_market
from actors.polymarket.ratelimit import CHAIN, GAMMA_OUTCOMES
from actors.resolution.actor import OUTBOX_MAX, ResolutionActor, ResolutionSettings
from tests.clocks import DAY_S, HOUR_S, Clocks, clocks
from tests.fakes_box import Box, drain, step, waiting
from tests.fakes_http import WALL_MS, FakeMarket, FakePolymarket, condition, tokens

POLL_S = 60.0
HOLD_S = 120.0
ENDED = WALL_MS - 1_000


class House:
    """A resolution actor with its neighbours and a clock."""

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
        self.actor = ResolutionActor(
            Incarnation("resolution", incarnation, Tick(now=1000.0, wall_ns=WALL_MS * 1_000_000)),
            to=Addresses(supervisor=self.supervisor, writer=self.writer, catalog=self.catalog),
            sources=web,
            chain=web if chain else None,
            settings=ResolutionSettings(poll_s=POLL_S, hold_s=hold_s),
        )
        if settled:  # its first ten seconds, in which it asks nothing, are over
            self.elapsed_s = -11.0
            self.tick(0.0)
            self.elapsed_s = 0.0

    def tick(self, after_s: float = 1.0, *, drained: bool = True) -> None:
        self.elapsed_s += after_s
        wall_ns = WALL_MS * 1_000_000 + int(self.elapsed_s * 1e9)
        self.actor.on_receive(Tick(now=1000.0 + self.elapsed_s, wall_ns=wall_ns))
        if drained:
            drain(self.actor)

    def run(self, seconds: float, step_s: float = 5.0) -> None:
        for _ in range(int(seconds / step_s)):
            self.tick(step_s)

    def watch(self, *markets: FakeMarket) -> None:
        """Tell of these markets as the catalogue would, while they are open."""
        self.actor.on_receive(UniverseChanged(added=tuple(map(parsed, markets)), removed=()))

    def steps(self) -> list[Transition]:
        return [message.transition for message in self.writer.of(MarketMoved)]

    def kept(self) -> list[Message]:
        """Return what the writer was told to keep."""
        return [each for each in self.writer.told if not isinstance(each, RequestRechecks)]

    def verdicts(self) -> list[Resolution]:
        return [message.resolution for message in self.writer.of(MarketResolved)]

    def evidence(self, source: Source) -> list[str]:
        """What was told of this source: its reason, or `final`."""
        return [
            message.observation.reason or "final"
            for message in self.writer.of(ResolutionObserved)
            if message.observation.source is source
        ]

    def store_all(self) -> None:
        kinds = (ResolutionObserved, MarketMoved, MarketResolved, ResolutionConflict)
        tickets = tuple(m.ticket for m in self.writer.told if isinstance(m, kinds))
        self.actor.on_receive(TicketsStored(tickets=tickets))

    def settled(self) -> list[ConditionId]:
        return [each for m in self.catalog.of(MarketsSettled) for each in m.condition_ids]

    def report(self) -> ResolutionReport:
        self.tick(0.001, drained=False)
        return self.supervisor.last(ResolutionReport)


def parsed(market: FakeMarket) -> Market:
    return parse_market(market.gamma())


def house(
    *markets: FakeMarket, incarnation: int = 1, hold_s: float = HOLD_S, chain: bool = False
) -> House:
    """A house that watches these markets."""
    web = FakePolymarket()
    home = House(web, incarnation=incarnation, hold_s=hold_s, chain=chain)
    for market in markets:
        web.add(market)
    home.watch(*markets)
    return home


# -------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    "sources",
    [pytest.param("gd", id="gamma-data"), pytest.param("gc", id="gamma-clob"), "dc", "gdc"],
)
def test_two_sources_that_agree_for_the_hold_bring_the_verdict(sources: str) -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(1, sources=sources)
    home.tick()
    assert home.verdicts() == []
    home.run(HOLD_S + POLL_S)
    (verdict,) = home.verdicts()
    assert verdict.kind == "winner"
    assert verdict.winning_token_id == tokens(1)[1]
    assert verdict.winning_outcome == "No"
    assert verdict.payouts == (Decimal(0), Decimal(1))


def test_the_verdict_comes_within_hold_and_one_poll_and_not_before_the_hold() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0)
    home.tick()
    home.run(HOLD_S - 10)
    assert home.verdicts() == []
    home.run(20 + POLL_S)
    assert len(home.verdicts()) == 1


def test_a_fifty_fifty_is_a_split_without_a_winner() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(None)
    home.run(HOLD_S + 2 * POLL_S)
    (verdict,) = home.verdicts()
    assert verdict.kind == "split"
    assert verdict.winning_token_id is None
    assert verdict.payouts == (Decimal("0.5"), Decimal("0.5"))


@pytest.mark.parametrize("source", ["g", "d", "c"])
def test_one_source_alone_never_brings_a_verdict(source: str) -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0, sources=source)
    home.run(3600)
    assert home.verdicts() == []
    assert ("only " in home.report().pending[0][0], home.report().pending[0][1]) == (True, 1)


def test_a_price_near_one_and_a_proposal_bring_no_verdict() -> None:
    market = FakeMarket(1, end_ms=ENDED, status="proposed", prices=("0.9995", "0.0005"))
    home = house(market)
    market.data_status = "proposed"
    home.run(3600)
    assert home.verdicts() == []
    assert home.evidence(Source.GAMMA) == ["proposed"]


def test_proposed_disputed_and_the_other_outcome_gives_only_the_last_word() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    for status, prices in (("proposed", ("1", "0")), ("disputed", ("0.9", "0.1"))):
        market.closed, market.status, market.prices = True, status, prices
        market.data_status = status
        home.run(POLL_S * 2)
    market.resolve(1)
    home.run(HOLD_S + 2 * POLL_S)
    assert [verdict.winning_outcome for verdict in home.verdicts()] == ["No"]
    assert home.evidence(Source.GAMMA) == ["proposed", "disputed", "final"]
    assert home.evidence(Source.DATA) == ["proposed", "disputed", "final"]


def test_a_final_word_that_is_taken_back_during_the_hold_brings_no_verdict() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0)
    home.tick()
    market.resolve(1)
    market.status, market.data_status = "disputed", "disputed"
    market.clob_winner, market.clob_closed = None, False
    home.run(3600)
    assert home.verdicts() == []


def test_a_flip_during_the_hold_starts_the_hold_anew() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0)
    home.tick()
    home.run(POLL_S)
    market.resolve(1)
    home.run(HOLD_S - 5)
    assert home.verdicts() == []
    home.run(HOLD_S + 2 * POLL_S)
    assert [verdict.winning_outcome for verdict in home.verdicts()] == ["No"]


def test_a_v2_market_gets_its_verdict() -> None:
    market = FakeMarket(1, end_ms=ENDED, v2=True)
    home = house(market, chain=True)
    market.resolve(0)
    home.run(HOLD_S + 2 * POLL_S)
    assert [verdict.condition_id for verdict in home.verdicts()] == [market.condition_id]
    assert home.evidence(Source.GAMMA) == ["final"]  # found under its bare id
    assert home.web.times("chain") == 0  # V2 does not live on that contract


def test_the_chain_is_one_source_among_the_others() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market, chain=True)
    market.resolve(0, sources="d")
    home.web.dead["gamma"] = SourceUnavailable("gone")
    home.web.dead["clob"] = SourceUnavailable("gone")
    home.run(HOLD_S + 3 * POLL_S)
    assert [set(verdict.sources) for verdict in home.verdicts()] == [{Source.DATA, Source.CHAIN}]


def test_the_time_of_resolution_is_gammas_closing_time() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0, closed_ms=WALL_MS - 77_000)
    home.run(HOLD_S + 2 * POLL_S)
    assert home.verdicts()[0].resolved_at_ms == WALL_MS - 77_000


def test_without_a_closing_time_it_is_the_first_final_word() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0, sources="dc")
    home.tick()
    home.run(HOLD_S + 2 * POLL_S)
    assert home.verdicts()[0].resolved_at_ms == WALL_MS + 1_000


# ------------------------------------------------------------------------ due


def test_a_market_is_not_asked_for_before_its_end() -> None:
    home = house(FakeMarket(1, end_ms=WALL_MS + 600_000))
    home.run(590)
    assert home.web.times("lookup") == home.web.times("data") == 0
    home.run(20)
    assert home.web.times("lookup") > 0


def test_a_hint_brings_a_look_at_once() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 86_400_000)
    home = house(market)
    home.tick()
    market.resolve(0)
    home.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
    drain(home.actor)
    assert home.evidence(Source.GAMMA) == ["final"]
    home.run(HOLD_S + POLL_S)
    assert len(home.verdicts()) == 1


def test_a_hint_alone_is_no_evidence() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    for _ in range(10):
        home.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
        home.run(POLL_S)
    assert home.verdicts() == []


def test_a_hint_about_a_stranger_is_no_error() -> None:
    home = house()
    home.actor.on_receive(ResolutionHint(condition_id=condition(5)))
    home.tick()
    assert home.web.times("lookup") == 0


def test_a_market_that_resolves_early_is_found_in_the_listing_of_the_resolved() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 86_400_000)
    home = house(market)
    home.tick()
    market.resolve(0, closed_ms=WALL_MS + 30_000)
    home.run(HOLD_S + 3 * POLL_S)
    assert len(home.verdicts()) == 1


def test_the_listing_of_the_resolved_is_read_only_back_to_what_is_known() -> None:
    home = house()
    for number in range(1000):
        old = home.web.add(FakeMarket(number))
        old.resolve(0, closed_ms=WALL_MS - 3_600_000)
    home.tick()
    assert home.web.times("page") == 1


def test_a_closed_market_is_looked_at_before_its_end() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 86_400_000)
    home = house()
    home.web.add(market).resolve(0)
    home.tick()
    home.watch(market)
    drain(home.actor)
    assert home.evidence(Source.GAMMA) == ["final"]


def test_a_market_without_an_end_is_looked_at_every_six_hours() -> None:
    home = house(FakeMarket(1, end_ms=None))
    home.run(86_400 * 2, step_s=600.0)
    assert 7 <= home.web.times("data") <= 9


def test_a_stale_market_is_asked_for_less_and_less() -> None:
    home = house(FakeMarket(1, end_ms=ENDED - 30 * 86_400_000))
    home.run(86_400, step_s=60.0)
    assert 22 <= home.web.times("data") <= 26  # once an hour


# -------------------------------------------------------------------- sources


def test_a_dead_source_backs_off_alone() -> None:
    markets = [FakeMarket(number, end_ms=ENDED) for number in range(30)]
    home = house(*markets)
    home.web.dead["data"] = SourceUnavailable("HTTP 500")
    for market in markets:
        market.resolve(0, sources="gc")
    home.run(HOLD_S + 2 * POLL_S)
    assert len(home.verdicts()) == 30
    assert dict(home.report().sources) == {"gamma": "ok", "clob": "ok", "data": "HTTP 500"}
    assert home.web.times("data") < 10


def test_gamma_away_does_not_hold_up_the_others() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    home.web.dead["gamma"] = PayloadRejected("not JSON")
    market.resolve(0, sources="dc")
    home.run(HOLD_S + 2 * POLL_S)
    assert len(home.verdicts()) == 1


def test_with_every_source_dead_nothing_happens_until_one_is_back() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    for source in ("gamma", "data", "clob"):
        home.web.dead[source] = SourceUnavailable("gone", retry_after_s=300.0)
    home.run(290)
    asked = len(home.web.asked)
    assert asked <= 6
    home.web.dead.clear()
    market.resolve(0)
    home.run(900)
    assert len(home.verdicts()) == 1


def test_an_old_market_that_was_missed_because_all_are_dead_is_looked_at_soon() -> None:
    home = house(FakeMarket(1, end_ms=ENDED - 30 * 86_400_000))
    for source in ("gamma", "data", "clob"):
        home.web.dead[source] = SourceUnavailable("gone")
    home.tick()
    home.web.dead.clear()
    home.run(POLL_S + 10)  # the next planned look would be in an hour
    assert home.evidence(Source.DATA) == ["initialized"]


def test_an_old_market_that_one_source_answered_for_waits_for_its_planned_look() -> None:
    home = house(FakeMarket(1, end_ms=ENDED - 30 * 86_400_000))
    home.web.dead["data"] = SourceUnavailable("gone")
    home.run(1800)
    assert home.web.times("clob") == 1


def test_an_old_market_that_only_the_failing_source_knows_is_looked_at_soon() -> None:
    home = house(FakeMarket(1, end_ms=ENDED - 30 * 86_400_000, listed=False))
    home.web.dead["data"] = SourceUnavailable("gone")
    home.web.dead["clob"] = SourceUnavailable("gone")
    home.tick()
    home.web.dead.clear()
    home.run(POLL_S + 10)
    assert home.evidence(Source.DATA) == ["initialized"]


def test_what_falls_due_while_no_source_may_be_asked_is_looked_at_when_one_may() -> None:
    home = house(FakeMarket(1, end_ms=ENDED))
    for source in ("gamma", "data", "clob"):
        home.web.dead[source] = SourceUnavailable("gone", retry_after_s=270.0)
    home.tick()
    home.web.dead.clear()
    home.watch(home.web.add(FakeMarket(2, end_ms=ENDED)))
    home.run(265)
    assert dict(home.report().pending) == {"not ended": 2}
    home.run(10)  # not only at the next full minute
    assert dict(home.report().pending) == {"open": 2}


def test_a_listing_that_gets_stuck_does_not_keep_gamma_from_the_looks() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 300_000)
    home = house(market)
    home.web.stuck_cursor = "100:100"
    for number in range(100, 300):
        home.web.add(FakeMarket(number)).resolve(0, closed_ms=WALL_MS)
    home.run(400)
    assert home.evidence(Source.GAMMA) == ["open"]


def test_a_lagging_source_delays_the_verdict_until_it_agrees() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0, sources="g")
    home.run(1200)
    assert home.verdicts() == []
    market.resolve(0, sources="d")
    home.run(HOLD_S + 3 * POLL_S)
    assert [set(verdict.sources) for verdict in home.verdicts()] == [{Source.GAMMA, Source.DATA}]


def test_two_sources_that_contradict_bring_a_conflict_once_and_no_verdict() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0, sources="g")
    market.resolve(1, sources="d")
    home.run(3600)
    assert home.verdicts() == []
    (conflict,) = [m.contradiction for m in home.writer.of(ResolutionConflict)]
    assert conflict.source is Source.DATA
    assert conflict.observed == f"winner {tokens(1)[1]}"
    assert conflict.recorded == f"gamma says winner {tokens(1)[0]}"
    assert home.report().conflicts_total == 1
    assert home.report().pending == (("sources contradict each other", 1),)


def test_an_answer_about_another_market_says_nothing() -> None:
    market, other = FakeMarket(1, end_ms=ENDED), FakeMarket(2)
    home = house(market)
    other.resolve(0)

    home.web.canned = {
        "lookup": (other.gamma(), b"<html>", b"{}", b""),
        "clob": (other.clob(),),
        "data": (other.data(), b"null"),
    }
    home.run(3600)
    assert home.verdicts() == []
    assert home.evidence(Source.CLOB) == ["wrong market echoed"]


def test_questions_stay_within_the_limits_of_the_sources() -> None:
    markets = [FakeMarket(number, end_ms=ENDED, v2=number % 2 == 0) for number in range(230)]
    home = house(*markets)
    home.tick()  # the fake rejects more than 100 and 20 ids
    asked = {each for name, ids in home.web.asked if name == "data" for each in ids}
    assert len(asked) == 230


def test_one_poll_asks_one_question() -> None:
    home = house(*(FakeMarket(number, end_ms=ENDED) for number in range(230)))
    home.tick(drained=False)
    while waiting(home.actor):
        before = len(home.web.asked)
        step(home.actor)
        assert len(home.web.asked) - before <= 1


def test_ticks_in_the_middle_of_a_look_do_not_multiply_the_polls() -> None:
    home = house(*(FakeMarket(number, end_ms=ENDED) for number in range(30)))
    for _ in range(5):
        home.tick(drained=False)
    assert waiting(home.actor) == 1


# ------------------------------------------------------------ evidence, store


def test_the_same_word_is_kept_once() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    home.run(1200)
    assert home.evidence(Source.GAMMA) == ["open"]
    assert home.evidence(Source.DATA) == ["initialized"]


def test_a_verdict_is_told_once_and_after_its_evidence() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0)
    home.run(7200)
    kinds = [type(m) for m in home.writer.told]
    assert kinds.count(MarketResolved) == 1
    assert kinds.index(MarketResolved) > kinds.index(ResolutionObserved)


def test_the_catalogue_hears_of_a_settled_market_only_when_it_is_stored() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0)
    home.run(HOLD_S + 2 * POLL_S)
    assert home.settled() == []
    assert home.report().recorded_total == 0
    home.store_all()
    assert home.settled() == [market.condition_id]
    assert home.report().recorded_total == 1
    home.store_all()  # told twice, counted once
    assert home.settled() == [market.condition_id]
    assert home.report().recorded_total == 1


def test_what_is_not_stored_is_told_again_in_order_when_the_database_opens() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0)
    home.run(HOLD_S + 2 * POLL_S)
    told = home.kept()
    assert home.report().waiting == len(told)
    home.writer.clear()
    home.actor.on_receive(StoreOpened(server="x"))
    assert home.kept() == told
    home.store_all()
    home.writer.clear()
    home.actor.on_receive(StoreOpened(server="x"))
    assert home.kept() == []


def test_no_look_is_begun_while_too_much_waits_for_the_database() -> None:
    home = house(FakeMarket(1, end_ms=ENDED))
    observed = ResolutionObserved
    for _ in range(OUTBOX_MAX):
        home.actor._outbox._outbox.put(lambda n: observed(ticket=n, observation=None))  # type: ignore[arg-type]
    home.run(600)
    assert home.web.times("lookup") == 0


def test_a_new_life_asks_what_is_remembered_and_goes_on() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = House(FakePolymarket(), incarnation=2, chain=False)
    home.web.add(market)
    home.tick()
    assert len(home.writer.of(RequestMarkets)) == 1
    home.actor.on_receive(MarketsRestored(markets=(parsed(market),)))
    market.resolve(0)
    home.run(HOLD_S + 2 * POLL_S)
    assert len(home.verdicts()) == 1


def test_the_first_life_is_told_without_asking() -> None:
    home = house()
    home.tick()
    assert home.writer.of(RequestMarkets) == []


def test_a_market_that_the_catalogue_lets_go_still_gets_its_verdict() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    change = UniverseChanged(added=(), removed=(market.condition_id,))
    home.actor.on_receive(change)
    market.resolve(0)
    home.run(HOLD_S + 2 * POLL_S)
    assert len(home.verdicts()) == 1


def test_a_catalogue_that_takes_a_settled_market_up_again_is_told_again() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0)
    home.run(HOLD_S + 2 * POLL_S)
    home.store_all()
    home.catalog.clear()
    home.watch(market)
    assert home.settled() == [market.condition_id]
    assert len(home.verdicts()) == 1


# ------------------------------------------------------------------- the way


def test_each_step_of_a_market_is_told_once() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    home.run(POLL_S * 2)
    market.data_status = "proposed"
    home.run(POLL_S * 2)
    market.data_status = "disputed"
    home.run(POLL_S * 2)
    market.data_status = "reproposed"
    home.run(POLL_S * 2)
    market.resolve(1)
    home.run(HOLD_S + 2 * POLL_S)
    assert [step.standing for step in home.steps()] == [
        "ended",
        "proposed",
        "disputed",
        "proposed",
        "agreed-holding",
        "recorded",
    ]
    assert [step.before for step in home.steps()][:2] == ["open", "ended"]
    assert home.steps()[-1].reason == "clob and data and gamma agree"
    times = [step.at_ms for step in home.steps()]
    assert times == sorted(set(times))


def test_a_contradiction_after_the_verdict_is_a_step_too() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = recorded_house(market)
    market.resolve(1, sources="d")
    home.run(700)
    assert [step.standing for step in home.steps()][-2:] == ["recorded", "conflict"]


# ---------------------------------------------------------------- a new life


def said(market: FakeMarket, source: Source, winner: int, at_ms: int) -> Observation:
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
    )


def reborn(market: FakeMarket, words: StoredEvidence) -> House:
    """A house that is told of the market and of what was last said of it, before its first tick."""
    home = House(FakePolymarket(), chain=False, settled=False)
    home.web.add(market)
    home.actor.on_receive(EvidenceRestored(said=words))
    home.actor.on_receive(MarketsRestored(markets=(parsed(market),)))
    return home


def test_a_hold_goes_on_in_the_next_life_and_no_evidence_is_told_again() -> None:
    market = FakeMarket(1, end_ms=ENDED - 300_000)
    market.resolve(0)
    since = WALL_MS - 60_000
    words = tuple(said(market, each, 0, since) for each in (Source.GAMMA, Source.DATA))
    home = reborn(
        market,
        StoredEvidence(
            observations=words, standings=((market.condition_id, MarketState.HOLDING, since),)
        ),
    )
    home.run(HOLD_S - 70)
    assert home.verdicts() == []
    home.run(15)
    assert len(home.verdicts()) == 1
    assert home.evidence(Source.GAMMA) == home.evidence(Source.DATA) == []
    assert [step.standing for step in home.steps()] == ["recorded"]


def test_a_word_that_changed_between_two_lives_starts_the_hold_anew() -> None:
    market = FakeMarket(1, end_ms=ENDED - 300_000)
    market.resolve(1)
    since = WALL_MS - 600_000
    words = tuple(said(market, each, 0, since) for each in (Source.GAMMA, Source.DATA))
    home = reborn(market, StoredEvidence(observations=words))
    home.run(HOLD_S - 10)
    assert home.verdicts() == []
    home.run(20 + POLL_S)
    assert [verdict.winning_outcome for verdict in home.verdicts()] == ["No"]


def test_after_a_contradiction_in_an_earlier_life_the_hold_starts_anew() -> None:
    market = FakeMarket(1, end_ms=ENDED - 300_000)
    market.resolve(0)
    words = tuple(said(market, each, 0, WALL_MS - 600_000) for each in (Source.GAMMA, Source.DATA))
    home = reborn(market, StoredEvidence(observations=words, contradicted=(market.condition_id,)))
    home.run(HOLD_S - 10)
    assert home.verdicts() == []
    home.run(20 + POLL_S)
    assert len(home.verdicts()) == 1


def test_words_from_a_clock_that_was_ahead_are_left_out() -> None:
    market = FakeMarket(1, end_ms=ENDED - 300_000)
    market.resolve(0)
    words = tuple(
        said(market, each, 1, WALL_MS + 86_400_000) for each in (Source.GAMMA, Source.DATA)
    )
    home = reborn(market, StoredEvidence(observations=words))
    home.run(HOLD_S + 2 * POLL_S)
    assert [verdict.winning_outcome for verdict in home.verdicts()] == ["Yes"]


def test_verdicts_of_earlier_lives_are_looked_at_again_when_they_fall_due() -> None:
    market = FakeMarket(1, end_ms=ENDED - 86_400_000)
    market.resolve(1)
    home = House(FakePolymarket(), chain=False)
    home.web.add(market)
    home.tick()
    (asked,) = home.writer.of(RequestRechecks)
    assert asked.stretch.since_ms is None
    due_ms = WALL_MS + 600_000
    told = RechecksRestored(
        verdicts=(
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
                told=((Source.GAMMA, f"winner {tokens(1)[1]}"),),
            ),
        ),
        until_ms=asked.stretch.until_ms,
    )
    home.actor.on_receive(told)
    home.run(590)
    assert home.web.times("data") == 0
    home.run(20)
    (conflict,) = [m.contradiction for m in home.writer.of(ResolutionConflict)]
    assert conflict.source is Source.DATA  # Gamma's was known, the CLOB is not asked again
    assert home.web.times("clob") == 0
    assert home.verdicts() == []
    assert home.report().pending == ()
    assert len(home.actor._cases.schedule) == 0
    home.run(1200)
    last = home.writer.of(RequestRechecks)[-1]
    assert last.stretch.since_ms == asked.stretch.until_ms  # no look is left out


def test_what_the_database_does_not_answer_is_asked_again() -> None:
    home = house()
    home.tick()
    home.run(120)
    assert len(home.writer.of(RequestRechecks)) == 3
    home.actor.on_receive(StoreOpened(server="x"))
    home.tick()
    assert len(home.writer.of(RequestRechecks)) == 4


# ------------------------------------------------------------------- budgets


def test_a_source_is_never_asked_more_often_than_its_budget_allows() -> None:
    markets = [FakeMarket(number, end_ms=ENDED) for number in range(6_000)]
    home = house(*markets)
    home.tick()
    lookups = home.web.times("lookup") + home.web.times("page")
    assert lookups == GAMMA_OUTCOMES
    home.tick(1.0)  # until here they may have been on their way
    home.tick(9.0)
    assert home.web.times("lookup") + home.web.times("page") == GAMMA_OUTCOMES
    home.tick(1.0)
    assert home.web.times("lookup") + home.web.times("page") > GAMMA_OUTCOMES
    for _ in range(12):
        home.store_all()
        home.tick(10.0)
    asked = {each for name, ids in home.web.asked if name == "data" for each in ids}
    assert len(asked) == 6_000  # late, and none left out
    lately = {name: count for name, _, count in home.report().requests}
    assert lately["gamma"] <= GAMMA_OUTCOMES


def test_a_new_life_asks_nothing_in_its_first_ten_seconds() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = House(FakePolymarket(), chain=False, settled=False)
    home.web.add(market)
    home.watch(market)
    home.tick()
    home.tick(9.9)
    assert home.web.asked == []
    home.tick(0.1)
    assert home.evidence(Source.GAMMA) == ["open"]


def test_a_chain_that_was_asked_enough_does_not_hold_up_the_others() -> None:
    markets = [FakeMarket(number, end_ms=ENDED) for number in range(1_000)]
    home = house(*markets, chain=True)
    home.tick()
    assert home.web.times("chain") == CHAIN
    asked = {each for name, ids in home.web.asked if name == "data" for each in ids}
    assert len(asked) == 1_000


# --------------------------------------------------------- after the verdict


def recorded_house(market: FakeMarket) -> House:
    home = house(market)
    market.resolve(0)
    home.run(HOLD_S + 2 * POLL_S)
    home.store_all()
    return home


@pytest.mark.parametrize("hinted", [True, False])
def test_a_source_that_changes_its_mind_later_is_shown_once_and_changes_nothing(
    hinted: bool,
) -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = recorded_house(market)
    market.resolve(1, sources="d")
    if hinted:
        home.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
        drain(home.actor)
    else:
        home.run(700)
    (conflict,) = [m.contradiction for m in home.writer.of(ResolutionConflict)]
    assert conflict.recorded == f"winner {tokens(1)[0]}"
    assert conflict.observed == f"winner {tokens(1)[1]}"
    assert conflict.source is Source.DATA
    home.run(86_400, step_s=60.0)
    assert len(home.writer.of(ResolutionConflict)) == 1
    assert len(home.verdicts()) == 1


def test_a_verdict_is_looked_at_once_more_and_then_left_to_the_memory_of_the_database() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = recorded_house(market)
    home.run(90_000, step_s=60.0)
    looks = home.web.times("data")
    home.run(90_000, step_s=600.0)
    assert home.web.times("data") == looks
    assert home.report().pending == ()
    assert len(home.actor._cases.schedule) == 0


def test_a_verdict_that_is_not_stored_yet_is_not_let_go() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    home = house(market)
    market.resolve(0)
    home.run(3 * 86_400, step_s=600.0)
    assert len(home.verdicts()) == 1
    assert home.report().pending == (("verdict to be stored", 1),)
    home.store_all()
    assert home.settled() == [market.condition_id]


def test_the_report_counts_markets_by_what_they_wait_for() -> None:
    later = WALL_MS + 86_400_000
    home = house(
        *(FakeMarket(number, end_ms=later) for number in range(3)), FakeMarket(9, end_ms=ENDED)
    )
    home.tick()
    assert dict(home.report().pending) == {"not ended": 3, "open": 1}


def test_a_changed_end_is_taken_up() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 86_400_000)
    home = house(market)
    home.tick()
    sooner = datetime.fromtimestamp(WALL_MS / 1000 + 60, UTC)
    changed = msgspec.structs.replace(parsed(market), end_at=sooner)
    home.actor.on_receive(UniverseChanged(added=(changed,), removed=()))
    home.run(70)
    assert home.web.times("data") > 0


# ------------------------------------------------------------ a clock that steps

# Faults: after a step back a market that resolves is neither looked at nor found in the listing
# until the clock is caught up; a market is lost; a word of the future counts; a time of
# resolution lies in the future; a crash.


class Stepping(House):
    """A resolution actor whose clocks a test holds; the sources know the right time."""

    def __init__(self, held: Clocks, *markets: FakeMarket) -> None:
        self._held = held
        super().__init__(FakePolymarket(), chain=False)
        held.run(11.0)
        for market in markets:
            self.web.add(market)
        self.watch(*markets)

    def tick(self, after_s: float = 1.0, *, drained: bool = True) -> None:
        self._held.run(after_s)
        self.actor.on_receive(Tick(now=self._held.now, wall_ns=time.time_ns()))
        if drained:
            drain(self.actor)

    def right_ms(self) -> int:
        return WALL_MS + int((self._held.now - 1000.0) * 1000)


def right() -> datetime:
    return datetime.fromtimestamp(WALL_MS / 1000, UTC)


@pytest.mark.parametrize("ahead_s", [HOUR_S, DAY_S, 20 * DAY_S])
def test_a_clock_that_was_ahead_at_the_start_hides_no_resolution_once_it_is_right(
    ahead_s: float,
) -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 30 * 86_400_000)
    with clocks(right()) as held:
        held.step(ahead_s)
        home = Stepping(held, market)
        home.run(POLL_S)
        held.step(-ahead_s)
        home.run(POLL_S)
        market.resolve(0, closed_ms=home.right_ms())
        home.run(HOLD_S + 4 * POLL_S)
    assert [verdict.winning_outcome for verdict in home.verdicts()] == ["Yes"]


@pytest.mark.parametrize("ahead_s", [HOUR_S, DAY_S])
def test_one_look_at_a_clock_that_is_ahead_hides_no_resolution(ahead_s: float) -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 30 * 86_400_000)
    with clocks(right()) as held:
        home = Stepping(held, market)
        home.run(POLL_S)
        held.step(ahead_s)
        home.tick()
        held.step(-ahead_s)
        market.resolve(0, closed_ms=home.right_ms())
        home.run(HOLD_S + 4 * POLL_S)
    assert [verdict.winning_outcome for verdict in home.verdicts()] == ["Yes"]


def test_what_was_heard_while_the_clock_was_ahead_counts_no_sooner_than_it_is_caught_up() -> None:
    market = FakeMarket(1, end_ms=WALL_MS - 1_000)
    with clocks(right()) as held:
        home = Stepping(held, market)
        held.step(HOUR_S)
        home.tick()
        assert home.web.times("data") == 1
        held.step(-HOUR_S)
        market.resolve(0)
        home.run(HOUR_S - 60, step_s=30)
        assert home.verdicts() == []
        home.run(60 + HOLD_S + 4 * POLL_S, step_s=30)
    assert [verdict.winning_outcome for verdict in home.verdicts()] == ["Yes"]


@pytest.mark.parametrize("back_s", [HOUR_S, DAY_S])
def test_a_clock_that_is_set_back_delays_looks_and_loses_none(back_s: float) -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 600_000)
    with clocks(right()) as held:
        home = Stepping(held, market)
        home.tick()
        held.step(-back_s)
        market.resolve(1, sources="dc")  # the listing, which is Gamma's, does not tell of it
        home.run(600, step_s=60)
        assert home.verdicts() == []
        home.run(back_s + HOLD_S + 4 * POLL_S, step_s=60)
    assert [verdict.winning_outcome for verdict in home.verdicts()] == ["No"]


@pytest.mark.parametrize("back_s", [HOUR_S, DAY_S])
def test_a_hint_brings_a_look_although_the_clock_was_set_back(back_s: float) -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 30 * 86_400_000)
    with clocks(right()) as held:
        home = Stepping(held, market)
        home.tick()
        held.step(-back_s)
        home.tick()
        market.resolve(0)
        home.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
        home.run(HOLD_S + 2 * POLL_S)
    assert [verdict.winning_outcome for verdict in home.verdicts()] == ["Yes"]


def test_no_verdict_is_dated_in_the_future_and_each_falls_within_the_hold() -> None:
    market = FakeMarket(1, end_ms=WALL_MS - 1_000)
    market.resolve(0, closed_ms=WALL_MS - 2_000)
    with clocks(right()) as held:
        held.step(-HOUR_S)  # Gamma's closing time lies in our future: it is not believed
        home = Stepping(held, market)
        home.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
        home.run(HOLD_S + 2 * POLL_S)
        (verdict,) = home.verdicts()
        assert verdict.resolved_at_ms <= time.time_ns() // 1_000_000


@pytest.mark.parametrize(
    "end",
    [
        datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ],
    ids=["leap day", "year end", "new year"],
)
def test_a_market_is_looked_at_in_the_second_of_its_end_over_midnight(end: datetime) -> None:
    end_ms = int(end.timestamp() * 1000)
    market = FakeMarket(1, end_ms=end_ms, start_ms=end_ms - 3_600_000)
    with clocks(end) as held:
        held.step(-30.0)
        home = Stepping(held, market)
        for _ in range(18):
            home.tick()
        assert home.web.times("data") == 0  # 1 s before its end
        home.tick()
        assert home.web.times("data") == 1


# ------------------------------------------------------------------ end


@pytest.mark.parametrize(("chain", "sessions"), [(True, 2), (False, 1)])
def test_its_sessions_are_closed_when_it_stops(chain: bool, sessions: int) -> None:
    home = House(FakePolymarket(), chain=chain)
    home.actor.on_stop()
    assert home.web.closed == sessions


def test_its_sessions_are_closed_when_it_dies() -> None:
    home = House(FakePolymarket(), chain=True)
    home.actor.on_failure(ValueError, ValueError("fault"), None)
    assert home.web.closed == 2
