"""The counters behind the status document.

`Windows` counts over the last minute, hour and day, in bounded memory; `RestartCounts`,
`CumulativeCount` and `TradeAccounting` count since the start of the process. `ViolationSums`
adds up what children report of assumptions, `UsualSilence` knows for how long a connection is
usually without data. `now` and `at` are monotonic seconds.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from actors.health.document import Accounting, AssumptionCount, Restarts
from actors.health.parts import Limits, span
from actors.messages import BatchWritten
from actors.model.assumptions import Assumption, Violations


class Ring:
    """Count of one sliding window: `slots` buckets of `width_s` seconds.

    The window moves by whole buckets, so it is shorter than its name by up to one bucket and
    never longer. The cost of a call grows with the buckets that passed since the last one.
    """

    __slots__ = ("_bucket", "_counts", "_sum", "_width_s")

    def __init__(self, width_s: float, slots: int) -> None:
        self._width_s = width_s
        self._counts = array("Q", bytes(8 * slots))
        self._bucket = 0
        self._sum = 0

    def add(self, now: float, count: int) -> None:
        """Count something that happened now; an earlier time counts in the newest bucket."""
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
        # An empty ring has nothing to clear, however long it was not used.
        if self._sum:
            slots = len(self._counts)
            # After a long pause each bucket is cleared once, not once for each round that passed.
            for old in range(max(self._bucket, bucket - slots) + 1, bucket + 1):
                self._sum -= self._counts[old % slots]
                self._counts[old % slots] = 0
        self._bucket = bucket


class Windows:
    """One count over three windows.

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
        """Count something that happened now; 0 or less changes nothing."""
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


class UsualSilence:
    """For how long a connection is usually without data, and whether a silence is unusual.

    Usual is the longest silence that ended with data within the last half to whole hour.
    """

    KNOWN_S = 600.0
    """So many seconds it must be followed before anything is usual."""
    LEAST_S, FACTOR = 20.0, 4.0
    """So long a silence must be, and so many times the usual one, to be unusual."""
    _TURN_S = 1_800.0

    def __init__(self) -> None:
        self._data_at = self._begun_at = self._turned_at = 0.0
        self._longest = self._longest_before = 0.0

    def interrupted(self) -> None:
        """Count no silence until the next data: the connection is a new one."""
        self._data_at = 0.0

    def data(self, at: float) -> None:
        """Take when data came last; 0.0: never."""
        if at <= self._data_at:
            return
        self._begun_at = self._begun_at or at
        if at - self._turned_at >= self._TURN_S:
            self._longest_before, self._longest, self._turned_at = self._longest, 0.0, at
        if self._data_at:
            self._longest = max(self._longest, at - self._data_at)
        self._data_at = at

    def is_unusual(self, silent_s: float) -> bool:
        """Return whether it has never been without data for nearly so long lately."""
        longest = max(self._longest, self._longest_before)
        is_known = self._data_at - self._begun_at >= self.KNOWN_S
        return is_known and silent_s >= max(self.LEAST_S, self.FACTOR * longest)


def span_of_most(feeds: Iterable[Sequence[tuple[int, float]]]) -> float:
    """Return the least span, if on each feed more than half of all tokens have one; else 0.

    Args:
        feeds: Of each of its connections the number of tokens, and their span or 0.
    """
    spans: list[float] = []
    for found in feeds:
        if 2 * sum(count for count, span_s in found if span_s) <= sum(n for n, _ in found):
            return 0.0
        spans += [span_s for _, span_s in found if span_s]
    return min(spans, default=0.0)


class RestartCounts:
    """Counts the unexpected deaths of each child. `at` and `now` are monotonic seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._latest: dict[str, deque[float]] = {}
        self._counts: dict[str, int] = {}
        self._reasons: dict[str, str] = {}

    def add(self, child: str, at: float, reason: str) -> None:
        """Count one death."""
        self._reasons[child] = reason
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
            reasons={child: self._reasons[child] for child in looping},
        )


class CumulativeCount:
    """Sums a counter over the incarnations of the actor that reports it, each starting at 0.

    Attributes:
        total: The sum of all incarnations.
    """

    def __init__(self) -> None:
        self.total = 0
        self._incarnation: int | None = None
        self._counted = 0

    def counted(self, incarnation: int, count: int) -> int:
        """Take the counter of an incarnation and return by how much it rose."""
        if incarnation != self._incarnation:
            self._incarnation, self._counted = incarnation, 0
        fresh = max(0, count - self._counted)
        self._counted += fresh
        self.total += fresh
        return fresh


class TradeAccounting:
    """Proves that everything received is stored, a duplicate, rejected or in the journal.

    Trades and rejected events are counted alike, on the journal's side when they are appended
    and on the writer's side when it reports a commit. The writer reports after the commit. When
    it dies or loses the database in between, a commit may stay unreported, or records that were
    committed out of order are read and counted again. After `lost_count`, therefore, the next
    empty journal, which can hide nothing, settles the difference and shows it as `adjusted`.
    """

    def __init__(self) -> None:
        self._received = self._recovered = self._adjusted = 0
        self._stored = self._duplicates = self._rejected = 0
        self._watermark, self._next_seq, self._released = 0, 0, 0
        self._uncertain = False

    def appended(self, weight: int, *, next_seq: int, released: int = 0) -> None:
        """Take what this process has appended to the journal, up to below `next_seq`.

        No record below `released` waits; its commit may not have been counted yet.
        """
        self._received, self._next_seq, self._released = weight, next_seq, released
        self._settle()

    def committed(self, batch: BatchWritten) -> None:
        """Count a transaction that the writer committed."""
        self._stored += batch.stored
        self._duplicates += batch.duplicates
        self._rejected += batch.rejected
        self._recovered += batch.recovered
        self._watermark = max(self._watermark, batch.watermark)

    def lost_count(self) -> None:
        """Record that the writer's reports may differ from what it committed."""
        self._uncertain = True

    @property
    def pending_records(self) -> int:
        """Return how many journal records wait, or may wait before the first commit."""
        return max(0, self._next_seq - max(self._watermark, self._released))

    @property
    def _uncounted(self) -> int:
        """Return the number of journal records from the watermark of the counted commits on."""
        return max(0, self._next_seq - self._watermark)

    def accounting(self) -> Accounting:
        """Return the figures. A difference is an error unless pending records can explain it."""
        left = self._left
        return Accounting(
            received=self._received,
            recovered=self._recovered,
            adjusted=self._adjusted,
            stored=self._stored,
            duplicates=self._duplicates,
            rejected=self._rejected,
            in_journal=max(0, left),
            # What is missing may be in the records that wait. What was stored
            # too often is always wrong.
            balanced=self._uncertain or left == 0 or (left > 0 and self._uncounted > 0),
        )

    @property
    def _left(self) -> int:
        came = self._received + self._recovered + self._adjusted
        return came - self._stored - self._duplicates - self._rejected

    def _settle(self) -> None:
        # A watermark of 0: no commit was reported yet, so nothing can be compared.
        if self._uncertain and self._uncounted == 0 and self._watermark:
            self._adjusted -= self._left
            self._uncertain = False


@dataclass
class _Seen:
    """What one incarnation of a child has reported."""

    incarnation: int
    counts: dict[Assumption, int] = field(default_factory=dict)


@dataclass
class _Sum:
    """The violations of one assumption that all children reported."""

    total: int = 0
    hour: Ring = field(default_factory=lambda: Ring(60, 60))
    last_at: float | None = None


class ViolationSums:
    """Adds up how often each assumption about Polymarket was seen to be false, over all children.

    Children report totals that start at 0 with each incarnation, and come and go by the thousand;
    kept are the sums, and of each child that saw something its last report. Owned by
    `HealthState`.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._sums = {assumption: _Sum() for assumption in Assumption}

    def reported(self, child: str, incarnation: int, violations: Violations, now: float) -> None:
        """Take the totals of an incarnation; one that is over comes too late and is ignored."""
        seen = self._seen.get(child)
        # Nearly every child at nearly every Tick.
        if not violations and seen is None:
            return
        if seen is None or seen.incarnation < incarnation:
            seen = self._seen[child] = _Seen(incarnation)
        if seen.incarnation == incarnation:
            for assumption, count in violations:
                self.add(assumption, count - seen.counts.get(assumption, 0), now)
            seen.counts = dict(violations)

    def add(self, assumption: Assumption, fresh: int, now: float) -> None:
        """Count that an assumption was false again so many times; 0 or less counts nothing."""
        if fresh <= 0:
            return
        found = self._sums[assumption]
        found.total += fresh
        found.hour.add(now, fresh)
        found.last_at = now

    def forget(self, child: str) -> None:
        """Drop a child that reports no more; what it saw stays counted."""
        self._seen.pop(child, None)

    def assumptions(self, now: float) -> dict[str, AssumptionCount]:
        """Return the counts of every assumption, in the order of `Assumption`."""
        return {
            str(assumption): AssumptionCount(
                total=found.total,
                last_hour=found.hour.total(now),
                age_s=None if found.last_at is None else span(now, found.last_at),
            )
            for assumption, found in self._sums.items()
        }
