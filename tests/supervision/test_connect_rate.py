"""How many connections are opened at a time."""

from actors.supervision.restart import ConnectRate


def succeeded(rate: ConnectRate, times: int) -> ConnectRate:
    for _ in range(times):
        rate.succeeded()
    return rate


def test_the_first_is_opened_alone() -> None:
    assert ConnectRate().starts_per_tick == 1


def test_more_are_opened_as_more_come_to_listen() -> None:
    assert succeeded(ConnectRate(), 4).starts_per_tick == 2
    assert succeeded(ConnectRate(), 36).starts_per_tick == 10


def test_never_more_than_the_maximum() -> None:
    assert succeeded(ConnectRate(), 1000).starts_per_tick == 10


def test_each_failure_halves_it() -> None:
    rate = succeeded(ConnectRate(), 1000)
    rate.failed()
    assert rate.starts_per_tick == 5
    rate.failed()
    assert rate.starts_per_tick == 2


def test_never_fewer_than_the_minimum() -> None:
    rate = ConnectRate()
    for _ in range(100):
        rate.failed()
    assert rate.starts_per_tick == 1
    assert succeeded(rate, 4).starts_per_tick == 2
