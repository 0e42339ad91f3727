"""When a connection asks for tokens that the feed announced and the exchange may not know yet."""

from collections.abc import Iterable
from typing import Final

from actors.model.trade import TokenId

OFTEN_S: Final = 1.0
OFTEN: Final = 15
"""So often a token is asked for every second: the exchange usually knows what it announces."""
SELDOM_S: Final = 86_400.0
"""After that the wait doubles up to a day."""


class AnnouncedRetry:
    """The next time to ask for each token. Seconds are monotonic."""

    def __init__(self) -> None:
        self._asks: dict[TokenId, tuple[int, float]] = {}

    def asked(self, tokens: Iterable[TokenId], now: float) -> None:
        """Record that these were asked for."""
        for token in tokens:
            asks = self._asks.get(token, (0, 0.0))[0] + 1
            wait_s = OFTEN_S if asks <= OFTEN else min(2.0 ** min(asks - OFTEN, 20), SELDOM_S)
            self._asks[token] = (asks, now + wait_s)

    def due(self, now: float, announced: frozenset[TokenId]) -> tuple[TokenId, ...]:
        """Return the tokens to ask for now, of those that still have no `book`; forget others."""
        if len(self._asks) > len(announced):
            self._asks = {token: ask for token, ask in self._asks.items() if token in announced}
        return tuple(token for token, (_, at) in self._asks.items() if at <= now)

    @property
    def wakes_at(self) -> float:
        """Return when the next is due; infinite when none is."""
        return min((at for _, at in self._asks.values()), default=float("inf"))
