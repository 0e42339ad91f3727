"""Whether a connection still receives what happens, and what its end means.

A PONG proves that the transport works, never that data flows: connections have answered
pings for hours without a single event. So bytes and data are judged apart. Quiet markets
are silent for good reason: silence alone never ends a connection, see `silence.py`.

`Liveness` judges the transport, `MissedTokenCounter` the tokens that fail alone, and
`close_reason` reads how the other side ended the connection. All seconds are monotonic and
passed in.
"""

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from actors.errors import RecordTooLarge
from actors.feed.coverage import CoverageBook
from actors.feed.ports import FeedSocket
from actors.model.connection import ALL_RESOLVED, DISK_FULL, STALLED, TOO_BIG
from actors.model.trade import TokenId

GIVE_UP_FACTOR: Final = 60
"""A connection that only receives new markets may be silent so much longer than others."""
_LARGE_BYTES: Final = 16 << 10


class Liveness:
    """Judges one connection by what it receives at all.

    Args:
        silence_s: How long one frame may keep data away.
        give_up_s: How long data may stay away from a connection that nothing is lost on: one
            that only receives announcements of new markets. None: for ever.
        transport_s: How long every byte may stay away, answers to PING included.
        stall_s: How long a frame that has begun may make no progress.
        books_s: How long the first `book` may take, when tokens were subscribed.
        ping_s: How often PING is due.
    """

    def __init__(
        self,
        *,
        silence_s: float = 60.0,
        give_up_s: float | None = None,
        # More than one interval of PING: without data nothing arrives but PONG.
        transport_s: float = 15.0,
        stall_s: float = 10.0,
        books_s: float = 30.0,
        # As Polymarket documents it; an idle socket without PING was dropped after about 125 s.
        ping_s: float = 10.0,
    ) -> None:
        self._silence_s = silence_s
        self._give_up_s = float("inf") if give_up_s is None else give_up_s
        self._transport_s = transport_s
        self._stall_s = stall_s
        self._books_s = books_s
        self._ping_s = ping_s
        self._subscribed_at: float | None = None
        self._pinged_at = 0.0
        self._suspected = False

    def expect_data(self) -> None:
        """Do not give up for silence from now on: `silence.py` judges it."""
        self._give_up_s = float("inf")

    def subscribed(self, now: float) -> None:
        """Record that the first subscription was sent; later calls change nothing."""
        if self._subscribed_at is None:
            self._subscribed_at = self._pinged_at = now

    def ping_due(self, now: float) -> bool:
        """Return whether PING is to be sent now; True counts as sent.

        Never before the first subscription: the server would close the socket.
        """
        if self._subscribed_at is None or now - self._pinged_at < self._ping_s:
            return False
        self._pinged_at = now
        return True

    def silent_since(self, socket: FeedSocket) -> float | None:
        """Return since when there is no data; None before the first subscription."""
        since = self._subscribed_at
        return None if since is None else max(socket.last_data_at, since)

    def wakes_at(self, socket: FeedSocket) -> float:
        """Return when there is something to do or to judge next; 0.0: on every Tick."""
        since = self._subscribed_at
        # A suspicion is to be confirmed or dropped on the very next Tick.
        if since is None or self._suspected or socket.stalled_since:
            return 0.0
        return min(
            self._pinged_at + self._ping_s,
            max(socket.last_byte_at, since) + self._transport_s,
        )

    def reason_to_end(
        self,
        now: float,
        socket: FeedSocket,
        coverage: CoverageBook,
        *,
        frozen: bool = False,
        exchange_silent: bool = False,
    ) -> str | None:
        """Return the reason to end this connection, or None; to be called on every Tick.

        While the whole exchange is silent, silence is no reason.

        Args:
            now: Monotonic seconds.
            socket: Of the connection.
            coverage: Of the connection.
            frozen: It was shown that the connection does not receive what it should.
            exchange_silent: No connection receives anything.

        A reason must hold on two Ticks in a row. When the process itself was stopped for a
        while, the first Tick after it sees nothing but silence on every socket; by the
        second, what waited in the buffers has been read.
        """
        reason = self._reason(now, socket, coverage)
        # The other reasons count all the same: they show that this socket is broken.
        if exchange_silent and reason in ("frozen", "no_books"):
            reason = None
        reason = "frozen" if frozen else reason
        held, self._suspected = self._suspected, reason is not None
        return reason if held else None

    def _reason(self, now: float, socket: FeedSocket, coverage: CoverageBook) -> str | None:
        since = self._subscribed_at
        if since is None:
            return None
        if socket.stalled_since and now - socket.stalled_since >= self._stall_s:
            return STALLED
        if now - max(socket.last_byte_at, since) >= self._transport_s:
            return "dead_transport"
        no_book_yet = coverage.requested_count > 0 and coverage.books_total == 0
        if no_book_yet and now - since >= self._books_s and not is_receiving(socket):
            return "no_books"
        silent_s = now - max(socket.last_data_at, since)
        # A frame that goes on but too slowly to count as data.
        if socket.stalled_since and silent_s >= self._silence_s:
            return STALLED
        silent = silent_s >= self._give_up_s
        return "frozen" if silent else None


def is_receiving(socket: FeedSocket) -> bool:
    """Return whether a large frame is arriving, such as the books of many tokens."""
    return socket.unfinished_bytes > _LARGE_BYTES


class MissedTokenCounter:
    """Counts how often tokens were missed on a connection, to tell when to replace it.

    Args:
        window_s: A second miss within this many seconds is one too many.
        answer_s: How long the `book` of a missed token may take after it was subscribed again.
    """

    def __init__(self, *, window_s: float = 300.0, answer_s: float = 10.0) -> None:
        self._window_s = window_s
        self._answer_s = answer_s
        self._missed_at: float | None = None
        self._repeatedly = False
        self._tokens: dict[TokenId, float] = {}

    def add(self, tokens: Iterable[TokenId], now: float) -> None:
        """Record that these were missed and are subscribed again."""
        before, self._missed_at = self._missed_at, now
        # Stays set: only the handover that it causes ends this run in good order.
        self._repeatedly = self._repeatedly or (
            before is not None and now - before <= self._window_s
        )
        self._tokens.update(dict.fromkeys(tokens, now))

    def too_many(self, now: float, waiting: Collection[TokenId]) -> bool:
        """Return whether tokens were missed twice, or a missed one still waits for its `book`.

        Args:
            now: Monotonic seconds.
            waiting: The tokens of the connection whose `book` is awaited.
        """
        self._tokens = {token: at for token, at in self._tokens.items() if token in waiting}
        return self._repeatedly or any(now - at >= self._answer_s for at in self._tokens.values())


# "Invalid subscription payload": what the next connection sends is built alike,
# so haste would not help.
_POLICY_VIOLATION: Final = "closed_1008"
_POLICY_VIOLATION_S: Final = 10.0
_RESOLVED_S: Final = 300.0


class CloseReason(msgspec.Struct, frozen=True):
    """What a lost socket means.

    Attributes:
        reason: Why the connection ended, a stable word.
        retry_after_s: How long the next connection should wait; None: as usual.
        policy_violation: The exchange closed the connection because of something that we sent.
    """

    reason: str
    retry_after_s: float | None = None
    policy_violation: bool = False


def reason_of(error: Exception) -> str:
    """Return the reason of an end by an error of the journal."""
    return TOO_BIG if isinstance(error, RecordTooLarge) else DISK_FULL


def close_reason(reason: str, detail: str) -> CloseReason:
    """Return what the reason and the text that came with it mean.

    A connection whose markets are all resolved needs no other one until it is given more
    tokens; it is tried again after a few minutes, in case the text was wrong.
    """
    if reason == "closed_1000" and "resolved" in detail:
        return CloseReason(ALL_RESOLVED, _RESOLVED_S)
    if reason == _POLICY_VIOLATION:
        return CloseReason(reason, _POLICY_VIOLATION_S, policy_violation=True)
    return CloseReason(reason)
