"""Pools in memory: those that take sessions away are found, those that keep them are not."""

from collections.abc import Iterable
from itertools import count
from random import Random

import pytest

from actors.database.server.pooling import LOST_SESSION, Place, keeps_session
from actors.database.store import Store
from actors.errors import ConfigError
from actors.model.storage import Batch
from tests.database.samples import trade
from tests.postgres import ask

TAG = "ours"


class Backend:
    """A process of the server, with what the last client left in it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.tag: str | None = None

    @property
    def place(self) -> Place:
        return Place(self.pid, self.tag)


class Pool:
    """Gives each transaction to a free backend.

    Args:
        size: Its most backends.
        in_turn: The one that was used longest ago comes first, else the latest.
        resets: What a transaction leaves behind is thrown away.
        busy: Before each transaction other clients take and return so many backends at random.
    """

    def __init__(
        self,
        size: int,
        *,
        in_turn: bool = False,
        resets: bool = False,
        busy: int = 0,
        seed: int = 1,
    ) -> None:
        self._free: list[Backend] = []
        self._numbers = count(1)
        self._size, self._in_turn, self._resets = size, in_turn, resets
        self._busy, self._rng = busy, Random(seed)

    def warm(self) -> "Pool":
        self._free = [Backend(next(self._numbers)) for _ in range(self._size)]
        return self

    def transaction(self) -> Backend:
        for _ in range(self._busy):
            self._free.sort(key=lambda _: self._rng.random())
        taken = self._free.pop(0 if self._in_turn else -1) if self._free else self._new()
        self._free.append(taken)
        if self._resets:
            used, taken.tag = Backend(taken.pid), None
            return used
        return taken

    def _new(self) -> Backend:
        return Backend(next(self._numbers))

    def prepare(self) -> Place:
        """Prepare the session, as `set_session` does."""
        backend = self.transaction()
        backend.tag = TAG
        return Place(backend.pid, TAG)

    def ask(self) -> Place:
        return self.transaction().place


class Sessions:
    """A pool in session mode, or no pool: each client has its own backend."""

    def __init__(self, size: int) -> None:
        self._left = size - 1

    def prepare(self) -> Place:
        return Place(1, TAG)

    def ask(self) -> Place:
        return Place(1, TAG)

    def ask_beside(self) -> Place | None:
        return Place(2, None) if self._left else None


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 20])
@pytest.mark.parametrize("in_turn", [False, True])
@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("warm", [False, True])
def test_a_pool_of_transactions_is_found_whatever_its_size_and_order(
    size: int, in_turn: bool, resets: bool, warm: bool
) -> None:
    pool = Pool(size, in_turn=in_turn, resets=resets)
    if warm:
        pool.warm()
    assert not keeps_session(pool.prepare(), pool.ask, pool.ask)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 20])
def test_other_clients_do_not_hide_it(size: int) -> None:
    hidden = 0
    for seed in range(1_000):
        pool = Pool(size, busy=3, seed=seed).warm()
        hidden += keeps_session(pool.prepare(), pool.ask, pool.ask)
    assert hidden == 0


@pytest.mark.parametrize("size", [1, 2, 50])
def test_a_pool_of_sessions_is_not_taken_for_one(size: int) -> None:
    pool = Sessions(size)
    assert keeps_session(pool.prepare(), pool.ask, pool.ask_beside)


def test_a_second_client_with_our_tag_is_in_our_session_whatever_its_number() -> None:
    """Some pools translate the numbers of processes."""
    own = Place(1, TAG)
    assert not keeps_session(own, lambda: own, lambda: Place(2, TAG))


def test_what_to_do_is_one_line() -> None:
    assert "directly, or through a pool in session mode" in LOST_SESSION
    assert "\n" not in LOST_SESSION


OTHER_SESSIONS = {
    "another tag": b"select set_config('tracker.session', 'another tracker', false)",
    "no tag": b"reset tracker.session",
    "commits need not last": b"set synchronous_commit = off",
    "everything thrown away": b"discard all",
    "without our statements": b"deallocate all",
}


def commit(store: Store, seconds: Iterable[int]) -> None:
    for second in seconds:
        store.commit(Batch(trades=(trade(second),), watermark=2))


@pytest.mark.db
@pytest.mark.parametrize("change", OTHER_SESSIONS.values(), ids=list(OTHER_SESSIONS))
def test_a_session_that_is_not_ours_any_more_stores_nothing(
    store: Store, database: str, change: bytes
) -> None:
    commit(store, range(20))  # long enough for prepared statements
    assert store._session is not None
    # Past the driver, which would forget its statements when it sees that they are thrown away.
    store._session.connection.pgconn.exec_(change)
    with pytest.raises(ConfigError, match="session mode"):
        store.commit(Batch(trades=(trade(99),), watermark=3))
    assert ask(database, "select count(*), max(mark) from tracker.trades, journal_progress") == [
        (20, 2)
    ]


@pytest.mark.db
def test_a_statement_of_another_session_under_our_name_stores_nothing(
    store: Store, database: str
) -> None:
    commit(store, range(4))
    assert store._session is not None
    for number in range(20):
        store._session.connection.pgconn.exec_(b"prepare _pg3_%d as select 1" % number)
    with pytest.raises(ConfigError, match="session mode"):
        commit(store, range(4, 9))
    assert ask(database, "select count(*) < 9 from tracker.trades") == [(True,)]
