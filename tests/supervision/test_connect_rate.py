"""How many connections are opened at a time."""

from actors.supervision.restart import ConnectRate


def answered(dialling: ConnectRate, times: int) -> ConnectRate:
    for _ in range(times):
        dialling.answered()
    return dialling


def test_one_at_a_time_to_begin_with() -> None:
    assert ConnectRate().room == 1


def test_more_as_more_come_to_listen() -> None:
    assert answered(ConnectRate(), 4).room == 2
    assert answered(ConnectRate(), 36).room == 10


def test_never_more_than_the_most() -> None:
    assert answered(ConnectRate(), 1000).room == 10


def test_each_that_fails_halves_it() -> None:
    dialling = answered(ConnectRate(), 1000)
    dialling.failed()
    assert dialling.room == 5
    dialling.failed()
    assert dialling.room == 2


def test_never_fewer_than_the_least() -> None:
    dialling = ConnectRate()
    for _ in range(100):
        dialling.failed()
    assert dialling.room == 1
    assert answered(dialling, 4).room == 2
