"""How often each assumption about Polymarket was seen to be false, over all children.

Children report totals that start at 0 with each incarnation, and come and go by the thousand;
kept are the sums, and of each child that saw something its last report. `now` is monotonic
seconds.
"""

from dataclasses import dataclass, field

from actors.health.counters import Ring
from actors.health.document import AssumptionCount, span
from actors.model.assumptions import Assumption, Violations


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
    """Adds up what the children report; owned by `HealthState`."""

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
                self._add(assumption, count - seen.counts.get(assumption, 0), now)
            seen.counts = dict(violations)

    def _add(self, assumption: Assumption, fresh: int, now: float) -> None:
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
