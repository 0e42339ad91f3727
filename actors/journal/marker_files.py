"""Who a journal is, and since when no database has met it.

The identity is what a database knows a journal by. A state directory that was
restored from a copy bears the identity of the journal that went on without it:
its sequences mean other records there. A database tells so by a mark above what
was given out since journal and database last met; that place is kept in a file,
because the process that gave them out may be gone when they meet again.
"""

import contextlib
import errno
from collections.abc import Callable, Iterable
from uuid import UUID

from actors.journal.filesystem import Disk

IDENTITY = "journal-id"
UNMET = "unmet"
Place = Callable[[str, Iterable[bytes]], object]
"""Writes a whole file, durably."""


def noted_identity(disk: Disk, directory: int) -> UUID | None:
    """Return the identity that stands in the directory; None when there is none to be read."""
    with contextlib.suppress(ValueError):
        text = _read(disk, directory, IDENTITY)
        return None if text is None else UUID(text)
    return None


class UnacknowledgedSince:
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


# MERGED: Disk space set aside, so that a full disk still takes the journal's last
# words. A file of real blocks. Freeing it makes room to write down where coverage ends when
# everything else has run full; it is built again before reading resumes.
RESERVE = "reserve"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class Reserve:
    """The file, held or freed.

    Args:
        directory: Open directory to have it in.
        size: Bytes to set aside.
    """

    def __init__(self, disk: Disk, directory: int, size: int) -> None:
        self._disk = disk
        self._directory = directory
        self.size = size
        self.held_bytes = 0

    def build(self) -> bool:
        """Have the file with all its blocks; give False when there is no room for it.

        Raises:
            OSError: Something else is wrong with the disk.
        """
        if self.size and not self.held_bytes:
            try:
                self._allocate()
            except OSError as exc:
                self.free()
                if exc.errno in NO_ROOM:
                    return False
                raise
            self.held_bytes = self.size
        return True

    def _allocate(self) -> None:
        try:
            fd = self._disk.create(self._directory, RESERVE)
        except FileExistsError:
            fd = self._disk.open_append(self._directory, RESERVE)
        try:
            self._disk.truncate(fd, self.size)
            self._disk.allocate(fd, self.size)
        finally:
            self._disk.close(fd)

    def free(self) -> None:
        """Return the space back to the disk."""
        with contextlib.suppress(FileNotFoundError):
            self._disk.unlink(self._directory, RESERVE)
        self.held_bytes = 0


# MERGED: Since which record the medium may lack what the kernel still gives. After a
# failed sync the kernel may have forgotten the bytes, and a later sync says yes nevertheless,
# in a later process too. This process carries such records over to a new segment; if it dies
# before that, a note in the directory has the next one do it. The note is an empty file that
# bears the sequence in its name, made with one call. It need not be durable: after a reboot
# what is read is what the medium has.


SUSPECT = "suspect-"


class FailedSyncMarker:
    """The note. A disk that does not take it has failed twice, and no error is raised for it.

    Args:
        directory: Open directory to have it in.
    """

    def __init__(self, disk: Disk, directory: int) -> None:
        self._disk = disk
        self._directory = directory

    def note(self, seq: int) -> None:
        """Records from this sequence on are in doubt."""
        with contextlib.suppress(OSError):
            self._disk.close(self._disk.create(self._directory, f"{SUSPECT}{seq:020d}"))

    def since(self) -> int | None:
        """Return from which sequence on there is doubt; None: there is none.

        Raises:
            OSError: The directory cannot be read.
        """
        told = (name.removeprefix(SUSPECT) for name in self._names())
        return min((int(digits) for digits in told if digits.isdecimal()), default=None)

    def lift(self) -> None:
        """All of it is on the medium. A note that stays costs the next life some work."""
        with contextlib.suppress(OSError):
            for name in self._names():
                self._disk.unlink(self._directory, name)

    def _names(self) -> list[str]:
        return [name for name in self._disk.names(self._directory) if name.startswith(SUSPECT)]
