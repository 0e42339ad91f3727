"""Migrations: numbered files, each applied once, under a lock of the owner's.

The checksum of an applied file is recorded. A database that was migrated by a file with another
text is not touched. A migration says at its head whether trackers of the versions before it may go
on writing, and the database keeps that, so that they find it there: those that must not leave
everything in their journals, from the moment on in which the migration begins.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import psycopg

from actors.database import queries
from actors.database.schema import objects
from actors.database.schema.migration_files import MIGRATIONS, Migration, Step
from actors.database.schema.versions import Comparison, lacking, usable
from actors.database.session import Connection, Session, one_line, translate_errors
from actors.errors import SchemaMismatch, StoreUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

STATEMENT_S: Final = 600
"""Longest a statement of a migration may take."""
MIGRATING_S: Final = 60
"""Longest wait for another process that migrates, and for the trackers that must not write."""
LOCK_S: Final = 1
"""Longest wait for any other lock: what waits for one keeps all others out meanwhile."""
LOCK_TRIES: Final = 30
BETWEEN_TRIES_S: Final = 1
LOG_EVERY_S: Final = 15
_CREATORS: Final = 5  # processes that may create the table of migrations at the same time
_CREATED_MEANWHILE: Final = (
    psycopg.errors.UniqueViolation,  # of the catalog: the other one committed while we waited
    psycopg.errors.DuplicateSchema,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateObject,
)


class Checked(NamedTuple):
    """What is found of a database before it is used; nothing in it is changed.

    Attributes:
        pending: Names of the migrations that it lacks, in order.
        unsafe: Settings by which what is stored is at risk, `name=value`.
        missing: What migrations made and is not there, though storing does not need it.
        unverified: Servers that nothing proves to be the right ones.
    """

    pending: tuple[str, ...]
    unsafe: tuple[str, ...]
    missing: tuple[str, ...]
    unverified: tuple[str, ...]


def check(dsn: str, folder: Path = MIGRATIONS, *, may_migrate: bool = True) -> Checked:
    """Return what a start would find.

    Args:
        dsn: Checked by `check_dsn`.
        folder: The files.
        may_migrate: Whether the start may apply those that the database lacks.

    Raises:
        SchemaMismatch: A start would end: it was migrated by files that differ from this version's,
            it is not whole, they do not fit it, or the role may not apply them.
        ConfigError: It cannot be used as it is.
        StoreUnavailable: It does not answer, or the role may not store in it.
    """
    session = Session(dsn)
    try:
        with translate_errors():
            found = usable(session.connection, folder)
            missing: tuple[str, ...] = ()
            if found.missing:
                _require_applicable(session.connection, found, folder, may_migrate=may_migrate)
            elif not found.allowing:
                missing = objects.require(session.connection)
    finally:
        session.close()
    pending = tuple(each.name for each in found.missing)
    return Checked(pending, unsafe=session.unsafe, missing=missing, unverified=session.unverified)


def _require_applicable(
    connection: Connection, found: Comparison, folder: Path, *, may_migrate: bool
) -> None:
    """Check that a start can apply what is missing.

    Raises:
        SchemaMismatch: It may not, or it does not fit, or the role may not.
    """
    if not may_migrate:
        raise lacking(connection, found)
    if found.is_first:
        _create(lambda: _try_out(connection, folder))
        return
    # Trying them out would keep trackers waiting that use the tables.
    row = connection.execute(queries.SELECT_OWNER).fetchone()
    if row is not None and not row[2]:
        raise SchemaMismatch(
            f"{found.lacks}, and {row[1]} may not apply them: the tables belong to {row[0]}. Run"
            f" `bin/tracker --migrate` as {row[0]} before the start"
        )


def _try_out(connection: Connection, folder: Path) -> None:
    """Apply the first migrations in one transaction, and take all of it back.

    Nobody waits for it but another process that migrates: nothing of ours is there yet.
    """
    with connection.transaction(force_rollback=True), _permitted(connection, "first migration"):
        connection.execute(queries.BECOME_OWNER)
        connection.execute(queries.CREATE_SCHEMA_MIGRATIONS)
        connection.execute(queries.LOCK_MIGRATIONS)
        # Read again behind the lock: another process may have applied them while we waited.
        for each in usable(connection, folder).missing:
            with _fitting(connection, f"migration {each.name}"):
                for step in each.steps or (Step(each.text),):
                    _carry_out(connection, step)


@contextmanager
def _fitting(connection: Connection, what: str) -> Iterator[None]:
    """Raise an error of the database as one that says what does not fit, or who may do it.

    Raises:
        SchemaMismatch: What is there stands in the way, or the role lacks a right.
    """
    try:
        with _permitted(connection, what):
            yield
    except psycopg.OperationalError:
        raise  # the database is away or busy: a later try may succeed
    except psycopg.Error as exc:
        raise SchemaMismatch(f"the {what} does not fit this database: {one_line(exc)}") from exc


@contextmanager
def _permitted(connection: Connection, what: str) -> Iterator[None]:
    """Raise the error that the role lacks a right as one that says who has it.

    Raises:
        SchemaMismatch: The role may not do it.
    """
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as exc:
        raise SchemaMismatch(
            f"the role {connection.info.user} may not apply the {what}: {one_line(exc)}. Run"
            " `bin/tracker --migrate` as the owner of the schema, which is tracker_owner where"
            " sql/roles.sql has made it; without roles as the owner of the database, or let that"
            " owner grant CREATE on the database and on schema public"
        ) from exc


def _nothing(_session: Session | None = None) -> None:
    """Do nothing."""


def apply(
    dsn: str,
    folder: Path = MIGRATIONS,
    *,
    on_begun: Callable[[Session], None] = _nothing,
    on_moved: Callable[[], None] = _nothing,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, ...]:
    """Apply the missing migrations, then grant rights; return the names of those it applied.

    Another process may do the same at the same time: each migration is applied by one of them. A
    migration that does not get a lock within a second is rolled back and tried again, for a minute.

    Args:
        dsn: Checked by `check_dsn`; of the owner of the schema, or of an administrator, who acts as
            the owner.
        folder: The files.
        on_begun: Called with the session before it logs in.
        on_moved: Called while a statement goes on, ten times a second, but not longer than a
            statement may take.
        sleep: Waits so many seconds.

    Raises:
        SchemaMismatch: The database was migrated by files that differ from this version's, or one
            of this version's fails there, or the role may not migrate; nothing of that file was
            applied.
        ConfigError: It cannot be used as it is.
        StoreUnavailable: It does not answer.
    """
    migrating = _Migrating(dsn, folder, Telling(on_moved), on_begun, sleep)
    with translate_errors():
        return migrating.run()


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
        """Write into the log what goes on, and for how long (s)."""
        log.info(
            "schema_migrating",
            extra={
                "migration": self.migration,
                "place": self.place,
                "step": self.step,
                "seconds": round(seconds),
            },
        )


@dataclass(frozen=True)
class _Migrating:
    """One call of `apply`, which tells what the arguments are."""

    dsn: str
    folder: Path
    telling: Telling
    on_begun: Callable[[Session], None]
    sleep: Callable[[float], None]

    def run(self) -> tuple[str, ...]:
        """Apply what is missing, grant rights, and return what was applied here."""
        with self._open() as session, _permitted(session.connection, "migrations"):
            connection = session.connection
            missing = usable(connection, self.folder).missing
            if missing:
                with _fitting(connection, "first migration"):
                    _create(lambda: connection.execute(queries.CREATE_SCHEMA_MIGRATIONS))
            applied = tuple(
                each.name
                for number, each in enumerate(missing, 1)
                if self._apply(session, each, f"{number} of {len(missing)}")
            )
            grant = partial(_execute, connection, queries.GRANT_RIGHTS)
            self._retried("that grants rights", grant)
        return applied

    @contextmanager
    def _open(self) -> Iterator[Session]:
        """Yield a session that acts as the owner; close it without waiting for the server."""
        session = Session(
            self.dsn,
            statement_s=STATEMENT_S,
            lock_s=MIGRATING_S,
            on_begun=self.on_begun,
            on_moved=self.telling.begin,
            on_waiting=self.telling.wait,
        )
        try:
            session.connection.execute(queries.BECOME_OWNER)
            yield session
        finally:
            session.close()

    def _apply(self, session: Session, migration: Migration, place: str) -> bool:
        """Apply a migration; return False if another process has done so."""
        self.telling.migration, self.telling.place = migration.name, place
        self.telling.step = "1 of 1"
        self.telling.log()
        with _fitting(session.connection, f"migration {migration.name}"):
            if not migration.steps:
                return self._retried(migration.name, lambda: self._finish(session, migration))
            with self._alone(session):
                return self._carry_out(session, migration)

    @contextmanager
    def _alone(self, session: Session) -> Iterator[None]:
        """Keep other processes from migrating while this session carries out steps.

        The lock lasts as long as a transaction, and steps are in none: a second session has it.
        """
        with self._open() as holder:

            def take() -> None:
                holder.connection.rollback()
                _execute(holder.connection, b"begin")
                _execute(holder.connection, queries.LOCK_MIGRATIONS)
                _execute(holder.connection, queries.KEEP_TRANSACTION)

            self._retried(self.telling.migration, take)
            self.on_begun(session)  # it is the one that others cut off from now on
            yield

    def _carry_out(self, session: Session, migration: Migration) -> bool:
        """Carry out the steps of a migration; return False if another process has done so."""
        if not self._is_missing(session, migration):
            return False
        for number, step in enumerate(migration.steps, 1):
            self.telling.step = f"{number} of {len(migration.steps)}"

            def carry_out(step: Step = step) -> None:
                _wait_for_locks(session.connection, LOCK_S)
                _carry_out(session.connection, step)

            self._retried(migration.name, carry_out)
        return self._retried(migration.name, lambda: self._finish(session, migration))

    def _finish(self, session: Session, migration: Migration) -> bool:
        """Record a migration, together with all that it does if it is not in steps.

        Return False if another process has done so.
        """
        connection = session.connection
        with connection.transaction():
            _wait_for_locks(connection, LOCK_S)
            if not migration.steps:
                connection.execute(queries.LOCK_MIGRATIONS)
                # Read again behind the lock.
                if not self._is_missing(session, migration):
                    return False
            if not migration.previous_may_write:
                _wait_for_locks(connection, MIGRATING_S)
                connection.execute(queries.STOP_WRITERS)
                _wait_for_locks(connection, LOCK_S)
            if not migration.steps:
                _carry_out(connection, Step(migration.text))
            row = {
                "name": migration.name,
                "checksum": migration.checksum,
                "previous_may_write": migration.previous_may_write,
            }
            connection.execute(queries.INSERT_SCHEMA_MIGRATION, row)
        return True

    def _is_missing(self, session: Session, migration: Migration) -> bool:
        return migration in usable(session.connection, self.folder).missing

    def _retried(self, name: str, work: Callable[[], T]) -> T:
        """Do the work, again from its start when a lock is not free: nobody waits for us for long.

        Raises:
            StoreUnavailable: Others hold it all the time.
        """
        for tries in range(LOCK_TRIES):
            if tries:
                self.sleep(BETWEEN_TRIES_S)
            try:
                return work()
            except psycopg.errors.LockNotAvailable:
                continue
        raise StoreUnavailable(
            f"the migration {name} does not get a lock that another session holds: end long queries"
            " and dumps of this database, or wait for them; it is tried again"
        )


def _wait_for_locks(connection: Connection, seconds: float) -> None:
    connection.execute(queries.SET_MIGRATION, {"lock_ms": str(round(seconds * 1_000))})


def _execute(connection: Connection, statement: bytes) -> None:
    """Run a statement that waits for locks a second at most."""
    _wait_for_locks(connection, LOCK_S)
    connection.execute(statement)


def _carry_out(connection: Connection, step: Step) -> None:
    # Without parameters psycopg sends a simple query, which may hold several statements.
    while connection.execute(step.text).rowcount > 0 and step.is_repeated:
        pass


def _create(work: Callable[[], object]) -> None:
    """Do what creates the table of applied migrations; again if another process has done so."""
    for tries in range(1, _CREATORS + 1):
        try:
            work()
        except _CREATED_MEANWHILE:
            if tries == _CREATORS:
                raise
        else:
            return
