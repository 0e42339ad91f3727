"""The directory of a journal: its lock, its identity, and its segments in order.

A file is written under a temporary name and synced before it gets its name; then the directory
is synced. So a segment that has its name holds whatever it was created with. Files that still
have a temporary name are left over from a process that ended, and are deleted.

Nothing is built upon a name that may not be durable: a start syncs the directory before it uses
what it finds there, and a segment is appended to once its name is synced. When that fails, the
segment is given up without a record, and the one that replaces it deletes it. Nothing here may
need space before what the journal holds is read, since only reading it makes space.

There is always at least one segment, so the last sequence is never forgotten. A directory
without a segment is a new journal and gets a new identity.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

from actors.errors import StateDirBusy
from actors.journal.filesystem import Disk
from actors.journal.marker_files import IDENTITY, NO_SPACE, FailedSyncMarker, read_identity
from actors.journal.segment import (
    CHUNK_BYTES,
    HEADER_BYTES,
    RECORD_BYTES,
    Found,
    Header,
    Scan,
    Segment,
    file_name,
    first_seq_of,
    is_torn,
    seed_of,
    unpack_header,
    write_all,
)

TEMPORARY = ".tmp"
DAMAGED = ".corrupt"
DAMAGED_KEPT = 2
HEAD_BYTES = 4096
UNSYNCED_RECORDS = 65_536
"""The most records that may be written and not synced; see `active_segment`."""


class JournalDirectory:
    """An open and locked directory. Not for two threads at once, except `records`.

    Args:
        disk: The file system that the directory is on.
        path: The directory.
        wall_ns: Wall clock, nanoseconds.

    Attributes:
        fd: The open directory.
        segments: Lowest sequence first.
        names_in_doubt: The name of the last segment may not be durable.
        seed: Start value of the checksums of new records.

    Raises:
        StateDirBusy: Another process has locked it.
        JournalUnreadable: A newer version wrote a segment.
        OSError: The directory or a file in it cannot be used.
    """

    def __init__(
        self, disk: Disk, path: Path, *, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.disk = disk
        self.path = path
        self._wall_ns = wall_ns
        self.fd = disk.open_directory(path)
        try:
            self._lock_and_load()
        except BaseException:
            disk.close(self.fd)
            raise

    def _lock_and_load(self) -> None:
        try:
            # First of all: the temporary files of a tracker that runs must not be deleted.
            self.disk.lock(self.fd)
        except BlockingIOError as exc:
            raise StateDirBusy(f"another tracker works on {self.path}") from exc
        self.disk.check(self.fd)
        self._delete_leftovers()
        self.failed_sync = FailedSyncMarker(self.disk, self.fd)
        self._boot_id = self.disk.boot_id()
        self._unsynced: set[int] = set()
        self.segments = self._load()
        self._write_doubtful_again()
        # The process that gave a file its name may have ended before it synced the directory. What
        # is appended to that file now would go with the name in a loss of power.
        self.disk.sync(self.fd)
        self.names_in_doubt = False
        self.journal_id = self._identify()
        self.seed = seed_of(self.journal_id.bytes)

    def _delete_leftovers(self) -> None:
        """Delete temporary files, and fail now if the directory cannot be written."""
        for name in self.disk.names(self.fd):
            if name.endswith(TEMPORARY):
                self.disk.unlink(self.fd, name)
        probe = "probe" + TEMPORARY
        try:
            self.disk.close(self.disk.create(self.fd, probe))
        except OSError as exc:
            if exc.errno not in NO_SPACE:
                raise
        else:
            self.disk.unlink(self.fd, probe)

    # -------------------------------------------------------------- identity

    def _identify(self) -> UUID:
        """Return the identity from the file, else from a segment, else a new one; keep it."""
        identity = read_identity(self.disk, self.fd)
        if not self.segments or identity is None:
            known = (UUID(bytes=s.header.journal_id) for s in reversed(self.segments) if s.header)
            identity = next(known, None) or uuid4()
            try:
                self.write_file(IDENTITY, (f"{identity}\n".encode(),))
            except OSError as exc:
                # What the journal holds can be stored without the file: the next segment has it.
                if exc.errno not in NO_SPACE or not self.segments:
                    raise
        return identity

    def renew(self) -> None:
        """Take a new identity for the segments created from now on; older ones stay readable.

        Raises:
            OSError: It could not be written; nothing has changed.
        """
        identity = uuid4()
        self.write_file(IDENTITY, (f"{identity}\n".encode(),))
        self.journal_id = identity
        self.seed = seed_of(identity.bytes)

    # --------------------------------------------------------------- loading

    def _load(self) -> list[Segment]:
        """Return the segments, and delete those whose records were carried over to another."""
        firsts = (first_seq_of(name) for name in self.disk.names(self.fd))
        loaded = [self._load_one(first) for first in sorted(f for f in firsts if f is not None)]
        kept: list[Segment] = []
        carried_to = 0
        for segment in loaded:
            # A process that ended in `create_segment`, between the rename and the unlink, leaves
            # both. The disk may lack a part of the old one; the copies were synced.
            if segment.first_seq <= carried_to:
                self.disk.unlink(self.fd, segment.name)
                continue
            kept.append(segment)
            carried_to = segment.header.carried_to if segment.header else 0
        # Its other name may be a file that must not change, such as a copy made of hard links.
        if kept and self.disk.links(self.fd, kept[-1].name) > 1:
            self._unsynced.add(kept[-1].first_seq)
        return kept

    def _load_one(self, first_seq: int) -> Segment:
        name = file_name(first_seq)
        fd = self.disk.open_read(self.fd, name)
        try:
            header = unpack_header(self.disk.pread(fd, HEAD_BYTES, 0), name)
            segment = Segment(first_seq, header, self.disk.size(fd))
            try:
                # What a killed process wrote may be in the page cache only.
                self.disk.sync_data(fd)
            except OSError:
                self._unsynced.add(first_seq)
            return segment
        finally:
            self.disk.close(fd)

    # ----------------------------------------------------------- failed syncs

    def _write_doubtful_again(self) -> None:
        """Write again whatever can be read and may be missing on the disk.

        Where that fails too, nothing is appended, and the next process tries again.
        """
        # After a restart of the machine too, which a step of the clock may only look like.
        if self.failed_sync.since is not None and self.segments:
            self._unsynced |= self._unsynced_from(self.failed_sync.since)
        for segment in self.segments:
            if segment.first_seq in self._unsynced:
                try:
                    self._write_again(segment)
                except OSError:
                    with contextlib.suppress(OSError):
                        self.failed_sync.set(segment.first_seq)
                else:
                    self._unsynced.remove(segment.first_seq)
        self.all_synced()

    def _unsynced_from(self, seq: int) -> set[int]:
        """Return the first sequences of the segments that may not have been synced since then."""
        ends = (*(each.first_seq for each in self.segments[1:]), seq + 1)
        return {
            segment.first_seq
            for segment, end in zip(self.segments, ends, strict=True)
            if end > seq and segment.first_seq <= seq + UNSYNCED_RECORDS
        }

    def _write_again(self, segment: Segment) -> None:
        """Replace the file of a segment by a copy of what the kernel returns of it, durably."""
        fd = self.disk.open_read(self.fd, segment.name)
        try:
            starts = range(0, segment.size, CHUNK_BYTES)
            chunks = (self.disk.pread(fd, CHUNK_BYTES, start) for start in starts)
            self.write_file(segment.name, chunks)
        finally:
            self.disk.close(fd)

    @property
    def unsynced_since(self) -> int | None:
        """Return from which sequence on the start could not make sure of the disk, or None."""
        found = (each.first_seq for each in self.segments if each.first_seq in self._unsynced)
        return next(found, None)

    def all_synced(self) -> None:
        """Record that the disk has all that was appended; what an earlier process left may lack."""
        if self.failed_sync.since is not None and self.unsynced_since is None:
            self.failed_sync.clear()

    # ------------------------------------------------------- the end of the journal

    def recover(self) -> tuple[int, int]:
        """Find the end of the last segment and cut off what is not a whole record behind it.

        Returns:
            The highest sequence that is known to be in use, and how many above it may have
            been used and lost: after a restart of the machine, as many as may be unsynced;
            where more than one unfinished record was cut off, as many as fit in its place.
        """
        if not self.segments:
            return 0, 0
        last = self.segments[-1]
        used, end = last.first_seq - 1, HEADER_BYTES if last.header else 0
        for found in self.records(last, end, last.size):
            used, end = found.seq, found.end
            last.index_record(found.seq, found.begin)
        lost = 0 if self.is_of_this_boot(last) else UNSYNCED_RECORDS
        if end < last.size:
            head = self._head_at(last, end)
            if not is_torn(head, last.size - end, used + 1):
                lost += (last.size - end) // RECORD_BYTES
            self._cut(last, end)
        carried_to = last.header.carried_to if last.header else 0
        return max(used, carried_to), lost

    def is_of_this_boot(self, segment: Segment) -> bool:
        """Return whether the segment was created since the machine was started."""
        return segment.header is not None and segment.header.boot_id == self._boot_id

    def _head_at(self, segment: Segment, offset: int) -> bytes:
        fd = self.disk.open_read(self.fd, segment.name)
        try:
            return self.disk.pread(fd, RECORD_BYTES, offset)
        finally:
            self.disk.close(fd)

    def _cut(self, segment: Segment, end: int) -> None:
        fd = self.disk.open_append(self.fd, segment.name)
        try:
            self.disk.truncate(fd, end)
            # Otherwise a loss of power could bring the old tail back behind records that are
            # appended now.
            self.disk.sync(fd)
        finally:
            self.disk.close(fd)
        segment.size = end

    def reopen_last(self) -> Segment | None:
        """Return the last segment open for appending, or None when it must not be appended to."""
        last = self.segments[-1] if self.segments else None
        if last is None or last.header is None or last.first_seq in self._unsynced:
            return None
        # The checksums of all records in a file depend on the one identity in its header.
        if last.header.journal_id != self.journal_id.bytes:
            return None
        last.fd = self.disk.open_append(self.fd, last.name)
        return last

    # --------------------------------------------------------------- changes

    def create_segment(
        self, first_seq: int, *, after_seq: int, carried: Iterable[tuple[int, bytes]] = ()
    ) -> Segment:
        """Create a segment durably, with records that are carried over, as the last one.

        It replaces segments that begin at or above `first_seq`.

        Args:
            first_seq: The lowest sequence that can be in it.
            after_seq: The last sequence that was used before it.
            carried: (sequence, bytes) of records, in order, beginning with `first_seq`.

        Raises:
            OSError: It could not be created. If it has its name, it is there without being open.
        """
        carried = tuple(carried)
        header = Header(
            first_seq=first_seq,
            after_seq=after_seq,
            carried_to=carried[-1][0] if carried else 0,
            created_at_ns=self._wall_ns(),
            journal_id=self.journal_id.bytes,
            boot_id=self._boot_id,
        )
        name = file_name(first_seq)
        parts = (header.pack(), *(record for _, record in carried))
        fd = self._write_temporary(name, parts)
        try:
            self._rename(name)
            segment = Segment(first_seq, header, sum(map(len, parts)), fd)
            self._put_in_place(segment, header.carried_to)
        except BaseException:
            self.disk.close(fd)
            raise
        return segment

    def _put_in_place(self, segment: Segment, carried_to: int) -> None:
        """Make a segment that has its name the last one, durably.

        Raises:
            OSError: Its name may not be durable, so it is there without being open.
        """
        fd, segment.fd = segment.fd, None
        # One that begins with the same sequence has been replaced by the rename.
        replaced = [each for each in self.segments if each.first_seq > segment.first_seq]
        self.segments = [each for each in self.segments if each.first_seq < segment.first_seq]
        self.segments.append(segment)
        self.names_in_doubt = True
        for each in replaced:
            try:
                self.disk.unlink(self.fd, each.name)
            except OSError:
                # Deleted at the next start: see `carried_to`. But one without records, which lies
                # above that, would be taken for the end of the journal there.
                if each.first_seq > carried_to:
                    raise
        # Once for all names: of the new segment, and of those that it replaces.
        self.disk.sync(self.fd)
        self.names_in_doubt = False
        segment.fd = fd

    def write_file(self, name: str, parts: Iterable[bytes]) -> None:
        """Write a whole file durably."""
        self.disk.close(self._write_temporary(name, parts))
        self._rename(name)
        self.disk.sync(self.fd)

    def _write_temporary(self, name: str, parts: Iterable[bytes]) -> int:
        """Write a file under its temporary name, sync it, and return its descriptor."""
        fd = self.disk.create(self.fd, name + TEMPORARY)
        try:
            for part in parts:
                write_all(self.disk, fd, part)
            # Before the rename: else the name could lead to an empty file after a loss of power.
            # After it the directory, since fsync of a file does not write its name (fsync(2)).
            self.disk.sync(fd)
        except BaseException:
            self.disk.close(fd)
            self._delete_temporary(name)
            raise
        return fd

    def _rename(self, name: str) -> None:
        try:
            self.disk.rename(self.fd, name + TEMPORARY, name)
        except BaseException:
            self._delete_temporary(name)
            raise

    def _delete_temporary(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self.disk.unlink(self.fd, name + TEMPORARY)

    def delete(self, segment: Segment) -> None:
        """Delete a segment; keep a few of the damaged ones, as `.corrupt`, for examination.

        Raises:
            OSError: It is still there.
        """
        # The directory is not synced: a file that comes back after a loss of power is below the
        # watermark and is deleted again.
        with contextlib.suppress(FileNotFoundError):
            kept = sum(name.endswith(DAMAGED) for name in self.disk.names(self.fd))
            if segment.damaged and kept < DAMAGED_KEPT:
                self.disk.rename(self.fd, segment.name, segment.name + DAMAGED)
            else:
                self.disk.unlink(self.fd, segment.name)

    # --------------------------------------------------------------- reading

    def records(self, segment: Segment, begin: int, end: int) -> Iterator[Found]:
        """Yield the whole records of a segment between two offsets; none if its file is gone."""
        fd = self._open_to_read(segment)
        if fd is None:
            return
        try:
            header = segment.header
            seed = seed_of(header.journal_id) if header else self.seed
            scan = Scan(self.disk, fd, end=end, first_seq=segment.first_seq, seed=seed)
            yield from scan.records(begin)
        finally:
            self.disk.close(fd)

    def _open_to_read(self, segment: Segment) -> int | None:
        try:
            return self.disk.open_read(self.fd, segment.name)
        except FileNotFoundError:
            if segment.fd is None or segment not in self.segments:
                return None
        # Somebody deleted it. What is appended to it has no other place, and waits to be stored.
        with contextlib.suppress(OSError):  # another thread has just closed it
            return self.disk.duplicate(segment.fd)
        return None

    @property
    def bytes(self) -> int:
        """Return the size of all segments."""
        return sum(segment.size for segment in self.segments)

    def close(self) -> None:
        """Close the directory and so release its lock."""
        self.disk.close(self.fd)
        self.fd = -1
