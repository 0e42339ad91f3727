"""One connection to the database: its address, its limits, its errors, how its calls move.

A call moves whenever a wait for the server begins or ends: one statement, one block of a COPY, the
COMMIT. `server.watchdog` cuts off one that does not.

libpq's error messages quote what it cannot parse, and libpq takes the rest of a password with an
unescaped `@`, `/` or `:` for a host, port or database. So an address is parsed by `check_dsn`
before anything else uses it, and nothing of one that looks wrong is shown.
"""

import hashlib
import ipaddress
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import DecimalException
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.waiting import READY_NONE

from actors.database import queries
from actors.database.server import verification
from actors.database.server.facts import Server, require_chunks
from actors.database.server.login import Login
from actors.database.server.pooling import LOST_SESSION, Place, client_beside, keeps_session
from actors.errors import ConfigError, StoreUnavailable
from actors.model.conversion import shortened

Connection = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")

DATA_FAULTS = (
    psycopg.DataError,  # class 22, and what the driver itself cannot write
    psycopg.IntegrityError,  # class 23
    psycopg.errors.CardinalityViolation,  # class 21
    # Of class 54, whose others are about statements and tables: what no index or type can hold, and
    # what is nested too deeply.
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    ValueError,  # the driver, before anything is sent; lone surrogates too
    OverflowError,  # a time out of range
    DecimalException,
)
"""One row is at fault, not the database: find it, reject it, store the others."""

FOREIGN_STATEMENT = (
    psycopg.errors.DuplicatePreparedStatement,
    psycopg.errors.InvalidSqlStatementName,
)
"""The driver names each prepared statement, so this cannot be within one session."""

_CONNECT_OPTIONS: dict[str, Any] = {
    # A host that vanished is noticed after 25 s of silence (10 and 3 times 5). While sent bytes are
    # not acknowledged the kernel sends no keepalives: `tcp_user_timeout` ends that wait.
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
    "application_name": "polymarket-tracker",
    # Whatever role, address and environment (PGCLIENTENCODING) say: with another encoding every
    # row that has a letter outside of it would be rejected.
    "client_encoding": "UTF8",
}
_IDENTITY_DIGITS = 16
UNKNOWN_DATABASE = "unknown"
"""The identity for a role that may not ask which server it is; `health.takeover` knows it, too."""
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_DATABASE = re.compile(r"[\w.$ -]{1,63}")
_HELP = (
    'behind "postgresql://" follow user, :, password, @, host, /, and the name of the database; '
    "percent-encode every special character of the password "
    "(@ is %40, / is %2F, : is %3A, % is %25)"
)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise StoreUnavailable instead of the driver's errors about a connection or a statement.

    An error that says that the driver was called wrongly is left as it is.

    Raises:
        StoreUnavailable: With the SQLSTATE, if the server sent one.
        ConfigError: A prepared statement is another session's.
    """
    try:
        yield
    except FOREIGN_STATEMENT as exc:
        raise ConfigError(LOST_SESSION) from exc
    except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
        raise StoreUnavailable(one_line(exc), sqlstate=exc.sqlstate) from exc
    except psycopg.Error as exc:
        if exc.sqlstate is None:
            raise  # the driver was called wrongly: a bug of the tracker
        raise StoreUnavailable(one_line(exc), sqlstate=exc.sqlstate) from exc


def one_line(exc: BaseException) -> str:
    """Return an error as one line of at most 300 characters, without the questions of libpq.

    What to do is said by `advice`.
    """
    text = exc.diag.message_primary if isinstance(exc, psycopg.Error) else None
    lines = (text or str(exc) or type(exc).__name__).splitlines()
    told = [line for line in lines if not (line.startswith("\t") and line.endswith("?"))]
    return shortened(" ".join(" ".join(told or lines).split()), 300)


def _nothing() -> None:
    """Do nothing."""


class ReportingConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that reports each wait for the server.

    Attributes:
        on_moved: Called before and after each wait, in the thread that waits.
        on_waiting: Called ten times a second during each wait, or None.
    """

    on_moved: Callable[[], None] = staticmethod(_nothing)
    on_waiting: Callable[[], None] | None = None

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        """Wait for the server; all that cursors, transactions and COPY ask of it passes here."""
        self.on_moved()
        try:
            watched = gen if self.on_waiting is None else _telling(gen, self.on_waiting)
            return super().wait(watched, *args, **kwargs)
        finally:
            self.on_moved()


def _telling(gen: PQGen[T], tell: Callable[[], None]) -> PQGen[T]:
    """Return a generator that goes on as `gen` does, and tells when it is asked in vain."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if ready == READY_NONE:
                tell()
            wanted = gen.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result


class Session:
    """A connection with the limits of a writer. Used by one thread; `abort` by any.

    Args:
        dsn: Checked by `check_dsn`, so that no error quotes a secret.
        statement_s: Longest a statement may take, in seconds.
        lock_s: Longest it may wait for a lock, in seconds.
        on_begun: Called with the session before it logs in, so that even that can be aborted.
        on_moved: Called before and after each wait for the server, in the thread that waits.
        on_waiting: Called ten times a second during each wait.

    Raises:
        StoreUnavailable: The database does not answer.
        ConfigError: Its commits are not durable and cannot be made so, it is known to lose rows,
            its encoding cannot hold every text, or a pool takes the session away.

    Attributes:
        timescale: Whether the TimescaleDB extension is installed.
        tag: What only this session has in the setting `tracker.session`.
        unsafe: Settings by which what is stored is at risk, `name=value`.
        unverified: Servers of the address that nothing proves to be the right ones.
        identity: Hexadecimal; the same for all addresses and roles of one database and schema,
            as long as its server runs; or UNKNOWN_DATABASE.
    """

    def __init__(
        self,
        dsn: str,
        *,
        statement_s: float = 20,
        lock_s: float = 5,
        on_begun: "Callable[[Session], None] | None" = None,
        on_moved: Callable[[], None] = _nothing,
        on_waiting: Callable[[], None] | None = None,
    ) -> None:
        self._dsn = dsn
        self._options = {**_CONNECT_OPTIONS, **verification.permitted(dsn)}
        self.unverified = verification.unverified(dsn)
        self.tag = uuid4().hex
        self._login = Login(self._connect)
        self._abort_socket: socket.socket | None = None
        if on_begun is not None:
            on_begun(self)
        with translate_errors():
            connection = self._login.wait()
            connection.on_moved, connection.on_waiting = on_moved, on_waiting
            self.connection: Connection = connection
            # A second descriptor of the same socket: `abort` in another thread can never shut
            # down another file that was given the number of a closed descriptor.
            self._abort_socket = socket.socket(fileno=os.dup(self.connection.fileno()))
            try:
                self._prepare(statement_s, lock_s)
            except BaseException:
                self.close()
                raise

    def _connect(self) -> ReportingConnection:
        try:
            # autocommit: otherwise the first SELECT opens a transaction that stays open (psycopg
            # manual, "Transactions management"). `transaction()` still begins and commits one.
            return ReportingConnection.connect(self._dsn, autocommit=True, **self._options)
        except psycopg.OperationalError as exc:
            if verification.REQUIREMENT not in str(exc):
                raise
            raise StoreUnavailable(f"{one_line(exc)}; {verification.HOW_TO_PERMIT}") from exc

    def _prepare(self, statement_s: float, lock_s: float) -> None:
        self.connection.execute(queries.SET_SEARCH_PATH)
        encoding = self.connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise ConfigError(
                f"the database has the encoding {encoding} and cannot hold every text:"
                " create it with `encoding 'UTF8' locale 'C.UTF-8' template template0`"
            )
        # idle_ms: a tracker that is frozen within a transaction would keep its row locks.
        limits = {"statement_ms": statement_s, "lock_ms": lock_s, "idle_ms": 60}
        run = self.connection.execute
        given = {name: str(round(s * 1000)) for name, s in limits.items()}
        run(queries.SET_SESSION, {**given, "tag": self.tag})
        self._require_kept()
        row = run(queries.SELECT_SERVER).fetchone()
        if row is None:
            raise StoreUnavailable("the server did not answer what it is")
        found = Server(*row)
        found.require_usable()
        require_chunks(run(queries.SELECT_TIMESCALE_STATE).fetchone())
        self._version, self.timescale = found.version, found.timescale is not None
        self.unsafe = tuple(found.unsafe)
        if self.timescale:
            run(queries.SET_TIMESCALE_LIMIT)
        self.identity = self._identity(found.place)

    def _require_kept(self) -> None:
        """Check that no pool gives the next transaction to another session of the server.

        Raises:
            ConfigError: One does.
        """
        pid = self._place().pid
        # A pool hands out numbers of its own: where the server's is the one that we were given,
        # there is none. What hides all the same is noticed by the tag, in each transaction.
        if pid == self.connection.info.backend_pid:
            return
        with client_beside(self._dsn, **self._options) as ask_beside:
            if not keeps_session(Place(pid, self.tag), self._place, ask_beside):
                raise ConfigError(LOST_SESSION)

    def _place(self) -> Place:
        pid, tag = self.connection.execute(queries.SELECT_PLACE).fetchone() or (0, None)
        return Place(pid, tag or None)

    def require_same(self) -> None:
        """Check, in a transaction, that it is in the session that was prepared.

        Raises:
            ConfigError: It is in another one; the transaction must be rolled back.
        """
        if self._place().tag != self.tag:
            raise ConfigError(LOST_SESSION)

    def _identity(self, place: str) -> str:
        try:
            row = self.connection.execute(queries.SELECT_SERVER_START).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            return UNKNOWN_DATABASE  # other servers may have the same numbers
        names = f"{row and row[0]}/{place}"
        return hashlib.sha256(names.encode()).hexdigest()[:_IDENTITY_DIGITS]

    @property
    def server(self) -> str:
        """Return the server's version and address, without secrets."""
        info = self.connection.info
        return f"PostgreSQL {self._version} at {info.host}:{info.port}/{info.dbname}"

    def abort(self) -> None:
        """Cut the connection, from any thread: a waiting call raises at once."""
        self._login.abort()
        if self._abort_socket is not None:
            with suppress(OSError):  # already closed
                self._abort_socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection. Never waits for the server."""
        if self._abort_socket is not None:
            self._abort_socket.close()
            self.connection.close()


class SafeDsn(msgspec.Struct, frozen=True):
    """A checked address, and the part of it that may be shown.

    Attributes:
        dsn: The address without surrounding white space; holds the password.
        shown: User, host, port and database, for logs and status.
    """

    dsn: str
    shown: str

    def __repr__(self) -> str:
        return f"SafeDsn({self.shown!r})"


def check_dsn(text: str) -> SafeDsn:
    """Return the address after checks.

    Raises:
        ConfigError: It is not valid; the message holds no part of it.
    """
    dsn = text.strip()
    if not dsn:
        raise ConfigError("the database address is empty: leave it unset for the embedded server")
    if any(char < " " for char in dsn):
        raise ConfigError(f"the database address contains a control character: {_HELP}")
    try:
        found = conninfo_to_dict(dsn)
    except (psycopg.Error, ValueError):
        # Not chained: the cause quotes the address.
        raise ConfigError(f"the database address cannot be parsed: {_HELP}") from None
    parts = {name: str(value) for name, value in found.items() if value is not None}
    _reject_misplaced(parts)
    return SafeDsn(dsn=dsn, shown=_shown(parts))


def _reject_misplaced(parts: dict[str, str]) -> None:
    """Reject parts that may be pieces of a password with unescaped characters."""
    hosts = [host for host in parts.get("host", "").split(",") if host]
    hosts += [host for host in parts.get("hostaddr", "").split(",") if host]
    wrong = [
        *("host" for host in hosts if not _is_host(host)),
        *("port" for port in parts.get("port", "").split(",") if port and not _is_port(port)),
        *("user" for user in [parts.get("user", "")] if re.search(r"[\s/:\x00-\x1f]", user)),
    ]
    if "dbname" in parts and not _DATABASE.fullmatch(parts["dbname"]):
        wrong.append("database name")
    if wrong:
        raise ConfigError(f"the {wrong[0]} in the database address looks wrong: {_HELP}")


def _is_host(text: str) -> bool:
    # The folder of a Unix socket, or an abstract one (libpq manual, parameter `host`).
    if text.startswith(("/", "@/")):
        return not re.search(r"[\x00-\x1f]", text)
    if _HOST.fullmatch(text):
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_port(text: str) -> bool:
    # Cut, because int() raises for more than 4,300 digits.
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536


def _shown(parts: dict[str, str]) -> str:
    host = parts.get("host") or parts.get("hostaddr") or "local socket"
    user = f"{parts['user']}@" if "user" in parts else ""
    port = f":{parts['port']}" if "port" in parts else ""
    return f"{user}{host}{port}/{parts.get('dbname', '')}".rstrip("/")
