"""Migrations: numbered files, each applied once, in a transaction, under a lock.

The checksum of an applied file is recorded. A database that was migrated by a file with another
text is not touched. A migration says at its head whether trackers of the versions before it may go
on writing, and the database keeps that, so that they find it there: those that must not leave
everything in their journals, from the moment on in which the migration begins.
"""

import logging
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import psycopg

from actors.database import queries
from actors.database.server.facts import KEEP_OUT, require_timescale
from actors.database.session import Connection, Session, one_line, translate_errors
from actors.errors import SchemaMismatch, SchemaNewer

log = logging.getLogger(__name__)

MIGRATIONS: Final = queries.SQL / "migrations"
MAY_WRITE: Final = b"-- Previous versions: may go on writing."
MUST_NOT_WRITE: Final = b"-- Previous versions: must not write."
"""One of these is a line at the head of each migration. The first eight are older than the rule,
and forbid it."""


class Migration(msgspec.Struct, frozen=True):
    """One file of sql/migrations."""

    name: str
    text: bytes

    @property
    def checksum(self) -> str:
        """Return the sha256 of the file, hexadecimal."""
        return sha256(self.text).hexdigest()

    @property
    def previous_may_write(self) -> bool:
        """Return whether a tracker that lacks this file may write during and after it.

        That is every version before it, and not only the last one.
        """
        return MAY_WRITE in self.text.splitlines()


def migrations(folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """Return all migrations of a folder in the order of their numbers."""
    files = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return tuple(Migration(name=file.name, text=file.read_bytes()) for file in files)


class Checked(NamedTuple):
    """What is found of a database before it is used; nothing in it is changed.

    Attributes:
        pending: Names of the migrations that it lacks, in order.
        unsafe: Settings by which a loss of power may damage it, `name=off`.
    """

    pending: tuple[str, ...]
    unsafe: tuple[str, ...]


def check(dsn: str, folder: Path = MIGRATIONS) -> Checked:
    """Return what a start would find.

    Raises:
        SchemaMismatch: It was migrated by files that differ from this version's.
        ConfigError: It cannot be used as it is.
        StoreUnavailable: It does not answer.
    """
    session = Session(dsn)
    try:
        with translate_errors():
            missing = _missing(session.connection, folder)
    finally:
        session.close()
    return Checked(pending=tuple(each.name for each in missing), unsafe=session.unsafe)


def apply(dsn: str, folder: Path = MIGRATIONS) -> tuple[str, ...]:
    """Apply the missing migrations; return the names of those that were applied.

    If another process migrates at the same time, wait for it up to a minute.

    Raises:
        SchemaMismatch: The database was migrated by files that differ from this version's, or one
            of this version's fails there; nothing of that file was applied.
        ConfigError: It cannot be used as it is.
        StoreUnavailable: It does not answer.
    """
    session = Session(dsn, statement_s=600, lock_s=60)
    try:
        with translate_errors():
            return _apply(session.connection, folder)
    finally:
        session.close()


def _apply(connection: Connection, folder: Path) -> tuple[str, ...]:
    connection.execute(queries.LOCK_MIGRATIONS)  # until the session ends
    # Read behind the lock: another process may have applied them while we waited.
    missing = _missing(connection, folder)
    if missing:
        connection.execute(queries.CREATE_SCHEMA_MIGRATIONS)
    for number, each in enumerate(missing, 1):
        place = f"{number} of {len(missing)}"
        log.info("schema_migrating", extra={"migration": each.name, "place": place})
        _apply_one(connection, each)
    return tuple(each.name for each in missing)


def _apply_one(connection: Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            if not migration.previous_may_write:
                connection.execute(queries.STOP_WRITERS)
            # Without parameters psycopg sends a simple query, which may hold several statements.
            connection.execute(migration.text)
            row = {
                "name": migration.name,
                "checksum": migration.checksum,
                "previous_may_write": migration.previous_may_write,
            }
            connection.execute(queries.INSERT_SCHEMA_MIGRATION, row)
    except psycopg.OperationalError:
        raise  # the database is away or busy: a later try may succeed
    except psycopg.Error as exc:
        raise SchemaMismatch(
            f"the migration {migration.name} does not fit this database: {one_line(exc)}"
        ) from exc


def verify(connection: Connection, folder: Path = MIGRATIONS) -> tuple[str, ...]:
    """Check that this version may write; return the migrations of newer ones that allow it.

    Raises:
        SchemaMismatch: The database has not all migrations of this version as they are; the
            message says what to do.
        SchemaNewer: A newer version's migration forbids this one to write.
    """
    found = _compare(connection, folder)
    if found.forbidding:
        raise forbidden(found.forbidding[0])
    if found.missing:
        more = f" and {len(found.missing) - 1} more migrations" if len(found.missing) > 1 else ""
        raise SchemaMismatch(
            f"the database lacks {found.missing[0].name}{more}"
            ": run `bin/tracker --migrate`, or start the tracker with TRACKER_MIGRATE on"
        )
    return found.allowing


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
        is_empty: None was ever applied.
    """

    missing: tuple[Migration, ...]
    allowing: tuple[str, ...] = ()
    forbidding: tuple[str, ...] = ()
    is_empty: bool = False


def _missing(connection: Connection, folder: Path) -> tuple[Migration, ...]:
    """Return the migrations that the database lacks.

    Raises:
        SchemaMismatch: It was migrated by files that differ from this version's, or by a newer
            version that forbids this one to write.
        ConfigError: The first of them would create a TimescaleDB that loses rows.
    """
    found = _compare(connection, folder)
    if found.forbidding:
        raise SchemaMismatch(str(forbidden(found.forbidding[0])))
    if found.is_empty:
        row = connection.execute(queries.SELECT_TIMESCALE_TO_CREATE).fetchone()
        if row is not None:
            require_timescale(str(row[0]), KEEP_OUT)
    return found.missing


def _compare(connection: Connection, folder: Path) -> _Comparison:
    """Compare the migrations of the database with those of the folder.

    Raises:
        SchemaMismatch: One was edited after it was applied.
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
    if not there:
        return _Comparison(missing=migrations(folder), is_empty=True)
    applied = connection.execute(queries.SELECT_SCHEMA_MIGRATIONS).fetchall()
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
