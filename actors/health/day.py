"""The figures of the present day, over all processes that the tracker had on it.

A process measures once a second. With every sign of life it journals what it has measured, and the
next one goes on from there, as soon as the writer has read the journal to its end: what lies
between the last sign of life and the start of the next process is time in which nothing ran.
"""

from actors.health.document import Coverage
from actors.model.conversion import DAY_NS, iso
from actors.model.facts import DayMeasured
from actors.model.storage import DayStored

LONGEST_STEP_S = 10.0
"""Seconds between two measurements beyond which the process was stopped or got no processor."""
SET_BACK_NS = 3_600 * 10**9
"""A clock that shows a time so long before the start of the day has been set right."""
STARTING_S = 60.0
"""Seconds without any token at the start of a process that are no blackout, but a start."""
LONGEST_DOWN_NS = DAY_NS
"""A tracker that did not run for longer is not down: it begins anew."""


class Day:
    """Sums of the present day: since midnight UTC, or since the tracker began when that is later.

    A clock that was ahead and is set right begins the day again, at that moment.

    Args:
        wall_ns: When the process began, nanoseconds since 1970.

    Attributes:
        stored: Rows of trades that are new today.
        recorded: Resolutions recorded today; the owner adds to both.
    """

    def __init__(self, wall_ns: int) -> None:
        self._began_ns = wall_ns
        self._restored = False
        self._measured_at: float | None = None
        # Seconds without any token since the process began; None once there was one.
        self._blind_s: float | None = 0.0
        self._begin(wall_ns)

    def _begin(self, wall_ns: int) -> None:
        self._day, self._since_ns = wall_ns // DAY_NS, wall_ns
        self._wanted_s = self._gap_s = self._blackout_s = self._down_s = 0.0
        self._wanted = 0
        self.stored = self.recorded = 0

    def restored(self, found: DayStored) -> None:
        """Take what the database knows of this day; that of another day is out of date."""
        if found.day != self._day:
            return
        self.stored = found.trades
        # What comes later is of this process: it has counted that itself.
        if self._restored:
            return
        self._restored = True
        self.recorded += found.resolutions
        if found.seen_ns is not None and self._began_ns - found.seen_ns <= LONGEST_DOWN_NS:
            self._go_on(found.seen_ns, found.before or DayMeasured(since_ns=found.seen_ns))

    def _go_on(self, seen_ns: int, before: DayMeasured) -> None:
        """Go on from what the process before this one had measured when it was last seen."""
        midnight_ns = self._day * DAY_NS
        if before.since_ns >= midnight_ns:
            self._since_ns = before.since_ns
            self._wanted_s += before.wanted_s
            self._gap_s += before.gap_s
            self._blackout_s += before.blackout_s
            self._down_s += before.down_s
        elif self._began_ns >= midnight_ns:
            self._since_ns = midnight_ns
        down_s = max(0, self._began_ns - max(seen_ns, midnight_ns)) / 1e9
        self._down_s += down_s
        self._wanted_s += down_s * before.tokens
        self._gap_s += down_s * before.tokens
        if before.tokens:
            self._blackout_s += down_s

    def measured(self, now: float, wall_ns: int, *, wanted: int, covered: int) -> None:
        """Add the time since the last call, in which so many tokens were wanted and covered.

        `now` is monotonic seconds, `wall_ns` the same moment since 1970.
        """
        new_day = self._begin_if_due(wall_ns)
        before, self._measured_at = self._measured_at, now
        self._wanted = wanted
        if covered:
            self._blind_s = None
        if before is None:
            return
        step_s = max(0.0, now - before)
        # Nobody measured for so long: what was received meanwhile is unknown, so none is claimed.
        if step_s > LONGEST_STEP_S:
            covered = 0
            if new_day:  # what came before its beginning belongs to the day before
                step_s = min(step_s, (wall_ns - self._since_ns) / 1e9)
        self._wanted_s += step_s * wanted
        self._gap_s += step_s * max(0, wanted - covered)
        self._blackout_s += self._blackout(step_s, wanted=wanted, covered=covered)

    def _blackout(self, step_s: float, *, wanted: int, covered: int) -> float:
        """Return by how much the blackout has grown; a start is none unless it takes long."""
        if covered or not wanted:
            return 0.0
        if self._blind_s is None:
            return step_s
        before, self._blind_s = self._blind_s, self._blind_s + step_s
        if self._blind_s <= STARTING_S:
            return 0.0
        return step_s if before > STARTING_S else self._blind_s

    def _begin_if_due(self, wall_ns: int) -> bool:
        """Begin the day that the clock shows, unless it has begun; return whether it did."""
        if wall_ns // DAY_NS > self._day:
            self._begin(wall_ns // DAY_NS * DAY_NS)
        elif wall_ns < self._since_ns - SET_BACK_NS:
            self._begin(wall_ns)
        else:
            return False
        return True

    def to_journal(self) -> DayMeasured:
        """Return what is to be journalled for the next process."""
        return DayMeasured(
            since_ns=self._since_ns,
            tokens=self._wanted,
            wanted_s=round(self._wanted_s, 3),
            gap_s=round(self._gap_s, 3),
            blackout_s=round(self._blackout_s, 3),
            down_s=round(self._down_s, 3),
        )

    def coverage(self) -> Coverage:
        """Return the coverage of today so far."""
        return Coverage(
            since=iso(self._since_ns),
            wanted_token_s=round(self._wanted_s, 3),
            gap_token_s=round(self._gap_s, 3),
            blackout_s=round(self._blackout_s, 3),
            down_s=round(self._down_s, 3),
        )
