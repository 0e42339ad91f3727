"""What is done of a numbered stream whose pieces are done out of order.

Several connections append to one journal and tell the writer in their own
time, so sequence 12 may be committed before 11. The mark may only pass what is
done without exception: below it, the journal is deleted.
"""

from bisect import bisect_left, bisect_right


class Watermark:
    """Merges finished stretches; memory is one pair of numbers for each stretch in the air.

    Args:
        mark: The lowest sequence that is not yet done.
    """

    def __init__(self, mark: int) -> None:
        self.mark = mark
        # Stretches above the mark, sorted, with at least one number between any two of them.
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def done(self, first: int, last: int) -> int:
        """Note that `first` to `last`, both included, are done; give the mark.

        What was done before may be told again.

        Raises:
            ValueError: The stretch ends before it begins.
        """
        if first > last:
            raise ValueError(f"a stretch cannot end ({last}) before it begins ({first})")
        if last >= self.mark:
            self._merge(max(first, self.mark), last)
            if self._firsts[0] == self.mark:
                self._firsts.pop(0)
                self.mark = self._lasts.pop(0) + 1
        return self.mark

    def _merge(self, first: int, last: int) -> None:
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def __contains__(self, seq: int) -> bool:
        """Return whether this sequence is done."""
        if seq < self.mark:
            return True
        place = bisect_right(self._firsts, seq) - 1
        return place >= 0 and seq <= self._lasts[place]

    def covers(self, first: int, last: int) -> bool:
        """Return whether all of `first` to `last` is done."""
        return last < self.mark or (first in self and self._end_of(max(first, self.mark)) >= last)

    def _end_of(self, seq: int) -> int:
        place = bisect_right(self._firsts, seq) - 1
        return self._lasts[place] if place >= 0 else -1

    @property
    def stretches(self) -> int:
        """How many separate stretches above the mark are remembered."""
        return len(self._firsts)

    @property
    def ahead(self) -> int:
        """How many sequences above the mark are done already."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)


# MERGED: Whether the acknowledgement mark has stopped although the journal goes on.


class StallDetector:
    """Notices a record that was journalled and told to nobody: its teller died in between.

    Args:
        after_s: How long the mark may stand before a record that waits.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._mark = 0
        self._since = 0.0

    def noticed(self, now: float, *, mark: int, next_seq: int) -> bool:
        """Return whether the mark stands too long; a yes begins the wait anew."""
        if mark != self._mark or next_seq <= mark:
            self._mark, self._since = mark, now
            return False
        if now - self._since < self._after_s:
            return False
        self._since = now
        return True
