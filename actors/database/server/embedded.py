"""An embedded PostgreSQL server: a child process that starts and stops with the tracker.

    <root>/data        the cluster; made as data.new and renamed when it is complete
    <root>/s           the socket folder (0700): the only way in, no TCP
    <root>/server.log  the log of the server; of the start before in server.log.1
    <root>/lock        locked while it runs: one tracker for each folder

If the tracker is killed, the kernel stops the server too (Linux: PR_SET_PDEATHSIG). The kernel
ties that to the thread that started the server, so start it from the main thread.
"""

import ctypes
import fcntl
import os
import re
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

from actors.database.server import postgres_binaries
from actors.database.session import translate_errors
from actors.errors import ConfigError, StateDirBusy, StoreUnavailable

_PR_SET_PDEATHSIG = 1
_FOLDER_RELEASE_S = 30.0  # how long a stopping server may still hold the folder
_SERIOUS = re.compile(r"(?:FATAL|PANIC): .*?(?= \d{4}-\d\d-\d\d \d\d:|$)")
_LARGEST_LOG = 10 << 20
_PORT = 5432


class Embedded:
    """One server in one folder. Used by the main thread.

    Args:
        root: Its folder; created if it does not exist.
        options: Server settings, `name=value`.
    """

    def __init__(self, root: Path, options: tuple[str, ...] = ()) -> None:
        self._root = root.absolute()
        self._data = self._root / "data"
        self._socket = self._root / "s"
        self._log = self._root / "server.log"
        self._options = options
        self._binaries = postgres_binaries.find_binaries()
        self._user = postgres_binaries.server_user()
        self._child: subprocess.Popen[bytes] | None = None
        self._running_pid: int | None = None  # of a server that ran already
        self._lock: IO[bytes] | None = None
        # The path of a socket has at most 108 bytes on Linux (unix(7)), 104 on macOS.
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
            ConfigError: A person must change something; the message says what.
            StateDirBusy: Another tracker runs in this folder.
            StoreUnavailable: The server ended or did not answer in time.
        """
        self._create_folders()
        self._lock_folder()
        try:
            self._create_cluster()
            if self._answers():
                self._running_pid = self._pid_in_folder()
            else:
                self._run(timeout_s)
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout_s: float = 60) -> None:
        """Stop the server with a fast shutdown; if that takes too long, an immediate one."""
        pid = self._child.pid if self._child else self._running_pid
        if pid is not None and not self._has_ended():
            # SIGINT is a fast shutdown, SIGQUIT an immediate one (manual, "Shutting Down the
            # Server").
            self._signal(pid, signal.SIGINT)
            if not _wait(self._has_ended, timeout_s):
                self._signal(pid, signal.SIGQUIT)
                _wait(self._has_ended, 10)
        self._child = self._running_pid = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def ended(self) -> str:
        """Return how the server has ended, in one line; empty while it runs. Never waits."""
        if not self._has_ended():
            return ""
        code = None if self._child is None else self._child.returncode
        if code is None:
            return "it is gone"
        if code < 0:
            return f"it was ended by signal {-code}"
        return f"exit code {code}: {self._last_words()}"

    def start_again(self) -> None:
        """Start the server again after its end, without waiting until it answers.

        It may end once more, while processes of the one before still go. In the main thread.

        Raises:
            StoreUnavailable: It cannot be started.
        """
        if _is_other_program(self._pid_in_folder()):
            (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._running_pid = None
        try:
            if self._log.exists() and self._log.stat().st_size > _LARGEST_LOG:
                self._log.replace(self._log.with_suffix(".log.1"))
            self._spawn()
        except (OSError, subprocess.SubprocessError) as exc:
            raise StoreUnavailable(str(exc)) from exc

    def dsn(self, db: str = "tracker") -> str:
        """Return the address of a database of this server; create the database if need be.

        Raises:
            StoreUnavailable: The server does not answer.
        """
        with (
            translate_errors(),
            psycopg.connect(self._address("postgres"), autocommit=True) as connection,
        ):
            exists = connection.execute("select from pg_database where datname = %s", (db,))
            if exists.fetchone() is None:
                name = sql.Identifier(db)
                connection.execute(sql.SQL("create database {}").format(name))
        return self._address(db)

    def psql_command(self, db: str = "tracker") -> str:
        """Return the shell command that opens the database in psql."""
        return shlex.join([str(self._binaries / "psql"), self._address(db)])

    def _address(self, db: str) -> str:
        host = str(self._socket)
        return make_conninfo("", host=host, port=_PORT, user="postgres", dbname=db)

    def _create_folders(self) -> None:
        postgres_binaries.require_traversable(self._data, self._user)
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._socket.mkdir(mode=0o700, exist_ok=True)
            if self._user:
                for folder in (self._root, self._socket):
                    os.chown(folder, self._user.uid, self._user.gid)
        except OSError as exc:
            raise ConfigError(f"the database folder {self._root} cannot be created: {exc}") from exc
        self._binaries = postgres_binaries.reachable_binaries(
            self._binaries, self._user, self._root
        )

    def _lock_folder(self) -> None:
        lock = (self._root / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StateDirBusy(f"another tracker runs the database in {self._root}") from None
        self._lock = lock

    def _create_cluster(self) -> None:
        ours = postgres_binaries.major_version(self._binaries)
        if (self._data / "PG_VERSION").exists():
            made = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
            if made != ours:
                raise ConfigError(
                    f"{self._data} was made by PostgreSQL {made}, but {self._binaries} is {ours}: "
                    f"name a folder with PostgreSQL {made} in TRACKER_POSTGRES_BIN, or move the "
                    "data over with pg_dump and pg_restore"
                )
            return
        new = self._root / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        self._initdb(new, int(ours))
        # initdb ran with -N, which syncs nothing. The files must be on the disk before the name.
        os.sync()
        new.rename(self._data)

    def _initdb(self, folder: Path, version: int) -> None:
        command = [str(self._binaries / "initdb"), "-D", str(folder), "-U", "postgres", "-N"]
        # Trust, because only those who may enter the folder of the socket (0700) reach the server.
        command += ["-A", "trust", "-E", "UTF8", "--data-checksums", "--locale=C.UTF-8"]
        if version >= 17:  # independent of the libc of the host
            command[-1:] = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        done = subprocess.run(  # noqa: S603 - the program that was found, and our own folder
            command, capture_output=True, check=False, **self._run_as()
        )
        if done.returncode:
            output = done.stderr.decode(errors="replace").strip()[-500:]
            raise ConfigError(f"initdb could not create {folder}: {output}")

    def _run_as(self) -> dict[str, Any]:
        # The server's user may not be allowed to enter our working directory.
        run_as: dict[str, Any] = {"env": postgres_binaries.ENVIRONMENT, "cwd": "/"}
        if self._user:
            run_as |= {"user": self._user.uid, "group": self._user.gid, "extra_groups": []}
        return run_as

    def _run(self, timeout_s: float) -> None:
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))
        end = time.monotonic() + timeout_s
        retry_until = time.monotonic() + _FOLDER_RELEASE_S
        self._spawn()
        while not self._answers():
            if self._child is not None and self._child.poll() is not None:
                self._spawn_again(retry_until)
            if time.monotonic() > end:
                raise StoreUnavailable(
                    f"the embedded PostgreSQL does not answer: {self._log_tail()}"
                )
            time.sleep(0.02)

    def _spawn_again(self, retry_until: float) -> None:
        """Start the server again if it ended because the folder seemed to be in use.

        That happens while an earlier server still stops, and when another program has been given
        the pid that postmaster.pid names.

        Raises:
            StoreUnavailable: It ended for another reason, or the folder stays in use.
        """
        pid_file = self._data / "postmaster.pid"
        if _is_other_program(self._pid_in_folder()):
            pid_file.unlink(missing_ok=True)
        elif time.monotonic() > retry_until or not pid_file.exists():
            raise StoreUnavailable(f"the embedded PostgreSQL ended: {self._log_tail()}")
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
                start_new_session=True,  # Ctrl-C must not reach it: it stops after the last commit
                # Runs after the change of the user, which would clear the signal (prctl(2)).
                preexec_fn=end_with_parent(signal.SIGINT),  # noqa: PLW1509 - system calls only, no lock
                **self._run_as(),
            )

    def _answers(self) -> bool:
        """Return whether the server of this folder answers on the socket."""
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

    def _has_ended(self) -> bool:
        if self._child is not None:
            return self._child.poll() is not None
        return not (self._data / "postmaster.pid").exists() or not _is_running(self._running_pid)

    def _signal(self, pid: int, number: signal.Signals) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return  # it has ended

    def _last_words(self) -> str:
        """Return the last line of the log that says what is wrong, without its time."""
        tail = self._log_tail()
        lines = _SERIOUS.findall(tail)
        return lines[-1].strip() if lines else tail[-150:]

    def _log_tail(self) -> str:
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
    """Return a `preexec_fn` by which the kernel sends a child this signal when its parent ends.

    None where there is no such thing (Linux only). The kernel takes the end of the thread that
    started the child for the end of the parent.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)

    return arm


def _is_running(pid: int | None) -> bool:
    """Return whether a process has this pid, and has not ended."""
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return sys.platform != "linux"
    return stat[stat.rindex(")") + 2] != "Z"  # one that nobody has waited for yet


def _is_other_program(pid: int | None) -> bool:
    """Return whether a running process that is no PostgreSQL has this pid (Linux)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # The name of a program may hold brackets itself (proc(5)), so the last one ends it.
    return stat[stat.index("(") + 1 : stat.rindex(")")] != "postgres"
