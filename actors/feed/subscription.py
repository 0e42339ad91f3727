"""The subscription of one connection: what its socket asks for, how often, and what it hands on.

`Subscription` sends. `ConfirmRetry` and `AnnouncedRetry` decide when a token is asked for again,
`PendingReleases` until when one that is no longer wanted stays subscribed.
"""

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from actors.feed.coverage import CoverageBook
from actors.feed.ports import FeedSocket
from actors.model.connection import ConnectionSpec
from actors.model.conversion import chunks
from actors.model.trade import TokenId
from actors.polymarket import channel

TRADE_MARKERS = (b"last_trade_price",)
LIFECYCLE_MARKERS = (*TRADE_MARKERS, b"new_market", b"market_resolved")
# Of all events only `book` has this key.
BOOK_MARKER = b'"bids"'
ANSWER_S = 30.0
"""So long the books of announced tokens are handed on after they were asked for."""
CANARY_S = 30.0
"""How long books are handed on for the first one of a canary."""
OFTEN_S: Final = 1.0
OFTEN: Final = 15
"""So often an announced token is asked for every second: usually the exchange knows it."""
SELDOM_S: Final = 86_400.0
"""After that the wait doubles up to a day."""
LEAST_AT_ONCE: Final = 5
"""A subscription message is not made shorter than so many tokens because books did not come."""


class Subscription:
    """Keeps the tokens of one connection subscribed. In the thread of its actor.

    What is sent before `open` is dropped: `open` sends all tokens of the spec.
    """

    def __init__(self, spec: ConnectionSpec, coverage: CoverageBook) -> None:
        self._spec = spec
        self._coverage = coverage
        self._canary = spec.canary
        self._at_once = spec.tokens_at_once
        # Messages of which some tokens may still be answered.
        self._messages: list[tuple[TokenId, ...]] = []
        self._canary_since: float | None = None
        self._answers_awaited = False
        self._to_renew: tuple[TokenId, ...] = ()
        self._retry = ConfirmRetry()
        self._announced = AnnouncedRetry()
        self._asked_at = float("-inf")
        self._books_awaited = False  # of announced tokens
        self._socket: FeedSocket | None = None

    @property
    def awaits_renewal(self) -> bool:
        """Return whether tokens wait for `renew_waiting`."""
        return bool(self._to_renew)

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

    def markers(self) -> tuple[bytes, ...]:
        """Return what a message must contain to be handed on: books while some are awaited."""
        found = LIFECYCLE_MARKERS if self._spec.lifecycle else TRADE_MARKERS
        requested = self._coverage.requested_count
        confirmed = self._coverage.confirmed_count >= requested > 0
        # A lifecycle connection covers no tokens of its own, so it waits for no book of them.
        awaited = not confirmed and not self._spec.lifecycle
        awaited = awaited or self._answers_awaited or self._books_awaited
        awaited = awaited or self._canary_since is not None
        return (*found, BOOK_MARKER) if awaited else found

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
        self._await(self._spec.tokens, now)
        self._await_announced(self._spec.announced, now)
        self._canary_since = now if self._canary else None
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
        self._await(new, now)
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

    def _await(self, tokens: tuple[TokenId, ...], now: float) -> None:
        self._coverage.add_requested(tokens, now)
        self._messages += map(tuple, chunks(tokens, self._at_once))

    def _await_announced(self, tokens: tuple[TokenId, ...], now: float) -> None:
        if tokens:
            self._coverage.add_announced(tokens)
            self._announced.asked(tokens, now)
            self._asked_at, self._books_awaited = now, True

    def drop(self, tokens: tuple[TokenId, ...]) -> None:
        """Unsubscribe tokens; the exchange sends no answer."""
        self._to_renew = tuple(token for token in self._to_renew if token not in tokens)
        if self._socket is not None:
            for chunk in chunks(tokens, self._spec.tokens_at_once):
                self._socket.send_text(channel.unsubscription(chunk))

    def renew(self, tokens: tuple[TokenId, ...], now: float) -> None:
        """Unsubscribe and subscribe tokens that are not covered; await their first `book`."""
        # A token that is subscribed already may be answered NO NEW ASSETS instead of a `book`.
        self.drop(tokens)
        self._send_subscribe(tokens)
        self._await(tokens, now)
        self.update_markers()

    def renew_later(self, tokens: tuple[TokenId, ...]) -> None:
        """Keep tokens that are not covered any more for `renew_waiting`."""
        self._to_renew = (*self._to_renew, *tokens)

    def renew_waiting(self, now: float) -> None:
        """Renew the tokens that wait for it."""
        tokens, self._to_renew = self._to_renew, ()
        if tokens:
            self.renew(tokens, now)

    def resubscribe(self, now: float) -> int:
        """Renew the tokens whose `book` is overdue; return how many are."""
        overdue = self._retry.due(now, self._coverage)
        if self._messages:
            self._fit_messages(frozenset(overdue))
        if overdue:
            self.renew(overdue, now)
        return len(overdue)

    def _fit_messages(self, overdue: frozenset[TokenId]) -> None:
        """Make messages shorter when much of one is not answered, longer when all of one is."""
        waiting, kept = self._coverage.waiting, []
        too_long = all_answered = False
        for message in self._messages:
            if waiting.isdisjoint(message):
                all_answered |= 2 * len(message) > self._at_once
            elif overdue.isdisjoint(message):
                kept.append(message)
            else:
                too_long |= _is_too_long([each in waiting for each in message], self._at_once)
        self._messages = kept
        if too_long:
            self._at_once = min(self._at_once, max(self._at_once // 4, LEAST_AT_ONCE))
        elif all_answered:
            self._at_once = min(2 * self._at_once, self._spec.tokens_at_once)

    def ask(self, tokens: tuple[TokenId, ...]) -> None:
        """Subscribe tokens once more, without unsubscribing them: they stay covered."""
        self._send_subscribe(tokens)

    def await_answers(self, *, awaited: bool) -> None:
        """Set whether books are passed on because they answer a question."""
        if awaited != self._answers_awaited:
            self._answers_awaited = awaited
            self.update_markers()

    def change_canary(self, token: TokenId, now: float) -> tuple[TokenId, ...]:
        """Subscribe another canary; return those that are unsubscribed for it."""
        old, self._canary = self._canary, (token,)
        self._send_subscribe(self._canary)
        self.drop(old)
        self._canary_since = now
        self.update_markers()
        return old

    def check_canary(self, confirmed: Collection[TokenId], now: float) -> None:
        """End the wait for the first `book` of the canary when it came, or comes no more."""
        since = self._canary_since
        if since is not None and (now - since >= CANARY_S or confirmed):
            self._canary_since = None
            self.update_markers()

    def update_markers(self) -> None:
        """Set which messages the socket passes on from now on."""
        if self._socket is not None:
            self._socket.set_markers(self.markers())

    def _send_subscribe(self, tokens: tuple[TokenId, ...]) -> None:
        if self._socket is not None:
            for chunk in chunks(tokens, self._at_once):
                self._socket.send_text(channel.subscription(chunk, custom=self._spec.lifecycle))


def _is_too_long(missing: list[bool], at_once: int) -> bool:
    """Return whether it seems that only the first tokens of a message were taken, or none.

    Some tokens are never answered, wherever they are; these alone say nothing.

    Args:
        missing: Of each token of the message, in order, whether it is not answered.
        at_once: The most tokens that a message has now.
    """
    answered, count = missing.index(True), sum(missing)
    many = count >= LEAST_AT_ONCE and 2 * count > len(missing) - answered
    # A short message without any answer has tokens that the exchange does not know.
    return many and (count < len(missing) or 2 * len(missing) > at_once)


class ConfirmRetry:
    """Which tokens of one connection are subscribed again because their `book` does not come.

    A subscription is answered by nothing but the first `book` of the token, and some are
    never answered: the exchange lost the request, or does not know the token.

    Args:
        answer_s: How long the first `book` may take after each try.
        tries: How often a token is subscribed again before it counts as unanswered.
        rest_s: How long between tries after that.
    """

    def __init__(self, *, answer_s: float = 30.0, tries: int = 2, rest_s: float = 300.0) -> None:
        self._answer_s = answer_s
        self._most = tries
        self._rest_s = rest_s
        self._tries: dict[TokenId, int] = {}
        self._unanswered: dict[TokenId, None] = {}

    @property
    def unanswered(self) -> tuple[TokenId, ...]:
        """Return the tokens that got no `book` after all tries, as of the last `due`."""
        return tuple(self._unanswered)

    def due(self, now: float, coverage: CoverageBook) -> tuple[TokenId, ...]:
        """Return the tokens to subscribe again now; the caller then requests them again."""
        waiting = coverage.waiting
        if not waiting and not self._tries and not self._unanswered:
            return ()
        self._tries = {token: count for token, count in self._tries.items() if token in waiting}
        self._unanswered = {token: None for token in self._unanswered if token in waiting}
        again = []
        for token in coverage.unconfirmed(now, self._answer_s):
            if self._tries.get(token, 0) >= self._most:
                self._unanswered[token] = None
            else:
                self._tries[token] = self._tries.get(token, 0) + 1
                again.append(token)
        # A request restarts the wait, so this returns each unanswered token once in `rest_s`: the
        # exchange may come to know it later.
        rested = coverage.unconfirmed(now, self._rest_s)
        return (*again, *(token for token in rested if token not in again))


class AnnouncedRetry:
    """When to ask again for each token that the feed announced: the exchange may not know it yet.

    Seconds are monotonic.
    """

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


class PendingRelease(msgspec.Struct, frozen=True):
    """Tokens that are to be released.

    Attributes:
        cause: Why, as it is written down.
        since_ns: They are unwanted since then, wall-clock nanoseconds.
        requested_at: When the release was requested, monotonic seconds.
    """

    tokens: tuple[TokenId, ...]
    cause: str
    since_ns: int
    requested_at: float


class PendingReleases:
    """Releases that wait until the tokens are proven to the end of their time.

    Args:
        wait_s: How long that proof may take; a connection that proves nothing more does
            not keep its tokens for ever.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._waiting: list[PendingRelease] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, release: PendingRelease) -> None:
        """Keep a release waiting."""
        self._waiting.append(release)

    def cancel(self, tokens: Iterable[TokenId]) -> None:
        """Forget the releases of these tokens: they are wanted again."""
        wanted = frozenset(tokens)
        kept = [
            msgspec.structs.replace(
                each, tokens=tuple(token for token in each.tokens if token not in wanted)
            )
            for each in self._waiting
        ]
        self._waiting = [each for each in kept if each.tokens]

    def due(self, now: float, proven_ns: int) -> list[PendingRelease]:
        """Return, once, the releases that are proven to their end or have waited long enough."""
        late = now - self._wait_s
        due = [
            each
            for each in self._waiting
            if each.since_ns <= proven_ns or each.requested_at <= late
        ]
        self._waiting = [each for each in self._waiting if each not in due]
        return due
