"""How much is told to the writer and not yet stored, and whether that is too much.

Counted in prints, refusals and facts, not in records: one record may hold hundreds.
"""

from collections import deque


class InFlight:
    """Remembers the latest records up to a bound, and of the others only where they end.

    Args:
        most: What may be in flight.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._latest: deque[tuple[int, int]] = deque()
        self._beyond = 0  # the highest sequence that is not remembered any more

    def appended(self, seq: int, weight: int) -> None:
        """Take note of a record; they come nearly in the order of their sequences."""
        self._latest.append((seq, weight))
        self._held += weight
        while self._held > self._most:
            older, lighter = self._latest.popleft()
            self._held -= lighter
            self._beyond = max(self._beyond, older)

    def crowded(self, mark: int) -> bool:
        """Tell whether more than the bound is not below this mark."""
        return mark <= self._beyond
