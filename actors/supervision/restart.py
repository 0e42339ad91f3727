"""When a child that ended is started again, and when the whole process gives up instead.

Decides only: `now` is monotonic seconds.

| what happened | policy |
|---|---|
| an expected end: network, database, source | `Backoff`: 0-1 s, doubling to 60 s, full jitter |
| an unexpected death, by a fault of ours | `RestartBudget`: 0, 1, 3, 7 s; fifth in 60 s: 300 s |
| too many deaths, or of one vital child | `Escalation`: the process ends, systemd restarts it |
| many connections to open at once | `ConnectRate`: a few per Tick, more while they succeed |

The policies multiply (many children, each with a budget), so each limit is small.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

_TICK_S: Final = 0.25
FIRST_STARTS: Final = 1.0
"""Connections per Tick of 250 ms at first: 4 a second."""
MIN_STARTS: Final = 1 / 32
"""Connections per Tick while all fail: one in 8 s, 30 in 240 s."""
MAX_STARTS: Final = 10.0
"""Connections per Tick: 40 a second, so 1,500 in 38 s. Each handshake takes 5 ms of CPU time."""
STARTS_INCREASE: Final = 0.25
"""Added for each connection that receives data: from 1 to the maximum in 36 of them, about 4 s."""


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What the supervisor must know of one child.

    Attributes:
        vital: There is exactly one of it, and nothing works without it.
        silence_s: A child that has not reported for so long counts as dead.
        stop_s: How long it may take to stop after a request.
        feed: Of a connection: connections of lower feeds are started first.
    """

    id: str
    vital: bool
    silence_s: float
    stop_s: float
    feed: int = 0


class RestartBudget:
    """Delays after unexpected deaths of one child.

    Within the budget a child is restarted quickly. When the budget is spent, it is
    restarted once in `slow_s`, until one incarnation has run for that long.
    """

    def __init__(self, *, limit: int = 5, period_s: float = 60.0, slow_s: float = 300.0) -> None:
        self._deaths = _RecentDeaths(limit, period_s)
        self._slow_s = slow_s
        self._died_at = 0.0
        self.spent = False

    def delay_s(self, now: float) -> float:
        """Record a death and return how long to wait before the next start."""
        # One wait of `slow_s`, then a run of at least `slow_s`.
        if self.spent and now - self._died_at >= 2 * self._slow_s:
            self.spent = False
        self._died_at = now
        count = self._deaths.add(now)
        self.spent = self.spent or count >= self._deaths.limit
        # 0, 1, 3, 7 s: a fault that passes costs next to nothing.
        return self._slow_s if self.spent else float(2 ** (count - 1) - 1)


class Escalation:
    """Decides when restarting children does not help and the process must end.

    Args:
        limit: More unexpected deaths than this within `period_s`, of all children
            together, are too many.
        vital_limit: This many unexpected deaths of one vital child within
            `vital_period_s` are too many.
    """

    def __init__(
        self,
        *,
        limit: int = 20,
        period_s: float = 300.0,
        vital_limit: int = 3,
        vital_period_s: float = 60.0,
    ) -> None:
        # The limit itself is allowed; the deque keeps and counts no more than its length.
        self._all = _RecentDeaths(limit + 1, period_s)
        self._vital_limit = vital_limit
        self._vital_period_s = vital_period_s
        self._vital: dict[str, _RecentDeaths] = {}

    def died(self, now: float, *, child: str, vital: bool) -> None:
        """Record an unexpected death."""
        self._all.add(now)
        if vital:
            deaths = self._vital.setdefault(
                child, _RecentDeaths(self._vital_limit, self._vital_period_s)
            )
            deaths.add(now)

    def exceeded(self, now: float) -> bool:
        """Return whether the process must end."""
        return any(deaths.reached(now) for deaths in (self._all, *self._vital.values()))


class _RecentDeaths:
    """Counts deaths within the last `period_s`; keeps at most `limit` of them."""

    def __init__(self, limit: int, period_s: float) -> None:
        self.limit = limit
        self._period_s = period_s
        self._times: deque[float] = deque(maxlen=limit)

    def add(self, now: float) -> int:
        """Record a death and return the count, at most `limit`."""
        self._times.append(now)
        return self._count(now)

    def reached(self, now: float) -> bool:
        """Return whether there were `limit` deaths."""
        return self._count(now) >= self.limit

    def _count(self, now: float) -> int:
        return sum(now - time <= self._period_s for time in self._times)


class ConnectRate:
    """How many connections may be started per Tick (additive increase, multiplicative decrease).

    With too many at once the server rejects them (HTTP 429); with too few, connections
    that were all lost together stay away for long, which costs trades. The server's
    limit is not documented, so it is measured: each connection that receives data raises
    the rate a little, each that ends before that halves it. A handshake alone proves
    nothing: a server may accept connections and drop them.

    Args:
        minimum: Starts per Tick; less than 1: one start in so many Ticks.
        maximum: Starts per Tick.
    """

    def __init__(self, *, minimum: float = MIN_STARTS, maximum: float = MAX_STARTS) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self._starts = min(max(FIRST_STARTS, minimum), maximum)
        self._started_at = float("-inf")

    def allowed(self, now: float) -> int:
        """Return how many connections may be started at this Tick."""
        if self._starts >= 1:
            return int(self._starts)
        return int(now - self._started_at >= _TICK_S / self._starts)

    def started(self, now: float) -> None:
        """Record that a connection was started."""
        self._started_at = now

    def succeeded(self) -> None:
        """Record that a connection receives data."""
        self._starts = min(self._starts + STARTS_INCREASE, self._maximum)

    def failed(self) -> None:
        """Record that a connection ended before it received data."""
        self._starts = max(self._starts / 2, self._minimum)
