"""A server that froze in mid-answer: only the guard ends the wait for it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from actors.database.session import QueryWatchdog
from actors.database.store import Store
from actors.errors import StoreUnavailable
from actors.model.batch import Batch
from tests.database.samples import trade
from tests.postgres import ask

pytestmark = pytest.mark.db

JOURNAL = UUID(int=1)
Freeze = Callable[[str], AbstractContextManager[None]]

_OTHERS = """
    select pid from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
      and backend_type = 'client backend'
"""


@pytest.fixture
def freeze() -> Freeze:
    """Return what stops every backend of a database, and lets them go on afterwards."""

    @contextmanager
    def stopped(database: str) -> Iterator[None]:
        pids = [pid for (pid,) in ask(database, _OTHERS)]
        assert pids
        if not all("postgres" in _command(pid) for pid in pids):
            pytest.skip("needs a server on this machine, to stop its backends")
        for each in pids:
            os.kill(each, signal.SIGSTOP)
        try:
            yield
        finally:
            for each in pids:
                os.kill(each, signal.SIGCONT)

    return stopped


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.fixture
def guard() -> Iterator[QueryWatchdog]:
    """Return a guard with little patience."""
    made = QueryWatchdog(lambda _: None, patience_s=lambda: 0.3, every_s=0.02)
    made.start()
    yield made
    made.stop()


def test_a_backend_that_froze_holds_nobody_for_ever(
    store: Store, database: str, freeze: Freeze, guard: QueryWatchdog
) -> None:
    guard.watch(store)
    with freeze(database):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.commit(Batch(trades=(trade(1),), mark=2))
        assert time.monotonic() - began < 5

        # The frozen backend holds no lock: another one takes the same batch at once.
        assert store.open(JOURNAL).mark == 1
        assert store.commit(Batch(trades=(trade(1),), mark=2)).stored == 1
    assert ask(database, "select count(*) from prints") == [(1,)]


def test_a_wait_that_ends_in_time_is_not_cut(store: Store, guard: QueryWatchdog) -> None:
    guard.watch(store)
    for number in range(20):
        assert store.commit(Batch(trades=(trade(number),), mark=number + 2)).stored == 1
