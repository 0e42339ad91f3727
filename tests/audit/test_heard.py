"""What is kept of the stream: a bounded sample, all of a market or nothing, and when it lived."""

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audit.heard import KEPT_MS, LEVELS, MOST_HINTS, MOST_KEPT, MOST_NAMED, Heard, rank
from actors.model.audit import Fill
from actors.model.trade import ConditionId, TokenId

START = 1_790_000_000_000
HOUR = 3_600_000


def market(number: int) -> ConditionId:
    return ConditionId(f"0x{number:064x}")


def fill(number: int, at_ms: int = START, size: int = 5) -> Fill:
    return Fill(
        token_id=TokenId("1"),
        transaction=f"0x{number:064x}",
        size=Decimal(size),
        price=Decimal("0.5"),
        at_ms=at_ms,
    )


def of_rank(wanted: int) -> ConditionId:
    return next(market(n) for n in range(1, 100_000) if rank(market(n)) == wanted)


def live(heard: Heard, since_ms: int, until_ms: int, step_ms: int = 10_000) -> None:
    for at_ms in range(since_ms, until_ms + 1, step_ms):
        heard.alive(at_ms)


def told_all(heard: Heard, one: ConditionId | None = None) -> bool:
    return heard.told(one or market(1), START, START + HOUR, START + 2 * HOUR).is_whole


def test_a_market_is_told_as_it_was_heard_and_whole_if_the_stream_lived() -> None:
    heard = Heard()
    live(heard, START - 60_000, START + HOUR)
    heard.add(START + 1_000, market(1), fill(1))
    heard.add(START + 2_000, market(1), fill(2, START + 1_000))
    heard.add(START + 2_000, market(2), fill(3))
    found = heard.told(market(1), START, START + HOUR, START + 2 * HOUR)

    assert found.fills == (fill(1), fill(2, START + 1_000))
    assert (found.is_whole, found.is_known, found.made_at_ms) == (True, True, START + 2 * HOUR)
    assert (len(heard), heard.markets, heard.share) == (3, 2, 1.0)
    assert not heard.told(market(9), START, START + HOUR, START).is_known


@pytest.mark.parametrize(
    ("since", "until", "whole"),
    [(0, HOUR, True), (1, HOUR, False), (0, HOUR - 1, False)],
)
def test_an_hour_in_which_it_was_away_is_not_whole(since: int, until: int, *, whole: bool) -> None:
    heard = Heard()
    live(heard, START + since, START + until, step_ms=until - since)

    assert told_all(heard) is whole


def test_what_was_lost_in_between_is_two_spans() -> None:
    heard = Heard()
    live(heard, START, START + HOUR // 2)
    heard.lost()
    live(heard, START + HOUR // 2, START + HOUR)

    assert not told_all(heard)


def test_over_a_step_of_our_clock_nothing_is_whole() -> None:
    heard = Heard()
    heard.alive(START)
    heard.alive(START + 10 * HOUR)
    live(heard, START + HOUR, START + 2 * HOUR)

    assert heard.told(market(1), START + HOUR, START + 2 * HOUR, START).is_whole
    assert not heard.told(market(1), START + HOUR, START + 11 * HOUR, START).is_whole


def test_what_is_told_twice_is_kept_once() -> None:
    heard = Heard()
    for at_ms in (START, START + 5):
        heard.add(at_ms, market(1), fill(1))

    assert len(heard) == 1
    heard.add(START, market(1), fill(1, size=6))
    assert len(heard) == 2


def test_what_is_old_is_forgotten() -> None:
    heard = Heard()
    live(heard, START, START + 10_000)
    heard.add(START, market(1), fill(1))
    heard.add(START + 10, market(1), fill(2))
    heard.reject(START, market(1), "odd")
    heard.forget(START + KEPT_MS + 5)
    assert (len(heard), heard.markets) == (1, 1)
    heard.forget(START + KEPT_MS + 20_000)
    heard.alive(START + KEPT_MS + 20_000)

    assert (len(heard), heard.markets) == (0, 0)
    assert heard.told(market(1), START, START + 1, START).rejected == ()
    assert not heard.told(market(1), START, START + KEPT_MS, START).is_whole


@pytest.mark.parametrize("markets", [1, 7, 5_000])
def test_a_flood_does_not_fill_the_memory(markets: int) -> None:
    heard = Heard(most=1_000)
    heard.alive(START)
    for number in range(30_000):
        heard.add(START + number, market(number % markets), fill(number))
        assert len(heard) <= 1_000
    for number in range(3 * MOST_HINTS):
        heard.reject(START + number, None, "odd")

    assert heard.rejected_total == 3 * MOST_HINTS
    assert len(heard.told(market(1), START, START + HOUR, START).rejected) <= 2
    assert len(heard.hints(10**6)) <= MOST_HINTS


def test_of_a_market_all_is_kept_or_nothing() -> None:
    heard = Heard(most=500)
    heard.alive(START)
    for number in range(4_000):
        heard.add(START, market(number % 40), fill(number))
    assert heard.share < 1.0
    for number in range(40):
        told = heard.told(market(number), START, START, START).fills
        assert len(told) in {0, 100}


def test_a_market_that_was_dropped_is_whole_only_from_when_it_is_kept_again() -> None:
    heard = Heard(most=4, kept_ms=HOUR)
    common, rare = of_rank(0), of_rank(6)
    heard.alive(START)
    for number in range(5):
        heard.add(START, common if number % 2 else rare, fill(number))
    assert heard.share == 0.5
    live(heard, START, START + 3 * HOUR)
    assert told_all(heard, rare)
    assert not told_all(heard, common)
    later = START + 2 * HOUR
    heard.forget(later)
    assert heard.share == 1.0

    assert not heard.told(common, START, START + HOUR, later).is_whole
    assert heard.told(common, later, later + HOUR, later).is_whole
    assert not heard.told(common, later - 1, later + HOUR, later).is_whole


def test_even_one_market_that_is_too_much_is_dropped() -> None:
    heard = Heard(most=3)
    heard.alive(START)
    for number in range(200):
        heard.add(START, of_rank(8), fill(number))

    assert len(heard) <= 3
    assert all(0 <= rank(market(number)) < LEVELS for number in range(1_000))


def test_rejections_are_of_their_market_or_of_all() -> None:
    heard = Heard()
    heard.reject(START, market(1), "size out of range")
    assert heard.told(market(1), START, START, START).rejected == (("size out of range", 1),)
    assert heard.told(market(2), START, START, START).rejected == ()
    heard.reject(START, None, "not JSON")
    assert heard.told(market(2), START, START, START).rejected == (("not JSON", 1),)
    assert heard.told(market(2), START + 1, START + 1, START).rejected == ()


def test_each_market_of_an_hour_is_drawn_once() -> None:
    heard = Heard()
    for number in range(1, 6):
        heard.add(START + number, market(number), fill(number, START + 1_000 * number))
    heard.add(START, market(9), fill(9, START - 1))
    rng = Random(1)
    drawn = [heard.draw(START, START + HOUR, rng) for _ in range(6)]

    assert set(drawn[:5]) == {market(number) for number in range(1, 6)}
    assert drawn[5] is None
    assert heard.draw(START - HOUR, START, rng) == market(9)


def test_markets_are_named_once() -> None:
    heard = Heard()
    for number in (1, 2, 1):
        heard.add(START, market(number), fill(number))

    assert heard.hints(1) == (market(1),)
    assert heard.hints(9) == (market(2),)
    assert heard.hints(9) == ()


def test_what_was_named_is_remembered_within_bounds() -> None:
    heard = Heard(most=10)
    for number in range(MOST_NAMED + 5):
        heard.add(START, market(number), fill(number))
    heard.hints(MOST_HINTS)
    heard.add(START, market(MOST_NAMED), fill(1))
    assert heard.hints(1) == ()
    heard.add(START, market(0), fill(1))

    assert heard.hints(1) == (market(0),)
    assert MOST_KEPT == 20_000


@given(
    st.lists(
        st.tuples(st.sampled_from(["told", "lost", "step", "forget"]), st.integers(0, 40_000)),
        max_size=60,
    )
)
@settings(max_examples=200, deadline=None)
def test_whole_is_said_only_where_the_stream_told_something_before_and_after(
    events: list[tuple[str, int]],
) -> None:
    heard, now = Heard(), START
    told: list[tuple[int, int]] = []  # (when, how often it was lost before)
    losses = 0
    for what, step in events:
        now += step
        if what == "told":
            heard.alive(now)
            told.append((now, losses))
        elif what == "lost":
            heard.lost()
            losses += 1
        elif what == "forget":
            heard.forget(now)
    since, until = START + 20_000, START + 60_000
    whole = heard.told(market(1), since, until, now).is_whole
    before = [lost for at, lost in told if at <= since]
    after = [lost for at, lost in told if at >= until]

    assert not whole or (before and after and before[-1] == after[0])
