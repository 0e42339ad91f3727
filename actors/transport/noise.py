"""Book noise: the messages that the feed sends most and nobody keeps.

`is_book_noise` proves of one message that it is book noise. A `NoisePattern` skips many such
messages at once. Nearly all of them have one form and similar lengths. The pattern learns both
from a sample and makes a regular expression of them, which then walks from header to header in C:
a header with a known length, so many bytes of payload with the key `PRICE_CHANGES` in its place,
the next header. What it skips is proven as strictly as by `is_book_noise`. Where it stops, the
skimmer judges the next frame itself.

A match does not say how many frames it took. That follows from the number of bytes as long as
these are few: `n` frames of `least` to `most` bytes each can be no other number while
`n * (most - least) < least`.

Where lengths differ too much, each frame is checked alone.
"""

import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

PRICE_CHANGES = b'"price_changes"'
"""The key by which most noise is recognised. It is near the front of its message."""

_OBJECT = 0x7B  # `{`, the first byte of a JSON object
_EVENT_TYPE = b'"event_type"'
_BIDS = b'"bids"'
_OTHER_BOOK_KEYS = (b'"best_bid_ask"', b'"tick_size_change"', b'"price_change"')
_BOOK_EVENTS = (
    b'"event_type":"price_change"',
    b'"event_type":"book"',
    b'"event_type":"best_bid_ask"',
    b'"event_type":"tick_size_change"',
)
_NOISE_BYTES = frozenset(
    b'"market":"0x0123456789abcdef","price_changes":[{"asset_id":"1","price":"0.5","size":"2",'
    b'"side":"BUY SELL","hash":"","best_bid":"0","best_ask":"1"}],"timestamp":"",'
    b'"event_type":"price_change book","bids":[],"asks":[]'
)

_SAMPLE = 256  # messages that are learned from
_SAMPLE_EVERY = 1 << 20  # frames until the next sample, since what the server sends may change
_SPREAD = 8  # the longest frame is longer than the shortest by at most its eighth
_WIDEST = 128  # bytes between the two; each length is one more alternative to try
_AT_ONCE = 256  # frames in one match at most
_MOST = 0.9  # of all messages must be known, else the matches are too short to be worth it
_HEAD = 4  # bytes of a header with a 16-bit length
_KEY = len(PRICE_CHANGES)
_WIDE_TEXT = 0x817E  # the first two bytes of a plain text frame with a 16-bit length


def is_book_noise(buffer: bytes | bytearray, at: int, stop: int, offset: int) -> int:
    """Return whether the message `buffer[at:stop]` (not empty) is provably book noise.

    An object is if it has a key of a book event. An array is if every `event_type` in it is one
    of a book, so that one other event makes the whole array no noise. Text within JSON strings
    cannot look like these keys, since a quote has a backslash before it there.

    Args:
        buffer: Holds the message.
        at: Where it begins.
        stop: Where it ends.
        offset: Where in the message `PRICE_CHANGES` is tried first.

    Returns:
        -1: It may be something else. 0: It is noise. More: It is noise, and `PRICE_CHANGES`
        is so many bytes behind its beginning.
    """
    if buffer[at] != _OBJECT:
        # If the server begins to write a space after the colon, the numbers differ: every array is
        # then handed on, which is slower and loses nothing.
        events = buffer.count(_EVENT_TYPE, at, stop)
        known = sum(buffer.count(kind, at, stop) for kind in _BOOK_EVENTS)
        return 0 if events and events == known else -1
    if buffer.startswith(PRICE_CHANGES, at + offset, stop):
        return offset
    find = buffer.find
    if find(_BIDS, at, stop) >= 0:
        return 0
    where = find(PRICE_CHANGES, at, stop)
    if where >= 0:
        return where - at
    return 0 if any(find(key, at, stop) >= 0 for key in _OTHER_BOOK_KEYS) else -1


def rare_byte(marker: bytes) -> int:
    """Return the index of the first byte in a marker that book noise never has, or -1."""
    return next((at for at, byte in enumerate(marker) if byte not in _NOISE_BYTES), -1)


class RunSkipper(NamedTuple):
    """Skips several frames of known lengths with each match.

    Attributes:
        match: Given a buffer, where a frame begins and the end of what may be skipped,
            returns a match of all the known frames from there on, or None.
        least: Bytes of the shortest known frame, with its header.
        countable: Within so many bytes the number of frames follows from the bytes alone.
    """

    match: Callable[[bytearray, int, int], "re.Match[bytes] | None"]
    least: int
    countable: int

    def skip(self, buffer: bytearray, lo: int, limit: int, due: int) -> tuple[int, int]:
        """Skip the known frames from `lo` on that end at `limit` or before.

        Returns:
            Where they end, and how many they are: fewer than `due` (1 at least).
        """
        match, least, countable = self
        skipped = 0
        while True:
            # In so few bytes there cannot be `due` frames, even if all are the shortest.
            most = (due - skipped) * least - 1
            bound = lo + (countable if most >= countable else most)  # noqa: FURB136 - a call costs
            found = match(buffer, lo, bound if bound < limit else limit)  # noqa: FURB136
            if found is None:
                return lo, skipped
            stop = found.end()
            skipped += (stop - lo) // least
            lo = stop
            if bound >= limit:
                return lo, skipped


class FrameSkipper(NamedTuple):
    """Skips frames one at a time, of any length.

    Attributes:
        unpack: Given a buffer and where a frame begins, returns the frame's first two bytes, its
            length, the message's first byte, and the bytes where the key should be.
        least: Bytes of the shortest frame with the key in its place.
    """

    unpack: Callable[[bytearray, int], tuple[Any, ...]]
    least: int

    def skip(self, buffer: bytearray, lo: int, limit: int, due: int) -> tuple[int, int]:
        """Skip frames from `lo` on; arguments and result as of `RunSkipper.skip`."""
        unpack, least = self
        wanted_key, wanted_head, brace, shortest = PRICE_CHANGES, _WIDE_TEXT, _OBJECT, least - _HEAD
        skipped = 0
        try:
            for skipped in range(due - 1):
                head, size, first, key = unpack(buffer, lo)
                stop = lo + _HEAD + size
                if (
                    stop > limit
                    or key != wanted_key
                    or head != wanted_head
                    or size < shortest
                    or first != brace
                ):
                    return lo, skipped
                lo = stop
        except struct.error:  # fewer bytes are left in the buffer than such a frame has
            return lo, skipped
        return lo, due - 1


class NoisePattern:
    """Learns from the messages of all connections of one thread.

    Attributes:
        skipper: What was learned; None until the first sample is complete.
        learning: Whether a sample is being taken. Meanwhile no frames are skipped by the
            skipper, and `learn` wants every message of the commonest noise.
        frames_left: Frames until the next sample. Whoever walks frames counts it down, and
            sets `learning` when it is below 0: a method would be called for each read.
    """

    __slots__ = ("_seen", "frames_left", "learning", "skipper")

    def __init__(self) -> None:
        self.skipper: RunSkipper | FrameSkipper | None = None
        self.learning = True
        self.frames_left = 0
        self._seen: Counter[tuple[int, int]] = Counter()

    def learn(self, offset: int, size: int) -> None:
        """Record that the key is `offset` bytes (1 at least) behind the beginning of a message."""
        self._seen[offset, size] += 1
        if self._seen.total() >= _SAMPLE:
            self.skipper = _learned(self._seen)
            self._seen.clear()
            self.learning = False
            self.frames_left = _SAMPLE_EVERY


def run_skipper(offset: int, sizes: Iterable[int]) -> RunSkipper:
    """Return the skipper of messages of these sizes.

    Args:
        offset: Where the key is in each message; 1 at least.
        sizes: Bytes, the commonest first, without duplicates; all with a 16-bit length and long
            enough for the key.
    """
    ordered = list(sizes)
    least, most = min(ordered) + _HEAD, max(ordered) + _HEAD
    count = min((least - 1) // (most - least), _AT_ONCE) if most > least else _AT_ONCE
    frame = rb"\x81\x7e(?:%s)" % b"|".join(
        rb"%s(?:%s)" % (_byte(high), b"|".join(_rest_of_frame(size, offset) for size in some))
        for high, some in _by_high_byte(ordered).items()
    )
    # Not possessive, which before Python 3.11.5 ends a match in the middle of a frame. A match
    # that cannot go on ends where its last whole frame did, and nothing follows that could fail.
    match = re.compile(rb"(?:%s)+" % frame, re.DOTALL).match
    return RunSkipper(match, least, (count + 1) * least - 1)


def frame_skipper(offset: int) -> FrameSkipper:
    """Return the skipper of messages of any size with the key at this offset (1 at least)."""
    unpack = struct.Struct(f">HHB{offset - 1}x{_KEY}s").unpack_from
    return FrameSkipper(unpack, _HEAD + offset + _KEY)


def _learned(seen: Counter[tuple[int, int]]) -> RunSkipper | FrameSkipper:
    # The commonest form, and of its lengths the window that holds most messages.
    offsets: Counter[int] = Counter()
    for (offset, _), times in seen.items():
        offsets[offset] += times
    offset = max(offsets, key=offsets.__getitem__)
    sizes = {
        size: times
        for (at, size), times in seen.items()
        if at == offset and 125 < size <= 0xFFFF and size >= offset + _KEY
    }
    windows = [
        [size for size in sizes if 0 <= size - low <= min((low + _HEAD) // _SPREAD, _WIDEST)]
        for low in sizes
    ]
    window = max(windows, key=lambda some: sum(sizes[size] for size in some), default=[])
    if sum(sizes[size] for size in window) < _MOST * _SAMPLE:
        return frame_skipper(offset)
    # Lengths in between that were not seen are rare, and tried last.
    known = sorted(window, key=sizes.__getitem__, reverse=True)
    between = range(max(min(window), offset + _KEY), max(window))
    return run_skipper(offset, [*known, *(size for size in between if size not in sizes)])


def _by_high_byte(sizes: list[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for size in sizes:
        found.setdefault(size >> 8, []).append(size)
    return found


def _rest_of_frame(size: int, offset: int) -> bytes:
    # What follows the upper byte of the length. The dots are possessive: each is one
    # addition, and there is no other way to match.
    parts = _byte(size & 0xFF), _bytes(offset - 1), re.escape(PRICE_CHANGES)
    return rb"%s\{%s%s%s" % (*parts, _bytes(size - offset - _KEY))


def _byte(value: int) -> bytes:
    return b"\\x%02x" % value


def _bytes(count: int) -> bytes:
    return b".{%d}+" % count if count else b""
