"""What was covered and what was missed: shares, cells of the heat map, gaps that belong together.

Of each token there are stretches of listening and gaps, which do not overlap. A market's time is
that of its tokens together. Time in neither was not wanted. Pure.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from actors.dataset.report.values import Stretch, Traded

TOGETHER: Final = timedelta(seconds=60)
"""Gaps of one cause that begin within this time count as one event."""


@dataclass
class Time:
    """Seconds of tokens that were covered, and that were missed, by cause."""

    covered: float = 0.0
    missed: dict[str, float] = field(default_factory=dict)

    def add(self, cause: str, seconds: float) -> None:
        """Count time of listening (no cause), or of a gap."""
        if cause:
            self.missed[cause] = self.missed.get(cause, 0.0) + seconds
        else:
            self.covered += seconds

    @property
    def lost(self) -> float:
        """Return what was missed."""
        return sum(self.missed.values())

    @property
    def wanted(self) -> float:
        """Return what was wanted."""
        return self.covered + self.lost


class Outage(NamedTuple):
    """Gaps of one cause that began together.

    Attributes:
        longest: Seconds of the longest gap; `lost`: of all of them together.
        tokens: How many gaps there are, one a token nearly always.
        markets: Ids of their markets.
    """

    cause: str
    start: datetime
    end: datetime
    longest: float
    lost: float
    tokens: int
    markets: frozenset[str]


def total(stretches: Iterable[Stretch]) -> Time:
    """Return the time of all of them."""
    found = Time()
    for each in stretches:
        found.add(each.cause, each.seconds)
    return found


def by_market(stretches: Iterable[Stretch]) -> dict[str, Time]:
    """Return the time of each market."""
    found: defaultdict[str, Time] = defaultdict(Time)
    for each in stretches:
        found[each.condition_id].add(each.cause, each.seconds)
    return dict(found)


def shown(traded: Sequence[Traded], times: dict[str, Time], most: int) -> list[str]:
    """Return the markets to show: the worst covered half, and the most traded ones.

    All are in the order of what was traded; those without a trade follow by what was missed.
    """
    order = {each.condition_id: place for place, each in enumerate(traded)}
    last = len(order)
    bad = sorted(
        (name for name, time in times.items() if time.lost > 0),
        key=lambda name: (-times[name].lost / times[name].wanted, order.get(name, last), name),
    )
    chosen = set(bad[: most // 2])
    for name in (*order, *bad, *sorted(times)):
        if len(chosen) >= most:
            break
        if name in times:
            chosen.add(name)
    return sorted(chosen, key=lambda name: (order.get(name, last), -times[name].lost, name))


def cells(
    stretches: Iterable[Stretch], rows: Sequence[str], bins: Sequence[datetime], width: timedelta
) -> list[list[Time]]:
    """Return the time of each row in each bin.

    Args:
        stretches: Of any market or token; those of no row are left out.
        rows: Ids of markets, or of tokens.
        bins: The start of each, in order.
        width: Of a bin.
    """
    places = {name: number for number, name in enumerate(rows)}
    found = [[Time() for _ in bins] for _ in rows]
    for each in stretches:
        row = places.get(each.condition_id, places.get(each.token_id))
        if row is None:
            continue
        for place in range(max(0, bisect_right(bins, each.start) - 1), len(bins)):
            if bins[place] >= each.end:
                break
            part = min(each.end, bins[place] + width) - max(each.start, bins[place])
            found[row][place].add(each.cause, part.total_seconds())
    return found


def outages(stretches: Iterable[Stretch]) -> list[Outage]:
    """Return the gaps, those of one cause that began together as one, the largest loss first."""
    gaps = sorted((each for each in stretches if each.cause), key=lambda each: each.start)
    groups: dict[str, list[list[Stretch]]] = defaultdict(list)
    for each in gaps:
        groups_of_cause = groups[each.cause]
        if not groups_of_cause or each.start - groups_of_cause[-1][0].start > TOGETHER:
            groups_of_cause.append([])
        groups_of_cause[-1].append(each)
    found = [_outage(group) for each in groups.values() for group in each]
    return sorted(found, key=lambda each: (-each.lost, each.start, each.cause))


def _outage(group: Sequence[Stretch]) -> Outage:
    return Outage(
        cause=group[0].cause,
        start=group[0].start,
        end=max(each.end for each in group),
        longest=max(each.seconds for each in group),
        lost=sum(each.seconds for each in group),
        tokens=len(group),
        markets=frozenset(each.condition_id for each in group),
    )
