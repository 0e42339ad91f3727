"""Only a silence that is far longer than usual is unusual: no alarm on markets that trade rarely.

Whole days of data that comes as chance has it, without a freeze. What counts is each second until
the question that decides, 54 s after the last data.
"""

import random
from collections.abc import Callable

import pytest

from actors.health.counters import UsualSilence

QUESTION_S = 54.0
DAY_S = 86_400.0

Wait = Callable[[random.Random, float], float]
"""Returns the seconds until the next data, for an average number of them in a second."""

WAITS: dict[str, Wait] = {
    "at random": lambda rng, rate: rng.expovariate(rate),
    "in bursts": lambda rng, rate: rng.expovariate(rate * (20 if rng.random() < 0.95 else 0.05)),
    "rarely very late": lambda rng, rate: rng.paretovariate(1.5) / (3 * rate),
}


def alarms(wait: Wait, rate: float, *, factor: float = UsualSilence.FACTOR) -> int:
    """Return how often a silence of one day is called unusual before it is asked about."""
    rng, usual, count, at = random.Random(7), UsualSilence(), 0, 1.0
    usual.FACTOR = factor
    while at < DAY_S:
        usual.data(at)
        silent_s = wait(rng, rate)
        count += usual.is_unusual(min(silent_s, QUESTION_S))
        at += silent_s
    return count


@pytest.mark.parametrize("how", WAITS)
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3, 1.0])
def test_a_day_without_a_freeze_raises_no_alarm(how: str, rate: float) -> None:
    assert alarms(WAITS[how], rate) == 0


def test_this_would_find_a_limit_that_is_too_short() -> None:
    assert alarms(WAITS["at random"], 0.1, factor=1.0) > 0


def test_a_freeze_of_what_comes_every_few_seconds_is_unusual_after_20_s() -> None:
    usual = UsualSilence()
    for at in range(1, 700, 3):
        usual.data(float(at))
    assert not usual.is_unusual(19.9)
    assert usual.is_unusual(20.0)


def test_an_older_time_than_the_last_changes_nothing() -> None:
    usual = UsualSilence()
    for at in range(1, 700, 3):
        usual.data(float(at))
    usual.data(5.0)
    assert usual.is_unusual(20.0)
    usual.interrupted()
    usual.data(5_000.0)
    assert usual.is_unusual(20.0)
