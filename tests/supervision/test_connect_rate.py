"""How many connections are opened at a time."""

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
