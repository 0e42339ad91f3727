"""Put sequences right that are behind the tables whose rows they number.

Rows that were restored or replicated without their sequence are numbered already, and every new
row would be given one of their numbers. The largest number of a table is the end of an index, so
looking costs the same whatever the size of the table.
"""

import logging
from typing import Final, NamedTuple

import psycopg
from psycopg import sql

from actors.database import queries
from actors.database.session import Connection
from actors.errors import ConfigError

log = logging.getLogger(__name__)

HINT: Final = (
    "a sequence may be behind its table, as after some restores: run `tracker --migrate` as the"
    " owner of the schema, so that the tracker may put it right"
)
"""What to do when rows that need a new number are not kept, and the role may not see why."""

_PLACE = sql.SQL(
    "select {name}, {numbered}, {quoted}, (select max({column})::bigint from {table}),"
    " (select case when is_called then last_value else last_value - 1 end from {sequence})"
)


class _Place(NamedTuple):
    """Where a sequence is: the largest number of the table, and the last one that was given out."""

    table: str
    column: str
    sequence: str
    most: int | None
    last: int

    @property
    def is_behind(self) -> bool:
        return self.most is not None and self.last < self.most


def is_number_taken(exc: Exception) -> bool:
    """Return whether a token was given a number that another one has."""
    return (
        isinstance(exc, psycopg.errors.UniqueViolation)
        and exc.diag.table_name == "assets"
        and (exc.diag.constraint_name or "").endswith("_pkey")
    )


def put_right(connection: Connection) -> None:
    """Move each sequence that is behind its table to the table's last number.

    Raises:
        ConfigError: The role may see that one is behind, and may not move it.
    """
    # Nearly always nothing is behind, and no lock is taken.
    behind = [place for place in _places(connection) if place.is_behind]
    if not behind:
        return
    with connection.transaction():
        # Two that move the same one could move it back. Read again: another one may have done it.
        connection.execute(queries.LOCK_SEQUENCES)
        for place in _places(connection):
            if place.is_behind:
                _move(connection, place)


def _places(connection: Connection) -> list[_Place]:
    """Return where the sequences are that this role may read."""
    found = connection.execute(queries.SELECT_IDENTITIES).fetchall()
    if not found:
        return []
    parts = [
        _PLACE.format(
            name=sql.Literal(table),
            numbered=sql.Literal(column),
            quoted=sql.Literal(sql.Identifier(*sequence).as_string(connection)),
            column=sql.Identifier(column),
            table=sql.Identifier(schema, table),
            sequence=sql.Identifier(*sequence),
        )
        for schema, table, column, *sequence in found
    ]
    return [_Place(*row) for row in connection.execute(sql.SQL(" union all ").join(parts))]


def _move(connection: Connection, place: _Place) -> None:
    given = {"sequence": place.sequence, "to": place.most}
    if connection.execute(queries.MOVE_SEQUENCE, given).fetchone() is None:
        raise ConfigError(
            f"the sequence of {place.table}.{place.column} is at {place.last} and the table at"
            f" {place.most}: run `tracker --migrate` as the owner of the schema, which permits it,"
            f" or `select setval('{place.sequence}', {place.most})`"
        )
    extra = {"table": place.table, "before": place.last, "now": place.most}
    log.warning("sequence_corrected", extra=extra)
