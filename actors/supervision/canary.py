"""Bustle: which tokens trade much just now, on one connection and on all.

Counted are prints; book noise is skipped without being read. `now` is monotonic
seconds.
"""

from collections import Counter
from collections.abc import Iterable

from actors.model.trade import TokenId

Busiest = tuple[tuple[TokenId, int], ...]
"""(token, prints lately), busiest first."""

_MOST_TOKENS = 1_000


class Busy:
    """Counts the prints of one connection over the last minute or two.

    Args:
        minute_s: After so long a count is set aside, after twice that forgotten.
    """

    def __init__(self, *, minute_s: float = 60.0) -> None:
        self._minute_s = minute_s
        self._since = float("-inf")
        self._now: dict[TokenId, int] = {}
        self._before: dict[TokenId, int] = {}

    def heard(self, tokens: Iterable[TokenId]) -> None:
        """Count a print of each; a server that invents tokens is not followed for ever."""
        for token, count in Counter(tokens).items():
            if token in self._now or len(self._now) < _MOST_TOKENS:
                self._now[token] = self._now.get(token, 0) + count

    def top(self, now: float, most: int = 3) -> Busiest:
        """Give the busiest tokens."""
        if now - self._since >= self._minute_s:
            self._since = now
            self._before, self._now = self._now, {}
        counts = {
            token: self._now.get(token, 0) + self._before.get(token, 0)
            for token in {**self._before, **self._now}
        }
        return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:most])


class Bustle:
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
        """Give how busy a token is; 0 for one that nobody named."""
        if self._counts is None:
            counts: dict[TokenId, int] = {}
            for busiest in self._said.values():
                for each, count in busiest:
                    counts[each] = max(count, counts.get(each, 0))
            self._counts = counts
        return self._counts.get(token, 0)

    def hottest(self, connection: str) -> TokenId | None:
        """Give the busiest token that a connection named."""
        busiest = self._said.get(connection, ())
        return busiest[0][0] if busiest else None
