"""How much of the wanted time was listened to, by day. Pure."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from actors.dataset.days import start_of

Times = tuple[float, float]
"""Token-seconds that were listened to, and missed."""
_DAY = timedelta(days=1)


class Listening:
    """Sums times over days.

    Args:
        known: The days that count, in order.
    """

    def __init__(self, known: Sequence[date]) -> None:
        self._sums = {on: [timedelta(), timedelta()] for on in known}

    def add(self, covered: bool, from_at: datetime, until_at: datetime) -> None:
        """Add a time that was listened to, or missed."""
        on = from_at.date()
        while (start := start_of(on)) < until_at:
            if on in self._sums:
                part = min(until_at, start + _DAY) - max(from_at, start)
                self._sums[on][0 if covered else 1] += part
            on += _DAY

    @property
    def total(self) -> Times:
        """Return the sums over all days."""
        sums = self._sums.values()
        covered, missed = (sum((each[i] for each in sums), timedelta()) for i in (0, 1))
        return covered.total_seconds(), missed.total_seconds()

    def by_day(self) -> Iterator[tuple[date, Times]]:
        """Yield each day with its sums."""
        for on, (covered, missed) in self._sums.items():
            yield on, (covered.total_seconds(), missed.total_seconds())
