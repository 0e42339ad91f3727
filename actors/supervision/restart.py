"""When what ended is started again, and when the whole process gives up instead.

Three policies, pure. `now` is monotonic seconds, jitter comes from a generator
that is handed in.

| what ended | policy |
|---|---|
| expectedly: network, database, a source | `Backoff`: 0-1 s first, doubling to 60 s, full jitter |
| unexpectedly, by a fault of ours | `Budget`: 0, 1, 3, 7 s; the fifth death in 60 s: 300 s |
| too often over all, or a vital child | `Escalation`: the process ends, systemd starts it anew |

The levels multiply, so each is small.
"""

from collections import deque
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What the supervisor must know of one child.

    Attributes:
        vital: There is one of it and nothing works without it.
        silence_s: No report for so long counts as death.
        stop_s: How long it may take to end when asked to.
        leg: Of a connection: the lower ones are born first.
    """

    id: str
    vital: bool
    silence_s: float
    stop_s: float
    leg: int = 0


class Backoff:
    """Delays between tries of something that may fail for reasons not ours.

    Args:
        rng: Where the jitter comes from.
        base_s: Longest first delay; each further one may be twice as long.
        cap_s: Longest delay of our own choice.
        reset_s: After so long a time of success the next failure is a first one again.
        asked_cap_s: Longest delay that a server may ask for.
    """

    def __init__(
        self,
        rng: Random,
        *,
        base_s: float = 1.0,
        cap_s: float = 60.0,
        reset_s: float = 300.0,
        asked_cap_s: float = 300.0,
    ) -> None:
        self._rng = rng
        self._base_s = base_s
        self._cap_s = cap_s
        self._reset_s = reset_s
        self._asked_cap_s = asked_cap_s
        self._ceiling_s = base_s
        self._well_since: float | None = None

    def delay_s(self, *, retry_after_s: float | None = None) -> float:
        """Give how long to wait after this failure.

        Args:
            retry_after_s: What the server asked for; we wait at least that long,
                but never longer than its cap.
        """
        self._well_since = None
        delay_s = self._rng.uniform(0.0, self._ceiling_s)
        self._ceiling_s = min(self._ceiling_s * 2, self._cap_s)
        if retry_after_s is not None and retry_after_s > 0:
            delay_s = max(delay_s, min(retry_after_s, self._asked_cap_s))
        return delay_s

    def succeeded(self, now: float) -> None:
        """Note that it works now; to be told again and again for as long as it does.

        One success proves little: a feed that accepts and drops us at once must
        not be called every second.
        """
        if self._well_since is None:
            self._well_since = now
        if now - self._well_since >= self._reset_s:
            self._ceiling_s = self._base_s


class Budget:
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
        """Tell whether it is time to give up."""
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
        """Tell whether there were `limit` of them."""
        return self._count(now) >= self.limit

    def _count(self, now: float) -> int:
        return sum(now - time <= self._period_s for time in self._times)
