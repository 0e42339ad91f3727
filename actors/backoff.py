"""Waits that grow after failures."""

from random import Random


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
        """Return how long to wait after this failure.

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
