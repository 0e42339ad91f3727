"""The small files beside the segments: identity, notes for the next process, and the reserve.

`journal-id`: the identity by which a database knows the journal. A state directory that was
    restored from a backup has the identity of the journal that went on without it, but its
    sequences mean other records there.
`unmet`: the lowest sequence that was assigned since a database last acknowledged the journal.
    A database whose watermark is above it belongs to the other journal. The number is in a
    file, because the process that assigned the sequences may be gone when the two meet again.
    So it is there before the first sequence is assigned.
`suspect-<sequence>`: a failed sync. The kernel may have forgotten the bytes and report success
    at the next sync nevertheless, in a later process too. Records from this sequence on are
    carried over to a new segment; if this process ends before that, the next one writes their
    segments again. The file is empty and created with one call. It need not be durable, because
    after a restart of the machine whatever can be read comes from the disk.
`reserve`: allocated disk space. Freeing it lets a full disk take the last records of the
    connections, which say where coverage ends. A rest of a few blocks stays, for the one file
    without which what is committed could not be deleted. It is allocated again before reading
    resumes.
"""

import contextlib
import errno
from collections.abc import Callable, Iterable
from threading import Lock
from typing import TypeVar
from uuid import UUID

from actors.journal.filesystem import Disk

IDENTITY = "journal-id"
UNMET = "unmet"  # an old name that stays: journals on disk have it
SUSPECT = "suspect-"
RESERVE = "reserve"
REST_BYTES = 16 * 1024
"""The most that stays of the reserve when it is freed."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})

WriteFile = Callable[[str, Iterable[bytes]], object]
"""Writes a whole file durably."""

T = TypeVar("T")


def read_identity(disk: Disk, directory: int) -> UUID | None:
    """Return the identity in the file, or None when there is none that can be read."""
    with contextlib.suppress(ValueError):
        text = _read(disk, directory, IDENTITY)
        return None if text is None else UUID(text)
    return None


class Reserve:
    """Disk space that is kept for the last records. From any thread.

    Args:
        directory: Open directory for the file.

    Attributes:
        size: Bytes to allocate; 0 until it is set.
        held_bytes: Bytes that are allocated now; at first what an earlier process left.
        is_freed: It was freed, or there was no space for it, since it was last built.

    Raises:
        OSError: The directory cannot be read.
    """

    def __init__(self, disk: Disk, directory: int) -> None:
        self._disk = disk
        self._directory = directory
        self._lock = Lock()
        self._is_allocated = False  # the length of a file alone does not show that
        self.size = 0
        self.held_bytes = self._found_bytes = self._found()
        self.is_freed = False

    def _found(self) -> int:
        try:
            fd = self._disk.open_read(self._directory, RESERVE)
        except FileNotFoundError:
            return 0
        try:
            return self._disk.size(fd)
        finally:
            self._disk.close(fd)

    @property
    def _rest(self) -> int:
        # A cap that is lower than it was needs no smaller rest.
        return min(REST_BYTES, max(self.size // 8, self._found_bytes))

    def build(self) -> bool:
        """Allocate the file; return False when there is no space for it.

        Raises:
            OSError: Another fault of the disk.
        """
        with self._lock:
            self.is_freed = False
            if self._is_allocated and self.held_bytes == self.size:
                return True
            before = self.held_bytes
            try:
                self._allocate(self.size)
            except OSError as exc:
                self._keep(before)
                # Nor is there space for a file where the directory was deleted.
                if exc.errno in NO_SPACE | {errno.ENOENT}:
                    return False
                raise
            return True

    def _allocate(self, size: int) -> None:
        if not size:
            self._delete()
            return
        if self._disk.links(self._directory, RESERVE) > 1:
            # Its other name may be a file that must not change.
            self._disk.unlink(self._directory, RESERVE)
        try:
            fd = self._disk.create(self._directory, RESERVE)
        except FileExistsError:
            fd = self._disk.open_append(self._directory, RESERVE)
        try:
            # The length alone would make a hole without blocks, which keeps no space (truncate(2)).
            self._disk.truncate(fd, size)
            self._disk.allocate(fd, size)
        finally:
            self._disk.close(fd)
        self.held_bytes, self._is_allocated = size, True

    def free(self) -> None:
        """Free all but the rest."""
        with self._lock:
            self._keep(min(self._rest, self.held_bytes))

    def _keep(self, size: int) -> None:
        self.is_freed = True
        try:
            self._allocate(size)
        except OSError:
            self._delete()

    def _delete(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._disk.unlink(self._directory, RESERVE)
        self.held_bytes, self._is_allocated = 0, True

    def lend(self, write: Callable[[], T], *, all_of_it: bool = False) -> T:
        """Return what `write` returns; when it finds no space, call it again without the reserve.

        Args:
            write: May be called twice.
            all_of_it: Free the rest of the reserve, too.
        """
        try:
            return write()
        except OSError as exc:
            if exc.errno not in NO_SPACE or self.held_bytes <= (0 if all_of_it else self._rest):
                raise
        if all_of_it:
            with self._lock:
                self.is_freed = True
                self._delete()
        else:
            self.free()
        return write()


class UnacknowledgedSince:
    """The lowest sequence that was assigned since a database acknowledged the journal.

    `acknowledge` and `note` may be called from two threads.

    Args:
        write_file: Writes the file.
        reserve: May be freed for the file.
        first_seq: The first sequence of this process.
        oldest_seq: The value to assume when the file cannot be read.

    Attributes:
        since: The sequence; None once a database has acknowledged the journal.
        noted: The next process would find it; no sequence may be assigned before.

    Raises:
        OSError: The directory cannot be used. A full disk is no error.
    """

    def __init__(
        self,
        disk: Disk,
        directory: int,
        *,
        write_file: WriteFile,
        reserve: Reserve,
        first_seq: int,
        oldest_seq: int,
    ) -> None:
        self._disk = disk
        self._directory = directory
        self._write_file = write_file
        self._reserve = reserve
        self._lock = Lock()
        text = _read(disk, directory, UNMET)
        self.noted = text is not None
        if text is None:
            self.since: int | None = first_seq
        else:
            self.since = int(text) if text.isdecimal() else oldest_seq
        try:
            self.note()
        except OSError as exc:
            if exc.errno not in NO_SPACE:
                raise

    def note(self) -> None:
        """Write the file, unless it is there or a database has acknowledged the journal.

        Raises:
            OSError: There is no space for it, or the disk fails.
        """
        with self._lock:
            if not self.noted:
                self._reserve.lend(lambda: self._write_file(UNMET, (f"{self.since}\n".encode(),)))
                self.noted = True

    def acknowledge(self) -> None:
        """Delete the file durably. Must be called before anything is committed.

        Raises:
            OSError: The file may still be there; the next process then reads it.
        """
        with self._lock:
            if self.since is None:
                return
            # Durable before the first commit: if the file came back after a loss of power, the next
            # process would take our own watermark for that of another journal.
            with contextlib.suppress(FileNotFoundError):
                self._disk.unlink(self._directory, UNMET)
            self._disk.sync(self._directory)
            self.since, self.noted = None, True


class FailedSyncMarker:
    """From which record on the disk may lack what the kernel still returns.

    Args:
        directory: Open directory for the file.

    Attributes:
        since: The sequence from which on records may be missing on the disk, or None.

    Raises:
        OSError: The directory cannot be read.
    """

    def __init__(self, disk: Disk, directory: int) -> None:
        self._disk = disk
        self._directory = directory
        found = (name.removeprefix(SUSPECT) for name in self._names())
        self.since = min((int(digits) for digits in found if digits.isdecimal()), default=None)

    def set(self, seq: int) -> None:
        """Record that records from this sequence on may be missing on the disk.

        Raises:
            OSError: The disk has then failed twice.
        """
        self.since = seq if self.since is None else min(seq, self.since)
        with contextlib.suppress(FileExistsError):
            self._disk.close(self._disk.create(self._directory, f"{SUSPECT}{seq:020d}"))

    def clear(self) -> None:
        """Delete the marker, because every record is on the disk.

        A marker that cannot be deleted is tried again by the next call; it only makes the next
        process write some segments again.
        """
        if self.since is not None:
            with contextlib.suppress(OSError):
                for name in self._names():
                    self._disk.unlink(self._directory, name)
                self.since = None

    def _names(self) -> list[str]:
        return [name for name in self._disk.names(self._directory) if name.startswith(SUSPECT)]


def _read(disk: Disk, directory: int, name: str) -> str | None:
    try:
        fd = disk.open_read(directory, name)
    except FileNotFoundError:
        return None
    try:
        return disk.pread(fd, 64, 0).decode("ascii", "replace").strip()
    finally:
        disk.close(fd)
