"""The folder of the embedded server: who owns what in it, and how each thing is opened.

    <root>               ours; as root 0711, so that the server's user may pass through
    <root>/data          the cluster; made as data.new and renamed when it is complete
    <root>/s             the socket folder (0700): the only way in, no TCP
    <root>/server.log    the log of the server; of the start before in server.log.1
    <root>/lock          locked while it runs: one tracker for each folder
    <root>/programs      a copy of the programs, if the server's user may not enter their folder

`data` and `s` belong to the user that the server runs as, everything else to us. If we are root,
that is another one, who must not become root by what it puts there: nothing of ours is opened
through a link, and what it may write is read with care and never run.
"""

import contextlib
import fcntl
import os
from pathlib import Path

from actors import files
from actors.database.server.postgres_binaries import ServerUser
from actors.database.server.processes import is_running, locked_by
from actors.errors import ConfigError, Fatal, StateDirBusy, start_error

LARGEST_LOG = 10 << 20
LOG = "server.log"
_OLD_LOG = "server.log.1"
_LOCK = "lock"
_DATA, _NEW_DATA, _SOCKET = "data", "data.new", "s"
_PID_FILE, _VERSION = "postmaster.pid", "PG_VERSION"
_TAIL_BYTES = 2000
_PID_FILE_BYTES = 8192  # a path in it has at most 4096


class ServerFolder:
    """The folder, open and locked from `open` to `close`.

    Args:
        root: Where it is.
        user: Who the server runs as, if that is not us.
    """

    def __init__(self, root: Path, user: ServerUser | None) -> None:
        self.root = root
        self.data = root / _DATA
        self.socket = root / _SOCKET
        self._user = user
        self._owner = user.uid if user else os.geteuid()
        # Of old all of it belonged to the server's user.
        self._owners = (user.uid,) if user else ()
        self._fd: int | None = None
        self._lock: int | None = None

    def check(self) -> str | None:
        """Check what is there as `open` does, and change nothing; return the version as `version`.

        Raises:
            ConfigError: Something in it is not as we make it, or it cannot be used.
        """
        try:
            self._fd = files.open_directory(self.root, make=False, owners=self._owners)
            self._check(self._fd)
            return self._checked_version()
        except FileNotFoundError:  # made at the first start
            return None
        except OSError as exc:
            raise _unusable(self.root, exc) from exc
        finally:
            self.close()

    def open(self) -> None:
        """Make what is missing, take over an older layout, check what is there, lock it.

        Raises:
            ConfigError: Something in it is not as we make it, or it cannot be used.
            Shortage: The machine lacks space, inodes or descriptors for it.
            StateDirBusy: Another tracker has locked it.
        """
        try:
            mode = 0o711 if self._user else 0o700
            self._fd = files.open_directory(self.root, mode=mode, owners=self._owners)
            if self._user:
                files.take_over(self._fd, mode)
            self._check(self._fd)
            self._make_socket_folder(self._fd)
            self._lock = files.open_or_create(self._fd, _LOCK)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = locked_by(self._lock or 0)
            self.close()
            raise StateDirBusy(
                f"{who} runs the database in {self.root}: end it first, or name another state"
                " directory with TRACKER_STATE_DIR"
            ) from None
        except OSError as exc:
            self.close()
            raise _unusable(self.root, exc) from exc

    def close(self) -> None:
        """Unlock the folder."""
        for fd in (self._lock, self._fd):
            if fd is not None:
                os.close(fd)
        self._lock = self._fd = None

    def _check(self, fd: int) -> None:
        for name in (_DATA, _SOCKET):
            files.require_directory(fd, name, (self._owner,))
        for name in (_NEW_DATA, "programs", "programs.new"):
            files.require_directory(fd, name, (self._owner, os.geteuid()))
        for name in (_LOCK, LOG, _OLD_LOG):
            if files.links(fd, name):
                os.close(files.open_append(fd, name))

    def _make_socket_folder(self, fd: int) -> None:
        if not files.require_directory(fd, _SOCKET, (self._owner,)):
            os.mkdir(_SOCKET, 0o700, dir_fd=fd)
        self._give(fd, _SOCKET)

    def _give(self, fd: int, name: str) -> None:
        """Let a folder belong to the server's user alone."""
        folder = files.open_inner(fd, name)
        try:
            if self._user:
                os.fchown(folder, self._user.uid, self._user.gid)
            os.fchmod(folder, 0o700)
        finally:
            os.close(folder)

    # ------------------------------------------------------------- the cluster

    def make_new_data(self) -> Path:
        """Make an empty folder for a cluster, in place of an unfinished one; return its path."""
        fd = self._open_fd()
        files.remove_tree(fd, _NEW_DATA)
        os.mkdir(_NEW_DATA, 0o700, dir_fd=fd)
        self._give(fd, _NEW_DATA)
        return self.root / _NEW_DATA

    def complete_data(self) -> None:
        """Let the new cluster be the one that is used."""
        fd = self._open_fd()
        os.rename(_NEW_DATA, _DATA, src_dir_fd=fd, dst_dir_fd=fd)

    def version(self) -> str | None:
        """Return the major version that made the cluster; None if there is no whole one.

        Raises:
            ConfigError: It is nowhere to be read, though there is a cluster.
        """
        try:
            text = self._read(_VERSION)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise _unusable(self.data / _VERSION, exc) from exc
        # The server's user could have put anything there, and it is printed.
        if not text.isdecimal():
            raise ConfigError(f"{self.data / _VERSION} does not hold the version of a PostgreSQL")
        return text

    def _checked_version(self) -> str | None:
        """Return the version as `version`, after a look whether it is a copy."""
        made = self.version()
        if made is not None:
            self.require_original()
        return made

    def pid(self) -> int | None:
        """Return the pid that the file of the server names, whoever that is."""
        try:
            return int(self._read(_PID_FILE))
        except (OSError, ValueError):
            return None

    def require_original(self) -> None:
        """Check that the cluster is no copy of one whose server runs.

        Raises:
            ConfigError: It is. What was copied while a server wrote it need not fit together.
        """
        pid, data = self.pid(), self._data_of_pid_file()
        if data is None or not is_running(pid):
            return
        try:
            first = files.open_inner(self._open_fd(), str(data))
            try:
                is_own = os.path.samestat(os.fstat(first), self.data.stat())
                words = files.read_foreign(first, _PID_FILE, 32).split()
            finally:
                os.close(first)
        except OSError:
            return  # moved, and its server is about to end
        if not is_own and words[:1] == [str(pid).encode()]:
            raise ConfigError(
                f"{self.root} is a copy of {data.parent}, made while its PostgreSQL ran (process"
                f" {pid}, in {_PID_FILE}): such a copy need not be whole. Stop the tracker there"
                f" and copy again, or move the data over with pg_dump and pg_restore; for a new"
                f" database remove {self.root}"
            )

    def _data_of_pid_file(self) -> Path | None:
        """Return the folder of the cluster that the file of the server names, if it does."""
        try:
            lines = self._text(_PID_FILE, _PID_FILE_BYTES).split("\n")
        except OSError:
            return None
        data = lines[1] if len(lines) > 2 else ""
        return Path(data) if data.startswith("/") and "\0" not in data else None

    @property
    def has_pid_file(self) -> bool:
        """Return whether the server has not removed its file yet."""
        return os.path.lexists(self.data / _PID_FILE)

    def remove_pid_file(self) -> None:
        """Remove the file of a server that has ended."""
        data = files.open_inner(self._open_fd(), _DATA)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_PID_FILE, dir_fd=data)
        finally:
            os.close(data)

    def _read(self, name: str) -> str:
        """Return the first word of a file of the cluster."""
        words = self._text(name, 32).split()
        return words[0] if words else ""

    def _text(self, name: str, size: int) -> str:
        """Return the beginning of a file of the cluster."""
        data = files.open_inner(self._open_fd(), _DATA)
        try:
            return os.fsdecode(files.read_foreign(data, name, size))
        finally:
            os.close(data)

    # ----------------------------------------------------------------- its log

    def open_log(self) -> int:
        """Return a descriptor of the log, for appending."""
        return files.open_or_create(self._open_fd(), LOG)

    def put_log_aside(self, *, from_bytes: int = 0) -> None:
        """Begin another log, and keep the last one; not if it is shorter than that."""
        fd = self._open_fd()
        with contextlib.suppress(FileNotFoundError):
            if os.stat(LOG, dir_fd=fd, follow_symlinks=False).st_size > from_bytes:
                os.rename(LOG, _OLD_LOG, src_dir_fd=fd, dst_dir_fd=fd)

    def log_tail(self) -> str:
        """Return the end of the log in one line."""
        try:
            log = files.open_read(self._open_fd(), LOG)
        except OSError:
            return f"see {self.root / LOG}"
        try:
            size = os.fstat(log).st_size
            raw = os.pread(log, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        finally:
            os.close(log)
        return " ".join(raw.decode("utf-8", "replace")[-500:].split())

    def _open_fd(self) -> int:
        if self._fd is None:
            raise OSError(f"{self.root} is not open")
        return self._fd


def _unusable(path: Path, exc: OSError) -> Fatal:
    if isinstance(exc, files.NotOurs):
        return ConfigError(f"database folder: {exc.strerror}")
    return start_error(exc, f"the database folder {path} cannot be used")
