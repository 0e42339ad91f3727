"""Events that cannot be read and may be trades: their tokens are in doubt.

The token of such an event, or every token when its own cannot be read, is not covered from the
last trade that was kept before it until the first proof that is later than the event. In the
database that is a gap with the cause `rejected`.
"""

from collections.abc import Container, Iterable
from typing import NamedTuple

from actors.feed.coverage import CoverageBook
from actors.model.trade import TokenId, Trade
from actors.polymarket.channel import Decoded

_S = 1_000_000_000


class Withdrawn(NamedTuple):
    """Tokens whose coverage was taken back.

    Attributes:
        until_ns: They were received until then, or until they were confirmed if that is later.
    """

    tokens: tuple[TokenId, ...]
    until_ns: int


class Doubts:
    """The doubts of one epoch, kept in its coverage book.

    Each doubt costs two facts of each token. So if it comes often, of one token or of all, it
    lasts longer than to the next proof: from the second time within `rest_s` on for 2 s, 4 s, and
    so on, at most `most_s`. Of `most_tokens` it is remembered how often.
    """

    def __init__(
        self,
        coverage: CoverageBook,
        *,
        rest_s: int = 3600,
        most_s: int = 300,
        most_tokens: int = 1_000,
    ) -> None:
        self._coverage = coverage
        self._rest_ns = rest_s * _S
        self._most_ns = most_s * _S
        self._most_tokens = most_tokens
        # (when it was doubted last, how long that lasts); of all tokens under None.
        self._pauses: dict[TokenId | None, tuple[int, int]] = {}

    def take(
        self, decoded: Decoded, canary: Container[TokenId], at_ns: int
    ) -> tuple[Withdrawn, ...]:
        """Count the trades and the doubts of some frames, in their order.

        Args:
            decoded: The frames.
            canary: Their trades are left out.
            at_ns: When the frames were received.
        """
        trades = decoded.trades
        withdrawn: list[Withdrawn] = []
        done = 0
        for trades_before, token in decoded.doubts:
            self._add(trades[done:trades_before], canary, at_ns)
            withdrawn += self._doubt_all(at_ns) if token is None else self._doubt(token, at_ns)
            done = trades_before
        self._add(trades[done:], canary, at_ns)
        return tuple(withdrawn)

    def _add(self, trades: Iterable[Trade], canary: Container[TokenId], at_ns: int) -> None:
        self._coverage.add_trades([each for each in trades if each.token_id not in canary], at_ns)

    def _doubt(self, token: TokenId, at_ns: int) -> Iterable[Withdrawn]:
        coverage = self._coverage
        until_ns = coverage.withdraw(token)
        if until_ns is None:
            if token in coverage.doubted:
                self._extend(token, self._event_ns(at_ns))
            return ()
        self._extend(token, self._event_ns(at_ns) + self._pause(token, at_ns))
        return (Withdrawn((token,), until_ns),)

    def _doubt_all(self, at_ns: int) -> Iterable[Withdrawn]:
        tokens, until_ns = self._coverage.withdraw_all()
        again_ns = self._event_ns(at_ns) + self._pause(None, at_ns)
        for token in (*self._coverage.doubted, *tokens):
            self._extend(token, again_ns)
        return (Withdrawn(tokens, until_ns),) if tokens else ()

    def _extend(self, token: TokenId, until_ns: int) -> None:
        doubted = self._coverage.doubted
        doubted[token] = max(until_ns, doubted.get(token, 0))

    def _event_ns(self, at_ns: int) -> int:
        # By the exchange's clock, as the proof is.
        return at_ns + self._coverage.clock.offset_ms * 1_000_000

    def _pause(self, token: TokenId | None, at_ns: int) -> int:
        """Return for how long it is doubted beyond this event."""
        last_ns, pause_ns = self._pauses.pop(token, (0, 0))
        since_ns = at_ns - last_ns
        if not 0 <= since_ns < self._rest_ns:
            pause_ns = 0
        elif since_ns:  # otherwise it came together with the one before
            pause_ns = min(2 * pause_ns or 2 * _S, self._most_ns)
        if len(self._pauses) >= self._most_tokens:
            del self._pauses[next(iter(self._pauses))]
        self._pauses[token] = (at_ns, pause_ns)
        return pause_ns

    def take_recovered(self) -> tuple[TokenId, ...]:
        """Return the tokens that are covered again, from the proof on."""
        proven_ns, doubted = self._coverage.proven_until_ns, self._coverage.doubted
        tokens = tuple([token for token, at_ns in doubted.items() if at_ns < proven_ns])
        self._coverage.cover_again(tokens)
        return tokens
