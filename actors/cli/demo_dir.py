"""Where a demo keeps its files and data, and what must not be mixed with them."""

import contextlib
import fcntl
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from actors import files
from actors.app.database_of import VERSION_FILE
from actors.app.places import DATABASE
from actors.cli import status
from actors.config.load import Config
from actors.config.manual import flag, variable
from actors.config.paths import SOCKET_NAME
from actors.database import queries
from actors.database.server.verification import permitted
from actors.database.session import check_dsn, translate_errors
from actors.errors import ConfigError, StateDirBusy, start_error
from actors.simulator.judge import conditions

LOG = "tracker.log"
"""Gets the standard error of the tracker."""
TAKEN = frozenset(
    {"state_dir", "status_socket", "database_url", "log_level", "metrics_port", "metrics_address"}
)
"""Settings that a demo has from its user; the others are its own."""
_RUN = "run"
_ABOUT_WHAT_IS_LEFT = re.compile(r"\b(the database|migration|journal|made by PostgreSQL)\b")
"""In errors of a tracker about its database or journal; that of another setting has none of it."""
_CONNECT_S = 5
_MARKETS_OF_OTHERS = (
    "SELECT coalesce(slug, condition_id) FROM public.markets"
    " WHERE NOT condition_id = ANY(%s) LIMIT 1"
)


def require_own_settings(config: Config) -> None:
    """Check that the database was named for the demo, and no flag that has no effect in it.

    Raises:
        ConfigError: It is that of the environment or a file, or there is such a flag.
    """
    origin = config.origin("database_url")
    if config.dsn and not origin.startswith("flag "):
        name = variable("database_url")
        without = f": `env -u {name} make demo`" if origin == f"variable {name}" else ""
        raise ConfigError(
            f"{origin} names a database, and a demo stores simulated trades: start it without that"
            f" setting{without}, or name a database for the demo: --demo --database-url URL"
        )
    for name in type(config).model_fields:
        if config.origin(name).startswith("flag ") and name not in TAKEN:
            taken = ", ".join(flag(each) for each in sorted(TAKEN))
            raise ConfigError(f"{flag(name)}: has no effect in a demo, which takes {taken}")


def free_socket(usual: Path, own: Path) -> Path:
    """Return where the tracker of a demo answers: the usual place, unless a tracker is there."""
    try:
        status.ask(usual)
    except status.Unreachable as exc:
        return own if exc.is_there else usual
    return own


@dataclass
class DemoDir:
    """Where a demo keeps its files: one directory for all runs, so a second run goes on.

    Attributes:
        path: The directory.
        usual_socket: Where its tracker answers, unless another one does.
        dsn: Of a database that was named for it; None: an embedded one.
    """

    path: Path
    usual_socket: Path
    dsn: str | None

    def __post_init__(self) -> None:
        self.socket = self.usual_socket

    @property
    def simulator(self) -> Path:
        """Return the directory of the simulator's ledger."""
        return self.path / "simulator"

    @property
    def ledger(self) -> Path:
        """Return the simulator's ledger."""
        return self.simulator / "ledger.jsonl"

    @property
    def tracker(self) -> Path:
        """Return the state directory of the tracker."""
        return self.path / "tracker"

    @property
    def has_own_socket(self) -> bool:
        """Return whether its tracker does not answer at the usual place."""
        return self.socket != self.usual_socket

    def how_to_begin_anew(self, errors: Sequence[str]) -> list[str]:
        """Return what to do when a tracker could not start on what earlier demos have left.

        Nothing when that is not what its errors are about, or nothing was left.
        """
        left = self.dsn is None and (self.tracker / DATABASE / VERSION_FILE).exists()
        if not left or not any(_ABOUT_WHAT_IS_LEFT.search(line) for line in errors):
            return []
        remove = shlex.join(["rm", "-r", str(self.path)])
        left_by = "tracker: earlier demos, perhaps of another version, have left that"
        return [f"{left_by}: `{remove}` removes it, simulated trades alone, for a new beginning"]

    @contextlib.contextmanager
    def entered(self) -> Iterator[int]:
        """Make its directories, keep other demos out, and yield the number of this run.

        Raises:
            ConfigError: A directory cannot be used, or others could put something there; or the
                database holds what is no demo's.
            StateDirBusy: Another demo runs here.
            StoreUnavailable: The database does not answer.
        """
        self._make()
        with os.fdopen(self.open(_RUN), "r+", encoding="ascii") as counter:
            try:
                fcntl.flock(counter, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StateDirBusy(
                    f"another demo runs in {self.path}: end it first, or give this one a place of"
                    " its own with --state-dir"
                ) from None
            self.socket = free_socket(self.usual_socket, self.tracker / SOCKET_NAME)
            if self.dsn:
                require_own_data(self.dsn, self.ledger)
            # Identifiers of different runs never collide.
            counter.seek(0)
            number = int(counter.read() or 0) + 1
            counter.truncate(0)
            counter.write(str(number))
            counter.flush()
            yield number

    def _make(self) -> None:
        try:
            for directory in (self.path, self.simulator, self.tracker):
                os.close(files.open_directory(directory, mode=0o755))
        except OSError as exc:
            raise start_error(exc, f"demo {self.path}") from exc

    def open(self, name: str) -> int:
        """Return the descriptor of a file for appending and reading.

        Raises:
            ConfigError: It is not ours, or cannot be opened.
        """
        try:
            directory = files.open_directory(self.path)
            try:
                return files.open_or_create(directory, name)
            finally:
                os.close(directory)
        except OSError as exc:
            raise start_error(exc, f"demo {self.path / name}") from exc


def reading_address(dsn: str) -> str:
    """Return the address of a database that was named for a demo, to read from."""
    safe = check_dsn(dsn).dsn
    return make_conninfo(safe, **permitted(safe))


def require_own_data(dsn: str, ledger: Path) -> None:
    """Check that a database holds no market but those that the simulator of this demo has made.

    Raises:
        ConfigError: It does, or the address is wrong.
        StoreUnavailable: It does not answer.
    """
    address = make_conninfo(reading_address(dsn), connect_timeout=_CONNECT_S)
    with translate_errors(), psycopg.connect(address, autocommit=True) as database:
        # What others have planted there is not executed.
        database.execute(queries.SET_SEARCH_PATH)
        made = database.execute("SELECT to_regclass('public.markets')").fetchone()
        if made is None or made[0] is None:
            return
        found = database.execute(_MARKETS_OF_OTHERS, (conditions(ledger),)).fetchone()
    if found is not None:
        raise ConfigError(
            f"the database of --database-url holds the market {found[0]}, which is of no demo in"
            f" {ledger.parent.parent}: simulated trades do not belong there; name an empty database"
        )
