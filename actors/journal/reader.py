"""The reading side of an open journal: entries in order, holes, and what may be deleted.

Every sequence from the first to the last asked for is given exactly once, as an
entry or within a hole. Memory is one chunk and one record of one file, and a
place in each MiB of the segments.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import NamedTuple

from actors.journal.directory import JournalDirectory
from actors.journal.segment import HEADER_BYTES, STRIDE_BYTES, Found, Segment
from actors.model.facts import Entry, Hole

Records = Callable[[Segment, int, int], Iterator[Found]]
Note = Callable[[Segment, int, int], None]


class Span(NamedTuple):
    """A segment and how much of it may be read."""

    segment: Segment
    end: int


class Skip(NamedTuple):
    """No sequence between these two was ever used."""

    after_seq: int
    first_seq: int


class Replay:
    """One reading.

    Args:
        records: Gives the whole records of a segment between two places.
        note: Is told where a record stands, once in a MiB.
        expected: The sequence to begin with.
        until: The sequence to end before.
    """

    def __init__(self, records: Records, note: Note, *, expected: int, until: int) -> None:
        self._records = records
        self._note = note
        self.expected = expected
        self._until = until
        self._lost = 0

    def entries(self, spans: Sequence[Span], tail: Skip) -> Iterator[Entry | Hole]:
        """Read these spans; `tail` is what was skipped behind the last of them."""
        for segment, end in spans:
            yield from self._skip(Skip(segment.after_seq, segment.first_seq))
            yield from self._read(segment, end)
        yield from self._skip(tail)
        yield from self._hole_before(self._until)

    def _skip(self, skip: Skip) -> Iterator[Hole]:
        """Return what was skipped on purpose apart from what is missing before it."""
        if skip.after_seq + 1 < skip.first_seq and self.expected < skip.first_seq:
            yield from self._hole_before(skip.after_seq + 1)
            hole = Hole(self.expected, skip.first_seq - 1, 0, skipped=True)
            self.expected = skip.first_seq
            yield hole

    def _hole_before(self, seq: int) -> Iterator[Hole]:
        if self.expected < seq:
            hole = Hole(self.expected, seq - 1, self._lost)
            self.expected = seq
            yield hole

    def _read(self, segment: Segment, end: int) -> Iterator[Entry | Hole]:
        at = noted = segment.place_of(self.expected)
        for seq, _, body, begin, behind in self._records(segment, at, end):
            if begin > at:
                self._lose(segment, begin - at)
            at = behind
            if begin >= noted + STRIDE_BYTES:
                noted = begin
                self._note(segment, seq, noted)
            if seq >= self._until:
                return
            if seq > self.expected:
                yield from self._hole_before(seq)
            if seq == self.expected:
                self.expected = seq + 1
                yield Entry(seq, body)
            self._lost = 0
        self._lose(segment, end - max(at, min(end, HEADER_BYTES)))

    def _lose(self, segment: Segment, size: int) -> None:
        if size > 0:
            self._lost += size
            segment.damaged = True


class Reader:
    """Reads a shelf that others add to, and takes from it what is committed.

    Args:
        lock: Guards the shelf; shared with who writes.
        tail: What was skipped behind the last segment when the journal was opened.
        changes: Gives how often records have moved from one segment to another.

    Attributes:
        mark: Highest mark that was released; at first the oldest sequence there is.
    """

    def __init__(
        self, shelf: JournalDirectory, lock: Lock, *, tail: Skip, changes: Callable[[], int]
    ) -> None:
        self._shelf = shelf
        self._lock = lock
        self._tail = tail
        self._changes = changes
        self._releases = 0
        self._oldest: tuple[int, int] | None = None
        self.mark = shelf.segments[0].first_seq

    def read(self, expected: int, until: int) -> Iterator[Entry | Hole]:
        """Return every sequence from `expected` to before `until`, once."""
        while True:
            version, spans = self._look(expected)
            replay = Replay(self._shelf.records, self._note, expected=expected, until=until)
            for item in replay.entries(spans, self._tail):
                # Before a hole is believed: what it lacks may have been carried over to
                # another segment, or released, since the segments were looked up.
                if isinstance(item, Hole) and version != self._version():
                    expected = max(item.first, self.mark)
                    break
                yield item
            else:
                return

    def _look(self, seq: int) -> tuple[tuple[int, int], list[Span]]:
        with self._lock:
            segments = self._shelf.segments
            at = bisect_right(segments, seq, key=lambda segment: segment.first_seq)
            return self._version(), [Span(s, s.size) for s in segments[max(at - 1, 0) :]]

    def _version(self) -> tuple[int, int]:
        return self._changes(), self._releases

    def _note(self, segment: Segment, seq: int, offset: int) -> None:
        with self._lock:
            segment.note(seq, offset)

    # --------------------------------------------------------------- deleting

    def release(self, mark: int) -> None:
        """Delete the segments that are wholly below the mark, but never the last one.

        Raises:
            OSError: One is still there; it goes when the journal is opened next.
        """
        with self._lock:
            self.mark = max(self.mark, mark)
            segments = self._shelf.segments
            below = sum(segment.first_seq <= self.mark for segment in segments[1:])
            gone, self._shelf.segments = segments[:below], segments[below:]
            self._releases += bool(gone)
        for segment in gone:
            self._shelf.drop(segment)

    # ---------------------------------------------------------------- figures

    def oldest_ns(self, next_seq: int) -> int | None:
        """Return when the record at the mark was written; None when nothing waits."""
        mark = self.mark
        if mark >= next_seq:
            return None
        if self._oldest is None or self._oldest[0] != mark:
            _, spans = self._look(mark)
            times = (
                found.at_ns
                for segment, end in spans
                for found in self._shelf.records(segment, segment.place_of(mark), end)
                if found.seq >= mark
            )
            try:
                at_ns = next(times, None)
            except OSError:
                return None  # whoever reads the records will hear of it
            self._oldest = None if at_ns is None else (mark, at_ns)
        return self._oldest[1] if self._oldest is not None else None
