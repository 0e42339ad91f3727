"""A server that freezes in the middle of an answer: only the query watchdog ends the wait."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from actors.database.server.watchdog import QueryWatchdog
from actors.database.store import Store
from actors.errors import StoreUnavailable
from actors.model.storage import Batch
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
    """Return a context that stops every backend of a database and continues them at its end."""

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
def watchdog() -> Iterator[QueryWatchdog]:
    """Return a watchdog with a short limit."""
    made = QueryWatchdog(lambda _: None, max_wait_s=lambda: 0.3, every_s=0.02)
    made.start()
    yield made
    made.stop()


def test_a_frozen_backend_does_not_block_the_store(
    store: Store, database: str, freeze: Freeze, watchdog: QueryWatchdog
) -> None:
    watchdog.watch(store)
    with freeze(database):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.commit(Batch(trades=(trade(1),), watermark=2))
        assert time.monotonic() - began < 5
        watchdog.stop()  # what follows may take longer than its short limit on a busy machine

        # The frozen backend holds no lock: another one takes the same batch at once.
        assert store.open(JOURNAL).watermark == 1
        assert store.commit(Batch(trades=(trade(1),), watermark=2)).stored == 1
    assert ask(database, "select count(*) from tracker.trades") == [(1,)]


def test_a_call_that_ends_in_time_is_not_aborted(store: Store, watchdog: QueryWatchdog) -> None:
    watchdog.watch(store)
    for number in range(20):
        assert store.commit(Batch(trades=(trade(number),), watermark=number + 2)).stored == 1
