"""NoisePattern: how frames of the commonest noise follow each other, so that one step takes many.

Nearly all messages have one form and lengths that lie close together. The pattern
learns both from a sample and writes them into a regular expression, which then
walks from header to header in C: a header with a length that it knows, so many
bytes of payload with the sign in its place, the next header. What it takes is
proven as if each frame had been looked at; where it stops, the skimmer looks.

It does not say how many frames it took. That follows from the bytes as long as
these are few: `n` frames of `least` to `most` bytes each can be no other number
while `n * (most - least) < least`.

Where lengths differ too much each frame gets a look of its own.
"""

import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from actors.transport.filter import OBJECT, PRICE_CHANGES

_SAMPLE = 256  # messages that show how the rest will be
_REST = 1 << 20  # frames until the next sample, for what the server sends may change
_SPREAD = 8  # the longest frame is longer than the shortest by at most its eighth
_WIDEST = 128  # bytes between the two; each length is one more thing to try
_AT_ONCE = 256  # frames in one step at most
_MOST = 0.9  # of all messages must be known, else the steps are too short to be worth it
_HEAD = 4  # bytes of a header with a 16-bit length
_SIGN = len(PRICE_CHANGES)
_WIDE_TEXT = 0x817E  # how a plain text frame with a 16-bit length begins


class RunSkipper(NamedTuple):
    """Takes several frames at once.

    Attributes:
        take: Given a buffer, where a frame begins and the end of what may be taken,
            gives a match of all the frames from there on that it knows, or None.
        least: Bytes of the shortest frame that it knows, with its header.
        room: So many bytes hold no more frames than can be told from the bytes alone.
    """

    take: Callable[[bytearray, int, int], "re.Match[bytes] | None"]
    least: int
    room: int

    def run(self, buffer: bytearray, lo: int, limit: int, due: int) -> tuple[int, int]:
        """Take the frames from `lo` on that are known and end at `limit` or before.

        Returns:
            Where they end, and how many they are: fewer than `due` (1 at least).
        """
        take, least, room = self
        taken = 0
        while True:
            bound = lo + (room if (due - taken) * least > room else (due - taken) * least - 1)
            found = take(buffer, lo, bound if bound < limit else limit)  # noqa: FURB136 - dear
            if found is None:
                return lo, taken
            stop = found.end()
            taken += (stop - lo) // least
            lo = stop
            if bound >= limit:
                return lo, taken


class FrameSkipper(NamedTuple):
    """Takes frames one at a time, of any length.

    Attributes:
        look: Gives of the frame at a place: its first two bytes, its length, the
            message's first byte, and what stands where the sign should be.
        least: Bytes of the shortest frame with the sign in its place.
    """

    look: Callable[[bytearray, int], tuple[Any, ...]]
    least: int

    def run(self, buffer: bytearray, lo: int, limit: int, due: int) -> tuple[int, int]:
        """See `RunSkipper.run`."""
        look, least = self
        sign, head, brace, usual = PRICE_CHANGES, _WIDE_TEXT, OBJECT, least - _HEAD
        taken = 0
        try:
            for taken in range(due - 1):
                begins, size, first, signed = look(buffer, lo)
                stop = lo + _HEAD + size
                if (
                    stop > limit
                    or signed != sign
                    or begins != head
                    or size < usual
                    or first != brace
                ):
                    return lo, taken
                lo = stop
        except struct.error:  # so near to the end of the buffer stands no whole message
            return lo, taken
        return lo, due - 1


class NoisePattern:
    """Learns from the messages that one thread looks at, on all of its connections.

    Attributes:
        step: What is known; None until the first sample is complete.
        learning: Whether a sample is being taken: no steps meanwhile, and `note`
            wants to hear of every message of the commonest noise.
    """

    __slots__ = ("_rest", "_seen", "learning", "step")

    def __init__(self) -> None:
        self.step: RunSkipper | FrameSkipper | None = None
        self.learning = True
        self._rest = 0
        self._seen: Counter[tuple[int, int]] = Counter()

    def note(self, lead: int, size: int) -> None:
        """Note a message in whose `size` bytes the sign stands `lead` bytes in (1 at least)."""
        self._seen[lead, size] += 1
        if self._seen.total() >= _SAMPLE:
            self.step = _learned(self._seen)
            self._seen.clear()
            self.learning = False
            self._rest = _REST

    def walked(self, frames: int) -> None:
        """Note how many frames went by, in steps or not."""
        self._rest -= frames
        if self._rest < 0:
            self.learning = True


def step_over(lead: int, sizes: Iterable[int]) -> RunSkipper:
    """Return the step over messages of these sizes, the commonest first.

    Args:
        lead: Where the sign stands in each; 1 at least.
        sizes: Different ones, bytes, all with a 16-bit length and room for the sign.
    """
    ordered = list(sizes)
    least, most = min(ordered) + _HEAD, max(ordered) + _HEAD
    count = min((least - 1) // (most - least), _AT_ONCE) if most > least else _AT_ONCE
    frame = rb"\x81\x7e(?:%s)" % b"|".join(
        rb"%s(?:%s)" % (_byte(high), b"|".join(_body(size, lead) for size in some))
        for high, some in _by_high(ordered).items()
    )
    # Not possessive, which before Python 3.11.5 ends a run in the midst of a frame: a run that
    # cannot go on ends where its last whole frame did, and nothing follows that it could fail.
    take = re.compile(rb"(?:%s)+" % frame, re.DOTALL).match
    return RunSkipper(take, least, (count + 1) * least - 1)


def look_at(lead: int) -> FrameSkipper:
    """Return the look at messages in which the sign stands `lead` bytes in (1 at least)."""
    look = struct.Struct(f">HHB{lead - 1}x{_SIGN}s").unpack_from
    return FrameSkipper(look, _HEAD + lead + _SIGN)


def _learned(seen: Counter[tuple[int, int]]) -> RunSkipper | FrameSkipper:
    # The commonest form, and of its lengths the window in which most of them lie.
    leads: Counter[int] = Counter()
    for (lead, _), times in seen.items():
        leads[lead] += times
    lead = max(leads, key=leads.__getitem__)
    sizes = {
        size: times
        for (at, size), times in seen.items()
        if at == lead and 125 < size <= 0xFFFF and size >= lead + _SIGN
    }
    windows = [
        [size for size in sizes if 0 <= size - low <= min((low + _HEAD) // _SPREAD, _WIDEST)]
        for low in sizes
    ]
    window = max(windows, key=lambda some: sum(sizes[size] for size in some), default=[])
    if sum(sizes[size] for size in window) < _MOST * _SAMPLE:
        return look_at(lead)
    # Lengths in between that were not seen are rare, and tried last.
    known = sorted(window, key=sizes.__getitem__, reverse=True)
    between = range(max(min(window), lead + _SIGN), max(window))
    return step_over(lead, [*known, *(size for size in between if size not in sizes)])


def _by_high(sizes: list[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for size in sizes:
        found.setdefault(size >> 8, []).append(size)
    return found


def _body(size: int, lead: int) -> bytes:
    # What stands behind the upper byte of the length. The dots are possessive: each is one
    # addition, and there is no other way to match.
    parts = _byte(size & 0xFF), _bytes(lead - 1), re.escape(PRICE_CHANGES)
    return rb"%s\{%s%s%s" % (*parts, _bytes(size - lead - _SIGN))


def _byte(value: int) -> bytes:
    return b"\\x%02x" % value


def _bytes(count: int) -> bytes:
    return b".{%d}+" % count if count else b""
