"""The query watchdog on a fake clock; test_frozen.py has a real server that freezes."""

import threading

from actors.database.server.watchdog import QueryWatchdog


class Waiter:
    """A store with a waiting call, until it is aborted."""

    def __init__(self, since: float | None) -> None:
        self.busy_since = since
        self.aborted = threading.Event()

    def abort(self) -> None:
        self.aborted.set()


class Fixture:
    def __init__(self, max_wait_s: float = 30.0) -> None:
        self.now = 100.0
        self.max_wait_s = max_wait_s
        self.aborted: list[float] = []
        self.watchdog = QueryWatchdog(
            self.aborted.append,
            max_wait_s=lambda: self.max_wait_s,
            every_s=0.001,
            monotonic=lambda: self.now,
        )

    def watched(self, since: float | None) -> Waiter:
        waiter = Waiter(since)
        self.watchdog.watch(waiter)
        return waiter


def test_a_call_of_more_than_30_s_is_aborted() -> None:
    fixture = Fixture()
    waiter = fixture.watched(100.0)
    fixture.now = 130.0
    fixture.watchdog.check()
    assert not waiter.aborted.is_set()

    fixture.now = 130.1
    fixture.watchdog.check()
    assert waiter.aborted.is_set()
    assert [round(waited, 1) for waited in fixture.aborted] == [30.1]


def test_idle_stores_and_short_calls_are_left_alone() -> None:
    fixture = Fixture()
    idle, brief = fixture.watched(None), fixture.watched(9_990.0)
    fixture.now = 10_000.0
    fixture.watchdog.check()

    assert not idle.aborted.is_set()
    assert not brief.aborted.is_set()


def test_the_limit_is_read_at_each_check() -> None:
    fixture = Fixture()
    waiter = fixture.watched(100.0)
    fixture.now, fixture.max_wait_s = 106.0, 5.0
    fixture.watchdog.check()

    assert waiter.aborted.is_set()


def test_all_waiting_calls_can_be_aborted_at_once() -> None:
    fixture = Fixture()
    waiter, idle = fixture.watched(99.9), fixture.watched(None)
    fixture.watchdog.abort_calls()

    assert waiter.aborted.is_set()
    assert not idle.aborted.is_set()


def test_a_store_that_its_owner_dropped_is_not_watched() -> None:
    fixture = Fixture()
    fixture.watched(0.0)
    fixture.now = 1_000.0
    fixture.watchdog.check()

    assert fixture.aborted == []


def test_the_thread_checks_until_it_is_stopped() -> None:
    fixture = Fixture()
    waiter = fixture.watched(0.0)
    fixture.watchdog.start()
    assert waiter.aborted.wait(5)
    fixture.watchdog.stop()
    count = len(fixture.aborted)
    late = fixture.watched(0.0)

    assert not late.aborted.is_set()
    assert len(fixture.aborted) == count
