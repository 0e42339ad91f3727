"""The premises: what a run finds on its host before any actor lives.

A state directory that can be written, the journal in it, a database and its schema.
"""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from actors.config.load import Config
from actors.database.dsn import SafeDsn, check_dsn
from actors.database.embedded import Embedded
from actors.database.session import QueryWatchdog
from actors.database.store import MigratingStore
from actors.errors import ConfigError, StoreUnavailable
from actors.journal.journal import Journal

log = logging.getLogger(__name__)


def prepare_state_dir(state_dir: Path) -> Path:
    """Return the state directory, made if need be, after writing to it once.

    Raises:
        ConfigError: It cannot be made or written.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
        probe = state_dir / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as exc:
        raise ConfigError(
            f"state directory {state_dir}: {exc.strerror}; give the tracker's user write access,"
            " or name another with TRACKER_STATE_DIR"
        ) from exc
    return state_dir


def open_journal(config: Config, state_dir: Path) -> Journal:
    """Open the journal of this state directory; for what it raises see `Journal.open`."""
    free = shutil.disk_usage(state_dir).free
    return Journal.open(
        state_dir / "journal",
        sync_interval_s=config.journal_sync_ms / 1000,
        # A size that was set is a number of another type, which the status cannot spell.
        max_bytes=int(config.journal_cap(free)),
    )


def database(
    config: Config, state_dir: Path, later: Callable[[Callable[[], None]], None]
) -> SafeDsn:
    """Return the database in use; start the embedded one when none is named.

    `later` is told how to stop it.
    """
    if config.dsn:
        return check_dsn(config.dsn)
    embedded = Embedded(state_dir / "postgres")
    embedded.start()
    later(embedded.stop)
    log.warning(
        "embedded_database",
        extra={
            "note": "meant for trying out; set TRACKER_DATABASE_URL for real use",
            "connect": embedded.psql_line(),
        },
    )
    return check_dsn(embedded.dsn())


def look_at_schema(
    dsn: SafeDsn, journal: Journal, guard: QueryWatchdog, *, may_migrate: bool
) -> None:
    """Bring the schema up to date, or find now that a person must act.

    A database that is away is no reason not to start.

    Raises:
        SchemaMismatch: The schema is not ours, or lacks what may not be applied.
    """
    store = MigratingStore(dsn.dsn, may_migrate=may_migrate)
    guard.watch(store)
    try:
        store.open(journal.journal_id, first_seq=journal.oldest_seq)
    except StoreUnavailable as away:
        log.warning("database_away", extra={"reason": str(away), "retry_s": 0.0})
    finally:
        store.close()
