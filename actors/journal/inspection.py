"""Look at a journal without opening it: for `--check`, also while a tracker works on it."""

import os
from pathlib import Path

from actors import files
from actors.errors import JournalUnreadable
from actors.journal.directory import HEAD_BYTES
from actors.journal.filesystem import Disk
from actors.journal.marker_files import IDENTITY, RESERVE, UNMET
from actors.journal.segment import first_seq_of, unpack_header

_LOCKS = Path("/proc/locks")
_FILES = frozenset({IDENTITY, RESERVE, UNMET})


def inspect(path: Path) -> bool:
    """Check that a start could open the journal; return whether a tracker works on it now.

    Nothing is changed, and no lock is taken: a start at the same moment would be rejected.

    Raises:
        JournalUnreadable: A start would end; the message names the file.
    """
    place = path
    try:
        directory = files.open_directory(path, make=False)
        try:
            files.require_plain(directory)
            if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
                raise JournalUnreadable(f"cannot use {path}: it may not be read or written")
            for name in Disk().names(directory):
                place = path / name
                _inspect(directory, name)
        finally:
            os.close(directory)
    except FileNotFoundError:
        return False  # it is made at the first start
    except OSError as exc:
        raise JournalUnreadable(f"cannot use {place}: {exc.strerror or exc}") from exc
    return is_locked(path)


def _inspect(directory: int, name: str) -> None:
    is_segment = first_seq_of(name) is not None
    if not is_segment and name not in _FILES:
        return
    disk = Disk()
    try:
        fd = disk.open_read(directory, name)
    except FileNotFoundError:
        return  # a tracker that runs has deleted it
    try:
        if is_segment:
            unpack_header(disk.pread(fd, HEAD_BYTES, 0), name)
    finally:
        disk.close(fd)


def is_locked(path: Path) -> bool:
    """Return whether a process has locked this directory; False where the system does not say."""
    try:
        found, lines = path.stat(), _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    # proc_locks(5): such as `1: FLOCK ADVISORY WRITE 4711 fd:01:131074 0 EOF`.
    held = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    return any(held in line.split() for line in lines)
