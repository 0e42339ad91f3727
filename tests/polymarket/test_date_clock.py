"""Our clock against the `Date` of answers: what shows that it is wrong, and what does not."""

from collections.abc import Mapping
from email.utils import formatdate

import pytest

from actors.polymarket.date_clock import OLDEST_S, DateClock

NOW_S = 1_790_000_000.0


def answered(
    clock: DateClock, *ahead_s: float, took_s: float = 0.2, said: Mapping[str, str] | None = None
) -> DateClock:
    """Add answers of a server whose clock is so far ahead of ours."""
    for each in ahead_s:
        made = formatdate(int(NOW_S + took_s / 2 + each), usegmt=True)
        clock.add({"Date": made, **(said or {})}, sent_s=NOW_S, received_s=NOW_S + took_s)
    return clock


@pytest.mark.parametrize("ahead_s", [0.0, 0.4, -0.9, 4.9, -4.9])
def test_a_clock_that_differs_a_little_is_right(ahead_s: float) -> None:
    clock = answered(DateClock(), *[ahead_s] * 5)
    assert (clock.is_wrong, clock.take_errors()) == (False, 0)


@pytest.mark.parametrize("ahead_s", [30.0, -30.0, 172_800.0, -172_800.0])
def test_the_third_answer_shows_that_our_clock_is_wrong(ahead_s: float) -> None:
    clock = answered(DateClock(), ahead_s, ahead_s)
    assert (clock.is_wrong, clock.take_errors()) == (False, 0)
    answered(clock, ahead_s)
    assert clock.offset_s == pytest.approx(ahead_s, abs=1.1)
    assert (clock.take_errors(), clock.take_errors()) == (1, 0)


def test_a_server_that_is_wrong_once_shows_nothing() -> None:
    clock = answered(DateClock(), 0.0, 3_600.0, 0.0, 0.0, -86_400.0, 0.0)
    assert (clock.is_wrong, clock.take_errors()) == (False, 0)


def test_a_slow_answer_may_be_made_at_any_moment_in_between() -> None:
    clock = answered(DateClock(), -9.0, 0.0, 9.0, took_s=20.0)
    assert clock.offset_s == 0.0


@pytest.mark.parametrize(
    "headers",
    [{"Age": "299"}, {"Age": "0"}, {"CF-Cache-Status": "HIT"}, {"X-Cache": "Hit from cloudfront"}],
)
def test_an_answer_out_of_a_cache_says_nothing(headers: dict[str, str]) -> None:
    clock = answered(DateClock(), *[-300.0] * 5, said=headers)
    assert (clock.offset_s, clock.take_errors()) == (0.0, 0)


@pytest.mark.parametrize("headers", [{}, {"Date": ""}, {"Date": "soon"}, {"Date": "Mon, 99 Zog 1"}])
def test_an_answer_without_a_date_says_nothing(headers: dict[str, str]) -> None:
    clock = DateClock()
    for _ in range(5):
        clock.add(headers, sent_s=NOW_S, received_s=NOW_S)
    assert clock.offset_s == 0.0


def test_an_answer_that_no_cache_gave_counts() -> None:
    clock = answered(DateClock(), *[30.0] * 3, said={"CF-Cache-Status": "DYNAMIC"})
    assert clock.is_wrong


@pytest.mark.parametrize(
    ("headers", "age_s", "old"),
    [
        ({}, 0.0, 0),
        ({"CF-Cache-Status": "MISS"}, 0.0, 0),
        ({"Age": "0"}, 0.0, 0),
        ({"Age": "219", "CF-Cache-Status": "HIT"}, 219.0, 1),
        ({"Age": "soon", "X-Cache": "Hit from cloudfront"}, 0.0, 0),
        ({"Age": "100000"}, OLDEST_S, 1),
    ],
)
def test_the_age_of_an_answer_is_what_the_cache_says(
    headers: dict[str, str], age_s: float, old: int
) -> None:
    clock = answered(DateClock(), 0.0, said=headers)
    assert (clock.age_s, clock.take_old(), clock.take_old()) == (age_s, old, 0)


@pytest.mark.parametrize("ahead_s", [0.0, -172_800.0])
def test_a_cache_that_tells_no_age_shows_it_by_the_date(ahead_s: float) -> None:
    clock = answered(DateClock(), *[ahead_s] * 3)
    answered(clock, ahead_s - 200.0, said={"CF-Cache-Status": "HIT"})
    assert clock.age_s == pytest.approx(199.0, abs=2.0)


def test_an_answer_that_no_cache_gave_follows_an_old_one() -> None:
    clock = answered(answered(DateClock(), 0.0, said={"Age": "30"}), 0.0)
    assert clock.age_s == 0.0
