"""Contradictions that a person has decided about."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from actors.database import queries
from actors.database.schema import versions
from actors.database.schema.migration_files import MIGRATIONS
from actors.database.session import Connection, Session, translate_errors
from actors.errors import ConfigError
from actors.model.conversion import storable_text

PREFIX = "acknowledged: "
"""With it begins `cleared_by`. Statements look for it."""


class Acknowledged(NamedTuple):
    """A contradiction that was open."""

    detected_at: datetime
    kind: str
    source: str
    recorded: str
    observed: str
    slug: str
    names: dict[str, str]


def acknowledge(
    dsn: str, condition_id: str, reason: str, folder: Path = MIGRATIONS
) -> tuple[Acknowledged, ...]:
    """End all open contradictions about a market, in one transaction; return them, oldest first.

    Args:
        dsn: Checked by `check_dsn`.
        condition_id: The market.
        reason: Stored behind `acknowledged: `.
        folder: The migrations of this version.

    Raises:
        ConfigError: The market is not known, or nothing about it is open.
        SchemaMismatch: The schema is not that of this version.
        StoreUnavailable: The database does not answer.
    """
    session = Session(dsn)
    try:
        with translate_errors(), session.connection.transaction():
            versions.verify_to_write(session.connection, folder)
            ended = _end(session.connection, condition_id, reason)
            # Behind the lock of the statement: a migration waits for the end of this transaction,
            # or is seen here.
            versions.verify_to_write(session.connection, folder)
            return ended
    finally:
        session.close()


def _end(connection: Connection, condition_id: str, reason: str) -> tuple[Acknowledged, ...]:
    given = {"condition_id": condition_id, "reason": PREFIX + storable_text(reason)}
    rows = connection.execute(queries.ACKNOWLEDGE_CONFLICTS, given).fetchall()
    if rows:
        return tuple(Acknowledged(*row) for row in rows)
    if connection.execute(queries.SELECT_MARKET_KNOWN, given).fetchone() == (True,):
        raise ConfigError(f"no contradiction about the market {condition_id} is open")
    raise ConfigError(f"the database knows no market {condition_id}: give its condition id, 0x…")
