"""How long things take, as counts up to fixed bounds: what `health/metrics.py` shows as histograms.

A value is counted where it is measured, and only counts are sent on: they cost the same however
much happened. The bounds are fixed, so that counts of any time and place can be added.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

import msgspec

COMMIT_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds that a transaction takes; after 30 the session is cut."""
SYNC_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds that a sync of the journal takes."""
REQUEST_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
"""Seconds that an HTTP request takes; after 20 it is given up."""
END_TO_END_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 14_400)
"""Seconds from a trade to the commit of its row; hours when the database was away."""
LATENESS_S: Final = (1, 2, 4, 6)
"""Seconds from a trade to its receipt: the bounds by which a proof stays behind."""


class Histogram(msgspec.Struct, frozen=True):
    """Counts of one moment.

    Attributes:
        counts: How many values were at most the first bound, then at most the second and more
            than the first, and so on; at last those above all bounds. Empty: none at all.
        sum_s: All values together, in seconds.
    """

    counts: tuple[int, ...] = ()
    sum_s: float = 0.0

    def __add__(self, other: "Histogram") -> "Histogram":
        """Return both together; their bounds are the same."""
        if not self.counts or not other.counts:
            return self if self.counts else other
        counts = tuple(map(sum, zip(self.counts, other.counts, strict=True)))
        return Histogram(counts, self.sum_s + other.sum_s)

    def __sub__(self, earlier: "Histogram") -> "Histogram":
        """Return what came since an earlier moment."""
        if not earlier.counts or not self.counts:
            return self
        counts = tuple(now - was for now, was in zip(self.counts, earlier.counts, strict=True))
        return Histogram(counts, self.sum_s - earlier.sum_s)


class Stopwatch:
    """Counts seconds up to fixed bounds. For one thread; any other may read.

    Args:
        bounds: Seconds, ascending.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one value; less than nothing, as a clock that is behind measures it, is nothing."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum_s += max(0.0, seconds)

    @property
    def histogram(self) -> Histogram:
        """Return all that was counted so far."""
        return Histogram(tuple(self._counts), self._sum_s)
