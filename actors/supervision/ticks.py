"""TickSchedule: whom of many connections the time is told now.

A few are told every second, many more seldom: to wake a thousand threads each
second, and to hear of each that nothing happened, costs more than all that they
hear. Who has something to do is told every second, however many there are.
Seconds are monotonic.
"""

from math import ceil, inf
from typing import Final

OFTEN_S: Final = 1.0
"""Nobody is told the time twice within so long: two Ticks in a row are to mean something."""

_LONGEST_TURN_S: Final = 1.0


class TickSchedule:
    """Who was told the time when.

    Args:
        seldom_s: How long those may rest who have nothing to do.
        a_second: As many may be told in one second before anybody rests.
    """

    def __init__(self, *, seldom_s: float = 5.0, a_second: int = 300) -> None:
        self._seldom_s = seldom_s
        self._a_second = a_second
        self._turned_at = -inf
        self._told: dict[str, float] = {}  # who was told longest ago comes first
        self._wishes: dict[str, float] = {}

    def begins(self, who: str) -> None:
        """Somebody lives from now on, and was never told the time."""
        self.ended(who)
        self._told = {who: -inf, **self._told}

    def ended(self, who: str) -> None:
        """Somebody lives no more."""
        self._told.pop(who, None)
        self._wishes.pop(who, None)

    def wished(self, who: str, at: float) -> None:
        """Somebody is to be told then, at the latest, and not only when its turn comes."""
        if who in self._told:
            self._wishes[who] = at

    def called(self, who: str, now: float) -> bool:
        """Return whether somebody may be told the time now, out of turn; a yes counts as told."""
        free = now - self._told.get(who, inf) >= OFTEN_S
        if free:
            self._note(who, now)
        return free

    def due(self, now: float) -> list[str]:
        """Return whom to tell now; they count as told.

        Of those who could rest longer never many more than their share at once, though
        all are due after a pause: so they spread.
        """
        rest_s = min(max(OFTEN_S, len(self._told) / self._a_second), self._seldom_s)
        turn_s = min(now - self._turned_at, _LONGEST_TURN_S)
        room = inf if rest_s <= OFTEN_S else ceil(2 * len(self._told) * turn_s / rest_s)
        self._turned_at = now
        due = []
        for who, at in self._told.items():
            if now - at < OFTEN_S:
                break
            wish = self._wishes.get(who, 0.0)
            if wish > now and now - at < rest_s:
                continue
            if wish >= max(at, 0.0) + rest_s:
                if room <= 0:
                    continue
                room -= 1
            due.append(who)
        for who in due:
            self._note(who, now)
        return due

    def _note(self, who: str, now: float) -> None:
        del self._told[who]
        self._told[who] = now
