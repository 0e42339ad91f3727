"""What one connection has proven to have heard: the book-keeping of one epoch.

A token is covered from its first `book` after the subscription until the
epoch's *proof*: a time of the exchange up to which every trade of the confirmed
tokens has been handled here. How the proof moves:

- One socket is one ordered stream. Handling a frame that says "now is E" means
  that what the exchange sent before E has been handled too, however late we
  read. A frame that carries no such time proves nothing: it may have waited in
  a buffer for a minute, with trades behind it that are just as old.
- Tokens are not ordered against each other: a trade may follow one that is
  120 ms younger (recorded), so the proof stays `disorder_ms` behind E.
- No time later than the receipt is ever proven, whatever E says.
- The proof never goes back. Silence leaves it where it is; the next telling
  frame proves the silence too, for nothing was sent in between.

One token of a live connection may go silent by itself (a *deaf* token). Then
the proof claims too much for it, and only a trade that others heard shows that.
Its coverage here is cut at the last of its trades that arrived.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec

from actors.model.trade import TokenId, Trade

_MS: Final = 1_000_000
SETTLED_MS: Final = 5_000


# MERGED: Tokens that a connection lets go, once they are proven to have been heard
# to the end.
class PendingRelease(msgspec.Struct, frozen=True):
    """Tokens that are unwanted since `since_ns` (wall clock); `asked_at` is monotonic seconds."""

    tokens: tuple[TokenId, ...]
    cause: str
    since_ns: int
    asked_at: float


class PendingReleases:
    """Who leaves, and whether it may.

    Args:
        wait_s: How long the proof may take; a connection that proves nothing
            more does not keep its tokens for ever.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._waiting: list[PendingRelease] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, departure: PendingRelease) -> None:
        """Let these go as soon as may be."""
        self._waiting.append(departure)

    def due(self, now: float, proven_ns: int) -> list[PendingRelease]:
        """Give, once, those that were heard to their end or have waited long enough."""
        late = now - self._wait_s
        due = [one for one in self._waiting if one.since_ns <= proven_ns or one.asked_at <= late]
        self._waiting = [one for one in self._waiting if one not in due]
        return due


"""After its `book` a token may not be doubted for so long: clocks differ a little."""


class CoverageBook:
    """The requested and confirmed tokens of one epoch, and its proof.

    Canary tokens are not requested here: their coverage is their owner's.

    Attributes:
        epoch: The journal sequence of its `ListeningOpened`.
        proven_until_ns: The proof, wall-clock nanoseconds; 0 while nothing is proven.
        books_total: Snapshots that arrived, those of canary tokens included.
    """

    def __init__(self, epoch: int, *, disorder_ms: int = 1_000) -> None:
        self.epoch = epoch
        self.proven_until_ns = 0
        self.books_total = 0
        self._disorder_ns = disorder_ms * _MS
        self._marked_ns = 0
        # The token stands in the value too: what is kept is the plan's own string, and not
        # the copy that each `book` brings.
        self._waiting: dict[TokenId, tuple[TokenId, float]] = {}
        self._confirmed: dict[TokenId, int] = {}
        self._printed: dict[TokenId, int] = {}

    @property
    def waiting(self) -> frozenset[TokenId]:
        """Tokens whose first `book` is awaited."""
        return frozenset(self._waiting)

    @property
    def confirmed(self) -> tuple[TokenId, ...]:
        """Tokens that are covered, oldest first."""
        return tuple(self._confirmed)

    def some(self, most: int) -> tuple[TokenId, ...]:
        """Return a few of the confirmed tokens."""
        return tuple(islice(self._confirmed, most))

    @property
    def requested_count(self) -> int:
        """Tokens that were subscribed and not released."""
        return len(self._waiting) + len(self._confirmed)

    @property
    def confirmed_count(self) -> int:
        """Those of them whose first `book` arrived."""
        return len(self._confirmed)

    def requested(self, tokens: Iterable[TokenId], now: float) -> None:
        """Wait for the first `book` of each; asking again begins the wait anew."""
        for token in tokens:
            if token not in self._confirmed:
                self._waiting[token] = (token, now)

    def book(self, token: TokenId, at_ns: int) -> bool:
        """Take note of a snapshot; say whether it confirms the token, from `at_ns` on."""
        self.books_total += 1
        asked = self._waiting.pop(token, None)
        if asked is None:
            return False
        self._confirmed[asked[0]] = at_ns
        if not self._waiting:
            self._waiting = {}  # an emptied one keeps the room of its fullest time
        return True

    def release(self, tokens: Iterable[TokenId]) -> tuple[TokenId, ...]:
        """Let tokens go; give those that were confirmed, whose coverage ends at the proof."""
        released = []
        for token in tokens:
            self._waiting.pop(token, None)
            self._printed.pop(token, None)
            if self._confirmed.pop(token, None) is not None:
                released.append(token)
        return tuple(released)

    def printed(self, trades: Iterable[Trade]) -> None:
        """Take note of trades: until then at least their tokens were heard."""
        confirmed, printed = self._confirmed, self._printed
        for trade in trades:
            token, at_ns = trade.token_id, trade.traded_at_ms * _MS
            if token in confirmed and at_ns > printed.get(token, 0):
                printed[token] = at_ns

    def claims(self, token: TokenId, exchange_ms: int) -> bool:
        """Return whether this epoch claims to have heard a trade of this time, beyond doubt."""
        since_ns = self._confirmed.get(token)
        at_ns = exchange_ms * _MS
        settled = since_ns is not None and since_ns + SETTLED_MS * _MS <= at_ns
        return settled and at_ns <= self.proven_until_ns

    def doubt(self, token: TokenId) -> int | None:
        """Take back what was claimed of a token; give the last time at which it was heard.

        That is the time of its last trade, or of its first `book`, in nanoseconds;
        None for a token that was not confirmed.
        """
        since_ns = self._confirmed.pop(token, None)
        if since_ns is None:
            return None
        return min(max(since_ns, self._printed.pop(token, 0)), self.proven_until_ns or since_ns)

    def heard(self, received_at_ns: int, exchange_ms: int | None) -> None:
        """Move the proof: a frame was handled, its trades are in the journal.

        Args:
            received_at_ns: When its bytes arrived.
            exchange_ms: The latest "now" it carries, or None when it carries none.
        """
        if exchange_ms is None:
            return
        proof_ns = min(received_at_ns, exchange_ms * _MS - self._disorder_ns)
        self.proven_until_ns = max(self.proven_until_ns, proof_ns)

    @property
    def unmarked_ns(self) -> int:
        """Return how far the proof moved since the last mark."""
        return self.proven_until_ns - self._marked_ns

    def mark(self) -> int | None:
        """Return the proof when it moved since the last mark, else None."""
        if self.proven_until_ns <= self._marked_ns:
            return None
        self._marked_ns = self.proven_until_ns
        return self._marked_ns

    def unconfirmed(self, now: float, older_than_s: float) -> tuple[TokenId, ...]:
        """Return the tokens that have waited longer than this for their `book`, oldest first."""
        late = [(since, token) for token, since in self._waiting.values()]
        return tuple(token for since, token in sorted(late) if now - since > older_than_s)


# MERGED: Tokens whose `book` does not come: asked for again, and in the end given
# up. A subscription is answered by nothing but the first `book` of the token, and some are
# never answered: the exchange lost the wish, or does not know the token. `now` is monotonic
# seconds.


class ConfirmRetry:
    """Who is asked for again on one connection.

    Args:
        patience_s: How long the first `book` may take after each try.
        tries: How often a token is asked for again before the connection says so.
        rest_s: How long between tries after that.
    """

    def __init__(self, *, patience_s: float = 30.0, tries: int = 2, rest_s: float = 300.0) -> None:
        self._patience_s = patience_s
        self._most = tries
        self._rest_s = rest_s
        self._tries: dict[TokenId, int] = {}
        self._unheard: dict[TokenId, None] = {}

    @property
    def unheard(self) -> tuple[TokenId, ...]:
        """Tokens that were asked for again and again in vain, as of the last `due`."""
        return tuple(self._unheard)

    def due(self, now: float, listening: CoverageBook) -> tuple[TokenId, ...]:
        """Return those to be asked for again now; the caller then requests them anew."""
        waiting = listening.waiting
        if not waiting and not self._tries and not self._unheard:
            return ()
        self._tries = {token: count for token, count in self._tries.items() if token in waiting}
        self._unheard = {token: None for token in self._unheard if token in waiting}
        again = []
        for token in listening.unconfirmed(now, self._patience_s):
            if self._tries.get(token, 0) >= self._most:
                self._unheard[token] = None
            else:
                self._tries[token] = self._tries.get(token, 0) + 1
                again.append(token)
        rested = listening.unconfirmed(now, self._rest_s)
        return (*again, *(token for token in rested if token not in again))
