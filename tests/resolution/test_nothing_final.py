"""The resolution actor reports what is absent: markets that ended and nobody calls final, and
sources that answer and say nothing.

Faults: all sources change at once and answer as politely as before; one of them does; a restart
reads back thousands of markets that ended long ago; a source is away, or late.
"""

import pytest

from actors.errors import SourceUnavailable
from actors.messages import MarketsRestored, ResolutionHint
from actors.model.market import EndedMarkets, Source, StoredEvidence
from actors.resolution.absence import MUTE_AFTER
from tests.fakes_http import WALL_MS, FakeMarket, FakePolymarket
from tests.resolution.test_actor import (
    HOLD_S,
    POLL_S,
    Harness,
    parsed,
    restarted,
    stored,
    watching,
)

# Much simulated time: to measure its coverage would take three times as long.
pytestmark = pytest.mark.no_cover

QUARTER_S, HOUR_S, DAY_S = 900.0, 3_600.0, 86_400.0
GAMMA, CLOB, DATA, CHAIN = Source.GAMMA, Source.CLOB, Source.DATA, Source.CHAIN


def soon(count: int, *, v2: bool = False, first: int = 1) -> list[FakeMarket]:
    """Return markets that end within ten minutes, one after the other."""
    step_ms = 600_000 // count
    return [
        FakeMarket(first + number, end_ms=WALL_MS + 1_000 + number * step_ms, v2=v2)
        for number in range(count)
    ]


def resolve(harness: Harness, *markets: FakeMarket, winner: int | None, sources: str) -> None:
    """Have markets resolve when they end; the database stores everything."""
    waiting = list(markets)
    while waiting:
        harness.tick(10.0)
        now_ms = WALL_MS + int(harness.elapsed_s * 1000)
        for market in [each for each in waiting if (each.end_ms or 0) <= now_ms]:
            waiting.remove(market)
            market.resolve(winner, sources=sources)


def mute(harness: Harness) -> tuple[str, ...]:
    return harness.report().mute


def ended(harness: Harness) -> EndedMarkets | None:
    return harness.report().ended


@pytest.mark.parametrize(
    ("sources", "said"),
    [("gdc", ()), ("gd", (CLOB,)), ("dc", (GAMMA,)), ("gc", (DATA,)), ("g", (CLOB, DATA))],
)
def test_a_mute_source_shows_a_quarter_of_an_hour_after_twenty_markets_resolved(
    sources: str, said: tuple[Source, ...]
) -> None:
    markets = soon(MUTE_AFTER)
    harness = watching(*markets)
    resolve(harness, *markets, winner=0, sources=sources)
    assert mute(harness) == ()
    harness.run(QUARTER_S)
    assert mute(harness) == said


def test_it_ends_with_the_next_market_about_which_the_source_has_something() -> None:
    markets = soon(MUTE_AFTER)
    last = FakeMarket(99, end_ms=WALL_MS + 1_800_000)
    harness = watching(*markets, last)
    resolve(harness, *markets, winner=0, sources="gd")
    harness.run(QUARTER_S)
    assert mute(harness) == (CLOB,)
    resolve(harness, last, winner=1, sources="gdc")
    harness.run(60)
    assert mute(harness) == ()


@pytest.mark.parametrize(("winner", "v2"), [(None, False), (0, True)])
def test_the_clob_need_not_know_splits_nor_v2(winner: int | None, *, v2: bool) -> None:
    markets = soon(2 * MUTE_AFTER, v2=v2)
    harness = watching(*markets)
    resolve(harness, *markets, winner=winner, sources="gd")
    harness.run(2 * QUARTER_S)
    assert mute(harness) == ()


@pytest.mark.parametrize(("public", "said"), [(True, ()), (False, (CHAIN,))])
def test_public_nodes_are_not_asked_about_every_market(
    *, public: bool, said: tuple[Source, ...]
) -> None:
    markets = soon(MUTE_AFTER)
    harness = Harness(FakePolymarket(public_nodes=public), chain=True)
    for market in markets:
        harness.web.add(market)
    harness.watch(*markets)
    # What the fake chain answers follows the Data API: neither knows anything here.
    resolve(harness, *markets, winner=0, sources="gc")
    harness.run(QUARTER_S)
    assert mute(harness) == (DATA, *said)


def test_a_source_that_is_away_is_not_mute() -> None:
    markets = soon(MUTE_AFTER)
    harness = watching(*markets)
    harness.web.dead["clob"] = SourceUnavailable("gone")
    resolve(harness, *markets, winner=0, sources="gdc")
    harness.run(QUARTER_S)
    assert mute(harness) == ()
    assert dict(harness.report().sources)["clob"] == "gone"


@pytest.mark.parametrize("late_s", [60.0, 300.0, 700.0])
def test_a_source_that_is_late_is_not_mute(late_s: float) -> None:
    markets = [FakeMarket(each, end_ms=WALL_MS + 1_000) for each in range(1, 3 * MUTE_AFTER)]
    harness = watching(*markets)
    resolve(harness, *markets, winner=0, sources="gc")
    harness.run(late_s)
    for market in markets:
        market.resolve(0, sources="d")
    for _ in range(60):
        harness.run(30)
        assert mute(harness) == ()


def test_markets_that_are_stuck_are_no_news_and_make_no_source_mute() -> None:
    market = FakeMarket(1, end_ms=WALL_MS - 90 * 86_400_000)
    harness = watching(market)
    market.resolve(0, sources="g")
    harness.run(HOUR_S, step_s=10.0)
    assert harness.actor._cases.mute.knows(market.condition_id)
    harness.run(4 * HOUR_S, step_s=10.0)
    assert harness.evidence(GAMMA) == ["final"]
    assert not harness.actor._cases.mute.knows(market.condition_id)


# ------------------------------------------------------------------------- overdue


def test_markets_that_nobody_calls_final_are_overdue_after_an_hour() -> None:
    markets = soon(30)
    harness = watching(*markets)
    for market in markets:
        market.listed, market.data_status = False, None
    harness.web.canned["clob"] = (b"{}",)
    harness.run(HOUR_S - 300, step_s=10.0)
    assert ended(harness) == counted(0, 0)
    harness.run(900 + 600, step_s=10.0)
    assert ended(harness) == counted(30, 30)
    assert set(dict(harness.report().sources).values()) <= {"ok", "unknown"}


def counted(number: int, overdue: int) -> EndedMarkets:
    return EndedMarkets(
        ended=number, overdue=overdue, without=tuple((each, overdue) for each in Source)
    )


def test_what_was_read_back_after_a_restart_raises_nothing() -> None:
    old = [FakeMarket(each, end_ms=WALL_MS - each * 600_000) for each in range(1, 100)]
    harness = watching()
    for market in old:
        harness.web.add(market)
    harness.actor.on_receive(MarketsRestored(markets=tuple(map(parsed, old))))
    harness.run(3 * HOUR_S, step_s=10.0)
    assert ended(harness) == counted(0, 0)


def test_after_a_day_the_overdue_are_counted_by_source() -> None:
    known = FakeMarket(1, end_ms=WALL_MS + 1_000)
    later = [FakeMarket(each, end_ms=WALL_MS + 86_400_000) for each in range(2, 12)]
    hinted = FakeMarket(12, end_ms=WALL_MS + 9 * 86_400_000)
    harness = watching(known, *later, hinted)
    resolve(harness, known, winner=0, sources="gdc")
    harness.run(DAY_S - 60, step_s=30.0)
    resolve(harness, *later[:4], winner=0, sources="g")
    harness.actor.on_receive(ResolutionHint(condition_id=hinted.condition_id))
    assert ended(harness) is None
    harness.run(HOUR_S + 600, step_s=30.0)
    found = ended(harness)
    assert found is not None
    assert (found.ended, found.overdue) == (11, 7)
    assert dict(found.without) == {GAMMA: 7, CLOB: 11, DATA: 11, CHAIN: 11}


def test_one_whose_end_is_put_off_is_not_overdue() -> None:
    harness = watching(FakeMarket(1, end_ms=WALL_MS + 1_000), FakeMarket(2, end_ms=WALL_MS + 1_000))
    harness.run(60)
    harness.watch(FakeMarket(1, end_ms=WALL_MS + 9 * 86_400_000))
    harness.run(HOUR_S + 600, step_s=10.0)
    assert ended(harness) == counted(1, 1)


def test_what_was_final_before_a_restart_and_ends_after_it_is_not_overdue() -> None:
    market = FakeMarket(1, end_ms=WALL_MS + 60_000)
    seen = stored(market, GAMMA, 0, WALL_MS - 60_000)
    harness = restarted(market, StoredEvidence(observations=(seen,)))
    market.resolve(0, sources="g")
    harness.run(25 * HOUR_S + 180, step_s=60.0)
    found = ended(harness)
    assert found is not None
    assert (found.ended, found.overdue) == (1, 0)


# -------------------------------------------------------- what else is in the report


def test_final_answers_that_are_news_are_counted_by_source() -> None:
    markets = soon(3)
    harness = watching(*markets)
    resolve(harness, *markets, winner=0, sources="gd")
    markets[0].resolve(0, sources="c")
    harness.run(HOUR_S, step_s=10.0)
    assert dict(harness.report().final) == {GAMMA: 3, DATA: 3, CLOB: 1}


def test_markets_with_an_open_contradiction_are_counted_until_it_ends() -> None:
    market = FakeMarket(1, end_ms=WALL_MS - 1_000)
    harness = watching(market)
    market.resolve(0, sources="gd")
    market.resolve(1, sources="c")
    harness.run(60)
    assert (harness.report().conflicts_total, harness.report().conflicts_open) == (1, 1)
    market.resolve(0, sources="c")
    harness.run(2 * HOLD_S + POLL_S)
    assert (harness.report().conflicts_total, harness.report().conflicts_open) == (1, 0)
