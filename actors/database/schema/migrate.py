"""Migrations: numbered files, each applied once, under a lock.

The checksum of an applied file is recorded. A database that was migrated by a file with another
text is not touched. A migration says at its head whether trackers of the versions before it may go
on writing, and the database keeps that, so that they find it there: those that must not leave
everything in their journals, from the moment on in which the migration begins.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import psycopg

from actors.database import queries
from actors.database.schema import objects
from actors.database.schema.migration_files import MIGRATIONS, Migration, Step, migrations
from actors.database.server.facts import KEEP_OUT, require_timescale
from actors.database.session import Connection, Session, one_line, translate_errors
from actors.errors import (
    ConfigError,
    SchemaLacking,
    SchemaMismatch,
    SchemaNewer,
    StoreUnavailable,
)

log = logging.getLogger(__name__)

STATEMENT_S: Final = 600
"""Longest a statement of a migration may take."""
MIGRATING_S: Final = 60
"""Longest wait for another process that migrates, and for the trackers that must not write."""
LOCK_S: Final = 1
"""Longest wait for any other lock: what waits for one keeps all others out meanwhile."""
LOCK_TRIES: Final = 30
BETWEEN_TRIES_S: Final = 1
LOG_EVERY_S: Final = 15


class Checked(NamedTuple):
    """What is found of a database before it is used; nothing in it is changed.

    Attributes:
        pending: Names of the migrations that it lacks, in order.
        unsafe: Settings by which what is stored is at risk, `name=value`.
        missing: What migrations made and is not there, though storing does not need it.
    """

    pending: tuple[str, ...]
    unsafe: tuple[str, ...]
    missing: tuple[str, ...]


def check(dsn: str, folder: Path = MIGRATIONS, *, may_migrate: bool = True) -> Checked:
    """Return what a start would find.

    Args:
        dsn: Checked by `check_dsn`.
        folder: The files.
        may_migrate: Whether the start may apply those that the database lacks.

    Raises:
        SchemaMismatch: A start would end: it was migrated by files that differ from this version's,
            it is not whole, or they do not fit it.
        ConfigError: It cannot be used as it is.
        StoreUnavailable: It does not answer.
    """
    session = Session(dsn)
    try:
        with translate_errors():
            found = _usable(session.connection, folder)
            missing: tuple[str, ...] = ()
            if found.missing:
                _require_applicable(session.connection, found, may_migrate=may_migrate)
            elif not found.allowing:
                missing = objects.require(session.connection)
    finally:
        session.close()
    pending = tuple(each.name for each in found.missing)
    return Checked(pending=pending, unsafe=session.unsafe, missing=missing)


def _require_applicable(connection: Connection, found: "_Comparison", *, may_migrate: bool) -> None:
    """Check that a start can apply what is missing.

    Raises:
        SchemaMismatch: It may not, or it does not fit.
        ConfigError: The role may not.
    """
    if not may_migrate:
        raise _lacking(connection, found)
    if found.is_first:
        _try_out(connection, found.missing)
        return
    # Trying them out would keep trackers waiting that use the tables.
    row = connection.execute(queries.SELECT_OWNER).fetchone()
    if row is not None and not row[2]:
        raise ConfigError(
            f"{found.lacks}, and {row[1]} may not apply them: the tables belong to {row[0]}. Run"
            f" `bin/tracker --migrate` as {row[0]} before the start, and then sql/roles.sql"
        )


def _try_out(connection: Connection, missing: tuple[Migration, ...]) -> None:
    """Apply the first migrations in one transaction, and take all of it back.

    Nobody waits for it but another process that migrates: nothing of ours is there yet.
    """
    connection.execute(queries.LOCK_MIGRATIONS)
    with connection.transaction(force_rollback=True):
        with _fitting("first migration"):
            connection.execute(queries.CREATE_SCHEMA_MIGRATIONS)
        for each in missing:
            with _fitting(f"migration {each.name}"):
                for step in each.steps or (Step(each.text),):
                    _carry_out(connection, step)


def _nothing(_session: Session | None = None) -> None:
    """Do nothing."""


def apply(
    dsn: str,
    folder: Path = MIGRATIONS,
    *,
    on_connected: Callable[[Session], None] = _nothing,
    on_moved: Callable[[], None] = _nothing,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, ...]:
    """Apply the missing migrations; return the names of those that were applied.

    If another process migrates at the same time, wait for it up to a minute. A migration that
    does not get a lock within a second is rolled back and tried again, for a minute.

    Args:
        dsn: Checked by `check_dsn`.
        folder: The files.
        on_connected: Called with the session before its first statement.
        on_moved: Called while a statement goes on, ten times a second, but not longer than a
            statement may take.
        sleep: Waits so many seconds.

    Raises:
        SchemaMismatch: The database was migrated by files that differ from this version's, or one
            of this version's fails there; nothing of that file was applied.
        ConfigError: It cannot be used as it is.
        StoreUnavailable: It does not answer.
    """
    telling = Telling(on_moved)
    session = Session(
        dsn,
        statement_s=STATEMENT_S,
        lock_s=MIGRATING_S,
        on_connected=on_connected,
        on_moved=telling.begin,
        on_waiting=telling.wait,
    )
    try:
        with translate_errors():
            return _apply(session.connection, folder, telling, sleep)
    finally:
        session.close()


class Telling:
    """Tells whoever waits that a migration goes on, and the log from time to time.

    Args:
        on_moved: Tells the one who waits.
        monotonic: The clock.

    Attributes:
        migration: The name of the file.
        place: Which one it is of all that are missing.
        step: Which step of it.
    """

    def __init__(
        self, on_moved: Callable[[], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._on_moved = on_moved
        self._monotonic = monotonic
        self._since = self._logged_at = monotonic()
        self.migration = self.place = self.step = ""

    def begin(self) -> None:
        """Record that the wait for a statement begins or ends."""
        self._since = self._logged_at = self._monotonic()
        self._on_moved()

    def wait(self) -> None:
        """Record that it goes on."""
        now = self._monotonic()
        if now - self._since > STATEMENT_S:
            return  # the server should have ended it: it hangs
        self._on_moved()
        if now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now
            self.log(now - self._since)

    def log(self, seconds: float = 0.0) -> None:
        """Say in the log what goes on, and for how long."""
        log.info(
            "schema_migrating",
            extra={
                "migration": self.migration,
                "place": self.place,
                "step": self.step,
                "seconds": round(seconds),
            },
        )


def _apply(
    connection: Connection, folder: Path, telling: Telling, sleep: Callable[[float], None]
) -> tuple[str, ...]:
    connection.execute(queries.LOCK_MIGRATIONS)  # until the session ends
    # Read behind the lock: another process may have applied them while we waited.
    missing = _usable(connection, folder).missing
    if missing:
        with _fitting("first migration"):
            connection.execute(queries.CREATE_SCHEMA_MIGRATIONS)
    for number, each in enumerate(missing, 1):
        telling.migration, telling.place = each.name, f"{number} of {len(missing)}"
        telling.step = "1 of 1"
        telling.log()
        with _fitting(f"migration {each.name}"):
            _apply_one(connection, each, telling, sleep)
    return tuple(each.name for each in missing)


@contextmanager
def _fitting(what: str) -> Iterator[None]:
    """Say of an error of the database what does not fit, or what the role may not do.

    Raises:
        SchemaMismatch: What is there stands in the way.
        ConfigError: The role lacks a right.
    """
    try:
        yield
    except psycopg.OperationalError:
        raise  # the database is away or busy: a later try may succeed
    except psycopg.errors.InsufficientPrivilege as exc:
        raise ConfigError(
            f"the role of the database address may not apply the {what}: {one_line(exc)}. Run"
            " `bin/tracker --migrate` as tracker_owner of sql/roles.sql, or as the owner of the"
            " database, or let that owner grant CREATE on the database and on schema public"
        ) from exc
    except psycopg.Error as exc:
        raise SchemaMismatch(f"the {what} does not fit this database: {one_line(exc)}") from exc


def _carry_out(connection: Connection, step: Step) -> None:
    # Without parameters psycopg sends a simple query, which may hold several statements.
    while connection.execute(step.text).rowcount > 0 and step.is_repeated:
        pass


def _apply_one(
    connection: Connection, migration: Migration, telling: Telling, sleep: Callable[[float], None]
) -> None:
    steps = migration.steps
    for number, step in enumerate(steps, 1):
        telling.step = f"{number} of {len(steps)}"

        def carry_out(step: Step = step) -> None:
            connection.execute(queries.SET_MIGRATION, {"lock_ms": str(LOCK_S * 1_000)})
            _carry_out(connection, step)

        _try_for_locks(carry_out, migration.name, sleep)
    _try_for_locks(lambda: _in_one_transaction(connection, migration), migration.name, sleep)


def _in_one_transaction(connection: Connection, migration: Migration) -> None:
    """Record a migration, together with all that it does if it is not in steps."""
    with connection.transaction():
        if not migration.previous_may_write:
            wait_ms = str(MIGRATING_S * 1_000)
            connection.execute(queries.SET_MIGRATION, {"lock_ms": wait_ms})
            connection.execute(queries.STOP_WRITERS)
        connection.execute(queries.SET_MIGRATION, {"lock_ms": str(LOCK_S * 1_000)})
        if not migration.steps:
            _carry_out(connection, Step(migration.text))
        row = {
            "name": migration.name,
            "checksum": migration.checksum,
            "previous_may_write": migration.previous_may_write,
        }
        connection.execute(queries.INSERT_SCHEMA_MIGRATION, row)


def _try_for_locks(work: Callable[[], None], name: str, sleep: Callable[[float], None]) -> None:
    """Do the work; begin anew where a lock is not free, so that nobody waits behind us for long.

    Raises:
        StoreUnavailable: Others hold it all the time.
    """
    for tries in range(LOCK_TRIES):
        if tries:
            sleep(BETWEEN_TRIES_S)
        try:
            return work()
        except psycopg.errors.LockNotAvailable:
            continue
    raise StoreUnavailable(
        f"the migration {name} does not get a lock that another session holds: end long queries"
        " and dumps of this database, or wait for them; it is tried again"
    )


def verify(connection: Connection, folder: Path = MIGRATIONS) -> tuple[str, ...]:
    """Check that this version may write; return the migrations of newer ones that allow it.

    Raises:
        SchemaMismatch: The database has not all migrations of this version as they are; the
            message says what to do. SchemaLacking: it lacks some, and has the others.
        SchemaNewer: A newer version's migration forbids this one to write.
    """
    found = _compare(connection, folder)
    if found.forbidding:
        raise forbidden(found.forbidding[0])
    if found.missing:
        raise _lacking(connection, found)
    return found.allowing


def _lacking(connection: Connection, found: "_Comparison") -> SchemaMismatch:
    number, is_empty = connection.execute(queries.SELECT_DATABASE).fetchone() or (0, False)
    return SchemaLacking(found.lacks, database=number, is_empty=is_empty)


def verify_to_write(connection: Connection, folder: Path = MIGRATIONS) -> None:
    """Check that this version may write, for a command that a person gives.

    Raises:
        SchemaMismatch: It may not.
    """
    try:
        verify(connection, folder)
    except SchemaNewer as newer:
        raise SchemaMismatch(str(newer)) from newer


def forbidden(name: str) -> SchemaNewer:
    """Return the error that a migration of this name forbids this version to write."""
    return SchemaNewer(
        f"the database has the migration {name}, which this version does not know and which "
        "forbids it to write: install the version of the tracker that made it, or a newer one"
    )


class _Comparison(msgspec.Struct, frozen=True):
    """The migrations of this version beside those of the database.

    Attributes:
        missing: The database lacks them.
        allowing: This version lacks them, and may write all the same.
        forbidding: This version lacks them, and must not write.
        is_first: None was ever applied.
    """

    missing: tuple[Migration, ...]
    allowing: tuple[str, ...] = ()
    forbidding: tuple[str, ...] = ()
    is_first: bool = False

    @property
    def lacks(self) -> str:
        """Return the sentence that some are missing."""
        more = f" and {len(self.missing) - 1} more migrations" if len(self.missing) > 1 else ""
        return f"the database lacks {self.missing[0].name}{more}"


def _usable(connection: Connection, folder: Path) -> _Comparison:
    """Compare, for who may apply what is missing.

    Raises:
        SchemaMismatch: It was migrated by files that differ from this version's, or by a newer
            version that forbids this one to write.
        ConfigError: The first of them would create a TimescaleDB that loses rows.
    """
    found = _compare(connection, folder)
    if found.forbidding:
        raise SchemaMismatch(str(forbidden(found.forbidding[0])))
    if found.is_first:
        row = connection.execute(queries.SELECT_TIMESCALE_TO_CREATE).fetchone()
        if row is not None:
            require_timescale(str(row[0]), KEEP_OUT)
    return found


def _compare(connection: Connection, folder: Path) -> _Comparison:
    """Compare the migrations of the database with those of the folder.

    Raises:
        SchemaMismatch: One was edited after it was applied, or none was, and what they make is
            there all the same.
    """
    there, is_older = connection.execute(queries.FIND_SCHEMA_MIGRATIONS).fetchone() or (
        False,
        False,
    )
    if is_older:
        raise SchemaMismatch(
            "the database was made by a version from before the tables were settled and cannot be"
            " brought up to date: name another database, and keep this one for its readers"
        )
    applied = connection.execute(queries.SELECT_SCHEMA_MIGRATIONS).fetchall() if there else []
    if not applied:
        objects.require_none(connection)
        return _Comparison(missing=migrations(folder), is_first=True)
    ours = {each.name: each for each in migrations(folder)}
    newer: dict[bool, list[str]] = {True: [], False: []}
    for name, checksum, previous_may_write in applied:
        if name not in ours:
            newer[previous_may_write].append(name)
        elif ours[name].checksum != checksum:
            raise SchemaMismatch(
                f"the migration {name} was edited after it was applied to the database: restore "
                f"the file (sha256 {checksum}) and put the change into a new migration"
            )
    have = {name for name, *_ in applied}
    return _Comparison(
        missing=tuple(each for name, each in ours.items() if name not in have),
        allowing=tuple(newer[True]),
        forbidding=tuple(newer[False]),
    )
