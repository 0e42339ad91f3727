"""A chore that fails keeps neither the other chores nor the storing from their work."""

import time
from datetime import datetime

import pytest

from actors.database.session import Connection
from actors.database.store import Store
from actors.database.upkeep.housekeeping import (
    LEAST_ROWS,
    ROWS_AT_ONCE,
    Chore,
    Deleted,
    Housekeeping,
)
from actors.errors import StoreUnavailable
from actors.model.storage import Batch
from tests.database.samples import trade
from tests.postgres import ask, connected

pytestmark = pytest.mark.db


class Failing:
    """A chore whose step runs a statement that fails, or fails by itself without one."""

    name = "failing"

    def __init__(self, statement: bytes = b"") -> None:
        self._statement = statement

    def step(self, connection: Connection, now: datetime, rows: int) -> Deleted:
        del now, rows
        if not self._statement:
            raise TypeError("a fault of ours")
        connection.execute(self._statement)
        return Deleted(1, is_last=True)


class Counting:
    """A chore that does nothing but to count its steps."""

    name = "counting"

    def __init__(self) -> None:
        self.steps = 0

    def step(self, connection: Connection, now: datetime, rows: int) -> Deleted:
        del now, rows
        connection.execute(b"select 1")
        self.steps += 1
        return Deleted(0, is_last=True)


def keeping(store: Store, *chores: Chore, rows: int = ROWS_AT_ONCE) -> None:
    """Give the store other chores than those of this version."""
    store._housekeeping = Housekeeping(chores, rows)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (b"select 1 / 0", "division by zero"),
        (b"delete from public.no_such_table", 'relation "public.no_such_table" does not exist'),
        (b"do $$ begin raise data_corrupted; end $$", "data_corrupted"),
        (b"", "a fault of ours"),
    ],
)
def test_a_chore_that_fails_stops_neither_the_others_nor_the_storing(
    store: Store, database: str, statement: bytes, reason: str
) -> None:
    other = Counting()
    keeping(store, Failing(statement), other)
    for _ in range(2):
        failed = store.housekeep()
        assert (failed.what, failed.deleted, failed.is_last) == ("failing", 0, False)
        assert reason in failed.failed
        done = store.housekeep()
        assert (done.what, done.is_last, done.failed) == ("counting", True, "")
    assert other.steps == 2
    assert store.commit(Batch(trades=(trade(),))).stored == 1, "in the same session"
    assert ask(database, "select count(*) from trades") == [(1,)]


def test_a_chore_that_needs_a_lock_gives_up_before_anybody_waits_long(
    store: Store, database: str
) -> None:
    keeping(store, Failing(b"lock table tracker.unresolved in access exclusive mode"))
    with connected(database) as other, other.transaction():
        other.execute(b"select from tracker.unresolved")
        assert "lock timeout" in store.housekeep().failed
    assert not store.housekeep().failed


class Slow:
    """A chore that is done in time when it looks at few rows.

    Args:
        fast: At so many at most.
    """

    name = "slow"

    def __init__(self, fast: int) -> None:
        self._fast = fast
        self.rows: list[int] = []

    def step(self, connection: Connection, now: datetime, rows: int) -> Deleted:
        del now
        self.rows.append(rows)
        if rows > self._fast:
            connection.execute(b"do $$ begin raise query_canceled; end $$")
        return Deleted(0, is_last=True)


def test_a_step_that_takes_longer_than_a_second_is_cut_off(store: Store) -> None:
    keeping(store, Failing(b"select pg_sleep(30)"), rows=LEAST_ROWS)
    began = time.monotonic()
    assert "statement timeout" in store.housekeep().failed
    assert time.monotonic() - began < 10


def test_a_chore_that_is_too_slow_is_tried_with_fewer_rows_and_the_next_time_with_all(
    store: Store,
) -> None:
    slow = Slow(fast=500)
    keeping(store, slow, Counting(), rows=2_000)
    done = [store.housekeep() for _ in range(4)]
    assert slow.rows == [2_000, 1_000, 500]
    assert [each.is_slow for each in done] == [True, True, False, False]
    assert [(each.what, each.failed) for each in done] == [("slow", "")] * 3 + [("counting", "")]
    assert done[-1].is_last
    store.housekeep()
    assert slow.rows[3:] == [2_000]


def test_a_chore_that_is_too_slow_for_the_fewest_rows_fails(store: Store) -> None:
    keeping(store, Slow(fast=LEAST_ROWS - 1), Counting(), rows=2 * LEAST_ROWS)
    done = [store.housekeep() for _ in range(3)]
    assert [each.failed != "" for each in done] == [False, True, False]


def test_what_a_chore_did_before_it_failed_is_not_done(store: Store, database: str) -> None:
    keeping(store, Failing(b"insert into tracker.unresolved values ('x'); select 1 / 0"))
    assert store.housekeep().failed
    assert ask(database, "select count(*) from unresolved") == [(0,)]


def test_a_session_that_is_gone_is_no_failing_chore(store: Store) -> None:
    keeping(store, Failing(b"select pg_terminate_backend(pg_backend_pid())"))
    with pytest.raises(StoreUnavailable):
        store.housekeep()
