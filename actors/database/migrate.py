"""Migrations: numbered files, each applied once, in a transaction, under a lock.

The checksum of an applied file is recorded. A database that was migrated by a file with another
text, or by a file that this version does not have, is not touched.
"""

from hashlib import sha256
from pathlib import Path

import msgspec
import psycopg

from actors.database import queries
from actors.database.session import Connection, Session, one_line, translate_errors
from actors.errors import SchemaMismatch

MIGRATIONS = queries.SQL / "migrations"


class Migration(msgspec.Struct, frozen=True):
    """One file of sql/migrations."""

    name: str
    text: bytes

    @property
    def checksum(self) -> str:
        """Return the sha256 of the file, hexadecimal."""
        return sha256(self.text).hexdigest()


def migrations(folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """Return all migrations of a folder in the order of their numbers."""
    files = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return tuple(Migration(name=file.name, text=file.read_bytes()) for file in files)


def pending(dsn: str, folder: Path = MIGRATIONS) -> tuple[str, ...]:
    """Return the names of the migrations that the database lacks, in order.

    Raises:
        SchemaMismatch: It was migrated by files that differ from this version's.
        StoreUnavailable: It does not answer.
    """
    session = Session(dsn)
    try:
        with translate_errors():
            return tuple(each.name for each in _missing(session.connection, folder))
    finally:
        session.close()


def apply(dsn: str, folder: Path = MIGRATIONS) -> tuple[str, ...]:
    """Apply the missing migrations; return the names of those that were applied.

    If another process migrates at the same time, wait for it up to a minute.

    Raises:
        SchemaMismatch: The database was migrated by files that differ from this version's, or one
            of this version's fails there; nothing of that file was applied.
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
    for each in missing:
        _apply_one(connection, each)
    return tuple(each.name for each in missing)


def _apply_one(connection: Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            # Without parameters psycopg sends a simple query, which may hold several statements.
            connection.execute(migration.text)
            row = {"name": migration.name, "checksum": migration.checksum}
            connection.execute(queries.INSERT_SCHEMA_MIGRATION, row)
    except psycopg.OperationalError:
        raise  # the database is away or busy: a later try may succeed
    except psycopg.Error as exc:
        raise SchemaMismatch(
            f"the migration {migration.name} does not fit this database: {one_line(exc)}"
        ) from exc


def verify(connection: Connection, folder: Path = MIGRATIONS) -> None:
    """Check that the database has exactly the migrations of this version.

    Raises:
        SchemaMismatch: It has not; the message says what to do.
    """
    missing = _missing(connection, folder)
    if missing:
        raise SchemaMismatch(
            f"the database lacks {missing[0].name}"
            + (f" and {len(missing) - 1} more migrations" if len(missing) > 1 else "")
            + ": run `bin/tracker --migrate`, or start the tracker with TRACKER_MIGRATE on"
        )


def _missing(connection: Connection, folder: Path) -> tuple[Migration, ...]:
    """Return the migrations that the database lacks.

    Raises:
        SchemaMismatch: It was migrated by files that differ from this version's.
    """
    found = connection.execute(queries.FIND_SCHEMA_MIGRATIONS).fetchone()
    if found is None or not found[0]:
        return migrations(folder)
    applied: dict[str, str] = dict(connection.execute(queries.SELECT_SCHEMA_MIGRATIONS).fetchall())
    ours = {each.name: each for each in migrations(folder)}
    for name, checksum in applied.items():
        if name not in ours:
            raise SchemaMismatch(
                f"the database has the migration {name}, which this version does not know: "
                "install the version of the tracker that made it, or a newer one"
            )
        if ours[name].checksum != checksum:
            raise SchemaMismatch(
                f"the migration {name} was edited after it was applied to the database: restore "
                f"the file (sha256 {checksum}) and put the change into a new migration"
            )
    return tuple(each for name, each in ours.items() if name not in applied)
