"""A subscription: what one line is asked for, in bounded messages, and what it is to hand on."""

from actors.feed.coverage import ConfirmRetry, CoverageBook
from actors.feed.epoch import Epoch
from actors.feed.liveness import Liveness
from actors.feed.ports import FeedSocket
from actors.messages import Tick
from actors.model.chunks import chunks
from actors.model.connection import ConnectionSpec, gap_cause
from actors.model.trade import TokenId
from actors.polymarket import channel

TRADE_MARKERS = (b"last_trade_price",)
LIFECYCLE_MARKERS = (*TRADE_MARKERS, b"new_market", b"market_resolved")
BOOK_MARKER = b'"bids"'
PROBES = 3
"""Tokens that a probe without a canary asks for: one of them may have resolved."""


class Subscription:
    """The tokens of one connection, as its line is told of them."""

    def __init__(self, spec: ConnectionSpec, listening: CoverageBook) -> None:
        self._spec = spec
        self._listening = listening
        self._canary = spec.canary
        self._retry = ConfirmRetry()
        self._line: FeedSocket | None = None

    @property
    def hears(self) -> bool:
        """Return whether it does its work: some token is confirmed, unless none is asked for."""
        return bool(self._listening.confirmed_count) or not self._spec.tokens

    @property
    def unheard(self) -> tuple[TokenId, ...]:
        """Tokens that were asked for again and again, and no `book` came."""
        return self._retry.unheard

    @property
    def answered(self) -> bool:
        """Return whether no `book` is awaited, but for tokens of which none is hoped for."""
        waiting = self._listening.requested_count - self._listening.confirmed_count
        return waiting <= len(self._retry.unheard)

    @property
    def can_probe(self) -> bool:
        """Return whether there is a token that could be asked for again."""
        return bool(self._canary) or self._listening.requested_count > 0

    def markers(self) -> tuple[bytes, ...]:
        """Return what messages must contain to be handed on: books until all are confirmed."""
        if self._spec.lifecycle:
            return LIFECYCLE_MARKERS
        asked = self._listening.requested_count
        confirmed = self._listening.confirmed_count >= asked > 0
        return TRADE_MARKERS if confirmed else (*TRADE_MARKERS, BOOK_MARKER)

    def begin(self, line: FeedSocket, now: float) -> None:
        """Send the initial form once, the rest as operations."""
        self._line = line
        tokens = (*self._spec.tokens, *self._canary)
        head, *rest = list(chunks(tokens, channel.TOKENS_AT_ONCE)) or [()]
        line.send_text(channel.first_subscription(head, custom=self._spec.lifecycle))
        for chunk in rest:
            self._ask(chunk)
        self._listening.requested(self._spec.tokens, now)
        self.watch()

    def add(self, tokens: tuple[TokenId, ...], now: float) -> None:
        """Listen to more tokens on the same line."""
        self._canary = tuple(token for token in self._canary if token not in tokens)
        self._ask(tokens)
        self._listening.requested(tokens, now)
        self.watch()

    def drop(self, tokens: tuple[TokenId, ...]) -> None:
        """Let tokens go; no answer follows."""
        if self._line is not None:
            for chunk in chunks(tokens, channel.TOKENS_AT_ONCE):
                self._line.send_text(channel.unsubscription(chunk))

    def again(self, tokens: tuple[TokenId, ...], now: float) -> None:
        """Ask anew for tokens that are not covered: their first `book` is awaited again."""
        self.drop(tokens)
        self._ask(tokens)
        self._listening.requested(tokens, now)
        self.watch()

    def insist(self, now: float) -> None:
        """Ask anew for tokens whose `book` does not come."""
        again = self._retry.due(now, self._listening)
        if again:
            self.again(again, now)

    def probe(self, now: float) -> None:
        """Have a `book` sent, so that silence means something.

        Best that of a canary, or of a token that waits for it anyway. Otherwise one's
        own are asked for once more without being let go: they stay covered.
        """
        waiting = tuple(sorted(self._listening.waiting))[:PROBES]
        if self._canary:
            self.drop(self._canary)
            self._ask(self._canary)
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
            for chunk in chunks(tokens, channel.TOKENS_AT_ONCE):
                self._line.send_text(channel.subscription(chunk, custom=self._spec.lifecycle))


# MERGED: The keepalive: what one connection does about silence.


class Keepalive:
    """Watches one line from its first subscription on.

    A connection that hears of new markets only, without a canary, is given ten
    times the patience: nothing but silence is to be expected of it.
    """

    def __init__(
        self, spec: ConnectionSpec, subscription: Subscription, epoch: Epoch, *, silence_s: float
    ) -> None:
        resting = spec.lifecycle and not spec.canary
        self._liveness = Liveness(silence_s=silence_s * (10 if resting else 1))
        self._subscription = subscription
        self._epoch = epoch

    def begin(self, now: float) -> None:
        """The first subscription was sent."""
        self._liveness.subscribed(now)

    def turn(self, tick: Tick, line: FeedSocket, listening: CoverageBook) -> str | None:
        """Keep the line alive, ask for what does not come; give the reason to end it, or None."""
        self.take_up(tick, line, listening)
        silent = tick.exchange_silent
        reason = self._liveness.verdict(tick.now, line, listening, exchange_silent=silent)
        if reason is not None:
            return reason
        if self._liveness.ping_due(tick.now):
            line.send_text(channel.PING)
        if not silent:
            self._subscription.insist(tick.now)
            if self._subscription.can_probe and self._liveness.probe_due(tick.now, line):
                self._subscription.probe(tick.now)
        return None

    def wakes_at(self, line: FeedSocket) -> float:
        """Return when it is to turn again, at the latest; 0.0: on every Tick."""
        return self._liveness.wakes_at(line) if self._subscription.answered else 0.0

    def take_up(self, tick: Tick, line: FeedSocket, listening: CoverageBook) -> None:
        """Begin to listen anew, on the same line, after a silence in which something was lost.

        Before the frame is handled that would prove the silence.
        """
        if self._liveness.resumed(tick.now, line):
            tokens = listening.confirmed
            self._epoch.release(tokens, gap_cause("frozen", exchange_silent=tick.exchange_silent))
            self._subscription.again(tokens, tick.now)
