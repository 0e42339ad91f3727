"""The figures of the present day, over all processes that the tracker had on it.

A process measures once a second. With every sign of life it journals what it has measured itself,
and a later one adds up what the database has of all before it, as soon as the writer has read the
journal to its end: what lies between the last sign of life of one and the start of the next is
time in which nothing ran.
"""

from collections.abc import Sequence

from actors.health.parts import Coverage
from actors.model.conversion import DAY_NS, iso
from actors.model.facts import DayMeasured
from actors.model.storage import DayStored, EarlierRun

LONGEST_STEP_S = 10.0
"""Seconds between two measurements beyond which the process was stopped or got no processor."""
SET_BACK_NS = 3_600 * 10**9
"""A clock that shows a time so long before the start of the day has been set right."""
STARTING_S = 60.0
"""Seconds without any token at the start of a process that are no blackout, but a start."""
LONGEST_DOWN_NS = DAY_NS
"""A tracker that did not run for longer was not down: its day starts with the process."""


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
        self._wanted, self._own_since_ns = 0, wall_ns
        self._earlier: list[DayMeasured] = []  # what other processes measured, and when none ran
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
        self._add(found.runs)

    def _add(self, runs: Sequence[EarlierRun]) -> None:
        """Add what earlier processes have measured, and the time in which none ran."""
        midnight_ns = self._day * DAY_NS
        wanted: list[int] = []
        for run in runs:  # one that ended before it had a plan wanted what the one before did
            tokens = run.day.tokens if run.day else 0
            wanted.append(tokens or (wanted[-1] if wanted else 0))
        next_ns = self._began_ns
        for run, tokens in zip(reversed(runs), reversed(wanted), strict=True):
            if next_ns - run.seen_ns > LONGEST_DOWN_NS:
                break
            self._add_down(max(run.seen_ns, midnight_ns), max(next_ns, midnight_ns), tokens)
            next_ns = run.started_ns
            if run.day is not None and run.day.since_ns >= midnight_ns:
                self._earlier.append(run.day)
            self._since_ns = min(self._since_ns, max(next_ns, midnight_ns))

    def _add_down(self, from_ns: int, to_ns: int, tokens: int) -> None:
        down_s = max(0, to_ns - from_ns) / 1e9
        self._down_s += down_s
        gap_s = down_s * tokens
        blackout_s = down_s if tokens else 0.0
        self._earlier.append(
            DayMeasured(since_ns=from_ns, wanted_s=gap_s, gap_s=gap_s, blackout_s=blackout_s)
        )

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
        """Return what this process has measured itself, to be journalled for later ones."""
        return DayMeasured(
            since_ns=self._own_since_ns,
            tokens=self._wanted,
            wanted_s=round(self._wanted_s, 3),
            gap_s=round(self._gap_s, 3),
            blackout_s=round(self._blackout_s, 3),
        )

    def coverage(self) -> Coverage:
        """Return the coverage of today so far."""
        all_of_it = (self.to_journal(), *self._earlier)
        return Coverage(
            since=iso(self._since_ns),
            wanted_token_s=round(sum(each.wanted_s for each in all_of_it), 3),
            gap_token_s=round(sum(each.gap_s for each in all_of_it), 3),
            blackout_s=round(sum(each.blackout_s for each in all_of_it), 3),
            down_s=round(self._down_s, 3),
        )
