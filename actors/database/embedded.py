"""An own PostgreSQL server: a direct child that lives and dies with the tracker.

    <root>/data        the cluster; made as data.new and renamed when it is whole
    <root>/s           the socket folder (0700): the only way in, no TCP
    <root>/server.log  what the server says; of earlier starts the last in server.log.1
    <root>/lock        held while we run: one tracker for each folder

A tracker that is killed takes the server with it (Linux: PR_SET_PDEATHSIG). That
signal is tied to the thread that started the server: start from the main thread.
"""

import ctypes
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from actors.database import postgres_binaries
from actors.database.session import errors
from actors.errors import ConfigError, StateDirBusy, StoreUnavailable

_PR_SET_PDEATHSIG = 1
_HELD_S = 30.0  # how long a dying server may hold the folder
_PORT = 5432


class Embedded:
    """One server in one folder. Used by the main thread.

    Args:
        root: Its folder; made if it is not there.
        options: Server settings, `name=value`.
    """

    def __init__(self, root: Path, options: tuple[str, ...] = ()) -> None:
        self._root = root.absolute()
        self._data = self._root / "data"
        self._socket = self._root / "s"
        self._log = self._root / "server.log"
        self._options = options
        self._binaries = postgres_binaries.find_binaries()
        self._owner = postgres_binaries.unprivileged()
        self._child: subprocess.Popen[bytes] | None = None
        self._adopted: int | None = None
        self._lock: IO[bytes] | None = None
        longest = len(os.fsencode(self._socket / f".s.PGSQL.{_PORT}.lock"))
        if longest > 100:
            raise ConfigError(
                f"the path {self._socket} is too long for a Unix socket by {longest - 100} bytes: "
                "choose a shorter TRACKER_STATE_DIR"
            )

    def start(self, timeout_s: float = 600) -> None:
        """Start the server and wait until it answers (0.1 s; the first time 1 s).

        Args:
            timeout_s: How long recovery after a crash may take.

        Raises:
            ConfigError: Something that a person must change; says what.
            StateDirBusy: Another tracker runs in this folder.
            StoreUnavailable: The server ended or did not answer in time.
        """
        self._make_folders()
        self._lock_folder()
        try:
            self._make_cluster()
            if self._answers():
                self._adopted = self._pid_in_folder()
            else:
                self._run(timeout_s)
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout_s: float = 60) -> None:
        """End the server in good order (fast shutdown), or at once when it takes too long."""
        pid = self._child.pid if self._child else self._adopted
        if pid is not None and not self._gone():
            self._signal(pid, signal.SIGINT)
            if not _wait(self._gone, timeout_s):
                self._signal(pid, signal.SIGQUIT)
                _wait(self._gone, 10)
        self._child = self._adopted = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def dsn(self, db: str = "tracker") -> str:
        """Return the address of a database of this server; make the database if it is not there.

        Raises:
            StoreUnavailable: The server does not answer.
        """
        with errors(), psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            exists = connection.execute("select from pg_database where datname = %s", (db,))
            if exists.fetchone() is None:
                name = sql.Identifier(db)
                connection.execute(sql.SQL("create database {}").format(name))
        return self._address(db)

    def psql_line(self, db: str = "tracker") -> str:
        """Return the command with which a person looks into the database."""
        return shlex.join([str(self._binaries / "psql"), self._address(db)])

    def _address(self, db: str) -> str:
        host = str(self._socket)
        return make_conninfo("", host=host, port=_PORT, user="postgres", dbname=db)

    def _make_folders(self) -> None:
        postgres_binaries.require_traversable(self._data, self._owner)
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._socket.mkdir(mode=0o700, exist_ok=True)
            if self._owner:
                for folder in (self._root, self._socket):
                    os.chown(folder, self._owner.uid, self._owner.gid)
        except OSError as exc:
            raise ConfigError(f"the database folder {self._root} cannot be made: {exc}") from exc
        self._binaries = postgres_binaries.within_reach(self._binaries, self._owner, self._root)

    def _lock_folder(self) -> None:
        lock = (self._root / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StateDirBusy(f"another tracker runs the database in {self._root}") from None
        self._lock = lock

    def _make_cluster(self) -> None:
        have = postgres_binaries.major_version(self._binaries)
        if (self._data / "PG_VERSION").exists():
            made = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
            if made != have:
                raise ConfigError(
                    f"{self._data} was made by PostgreSQL {made}, but {self._binaries} is {have}: "
                    f"name a folder with PostgreSQL {made} in TRACKER_POSTGRES_BIN, or move the "
                    "data over with pg_dump and pg_restore"
                )
            return
        new = self._root / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        self._initdb(new, int(have))
        os.sync()
        new.rename(self._data)

    def _initdb(self, folder: Path, version: int) -> None:
        command = [str(self._binaries / "initdb"), "-D", str(folder), "-U", "postgres", "-N"]
        command += ["-A", "trust", "-E", "UTF8", "--data-checksums", "--locale=C.UTF-8"]
        if version >= 17:  # independent of the libc of the host
            command[-1:] = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        done = subprocess.run(  # noqa: S603 - the program that was found, and our own folder
            command, capture_output=True, check=False, **self._as_owner()
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise ConfigError(f"initdb could not make {folder}: {said}")

    def _as_owner(self) -> dict[str, Any]:
        run_as: dict[str, Any] = {"env": postgres_binaries.ENVIRONMENT, "cwd": "/"}
        if self._owner:
            run_as |= {"user": self._owner.uid, "group": self._owner.gid, "extra_groups": []}
        return run_as

    def _run(self, timeout_s: float) -> None:
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))
        end = time.monotonic() + timeout_s
        held_until = time.monotonic() + _HELD_S
        self._spawn()
        while not self._answers():
            if self._child is not None and self._child.poll() is not None:
                self._respawn_unless_hopeless(held_until)
            if time.monotonic() > end:
                raise StoreUnavailable(f"the embedded PostgreSQL is silent: {self._last_words()}")
            time.sleep(0.02)

    def _respawn_unless_hopeless(self, held_until: float) -> None:
        """Try again while a dying server holds the folder, or a stranger has its old pid."""
        pid_file = self._data / "postmaster.pid"
        if _is_stranger(self._pid_in_folder()):
            pid_file.unlink(missing_ok=True)
        elif time.monotonic() > held_until or not pid_file.exists():
            raise StoreUnavailable(f"the embedded PostgreSQL ended: {self._last_words()}")
        time.sleep(0.25)
        self._spawn()

    def _spawn(self) -> None:
        command = [str(self._binaries / "postgres"), "-D", str(self._data)]
        command += ["-k", str(self._socket)]
        for option in ("listen_addresses=", f"port={_PORT}", *self._options):
            command += ["-c", option]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - the program that was found
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we end it after the last commit
                preexec_fn=end_with_parent(signal.SIGINT),  # noqa: PLW1509 - one call, no lock taken
                **self._as_owner(),
            )

    def _answers(self) -> bool:
        """Return whether the server of this very folder answers on the socket."""
        try:
            with psycopg.connect(self._address("postgres"), connect_timeout=2) as connection:
                row = connection.execute("show data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and Path(row[0]).resolve() == self._data.resolve()

    def _pid_in_folder(self) -> int | None:
        try:
            return int((self._data / "postmaster.pid").read_text(encoding="ascii").split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _gone(self) -> bool:
        if self._child is not None:
            return self._child.poll() is not None
        return not (self._data / "postmaster.pid").exists()

    def _signal(self, pid: int, number: signal.Signals) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return  # it ended by itself

    def _last_words(self) -> str:
        try:
            return " ".join(self._log.read_text(encoding="utf-8", errors="replace")[-500:].split())
        except OSError:
            return f"see {self._log}"


def _wait(until: Callable[[], bool], timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while not until():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def end_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Return a `preexec_fn` after which the kernel sends this signal when the parent ends.

    None where the system has no such call. The parent is the thread that starts the process.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask


def _is_stranger(pid: int | None) -> bool:
    """Return whether a live process that is no PostgreSQL has this number (Linux)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat[stat.index("(") + 1 : stat.rindex(")")] != "postgres"
