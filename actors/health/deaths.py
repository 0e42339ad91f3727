"""Deaths: how often each child died unexpectedly, and who dies again and again."""

from collections import deque

from actors.health.document import Restarts
from actors.health.rules import Limits


class Deaths:
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
        """Give the counts, and those whose last deaths lie so close together that it is a loop."""
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
