"""What some connections received, as evidence against others that receive nothing.

A connection is shown to be frozen by a trade that another one received and that it should have
received, too: a token of its own, or its canary. Snapshots show nothing of that, and a silence
that all have in common shows nothing against any. Decides only; seconds are monotonic.
"""

from collections.abc import Iterable
from typing import Final

from actors.model.trade import TokenId

LATE_S: Final = 3.0
"""So much later than elsewhere a trade may arrive before it counts as missed."""
KEEP_S: Final = 60.0
"""How long a trade is evidence."""
MOST_AT_ONCE: Final = 20


class HeardTrades:
    """The last trades that connections reported, while there is a connection to compare with."""

    def __init__(self) -> None:
        self._heard: dict[TokenId, tuple[int, float]] = {}
        self._waited_for = False

    def wait_for(self, now: float, *, silent: bool) -> None:
        """Keep what is reported from now on if a connection is silent; forget what is old."""
        self._waited_for = silent
        self._heard = {
            token: (at_ms, at)
            for token, (at_ms, at) in self._heard.items()
            if silent and now - at < KEEP_S
        }

    def reported(self, trades: Iterable[tuple[TokenId, int]], now: float) -> None:
        """Take trades of a report: (token, exchange milliseconds)."""
        if self._waited_for:
            for token, at_ms in trades:
                # The first of them stays: it is the one that is late the longest.
                self._heard.setdefault(token, (at_ms, now))

    def missed(self, tokens: Iterable[TokenId], now: float) -> tuple[tuple[TokenId, int], ...]:
        """Return trades of these tokens that every connection should have received by now."""
        if not self._heard:
            return ()
        heard = ((token, self._heard.get(token)) for token in tokens)
        found = [(token, one[0]) for token, one in heard if one and now - one[1] >= LATE_S]
        return tuple(found[:MOST_AT_ONCE])


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
