"""Traffic: how often each HTTP side was asked, and the most in any ten seconds."""

from collections import Counter, deque

WINDOW_S = 10.0


class Traffic:
    """Requests by side (`gamma`, `clob`, `data`, `rpc`). `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._total: Counter[str] = Counter()
        self._most: dict[str, int] = {}
        self._times: dict[str, deque[float]] = {}

    def note(self, side: str, now: float) -> None:
        """Count a request."""
        times = self._times.setdefault(side, deque())
        times.append(now)
        while now - times[0] >= WINDOW_S:
            times.popleft()
        self._total[side] += 1
        self._most[side] = max(self._most.get(side, 0), len(times))

    def summary(self) -> dict[str, dict[str, int]]:
        """Return side → total and the most in ten seconds."""
        return {
            side: {"total": total, "most_in_10_s": self._most[side]}
            for side, total in sorted(self._total.items())
        }
