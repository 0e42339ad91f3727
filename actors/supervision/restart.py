"""When what ended is started again, and when the whole process gives up instead.

Three policies, pure. `now` is monotonic seconds, jitter comes from a generator
that is handed in.

| what ended | policy |
|---|---|
| expectedly: network, database, a source | `Backoff`: 0-1 s first, doubling to 60 s, full jitter |
| unexpectedly, by a fault of ours | `RestartBudget`: 0, 1, 3, 7 s; the fifth death in 60 s: 300 s |
| too often over all, or a vital child | `Escalation`: the process ends, systemd starts it anew |

The levels multiply, so each is small.
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What the supervisor must know of one child.

    Attributes:
        vital: There is one of it and nothing works without it.
        silence_s: No report for so long counts as death.
        stop_s: How long it may take to end when asked to.
        feed: Of a connection: the lower ones are born first.
    """

    id: str
    vital: bool
    silence_s: float
    stop_s: float
    feed: int = 0


class RestartBudget:
    """Delays after unexpected deaths of one child.

    Within its budget a child is born again quickly. One that has spent it gets
    one try in `slow_s`, until one of its lives has lasted that long.
    """

    def __init__(self, *, limit: int = 5, period_s: float = 60.0, slow_s: float = 300.0) -> None:
        self._deaths = _Deaths(limit, period_s)
        self._slow_s = slow_s
        self._died_at = 0.0
        self.spent = False

    def delay_s(self, now: float) -> float:
        """Note a death and give how long to wait before the next birth."""
        if self.spent and now - self._died_at >= 2 * self._slow_s:
            self.spent = False
        self._died_at = now
        count = self._deaths.note(now)
        self.spent = self.spent or count >= self._deaths.limit
        return self._slow_s if self.spent else float(2 ** (count - 1) - 1)


class Escalation:
    """Decides when starting children again does not help and the process must end.

    Args:
        limit: More unexpected deaths than this in `period_s`, of whomever, are too many.
        vital_limit: So many unexpected deaths of one vital child in `vital_period_s`
            are too many.
    """

    def __init__(
        self,
        *,
        limit: int = 20,
        period_s: float = 300.0,
        vital_limit: int = 3,
        vital_period_s: float = 60.0,
    ) -> None:
        self._all = _Deaths(limit + 1, period_s)
        self._vital_limit = vital_limit
        self._vital_period_s = vital_period_s
        self._vital: dict[str, _Deaths] = {}

    def died(self, now: float, *, child: str, vital: bool) -> None:
        """Note an unexpected death."""
        self._all.note(now)
        if vital:
            deaths = self._vital.setdefault(child, _Deaths(self._vital_limit, self._vital_period_s))
            deaths.note(now)

    def exceeded(self, now: float) -> bool:
        """Return whether it is time to give up."""
        return any(deaths.reached(now) for deaths in (self._all, *self._vital.values()))


class _Deaths:
    """Counts deaths within the last `period_s`; remembers at most `limit` of them."""

    def __init__(self, limit: int, period_s: float) -> None:
        self.limit = limit
        self._period_s = period_s
        self._times: deque[float] = deque(maxlen=limit)

    def note(self, now: float) -> int:
        """Note a death and give how many there were, at most `limit`."""
        self._times.append(now)
        return self._count(now)

    def reached(self, now: float) -> bool:
        """Return whether there were `limit` of them."""
        return self._count(now) >= self.limit

    def _count(self, now: float) -> int:
        return sum(now - time <= self._period_s for time in self._times)


# MERGED: how many connections may be opened at a time. Many at once and the
# server rejects (HTTP 429); few, and a crowd that was cut off stays away for long, which costs
# trades. How many it bears is documented nowhere, so it is found out: each connection that
# comes to listen allows a little more for the next, each that does not halves it.


LEAST = 1.0
"""Four a second, with a look every 250 ms."""
MOST = 10.0
"""Forty a second: 1,500 in 38 s, each handshake some 5 ms of our processor."""
MORE = 0.25
"""For each that listens. From least to most takes 36 of them, some 4 s."""


class ConnectRate:
    """The pace at which connections are opened.

    Args:
        least: How many at one look there may always be.
        most: How many there may be when all goes well.
    """

    def __init__(self, *, least: float = LEAST, most: float = MOST) -> None:
        self._least = least
        self._most = most
        self._pace = least

    @property
    def room(self) -> int:
        """Return how many may be opened at this look."""
        return int(self._pace)

    def answered(self) -> None:
        """One came to listen."""
        self._pace = min(self._pace + MORE, self._most)

    def failed(self) -> None:
        """One ended and had never listened."""
        self._pace = max(self._pace / 2, self._least)
