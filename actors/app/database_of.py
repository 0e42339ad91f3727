"""The database of modes that work beside a tracker, or without one."""

from collections.abc import Iterator
from contextlib import contextmanager

from actors.app.factory import DATABASE, prepare_state_dir
from actors.config.settings import Config
from actors.database.server.embedded import Embedded
from actors.database.session import check_dsn
from actors.errors import ConfigError, StateDirBusy, StoreUnavailable

_NO_PERMISSION = "42501"


@contextmanager
def database_of(config: Config) -> Iterator[str]:
    """Yield the address of the database; the embedded one is started unless a tracker runs it.

    Raises:
        ConfigError: There is none, or, raised in place of `StoreUnavailable`, it does not permit
            what was tried.
    """
    try:
        if config.dsn:
            yield check_dsn(config.dsn).dsn
        else:
            with _embedded(config) as dsn:
                yield dsn
    except StoreUnavailable as exc:
        if exc.sqlstate != _NO_PERMISSION:
            raise
        raise ConfigError(
            f"database: {exc}; run `tracker --migrate` as the owner of the schema, which permits it"
        ) from exc


@contextmanager
def _embedded(config: Config) -> Iterator[str]:
    root = prepare_state_dir(config.state_dir) / DATABASE
    if not (root / "data" / "PG_VERSION").exists():
        raise ConfigError(f"there is no database in {root}: set TRACKER_DATABASE_URL")
    server = Embedded(root)
    try:
        server.start()
    except StateDirBusy:
        yield server.prepare().writer
        return
    try:
        yield server.prepare().writer
    finally:
        server.stop()
