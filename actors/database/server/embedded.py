"""An embedded PostgreSQL server: a child process that starts and stops with the tracker.

`folder.py` says what lies where in its folder, and to whom it belongs.

If the tracker is killed, the kernel stops the server too (Linux: PR_SET_PDEATHSIG). The kernel
ties that to the thread that started the server, so start it from the main thread.
"""

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from actors.database import queries
from actors.database.server import postgres_binaries
from actors.database.server.folder import LARGEST_LOG, ServerFolder
from actors.database.server.postgres_binaries import ServerUser
from actors.database.server.processes import (
    end_with_parent,
    is_other_program,
    is_running,
    signal_if_of,
)
from actors.database.session import translate_errors
from actors.errors import SHORTAGES, ConfigError, StoreUnavailable, start_error

_FOLDER_RELEASE_S = 30.0  # how long a stopping server may still hold the folder
_SERIOUS = re.compile(r"(?:FATAL|PANIC): .*?(?= \d{4}-\d\d-\d\d \d\d:|$)")
_PORT = 5432


class Addresses(NamedTuple):
    """The addresses of one database.

    Attributes:
        writer: Of the role as which the tracker runs; it owns nothing.
        owner: Of the role as which migrations run.
    """

    writer: str
    owner: str


class Embedded:
    """One server in one folder. Used by the main thread.

    Args:
        root: Its folder; created if it does not exist.
        options: Server settings, `name=value`.
    """

    def __init__(self, root: Path, options: tuple[str, ...] = ()) -> None:
        self._options = options
        self._binaries = postgres_binaries.find_binaries()
        self._user = postgres_binaries.server_user()
        self._folder = ServerFolder(root.absolute(), self._user)
        self._child: subprocess.Popen[bytes] | None = None
        self._running_pid: int | None = None  # of a server that ran already
        # The path of a socket has at most 108 bytes on Linux (unix(7)), 104 on macOS.
        longest = len(os.fsencode(self._folder.socket / f".s.PGSQL.{_PORT}.lock"))
        if longest > 100:
            raise ConfigError(
                f"the path {self._folder.socket} is too long for a Unix socket by"
                f" {longest - 100} bytes: choose a shorter TRACKER_STATE_DIR"
            )

    def start(self, timeout_s: float = 600) -> None:
        """Start the server and wait until it answers (0.1 s; the first time 1 s).

        Args:
            timeout_s: How long recovery after a crash may take.

        Raises:
            ConfigError: A person must change something; the message says what.
            Shortage: The machine lacks space, inodes or descriptors for it.
            StateDirBusy: Another tracker runs in this folder.
            StoreUnavailable: The server ended or did not answer in time.
        """
        postgres_binaries.require_traversable(self._folder.root, self._user)
        self._folder.open()
        try:
            self._binaries = postgres_binaries.reachable_binaries(
                self._binaries, self._user, self._folder.root
            )
            self._create_cluster()
            self._folder.require_original()
            if self._answers():
                self._running_pid = self._folder.pid()
            else:
                self._run(timeout_s)
        except (OSError, subprocess.SubprocessError) as exc:
            self.stop()
            what = "the embedded PostgreSQL cannot be started"
            if isinstance(exc, OSError) and exc.errno in SHORTAGES:
                raise start_error(exc, what) from exc
            raise StoreUnavailable(f"{what}: {exc}") from exc
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Check the folder as a start does, and change nothing.

        Raises:
            ConfigError: A person must change something; the message says what.
        """
        postgres_binaries.require_traversable(self._folder.root, self._user)
        made = self._folder.check()
        if made is not None:
            # Programs that only we may reach are copied by a start; they are ours, so we run them.
            reached = postgres_binaries.is_reachable(self._binaries, self._user)
            self._require_version(made, self._user if reached else None)

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
        self._folder.close()

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
        self._running_pid = None
        try:
            if is_other_program(self._folder.pid()):
                self._folder.remove_pid_file()
            self._folder.put_log_aside(from_bytes=LARGEST_LOG)
            self._spawn()
        except (OSError, subprocess.SubprocessError) as exc:
            raise StoreUnavailable(str(exc)) from exc

    def prepare(self, db: str = "tracker") -> Addresses:
        """Make the database and its roles where they are missing; return their addresses.

        What was made without the roles becomes the owner's.

        Raises:
            StoreUnavailable: The server does not answer.
        """
        self.dsn(db)
        with translate_errors(), self._connect(db) as connection:
            # A command beside a tracker does the same, and nobody may change a right meanwhile.
            with connection.transaction():
                connection.execute("lock table pg_authid in share row exclusive mode")
                connection.execute(queries.ROLES)
            connection.execute("set role tracker_owner")
            connection.execute(queries.GRANT_RIGHTS)
        return self.addresses(db)

    def addresses(self, db: str = "tracker") -> Addresses:
        """Return the addresses of a database that another tracker has prepared."""
        return Addresses(
            writer=self._address(db, "tracker_writer"), owner=self._address(db, "tracker_owner")
        )

    def dsn(self, db: str = "tracker") -> str:
        """Return the administrator's address of a database; create the database if need be.

        Raises:
            StoreUnavailable: The server does not answer.
        """
        with translate_errors(), self._connect("postgres") as connection:
            exists = connection.execute("select from pg_database where datname = %s", (db,))
            if exists.fetchone() is None:
                name = sql.Identifier(db)
                connection.execute(sql.SQL("create database {}").format(name))
        return self._address(db)

    def psql_command(self, db: str = "tracker") -> str:
        """Return the shell command that opens the database in psql, as its administrator."""
        return shlex.join([str(self._binaries / "psql"), self._address(db)])

    def _address(self, db: str, role: str = "postgres") -> str:
        host = str(self._folder.socket)
        # Whose the folder is could lead us to the socket of another service, as root.
        peer = {"requirepeer": self._user.name} if self._user else {}
        return make_conninfo("", host=host, port=_PORT, user=role, dbname=db, **peer)

    def _connect(self, db: str, timeout_s: int = 60) -> "psycopg.Connection[tuple[Any, ...]]":
        """Return a session of the administrator, in which nothing that others planted is found."""
        path = "-c search_path=pg_catalog,pg_temp"
        address = make_conninfo(self._address(db), connect_timeout=timeout_s, options=path)
        return psycopg.connect(address, autocommit=True)

    def _create_cluster(self) -> None:
        made = self._folder.version()
        ours = self._require_version(made, self._user)
        if made is None:
            self._initdb(self._folder.make_new_data(), int(ours))
            # initdb ran with -N, which syncs nothing. The files must be on the disk before the
            # name.
            os.sync()
            self._folder.complete_data()

    def _require_version(self, made: str | None, user: ServerUser | None) -> str:
        """Return the major version of our programs, run as this user.

        Raises:
            ConfigError: Another one has made the cluster.
        """
        ours = postgres_binaries.major_version(self._binaries, user)
        if made not in (None, ours):
            raise ConfigError(
                f"{self._folder.data} was made by PostgreSQL {made}, but {self._binaries} is"
                f" {ours}: name a folder with PostgreSQL {made} in TRACKER_POSTGRES_BIN, or move"
                " the data over with pg_dump and pg_restore"
            )
        return ours

    def _initdb(self, folder: Path, version: int) -> None:
        command = [str(self._binaries / "initdb"), "-D", str(folder), "-U", "postgres", "-N"]
        # Trust, because only those who may enter the folder of the socket (0700) reach the server.
        command += ["-A", "trust", "-E", "UTF8", "--data-checksums", "--locale=C.UTF-8"]
        if version >= 17:  # independent of the libc of the host
            command[-1:] = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        done = subprocess.run(  # noqa: S603 - the program that was found, and our own folder
            command, capture_output=True, check=False, **postgres_binaries.run_as(self._user)
        )
        if done.returncode:
            output = done.stderr.decode(errors="replace").strip()[-500:]
            for number in SHORTAGES:
                if os.strerror(number) in output:
                    exc = OSError(number, os.strerror(number))
                    raise start_error(exc, f"initdb could not create {folder}")
            raise ConfigError(f"initdb could not create {folder}: {output}")

    def _run(self, timeout_s: float) -> None:
        self._folder.put_log_aside()
        end = time.monotonic() + timeout_s
        retry_until = time.monotonic() + _FOLDER_RELEASE_S
        self._spawn()
        while not self._answers():
            if self._child is not None and self._child.poll() is not None:
                self._spawn_again(retry_until)
            if time.monotonic() > end:
                raise StoreUnavailable(
                    f"the embedded PostgreSQL does not answer: {self._folder.log_tail()}"
                )
            time.sleep(0.02)

    def _spawn_again(self, retry_until: float) -> None:
        """Start the server again if it ended because the folder seemed to be in use.

        That happens while an earlier server still stops, and when another program has been given
        the pid that postmaster.pid names.

        Raises:
            StoreUnavailable: It ended for another reason, or the folder stays in use.
        """
        if is_other_program(self._folder.pid()):
            self._folder.remove_pid_file()
        elif time.monotonic() > retry_until or not self._folder.has_pid_file:
            raise StoreUnavailable(f"the embedded PostgreSQL ended: {self._folder.log_tail()}")
        time.sleep(0.25)
        self._spawn()

    def _spawn(self) -> None:
        command = [str(self._binaries / "postgres"), "-D", str(self._folder.data)]
        command += ["-k", str(self._folder.socket)]
        for option in ("listen_addresses=", f"port={_PORT}", *self._options):
            command += ["-c", option]
        log = self._folder.open_log()
        try:
            # In a session of its own: Ctrl-C must not reach it, since it stops after the last
            # commit.
            self._child = subprocess.Popen(  # noqa: S603 - the program that was found
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Runs after the change of the user, which would clear the signal (prctl(2)).
                preexec_fn=end_with_parent(signal.SIGINT),  # noqa: PLW1509 - system calls only, no lock
                **postgres_binaries.run_as(self._user),
            )
        finally:
            os.close(log)

    def _answers(self) -> bool:
        """Return whether the server of this folder answers on the socket."""
        try:
            with self._connect("postgres", timeout_s=2) as connection:
                row = connection.execute("show data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and Path(row[0]).resolve() == self._folder.data.resolve()

    def _has_ended(self) -> bool:
        if self._child is not None:
            return self._child.poll() is not None
        return not self._folder.has_pid_file or not is_running(self._running_pid)

    def _signal(self, pid: int, number: signal.Signals) -> None:
        if self._child is not None:
            self._child.send_signal(number)
        else:
            signal_if_of(pid, number, self._user.uid if self._user else None)

    def _last_words(self) -> str:
        """Return the last line of the log that says what is wrong, without its time."""
        tail = self._folder.log_tail()
        lines = _SERIOUS.findall(tail)
        return lines[-1].strip() if lines else tail[-150:]


def _wait(until: Callable[[], bool], timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while not until():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
