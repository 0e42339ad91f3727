"""Up to where the journal is committed, and whether that has stopped.

Several connections append to one journal and send the writer their records at their own pace,
so sequence 12 may be committed before sequence 11. The watermark passes only what is committed
without exception, because segments below it are deleted.
"""

from bisect import bisect_left, bisect_right


class Watermark:
    """The lowest sequence that is not committed, and the ranges above it that are.

    Owned by the writer. Memory is one pair of numbers for each separate range above the
    watermark.

    Args:
        seq: The lowest sequence that is not committed at the beginning.
    """

    def __init__(self, seq: int) -> None:
        self.seq = seq
        # Ranges above the watermark, sorted, with at least one number between any two of them.
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def done(self, first: int, last: int) -> int:
        """Record that `first` to `last`, both included, are committed; return the watermark.

        Ranges may overlap those that were noted before.

        Raises:
            ValueError: `last` is less than `first`.
        """
        if first > last:
            raise ValueError(f"a range cannot end ({last}) before it begins ({first})")
        if last >= self.seq:
            self._merge(max(first, self.seq), last)
            if self._firsts[0] == self.seq:
                self._firsts.pop(0)
                self.seq = self._lasts.pop(0) + 1
        return self.seq

    def _merge(self, first: int, last: int) -> None:
        # Every range from `low` to before `high` overlaps the new one or touches it.
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def covers(self, first: int, last: int) -> bool:
        """Return whether all of `first` to `last` is committed."""
        if last < self.seq:
            return True
        first = max(first, self.seq)
        place = bisect_right(self._firsts, first) - 1
        return place >= 0 and self._lasts[place] >= last


class StallDetector:
    """Notices that the watermark stands still although the journal grows.

    That happens when a record was appended and its connection died before it sent the record
    to the writer.

    Args:
        after_s: How long the watermark may stand still while records wait.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._watermark = 0
        self._since = 0.0

    def noticed(self, now: float, *, watermark: int, next_seq: int) -> bool:
        """Return whether the watermark stands still for too long; then start to wait again."""
        if watermark != self._watermark or next_seq <= watermark:
            self._watermark, self._since = watermark, now
            return False
        if now - self._since < self._after_s:
            return False
        self._since = now
        return True
