"""From the bytes of one socket to the messages that may matter: WebSocket frames (RFC 6455).

Nearly everything that the feed sends is book noise, and nothing is kept of a message that is
skipped. The skimmer walks from header to header, skips runs of the commonest noise at once
(`noise.py`), searches each wanted marker once in a buffer instead of once in a frame, and does
not search it at all in a run of wanted messages (`take_run`).

A complete message is handed on when it contains a marker, or is short, or is not provably book
noise, or is the sample that is due.

The reactor shares one scratch buffer between all sockets. The skimmer keeps only what is
unfinished: the first bytes of a small frame are copied back in front of the next read, and a long
frame is collected by the parser (`frames.py`).

What the server does wrong is a value with a name, not an exception, and all messages before it
are handed on.
"""

from typing import NamedTuple

from actors.transport.frames import PLAIN_TEXT, FrameParser
from actors.transport.noise import NoisePattern, RunSkipper, is_book_noise, rare_byte

_TRIES = 16  # unsuccessful finds of a byte before the whole marker is searched


class Skim(NamedTuple):
    """What one read brought.

    Attributes:
        messages: Complete messages that may matter, oldest first, fragments joined.
        pings: Payloads to answer with a PONG, oldest first.
        close: Code (1005 if the server gave none) and reason of a CLOSE frame.
        violation: The name of what the server did wrong. Nothing is read after a CLOSE or a
            violation.
    """

    messages: tuple[bytes, ...] = ()
    pings: tuple[bytes, ...] = ()
    close: tuple[int, str] | None = None
    violation: str | None = None


NOTHING = Skim()
"""The result of a read without anything to handle."""

_EMPTY = bytearray()


class MarkerSearch:
    """Finds the next of several markers in a buffer.

    Each marker is searched once in a buffer, no matter how often another one is found.

    Attributes:
        markers: What is searched since the last `begin`.
        next: Where the next marker is; -1 if that is not known yet.
        found: The marker that is there.
    """

    __slots__ = ("_places", "_rare", "found", "markers", "next")

    def __init__(self, markers: tuple[bytes, ...]) -> None:
        self.markers: tuple[bytes, ...] = ()
        self._rare: tuple[int, ...] = ()
        self.begin(markers)

    def begin(self, markers: tuple[bytes, ...]) -> None:
        """Begin with a new buffer, and search these markers in it."""
        if markers is not self.markers:
            self.markers = markers
            self._rare = tuple(map(rare_byte, markers))
        self.next = -1
        self.found = b""
        self._places = [-1] * len(markers)

    def seek(self, buffer: bytearray, at: int, end: int) -> int:
        """Return where the next of the markers is, at `at` or behind it; `end` if there is none."""
        nearest, places = end, self._places
        for index, marker in enumerate(self.markers):
            place = places[index]
            if place < at:
                place = places[index] = _find(buffer, marker, self._rare[index], at, end)
            if place < nearest:
                nearest = place
                self.found = marker
        self.next = nearest
        return nearest


def _find(buffer: bytearray, marker: bytes, rare: int, at: int, end: int) -> int:
    # Where a marker is, or `end`. The byte that noise does not have is found far sooner than
    # the marker, and nearly always belongs to one; otherwise it is the length of a frame.
    where = at
    if rare >= 0:
        byte = marker[rare]
        for _ in range(_TRIES):
            where = buffer.find(byte, where + rare, end) - rare
            if where < at:
                return end
            if buffer.startswith(marker, where, end):
                return where
            where += 1
    where = buffer.find(marker, where, end)
    return end if where < 0 else where


def take_run(
    buffer: bytearray, lo: int, end: int, *, marker: bytes, trail: int, short: int
) -> tuple[int, list[bytes]]:
    """Take a run of wanted messages: those that end like the last one, from `lo` on.

    In messages of one kind the marker is equally far from the end, whatever their lengths. So
    in a burst of trades it need not be searched: it is looked for where it was in the last one.

    Args:
        buffer: What was read, up to `end`.
        lo: Where a frame begins. Only plain text frames are taken.
        end: One past the last byte.
        marker: The marker of the last wanted message.
        trail: It was so many bytes before the end of that message.
        short: Messages up to so many bytes are not taken.

    Returns:
        Where the first frame begins that was not taken, and the messages.
    """
    messages: list[bytes] = []
    least, last = max(short, trail), end - 4
    while lo <= last and buffer[lo] == PLAIN_TEXT:
        size = buffer[lo + 1]
        at = lo + 2
        if size == 126:
            at = lo + 4
            size = buffer[lo + 2] << 8 | buffer[lo + 3]
        elif size > 126:  # a 64-bit length, or a masked frame
            break
        stop = at + size
        if stop > end or size <= least or not buffer.startswith(marker, stop - trail):
            break
        messages.append(bytes(buffer[at:stop]))
        lo = stop
    return lo, messages


class FrameSkimmer:
    """Walks the frames that one server sends on one socket.

    Owned by one thread at a time, except for `set_markers`, which any thread may call at any
    time.

    Attributes:
        held: Bytes of the unfinished frame that go in front of the next read; at most
            `frames.TAIL_BYTES`.
        frames_total: Complete frames of any kind.
        messages_total: Messages handed on.
        skipped_total: Messages that were provably book noise.
        data_total: Messages longer than `short_bytes`, handed on or not. They prove that data
            arrives, which `PONG` does not.
        bytes_total: Bytes read.
        pattern: The form of the commonest noise; all skimmers of one thread may share it.
        sample: A message that was skipped after `request_sample`, or None. Whoever takes it
            sets this to None.

    Args:
        markers: A message that contains one of these is handed on.
        max_message_bytes: A longer message is a violation, as soon as a header announces it.
        sample_every: One in so many messages is handed on instead of skipped.
        short_bytes: Messages up to this length are handed on.
    """

    __slots__ = (
        "_key_offset",
        "_markers",
        "_parser",
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
            raise ValueError("sample_every must be 1 or more, short_bytes 0 or more")
        self._parser = FrameParser(max_message_bytes)
        self._sample_every = sample_every
        self._sample_in = sample_every  # messages of noise until one is not skipped
        self._sample_wanted = False
        self.sample: bytes | None = None
        self._short_bytes = short_bytes
        self._key_offset = 1  # where the key was in the last message of the commonest noise
        self.pattern = NoisePattern()
        self._tail = bytearray()
        self.held = 0
        self.frames_total = self.messages_total = self.skipped_total = 0
        self.data_total = self.bytes_total = 0
        self.set_markers(markers)
        self._search = MarkerSearch(markers)

    @property
    def markers(self) -> tuple[bytes, ...]:
        """Return the markers by which a message is handed on."""
        return self._markers

    def set_markers(self, markers: tuple[bytes, ...]) -> None:
        """Set what is searched from the next read on. Any thread.

        Raises:
            ValueError: One of them is empty.
        """
        if not all(markers):
            raise ValueError("an empty marker would be found everywhere")
        # One assignment, so that the reactor's thread sees the old tuple or the new one.
        self._markers = markers

    def request_sample(self) -> None:
        """Set `sample` to the next message that is skipped."""
        self._sample_wanted = True
        self._sample_in = 1

    @property
    def frame_in_progress(self) -> bool:
        """Return whether a frame, or a message in fragments, has begun and not ended."""
        return self.held > 0 or self._parser.missing_bytes > 0 or self._parser.in_fragments

    @property
    def unfinished_bytes(self) -> int:
        """Return how many bytes of that frame or message have arrived. In the owner's thread."""
        # A control frame is no part of the message between whose fragments it comes.
        is_control = bool(self._tail) and self._tail[0] & 0x08
        return self._parser.collected_bytes + (0 if is_control else self.held)

    @property
    def in_fragments(self) -> bool:
        """Return whether a message in fragments has begun and not ended."""
        return self._parser.in_fragments

    def discard(self) -> None:
        """Free what has arrived of an unfinished message; nothing is skimmed any more."""
        self._parser.discard()
        self._tail.clear()
        self.held = 0

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
        parser = self._parser
        self.bytes_total += end - start
        if self._is_all_noise(buffer, start, end):
            return NOTHING
        self._search.begin(self._markers)
        out: list[bytes] = []
        lo = start - self.held
        if self.held:
            buffer[lo:start] = self._tail
            self._tail = _EMPTY
            self.held = 0
        elif parser.missing_bytes:
            lo = parser.continue_long_frame(buffer, start, end)
            self._filter_parsed(out)
        while True:
            lo = self._walk(buffer, lo, end, out)
            left = end - lo
            if left < 2 or (left >= 4 and buffer[lo] == parser.plain and buffer[lo + 1] < 127):
                break  # nothing, or an incomplete plain frame
            after = parser.parse_frame(buffer, lo, end)
            if after == lo:
                break
            lo = after
            if parser.messages:
                self._filter_parsed(out)
        if lo < end and not parser.ended:
            self._tail = buffer[lo:end]
            self.held = end - lo
        if out or parser.frames or parser.ended:
            return self._report(out)
        return NOTHING

    def _is_all_noise(self, buffer: bytearray, start: int, end: int) -> bool:
        # With thousands of connections most reads bring one frame of the commonest noise or a
        # few. Those are skipped here at once; whatever else comes is left to `_walk`.
        skipper, parser = self.pattern.skipper, self._parser
        if (
            type(skipper) is not RunSkipper
            or self.held
            or parser.missing_bytes
            or parser.plain != PLAIN_TEXT
            or end - start > skipper.countable
            or self.pattern.learning
            or skipper.least - 4 <= self._short_bytes
        ):
            return False
        frames = (end - start) // skipper.least
        found = skipper.match(buffer, start, end) if frames < self._sample_in else None
        if found is None or found.end() != end:
            return False
        for marker in self._markers:
            if buffer.find(marker, start, end) >= 0:
                return False
        self._sample_in -= frames
        self._count(frames, skipped=frames, data=frames)
        return True

    # One loop with local variables: a call for each frame would cost as much as the frame.
    def _walk(  # noqa: C901, PLR0912, PLR0915
        self, buffer: bytearray, lo: int, end: int, out: list[bytes]
    ) -> int:
        # Take the plain text frames from `lo` on; return where something else begins.
        if self._parser.plain != PLAIN_TEXT:
            return lo
        pattern, search, short = self.pattern, self._search, self._short_bytes
        skipper, marked = pattern.skipper, search.next
        frames = shorts = 0
        due = self._sample_in  # the frame of this number is handed on even if it is noise
        kept = len(out)
        last = end - 4
        # Where the last frame with a marker ended; a burst may go on from the read before.
        wanted_end = lo
        while lo <= last and buffer[lo] == PLAIN_TEXT:
            if marked < lo:
                marked = search.seek(buffer, lo, end)
            if skipper is not None and not pattern.learning and skipper.least - 4 > short:
                lo, skipped = skipper.skip(buffer, lo, marked, due - frames)
                frames += skipped
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
                    self._keep_sample(buffer[at:stop])
                    continue
                due -= 1
            due += 1
            out.append(bytes(buffer[at:stop]))
            if marked < stop:
                if begin == wanted_end and lo <= last:
                    marker, trail = search.found, stop - marked
                    lo, run = take_run(buffer, lo, end, marker=marker, trail=trail, short=short)
                    out += run
                    frames += len(run)
                    due += len(run)
                wanted_end = lo
        self._sample_in = due - frames
        self._count(frames, skipped=frames - len(out) + kept, data=frames - shorts)
        return lo

    def _count(self, frames: int, *, skipped: int, data: int) -> None:
        pattern = self.pattern
        pattern.frames_left -= frames
        if pattern.frames_left < 0:
            pattern.learning = True
        self.frames_total += frames
        self.skipped_total += skipped
        self.data_total += data

    def _is_noise(self, buffer: bytearray, at: int, stop: int) -> bool:
        where = is_book_noise(buffer, at, stop, self._key_offset)
        if where > 0:
            self._key_offset = where
            if self.pattern.learning:
                self.pattern.learn(where, stop - at)
        return where >= 0

    def _keep_sample(self, sample: bytes | bytearray) -> None:
        self._sample_wanted = False
        self.sample = bytes(sample)

    def _filter_parsed(self, out: list[bytes]) -> None:
        # Judge what the parser has completed by the same rule as in `_walk`.
        for message in self._parser.messages:
            size = len(message)
            if size > self._short_bytes:
                self.data_total += 1
                marked = any(marker in message for marker in self._markers)
                if not marked and is_book_noise(message, 0, size, self._key_offset) >= 0:
                    self._sample_in -= 1
                    if self._sample_in:
                        self.skipped_total += 1
                        continue
                    self._sample_in = self._sample_every
                    if self._sample_wanted:
                        self._keep_sample(message)
                        self.skipped_total += 1
                        continue
            out.append(message)
        self._parser.messages.clear()

    def _report(self, out: list[bytes]) -> Skim:
        parser = self._parser
        self.messages_total += len(out)
        self.frames_total += parser.frames
        skim = Skim(tuple(out), tuple(parser.pings), parser.close, parser.violation)
        parser.frames = 0
        parser.pings.clear()
        return skim
