"""WebSocket frames: from the bytes of one socket to the messages that may matter (RFC 6455).

Nearly everything that the feed sends is book noise, and nothing is kept of a
message that is skipped: the walk goes from header to header, a run of the
commonest noise with one look a frame, and each wanted marker is searched once a
buffer, not once a frame, nor searched at all in a row of wanted messages (`row.py`).

A complete message is handed on when it contains a marker, or is short, or is
not provably book noise (`noise.py`), or is the sample that is due.

The reader shares one scratch buffer between all sockets. The skimmer keeps
only what is unfinished: the first bytes of a small frame are put back in front
of the next read, a long one is gathered aside (`assembly.py`).

A fault of the server is a value with a name, not an exception, and whatever
stood before it is handed on.
"""

from typing import NamedTuple

from actors.transport.filter import MarkerSearch, is_book_noise, take_run
from actors.transport.frames import PLAIN_TEXT, FrameParser
from actors.transport.noise_runs import NoisePattern, RunSkipper


class Skim(NamedTuple):
    """What one read brought.

    Attributes:
        messages: Complete messages that may matter, oldest first, fragments joined.
        pings: Payloads to answer with a PONG, oldest first.
        close: Code (1005 when none was given) and reason of a CLOSE frame.
        violation: The name of what the server did wrong. Nothing is read after
            a CLOSE or a violation.
    """

    messages: tuple[bytes, ...] = ()
    pings: tuple[bytes, ...] = ()
    close: tuple[int, str] | None = None
    violation: str | None = None


_NOTHING = Skim()
_EMPTY = bytearray()


class FrameSkimmer:
    """Walks the frames that one server sends on one socket.

    Not for several threads at once, but `set_markers` may be called by any thread
    at any time: they hold from the next read on.

    Attributes:
        held: Bytes of the unfinished frame that go in front of the next read;
            at most `assembly.TAIL_BYTES`.
        frames_total: Complete frames of any kind.
        messages_total: Messages handed on.
        skipped_total: Messages that were provably book noise.
        data_total: Messages longer than `short_bytes`, handed on or not: proof
            that data flows, which `PONG` is not.
        bytes_total: Bytes read.
        pattern: What is known of how frames follow each other; may be shared by all
            the skimmers of one thread.
        sample: A message that was asked for and skipped, or None. Whoever takes it
            puts None here.

    Args:
        markers: A message that contains one of these is handed on.
        max_message_bytes: A message that announces or gathers more is a violation.
        sample_every: One in so many messages is handed on instead of skipped.
        short_bytes: Messages up to this length are handed on.
    """

    __slots__ = (
        "_assembly",
        "_lead",
        "_markers",
        "_sample_every",
        "_sample_in",
        "_sample_wanted",
        "_search",
        "_short_bytes",
        "_tail",
        "bytes_total",
        "data_total",
        "frames_total",
        "held",
        "messages_total",
        "pattern",
        "sample",
        "skipped_total",
    )

    def __init__(
        self,
        *,
        markers: tuple[bytes, ...],
        max_message_bytes: int = 16 << 20,
        sample_every: int = 1000,
        short_bytes: int = 64,
    ) -> None:
        if sample_every < 1 or short_bytes < 0:
            raise ValueError("sample_every begins at 1, short_bytes at 0")
        self._assembly = FrameParser(max_message_bytes)
        self._sample_every = sample_every
        self._sample_in = sample_every  # how many messages until one is not skipped
        self._sample_wanted = False
        self.sample: bytes | None = None
        self._short_bytes = short_bytes
        self._lead = 1  # where the sign of the last message of the commonest noise stood
        self.pattern = NoisePattern()
        self._tail = bytearray()
        self.held = 0
        self.frames_total = self.messages_total = self.skipped_total = 0
        self.data_total = self.bytes_total = 0
        self.set_markers(markers)
        self._search = MarkerSearch(markers)

    @property
    def markers(self) -> tuple[bytes, ...]:
        """Return what is looked for."""
        return self._markers

    def set_markers(self, markers: tuple[bytes, ...]) -> None:
        """Look for these from the next read on. Any thread.

        Raises:
            ValueError: One of them is empty.
        """
        if not all(markers):
            raise ValueError("an empty marker would be found everywhere")
        self._markers = markers

    def request_sample(self) -> None:
        """Keep the next message that is skipped, as `sample`."""
        self._sample_wanted = True
        self._sample_in = 1

    @property
    def frame_in_progress(self) -> bool:
        """Return whether a frame, or a message in fragments, has begun and not ended."""
        return self.held > 0 or self._assembly.lacks > 0 or self._assembly.in_fragments

    @property
    def in_fragments(self) -> bool:
        """Return whether a message in fragments has begun and not ended."""
        return self._assembly.in_fragments

    def feed(self, data: bytes) -> Skim:
        """Take the next bytes of the stream."""
        buffer = bytearray(self.held) + data
        return self.skim(buffer, self.held, len(buffer))

    def skim(self, buffer: bytearray, start: int, end: int) -> Skim:
        """Take the next bytes of the stream, which are `buffer[start:end]`.

        Args:
            buffer: Shared scratch; the `held` bytes before `start` are overwritten.
            start: Not less than `held`.
            end: One past the last byte.
        """
        assembly = self._assembly
        self.bytes_total += end - start
        if self._is_all_noise(buffer, start, end):
            return _NOTHING
        self._search.begin(self._markers)
        out: list[bytes] = []
        lo = start - self.held
        if self.held:
            buffer[lo:start] = self._tail
            self._tail = _EMPTY
            self.held = 0
        elif assembly.lacks:
            lo = assembly.gather(buffer, start, end)
            self._sift(out)
        while True:
            lo = self._walk(buffer, lo, end, out)
            left = end - lo
            if left < 2 or (left >= 4 and buffer[lo] == assembly.plain and buffer[lo + 1] < 127):
                break  # nothing, or a plain frame that is not all here
            after = assembly.step(buffer, lo, end)
            if after == lo:
                break
            lo = after
            if assembly.done:
                self._sift(out)
        if lo < end and not assembly.ended:
            self._tail = buffer[lo:end]
            self.held = end - lo
        if out or assembly.frames or assembly.ended:
            return self._report(out)
        return _NOTHING

    def _is_all_noise(self, buffer: bytearray, start: int, end: int) -> bool:
        # With thousands of lines most reads bring one frame of the commonest noise or a few:
        # those are taken at once, the others by the walk.
        step, assembly = self.pattern.step, self._assembly
        if (
            type(step) is not RunSkipper
            or self.held
            or assembly.lacks
            or assembly.plain != PLAIN_TEXT
            or end - start > step.room
            or self.pattern.learning
            or step.least - 4 <= self._short_bytes
        ):
            return False
        frames = (end - start) // step.least
        found = step.take(buffer, start, end) if frames < self._sample_in else None
        if found is None or found.end() != end:
            return False
        for marker in self._markers:
            if buffer.find(marker, start, end) >= 0:
                return False
        self._sample_in -= frames
        self._count(frames, skipped=frames, data=frames)
        return True

    # One loop on local variables: a call for each frame would cost as much as the frame.
    def _walk(  # noqa: C901, PLR0912, PLR0915
        self, buffer: bytearray, lo: int, end: int, out: list[bytes]
    ) -> int:
        # Take the plain text frames that begin at `lo`; give where something else begins.
        if self._assembly.plain != PLAIN_TEXT:
            return lo
        pattern, search, short = self.pattern, self._search, self._short_bytes
        step, marked = pattern.step, search.next
        frames = shorts = 0
        due = self._sample_in  # the frame of this number is handed on even if it is noise
        kept = len(out)
        last = end - 4
        wanted_to = 0  # where the last wanted one ended
        while lo <= last and buffer[lo] == PLAIN_TEXT:
            if marked < lo:
                marked = search.seek(buffer, lo, end)
            if step is not None and not pattern.learning and step.least - 4 > short:
                lo, taken = step.run(buffer, lo, marked, due - frames)
                frames += taken
                if lo > last or buffer[lo] != PLAIN_TEXT:
                    break
            size = buffer[lo + 1]
            at = lo + 2
            if size == 126:
                at = lo + 4
                size = buffer[lo + 2] << 8 | buffer[lo + 3]
            elif size > 126:  # a 64-bit length, or a masked frame
                break
            stop = at + size
            if stop > end:
                break
            begin, lo = lo, stop
            frames += 1
            if marked < at:
                marked = search.seek(buffer, at, end)
            if size <= short:
                shorts += 1
            elif marked >= stop and self._is_noise(buffer, at, stop):
                if frames < due:
                    continue
                due = frames + self._sample_every
                if self._sample_wanted:
                    self._keep(buffer[at:stop])
                    continue
                due -= 1
            due += 1
            out.append(bytes(buffer[at:stop]))
            if marked < stop:
                if begin == wanted_to:
                    sign, trail = search.sign_at(buffer, marked), stop - marked
                    lo, row = take_run(buffer, lo, end, sign=sign, trail=trail, short=short)
                    out += row
                    frames += len(row)
                    due += len(row)
                wanted_to = lo
        self._sample_in = due - frames
        self._count(frames, skipped=frames - len(out) + kept, data=frames - shorts)
        return lo

    def _count(self, frames: int, *, skipped: int, data: int) -> None:
        self.pattern.walked(frames)
        self.frames_total += frames
        self.skipped_total += skipped
        self.data_total += data

    def _is_noise(self, buffer: bytearray, at: int, stop: int) -> bool:
        where = is_book_noise(buffer, at, stop, self._lead)
        if where > 0:
            self._lead = where
            if self.pattern.learning:
                self.pattern.note(where, stop - at)
        return where >= 0

    def _keep(self, sample: bytes | bytearray) -> None:
        self._sample_wanted = False
        self.sample = bytes(sample)

    def _sift(self, out: list[bytes]) -> None:
        # What the assembly has completed, by the same rule as in the walk.
        for message in self._assembly.done:
            size = len(message)
            if size > self._short_bytes:
                self.data_total += 1
                marked = any(marker in message for marker in self._markers)
                if not marked and is_book_noise(message, 0, size, self._lead) >= 0:
                    self._sample_in -= 1
                    if self._sample_in:
                        self.skipped_total += 1
                        continue
                    self._sample_in = self._sample_every
                    if self._sample_wanted:
                        self._keep(message)
                        self.skipped_total += 1
                        continue
            out.append(message)
        self._assembly.done.clear()

    def _report(self, out: list[bytes]) -> Skim:
        assembly = self._assembly
        self.messages_total += len(out)
        self.frames_total += assembly.frames
        skim = Skim(tuple(out), tuple(assembly.pings), assembly.close, assembly.violation)
        assembly.frames = 0
        assembly.pings.clear()
        return skim
