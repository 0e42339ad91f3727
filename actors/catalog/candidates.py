"""Which markets of a sweep have a place, when the operator wants no more than a number of them."""

import heapq
from collections.abc import Iterable
from decimal import Decimal

from actors.model.market import Market, without_description
from actors.model.trade import ConditionId

_ZERO = Decimal(0)


class Candidates:
    """The largest markets that one sweep lists, as many as there are places.

    Memory: each market without its description, and one entry of a heap. A chosen one differs from
    what the next listing tells, so its description is stored then.

    Attributes:
        overflowed: Whether there were more candidates than places.
        descending: Whether the server lists by volume, as it was asked to.
    """

    def __init__(self) -> None:
        self._entries: dict[ConditionId, tuple[Decimal, int, Market]] = {}
        self._smallest: list[tuple[Decimal, int, ConditionId]] = []
        self._arrivals = 0
        self._last_volume: Decimal | None = None
        self.overflowed = False
        self.descending = True

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._entries

    def check_order(self, page: Iterable[Market]) -> None:
        """Notice when the server does not list by volume."""
        for market in page:
            volume = market.volume or _ZERO
            if self._last_volume is not None and volume > self._last_volume:
                self.descending = False
            self._last_volume = volume

    def add(self, market: Market, *, places: int) -> None:
        """Keep the largest, as many as there are places; of equal ones the earlier."""
        if market.condition_id in self._entries:  # listed twice: it moved between pages
            return
        volume = market.volume or _ZERO
        self._arrivals += 1
        # Negative, so that of equal volumes the one that came last is the
        # smallest and leaves first.
        kept = without_description(market)
        self._entries[market.condition_id] = (volume, -self._arrivals, kept)
        heapq.heappush(self._smallest, (volume, -self._arrivals, market.condition_id))
        while len(self._entries) > max(places, 0):
            self.overflowed = True
            # None: `remove` takes a market out of the entries alone, its place in the heap stays.
            self._entries.pop(heapq.heappop(self._smallest)[2], None)

    def remove(self, condition_id: ConditionId) -> None:
        """Remove one that was chosen or settled meanwhile."""
        self._entries.pop(condition_id, None)

    def best(self) -> tuple[Market, ...]:
        """Return them, the largest first."""
        entries = sorted(self._entries.values(), key=lambda entry: entry[:2], reverse=True)
        return tuple(market for _, _, market in entries)
