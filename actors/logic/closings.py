"""Which markets resolved lately, read off Gamma's listing of resolved markets.

Gamma has no `closed since` filter, so the listing is walked from the latest
closing back to where it is known. It only names markets to look at: a market
that closed long before it resolved stands further back, and is found by its own
schedule. `now` is monotonic seconds, `*_ms` wall clock.
"""

from collections.abc import Iterable

from actors.logic.trade import ConditionId
from actors.logic.walk import Walk, resolved

OVERLAP_MS = 600_000


class Closings:
    """The walk through the latest closings.

    Attributes:
        walk: Under way, or None.
    """

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._due_at = 0.0
        self._known_ms: int | None = None
        self._latest_ms = 0
        self.walk: Walk | None = None

    def tick(self, now: float, wall_ms: int) -> None:
        """Begin a walk when one is due. What closed before the first is left to the schedule."""
        if self._known_ms is None:
            self._known_ms = self._latest_ms = wall_ms
        if self.walk is None and now >= self._due_at:
            self.walk = resolved()
            self._due_at = now + self._poll_s

    def read(
        self, rows: Iterable[tuple[ConditionId | None, int | None]], wall_ms: int
    ) -> tuple[ConditionId, ...]:
        """Take in a page as (condition id, time of closing); give the markets to look at."""
        page = tuple(rows)
        closings = [closed_ms for _, closed_ms in page if closed_ms is not None]
        told = [closed_ms for closed_ms in closings if closed_ms <= wall_ms]
        # A clock that was ahead and is set back has left both in the future.
        self._latest_ms = max([min(self._latest_ms, wall_ms), *told])
        known_ms = min(self._known_ms or 0, wall_ms) - OVERLAP_MS
        if self.walk is not None and (
            self.walk.finished or not closings or min(closings) < known_ms
        ):
            self.walk = None
            self._known_ms = self._latest_ms
        return tuple(
            condition_id
            for condition_id, closed_ms in page
            if condition_id is not None and (closed_ms is None or closed_ms >= known_ms)
        )

    def failed(self) -> None:
        """Give this walk up; the next one begins from the same mark."""
        self.walk = None
