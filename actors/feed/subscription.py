"""The subscription of one connection: what its socket asks for, and what it is to hand on."""

from actors.feed.announced import AnnouncedRetry
from actors.feed.coverage import ConfirmRetry, CoverageBook
from actors.feed.ports import FeedSocket
from actors.model.chunks import chunks
from actors.model.connection import ConnectionSpec
from actors.model.trade import TokenId
from actors.polymarket import channel

TRADE_MARKERS = (b"last_trade_price",)
LIFECYCLE_MARKERS = (*TRADE_MARKERS, b"new_market", b"market_resolved")
# Of all events only `book` has this key.
BOOK_MARKER = b'"bids"'
ANSWER_S = 30.0
"""So long the books of announced tokens are handed on after they were asked for."""
PROBES = 3
"""How many tokens a probe without a canary subscribes: one of them may have resolved."""


class Subscription:
    """Keeps the tokens of one connection subscribed. In the thread of its actor.

    What is sent before `open` is dropped: `open` sends all tokens of the spec.
    """

    def __init__(self, spec: ConnectionSpec, coverage: CoverageBook) -> None:
        self._spec = spec
        self._coverage = coverage
        self._canary = spec.canary
        self._retry = ConfirmRetry()
        self._announced = AnnouncedRetry()
        self._asked_at = float("-inf")
        self._books_awaited = False  # of announced tokens
        self._socket: FeedSocket | None = None

    @property
    def is_listening(self) -> bool:
        """Return whether some token is confirmed; True for a connection without tokens."""
        return bool(self._coverage.confirmed_count) or not self._spec.tokens

    @property
    def unanswered(self) -> tuple[TokenId, ...]:
        """Return the tokens that got no `book` though they were subscribed again and again."""
        return self._retry.unanswered

    @property
    def is_answered(self) -> bool:
        """Return whether no `book` is awaited, except those of unanswered tokens."""
        waiting = self._coverage.requested_count - self._coverage.confirmed_count
        return waiting <= len(self._retry.unanswered)

    @property
    def can_probe(self) -> bool:
        """Return whether there is a token that could be subscribed again."""
        return bool(self._canary) or self._coverage.requested_count > 0

    def markers(self) -> tuple[bytes, ...]:
        """Return what a message must contain to be handed on: books until all are confirmed."""
        # It covers no tokens of its own, so it waits for no book.
        if self._spec.lifecycle:
            return LIFECYCLE_MARKERS
        requested = self._coverage.requested_count
        confirmed = self._coverage.confirmed_count >= requested > 0 and not self._books_awaited
        return TRADE_MARKERS if confirmed else (*TRADE_MARKERS, BOOK_MARKER)

    def open(self, socket: FeedSocket, now: float) -> None:
        """Send the first subscription in its initial form, the rest as operations."""
        self._socket = socket
        tokens = (*self._spec.tokens, *self._spec.announced, *self._canary)
        # The initial form is allowed once on a socket: a second one is answered INVALID OPERATION.
        # Without tokens it is accepted when it asks for custom features (both reported).
        head, *rest = list(chunks(tokens, self._spec.tokens_at_once)) or [()]
        socket.send_text(channel.first_subscription(head, custom=self._spec.lifecycle))
        for chunk in rest:
            self._send_subscribe(chunk)
        self._coverage.add_requested(self._spec.tokens, now)
        self._await_announced(self._spec.announced, now)
        self.update_markers()

    def add(self, tokens: tuple[TokenId, ...], now: float) -> None:
        """Subscribe more tokens on the same socket; a canary becomes an own token.

        Nothing is sent for those that are subscribed already.
        """
        self._canary = tuple(token for token in self._canary if token not in tokens)
        new = tuple(token for token in tokens if not self._coverage.is_requested(token))
        # One that was announced until now may be subscribed, and would be answered by no `book`.
        self.drop(tuple(token for token in new if token in self._coverage.announced))
        self._send_subscribe(new)
        self._coverage.add_requested(new, now)
        self.update_markers()

    def add_announced(self, tokens: tuple[TokenId, ...], now: float) -> None:
        """Subscribe tokens that the exchange may not know yet."""
        new = tuple(token for token in tokens if not self._coverage.is_requested(token))
        self._canary = tuple(token for token in self._canary if token not in new)
        self._send_subscribe(new)
        self._await_announced(new, now)
        self.update_markers()

    def ask_announced(self, now: float) -> None:
        """Subscribe announced tokens again that are due."""
        announced = self._coverage.announced
        due = self._announced.due(now, announced)
        if due:
            self.drop(due)
            self._send_subscribe(due)
            self._await_announced(due, now)
            self.update_markers()
        elif self._books_awaited and (not announced or now - self._asked_at > ANSWER_S):
            self._books_awaited = False
            self.update_markers()

    @property
    def wakes_at(self) -> float:
        """Return when an announced token is to be asked for; monotonic seconds."""
        return self._announced.wakes_at

    def _await_announced(self, tokens: tuple[TokenId, ...], now: float) -> None:
        if tokens:
            self._coverage.add_announced(tokens)
            self._announced.asked(tokens, now)
            self._asked_at, self._books_awaited = now, True

    def drop(self, tokens: tuple[TokenId, ...]) -> None:
        """Unsubscribe tokens; the exchange sends no answer."""
        if self._socket is not None:
            for chunk in chunks(tokens, self._spec.tokens_at_once):
                self._socket.send_text(channel.unsubscription(chunk))

    def renew(self, tokens: tuple[TokenId, ...], now: float) -> None:
        """Unsubscribe and subscribe tokens that are not covered; await their first `book`."""
        # A token that is subscribed already may be answered NO NEW ASSETS instead of a `book`.
        self.drop(tokens)
        self._send_subscribe(tokens)
        self._coverage.add_requested(tokens, now)
        self.update_markers()

    def resubscribe(self, now: float) -> None:
        """Renew the tokens whose `book` is overdue."""
        overdue = self._retry.due(now, self._coverage)
        if overdue:
            self.renew(overdue, now)

    def probe(self, now: float) -> None:
        """Request a `book`, which arrives if the connection still works.

        That of a canary if there is one, else of tokens whose first `book` is awaited. Without
        both, confirmed tokens are subscribed again without being unsubscribed, so that they stay
        covered.
        """
        waiting = tuple(sorted(self._coverage.waiting))[:PROBES]
        if self._canary:
            self.drop(self._canary)
            self._send_subscribe(self._canary)
        elif waiting:
            self.renew(waiting, now)
        else:
            self._send_subscribe(self._coverage.oldest_confirmed(PROBES))

    def update_markers(self) -> None:
        """Set which messages the socket passes on from now on."""
        if self._socket is not None:
            self._socket.set_markers(self.markers())

    def _send_subscribe(self, tokens: tuple[TokenId, ...]) -> None:
        if self._socket is not None:
            for chunk in chunks(tokens, self._spec.tokens_at_once):
                self._socket.send_text(channel.subscription(chunk, custom=self._spec.lifecycle))
