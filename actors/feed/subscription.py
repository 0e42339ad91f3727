"""A subscription: what one line is asked for, in bounded messages, and what it is to hand on."""

from actors.feed.coverage import Listening
from actors.feed.insistence import Insistence
from actors.feed.ports import Line
from actors.model.connection import LaneSpec
from actors.model.trade import TokenId
from actors.polymarket import channel

TRADE_MARKERS = (b"last_trade_price",)
LIFECYCLE_MARKERS = (*TRADE_MARKERS, b"new_market", b"market_resolved")
BOOK_MARKER = b'"bids"'

PROBES = 3
"""Tokens that a probe without a pulse asks for: one of them may have resolved."""


class Subscription:
    """The tokens of one connection, as its line is told of them."""

    def __init__(self, lane: LaneSpec, listening: Listening) -> None:
        self._lane = lane
        self._listening = listening
        self._pulse = lane.pulse
        self._insistence = Insistence()
        self._line: Line | None = None

    @property
    def hears(self) -> bool:
        """Tell whether it does its work: some token is confirmed, unless none is asked for."""
        return bool(self._listening.confirmed_count) or not self._lane.tokens

    @property
    def unheard(self) -> tuple[TokenId, ...]:
        """Tokens that were asked for again and again, and no `book` came."""
        return self._insistence.unheard

    @property
    def answered(self) -> bool:
        """Tell whether no `book` is awaited, but for tokens of which none is hoped for."""
        waiting = self._listening.requested_count - self._listening.confirmed_count
        return waiting <= len(self._insistence.unheard)

    @property
    def can_probe(self) -> bool:
        """Tell whether there is a token that could be asked for again."""
        return bool(self._pulse) or self._listening.requested_count > 0

    def markers(self) -> tuple[bytes, ...]:
        """Give what messages must contain to be handed on: books until all are confirmed."""
        if self._lane.lifecycle:
            return LIFECYCLE_MARKERS
        asked = self._listening.requested_count
        confirmed = self._listening.confirmed_count >= asked > 0
        return TRADE_MARKERS if confirmed else (*TRADE_MARKERS, BOOK_MARKER)

    def begin(self, line: Line, now: float) -> None:
        """Send the initial form once, the rest as operations."""
        self._line = line
        head, *rest = list(channel.chunks((*self._lane.tokens, *self._pulse))) or [()]
        line.send_text(channel.first_subscription(head, custom=self._lane.lifecycle))
        for chunk in rest:
            self._ask(chunk)
        self._listening.requested(self._lane.tokens, now)
        self.watch()

    def add(self, tokens: tuple[TokenId, ...], now: float) -> None:
        """Listen to more tokens on the same line."""
        self._pulse = tuple(token for token in self._pulse if token not in tokens)
        self._ask(tokens)
        self._listening.requested(tokens, now)
        self.watch()

    def drop(self, tokens: tuple[TokenId, ...]) -> None:
        """Let tokens go; no answer follows."""
        if self._line is not None:
            for chunk in channel.chunks(tokens):
                self._line.send_text(channel.unsubscription(chunk))

    def again(self, tokens: tuple[TokenId, ...], now: float) -> None:
        """Ask anew for tokens that are not covered: their first `book` is awaited again."""
        self.drop(tokens)
        self._ask(tokens)
        self._listening.requested(tokens, now)
        self.watch()

    def insist(self, now: float) -> None:
        """Ask anew for tokens whose `book` does not come."""
        again = self._insistence.due(now, self._listening)
        if again:
            self.again(again, now)

    def probe(self, now: float) -> None:
        """Have a `book` sent, so that silence means something.

        Best that of a pulse, or of a token that waits for it anyway. Otherwise one's
        own are asked for once more without being let go: they stay covered.
        """
        waiting = tuple(sorted(self._listening.waiting))[:PROBES]
        if self._pulse:
            self.drop(self._pulse)
            self._ask(self._pulse)
        elif waiting:
            self.again(waiting, now)
        else:
            self._ask(self._listening.some(PROBES))

    def watch(self) -> None:
        """Name to the line what it is to hand on from now on."""
        if self._line is not None:
            self._line.set_markers(self.markers())

    def _ask(self, tokens: tuple[TokenId, ...]) -> None:
        if self._line is not None:
            for chunk in channel.chunks(tokens):
                self._line.send_text(channel.subscription(chunk, custom=self._lane.lifecycle))
