"""Which of many connections receive the next Tick.

A few connections receive one every second. Of thousands, each receives one less
often: waking a thousand threads each second, only to receive a report from each that
nothing happened, costs more than handling all trades. A connection that has work to do
receives one every second, however many there are. Seconds are monotonic.
"""

from math import ceil, inf
from typing import Final

MIN_INTERVAL_S: Final = 1.0
"""Shortest time between two Ticks to one connection, so that two Ticks in a row prove something."""

_LONGEST_ROUND_S: Final = 1.0


class TickSchedule:
    """Remembers when each connection received its last Tick.

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
