"""Activity: which tokens trade much just now, on one connection and on all.

Counted are trades; book noise is skipped without being read. `now` is monotonic
seconds.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Final

from actors.model.trade import Busiest, ConditionId, TokenId
from actors.supervision.allocation import Placement


class Activity:
    """What all connections said of their busiest tokens, last."""

    def __init__(self) -> None:
        self._said: dict[str, Busiest] = {}
        self._counts: dict[TokenId, int] | None = None

    def told(self, connection: str, busiest: Busiest) -> None:
        """A connection says which of its tokens are busy."""
        if self._said.get(connection, ()) != busiest:
            self._said[connection] = busiest
            self._counts = None

    def forget(self, connection: str) -> None:
        """A connection is gone for good."""
        if self._said.pop(connection, None) is not None:
            self._counts = None

    def count(self, token: TokenId) -> int:
        """Return how busy a token is; 0 for one that nobody named."""
        if self._counts is None:
            counts: dict[TokenId, int] = {}
            for busiest in self._said.values():
                for each, count in busiest:
                    counts[each] = max(count, counts.get(each, 0))
            self._counts = counts
        return self._counts.get(token, 0)

    def hottest(self, connection: str) -> TokenId | None:
        """Return the busiest token that a connection named."""
        busiest = self._said.get(connection, ())
        return busiest[0][0] if busiest else None


# MERGED: The canary: a token that makes silence mean something. A connection whose own
# tokens rest for minutes is silent for good reason. With one token beside its own that always
# trades, silence means that it is frozen. The token should be busy, but not one of the busiest:
# thousands of connections carry one, and the hottest markets fill a connection all by
# themselves.


_MOST: Final = 256
_CALLS_PER_PLACEMENT: Final = 1 / 64
Busy = Callable[[TokenId], int]
"""How much was heard of a token lately, in any unit; 0 for one at rest."""


class CanaryPicker:
    """Chooses canaries out of a pool: those between the median and the busiest tenth.

    Finding the pool looks at every token, so it is done once in as many choices
    as there are 64ths of markets.
    """

    def __init__(self, placements: Mapping[ConditionId, Placement]) -> None:
        self._placements = placements
        self._pool: list[tuple[Placement, TokenId]] = []
        self._calls: float = float("inf")

    def choose(self, slot_id: str, busy: Busy) -> TokenId | None:
        """Return a token that is busy now and not on this slot; None when there is none."""
        if self._calls >= len(self._placements) * _CALLS_PER_PLACEMENT:
            self._pool = self._find(busy)
            self._calls = 0
        self._calls += 1
        count = len(self._pool)
        first = _hash(slot_id) % count if count else 0
        for step in range(count):
            placement, token = self._pool[(first + step) % count]
            own = any(load.slot.id == slot_id for load in placement.slots)
            if placement.slots and not own and busy(token) > 0:
                return token
        return None

    def _find(self, busy: Busy) -> list[tuple[Placement, TokenId]]:
        found = [
            (count, placement, token)
            for placement in self._placements.values()
            for token in placement.tokens
            if (count := busy(token)) > 0
        ]
        found.sort(key=lambda one: (one[0], one[2]))
        low = len(found) // 2
        middle = found[low : max(low + 1, len(found) * 9 // 10)]
        step = max(1, len(middle) // _MOST)
        return [(placement, token) for _, placement, token in middle[::step][:_MOST]]


def _hash(slot_id: str) -> int:
    return int.from_bytes(blake2b(slot_id.encode(), digest_size=8).digest(), "big")
