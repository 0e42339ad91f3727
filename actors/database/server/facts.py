"""What the server at the other end is, and whether its answers and commits can be relied on."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from actors.errors import ConfigError, StoreUnavailable

OLDEST_TIMESCALE: Final = "2.18.1"
"""TimescaleDB before it ends an INSERT ... ON CONFLICT DO NOTHING into a compressed chunk at the
first row that is there already, without an error: the rows behind it are lost (its issue 7672)."""

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(.*)", re.DOTALL)


class Server(NamedTuple):
    """What `select_server` returns.

    Attributes:
        version: Of PostgreSQL.
        durable: The setting `synchronous_commit` of this session.
        timescale: The version of TimescaleDB in this database, or None.
        read_only: Whether a transaction may not write.
        place: Which database of the cluster, and which schema of it.
        unsafe: Settings by which what is stored is at risk, `name=value`.
    """

    version: str
    durable: str
    timescale: str | None
    read_only: bool
    place: str
    unsafe: list[str]

    def require_usable(self) -> None:
        """Check that nothing that it says it has stored can be lost.

        Raises:
            ConfigError: A person must act; the message says what to do.
            StoreUnavailable: It takes no writes for now.
        """
        if self.durable == "off":
            raise ConfigError("synchronous_commit is off for this role and cannot be set on")
        if self.timescale is not None:
            require_timescale(self.timescale)
        if self.read_only:
            raise StoreUnavailable("the server takes no writes (read-only)", sqlstate="25006")


_UPDATE: Final = (
    f"update it to {OLDEST_TIMESCALE} or newer (`alter extension timescaledb update`), or use a"
    " database without it"
)
KEEP_OUT: Final = (
    f"install {OLDEST_TIMESCALE} or newer, or keep it out (`alter database … set"
    " tracker.timescale = 'off'`)"
)
"""What to do when the first migration would create an old one."""


def require_timescale(version: str, what_to_do: str = _UPDATE) -> None:
    """Check that this version of TimescaleDB loses no rows.

    Raises:
        ConfigError: It may.
    """
    if _as_numbers(version) < _as_numbers(OLDEST_TIMESCALE):
        raise ConfigError(
            f"TimescaleDB {version or '(unknown)'} loses rows that are stored together with known"
            f" ones: {what_to_do}"
        )


def require_chunks(found: Sequence[object] | None) -> None:
    """Check that the session reaches the chunks of the trades, and not an empty table before them.

    Args:
        found: The row of `select_timescale_state`, or None.

    Raises:
        ConfigError: The server does not load TimescaleDB; the message says what to do.
        StoreUnavailable: The database is being restored.
    """
    if found is None:
        return
    if found[0] == "restoring":
        raise StoreUnavailable(
            "the database is being restored (timescaledb.restoring is on):"
            " `select timescaledb_post_restore()` ends that"
        )
    raise ConfigError(
        "the trades are kept by TimescaleDB, which the server has not loaded: name it in its"
        " shared_preload_libraries, turn timescaledb.disable_load off, and restart the server"
    )


def _as_numbers(version: str) -> tuple[int, int, int, bool]:
    """Return a version for comparisons: one before its release comes before it, no version first.

    >>> _as_numbers("2.18.1") > _as_numbers("2.18.1-dev") > _as_numbers("2.18")
    True
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        return (0, 0, 0, False)
    major, minor, patch, rest = found.groups()
    return (int(major), int(minor), int(patch or 0), not rest)
