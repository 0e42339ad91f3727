"""One connection to the database: limits, lifeline, and the meaning of its errors."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import DecimalException
from typing import Any, Protocol
from weakref import WeakSet

import psycopg

from actors.database import queries
from actors.errors import ConfigError, StoreUnavailable

Connection = psycopg.Connection[tuple[Any, ...]]
DATA_FAULTS = (
    psycopg.DataError,  # class 22, and what the driver itself cannot write
    psycopg.IntegrityError,  # class 23
    psycopg.errors.CardinalityViolation,  # class 21
    ValueError,  # the driver, before anything is sent; lone surrogates too
    OverflowError,  # a time out of range
    DecimalException,
)


# MERGED: The guard: a thread that cuts off whoever has waited too long for the database.
# libpq can wait for ever for a server that froze in mid-answer: keepalives are answered by its
# kernel, and a statement timeout is the frozen server's own affair. Only another thread can end
# that, by shutting the socket.


PATIENCE_S = 30.0
"""Longest wait for one call of the store. Less than the silence at which its
actor counts as dead; more than the 20 s after which the server itself gives up."""
EVERY_S = 1.0


class Interruptible(Protocol):
    """A store as the guard sees it, from its own thread."""

    @property
    def busy_since(self) -> float | None:
        """Monotonic time since which the database is being waited for, or None."""

    def abort(self) -> None:
        """Have the waiting call raise at once."""


class QueryWatchdog:
    """Looks at every store that is watched, for as long as its owner keeps it.

    Args:
        on_cut: Is told, in the guard's thread, how long was waited, in seconds.
        patience_s: Gives how long a call may take; asked at each look.
        every_s: Time between looks.
        monotonic: The clock that `busy_since` tells.
    """

    def __init__(
        self,
        on_cut: Callable[[float], None],
        *,
        patience_s: Callable[[], float] = lambda: PATIENCE_S,
        every_s: float = EVERY_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_cut = on_cut
        self._patience_s = patience_s
        self._every_s = every_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._watched: WeakSet[Interruptible] = WeakSet()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database-guard", daemon=True)

    def watch(self, store: Interruptible) -> None:
        """Look at this one too. From any thread."""
        with self._lock:
            self._watched.add(store)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Look no longer."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def look(self) -> None:
        """Cut off who has waited longer than we have patience."""
        self.cut(self._patience_s())

    def cut(self, waited_longer_than_s: float = 0.0) -> None:
        """Cut off who has waited longer than this. From any thread."""
        with self._lock:
            watched = tuple(self._watched)
        for store in watched:
            since = store.busy_since
            if since is None:
                continue
            waited_s = self._monotonic() - since
            if waited_s > waited_longer_than_s:
                store.abort()
                self._on_cut(waited_s)

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            self.look()


"""One row is at fault, not the database: bisect, set it aside, store the rest."""
_TRANSPORT: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
    "application_name": "polymarket-tracker",
}


@contextmanager
def errors() -> Iterator[None]:
    """Turn what the driver raises for a database that is away or unwilling into ours.

    Raises:
        StoreUnavailable: With the SQLSTATE, if the server gave one.
    """
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
        raise StoreUnavailable(one_line(exc), sqlstate=exc.sqlstate) from exc
    except psycopg.Error as exc:
        if exc.sqlstate is None:
            raise  # the driver blames the caller: our own fault, and a crash
        raise StoreUnavailable(one_line(exc), sqlstate=exc.sqlstate) from exc


def one_line(exc: BaseException) -> str:
    """Return an error as one line of at most 300 characters."""
    said = exc.diag.message_primary if isinstance(exc, psycopg.Error) else None
    return " ".join((said or str(exc) or type(exc).__name__).split())[:300]


class Session:
    """A connection with the limits of a writer. Used by one thread; `abort` by any.

    Args:
        dsn: Checked by `dsn.check_dsn`, so that no error quotes a secret.
        statement_s: Longest a statement may take, in seconds.
        lock_s: Longest it may wait for a lock, in seconds.
        on_connected: Is given the session before its first statement, so that
            even that one can be aborted.

    Raises:
        StoreUnavailable: The database does not answer.
        ConfigError: Its commits are not durable and may not be made so, or it
            cannot hold every text.
    """

    def __init__(
        self,
        dsn: str,
        *,
        statement_s: float = 20,
        lock_s: float = 5,
        on_connected: "Callable[[Session], None] | None" = None,
    ) -> None:
        with errors():
            self.connection: Connection = psycopg.connect(dsn, autocommit=True, **_TRANSPORT)
            # A second descriptor of the same socket: it cannot have been closed and
            # given to another file when another thread comes to shut it down.
            self._lifeline = socket.socket(fileno=os.dup(self.connection.fileno()))
            if on_connected is not None:
                on_connected(self)
            try:
                self._prepare(statement_s, lock_s)
            except BaseException:
                self.close()
                raise

    def _prepare(self, statement_s: float, lock_s: float) -> None:
        encoding = self.connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise ConfigError(
                f"the database has the encoding {encoding} and cannot hold every text:"
                " create it with `encoding 'UTF8' locale 'C.UTF-8' template template0`"
            )
        limits = {"statement_ms": statement_s, "lock_ms": lock_s, "idle_ms": 60}
        run = self.connection.execute
        run(queries.SET_SESSION, {name: str(round(s * 1000)) for name, s in limits.items()})
        row = run(queries.SELECT_SERVER).fetchone()
        if row is None:
            raise StoreUnavailable("the server told nothing about itself")
        self.version, durable, self.timescale, read_only = row
        if durable == "off":
            raise ConfigError("synchronous_commit is off for this role and cannot be set on")
        if read_only:
            raise StoreUnavailable("the server takes no writes (read-only)", sqlstate="25006")
        if self.timescale:
            run(queries.SET_TIMESCALE_LIMIT)

    @property
    def server(self) -> str:
        """Return the server's version and where it is, for people."""
        info = self.connection.info
        return f"PostgreSQL {self.version} at {info.host}:{info.port}/{info.dbname}"

    def abort(self) -> None:
        """Cut the connection from another thread: whoever waits for it gets an error at once.

        libpq may otherwise wait for ever for a server that froze in mid-answer.
        """
        try:
            self._lifeline.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already

    def close(self) -> None:
        """Close it. Never waits for the server."""
        self._lifeline.close()
        self.connection.close()
