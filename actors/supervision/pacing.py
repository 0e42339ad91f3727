"""The pace of what the supervisor does to its children: starts, restarts, replacements, Ticks.

Decides only: `now` is monotonic seconds.

| what happened | policy |
|---|---|
| an expected end: network, database, source | `Backoff`: 0-1 s, doubling to 60 s, full jitter |
| an unexpected death, by a fault of ours | `RestartBudget`: 0, 1, 3, 7 s; fifth in 60 s: 300 s |
| too many deaths, or of one vital child | `Escalation`: the process ends, systemd restarts it |
| many connections to open at once | `ConnectRate`: a few per Tick, more while they succeed |
| many connections to replace or to renew | `Pace`: doubled from check to check |
| a connection that got no books, or all | `MessageSizes`: fewer tokens in a message, or more |
| many connections that receive the time | `TickSchedule`: each every second, or less often |

The policies multiply (many children, each with a budget), so each limit is small.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, inf
from typing import Final

from actors.model.connection import STALLED, TOKENS_AT_ONCE, TOO_BIG, UNFINISHED, slot_of

_TICK_S: Final = 0.25
FIRST_STARTS: Final = 1.0
"""Connections per Tick of 250 ms at first: 4 a second."""
MIN_STARTS: Final = 1 / 32
"""Connections per Tick while all fail: one in 8 s, 30 in 240 s."""
MAX_STARTS: Final = 10.0
"""Connections per Tick: 40 a second, so 1,500 in 38 s. Each handshake takes 5 ms of CPU time."""
STARTS_INCREASE: Final = 0.25
"""Added for each connection that receives data: from 1 to the maximum in 36 of them, about 4 s."""
MIN_INTERVAL_S: Final = 1.0
"""Shortest time between two Ticks to one connection, so that two Ticks in a row prove something."""
_LONGEST_ROUND_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What the supervisor must know of one child.

    Attributes:
        vital: There is exactly one of it, and nothing works without it.
        silence_s: A child that has not reported for so long counts as dead.
        stop_s: How long it may take to stop after a request.
        feed: Of a connection: connections of lower feeds are started first.
        needed: Without it something is not done that the process is for; else its deaths end
            nothing, however many.
    """

    id: str
    vital: bool
    silence_s: float
    stop_s: float
    feed: int = 0
    needed: bool = True


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


class TickSchedule:
    """Which of many connections receive the next Tick.

    A few connections receive one every second. Of thousands, each receives one less often:
    waking a thousand threads each second, only to receive a report from each that nothing
    happened, costs more than handling all trades. A connection that has work to do receives one
    every second, however many there are.

    Args:
        max_interval_s: Longest time between two Ticks to a connection without work.
        per_second: Up to this many connections receive a Tick every second.
    """

    def __init__(self, *, max_interval_s: float = 5.0, per_second: int = 300) -> None:
        self._max_interval_s = max_interval_s
        self._per_second = per_second
        self._round_at = -inf
        self._sent: dict[str, float] = {}  # the one whose last Tick is oldest comes first
        self._requested: dict[str, float] = {}

    def add(self, connection: str) -> None:
        """Add a connection that has just started and has received no Tick."""
        self.remove(connection)
        # In front, where `due` begins: it stops at the first that received a Tick too lately.
        self._sent = {connection: -inf, **self._sent}

    def remove(self, connection: str) -> None:
        """Remove a connection that ended."""
        self._sent.pop(connection, None)
        self._requested.pop(connection, None)

    def request(self, connection: str, at: float) -> None:
        """Request a Tick for a connection at this time, at the latest."""
        if connection in self._sent:
            self._requested[connection] = at

    def take(self, connection: str, now: float) -> bool:
        """Return whether a Tick may be sent now, out of turn; if so, count it as sent."""
        free = now - self._sent.get(connection, inf) >= MIN_INTERVAL_S
        if free:
            self._mark_sent(connection, now)
        return free

    def due(self, now: float) -> list[str]:
        """Return the connections that receive a Tick now, and count it as sent.

        Of those that could wait longer, at most twice their share are returned at once.
        So they spread out again after a pause, when all are due.
        """
        interval_s = min(
            max(MIN_INTERVAL_S, len(self._sent) / self._per_second), self._max_interval_s
        )
        round_s = min(now - self._round_at, _LONGEST_ROUND_S)
        left = (
            inf
            if interval_s <= MIN_INTERVAL_S
            else ceil(2 * len(self._sent) * round_s / interval_s)
        )
        self._round_at = now
        due = []
        for connection, at in self._sent.items():
            if now - at < MIN_INTERVAL_S:
                break
            requested = self._requested.get(connection, 0.0)
            if requested > now and now - at < interval_s:
                continue
            if requested >= max(at, 0.0) + interval_s:  # it has no work and could wait longer
                if left <= 0:
                    continue
                left -= 1
            due.append(connection)
        for connection in due:
            self._mark_sent(connection, now)
        return due

    def _mark_sent(self, connection: str, now: float) -> None:
        # Deleted first, so that it moves to the end.
        del self._sent[connection]
        self._sent[connection] = now


class Pace:
    """How many connections may be treated at each check: doubled from check to check.

    Args:
        first: At the first one.
        most: At most; as many as can be started in that time.
    """

    def __init__(self, *, first: int = 1, most: int = 40) -> None:
        self._first = self._next = first
        self._most = most

    def take(self, waiting: Iterable[str]) -> list[str]:
        """Return the next connections to treat: those of feed A first, none of another before."""
        names = sorted(waiting)
        if not names:
            self._next = self._first
            return []
        # Names begin with the letter of their feed.
        feed = [name for name in names if name[0] == names[0][0]]
        taken, self._next = feed[: self._next], min(2 * self._next, self._most)
        return taken


MIN_TOKENS_AT_ONCE: Final = 5
"""The fewest tokens of one subscription message, however slowly books arrive."""
TOKENS_WHEN_ENDED: Final = 25
"""Tokens of one subscription message after the exchange ended a connection before any data."""


class MessageSizes:
    """How many tokens the connections of each slot ask for in one message when they start.

    After a frame that did not arrive, or was too big, half as many; few after an end before any
    data, since the subscription may have had too many. A connection that got all its books doubles
    it again.
    """

    def __init__(self) -> None:
        self._limits: dict[str, int] = {}
        self._began_with: dict[str, int] = {}

    def at_start(self, connection: str) -> int:
        """Return how many a connection that starts now is to ask for at once."""
        limit = self._limits.get(slot_of(connection))
        if limit is None:
            return TOKENS_AT_ONCE
        self._began_with[connection] = limit
        return limit

    def ended(self, connection: str, reason: str, *, failed: bool) -> None:
        """Take the end of a connection; `failed`: it was never served."""
        slot = slot_of(connection)
        before = self._limits.get(slot, TOKENS_AT_ONCE)
        if reason in (STALLED, TOO_BIG, UNFINISHED):
            self._limits[slot] = max(before // 2, MIN_TOKENS_AT_ONCE)
        elif failed and (reason == "reset" or reason.startswith("closed_")):
            self._limits[slot] = min(before, TOKENS_WHEN_ENDED)

    def succeeded(self, connection: str) -> None:
        """Record that a connection got all its books; counts once for each start."""
        slot, began_with = slot_of(connection), self._began_with.pop(connection, None)
        limit = self._limits.get(slot)
        # One that began before the limit was set says nothing about it.
        if limit is None or began_with != limit:
            return
        self._limits[slot] = 2 * limit
        if 2 * limit >= TOKENS_AT_ONCE:
            del self._limits[slot]

    def retired(self, connection: str) -> None:
        """Forget a connection that starts no more."""
        self._began_with.pop(connection, None)

    def closed(self, slot: str) -> None:
        """Forget a slot."""
        self._limits.pop(slot, None)
