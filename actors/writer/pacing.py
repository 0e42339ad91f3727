"""Whether the database is there for us, and when to look again."""

from random import Random

from actors.supervision.restart import Backoff

AWAY = "away"
STOPPED = "stopped"
BEHIND = "behind"
LIVE = "live"

STOPPED_S = 300.0
"""How long nothing is stored after the database refused too much of it, in seconds."""


class Presence:
    """One of `away`, `stopped` (it is there, and we store nothing), `behind`, `live`.

    Args:
        rng: Where the jitter of new tries comes from.
    """

    def __init__(self, rng: Random) -> None:
        self._backoff = Backoff(rng)
        self._try_at = 0.0
        self.state = AWAY

    @property
    def is_open(self) -> bool:
        """Tell whether something can be stored."""
        return self.state in (BEHIND, LIVE)

    @property
    def is_live(self) -> bool:
        """Tell whether what is told can be stored as it comes."""
        return self.state == LIVE

    def lost(self, now: float) -> float:
        """It went away, or did not come; give how long to wait before the next try."""
        return self._wait(AWAY, now, self._backoff.delay_s())

    def stopped(self, now: float) -> float:
        """It refuses what we bring; give how long to wait before the next try."""
        return self._wait(STOPPED, now, STOPPED_S)

    def _wait(self, state: str, now: float, delay_s: float) -> float:
        self.state = state
        self._try_at = now + delay_s
        return delay_s

    def due(self, now: float) -> bool:
        """Tell whether to try now; while it is there, note that it still is."""
        if self.is_open:
            self._backoff.succeeded(now)
            return False
        return now >= self._try_at
