"""Counts over the last minute, hour and day, in bounded memory.

`now` is monotonic seconds. A window is made of buckets and moves by whole ones,
so it is short of its name by up to one bucket and never longer.
"""

from array import array
from collections import deque

from actors.health.document import Books, Coverage, Limits, Restarts, iso
from actors.health.reported import CommitFigures


class Ring:
    """How much was counted within `slots` buckets of `width_s` seconds.

    `total` costs as much as buckets went by since the last call.
    """

    __slots__ = ("_bucket", "_counts", "_sum", "_width_s")

    def __init__(self, width_s: float, slots: int) -> None:
        self._width_s = width_s
        self._counts = array("Q", bytes(8 * slots))
        self._bucket = 0
        self._sum = 0

    def add(self, now: float, count: int) -> None:
        """Count something that happened now; what is told late falls into the newest bucket."""
        self._advance(now)
        self._counts[self._bucket % len(self._counts)] += count
        self._sum += count

    def total(self, now: float) -> int:
        """Return the sum of the window that ends now."""
        self._advance(now)
        return self._sum

    def parts(self, now: float) -> tuple[int, ...]:
        """Return the count of each bucket of the window that ends now, oldest first."""
        self._advance(now)
        slots = len(self._counts)
        newest = self._bucket % slots
        return (*self._counts[newest + 1 :], *self._counts[: newest + 1])

    def _advance(self, now: float) -> None:
        bucket = int(now // self._width_s)
        if bucket <= self._bucket:
            return
        if self._sum:
            slots = len(self._counts)
            for old in range(max(self._bucket, bucket - slots) + 1, bucket + 1):
                self._sum -= self._counts[old % slots]
                self._counts[old % slots] = 0
        self._bucket = bucket


class Windows:
    """One count seen through three windows.

    Args:
        fine: Buckets of 1 s, 1 min and 1 min (13 kB) instead of 5 s, 1 min and
            15 min (2 kB), which thousands of counts can afford.
    """

    __slots__ = ("_day", "_hour", "_minute", "all")

    def __init__(self, *, fine: bool = False) -> None:
        self._minute = Ring(1, 60) if fine else Ring(5, 12)
        self._hour = Ring(60, 60)
        self._day = Ring(60, 1440) if fine else Ring(900, 96)
        self.all = 0

    def add(self, now: float, count: int) -> None:
        """Count something that happened now."""
        if count <= 0:
            return
        self.all += count
        for ring in (self._minute, self._hour, self._day):
            ring.add(now, count)

    def minute(self, now: float) -> int:
        """Return the count of the last 60 s."""
        return self._minute.total(now)

    def hour(self, now: float) -> int:
        """Return the count of the last 60 min."""
        return self._hour.total(now)

    def minutes(self, now: float) -> tuple[int, ...]:
        """Return the count of each of the last 60 min, oldest first."""
        return self._hour.parts(now)

    def day(self, now: float) -> int:
        """Return the count of the last 24 h."""
        return self._day.total(now)


# MERGED: how often each child died unexpectedly, and who dies again and again.
class RestartCounts:
    """All unexpected deaths of this process. `at` and `now` are monotonic seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._latest: dict[str, deque[float]] = {}
        self._counts: dict[str, int] = {}

    def add(self, child: str, at: float) -> None:
        """A child died."""
        self._counts[child] = self._counts.get(child, 0) + 1
        self._latest.setdefault(child, deque(maxlen=self._limits.loop_deaths)).append(at)

    def restarts(self, now: float) -> Restarts:
        """Return the counts, and the children that die again and again."""
        limits = self._limits
        looping = sorted(
            child
            for child, deaths in self._latest.items()
            if len(deaths) == limits.loop_deaths and now - deaths[0] <= limits.loop_s
        )
        return Restarts(
            total=sum(self._counts.values()),
            children=dict(sorted(self._counts.items())),
            looping=tuple(looping),
        )


# MERGED: a count that goes on when the one who counts dies and is born again.
class CumulativeCount:
    """Sums what each life of somebody says that it has counted, from 0 on.

    Attributes:
        total: Of all lives.
    """

    def __init__(self) -> None:
        self.total = 0
        self._life: int | None = None
        self._counted = 0

    def counted(self, life: int, count: int) -> int:
        """This life has counted so many by now; give how many of them are new."""
        if life != self._life:
            self._life, self._counted = life, 0
        fresh = max(0, count - self._counted)
        self._counted += fresh
        self.total += fresh
        return fresh


# MERGED: The books: everything received is stored, repeated, rejected or in the journal.
# The writer tells of each commit after it; when it dies or loses the database in between, a
# commit may stay untold, or what was committed out of order is read and counted again. So after
# `lost_count` the next empty journal, which can hide nothing, settles the difference, and shows
# it as `adjusted`.
class Accounting:
    """Counts trades and rejected events alike, from the journal's side and the writer's."""

    def __init__(self) -> None:
        self._received = self._recovered = self._adjusted = 0
        self._stored = self._repeated = self._rejected = 0
        self._mark, self._next_seq = 0, 0
        self._unsure = False

    def appended(self, weight: int, *, next_seq: int) -> None:
        """So much was appended to the journal by this process, up to below `next_seq`."""
        self._received, self._next_seq = weight, next_seq
        self._settle()

    def committed(self, said: CommitFigures) -> None:
        """A transaction committed."""
        self._stored += said.stored
        self._repeated += said.repeated
        self._rejected += said.rejected
        self._recovered += said.recovered
        self._mark = max(self._mark, said.mark)

    def lost_count(self) -> None:
        """What the writer told may differ from what it committed."""
        self._unsure = True

    @property
    def pending_records(self) -> int:
        """Return the number of journal records from the mark on."""
        return max(0, self._next_seq - self._mark)

    def books(self) -> Books:
        """Return the books. A difference that the journal cannot explain is one in fact."""
        left = self._left
        return Books(
            received=self._received,
            recovered=self._recovered,
            adjusted=self._adjusted,
            stored=self._stored,
            repeated=self._repeated,
            rejected=self._rejected,
            in_journal=max(0, left),
            balanced=self._unsure or left == 0 or (left > 0 and self.pending_records > 0),
        )

    @property
    def _left(self) -> int:
        came = self._received + self._recovered + self._adjusted
        return came - self._stored - self._repeated - self._rejected

    def _settle(self) -> None:
        if self._unsure and self.pending_records == 0 and self._mark:
            self._adjusted -= self._left
            self._unsure = False


# MERGED: sums that begin anew at midnight UTC.


DAY_NS = 86_400 * 10**9
LONGEST_STEP_S = 10.0
"""Seconds between two measures beyond which nobody measured: the process was stopped or starved."""
SET_BACK_NS = 3_600 * 10**9
"""A clock that is set back further behind the beginning of the day was wrong before."""


class DayCoverage:
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
        """Return what was listened to today."""
        return Coverage(
            since=iso(self._since_ns),
            wanted_token_s=round(self._wanted_s, 3),
            gap_token_s=round(self._gap_s, 3),
            deaf_s=round(self._deaf_s, 3),
        )
