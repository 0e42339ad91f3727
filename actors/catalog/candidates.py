"""Candidates: the largest of the markets that a sweep lists, as many as there are places.

Memory: a market each, and one entry of a heap.
"""

import heapq
from collections.abc import Iterable
from decimal import Decimal

from actors.model.market import Market
from actors.model.trade import ConditionId

_ZERO = Decimal(0)


class Candidates:
    """Of one sweep.

    Attributes:
        turned_away: Whether there were more than places.
        descending: Whether the server lists by volume, as it was asked to.
    """

    def __init__(self) -> None:
        self._entries: dict[ConditionId, tuple[Decimal, int, Market]] = {}
        self._smallest: list[tuple[Decimal, int, ConditionId]] = []
        self._arrivals = 0
        self._last_volume: Decimal | None = None
        self.turned_away = False
        self.descending = True

    def __len__(self) -> int:
        return len(self._entries)

    def watch_order(self, page: Iterable[Market]) -> None:
        """Notice when the server does not list by volume."""
        for market in page:
            volume = market.volume or _ZERO
            if self._last_volume is not None and volume > self._last_volume:
                self.descending = False
            self._last_volume = volume

    def add(self, market: Market, *, places: int) -> None:
        """Keep the largest, as many as there are places; the earlier of equals."""
        if market.condition_id in self._entries:  # listed twice: it moved between pages
            return
        volume = market.volume or _ZERO
        self._arrivals += 1
        self._entries[market.condition_id] = (volume, -self._arrivals, market)
        heapq.heappush(self._smallest, (volume, -self._arrivals, market.condition_id))
        while len(self._entries) > max(places, 0):
            self.turned_away = True
            self._entries.pop(heapq.heappop(self._smallest)[2], None)

    def forget(self, condition_id: ConditionId) -> None:
        """Let go of one that was chosen or settled meanwhile."""
        self._entries.pop(condition_id, None)

    def best(self) -> tuple[Market, ...]:
        """Give them, the largest first."""
        entries = sorted(self._entries.values(), key=lambda entry: entry[:2], reverse=True)
        return tuple(market for _, _, market in entries)
