"""Sums up what would fill the log, so that a line comes now and then instead of one each time."""

from collections import Counter
from collections.abc import Iterable


class LogDigest:
    """Counts by name until the next log line is due. The first one is due at once.

    Args:
        every_s: Least time between two lines, in seconds.
        names_max: So many names are counted apart; the others together, as `other`.
    """

    def __init__(self, *, every_s: float, names_max: int = 10) -> None:
        self._every_s = every_s
        self._names_max = names_max
        self._counts: Counter[str] = Counter()
        self._taken_at = float("-inf")

    def count(self, names: Iterable[str]) -> None:
        """Count each of these once more."""
        for name in names:
            known = name in self._counts or len(self._counts) < self._names_max
            self._counts[name if known else "other"] += 1

    def take(self, now: float, *, at_once: bool = False) -> dict[str, int]:
        """Return what was counted since the last line; nothing while no line is due.

        Args:
            now: Monotonic seconds.
            at_once: Do not wait: there will be no later line.
        """
        if not self._counts or (now - self._taken_at < self._every_s and not at_once):
            return {}
        self._taken_at = now
        counts, self._counts = dict(self._counts.most_common()), Counter()
        return counts
