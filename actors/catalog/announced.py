"""Markets that the feed announced and Gamma does not list yet.

Gamma lags behind the feed by seconds to minutes, so a look-up is repeated at
growing intervals and given up after about five minutes: the next poll or sweep
finds the market anyway. Seconds are monotonic.
"""

import heapq
from collections.abc import Iterable

from actors.model.trade import ConditionId

DELAYS_S = (0.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0, 60.0, 60.0, 60.0)
MAX_WAITING = 10_000


class Announced:
    """What is still to be looked up, and when. At most 10,000; more are left to the sweep."""

    def __init__(self) -> None:
        self._tries: dict[ConditionId, int] = {}
        self._next: dict[ConditionId, float] = {}
        self._heap: list[tuple[float, ConditionId]] = []

    def __len__(self) -> int:
        return len(self._tries)

    def add(self, condition_id: ConditionId, now: float) -> bool:
        """Look for this market from now on; False when it waits already or there is no room."""
        if condition_id in self._tries or len(self._tries) >= MAX_WAITING:
            return False
        self._tries[condition_id] = 0
        self._set_next(condition_id, now)
        return True

    def due(self, now: float) -> bool:
        """Say whether a look-up is due."""
        return bool(self._heap) and self._heap[0][0] <= now

    def peek(self, now: float, limit: int) -> tuple[ConditionId, ...]:
        """Give those that are due, the longest waiting first; they stay due until `tried`."""
        due: list[tuple[float, ConditionId]] = []
        while self.due(now) and len(due) < limit:
            at, condition_id = heapq.heappop(self._heap)
            if self._next.get(condition_id) == at:  # else it was found or tried meanwhile
                due.append((at, condition_id))
        for entry in due:
            heapq.heappush(self._heap, entry)
        return tuple(condition_id for _, condition_id in due)

    def found(self, condition_ids: Iterable[ConditionId]) -> None:
        """Stop looking for these."""
        for condition_id in condition_ids:
            self._tries.pop(condition_id, None)
            self._next.pop(condition_id, None)
        self._drop_stale()

    def tried(self, condition_ids: Iterable[ConditionId], now: float) -> None:
        """Set the next look of those that were not found; the last try forgets them."""
        for condition_id in condition_ids:
            if condition_id not in self._tries:
                continue
            self._tries[condition_id] += 1
            if self._tries[condition_id] >= len(DELAYS_S):
                self.found((condition_id,))
            else:
                self._set_next(condition_id, now)
        self._drop_stale()

    def _set_next(self, condition_id: ConditionId, now: float) -> None:
        at = now + DELAYS_S[self._tries[condition_id]]
        self._next[condition_id] = at
        heapq.heappush(self._heap, (at, condition_id))

    def _drop_stale(self) -> None:
        while self._heap and self._next.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
