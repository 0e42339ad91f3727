"""The database of modes that work beside a tracker, or without one."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.app.places import DATABASE, prepare_state_dir
from actors.config.settings import Config
from actors.database.server.advice import advice
from actors.database.server.embedded import Embedded
from actors.database.server.folder import LOG
from actors.database.session import check_dsn
from actors.errors import NO_PERMISSION, ConfigError, StateDirBusy, StoreUnavailable

VERSION_FILE = Path("data", "PG_VERSION")


@contextmanager
def database_of(config: Config) -> Iterator[str]:
    """Yield the address of the database; the embedded one is started unless a tracker runs it.

    Raises:
        ConfigError: There is none, or, raised in place of `StoreUnavailable`, it does not permit
            what was tried.
    """
    try:
        with database_to_read(config, prepare=True) as dsn:
            yield dsn
    except StoreUnavailable as exc:
        if exc.sqlstate != NO_PERMISSION:
            raise
        raise ConfigError(f"database: {exc}; {advice_for(config, exc)}") from exc


def advice_for(config: Config, exc: StoreUnavailable) -> str:
    """Return what to do about the database of these settings, which does not answer."""
    if config.dsn:
        return advice(exc, named=config.place_of("database_url"))
    return advice(exc, embedded_log=config.state_dir / DATABASE / LOG)


@contextmanager
def database_to_read(config: Config, *, prepare: bool = False) -> Iterator[str]:
    """Yield the address of the database; the embedded one is started unless a tracker runs it.

    Args:
        config: Names the database.
        prepare: Also bring the rights of its roles up to date where a tracker runs it.

    Raises:
        ConfigError: There is none.
        StoreUnavailable: It does not start, or does not answer.
    """
    if config.dsn:
        yield check_dsn(config.dsn).dsn
        return
    root = _root(config.state_dir)
    server = Embedded(root)
    try:
        server.start()
    except StateDirBusy:
        yield (server.prepare() if prepare else server.addresses()).writer
        return
    try:
        yield server.prepare().writer
    finally:
        server.stop()


def _root(state_dir: Path) -> Path:
    """Return the folder of the embedded database.

    Raises:
        ConfigError: There is none.
    """
    root = state_dir / DATABASE
    if (root / VERSION_FILE).exists():
        return prepare_state_dir(state_dir) / DATABASE
    of_demo = state_dir / "demo" / "tracker"
    if (of_demo / DATABASE / VERSION_FILE).exists():
        raise ConfigError(
            f"there is no database in {root}; that of the demo is in another state directory:"
            f" --state-dir {shlex.quote(str(of_demo))}"
        )
    raise ConfigError(f"there is no database in {root}: set TRACKER_DATABASE_URL")
