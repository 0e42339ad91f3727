"""Tokens whose `book` does not come: asked for again, and in the end given up.

A subscription is answered by nothing but the first `book` of the token, and some
are never answered: the exchange lost the wish, or does not know the token.
`now` is monotonic seconds.
"""

from actors.feed.coverage import Listening
from actors.model.trade import TokenId


class Insistence:
    """Who is asked for again on one connection.

    Args:
        patience_s: How long the first `book` may take after each try.
        tries: How often a token is asked for again before the connection says so.
        rest_s: How long between tries after that.
    """

    def __init__(self, *, patience_s: float = 30.0, tries: int = 2, rest_s: float = 300.0) -> None:
        self._patience_s = patience_s
        self._most = tries
        self._rest_s = rest_s
        self._tries: dict[TokenId, int] = {}
        self._unheard: dict[TokenId, None] = {}

    @property
    def unheard(self) -> tuple[TokenId, ...]:
        """Tokens that were asked for again and again in vain, as of the last `due`."""
        return tuple(self._unheard)

    def due(self, now: float, listening: Listening) -> tuple[TokenId, ...]:
        """Give those to be asked for again now; the caller then requests them anew."""
        waiting = listening.waiting
        if not waiting and not self._tries and not self._unheard:
            return ()
        self._tries = {token: count for token, count in self._tries.items() if token in waiting}
        self._unheard = {token: None for token in self._unheard if token in waiting}
        again = []
        for token in listening.unconfirmed(now, self._patience_s):
            if self._tries.get(token, 0) >= self._most:
                self._unheard[token] = None
            else:
                self._tries[token] = self._tries.get(token, 0) + 1
                again.append(token)
        rested = listening.unconfirmed(now, self._rest_s)
        return (*again, *(token for token in rested if token not in again))
