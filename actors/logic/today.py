"""Today: sums that begin anew at midnight UTC."""

from actors.logic.vitals import Coverage, iso

DAY_NS = 86_400 * 10**9
LONGEST_STEP_S = 10.0
"""Seconds between two measures beyond which nobody measured: the process was stopped or starved."""
SET_BACK_NS = 3_600 * 10**9
"""A clock that is set back further behind the beginning of the day was wrong before."""


class Today:
    """What happened since midnight UTC, or since the process began when that was later.

    A clock that was ahead and is set right begins the day again, at that moment.

    Args:
        wall_ns: When the process began, nanoseconds since 1970.

    Attributes:
        recorded: Verdicts; counted by its owner.
    """

    def __init__(self, wall_ns: int) -> None:
        self._begin(wall_ns)
        self._measured_at: float | None = None

    def _begin(self, wall_ns: int) -> None:
        self._day, self._since_ns = wall_ns // DAY_NS, wall_ns
        self._wanted_s = self._gap_s = self._deaf_s = 0.0
        self.recorded = 0

    def measured(self, now: float, wall_ns: int, *, wanted: int, covered: int) -> None:
        """So many tokens are wanted and heard at this moment, and were since the last measure.

        `now` is monotonic seconds, `wall_ns` the same moment since 1970.
        """
        begun = self._begin_anew(wall_ns)
        before, self._measured_at = self._measured_at, now
        if before is None:
            return
        step_s = max(0.0, now - before)
        # Nobody looked for so long: what was heard meanwhile is not known, so it is not claimed.
        if step_s > LONGEST_STEP_S:
            covered = 0
            if begun:  # what came before the beginning is not of this day
                step_s = min(step_s, (wall_ns - self._since_ns) / 1e9)
        self._wanted_s += step_s * wanted
        self._gap_s += step_s * max(0, wanted - covered)
        self._deaf_s += step_s if wanted and not covered else 0.0

    def _begin_anew(self, wall_ns: int) -> bool:
        """Begin the day that the clock shows, unless it has begun; return whether it did."""
        if wall_ns // DAY_NS > self._day:
            self._begin(wall_ns // DAY_NS * DAY_NS)
        elif wall_ns < self._since_ns - SET_BACK_NS:
            self._begin(wall_ns)
        else:
            return False
        return True

    def coverage(self) -> Coverage:
        """Give what was listened to today."""
        return Coverage(
            since=iso(self._since_ns),
            wanted_token_s=round(self._wanted_s, 3),
            gap_token_s=round(self._gap_s, 3),
            deaf_s=round(self._deaf_s, 3),
        )
