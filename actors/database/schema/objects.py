"""What the migrations make, and what of it a database has.

A database may have all migrations on record and not all that they made: `pg_restore` makes indexes
and triggers after the rows, and a person may drop a view. The list is in
`sql/queries/select_objects.sql`.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from actors.database import queries
from actors.database.session import Connection
from actors.errors import NO_PERMISSION, SchemaMismatch, StoreUnavailable

NEEDED: Final = ("table", "unique index", "trigger", "sequence")
"""Without one of these what is stored would be wrong. Nothing is stored in vain without the others:
readers miss them, or a statement takes longer or fails, and then all waits in the journal."""
MOST_NAMED: Final = 5


class Object(NamedTuple):
    """One of them.

    Attributes:
        kind: Such as `table`.
        name: With its schema; that of a trigger or a foreign key with its table, too.
        is_taken: A relation of any kind has this name.
        is_there: It is there, and whole.
    """

    kind: str
    name: str
    is_taken: bool
    is_there: bool

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def look(connection: Connection) -> tuple[Object, ...]:
    """Return all of them, those that are needed to store first."""
    rank = {kind: number for number, kind in enumerate(NEEDED)}
    found = [Object(*row) for row in connection.execute(queries.SELECT_OBJECTS)]
    return tuple(sorted(found, key=lambda each: (rank.get(each.kind, len(rank)), each)))


def require(connection: Connection) -> tuple[str, ...]:
    """Check that all is there that is needed to store; return what else is missing.

    Raises:
        SchemaMismatch: Something is not; the message names it.
        StoreUnavailable: All of it is, and this role may not use it to store.
    """
    missing = [each for each in look(connection) if not each.is_there]
    if any(each.kind in NEEDED for each in missing):
        raise SchemaMismatch(
            f"the database lacks the {named(missing)}: it is half restored, or was changed by hand."
            " Wait for the end of the restore; or restore it whole, or make again what is missing"
            " as in sql/schema.sql"
        )
    _require_rights(connection)
    return tuple(map(str, missing))


def _require_rights(connection: Connection) -> None:
    lacked = connection.execute(queries.SELECT_MISSING_RIGHTS).fetchall()
    if lacked:
        rights = named(f"{right} on {table}" for right, table, _ in lacked)
        raise StoreUnavailable(
            f"the role {lacked[0][2]} lacks the rights {rights}", sqlstate=NO_PERMISSION
        )


def require_none(connection: Connection) -> None:
    """Check that nothing has a name that the migrations give.

    Raises:
        SchemaMismatch: Something has; the message names it.
    """
    taken = dict.fromkeys(each.name for each in look(connection) if each.is_taken)
    if taken:
        raise SchemaMismatch(
            f"the database has {named(taken)} and no record of the tracker's"
            " migrations (tracker.schema_migrations): it is half restored, or another program's."
            " Wait for the end of the restore, restore it whole, or name another database"
        )


def named(things: Iterable[object]) -> str:
    """Return the first few as one text, with the number of the others."""
    texts = [str(each) for each in things]
    more = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
