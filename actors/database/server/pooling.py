"""Find out whether a pool between us and the server takes our session away.

A pool such as PgBouncer in transaction mode gives each transaction to whatever session of the
server is free. Then the settings of ours do not hold (a commit need not wait for the disk),
prepared statements are another session's, and a session's lock is held by nobody, or for ever.

One client alone may get the same session again and again, so a second one asks beside it. While
both are connected, no pool that keeps sessions gives the second one the session of the first. A
first question that is asked twice moves on where sessions are given out in turn.
"""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import psycopg

from actors.database import queries
from actors.database.server.login import Login

LOST_SESSION: Final = (
    "a connection pool takes the session away between two transactions (PgBouncer with pool_mode"
    " transaction or statement?): connect to PostgreSQL directly, or through a pool in session mode"
)
"""What to tell a person."""
ROUNDS: Final = 8
"""Other clients of the pool may hide it from one round."""
_BESIDE_S: Final = 2
"""Seconds that a question beside the session may take: a pool that is used up does not answer."""


class Place(NamedTuple):
    """Where a question was answered.

    Attributes:
        pid: Of the server's process.
        tag: What `set_session` has left there, or None.
    """

    pid: int
    tag: str | None


def keeps_session(
    own: Place, ask: Callable[[], Place], ask_beside: Callable[[], Place | None]
) -> bool:
    """Return whether the session is ours alone.

    Args:
        own: Where the session was prepared, with a tag that no other session has.
        ask: Asks in a transaction of its own.
        ask_beside: Does so as another client; None: it got no answer.
    """
    for _ in range(ROUNDS):
        if ask() != own or ask() != own:
            return False
        beside = ask_beside()
        if beside is None:  # it waits for a session, so ours is kept from it
            return True
        if beside.pid == own.pid or beside.tag == own.tag:
            return False
    return True


@contextmanager
def client_beside(dsn: str, **options: Any) -> Iterator[Callable[[], Place | None]]:
    """Yield what asks as another client of the same pool.

    Raises:
        StoreUnavailable: It neither got a connection nor was it rejected.
    """
    given = {**options, "connect_timeout": _BESIDE_S}
    try:
        connection = Login(lambda: psycopg.connect(dsn, autocommit=True, **given)).wait()
    except psycopg.Error:
        yield lambda: None
        return
    try:
        yield lambda: _answer(connection)
    finally:
        connection.close()


def _answer(connection: psycopg.Connection[Any]) -> Place | None:
    """Return the answer, or None when it does not come in time.

    A pool that has no session for this client keeps it waiting, longer than any limit of the
    server's.
    """
    try:
        found = _first_row(connection.pgconn, time.monotonic() + _BESIDE_S)
    except psycopg.Error:
        return None
    if found is None:
        return None
    pid, tag = found
    return Place(int(pid or 0), tag.decode() if tag else None)


def _first_row(
    wire: psycopg.pq.abc.PGconn, deadline: float
) -> tuple[bytes | None, bytes | None] | None:
    wire.send_query(queries.SELECT_PLACE)
    while wire.is_busy():
        if not select.select([wire.socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        wire.consume_input()
    found = None
    while (result := wire.get_result()) is not None:
        if result.ntuples:
            found = result.get_value(0, 0), result.get_value(0, 1)
    return found
