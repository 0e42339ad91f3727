"""What a run needs before any actor starts: state directory, journal, database, schema."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from actors.config.load import Config
from actors.database.dsn import SafeDsn, check_dsn
from actors.database.embedded import Embedded
from actors.database.session import QueryWatchdog
from actors.database.store import MigratingStore
from actors.errors import ConfigError, SchemaMismatch, SchemaNewer, StoreUnavailable
from actors.journal.journal import Journal

log = logging.getLogger(__name__)


def prepare_state_dir(state_dir: Path) -> Path:
    """Create the state directory if need be, check that it can be written, and return it.

    Raises:
        ConfigError: It cannot be created or written.
    """
    try:
        # 711: started by root, the embedded database runs as another user
        # and must pass through here.
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
    """Open the journal of this state directory; it raises what `Journal.open` raises."""
    free = shutil.disk_usage(state_dir).free
    return Journal.open(
        state_dir / "journal",
        sync_interval_s=config.journal_sync_ms / 1000,
        # A size from the settings is a pydantic ByteSize, which the status cannot encode.
        max_bytes=int(config.journal_cap(free)),
    )


def database(
    config: Config, state_dir: Path, at_end: Callable[[Callable[[], None]], None]
) -> SafeDsn:
    """Return the database to use; start the embedded one when none is configured.

    `at_end` adds the stop of the embedded one to the steps of the orderly stop.
    """
    if config.dsn:
        return check_dsn(config.dsn)
    embedded = Embedded(state_dir / "postgres")
    embedded.start()
    at_end(embedded.stop)
    log.warning(
        "embedded_database",
        extra={
            "note": "meant for trials; set TRACKER_DATABASE_URL for real use",
            "connect": embedded.psql_command(),
        },
    )
    return check_dsn(embedded.dsn())


def check_schema(
    dsn: SafeDsn, journal: Journal, query_watchdog: QueryWatchdog, *, may_migrate: bool
) -> None:
    """Bring the schema up to date, or raise if a person must act.

    A database that is away does not prevent the start. One that this version must not write to
    does: who starts it can install the right one.

    Raises:
        SchemaMismatch: The schema is not that of the tracker, or lacks migrations that may not
            be applied, or is of a newer version.
    """
    store = MigratingStore(dsn.dsn, may_migrate=may_migrate)
    query_watchdog.watch(store)
    try:
        store.open(journal.journal_id, first_seq=journal.oldest_seq)
    except StoreUnavailable as away:
        log.warning("database_away", extra={"reason": str(away), "retry_s": 0.0})
    except SchemaNewer as newer:
        raise SchemaMismatch(str(newer)) from newer
    finally:
        store.close()
