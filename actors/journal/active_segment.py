"""The segment that records are appended to, and the records that are not synced yet.

A record stays in memory until a sync has confirmed it, so that it can be carried over to a new
segment when a sync fails. A segment whose write or sync failed is suspect: nothing is appended
to it any more. When there is no space to carry records over, they stay in memory and nothing
more is appended, until there is.

Not for two threads at once: the appender calls everything here while it holds the lock of the
journal; `close_synced`, `carry_over`, `start_new` and `close` while it holds its sync lock too.
"""

import contextlib
import errno
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from actors.errors import JournalFull, RecordTooLarge
from actors.journal.directory import UNSYNCED_RECORDS, JournalDirectory
from actors.journal.limits import Limits
from actors.journal.marker_files import NO_SPACE, Reserve
from actors.journal.segment import (
    HEADER_BYTES,
    MAX_BODY_BYTES,
    RECORD_BYTES,
    Segment,
    pack_record,
)

# All of it is kept in memory until it is synced, so this bounds memory as well as the loss.
UNSYNCED_BYTES = 8 * 1024 * 1024
"""The most bytes of records that may be written and not synced."""

NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})
"""Errors when the process or the machine has too many open files."""


class Unsynced(NamedTuple):
    """A record that was written and may be missing on the disk."""

    seq: int
    record: bytes


class ActiveSegment:
    """The end of the journal.

    Args:
        segment: The open segment to append to, or None to begin with a new one.
        used_seq: The highest sequence in use.

    Attributes:
        size: Bytes of all segments in the directory.
        suspect: The error for which nothing more is appended to the segment, or None.
    """

    def __init__(
        self,
        directory: JournalDirectory,
        reserve: Reserve,
        *,
        segment: Segment | None,
        used_seq: int,
        limits: Limits,
    ) -> None:
        self._directory = directory
        self._disk = directory.disk
        self._reserve = reserve
        self._segment = segment
        self._full: list[Segment] = []  # open, because records in them may not be synced
        self._limits = limits
        self._unsynced: deque[Unsynced] = deque()
        self._unsynced_bytes = 0
        self._synced_seq = used_seq
        self.used_seq = used_seq
        self.size = directory.bytes
        self.suspect: OSError | None = None

    @classmethod
    def recover(
        cls, directory: JournalDirectory, reserve: Reserve, *, floor_seq: int, limits: Limits
    ) -> tuple["ActiveSegment", int]:
        """Recover the end of the journal; return it with the next sequence.

        Sequences that may have been used, committed to the database and lost by the disk are
        skipped, so that none is used twice.
        """
        used_seq, lost = directory.recover()
        next_seq = max(used_seq + lost + 1, floor_seq)
        segment: Segment | None = None
        if not directory.segments:
            used_seq = next_seq - 1
            segment = directory.create_segment(next_seq, after_seq=used_seq)
        elif next_seq == used_seq + 1:
            segment = directory.reopen_last()
        active = cls(directory, reserve, segment=segment, used_seq=used_seq, limits=limits)
        active._synced_seq = next_seq - 1
        return active, next_seq

    # ---------------------------------------------------------------- writing

    def accepts(self, size: int) -> bool:
        """Return whether a body of so many bytes may be appended; otherwise sync first.

        When everything is synced, one record may exceed the bound of what is unsynced.
        """
        fits = not self._unsynced or self._unsynced_bytes + size <= UNSYNCED_BYTES
        # Those that are committed count, too: a reboot skips no more numbers than the bound.
        unsynced = self.used_seq - self._synced_seq
        return self.suspect is None and fits and unsynced < UNSYNCED_RECORDS

    def append(self, seq: int, at_ns: int, body: bytes) -> bool:
        """Write a record; return False when the write failed and the segment is suspect.

        Raises:
            JournalFull: The disk or the cap leaves no space; nothing has changed.
            RecordTooLarge: Not even an empty journal has space for it; nothing has changed.
        """
        alone = (
            self._limits.highest_cap - self._reserve.held_bytes - RECORD_BYTES - 2 * HEADER_BYTES
        )
        most = min(MAX_BODY_BYTES, alone)
        if len(body) > most:
            raise RecordTooLarge(
                f"a record of {len(body):,} bytes is too large: the journal takes {most:,} at most"
            )
        # With a header, because the record may need a new segment.
        size = self.size + self._reserve.held_bytes + RECORD_BYTES + len(body) + HEADER_BYTES
        if size > self._limits.cap:
            raise JournalFull(f"the journal has reached its {self._limits.cap} bytes")
        segment = self._segment
        if segment is None or segment.size >= self._limits.segment:
            segment = self._next_segment(seq)
            if segment is None:
                return False
        record = pack_record(seq, at_ns, body, self._directory.seed)
        try:
            segment.append(self._disk, seq, record)
        except OSError as exc:
            self._undo(segment, exc)
            return False
        self._unsynced.append(Unsynced(seq, record))
        self._unsynced_bytes += len(record)
        self.size += len(record)
        self.used_seq = seq
        return True

    def _next_segment(self, seq: int) -> Segment | None:
        """Create the next segment; return None when that failed, which makes this one suspect."""
        before = self._segment
        try:
            created = self._directory.create_segment(seq, after_seq=self.used_seq)
        except OSError as exc:
            if self._must_be_replaced(exc):
                return None
            # A long segment is better than a lost record; so where the directory was deleted, too.
            if exc.errno in NO_DESCRIPTOR | {errno.ENOENT} and before is not None:
                return before
            if exc.errno in NO_SPACE | NO_DESCRIPTOR:
                raise JournalFull(f"no space for a new segment: {exc.strerror}") from exc
            self.suspect = exc
            return None
        if before is not None:
            self._full.append(before)
        self._segment = created
        self.size = self._directory.bytes
        return created

    def _undo(self, segment: Segment, cause: OSError) -> None:
        """Cut off what was written of a record; a segment where that fails is suspect."""
        self.suspect = cause
        try:
            # A full disk takes a part of the data before it reports ENOSPC (297,152 of 300,000
            # bytes were seen), and the next record must not follow half of this one.
            if segment.fd is not None:
                self._disk.truncate(segment.fd, segment.size)
        except OSError as exc:
            self.suspect = exc
            return
        if cause.errno in NO_SPACE:
            # Space is missing, but the file is whole again and may be used when there is space.
            self.suspect = None
            raise JournalFull(f"no space for a record: {cause.strerror}") from cause

    def has_name(self) -> bool:
        """Return whether the file that is appended to has a name; True when there is none."""
        segment = self._segment
        # A suspect one is about to be replaced, and may have lost its name to the one that does.
        if segment is None or segment.fd is None or self.suspect is not None:
            return True
        return self._disk.has_name(segment.fd)

    # ---------------------------------------------------------------- syncing

    def open_segments(self) -> tuple[Segment, ...]:
        """Return the segments that may hold unsynced records, oldest first."""
        return (*self._full, *([self._segment] if self._segment is not None else []))

    def full_segments(self) -> tuple[Segment, ...]:
        """Return those among them that nothing is appended to any more."""
        return tuple(self._full)

    def close_synced(self, full: tuple[Segment, ...], upto: int) -> None:
        """Record that all up to this sequence is synced, and close segments.

        Args:
            full: Those to close, which were full before the sync began. What a segment took
                during the sync may not be on the disk.
            upto: The last sequence before the sync began.
        """
        self.forget(upto)
        self._synced_seq = upto
        for segment in full:
            self._full.remove(segment)
            self._close(segment)

    def carry_over(self, next_seq: int) -> None:
        """Move all unsynced records to a new segment, durably, and continue there.

        Raises:
            OSError: It could not be created. The records stay unsynced, and nothing more is
                appended before they are carried over.
        """
        try:
            self._move_on(next_seq)
        except OSError as exc:
            self.suspect = exc
            raise

    def leave(self, next_seq: int) -> None:
        """Continue in a new segment, so that the old ones can be deleted. All must be committed.

        Raises:
            OSError: It could not be created. Unless it has its name, the old one goes on.
        """
        self.forget(self.used_seq)
        # Even the last bytes of the reserve: this is what gives space back.
        self._move_on(next_seq, all_of_reserve=True)

    def _move_on(self, next_seq: int, *, all_of_reserve: bool = False) -> None:
        try:
            # These records were accepted already, so they may use the reserve.
            created = self._reserve.lend(
                lambda: self._create_successor(next_seq), all_of_it=all_of_reserve
            )
        except OSError as exc:
            self._must_be_replaced(exc)
            raise
        # Only now: until the successor is on the disk, the old files are the only copy there.
        self._close_all()
        self._segment = created
        self.forget(self.used_seq)
        self._synced_seq = next_seq - 1
        self.size = self._directory.bytes
        self.suspect = None

    def _must_be_replaced(self, cause: OSError) -> bool:
        """Suspect a new segment that has its name and no record, and may not keep its name.

        As the last segment it would be taken for the end of the journal, if records went on being
        appended to the one before it.
        """
        if self._directory.names_in_doubt:
            self.suspect = cause
            self.size = self._directory.bytes
        return self._directory.names_in_doubt

    def _create_successor(self, next_seq: int) -> Segment:
        if not self._unsynced:
            return self._directory.create_segment(next_seq, after_seq=self.used_seq)
        first_seq = self._unsynced[0].seq
        # A segment that begins with the same record is replaced by the new file, which has its
        # name. What that one says was skipped on purpose must not become a hole.
        replaced = [s.after_seq for s in self._directory.segments if s.first_seq == first_seq]
        after_seq = replaced[0] if replaced else first_seq - 1
        carried = list(self._unsynced)
        return self._directory.create_segment(first_seq, after_seq=after_seq, carried=carried)

    def forget(self, upto: int) -> None:
        """Keep no record up to this sequence in memory: it is synced, or committed."""
        while self._unsynced and self._unsynced[0].seq <= upto:
            self._unsynced_bytes -= len(self._unsynced.popleft().record)

    def note_failed_sync(self, since: int) -> None:
        """Leave a note for the next process, which may use the reserve.

        A note that cannot be written raises no error: the disk has then failed twice.
        """
        with contextlib.suppress(OSError):
            self._reserve.lend(lambda: self._directory.failed_sync.set(since))

    def holds_only_below(self, watermark: int) -> bool:
        """Return whether there are records, and none at or above the watermark."""
        return self.used_seq < watermark and self._directory.segments[-1].first_seq < watermark

    def start_new(self, renew: Callable[[], None]) -> None:
        """Begin a new segment with the next record. Everything must be synced.

        Args:
            renew: Called before, and may use the reserve.

        Raises:
            OSError: What `renew` raises; nothing has changed.
        """
        # Even the last bytes of it: without another identity nothing can be stored and deleted.
        self._reserve.lend(renew, all_of_it=True)
        self._close_all()
        self.forget(self.used_seq)
        self._synced_seq = max(self._synced_seq, self.used_seq)

    # ---------------------------------------------------------------- closing

    def segments_deleted(self) -> None:
        """Record that the directory holds fewer segments."""
        self.size = self._directory.bytes

    def close(self) -> None:
        """Close every file."""
        for segment in self.open_segments():
            self._close(segment)

    def _close_all(self) -> None:
        self.close()
        self._full.clear()
        self._segment = None

    def _close(self, segment: Segment) -> None:
        fd, segment.fd = segment.fd, None
        if fd is not None:
            # The bytes are synced or carried over, so an error here means nothing more.
            with contextlib.suppress(OSError):
                self._disk.close(fd)
