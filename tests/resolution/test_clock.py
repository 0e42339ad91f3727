"""Promise: a step of the system clock changes no time by which observations are dated."""

import pytest

from actors.model.market import Source
from actors.resolution.clock import SURE_S, TRUSTED_S, SteadyClock

T0 = 1_791_000_000_000
DAY_MS = 86_400_000
DAY_S = 86_400.0
GAMMA, CLOB, DATA = Source.GAMMA, Source.CLOB, Source.DATA


def clock() -> SteadyClock:
    found = SteadyClock()
    assert found.tick(100.0, T0) == T0
    found.heard(GAMMA, 0.0)
    found.heard(DATA, 0.0)
    return found


@pytest.mark.parametrize("step_ms", [DAY_MS, -DAY_MS, 20_000, -20_000])
def test_a_step_of_the_system_clock_does_nothing(step_ms: int) -> None:
    found = clock()
    assert found.tick(101.0, T0 + 1_000) == T0 + 1_000
    assert found.tick(102.0, T0 + 2_000 + step_ms) == T0 + 2_000
    for source in (GAMMA, DATA):  # the sources, by the clock as it is now
        assert found.heard(source, -step_ms / 1000) == 0
    assert found.tick(500.0, T0 + 400_000 + step_ms) == T0 + 400_000
    assert found.is_trusted


def test_a_clock_that_is_corrected_little_by_little_is_followed() -> None:
    found = clock()
    for number in range(1, 101):
        assert found.tick(100.0 + number, T0 + number * 1_005) == T0 + number * 1_005


def wrong_from_the_start() -> SteadyClock:
    found = SteadyClock()
    found.tick(100.0, T0 + DAY_MS)
    return found


def test_a_clock_that_was_wrong_from_the_start_is_set_when_two_sources_say_so_for_a_while() -> None:
    found = wrong_from_the_start()
    told = [found.heard(GAMMA, -DAY_S), found.heard(DATA, -DAY_S - 1.0)]
    trusted = [found.is_trusted]
    found.tick(100.0 + SURE_S, T0 + DAY_MS + 10_000)
    told.append(found.heard(GAMMA, -DAY_S))
    assert told == [0, 0, -DAY_MS]
    assert [*trusted, found.is_trusted] == [False, False]  # confirmed by the next answer
    assert found.heard(DATA, -DAY_S) == 0
    assert found.is_trusted
    assert found.tick(101.0 + SURE_S, T0 + DAY_MS + 11_000) == T0 + 11_000


@pytest.mark.parametrize("other_s", [None, 0.0, 3_600.0])
def test_one_source_alone_sets_no_clock(other_s: float | None) -> None:
    found = clock()
    for at in range(0, 600, 5):
        found.tick(100.0 + at, T0 + at * 1_000)
        assert found.heard(GAMMA, -DAY_S) == 0
        if other_s is not None:
            assert found.heard(CLOB, other_s) == 0
    assert found.tick(800.0, T0 + 700_000) == T0 + 700_000


def test_one_odd_answer_does_not_set_the_clock() -> None:
    found = clock()
    found.heard(GAMMA, -DAY_S)
    found.heard(DATA, -DAY_S)
    found.tick(105.0, T0 + 5_000)
    found.heard(GAMMA, 0.2)
    found.heard(DATA, 0.2)
    found.tick(120.0, T0 + 20_000)
    assert found.heard(GAMMA, -DAY_S) == 0
    assert found.heard(DATA, -DAY_S) == 0
    assert found.tick(121.0, T0 + 21_000) == T0 + 21_000


def test_without_a_word_of_the_sources_the_system_clock_is_believed_after_a_minute() -> None:
    found = SteadyClock()
    found.tick(100.0, T0)
    trusted = [found.is_trusted]
    found.tick(100.0 + TRUSTED_S, T0 + 60_000)
    assert [*trusted, found.is_trusted] == [False, True]
