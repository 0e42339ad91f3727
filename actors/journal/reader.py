"""The reading side of an open journal: entries in order, holes, and what may be deleted.

Every sequence from the first to the last is returned exactly once, as an entry or within a
hole. Memory is one chunk and one record of one file, and the index of each segment.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import NamedTuple

from actors.journal.directory import JournalDirectory
from actors.journal.segment import HEADER_BYTES, INDEX_STEP_BYTES, Found, Segment
from actors.model.facts import Entry, Hole

Records = Callable[[Segment, int, int], Iterator[Found]]
IndexRecord = Callable[[Segment, int, int], None]


class Span(NamedTuple):
    """A segment and the offset up to which it may be read."""

    segment: Segment
    end: int


class Skipped(NamedTuple):
    """No sequence between these two was ever used."""

    after_seq: int
    first_seq: int


class Replay:
    """One reading.

    Args:
        records: Yields the whole records of a segment between two offsets.
        index_record: Called about once for each MiB with the sequence and offset of a record.
        expected: The sequence to begin with.
        until: The sequence to end before.
    """

    def __init__(
        self, records: Records, index_record: IndexRecord, *, expected: int, until: int
    ) -> None:
        self._records = records
        self._index_record = index_record
        self.expected = expected
        self._until = until
        self._lost = 0

    def entries(self, spans: Sequence[Span], skipped: Skipped) -> Iterator[Entry | Hole]:
        """Yield what is in these spans; `skipped` lies behind the last of them."""
        for segment, end in spans:
            yield from self._skip(Skipped(segment.after_seq, segment.first_seq))
            yield from self._read(segment, end)
        yield from self._skip(skipped)
        yield from self._hole_before(self._until)

    def _skip(self, skipped: Skipped) -> Iterator[Hole]:
        """Yield what was skipped on purpose, after what is missing before it."""
        if skipped.after_seq + 1 < skipped.first_seq and self.expected < skipped.first_seq:
            yield from self._hole_before(skipped.after_seq + 1)
            hole = Hole(self.expected, skipped.first_seq - 1, 0, skipped=True)
            self.expected = skipped.first_seq
            yield hole

    def _hole_before(self, seq: int) -> Iterator[Hole]:
        if self.expected < seq:
            hole = Hole(self.expected, seq - 1, self._lost)
            self.expected = seq
            yield hole

    def _read(self, segment: Segment, end: int) -> Iterator[Entry | Hole]:
        at = indexed = segment.offset_before(self.expected)
        for seq, at_ns, body, begin, behind in self._records(segment, at, end):
            if begin > at:
                self._lose(segment, begin - at)
            at = behind
            if begin >= indexed + INDEX_STEP_BYTES:
                indexed = begin
                self._index_record(segment, seq, indexed)
            if seq >= self._until:
                return
            if seq > self.expected:
                yield from self._hole_before(seq)
            # Lower ones come first where the index pointed to an earlier record.
            if seq == self.expected:
                self.expected = seq + 1
                yield Entry(seq, body, at_ns)
            self._lost = 0
        self._lose(segment, end - max(at, min(end, HEADER_BYTES)))

    def _lose(self, segment: Segment, size: int) -> None:
        if size > 0:
            self._lost += size
            segment.damaged = True


class Reader:
    """Reads a journal that others append to, and removes from it what is committed.

    Args:
        lock: Guards the directory; shared with the appender.
        skipped: What was skipped behind the last segment when the journal was opened.
        carried_over: Returns how often records were carried over to another segment.
        forget: Called with a sequence up to which no record is carried over any more.

    Attributes:
        watermark: Highest watermark that was released; at first the oldest sequence there is.
    """

    def __init__(
        self,
        directory: JournalDirectory,
        lock: Lock,
        *,
        skipped: Skipped,
        carried_over: Callable[[], int],
        forget: Callable[[int], None],
    ) -> None:
        self._directory = directory
        self._lock = lock
        self._skipped = skipped
        self._carried_over = carried_over
        self._forget = forget
        self._releases = 0
        self._oldest: tuple[int, int] | None = None
        self.watermark = directory.segments[0].first_seq

    def read(self, expected: int, until: int) -> Iterator[Entry | Hole]:
        """Yield every sequence from `expected` to before `until` once."""
        while True:
            version, spans = self._spans_from(expected)
            replay = Replay(
                self._directory.records, self._index_record, expected=expected, until=until
            )
            for item in replay.entries(spans, self._skipped):
                # What a hole lacks may have been carried over to another segment, or released,
                # since the segments were looked up: then look again.
                if isinstance(item, Hole) and version != self._version():
                    expected = max(item.first, self.watermark)
                    break
                yield item
            else:
                return

    def _spans_from(self, seq: int) -> tuple[tuple[int, int], list[Span]]:
        with self._lock:
            segments = self._directory.segments
            at = bisect_right(segments, seq, key=lambda segment: segment.first_seq)
            # With the sizes of this moment: what is appended later may be half written when it is
            # read.
            return self._version(), [Span(s, s.size) for s in segments[max(at - 1, 0) :]]

    def _version(self) -> tuple[int, int]:
        return self._carried_over(), self._releases

    def _index_record(self, segment: Segment, seq: int, offset: int) -> None:
        with self._lock:
            segment.index_record(seq, offset)

    def release(self, watermark: int) -> list[Segment]:
        """Remove the segments that are wholly below the watermark, and return them to delete.

        The last segment is never removed; nor is any, while its name may not be durable.
        """
        with self._lock:
            self.watermark = max(self.watermark, watermark)
            segments = self._directory.segments
            if self._directory.names_in_doubt:
                return []
            below = 0
            while below + 1 < len(segments) and segments[below + 1].first_seq <= self.watermark:
                below += 1
            if below:
                # What is committed is carried over no more. So no segment gets the name of one that
                # is about to be deleted.
                self._forget(self.watermark - 1)
                self._directory.segments = segments[below:]
                self._releases += 1
            return segments[:below]

    def oldest_ns(self, next_seq: int) -> int | None:
        """Return when the record at the watermark was written; None when there is none."""
        watermark = self.watermark
        if watermark >= next_seq:
            return None
        if self._oldest is None or self._oldest[0] != watermark:
            _, spans = self._spans_from(watermark)
            times = (
                found.at_ns
                for segment, end in spans
                for found in self._directory.records(segment, segment.offset_before(watermark), end)
                if found.seq >= watermark
            )
            try:
                at_ns = next(times, None)
            except OSError:
                return None  # whoever reads the records gets the error
            self._oldest = None if at_ns is None else (watermark, at_ns)
        return self._oldest[1] if self._oldest is not None else None
