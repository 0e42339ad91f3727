"""The markets of the plan that are known from the feed's announcement alone.

Their tokens are subscribed, and nothing is demanded of them: they are not wanted (so they leave no
gap) and not unconfirmed. That ends with their first `book`, or when Gamma says that they trade.
"""

from collections.abc import Iterable

from actors.model.market import Market
from actors.model.trade import ConditionId, TokenId


class AnnouncedMarkets:
    """Their tokens. Owned by the supervisor."""

    def __init__(self) -> None:
        self._tokens: dict[ConditionId, tuple[TokenId, ...]] = {}
        self._conditions: dict[TokenId, ConditionId] = {}

    def __len__(self) -> int:
        """Return how many tokens they have."""
        return len(self._conditions)

    def add(self, market: Market) -> None:
        """Add a market."""
        self._tokens[market.condition_id] = market.token_ids
        self._conditions.update(dict.fromkeys(market.token_ids, market.condition_id))

    def remove(self, condition_id: ConditionId) -> tuple[TokenId, ...]:
        """Remove a market that is more than announced, or gone; return its tokens."""
        tokens = self._tokens.pop(condition_id, ())
        for token in tokens:
            self._conditions.pop(token, None)
        return tokens

    def of(self, tokens: Iterable[TokenId]) -> tuple[ConditionId, ...]:
        """Return those that these tokens belong to, each once."""
        found = (self._conditions.get(token) for token in tokens)
        return tuple(dict.fromkeys(each for each in found if each is not None))

    def split(self, tokens: Iterable[TokenId]) -> tuple[tuple[TokenId, ...], tuple[TokenId, ...]]:
        """Return the tokens that are not theirs, and those that are."""
        given = tuple(tokens)
        if not self._conditions:
            return given, ()
        theirs = tuple(token for token in given if token in self._conditions)
        return tuple(token for token in given if token not in self._conditions), theirs
