"""How much is told to the writer and not yet stored, and whether that is too much.

Counted in prints, refusals and facts, not in records: one record may hold hundreds.
"""

from collections import deque


class InFlight:
    """Remembers what is in flight up to a bound, and of what is beyond it only where it ends.

    Args:
        most: What may be in flight.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._records: deque[tuple[int, int]] = deque()
        self._beyond = 0  # the highest sequence that is not remembered though it was not stored

    def __len__(self) -> int:
        """Give how many records are remembered."""
        return len(self._records)

    def appended(self, seq: int, weight: int, mark: int) -> bool:
        """Take note of a record; tell whether more than the bound is in flight with it.

        Args:
            seq: They come nearly in order.
            weight: How much is in it.
            mark: The lowest sequence that is not stored.
        """
        self._records.append((seq, weight))
        self._held += weight
        while self._records and self._records[0][0] < mark:
            self._held -= self._records.popleft()[1]
        while self._held > self._most:
            older, some = self._records.popleft()
            self._held -= some
            self._beyond = max(self._beyond, older)
        return mark <= self._beyond
