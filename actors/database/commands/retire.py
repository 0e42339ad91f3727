"""Trackers that will not return: their wishes end, as a person decides."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from actors.database import queries
from actors.database.schema import versions
from actors.database.schema.migration_files import MIGRATIONS
from actors.database.session import Connection, Session, translate_errors
from actors.errors import ConfigError


class StoredTracker(NamedTuple):
    """A journal with the host and the last sign of life of its tracker."""

    journal_id: UUID
    host: str
    seen_at: datetime
    is_alive: bool


def retire(dsn: str, name: str, folder: Path = MIGRATIONS) -> tuple[StoredTracker, ...]:
    """Retire the trackers of this host, or the one with this journal; return them.

    Args:
        dsn: Checked by `check_dsn`.
        name: A host, or the id of a journal.
        folder: The migrations of this version.

    Raises:
        ConfigError: There is none, or one of them runs: nothing was retired.
        SchemaMismatch: The schema is not that of this version.
        StoreUnavailable: The database does not answer.
    """
    session = Session(dsn)
    try:
        with translate_errors(), session.connection.transaction():
            versions.verify_to_write(session.connection, folder)
            return _retire(session.connection, name)
    finally:
        session.close()


def _told(tracker: StoredTracker) -> str:
    seen = f"{tracker.seen_at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    return f"{tracker.host} ({tracker.journal_id}, last seen {seen})"


def _retire(connection: Connection, name: str) -> tuple[StoredTracker, ...]:
    rows = connection.execute(queries.SELECT_TRACKERS).fetchall()
    known = [StoredTracker(*row) for row in rows]
    named = tuple(each for each in known if name in (each.host, str(each.journal_id)))
    if not named:
        there = ", ".join(map(_told, known[:5])) or "none"
        raise ConfigError(f"--retire: no tracker {name} has stored here; those that have: {there}")
    running = next((each for each in named if each.is_alive), None)
    if running is not None:
        raise ConfigError(
            f"--retire: the tracker of {running.host} ({running.journal_id}) was seen less than a"
            " minute ago: stop it first"
        )
    connection.execute(queries.RETIRE_TRACKERS, {"journals": [each.journal_id for each in named]})
    return named
