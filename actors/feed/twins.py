"""Twins: identical prints on one connection, told apart by counting.

The feed has no trade id, and two real fills may print the same. The k-th
identical print on one connection is the k-th on every other, so its number,
with all that it says, is its identity.

Counts are kept by exchange time, in slices. A slice is forgotten when all of
it lies more than `window_ms` behind the newest time seen, and the oldest go
first when more than `most_keys` prints are remembered: a twin that comes later
than that counts as a first print, which the unique key then holds for a repeat.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from actors.model.trade import Print, print_hashes

_SLICES: Final = 60


class Numbered(NamedTuple):
    """Prints, each with its occurrence, and the `print_hash` of each."""

    prints: tuple[Print, ...]
    hashes: tuple[int, ...]


class TwinCounter:
    """Numbers the prints of one connection; a new connection begins anew.

    Args:
        window_ms: How far back in exchange time twins are recognised.
        most_keys: How many distinct prints are remembered, about 100 bytes each.
    """

    def __init__(self, *, window_ms: int = 600_000, most_keys: int = 50_000) -> None:
        self._window_ms = window_ms
        self._slice_ms = max(1, window_ms // _SLICES)
        self._most_keys = most_keys
        self._slices: dict[int, dict[int, int]] = {}
        self._later_ms = 0  # the first time behind the newest slice
        self._keys = 0

    def __len__(self) -> int:
        """Give how many distinct prints are remembered."""
        return self._keys

    def number(self, prints: Sequence[Print]) -> Numbered:
        """Give the prints, in the same order, each with its occurrence.

        Args:
            prints: As decoded: each the first of its kind.
        """
        digests = print_hashes(prints)
        counts = self._count(prints, digests)
        if counts.count(1) == len(counts):
            return Numbered(tuple(prints), digests)
        numbered = tuple(
            trade if count == 1 else msgspec.structs.replace(trade, occurrence=count)
            for trade, count in zip(prints, counts, strict=True)
        )
        return Numbered(numbered, print_hashes(numbered))

    def heard(self, trade: Print) -> bool:
        """Tell whether this print, with its occurrence, is among those that are remembered."""
        counts = self._slices.get(trade.traded_at_ms // self._slice_ms, {})
        first = (msgspec.structs.replace(trade, occurrence=1),)
        (key,) = _keys(first, print_hashes(first))
        return counts.get(key, 0) >= trade.occurrence

    def _count(self, prints: Sequence[Print], digests: Sequence[int]) -> list[int]:
        found: list[int] = []
        for trade, key in zip(prints, _keys(prints, digests), strict=True):
            place = trade.traded_at_ms // self._slice_ms
            counts = self._slices.get(place)
            if counts is None:
                counts = self._slices[place] = {}
            count = counts[key] = counts.get(key, 0) + 1
            found.append(count)
            if count == 1:
                self._keys += 1
                if trade.traded_at_ms >= self._later_ms or self._keys > self._most_keys:
                    # A print may carry a time of tomorrow; it must not push today out.
                    self._forget(min(trade.traded_at_ms, trade.received_at_ns // 1_000_000))
        return found

    def _forget(self, now_ms: int) -> None:
        if now_ms >= self._later_ms:
            self._later_ms = (now_ms // self._slice_ms + 1) * self._slice_ms
            oldest = (now_ms - self._window_ms) // self._slice_ms
            for place in [place for place in self._slices if place < oldest]:
                self._keys -= len(self._slices.pop(place))
        while self._keys > self._most_keys:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        place = min(self._slices)
        counts = self._slices.pop(place)
        self._keys -= len(counts)
        if not self._slices:
            # All in one slice: the later half of it stays.
            later = dict(islice(counts.items(), (len(counts) + 1) // 2, None))
            self._slices[place] = later
            self._keys = len(later)


def _keys(firsts: Sequence[Print], digests: Sequence[int]) -> list[int]:
    # 64 bits again, and a third of the memory of what goes into them.
    said = zip(
        [first.token_id for first in firsts],
        [first.traded_at_ms for first in firsts],
        digests,
        strict=True,
    )
    return list(map(hash, said))
