"""Twins: identical prints on one connection, told apart by counting.

The feed has no trade id, and two real fills may print the same. The k-th
identical print on one connection is the k-th on every other, so its number,
with all that it says, is its identity.

Counts are kept by exchange time, in slices. A slice is forgotten when all of
it lies more than `window_ms` behind the newest time seen, and the oldest go
first when more than `most_keys` prints are remembered: a twin that comes later
than that counts as a first print, which the unique key then holds for a repeat.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from actors.logic.trade import Print, print_hash

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

    def number(self, prints: Iterable[Print]) -> Numbered:
        """Give the prints, in the same order, each with its occurrence.

        Args:
            prints: As decoded: each the first of its kind.
        """
        numbered: list[Print] = []
        hashes: list[int] = []
        for trade in prints:
            digest = print_hash(trade)
            count = self._count(trade, digest)
            if count > 1:
                twin = msgspec.structs.replace(trade, occurrence=count)
                numbered.append(twin)
                hashes.append(print_hash(twin))
            else:
                numbered.append(trade)
                hashes.append(digest)
        return Numbered(tuple(numbered), tuple(hashes))

    def heard(self, trade: Print) -> bool:
        """Tell whether this print, with its occurrence, is among those that are remembered."""
        counts = self._slices.get(trade.traded_at_ms // self._slice_ms, {})
        first = msgspec.structs.replace(trade, occurrence=1)
        return counts.get(_key(first, print_hash(first)), 0) >= trade.occurrence

    def _count(self, trade: Print, digest: int) -> int:
        place = trade.traded_at_ms // self._slice_ms
        counts = self._slices.get(place)
        if counts is None:
            counts = self._slices[place] = {}
        key = _key(trade, digest)
        count = counts[key] = counts.get(key, 0) + 1
        if count == 1:
            self._keys += 1
            # A print may carry a time of tomorrow; it must not push today out of the window.
            now_ms = min(trade.traded_at_ms, trade.received_at_ns // 1_000_000)
            if now_ms >= self._later_ms or self._keys > self._most_keys:
                self._forget(now_ms)
        return count

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


def _key(first: Print, digest: int) -> int:
    # 64 bits again, and a third of the memory of what goes into them.
    return hash((first.token_id, first.traded_at_ms, digest))
