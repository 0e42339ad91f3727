"""The directory of a journal: its identity, its lock, its segments in order.

A file is made under a passing name, filled, synced and only then given its name,
and the directory is synced: a segment that has its name is whole up to what it
was made with. What bears a passing name is a leftover and is thrown away.

There is always at least one segment, so a sequence is never forgotten. A
directory without any is a new journal and gets a new identity.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

from actors.errors import StateDirBusy
from actors.journal.filesystem import Disk
from actors.journal.marker_files import IDENTITY, FailedSyncMarker, noted_identity
from actors.journal.segment import (
    HEADER_BYTES,
    RECORD_BYTES,
    Found,
    Header,
    Scan,
    Segment,
    first_of,
    is_torn,
    name_of,
    seed_of,
    unpack_header,
    write_all,
)

PASSING = ".tmp"
DAMAGED = ".corrupt"
DAMAGED_KEPT = 2
HEAD_BYTES = 4096
UNSYNCED_RECORDS = 65_536
"""So many records at most are written and not synced; see `tail.py`."""


class JournalDirectory:
    """An open and locked directory. Not for two threads at once, except `records`.

    Args:
        disk: What the directory lies on.
        path: Where.
        wall_ns: Wall clock, nanoseconds.

    Raises:
        StateDirBusy: Another process has it.
        JournalUnreadable: A segment is of a newer version.
        OSError: The directory or a file in it cannot be used.
    """

    def __init__(
        self, disk: Disk, path: Path, *, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.disk = disk
        self.path = path
        self._wall_ns = wall_ns
        self.directory = disk.open_directory(path)
        try:
            self._take()
        except BaseException:
            disk.close(self.directory)
            raise

    def _take(self) -> None:
        try:
            self.disk.lock(self.directory)
        except BlockingIOError as exc:
            raise StateDirBusy(f"another tracker works on {self.path}") from exc
        self._clean()
        self.suspicion = FailedSyncMarker(self.disk, self.directory)
        self._boot_id = self.disk.boot_id()
        self._unsynced: set[int] = set()
        self.segments = self._load()
        self.journal_id = self._identify()
        self.seed = seed_of(self.journal_id.bytes)

    def _clean(self) -> None:
        """Throw leftovers away, and find out now whether the directory can be written."""
        for name in self.disk.names(self.directory):
            if name.endswith(PASSING):
                self.disk.unlink(self.directory, name)
        probe = "probe" + PASSING
        self.disk.close(self.disk.create(self.directory, probe))
        self.disk.unlink(self.directory, probe)

    # -------------------------------------------------------------- identity

    def _identify(self) -> UUID:
        """Return the identity in the file, or in a segment, or a new one; have it in the file."""
        noted = noted_identity(self.disk, self.directory)
        if not self.segments or noted is None:
            known = (UUID(bytes=s.header.journal_id) for s in reversed(self.segments) if s.header)
            noted = next(known, None) or uuid4()
            self.place(IDENTITY, (f"{noted}\n".encode(),))
        return noted

    def renew(self) -> None:
        """Take another identity; segments made from now on bear it, older ones stay readable.

        Raises:
            OSError: It could not be written; the old one stands.
        """
        identity = uuid4()
        self.place(IDENTITY, (f"{identity}\n".encode(),))
        self.journal_id = identity
        self.seed = seed_of(identity.bytes)

    # --------------------------------------------------------------- loading

    def _load(self) -> list[Segment]:
        """Return what is there, lowest sequence first, without what a rescue has replaced."""
        firsts = (first_of(name) for name in self.disk.names(self.directory))
        loaded = [self._load_one(first) for first in sorted(f for f in firsts if f is not None)]
        kept: list[Segment] = []
        carried_to = 0
        for segment in loaded:
            if segment.first_seq <= carried_to:
                self.disk.unlink(self.directory, segment.name)
                continue
            kept.append(segment)
            carried_to = segment.header.carried_to if segment.header else 0
        return kept

    def _load_one(self, first_seq: int) -> Segment:
        name = name_of(first_seq)
        fd = self.disk.open_read(self.directory, name)
        try:
            header = unpack_header(self.disk.pread(fd, HEAD_BYTES, 0), name)
            segment = Segment(first_seq, header, self.disk.size(fd))
            try:
                # What a killed process wrote may stand in the page cache only.
                self.disk.sync_data(fd)
            except OSError:
                # Reading will tell what is left of it; nothing more is added to it.
                self._unsynced.add(first_seq)
            return segment
        finally:
            self.disk.close(fd)

    def recover(self) -> tuple[int, int]:
        """Find the end of the last segment and cut a torn tail off.

        Returns:
            The highest sequence that is known to be in use, and how many above it
            may have been used and forgotten: after a reboot as many as were ever
            unsynced, and where a tail is damaged, not just torn in the middle of
            its one last record, as many as may have stood there.
        """
        if not self.segments:
            return 0, 0
        last = self.segments[-1]
        used, end = last.first_seq - 1, HEADER_BYTES if last.header else 0
        for found in self.records(last, end, last.size):
            used, end = found.seq, found.end
            last.note(found.seq, found.begin)
        lost = 0 if self.is_of_this_boot(last) else UNSYNCED_RECORDS
        if end < last.size:
            torn = self._head_at(last, end)
            lost += (
                0 if is_torn(torn, last.size - end, used + 1) else (last.size - end) // RECORD_BYTES
            )
            self._cut(last, end)
        carried_to = last.header.carried_to if last.header else 0
        return max(used, carried_to), lost

    def is_of_this_boot(self, segment: Segment) -> bool:
        """Return whether it was made since the machine was started."""
        return segment.header is not None and segment.header.boot_id == self._boot_id

    def _head_at(self, segment: Segment, offset: int) -> bytes:
        fd = self.disk.open_read(self.directory, segment.name)
        try:
            return self.disk.pread(fd, RECORD_BYTES, offset)
        finally:
            self.disk.close(fd)

    def _cut(self, segment: Segment, end: int) -> None:
        fd = self.disk.open_append(self.directory, segment.name)
        try:
            self.disk.truncate(fd, end)
            self.disk.sync(fd)
        finally:
            self.disk.close(fd)
        segment.size = end

    def reopen_last(self) -> Segment | None:
        """Return the last segment open for appending, or None when it is not to be trusted."""
        last = self.segments[-1] if self.segments else None
        if last is None or last.header is None or last.first_seq in self._unsynced:
            return None
        if last.header.journal_id != self.journal_id.bytes:
            return None
        last.fd = self.disk.open_append(self.directory, last.name)
        return last

    # --------------------------------------------------------------- changes

    def make(
        self, first_seq: int, *, after_seq: int, carried: Iterable[tuple[int, bytes]] = ()
    ) -> Segment:
        """Make a segment, durable with all that it carries; it takes the last place.

        Segments that begin at or above `first_seq` are replaced by it.

        Args:
            first_seq: The lowest sequence that can stand in it.
            after_seq: The sequence that was used last before it.
            carried: (sequence, bytes) of records, in order, beginning
                with `first_seq`.

        Raises:
            OSError: It could not be made; nothing has changed.
        """
        carried = tuple(carried)
        header = Header(
            first_seq=first_seq,
            after_seq=after_seq,
            carried_to=carried[-1][0] if carried else 0,
            made_at_ns=self._wall_ns(),
            journal_id=self.journal_id.bytes,
            boot_id=self._boot_id,
        )
        parts = (header.pack(), *(record for _, record in carried))
        fd = self.place(name_of(first_seq), parts, stay_open=True)
        made = Segment(first_seq, header, sum(map(len, parts)), fd)
        replaced = [s for s in self.segments if s.first_seq > first_seq]
        self.segments = [s for s in self.segments if s.first_seq < first_seq]
        self.segments.append(made)
        for segment in replaced:
            # One that cannot go now goes when the journal is opened next: see `carried_to`.
            with contextlib.suppress(OSError):
                self.disk.unlink(self.directory, segment.name)
        return made

    def place(self, name: str, parts: Iterable[bytes], *, stay_open: bool = False) -> int:
        """Write a whole file, durably, then give it its name, durably."""
        passing = name + PASSING
        fd = self.disk.create(self.directory, passing)
        try:
            for part in parts:
                write_all(self.disk, fd, part)
            self.disk.sync(fd)
            self.disk.rename(self.directory, passing, name)
            self.disk.sync(self.directory)
        except BaseException:
            self.disk.close(fd)
            with contextlib.suppress(OSError):
                self.disk.unlink(self.directory, passing)
            raise
        if not stay_open:
            self.disk.close(fd)
        return fd

    def drop(self, segment: Segment) -> None:
        """Take a segment away; of the damaged ones a few are kept, as `.corrupt`, for people.

        Raises:
            OSError: It is still there.
        """
        with contextlib.suppress(FileNotFoundError):
            kept = sum(name.endswith(DAMAGED) for name in self.disk.names(self.directory))
            if segment.damaged and kept < DAMAGED_KEPT:
                self.disk.rename(self.directory, segment.name, segment.name + DAMAGED)
            else:
                self.disk.unlink(self.directory, segment.name)

    # --------------------------------------------------------------- reading

    def records(self, segment: Segment, begin: int, end: int) -> Iterator[Found]:
        """Return the whole records of a segment from a place on; none when the file is gone."""
        try:
            fd = self.disk.open_read(self.directory, segment.name)
        except FileNotFoundError:
            return
        try:
            header = segment.header
            seed = seed_of(header.journal_id) if header else self.seed
            scan = Scan(self.disk, fd, end=end, first_seq=segment.first_seq, seed=seed)
            yield from scan.records(begin)
        finally:
            self.disk.close(fd)

    @property
    def bytes(self) -> int:
        """What all segments take."""
        return sum(segment.size for segment in self.segments)

    def close(self) -> None:
        """Return the directory back."""
        self.disk.close(self.directory)
        self.directory = -1
