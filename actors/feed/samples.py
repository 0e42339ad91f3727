"""Samples of what is rejected and cannot be a trade: of each kind a few in a minute are kept.

A new kind of event may come as often as all changes of order books together, and each of them
would be a row. So of what cannot be a trade only the first of a minute are kept, verbatim; all are
counted. What may be a trade (`channel.Doubt`) is kept whole, in an hour up to a share of the disk:
more would fill it, and then nothing could be recorded at all. Whether it is kept or not, its token
is not covered.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from actors.polymarket.channel import Decoded
from actors.polymarket.events import elements

OTHER: Final = "other"
"""Stands for every kind that is one too many to be told apart."""
DOUBTFUL_SHARE: Final = 20
"""Of what may be trades this part of the journal's largest size is kept in an hour: of 20 GiB that
is 600 events a second of 500 bytes each, twenty times as many as there are trades."""
_S: Final = 1_000_000_000
_HOUR_NS: Final = 3_600 * _S
_SPACE: Final = b" \t\r\n"

Read = Callable[[bytes], Decoded]
"""Decodes one frame."""


class Samples:
    """Says which rejected events are kept. One for the whole process.

    All connections share it, without a lock: two threads at one moment may keep one more.

    Args:
        of_each: So many of each kind are kept in a window.
        kinds: So many kinds are told apart in a window; the others share one, `OTHER`.
        most_bytes: So much is kept of each kind in a window, and no longer one counts among it.
        window_s: In seconds of the receipt.
        large_s: A longer one is kept once in so many seconds, of whichever kind.
        doubtful_bytes: So much is kept in an hour of what may be trades.
    """

    def __init__(
        self,
        *,
        of_each: int = 20,
        kinds: int = 16,
        most_bytes: int = 1 << 15,
        window_s: int = 60,
        large_s: int = 3_600,
        doubtful_bytes: int = 1 << 30,
    ) -> None:
        self._of_each = of_each
        self._most_kinds = kinds
        self._most_bytes = most_bytes
        self._window_ns = window_s * _S
        self._large_ns = large_s * _S
        self._window = 0
        self._large = 0
        self._most_doubtful = doubtful_bytes
        self._hour = self._doubtful = 0
        self._kept: dict[str, tuple[int, int]] = {}

    def takes(self, kind: str, size: int, received_at_ns: int) -> bool:
        """Return whether this one is kept; it counts as kept then.

        Args:
            kind: What it is; see `Decoded.kinds`.
            size: Its bytes.
            received_at_ns: When it was received, wall clock.
        """
        window = received_at_ns // self._window_ns
        # Of the window before: another thread received it a moment ago. Earlier: the clock was set.
        if window > self._window or window < self._window - 1:
            self._window, self._kept = window, {}
        if size > self._most_bytes:
            return self._takes_large(received_at_ns)
        kept = self._kept
        if kind not in kept and len(kept) >= self._most_kinds:
            kind = OTHER
        count, held = kept.get(kind, (0, 0))
        if count >= self._of_each or held + size > self._most_bytes:
            return False
        kept[kind] = (count + 1, held + size)
        return True

    def takes_doubtful(self, size: int, received_at_ns: int) -> bool:
        """Return whether one that may be a trade is kept; it counts as kept then.

        Args:
            size: Its bytes.
            received_at_ns: When it was received, wall clock.
        """
        hour = received_at_ns // _HOUR_NS
        if hour > self._hour or hour < self._hour - 1:
            self._hour, self._doubtful = hour, 0
        if self._doubtful + size > self._most_doubtful:
            return False
        self._doubtful += size
        return True

    def _takes_large(self, received_at_ns: int) -> bool:
        large = received_at_ns // self._large_ns
        if self._large - 1 <= large <= self._large:
            return False
        self._large = large
        return True


def without(decoded: Decoded, taken: Sequence[bool], read: Read) -> Decoded:
    """Return what is left of some frames when some of their rejections are left out.

    A frame with nothing else to keep is left out, too. From an array only these events are cut, so
    that whoever reads it again finds what is returned here; one from which they cannot be cut
    stays as it is.

    Args:
        decoded: The frames.
        taken: For each rejection whether it stays.
        read: Decodes a frame as it was decoded.
    """
    inside: dict[int, list[int]] = {}
    for place, frame in enumerate(decoded.rejected_in):
        inside.setdefault(frame, []).append(place)
    stays, frames, moved = list(taken), list[bytes](), dict[int, int]()
    for at, raw in enumerate(decoded.kept):
        places = inside.get(at, ())
        rest: bytes | None = raw
        if not all(taken[place] for place in places):
            events = [(decoded.rejections[place].payload, taken[place]) for place in places]
            rest = _cut(raw, events, read)
        if rest is None:
            rest = raw
            for place in places:
                stays[place] = True
        if rest:
            moved[at] = len(frames)
            frames.append(rest)
    left = [place for place, stay in enumerate(stays) if stay]
    return msgspec.structs.replace(
        decoded,
        rejections=tuple([decoded.rejections[place] for place in left]),
        rejected_after=tuple([decoded.rejected_after[place] for place in left]),
        rejected_in=tuple([moved[decoded.rejected_in[place]] for place in left]),
        kinds=tuple([decoded.kinds[place] for place in left]),
        kept=tuple(frames),
    )


def _cut(raw: bytes, rejected: Iterable[tuple[bytes, bool]], read: Read) -> bytes | None:
    """Return an array without those of its rejected events that do not stay.

    Empty when nothing else is in the frame that is to be kept; None when they cannot be cut out.
    """
    body, waiting = raw.strip(_SPACE), deque(rejected)
    stay = [payload for payload, stays in waiting if stays]
    if [payload.strip(_SPACE) for payload, _ in waiting] == [body]:
        return b""  # nearly always: one event in a frame, or the frame as a whole
    others = []
    for element in elements(body):
        if waiting and element == waiting[0][0]:
            _, stays = waiting.popleft()
            if not stays:
                continue
        others.append(element)
    rest = b"[" + b",".join(others) + b"]"
    before, found = read(raw), read(rest)
    alike = found.trades == before.trades and stay == [each.payload for each in found.rejections]
    if waiting or not alike:
        return None
    return rest if found.trades or found.rejections else b""
