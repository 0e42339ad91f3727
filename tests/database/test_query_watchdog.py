"""The guard, on a clock of its own; a real server that froze stands in tests/database."""

import threading

from actors.database.session import QueryWatchdog


class Waiter:
    """A store that waits, until it is aborted."""

    def __init__(self, since: float | None) -> None:
        self.busy_since = since
        self.aborted = threading.Event()

    def abort(self) -> None:
        self.aborted.set()


class House:
    def __init__(self, patience_s: float = 30.0) -> None:
        self.now = 100.0
        self.patience_s = patience_s
        self.cut: list[float] = []
        self.guard = QueryWatchdog(
            self.cut.append,
            patience_s=lambda: self.patience_s,
            every_s=0.001,
            monotonic=lambda: self.now,
        )

    def watched(self, since: float | None) -> Waiter:
        waiter = Waiter(since)
        self.guard.watch(waiter)
        return waiter


def test_who_waits_longer_than_30_s_is_cut_off() -> None:
    house = House()
    waiter = house.watched(100.0)
    house.now = 130.0
    house.guard.look()
    assert not waiter.aborted.is_set()

    house.now = 130.1
    house.guard.look()
    assert waiter.aborted.is_set()
    assert [round(waited, 1) for waited in house.cut] == [30.1]


def test_who_waits_for_nothing_is_left_alone() -> None:
    house = House()
    idle, brief = house.watched(None), house.watched(9_990.0)
    house.now = 10_000.0
    house.guard.look()

    assert not idle.aborted.is_set()
    assert not brief.aborted.is_set()


def test_patience_may_run_out_sooner_once_we_are_to_stop() -> None:
    house = House()
    waiter = house.watched(100.0)
    house.now, house.patience_s = 106.0, 5.0
    house.guard.look()

    assert waiter.aborted.is_set()


def test_all_who_wait_can_be_cut_off_at_once() -> None:
    house = House()
    waiter, idle = house.watched(99.9), house.watched(None)
    house.guard.cut()

    assert waiter.aborted.is_set()
    assert not idle.aborted.is_set()


def test_a_store_that_its_owner_forgot_is_forgotten() -> None:
    house = House()
    house.watched(0.0)
    house.now = 1_000.0
    house.guard.look()

    assert house.cut == []


def test_the_thread_looks_until_it_is_stopped() -> None:
    house = House()
    waiter = house.watched(0.0)
    house.guard.start()
    assert waiter.aborted.wait(5)
    house.guard.stop()
    count = len(house.cut)
    late = house.watched(0.0)

    assert not late.aborted.is_set()
    assert len(house.cut) == count
