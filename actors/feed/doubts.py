"""Doubts: tokens for which a connection was found deaf, and when asking again does not help."""

from collections.abc import Collection, Iterable

from actors.model.trade import TokenId


class Doubts:
    """Whether a connection had better be replaced.

    Args:
        window_s: A second doubt within so long, in monotonic seconds, is one too many.
        answer_s: So long the `book` of a doubted token may take.
    """

    def __init__(self, *, window_s: float = 300.0, answer_s: float = 10.0) -> None:
        self._window_s = window_s
        self._answer_s = answer_s
        self._doubted_at: float | None = None
        self._again = False
        self._tokens: dict[TokenId, float] = {}

    def add(self, tokens: Iterable[TokenId], now: float) -> None:
        """The connection was deaf for these, and asks for them anew."""
        before, self._doubted_at = self._doubted_at, now
        self._again = self._again or (before is not None and now - before <= self._window_s)
        self._tokens.update(dict.fromkeys(tokens, now))

    def beyond_cure(self, now: float, waiting: Collection[TokenId]) -> bool:
        """Tell whether it was doubted twice, or a doubted token still waits for its `book`."""
        self._tokens = {token: at for token, at in self._tokens.items() if token in waiting}
        return self._again or any(now - at >= self._answer_s for at in self._tokens.values())
