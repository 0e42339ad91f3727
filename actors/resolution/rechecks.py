"""Rechecks: of which verdicts another look falls due, asked of the database ten minutes ahead.

So the memory that it takes does not grow with the verdicts of a week, and a
restart forgets none: a new life begins a little before the last evidence of the
life before. Times are wall clock milliseconds.
"""

import msgspec

from actors.model.market import Market
from actors.resolution.quorum import Resolution, Source

AHEAD_MS = 600_000
MARGIN_MS = 180_000
RETRY_MS = 60_000
SPREAD_MS = 600_000


class Stretch(msgspec.Struct, frozen=True):
    """Looks that fall due after `since_ms` (None: since the last life) and until `until_ms`."""

    since_ms: int | None
    until_ms: int


class Recheck(msgspec.Struct, frozen=True, kw_only=True):
    """A stored verdict of which a look falls due.

    Attributes:
        recorded_at_ms: When the database took it.
        due_at_ms: The first look that falls due.
        told: (source, what it said) of contradictions that are known.
    """

    resolution: Resolution
    market: Market
    recorded_at_ms: int
    due_at_ms: int
    told: tuple[tuple[Source, str], ...] = ()


class Rechecks:
    """How far ahead the looks that fall due are known.

    Attributes:
        horizon_ms: Until when; 0 before the database has answered once.
    """

    def __init__(self) -> None:
        self.horizon_ms = 0
        self._asked_ms = 0

    def tick(self, now_ms: int) -> Stretch | None:
        """Give the stretch to ask for now, if any; what is not answered is asked again."""
        if self.horizon_ms > now_ms + MARGIN_MS or now_ms < self._asked_ms + RETRY_MS:
            return None
        self._asked_ms = now_ms
        return Stretch(self.horizon_ms or None, now_ms + AHEAD_MS)

    def ask_soon(self) -> None:
        """Ask at the next tick: the database answers again."""
        self._asked_ms = 0

    def answered(self, until_ms: int) -> None:
        """Note that all that falls due until then was told."""
        self.horizon_ms = max(self.horizon_ms, until_ms)


def when(recheck: Recheck, now_ms: int) -> int:
    """Give when to look: what is overdue is spread over ten minutes, so that it delays nobody."""
    if recheck.due_at_ms > now_ms:
        return recheck.due_at_ms
    return now_ms + int(recheck.resolution.condition_id[2:10], 16) % SPREAD_MS
