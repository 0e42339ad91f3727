"""What makes the silence of one connection mean something: its canary, and what others received.

A connection whose own tokens do not trade for minutes is silent for a good reason. It
therefore also subscribes to a **canary**: a busy token of another connection. It is shown to be
frozen by a trade of its canary, or of a token of its own, that another connection received
(`HeardTrades`). Snapshots show nothing of that, and a silence that all have in common shows
nothing against any.

Only trades are counted: book updates are skipped without being parsed. Seconds are monotonic.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Final

from actors.model.trade import Busiest, ConditionId, TokenId
from actors.supervision.allocation import Placement

_POOL_SIZE: Final = 256
_CALLS_PER_PLACEMENT: Final = 1 / 64
LATE_S: Final = 3.0
"""So much later than elsewhere a trade may arrive before it counts as missed."""
KEEP_S: Final = 60.0
"""How long a trade is evidence."""
MOST_AT_ONCE: Final = 20

TokenActivity = Callable[[TokenId], int]
"""Returns how much a token traded lately, in any unit; 0 when it did not."""


class Activity:
    """The busiest tokens of every connection, as last reported."""

    def __init__(self) -> None:
        self._reported: dict[str, Busiest] = {}
        self._counts: dict[TokenId, int] | None = None

    def reported(self, connection: str, busiest: Busiest) -> None:
        """Take what a connection reports of its busiest tokens."""
        if self._reported.get(connection, ()) != busiest:
            self._reported[connection] = busiest
            self._counts = None

    def forget(self, connection: str) -> None:
        """Forget a connection that ended for good."""
        if self._reported.pop(connection, None) is not None:
            self._counts = None

    def count(self, token: TokenId) -> int:
        """Return how busy a token is; 0 for one that no connection reported."""
        if self._counts is None:
            counts: dict[TokenId, int] = {}
            for busiest in self._reported.values():
                for each, count in busiest:
                    counts[each] = max(count, counts.get(each, 0))
            self._counts = counts
        return self._counts.get(token, 0)

    def busiest(self, connection: str) -> TokenId | None:
        """Return the busiest token that a connection reported."""
        busiest = self._reported.get(connection, ())
        return busiest[0][0] if busiest else None


class Canaries:
    """The canary of each connection, and which are to be changed.

    Args:
        check_s: How often each is checked.
    """

    def __init__(self, *, check_s: float = 60.0) -> None:
        self._check_s = check_s
        self._given: dict[str, TokenId | None] = {}
        self._checked_at: dict[str, float] = {}
        self._connections: dict[TokenId, set[str]] = {}

    def given(self, connection: str, token: TokenId | None) -> None:
        """Record the canary of a connection; None: it has none."""
        self.forget(connection)
        self._given[connection] = token
        if token is not None:
            self._connections.setdefault(token, set()).add(connection)

    def forget(self, connection: str) -> None:
        """Forget a connection that ended."""
        token = self._given.pop(connection, None)
        self._checked_at.pop(connection, None)
        if token is not None:
            holders = self._connections[token]
            holders.discard(connection)
            if not holders:
                del self._connections[token]

    def of(self, connection: str) -> TokenId | None:
        """Return the canary of a connection."""
        return self._given.get(connection)

    def removed(self, tokens: Iterable[TokenId]) -> None:
        """Mark connections as without a canary when theirs is no longer listened to."""
        for token in tokens:
            for connection in tuple(self._connections.get(token, ())):
                self.given(connection, None)

    def due(self, now: float) -> list[tuple[str, TokenId | None]]:
        """Return the connections whose canary is to be checked, and count it as done."""
        late = now - self._check_s
        found = [
            (connection, token)
            for connection, token in self._given.items()
            if self._checked_at.get(connection, float("-inf")) <= late
        ]
        self._checked_at.update((connection, now) for connection, _ in found)
        return found


class CanaryPicker:
    """Picks canaries from a pool of tokens between the median and the busiest tenth.

    A canary must be busy, but not one of the busiest: thousands of connections carry
    one, and the busiest markets fill a connection by themselves.

    Finding the pool reads the activity of every token. So it is found again only after as
    many choices as a 64th of the number of markets.
    """

    def __init__(self, placements: Mapping[ConditionId, Placement]) -> None:
        self._placements = placements
        self._pool: list[tuple[Placement, TokenId]] = []
        # So that the first choice finds the pool.
        self._calls: float = float("inf")

    def choose(self, slot_id: str, activity: TokenActivity) -> TokenId | None:
        """Return a token that is busy now and not on this slot; None when there is none."""
        if self._calls >= len(self._placements) * _CALLS_PER_PLACEMENT:
            self._pool = self._find(activity)
            self._calls = 0
        self._calls += 1
        count = len(self._pool)
        first = _hash(slot_id) % count if count else 0  # spreads slots over the pool
        for step in range(count):
            placement, token = self._pool[(first + step) % count]
            own = any(load.slot.id == slot_id for load in placement.slots)
            if placement.slots and not own and activity(token) > 0:
                return token
        return None

    def _find(self, activity: TokenActivity) -> list[tuple[Placement, TokenId]]:
        found = [
            (count, placement, token)
            for placement in self._placements.values()
            for token in placement.tokens
            if (count := activity(token)) > 0
        ]
        found.sort(key=lambda entry: (entry[0], entry[2]))
        low = len(found) // 2
        middle = found[low : max(low + 1, len(found) * 9 // 10)]
        step = max(1, len(middle) // _POOL_SIZE)
        return [(placement, token) for _, placement, token in middle[::step][:_POOL_SIZE]]


def _hash(slot_id: str) -> int:
    return int.from_bytes(blake2b(slot_id.encode(), digest_size=8).digest(), "big")


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
