"""Who a journal is, and since when no database has met it.

The identity is what a database knows a journal by. A state directory that was
restored from a copy bears the identity of the journal that went on without it:
its sequences mean other records there. A database tells so by a mark above what
was given out since journal and database last met; that place is kept in a file,
because the process that gave them out may be gone when they meet again.
"""

import contextlib
from collections.abc import Callable, Iterable
from uuid import UUID

from actors.journal.filesystem import Disk
from actors.journal.reserve import NO_ROOM

IDENTITY = "journal-id"
UNMET = "unmet"

Place = Callable[[str, Iterable[bytes]], object]
"""Writes a whole file, durably."""


def noted_identity(disk: Disk, directory: int) -> UUID | None:
    """Give the identity that stands in the directory; None when there is none to be read."""
    with contextlib.suppress(ValueError):
        text = _read(disk, directory, IDENTITY)
        return None if text is None else UUID(text)
    return None


class Unmet:
    """The lowest sequence that was given out since a database was met, or None.

    Args:
        first_seq: The first sequence of this process.
        oldest_seq: What to believe when the note cannot be read.

    Raises:
        OSError: The directory cannot be used; that it is full is no reason.
    """

    def __init__(
        self, disk: Disk, directory: int, place: Place, *, first_seq: int, oldest_seq: int
    ) -> None:
        self._disk = disk
        self._directory = directory
        noted = _read(disk, directory, UNMET)
        if noted is None:
            self.since: int | None = first_seq
            self._note(place, first_seq)
        else:
            self.since = int(noted) if noted.isdecimal() else oldest_seq

    def _note(self, place: Place, seq: int) -> None:
        try:
            place(UNMET, (f"{seq}\n".encode(),))
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                raise

    def met(self) -> None:
        """Journal and database agree: forget it, durably, before anything is committed.

        Raises:
            OSError: The note is still there; it will be believed at the next start.
        """
        if self.since is not None:
            with contextlib.suppress(FileNotFoundError):
                self._disk.unlink(self._directory, UNMET)
            self._disk.sync(self._directory)
            self.since = None


def _read(disk: Disk, directory: int, name: str) -> str | None:
    try:
        fd = disk.open_read(directory, name)
    except FileNotFoundError:
        return None
    try:
        return disk.pread(fd, 64, 0).decode("ascii", "replace").strip()
    finally:
        disk.close(fd)
