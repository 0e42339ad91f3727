"""Promises: a day of closings brings every label, in time, and no rate limit is exceeded.

The same days in virtual time as `python -m tests.chaos.closings`, shorter.
"""

from array import array
from typing import Any

import pytest

from actors.model.market import Source
from tests.chaos.closing_world import ASKED, NEVER, ClosingWorld, plan
from tests.chaos.closings import HOLD_S, POLL_S, DaySize, parse_slow, run_day
from tests.chaos.virtual_time import most_in_window

# Much simulated time: to measure its coverage would take three times as long.
pytestmark = pytest.mark.no_cover

SLOW_S = 5.0
SHORT = {"markets": 200, "stuck": 40, "hours": 0.5}
LONG = {"markets": 2_000, "stuck": 300, "hours": 2.0}
IN_TIME_S = HOLD_S + 2 * POLL_S


def day(size: dict[str, Any], slow: Source | None, **more: Any) -> dict[str, Any]:
    """Run a day; assert what holds for each, and return its figures."""
    found = run_day(DaySize(**size, **more, slow={slow: SLOW_S} if slow else {}))
    assert found["kept"], found
    assert found["right"] == size["markets"]
    return found


@pytest.mark.parametrize("slow", ASKED)
def test_a_slow_source_delays_no_label_of_a_burst_that_does_not_need_it(slow: Source) -> None:
    found = day(SHORT, slow)
    assert found["second_of_the_others_to_label_most_s"] <= IN_TIME_S
    assert found["second_final_to_label_p50_s"] <= IN_TIME_S


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_sources_that_answer_at_once_are_asked_within_their_limits() -> None:
    found = day(SHORT | {"stuck": 1_500}, None, usual_s=0.002)
    assert found["most_in_10_s"]["data"] >= 150, "what is not urgent has three quarters"
    assert found["second_final_to_label_p99_s"] <= IN_TIME_S


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("slow", [None, *ASKED])
def test_two_hours_of_closings(slow: Source | None) -> None:
    found = day(LONG, slow)
    name = "second_of_the_others_to_label" if slow else "second_final_to_label"
    assert found[f"{name}_p99_s"] <= IN_TIME_S


# ------------------------------------------------------------- the fake itself


def test_a_window_that_slides_holds_what_lies_within_ten_seconds() -> None:
    assert most_in_window(array("d", (0.0, 9.9, 10.0, 10.1))) == 3
    assert most_in_window(array("d")) == 0


def test_the_plan_ends_most_markets_in_bursts_and_stuck_ones_never_have_two_sources() -> None:
    markets = plan(markets=400, stuck=60, hours=2.0, seed=1, tokens_of=lambda _: ("1", "2"))
    ended = [each for each in markets.values() if each.second_s() != NEVER]
    stuck = [each for each in markets.values() if each.second_s() == NEVER]
    assert len(ended) == 400
    assert sum(each.end_s % 300 == 0 for each in ended) > 300
    half = [each for each in stuck if NEVER in each.final_s.values()]
    assert sum(min(each.final_s.values()) < 0 for each in half) == 30


def test_gamma_lists_what_is_closed_latest_first_and_its_cursor_holds_while_others_close() -> None:
    markets = plan(markets=30, stuck=0, hours=1.0, seed=2, tokens_of=lambda _: ("1", "2"))
    world = ClosingWorld(markets)
    world.now = 1800.0
    params = (("closed", "true"), ("limit", "5"))
    closed = sorted(each.final_s[Source.GAMMA] for each in markets.values())
    known = [at for at in closed if at <= world.now]
    page, found = world.markets_page(params, None), 0
    while page.next_cursor is not None:
        found += len(page.markets)
        world.now += 300.0
        page = world.markets_page(params, page.next_cursor)
    assert found + len(page.markets) == len(known)


def test_the_option_for_slow_sources() -> None:
    assert parse_slow("clob=5,data=0.5") == {Source.CLOB: 5.0, Source.DATA: 0.5}
    assert parse_slow("") == {}
    with pytest.raises(ValueError, match="nobody"):
        parse_slow("nobody=5")
