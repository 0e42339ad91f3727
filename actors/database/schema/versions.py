"""Which migrations a database has, and whether this version may write to it or migrate it."""

from pathlib import Path
from typing import Any

import msgspec

from actors.database import queries
from actors.database.schema import objects
from actors.database.schema.migration_files import MIGRATIONS, Migration, migrations
from actors.database.server.facts import KEEP_OUT, require_timescale
from actors.database.session import Connection
from actors.errors import SchemaLacking, SchemaMismatch, SchemaNewer


def verify(connection: Connection, folder: Path = MIGRATIONS) -> tuple[str, ...]:
    """Check that this version may write; return the migrations of newer ones that allow it.

    Raises:
        SchemaMismatch: The database has not all migrations of this version as they are; the
            message says what to do. SchemaLacking: it lacks some, and has the others.
        SchemaNewer: A newer version's migration forbids this one to write.
    """
    found = compare(connection, folder)
    if found.forbidding:
        raise forbidden(found.forbidding[0])
    if found.missing:
        raise lacking(connection, found)
    return found.allowing


def lacking(connection: Connection, found: "Comparison") -> SchemaMismatch:
    """Return the error that the database lacks migrations."""
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


class Comparison(msgspec.Struct, frozen=True):
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


def usable(connection: Connection, folder: Path) -> Comparison:
    """Compare, for who may apply what is missing.

    Raises:
        SchemaMismatch: It was migrated by files that differ from this version's, or by a newer
            version that forbids this one to write.
        ConfigError: The first of them would create a TimescaleDB that loses rows.
    """
    found = compare(connection, folder)
    if found.forbidding:
        raise SchemaMismatch(str(forbidden(found.forbidding[0])))
    if found.is_first:
        row = connection.execute(queries.SELECT_TIMESCALE_TO_CREATE).fetchone()
        if row is not None:
            require_timescale(str(row[0]), KEEP_OUT)
    return found


def compare(connection: Connection, folder: Path) -> Comparison:
    """Compare the migrations of the database with those of the folder.

    Raises:
        SchemaMismatch: One was edited after it was applied, or none was, and what they make is
            there all the same.
    """
    applied = _applied(connection)
    if not applied:
        try:
            objects.require_none(connection)
        except SchemaMismatch:
            # Another process may have migrated since: what it makes and the record come at once.
            applied = _applied(connection)
            if not applied:
                raise
        else:
            return Comparison(missing=migrations(folder), is_first=True)
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
    return Comparison(
        missing=tuple(each for name, each in ours.items() if name not in have),
        allowing=tuple(newer[True]),
        forbidding=tuple(newer[False]),
    )


def _applied(connection: Connection) -> list[tuple[Any, ...]]:
    """Return the record of migrations; empty: there is none.

    Raises:
        SchemaMismatch: An older version made the database.
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
    return connection.execute(queries.SELECT_SCHEMA_MIGRATIONS).fetchall() if there else []
