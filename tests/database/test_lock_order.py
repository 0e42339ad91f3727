"""Two trackers lock the rows that they share in one order, so they never wait in a ring.

The steps of two transactions are done one at a time, in every order in which one of them pauses
once: behind each of its statements the other goes on until it ends or waits. A ring is seen in
what the server says of who waits for whom, not by a timeout.
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from actors.database.store import Store
from actors.model.storage import Batch
from tests.database.rivals import FIELDS, everything_about, halves, mixed
from tests.postgres import ask

pytestmark = pytest.mark.db

WAIT_S = 30.0
QUICK = "-c deadlock_timeout=20ms"
"""So that the server finds a ring soon."""


class Gate:
    """Lets a thread do one statement at a time."""

    def __init__(self) -> None:
        self._go = threading.Semaphore(0)
        self.arrived = threading.Semaphore(0)
        self.open = False

    def pass_(self) -> None:
        """Wait for permission. In the thread that is held."""
        self.arrived.release()
        if not self.open:
            self._go.acquire()

    def let_one(self) -> None:
        self._go.release()

    def let_all(self) -> None:
        self.open = True
        self._go.release()


class Stepped:
    """A connection that asks a gate before each statement."""

    def __init__(self, connection: Any, gate: Gate) -> None:
        self._connection, self._gate = connection, gate

    def execute(self, *given: Any, **more: Any) -> Any:
        self._gate.pass_()
        return self._connection.execute(*given, **more)

    def cursor(self) -> Any:
        self._gate.pass_()
        return self._connection.cursor()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Tracker:
    """A store whose commit is done in steps, in a thread of its own."""

    def __init__(self, dsn: str, journal: int) -> None:
        # It must not end a ring by itself: then nobody would see it.
        self.store = Store(make_conninfo(dsn, options="-c deadlock_timeout=60s"))
        self._journal = UUID(int=journal)
        self._open()

    def _open(self) -> None:
        self.store.open(self._journal)
        assert self.store._session is not None
        self._session = self.store._session
        self._connection = self._session.connection
        self.pid = self._connection.info.backend_pid

    def commit(self, batch: Batch) -> None:
        """Store a batch without steps."""
        self.store.commit(batch)

    def begin(self, batch: Batch) -> None:
        self.gate, self.done, self.errors = Gate(), threading.Event(), list[BaseException]()
        self._session.connection = Stepped(self._connection, self.gate)  # type: ignore[assignment]
        self._thread = threading.Thread(target=self._commit, args=(batch,))
        self._thread.start()
        self.gate.arrived.acquire()

    def _commit(self, batch: Batch) -> None:
        try:
            self.store.commit(batch)
        except BaseException as exc:  # noqa: BLE001 - shown by the assertion of the test
            self.errors.append(exc)
        finally:
            self.done.set()
            self.gate.arrived.release()

    def step(self, blocked: Callable[[int], bool]) -> bool:
        """Do one statement; return False when it waits for another session."""
        self.gate.let_one()
        return self.arrives(blocked)

    def arrives(self, blocked: Callable[[int], bool]) -> bool:
        """Wait until the statement is over (True) or waits for another session (False)."""
        end = time.monotonic() + WAIT_S
        while not self.gate.arrived.acquire(timeout=0.002):
            if blocked(self.pid):
                return False
            assert time.monotonic() < end
        return True

    def finish(self) -> None:
        self.gate.let_all()
        assert self.done.wait(WAIT_S)
        self._thread.join()
        self._session.connection = self._connection
        if self.errors:  # then the store has closed its connection
            self._open()


class Pair:
    """Two trackers on one database, and who watches them."""

    def __init__(self, dsn: str) -> None:
        self.first, self.second = Tracker(dsn, 1), Tracker(dsn, 2)
        self._watch = psycopg.connect(dsn, autocommit=True)

    def close(self) -> None:
        for each in (self.first, self.second):
            each.store.close()
        self._watch.close()

    def blocked(self, pid: int) -> bool:
        row = self._watch.execute("select cardinality(pg_blocking_pids(%s)) > 0", (pid,)).fetchone()
        return row == (True,)

    def ring(self) -> bool:
        both = (self.first, self.second)
        return not any(each.done.is_set() for each in both) and all(
            self.blocked(each.pid) for each in both
        )

    def run(self, one: Batch, other: Batch, pause_after: int) -> bool | None:
        """Let the first do so many statements, then the second all, then the first the rest.

        Returns:
            Whether they waited for each other; None when the first was over before its pause.
        """
        first, second = self.first, self.second
        first.begin(one)
        for _ in range(pause_after):
            assert first.step(self.blocked)
            if first.done.is_set():
                first.finish()
                return None
        second.begin(other)
        while not second.done.is_set() and second.step(self.blocked):
            pass
        waits = not second.done.is_set()
        ring = False
        while not first.done.is_set() and not ring:
            if not first.step(self.blocked):
                ring = self.ring()
                assert ring, "the first waits for nobody that waits"
        if ring:  # one has to give way, as the server decides after a second
            self._watch.execute("select pg_cancel_backend(%s)", (first.pid,))
        first.gate.let_all()
        if waits:
            second.gate.let_all()
        first.finish()
        second.finish()
        if not ring:
            assert first.errors == second.errors == []
        return ring


@pytest.fixture
def pair(database: str) -> Iterator[Pair]:
    with contextlib.closing(Pair(database)) as found:
        yield found


Make = Callable[[Sequence[int], int], Batch]


def rings(pair: Pair, make: Make) -> list[int]:
    """Return behind which statements of one batch the two wait for each other."""
    found: list[int] = []
    for pause in itertools.count(1):
        # New markets each time, some of which are known to both.
        numbers = list(range(100 * pause, 100 * pause + 8))
        known = numbers[1::2]
        pair.first.commit(everything_about(known, 2))
        seq = 10 + pause
        ring = pair.run(make(numbers, seq), make(numbers[::-1], seq), pause)
        if ring is None:
            return found
        if ring:
            found.append(pause)
    return found


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(FIELDS, 2)))
def test_no_two_transactions_wait_for_each_other(pair: Pair, one: str, other: str) -> None:
    assert rings(pair, lambda numbers, seq: halves(numbers, seq, one, other)) == []


def test_nor_do_two_that_touch_everything(pair: Pair) -> None:
    assert rings(pair, everything_about) == []


@pytest.mark.timeout(120)
def test_two_that_store_some_of_everything_at_the_same_time_end_without_a_deadlock(
    database: str,
) -> None:
    rounds, failures = 60, list[BaseException]()
    start = threading.Barrier(2)

    def work(number: int) -> None:
        rng, store = Random(number), Store(make_conninfo(database, options=QUICK))
        store.open(UUID(int=number))
        try:
            for each in range(rounds):
                start.wait(WAIT_S)
                store.commit(mixed(rng, range(8 * each, 8 * each + 8), each + 2))
        except BaseException as exc:  # noqa: BLE001 - shown by the assertion below
            failures.append(exc)
            start.abort()
        finally:
            store.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    counted = "select deadlocks from pg_stat_database where datname = current_database()"
    assert ask(database, counted) == [(0,)]
