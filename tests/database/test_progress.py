"""A call of the database is judged by its statements: one that moves may take long."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

import psycopg
import pytest

from actors.database.server.watchdog import MAX_WAIT_S, QueryWatchdog
from actors.database.store import REPORT_EVERY_S, Progress, Store
from actors.errors import StoreUnavailable
from actors.model.storage import Batch, ConnectionEvent
from tests.database.samples import ns, trade
from tests.postgres import do


class Call:
    """A call of a store, its clock and the watchdog that looks at it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.progress = Progress(lambda: self.now)
        self.reported: list[float] = []
        self.progress.on_report = self.reported.append
        self.waited: list[float] = []
        self.watchdog = QueryWatchdog(self.waited.append, monotonic=lambda: self.now)
        self.watchdog.watch(self)

    @property
    def busy_since(self) -> float | None:
        return self.progress.since

    def abort(self) -> None:
        """Do nothing: `waited` tells of it."""

    def statement(self, took_s: float) -> None:
        """Run one, with a check at its end, just before its answer."""
        self.progress.moved()
        self.now += took_s
        self.watchdog.check()
        self.progress.moved()


def test_a_commit_of_many_statements_that_move_is_left_alone() -> None:
    call = Call()
    call.progress.begin()
    for _ in range(100):
        call.statement(MAX_WAIT_S - 1)
    call.progress.end()
    assert call.waited == []


def test_a_statement_that_hangs_is_cut_off_however_many_went_before() -> None:
    call = Call()
    call.progress.begin()
    for _ in range(10):
        call.statement(1)
    call.statement(MAX_WAIT_S + 1)
    assert call.waited == [MAX_WAIT_S + 1]


def test_a_call_that_does_not_come_to_a_statement_is_cut_off() -> None:
    call = Call()
    call.progress.begin()
    call.now += MAX_WAIT_S + 1
    call.watchdog.check()
    assert call.waited == [MAX_WAIT_S + 1]


def test_between_two_calls_nothing_waits() -> None:
    call = Call()
    call.progress.begin()
    call.progress.end()
    call.statement(MAX_WAIT_S + 1)
    assert call.waited == call.reported == []


def test_a_long_call_reports_every_few_seconds_that_it_goes_on() -> None:
    call = Call()
    call.progress.begin()
    for _ in range(10):
        call.statement(REPORT_EVERY_S / 2)
    assert call.reported == [100.0 + REPORT_EVERY_S * count for count in range(1, 6)]


@pytest.mark.db
def test_each_statement_each_block_of_a_copy_and_the_commit_move(database: str) -> None:
    ticks = itertools.count()
    store = Store(database, monotonic=lambda: float(next(ticks)))
    store.open(UUID(int=1))
    store.commit(Batch(trades=(trade(0),), watermark=2))
    moves = []
    for watermark, count in ((3, 1), (4, 2_561)):
        before = next(ticks)
        first = 10_000 * watermark
        rows = tuple(trade(second) for second in range(first, first + count))
        assert store.commit(Batch(trades=rows, watermark=watermark)).stored == count
        moves.append(next(ticks) - before)
    store.close()
    # BEGIN, the watermark, the COPY with head, rows and end, COMMIT: before and after each.
    assert moves[0] >= 2 * 6
    assert moves[1] - moves[0] >= 2 * 10  # blocks of 256 rows


Hold = Callable[[str], AbstractContextManager[None]]


@contextmanager
def _row_is_locked(database: str) -> Iterator[None]:
    with psycopg.connect(database) as other:
        other.execute("select * from tracker.journal_progress for update")
        yield


@contextmanager
def _commit_waits(database: str) -> Iterator[None]:
    """Have the COMMIT itself wait for a lock that another session holds."""
    do(
        database,
        """create function wait() returns trigger language plpgsql as $$
           begin perform pg_advisory_xact_lock(1); return null; end $$""",
    )
    do(
        database,
        """create constraint trigger late after insert on connection_events
           deferrable initially deferred for each row execute function wait()""",
    )
    with psycopg.connect(database) as other:
        other.execute("select pg_advisory_xact_lock(1)")
        yield


@pytest.mark.db
@pytest.mark.parametrize("hold", [_row_is_locked, _commit_waits])
def test_a_real_lock_that_one_statement_waits_for_is_cut_off(
    database: str, journal_id: UUID, hold: Hold
) -> None:
    waited: list[float] = []
    watchdog = QueryWatchdog(waited.append, max_wait_s=lambda: 0.3, every_s=0.02)
    store = Store(database)
    store.open(journal_id)
    watchdog.watch(store)
    event = ConnectionEvent(at_ns=ns(1), connection="a-0001", event="connected", reason="x")
    watchdog.start()
    with hold(database):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.commit(Batch(events=(event,), watermark=2))
        assert time.monotonic() - began < 4  # the server itself would end it after 5 s
    watchdog.stop()
    assert waited
    assert store.busy_since is None
