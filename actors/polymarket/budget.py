"""Budget: how many requests of ours one host gets in any ten seconds.

The documented limits are sliding windows of ten seconds as well: Gamma 300 for
`/markets`, CLOB 9,000, Data API 800 (docs of 2026-04 and 2026-09). Ours are well
below, since others may stand behind the same address. Seconds are monotonic and
passed in.
"""

from collections import deque

WINDOW_S = 10.0
GAMMA_LISTINGS = 100
"""For the catalogue. With a restart in the same ten seconds it may be spent twice."""
GAMMA_OUTCOMES = 80
CLOB = 1_000
DATA = 200
CHAIN = 20
"""Batches of up to 80 calls; public nodes document no limit."""


class Budget:
    """The requests of the last ten seconds, of which there are never more than `most`.

    Those who count know the time as of their last tick only: a request that was made at
    `now` may have left at any moment before the next, later `now`, which is what it is
    dated with.

    Attributes:
        spent: Requests since the start.
    """

    def __init__(self, most: int) -> None:
        self.spent = 0
        self._most = most
        self._times: deque[float] = deque()
        self._undated = 0
        self._now = float("-inf")
        self._begins_at = float("-inf")

    def ready(self, now: float) -> bool:
        """Say whether one more request may be made."""
        return now >= self._begins_at and self.recent(now) < self._most

    def exhaust(self, now: float) -> None:
        """Count as if all were spent just now: an earlier life may have done so."""
        self._begins_at = now + WINDOW_S

    def spend(self, now: float) -> None:
        """Count a request."""
        self._pass(now)
        self.spent += 1
        self._undated += 1

    def recent(self, now: float) -> int:
        """Give the requests of the last ten seconds."""
        self._pass(now)
        return len(self._times) + self._undated

    def _pass(self, now: float) -> None:
        if now > self._now:
            self._times.extend([now] * self._undated)
            self._undated, self._now = 0, now
        while self._times and now - self._times[0] >= WINDOW_S:
            self._times.popleft()
