"""Log lines about what happens often: one now and then, with all that it stands for."""

from collections import Counter
from collections.abc import Iterable

from actors.model.batch import Committed


class Digest:
    """Counts by name until the next line is due. The first one is due at once.

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
        """Note each of these once."""
        for name in names:
            known = name in self._counts or len(self._counts) < self._names_max
            self._counts[name if known else "other"] += 1

    def take(self, now: float, *, at_once: bool = False) -> dict[str, int]:
        """Give what was counted since the last line; nothing while no line is due.

        Args:
            now: Monotonic seconds.
            at_once: It is the last chance: do not wait.
        """
        if not self._counts or (now - self._taken_at < self._every_s and not at_once):
            return {}
        self._taken_at = now
        counts, self._counts = dict(self._counts.most_common()), Counter()
        return counts


class Written:
    """What the writer's transactions held since the last line about them.

    Args:
        every_s: Least time between two lines, in seconds.
    """

    def __init__(self, *, every_s: float) -> None:
        self._every_s = every_s
        self._taken_at = float("-inf")
        self._clear()

    def _clear(self) -> None:
        self._batches = self._stored = self._repeated = self._refused = 0
        self._lag_ns = 0

    def add(self, committed: Committed, *, oldest_received_ns: int, wall_ns: int) -> None:
        """Note a transaction; one without prints and refusals is not worth a line.

        Args:
            committed: What the database said.
            oldest_received_ns: When its oldest print was received; 0 without prints.
            wall_ns: When it was committed.
        """
        if not (committed.stored or committed.repeated or committed.refused):
            return
        self._batches += 1
        self._stored += committed.stored
        self._repeated += committed.repeated
        self._refused += committed.refused
        if oldest_received_ns:
            self._lag_ns = max(self._lag_ns, wall_ns - oldest_received_ns)

    def take(self, now: float, *, at_once: bool = False) -> dict[str, float]:
        """Give the fields of the line that is due; nothing while none is.

        `lag_s` is how long the print that waited longest had waited.
        """
        if not self._batches or (now - self._taken_at < self._every_s and not at_once):
            return {}
        self._taken_at = now
        fields = {
            "batches": self._batches,
            "stored": self._stored,
            "repeated": self._repeated,
            "refused": self._refused,
            "lag_s": round(self._lag_ns / 1e9, 3),
        }
        self._clear()
        return fields
