"""How many connections are opened at a time."""

from collections import deque

import pytest

from actors.supervision.pacing import ConnectRate


def succeeded(rate: ConnectRate, times: int) -> ConnectRate:
    for _ in range(times):
        rate.succeeded()
    return rate


def failed(rate: ConnectRate, times: int) -> ConnectRate:
    for _ in range(times):
        rate.failed()
    return rate


def starts(rate: ConnectRate, seconds: float) -> int:
    """Return how many are started in this time when many want to be."""
    count = 0
    for tick in range(int(seconds * 4)):
        allowed = rate.allowed(tick / 4)
        if allowed:
            rate.started(tick / 4)
        count += allowed
    return count


def test_the_first_is_opened_alone() -> None:
    assert ConnectRate().allowed(0.0) == 1


def test_more_are_opened_as_more_receive_data() -> None:
    assert succeeded(ConnectRate(), 4).allowed(0.0) == 2
    assert succeeded(ConnectRate(), 36).allowed(0.0) == 10


def test_never_more_than_the_maximum() -> None:
    assert succeeded(ConnectRate(), 1000).allowed(0.0) == 10


def test_each_failure_halves_it() -> None:
    rate = succeeded(ConnectRate(), 1000)
    rate.failed()
    assert rate.allowed(0.0) == 5
    rate.failed()
    assert rate.allowed(0.0) == 2


def test_when_all_fail_one_is_opened_in_two_four_at_last_in_32_ticks() -> None:
    assert starts(failed(ConnectRate(), 1), 240) == 480
    assert starts(failed(ConnectRate(), 2), 240) == 240
    assert starts(failed(ConnectRate(), 4), 240) == 60
    assert starts(failed(ConnectRate(), 100), 240) == 30


def test_the_first_after_a_long_wait_is_opened_at_once() -> None:
    rate = failed(ConnectRate(), 100)
    rate.started(100.0)
    assert rate.allowed(107.9) == 0
    assert rate.allowed(108.0) == 1
    assert rate.allowed(1000.0) == 1


def test_after_an_outage_it_grows_again() -> None:
    rate = failed(ConnectRate(), 100)
    assert succeeded(rate, 4).allowed(0.0) == 1
    assert succeeded(rate, 36).allowed(0.0) == 10


@pytest.mark.parametrize(("connections", "within_s"), [(300, 15.0), (600, 25.0)])
def test_a_restart_opens_all_connections_in_time_and_never_more_than_40_a_second(
    connections: int, within_s: float
) -> None:
    rate, now, started = ConnectRate(), 0.0, 0
    served: deque[float] = deque()
    while started < connections:
        while served and served[0] <= now:
            served.popleft()
            rate.succeeded()
        count = min(rate.allowed(now), connections - started)
        assert count <= 10  # at a Tick of 250 ms
        served.extend([now + 1.0] * count)  # the first book comes after a second
        started += count
        if count:
            rate.started(now)
        now += 0.25
    assert now <= within_s
