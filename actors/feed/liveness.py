"""Whether a connection still tells what happens, and why it does not.

A PONG proves that the transport lives, never that data flows: connections have
answered pings for hours without a single event. So bytes and data are judged
apart. Quiet markets are silent for good reason, so before silence is held
against a connection it is *probed*: a token is subscribed again, and its `book`
is data. Where that `book` does not come although it is due, something was lost,
perhaps more: when data comes again later, it does not prove that silence.
Seconds are monotonic and passed in.
"""

from collections.abc import Collection, Iterable
from typing import Final, Protocol

import msgspec

from actors.feed.coverage import CoverageBook
from actors.model.connection import ALL_RESOLVED
from actors.model.trade import TokenId


class Signs(Protocol):
    """What is seen of a line, in monotonic seconds; 0.0 means never."""

    @property
    def last_byte_at(self) -> float:
        """When the last byte arrived."""

    @property
    def last_data_at(self) -> float:
        """When the last data frame was complete; PONG is no data."""

    @property
    def stalled_since(self) -> float:
        """Since when one frame has been incomplete."""


class Liveness:
    """The judge of one connection.

    Args:
        silence_s: How long data may stay away. A connection that carries no
            canary (the announcements of new markets) needs more than one that does.
        transport_s: How long every byte may stay away, answers to PING included.
        stall_s: How long one frame may take.
        books_s: How long the first `book` may take, when tokens were subscribed.
        ping_s: How often PING is due.
        answer_s: How long before the end of its patience it probes; half of the
            patience at most.
    """

    def __init__(
        self,
        *,
        silence_s: float = 60.0,
        transport_s: float = 15.0,
        stall_s: float = 10.0,
        books_s: float = 30.0,
        ping_s: float = 10.0,
        answer_s: float = 10.0,
    ) -> None:
        self._silence_s = silence_s
        self._transport_s = transport_s
        self._stall_s = stall_s
        self._books_s = books_s
        self._ping_s = ping_s
        self._answer_s = min(answer_s, silence_s / 2)
        self._subscribed_at: float | None = None
        self._pinged_at = 0.0
        self._probed_at = float("-inf")
        self._unanswered = False
        self._suspected = False

    def subscribed(self, now: float) -> None:
        """The first subscription was sent; said again it changes nothing."""
        if self._subscribed_at is None:
            self._subscribed_at = self._pinged_at = now

    def ping_due(self, now: float) -> bool:
        """Return whether PING is to be sent now; a yes counts as sent.

        Never before the first subscription: the server would close the socket.
        """
        if self._subscribed_at is None or now - self._pinged_at < self._ping_s:
            return False
        self._pinged_at = now
        return True

    def probe_due(self, now: float, line: Signs) -> bool:
        """Return whether to subscribe a token again, to see whether data comes.

        Once in each silence; a yes counts as done.
        """
        if self._subscribed_at is None:
            return False
        silent_since = max(line.last_data_at, self._subscribed_at)
        early = now - silent_since < self._silence_s - self._answer_s
        if early or self._probed_at > silent_since:
            return False
        self._probed_at = now
        return True

    def resumed(self, now: float, line: Signs) -> bool:
        """Say, once, that data comes again after a probe that was not answered in time.

        To be asked on every Tick, and before a frame is handled.
        """
        if line.last_data_at < self._probed_at:
            overdue = now - self._probed_at >= self._answer_s
            self._unanswered = self._unanswered or overdue
            return False
        unanswered, self._unanswered = self._unanswered, False
        return unanswered

    def wakes_at(self, line: Signs) -> float:
        """Return when there is something to do or to judge next; 0.0: on every Tick."""
        since = self._subscribed_at
        if since is None or self._suspected or line.stalled_since:
            return 0.0
        return min(
            self._pinged_at + self._ping_s,
            max(line.last_byte_at, since) + self._transport_s,
            max(line.last_data_at, since) + self._silence_s - self._answer_s,
        )

    def verdict(
        self, now: float, line: Signs, listening: CoverageBook, *, exchange_silent: bool = False
    ) -> str | None:
        """Return the reason to end this connection, or None; to be asked on every Tick.

        While the whole exchange is silent, silence is no reason.

        A reason must hold on two Ticks in a row. When the process itself was
        stopped for a while, the first Tick after it sees nothing but silence on
        every line; by the second, what waited in the buffers has been read.
        """
        reason = self._reason(now, line, listening)
        if exchange_silent and reason in ("frozen", "no_books"):
            reason = None
        held, self._suspected = self._suspected, reason is not None
        return reason if held else None

    def _reason(self, now: float, line: Signs, listening: CoverageBook) -> str | None:
        since = self._subscribed_at
        if since is None:
            return None
        if line.stalled_since and now - line.stalled_since >= self._stall_s:
            return "stalled_frame"
        if now - max(line.last_byte_at, since) >= self._transport_s:
            return "dead_transport"
        bookless = listening.requested_count > 0 and listening.books_total == 0
        if bookless and now - since >= self._books_s:
            return "no_books"
        silent = now - max(line.last_data_at, since) >= self._silence_s
        if silent and now - self._probed_at >= self._answer_s / 2:
            return "frozen"
        return None


# MERGED: tokens for which a connection was found deaf, and when asking again
# does not help.
class MissedTokenCounter:
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
        """Return whether it was doubted twice, or a doubted token still waits for its `book`."""
        self._tokens = {token: at for token, at in self._tokens.items() if token in waiting}
        return self._again or any(now - at >= self._answer_s for at in self._tokens.values())


# MERGED: How the other side ended a connection, and what follows from it.


_COMPLAINT: Final = "closed_1008"
_COMPLAINT_S: Final = 10.0
_RESOLVED_S: Final = 300.0


class CloseReason(msgspec.Struct, frozen=True):
    """What a lost socket means.

    Attributes:
        reason: Why the connection ended, a stable word.
        retry_after_s: How long its successor had better wait; None: as usual.
        complaint: It was something that we said.
    """

    reason: str
    retry_after_s: float | None = None
    complaint: bool = False


def close_reason(reason: str, detail: str) -> CloseReason:
    """Read the reason and the words that came with it.

    A connection whose markets are all resolved needs no other one until it is
    given more tokens; it looks again in a few minutes, in case the words were wrong.
    """
    if reason == "closed_1000" and "resolved" in detail:
        return CloseReason(ALL_RESOLVED, _RESOLVED_S)
    if reason == _COMPLAINT:
        return CloseReason(reason, _COMPLAINT_S, complaint=True)
    return CloseReason(reason)
