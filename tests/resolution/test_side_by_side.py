"""Promises: sources are asked side by side; one that is slow, away or flooded delays only itself.

Time is fake: answers take as long as a test says, and nothing waits.
"""

from statistics import median

import pytest

from actors.errors import SourceUnavailable
from actors.messages import (
    RechecksRestored,
    ResolutionConflict,
    ResolutionHint,
)
from actors.model.market import Recheck, Resolution, Source
from actors.model.trade import ConditionId, TokenId
from actors.resolution.queues import LONGEST_POLL_S
from actors.resolution.under_way import OVERDUE_S
from tests.fakes_box import drain
from tests.fakes_http import WALL_MS, FakeMarket, condition, tokens
from tests.resolution.test_actor import (
    ENDED,
    HOLD_S,
    POLL_S,
    Harness,
    parsed,
    recorded,
    watching,
)

# Much simulated time: to measure its coverage would take three times as long.
pytestmark = pytest.mark.no_cover

USUAL_S = {Source.GAMMA: 0.3, Source.DATA: 0.3, Source.CLOB: 0.1, Source.CHAIN: 0.5}
METHODS = {"gamma": "lookup", "data": "data", "clob": "clob", "chain": "chain"}


def final(harness: Harness, numbers: range, *, sources: str = "gdc") -> list[FakeMarket]:
    """Watch markets that ended a moment ago and that these sources call final."""
    markets = [harness.web.add(FakeMarket(number, end_ms=ENDED)) for number in numbers]
    harness.watch(*markets)
    for market in markets:
        market.resolve(number_winner(market), sources=sources)
    return markets


def number_winner(market: FakeMarket) -> int:
    return market.number % 2


# -------------------------------------------------------- slow, away, without end


@pytest.mark.parametrize("slow_s", [pytest.param(5.0, marks=pytest.mark.long), 15.0])
@pytest.mark.parametrize("slow", Source)
def test_a_slow_source_delays_no_label_that_does_not_need_it(slow: Source, slow_s: float) -> None:
    harness = watching(chain=True)
    harness.asker.delays_s = USUAL_S | {slow: slow_s}
    final(harness, range(300))
    harness.run(HOLD_S + 2 * POLL_S, step_s=1.0)
    assert len(harness.resolutions()) == 300


@pytest.mark.parametrize("dead", Source)
def test_a_dead_source_delays_no_label(dead: Source) -> None:
    harness = watching(chain=True)
    harness.asker.delays_s = USUAL_S | {dead: 20.0}
    harness.web.dead[dead.value] = SourceUnavailable("no answer within 20 s")
    final(harness, range(100))
    harness.run(HOLD_S + 2 * POLL_S, step_s=1.0)
    assert len(harness.resolutions()) == 100
    assert dict(harness.report().sources)[dead.value] == "no answer within 20 s"


def test_what_a_dead_source_was_not_asked_it_is_asked_as_soon_as_it_is_back() -> None:
    market = FakeMarket(1, end_ms=ENDED - 30 * 86_400_000)  # polled once an hour
    harness = watching(market)
    harness.web.dead["data"] = SourceUnavailable("gone", retry_after_s=250.0)
    harness.run(200, step_s=1.0)
    harness.web.dead.clear()
    harness.run(60, step_s=1.0)
    assert harness.evidence(Source.DATA) == ["initialized"]
    assert harness.web.times("data") == 2


def test_the_queue_of_a_dead_source_holds_each_market_once() -> None:
    harness = watching(*(FakeMarket(number, end_ms=ENDED) for number in range(200)))
    harness.web.dead = {each: SourceUnavailable("gone") for each in ("data", "gamma")}
    for _ in range(60):
        harness.run(POLL_S, step_s=10.0)
        for source in (Source.DATA, Source.GAMMA, Source.CLOB):
            assert harness.actor._queues.waiting(source) <= 200
    harness.web.dead.clear()
    harness.run(2 * POLL_S, step_s=10.0)
    assert len(harness.evidence(Source.DATA)) == len(harness.evidence(Source.GAMMA)) == 200


def test_a_call_without_end_is_given_up_and_its_late_answer_is_lost() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    harness.asker.delays_s = {Source.DATA: OVERDUE_S + 50.0}
    harness.run(OVERDUE_S - 5.0)
    harness.asker.delays_s = {}
    assert harness.web.times("data") == 1
    harness.run(20.0)
    assert harness.asker.abandoned == [Source.DATA]
    assert harness.evidence(Source.DATA) == ["initialized"]
    asked, failed = harness.web.times("data"), _failures(harness)["data"]
    harness.run(40.0)
    assert harness.asker.next_at is None  # the late one has arrived
    assert (asked, failed) == (2, 1)
    assert _failures(harness)["data"] == 1


def _failures(harness: Harness) -> dict[str, int]:
    return {name: failed for name, _, _, failed in harness.report().requests}


def test_an_unexpected_error_of_a_call_ends_the_actor() -> None:
    harness = watching(FakeMarket(1, end_ms=ENDED))
    harness.web.dead["data"] = ZeroDivisionError("a fault of ours")
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        harness.tick()


def test_an_answer_about_a_market_that_was_settled_meanwhile_is_harmless() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market, chain=True)
    market.resolve(0)
    harness.run(HOLD_S + POLL_S)
    harness.store_all()
    assert len(harness.resolutions()) == 1
    # Its first recheck is its last one here. The answers of the chain come when it is forgotten.
    harness.asker.delays_s = {Source.CHAIN: LONGEST_POLL_S + 100.0}
    market.resolve(1, sources="d")
    harness.run(450, step_s=5.0)
    harness.asker.lost = {Source.CHAIN}
    harness.run(100, step_s=5.0)
    assert len(harness.writer.of(ResolutionConflict)) == 1
    market.resolve(0, sources="d")
    harness.run(900, step_s=5.0)
    assert len(harness.actor._cases.schedule) == 0
    assert len(harness.resolutions()) == 1


# -------------------------------------------------------------------- fairness


CLOSINGS = 20


def latencies(harness: Harness) -> tuple[float, float]:
    """Let markets close one after the other; return the median time from there to the label.

    They close at any moment, long before their planned end. Of every second one, two sources are
    final half a minute later: the first median is that of the others, the second one theirs.
    """
    markets = [FakeMarket(50_000 + each, end_ms=WALL_MS + 86_400_000) for each in range(CLOSINGS)]
    known_s: dict[ConditionId, float] = {}
    closed_s = [harness.elapsed_s + 1.0 + 5.0 * each for each in range(CLOSINGS)]
    for market in markets:
        harness.web.add(market)
    harness.watch(*markets)
    while len(known_s) < CLOSINGS:
        harness.tick(1.0)
        known_s |= {each.condition_id: harness.elapsed_s for each in harness.resolutions()}
        harness.store_all()
        harness.writer.clear()
        for market, at_s in zip(markets, closed_s, strict=True):
            _resolve(harness, market, harness.elapsed_s - at_s)
    took = [known_s[each.condition_id] - at for each, at in zip(markets, closed_s, strict=True)]
    return median(took[::2]), median(took[1::2])


def _resolve(harness: Harness, market: FakeMarket, age_s: float) -> None:
    """Let a market close so many seconds after it closed."""
    lags = market.number % 2
    if age_s == 0.0:
        at_ms = WALL_MS + int(harness.elapsed_s * 1000)
        market.resolve(0, sources="g" if lags else "gdc", closed_ms=at_ms)
        harness.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
    elif lags and age_s == 30.0:
        market.resolve(0, sources="dc", closed_ms=market.closed_ms or 0)


def check(found: tuple[float, float]) -> None:
    """Fail unless labels came as soon as they do without any other market, within a tenth."""
    alone = watching()
    alone.asker.delays_s = dict(USUAL_S)
    for took, usual in zip(found, latencies(alone), strict=True):
        assert took <= 1.1 * usual


def test_five_thousand_stuck_markets_do_not_delay_the_others() -> None:
    stuck = [FakeMarket(number, end_ms=ENDED, data_status="proposed") for number in range(5_000)]
    harness = watching(*stuck)
    harness.asker.delays_s = dict(USUAL_S)
    harness.run(POLL_S, step_s=1.0)
    harness.store_all()
    harness.writer.clear()
    check(latencies(harness))


def test_an_hour_of_overdue_rechecks_does_not_delay_the_others() -> None:
    harness = watching()
    harness.asker.delays_s = dict(USUAL_S)
    harness.tick()
    overdue = [
        harness.web.add(FakeMarket(number, end_ms=ENDED - 86_400_000)) for number in range(3_000)
    ]
    for market in overdue:
        market.resolve(0, closed_ms=WALL_MS - 86_400_000)
    rechecks = tuple(map(recheck, overdue))
    harness.actor.on_receive(RechecksRestored(rechecks=rechecks, until_ms=WALL_MS + 600_000))
    check(latencies(harness))
    harness.run(600, step_s=1.0)
    asked = {each for name, ids in harness.web.asked if name == "data" for each in ids}
    assert asked >= {market.condition_id for market in overdue}


def recheck(market: FakeMarket) -> Recheck:
    yes, _ = tokens(market.number)
    resolution = Resolution(
        condition_id=market.condition_id,
        kind="winner",
        winning_token_id=TokenId(yes),
        winning_outcome="Yes",
        payouts=(1, 0),  # type: ignore[arg-type] # nothing reads them
        resolved_at_ms=WALL_MS - 90_000_000,
        sources=(Source.DATA, Source.GAMMA),
    )
    return Recheck(
        resolution=resolution,
        market=parsed(market),
        recorded_at_ms=WALL_MS - 90_000_000,
        due_at_ms=WALL_MS - 3_600_000,
    )


def test_a_long_listing_and_the_markets_take_turns_at_gamma() -> None:
    harness = watching(FakeMarket(1, end_ms=ENDED))
    for number in range(100, 2_100):
        harness.web.add(FakeMarket(number)).resolve(0, closed_ms=WALL_MS)
    harness.asker.delays_s = {Source.GAMMA: 5.0}
    harness.run(25, step_s=1.0)
    asked = [name for name, _ in harness.web.asked if name in ("page", "lookup")]
    assert asked == ["page", "lookup", "page", "lookup", "page"]


# ---------------------------------------------------------------- early evidence


def test_what_the_listing_shows_is_evidence_before_any_look_up() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 86_400_000)
    harness = watching(market)
    harness.tick()
    market.resolve(0, closed_ms=WALL_MS + 30_000)
    harness.web.dead["data"] = harness.web.dead["clob"] = SourceUnavailable("gone")
    harness.web.rejecting["lookup"] = (403, {market.condition_id})
    harness.run(POLL_S)
    assert harness.evidence(Source.GAMMA) == ["final"]


def test_a_listing_that_contradicts_a_resolution_is_a_conflict_at_once() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = recorded(market)
    market.resolve(1, sources="g", closed_ms=WALL_MS + int(harness.elapsed_s * 1000))
    harness.web.rejecting["lookup"] = (403, {market.condition_id})
    polls = harness.web.times("data")
    harness.run(POLL_S)
    (conflict,) = [each.contradiction for each in harness.writer.of(ResolutionConflict)]
    assert (conflict.source, conflict.observed) == (Source.GAMMA, f"winner {tokens(1)[1]}")
    assert harness.web.times("data") == polls + 1  # the others are asked about it


def test_hints_about_a_resolution_bring_one_poll_and_a_later_one_another() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = recorded(market)
    polls = harness.web.times("data")
    for _ in range(2):  # one of each feed
        harness.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
        harness.tick()
    assert harness.web.times("data") == polls + 1
    harness.run(POLL_S)
    market.resolve(1, sources="d")
    harness.actor.on_receive(ResolutionHint(condition_id=market.condition_id))
    drain(harness.actor)
    assert len(harness.writer.of(ResolutionConflict)) == 1


def test_a_recheck_that_falls_due_while_no_source_answers_is_made_up_for() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = recorded(market)
    market.resolve(1, sources="d")
    for source in ("gamma", "data", "clob"):
        harness.web.dead[source] = SourceUnavailable("no route")
    harness.run(7_200, step_s=10.0)
    assert harness.writer.of(ResolutionConflict) == []
    harness.web.dead.clear()
    harness.run(2 * POLL_S, step_s=1.0)
    assert len(harness.writer.of(ResolutionConflict)) == 1
    market.resolve(0, sources="d")
    harness.run(1_000, step_s=5.0)
    assert len(harness.actor._cases.schedule) == 0


# ---------------------------------------------------------------------- states


def test_answers_of_one_poll_that_arrive_one_after_the_other_make_one_state() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    harness.asker.delays_s = {Source.GAMMA: 2.0, Source.DATA: 0.1}
    harness.run(20, step_s=0.5)
    assert [each.after for each in harness.transitions()] == ["ended"]
    market.data_status, market.closed, market.status = "proposed", True, "disputed"
    harness.run(POLL_S, step_s=0.5)
    assert [each.after for each in harness.transitions()] == ["ended", "disputed"]


def test_a_state_waits_for_a_source_that_does_not_come_to_it_until_the_next_poll() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    harness.asker.lost = {Source.GAMMA}
    harness.run(POLL_S - 10)
    assert harness.transitions() == []
    harness.run(20)
    assert [each.after for each in harness.transitions()] == ["ended"]


def test_a_state_does_not_wait_for_a_source_that_failed() -> None:
    market = FakeMarket(1, end_ms=ENDED)
    harness = watching(market)
    harness.web.dead["gamma"] = SourceUnavailable("gone")
    harness.tick()
    assert [each.after for each in harness.transitions()] == ["ended"]


def test_every_source_is_asked_about_every_market() -> None:
    harness = watching(chain=True)
    harness.asker.delays_s = dict(USUAL_S)
    markets = final(harness, range(60))
    harness.run(POLL_S / 2, step_s=1.0)
    for source in Source:
        assert harness.evidence(source) == ["final"] * len(markets), source
    assert condition(1) in {market.condition_id for market in markets}
