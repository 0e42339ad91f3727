"""Whether the database is there for us, and when to look again."""

from random import Random

from actors.backoff import Backoff
from actors.model.database_state import AWAY, BEHIND, LIVE, STOPPED

STOPPED_S = 300.0
"""How long nothing is stored after the database rejected too much of it, in seconds."""


class DatabaseState:
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
        """Return whether something can be stored."""
        return self.state in (BEHIND, LIVE)

    @property
    def is_live(self) -> bool:
        """Return whether what is told can be stored as it comes."""
        return self.state == LIVE

    def lost(self, now: float) -> float:
        """It went away, or did not come; give how long to wait before the next try."""
        return self._wait(AWAY, now, self._backoff.delay_s())

    def stopped(self, now: float) -> float:
        """It rejects what we bring; give how long to wait before the next try."""
        return self._wait(STOPPED, now, STOPPED_S)

    def _wait(self, state: str, now: float, delay_s: float) -> float:
        self.state = state
        self._try_at = now + delay_s
        return delay_s

    def due(self, now: float) -> bool:
        """Return whether to try now; while it is there, note that it still is."""
        if self.is_open:
            self._backoff.succeeded(now)
            return False
        return now >= self._try_at


# MERGED: How much one transaction takes: less after one that was cut off, more with each
# that held. A database that is too slow for a full batch within the time that is given to it
# would else be asked for the same batch for ever.


LEAST = 1 / 64


class BatchSize:
    """A share of the most that a transaction may carry.

    Args:
        most_trades: Trades of a full batch.
        most_records: Journal records of a full batch.
    """

    def __init__(self, *, most_trades: int, most_records: int) -> None:
        self._most_trades = most_trades
        self._most_records = most_records
        self._share = 1.0

    @property
    def trades(self) -> int:
        """Return how many trades the next batch may have; at least one."""
        return max(1, int(self._most_trades * self._share))

    @property
    def records(self) -> int:
        """Return how many journal records it may have; at least one."""
        return max(1, int(self._most_records * self._share))

    def failed(self) -> None:
        """A batch did not come through."""
        self._share = max(LEAST, self._share / 2)

    def held(self) -> None:
        """One did."""
        self._share = min(1.0, self._share * 2)
