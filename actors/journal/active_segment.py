"""The growing end of a journal: the open segment, and what no sync has confirmed yet.

Not for two threads at once: the journal calls everything here under its lock,
`close_synced`, `carry_over` and `close` under its sync lock too.
"""

import contextlib
import errno
import sys
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from actors.errors import JournalFull
from actors.journal.directory import UNSYNCED_RECORDS, JournalDirectory
from actors.journal.marker_files import NO_ROOM, Reserve
from actors.journal.segment import HEADER_BYTES, Found, Segment, pack_record

UNSYNCED_BYTES = 8 * 1024 * 1024

_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})


class Unsynced(NamedTuple):
    """A record as written, which the medium may not have yet."""

    seq: int
    record: bytes


class ActiveSegment:
    """Takes records at the end of a shelf.

    Args:
        active: The segment to go on with, open, or None for a new one.
        used_seq: The highest sequence in use.
        segment_bytes: A segment this long is followed by another.

    Attributes:
        size: Bytes of all segments of the shelf.
        suspect: Why the open segment is not written to any more, or None.
    """

    def __init__(
        self,
        shelf: JournalDirectory,
        reserve: Reserve,
        *,
        active: Segment | None,
        used_seq: int,
        segment_bytes: int,
    ) -> None:
        self._shelf = shelf
        self._disk = shelf.disk
        self._reserve = reserve
        self._active = active
        self._sealed: list[Segment] = []
        self._segment_bytes = segment_bytes
        self._unsynced: deque[Unsynced] = deque()
        self._unsynced_bytes = 0
        self.used_seq = used_seq
        self.size = shelf.bytes
        self.suspect: OSError | None = None

    @classmethod
    def of(
        cls, shelf: JournalDirectory, reserve: Reserve, *, floor_seq: int, segment_bytes: int
    ) -> tuple["ActiveSegment", int]:
        """Recover the end of a shelf; give it with the next sequence.

        Numbers that may have been told on, committed and then forgotten by the disk
        are skipped: none is used twice.
        """
        used_seq, lost = shelf.recover()
        next_seq = max(used_seq + lost + 1, floor_seq)
        active: Segment | None = None
        if not shelf.segments:
            used_seq = next_seq - 1
            active = shelf.make(next_seq, after_seq=used_seq)
        elif next_seq == used_seq + 1:
            active = shelf.reopen_last()
        tail = cls(shelf, reserve, active=active, used_seq=used_seq, segment_bytes=segment_bytes)
        since = _in_doubt_since(shelf)
        # Where numbers are skipped there is damage, which the next life will have seen.
        if since is not None and next_seq == used_seq + 1:
            tail._settle(_records(shelf, since), next_seq)
        return tail, next_seq

    def _settle(self, records: Sequence[Found], next_seq: int) -> None:
        """Carry over what the medium may not have; without room for it the doubt remains."""
        for seq, at_ns, body, *_ in records:
            kept = Unsynced(seq, pack_record(seq, at_ns, body, self._shelf.seed))
            self._unsynced.append(kept)
            self._unsynced_bytes += len(kept.record)
        try:
            if records:
                self.carry_over(next_seq)
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                self.close()
                raise
            self._forget(self.used_seq)
        else:
            self._shelf.suspicion.lift()

    def takes(self, size: int) -> bool:
        """Return whether a record of so many bytes may be written now, or a sync must come first.

        It may be more than is allowed when nothing is unsynced.
        """
        if self.suspect is not None or not self._unsynced:
            return self.suspect is None
        records = self._unsynced[-1].seq - self._unsynced[0].seq + 1
        return self._unsynced_bytes + size <= UNSYNCED_BYTES and records < UNSYNCED_RECORDS

    # ---------------------------------------------------------------- writing

    def write(self, seq: int, record: bytes) -> bool:
        """Append a record; give False when the segment has become suspect over it.

        Raises:
            JournalFull: There is no room; nothing has changed.
        """
        active = self._segment_for(seq)
        if active is None:
            return False
        try:
            active.append(self._disk, seq, record)
        except OSError as exc:
            self._undo(active, exc)
            return False
        self._unsynced.append(Unsynced(seq, record))
        self._unsynced_bytes += len(record)
        self.size += len(record)
        self.used_seq = seq
        return True

    def _segment_for(self, seq: int) -> Segment | None:
        active = self._active
        if active is not None and active.size < self._segment_bytes:
            return active
        try:
            made = self._shelf.make(seq, after_seq=self.used_seq)
        except OSError as exc:
            if exc.errno in _NO_DESCRIPTOR and active is not None:
                return active  # a long segment is better than a lost record
            if exc.errno in NO_ROOM | _NO_DESCRIPTOR:
                raise JournalFull(f"no room for a new segment: {exc.strerror}") from exc
            self.suspect = exc
            return None
        if active is not None:
            self._sealed.append(active)
        self._active = made
        self.size = self._shelf.bytes
        return made

    def _undo(self, active: Segment, cause: OSError) -> None:
        """Cut off what was written of a record; what cannot be undone is suspect."""
        self.suspect = cause
        try:
            if active.fd is not None:
                self._disk.truncate(active.fd, active.size)
        except OSError as exc:
            self.suspect = exc
            return
        if cause.errno in NO_ROOM:
            self.suspect = None
            raise JournalFull(f"no room for a record: {cause.strerror}") from cause

    # ---------------------------------------------------------------- syncing

    def dirty(self) -> tuple[Segment, ...]:
        """Return the open segments, oldest first: those that may hold unsynced records."""
        return (*self._sealed, *([self._active] if self._active is not None else []))

    def close_synced(self, segments: tuple[Segment, ...], upto: int) -> None:
        """Forget what is durable now, and close of these segments all but the open one."""
        self._forget(upto)
        for segment in segments:
            if segment in self._sealed:
                self._sealed.remove(segment)
                self._close(segment)

    def carry_over(self, next_seq: int) -> None:
        """Move all that is not durable to a new segment, durably, and go on there.

        Raises:
            OSError: It could not be made. All is as it was.
        """
        try:
            made = self._make_carrier(next_seq)
        except OSError as exc:
            if exc.errno not in NO_ROOM or not self._reserve.held_bytes:
                raise
            self._reserve.free()
            made = self._make_carrier(next_seq)
        for segment in self.dirty():
            self._close(segment)
        self._sealed.clear()
        self._active = made
        self._forget(self.used_seq)
        self.size = self._shelf.bytes
        self.suspect = None

    def _make_carrier(self, next_seq: int) -> Segment:
        if not self._unsynced:
            return self._shelf.make(next_seq, after_seq=self.used_seq)
        first_seq = self._unsynced[0].seq
        replaced = [s.after_seq for s in self._shelf.segments if s.first_seq == first_seq]
        after_seq = replaced[0] if replaced else first_seq - 1
        carried = list(self._unsynced)
        return self._shelf.make(first_seq, after_seq=after_seq, carried=carried)

    def _forget(self, upto: int) -> None:
        while self._unsynced and self._unsynced[0].seq <= upto:
            self._unsynced_bytes -= len(self._unsynced.popleft().record)

    def turn(self) -> None:
        """Go on in a new segment. Only when all is durable."""
        for segment in self.dirty():
            self._close(segment)
        self._sealed.clear()
        self._active = None
        self._forget(self.used_seq)

    # ---------------------------------------------------------------- the rest

    def recount(self) -> None:
        """Note that segments are gone."""
        self.size = self._shelf.bytes

    def cost_of(self, size: int) -> int:
        """Return what all files take once so many bytes are appended."""
        return self.size + self._reserve.held_bytes + size + HEADER_BYTES

    def close(self) -> None:
        """Close every file."""
        for segment in self.dirty():
            self._close(segment)

    def _close(self, segment: Segment) -> None:
        fd, segment.fd = segment.fd, None
        if fd is not None:
            # The bytes are synced or carried over; an error here says nothing new.
            with contextlib.suppress(OSError):
                self._disk.close(fd)


def _in_doubt_since(shelf: JournalDirectory) -> int | None:
    """Return from which sequence on the medium may lack what can be read here, or None.

    After a reboot there is no doubt: what is read comes from the medium.
    """
    if shelf.segments and shelf.is_of_this_boot(shelf.segments[-1]):
        return shelf.suspicion.since()
    shelf.suspicion.lift()
    return None


def _records(shelf: JournalDirectory, since: int) -> list[Found]:
    """Return all records from this sequence on; as many as were unsynced, so not too many."""
    later = [segment.first_seq for segment in shelf.segments[1:]]
    return [
        found
        for segment, end in zip(shelf.segments, (*later, sys.maxsize), strict=True)
        if end > since
        for found in shelf.records(segment, segment.place_of(since), segment.size)
        if since <= found.seq < end
    ]
