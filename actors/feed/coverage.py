"""The coverage of one connection: which tokens it listened to, and until when that is proven.

A token is covered from its first `book` after the subscription until the epoch's
*proof*: a time of the exchange up to which every trade of the confirmed tokens has
been handled here. How the proof moves:

- One socket is one ordered stream. Handling a frame that says "now is E" means that
  what the exchange sent before E has been handled too, however late we read. A frame
  without such a time proves nothing: it may have waited in a buffer for a minute, with
  trades behind it that are just as old.
- Tokens are not ordered against each other: a trade may follow one that is 120 ms
  younger (recorded), and seconds when the exchange is slow. So the proof stays as far
  behind E as trades have been late (`Lateness`).
- No time later than the receipt is ever proven, whatever E says, unless the exchange's clock
  shows that ours is behind (`ExchangeClock`). A token is covered from the later of
  receipt and exchange time. Where that is known only after its `book`, its coverage begins again.
- The proof never goes back. Silence leaves it where it is; the next frame with a time
  proves the silence too, because nothing was sent in between.

One token of a live connection may fail alone: its trades do not arrive while those of
other tokens do. Then the proof claims too much for it, and only a trade that another
connection received shows that. Its coverage here ends at the last of its trades that
arrived.

An event that cannot be read may be a trade: while its token is in doubt (`doubts.py`) it is not
covered.

`CoverageBook` keeps this for one epoch.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from heapq import nsmallest
from itertools import takewhile
from typing import Final, NamedTuple

from actors.feed.lateness import BOUNDS_MS, Lateness
from actors.messages import Covered
from actors.model.trade import TokenId, Trade

_MS: Final = 1_000_000
SETTLED_MS: Final = 5_000
"""For so long after its `book` a token is not claimed against others: clocks differ a little."""
TOLERANCE_MS: Final = 5_000
"""So much two clocks may differ before one of them counts as wrong."""
SLIP_MS: Final = 250
"""So much later than assumed a token may have begun to be listened to: clocks that are kept by
NTP differ less, and all else begins its coverage again."""
_AGREEING: Final = 3


class ExchangeClock:
    """The difference between the exchange's clock and ours, as one connection sees it.

    An event carries the exchange's time and arrives a little later. One that arrives before its
    time shows that our clock is behind, or that this one event is wrong; so nothing is concluded
    before three in a row agree. A clock that is ahead looks like an exchange that is late. Both
    are harmless: coverage begins at the receipt then, and ends at a time of the exchange.

    Attributes:
        offset_ms: The exchange's clock minus ours; 0 while they differ by no more than
            `TOLERANCE_MS`.
        known: A time of the exchange was compared and believed.
        ahead_ms: How far the last such time was ahead of its receipt; usually less than 0.
    """

    def __init__(self) -> None:
        self.offset_ms = 0
        self._errors = 0
        self.known = False
        self.ahead_ms = 0
        self._differing: list[int] = []

    @property
    def behind_ms(self) -> int:
        """Return how far our clock is behind, as far as is known; never less than 0."""
        return max(0, self.offset_ms, self.ahead_ms)

    def compare(self, received_at_ns: int, exchange_ms: int) -> bool:
        """Take a time of the exchange; return whether it is to be believed."""
        ahead_ms = exchange_ms - received_at_ns // 1_000_000
        differs_ms = ahead_ms - self.offset_ms
        if -TOLERANCE_MS <= differs_ms <= TOLERANCE_MS:
            self._differing.clear()
            self.known, self.ahead_ms = True, ahead_ms
            self._errors += self.offset_ms > 0
            return True
        self._differing.append(ahead_ms)
        if len(self._differing) == _AGREEING:
            self._settle()
        return self.believes(received_at_ns, exchange_ms)

    def _settle(self) -> None:
        least, middle, most = sorted(self._differing)
        if most - least > TOLERANCE_MS:
            del self._differing[0]
            return
        self.offset_ms = 0 if abs(middle) <= TOLERANCE_MS else middle
        self._differing.clear()
        self.known, self.ahead_ms = True, middle
        self._errors += self.offset_ms > 0

    def take_errors(self) -> int:
        """Return how many times since the last call showed that our clock is behind."""
        errors, self._errors = self._errors, 0
        return errors

    def believes(self, received_at_ns: int, exchange_ms: int) -> bool:
        """Return whether a time of the exchange is not too far beyond the present moment."""
        return exchange_ms * 1_000_000 <= self.present_ns(received_at_ns) + TOLERANCE_MS * 1_000_000

    def present_ns(self, received_at_ns: int) -> int:
        """Return when this was received, or later: by the exchange's clock when ours is behind."""
        return received_at_ns + max(0, self.offset_ms) * 1_000_000


class Slip(NamedTuple):
    """Tokens whose coverage began later than was assumed, as our clock is behind.

    Attributes:
        from_ns: The beginning that was assumed.
        since_ns: The beginning by the exchange's clock.
    """

    tokens: tuple[TokenId, ...]
    from_ns: int
    since_ns: int


class CoverageBook:
    """The requested and confirmed tokens of one epoch, without canaries, and its proof.

    Attributes:
        epoch: The journal sequence of its `ListeningOpened`; 0 before there is one.
        proven_until_ns: The proof, wall-clock nanoseconds; 0 while nothing is proven.
        books_total: Snapshots that arrived, those of canary tokens included.
        clock: The exchange's clock against ours.
        lateness: How late trades arrive.
        doubted: Tokens that had their `book` and are not covered for now, with what `doubts.py`
            knows of each.
    """

    def __init__(self, epoch: int, lateness: Lateness | None = None) -> None:
        self.epoch = epoch
        self.proven_until_ns = 0
        self.books_total = 0
        self.clock = ExchangeClock()
        self.lateness = lateness or Lateness()
        # Confirmed since the last time of the exchange that is believed: (token, beginning,
        # how much later than its receipt that is).
        self._unsettled: list[tuple[TokenId, int, int]] = []
        self._written_ns = 0
        # With the last request and the first. The token is in the value too: so the plan's own
        # string is kept, and not the copy that each `book` brings.
        self._waiting: dict[TokenId, tuple[TokenId, float, float]] = {}
        self._confirmed: dict[TokenId, int] = {}
        # Subscribed, and perhaps not known to the exchange yet: nothing is awaited of them.
        self._announced: dict[TokenId, TokenId] = {}
        self._answered: list[TokenId] = []
        # Only for `withdraw`: until when each token was certainly received, in milliseconds.
        self._traded: dict[TokenId, int] = {}
        self.doubted: dict[TokenId, int] = {}

    @property
    def waiting(self) -> frozenset[TokenId]:
        """Return the tokens whose first `book` is awaited."""
        return frozenset(self._waiting)

    @property
    def confirmed(self) -> tuple[TokenId, ...]:
        """Return the tokens that had their `book`, oldest first; at last those in doubt."""
        return (*self._confirmed, *self.doubted)

    def beginnings(self) -> dict[int, list[TokenId]]:
        """Return the tokens that are covered now, by since when; tokens in doubt are not."""
        found: dict[int, list[TokenId]] = {}
        for token, since_ns in self._confirmed.items():
            found.setdefault(since_ns, []).append(token)
        return found

    @property
    def requested_count(self) -> int:
        """Return how many tokens were subscribed and not released."""
        return len(self._waiting) + self.confirmed_count

    @property
    def confirmed_count(self) -> int:
        """Return how many of them have received their first `book`."""
        return len(self._confirmed) + len(self.doubted)

    def is_requested(self, token: TokenId) -> bool:
        """Return whether a token was subscribed and not released."""
        return token in self._confirmed or token in self.doubted or token in self._waiting

    @property
    def announced(self) -> frozenset[TokenId]:
        """Return the announced tokens that have had no `book` yet."""
        return frozenset(self._announced)

    def add_announced(self, tokens: Iterable[TokenId]) -> None:
        """Cover these from their first `book` on, and wait for none."""
        self._announced.update((each, each) for each in tokens if not self.is_requested(each))

    def take_answered(self) -> tuple[TokenId, ...]:
        """Return, once, the announced tokens that were confirmed."""
        answered, self._answered = self._answered, []
        return tuple(answered)

    def add_requested(self, tokens: Iterable[TokenId], now: float) -> None:
        """Wait for the first `book` of each; a new request restarts the wait.

        Those that are confirmed stay so. `now` is in monotonic seconds.
        """
        for token in tokens:
            self._announced.pop(token, None)
            if token not in self._confirmed and token not in self.doubted:
                before = self._waiting.pop(token, None)  # so that it moves to the end
                self._waiting[token] = (token, now, before[2] if before else now)

    def begins_ns(self, received_at_ns: int) -> int:
        """Return from when on a `book` that was received then covers its token."""
        return received_at_ns + self._later_ms * _MS

    @property
    def _later_ms(self) -> int:
        # A clock that is behind seems to be less so, by the time that events take to arrive.
        behind_ms = self.clock.behind_ms
        return behind_ms + self.lateness.allowance_ms if behind_ms > SLIP_MS else behind_ms

    def add_book(self, token: TokenId, at_ns: int) -> bool:
        """Count a snapshot; return whether it confirms the token, from `at_ns` on."""
        self.books_total += 1
        requested = self._waiting.pop(token, None)
        if requested is None:
            announced = self._announced.pop(token, None)
            if announced is None:
                return False
            self._answered.append(announced)
            requested = (announced, 0.0, 0.0)
        self._confirmed[requested[0]] = at_ns
        self._unsettled.append((requested[0], at_ns, self._later_ms))
        if not self._waiting:
            self._waiting = {}  # an emptied dict keeps the memory of its largest size
        return True

    def add_trades(self, trades: Sequence[Trade], received_at_ns: int) -> None:
        """Record that the tokens of these trades were received until then at least."""
        if not trades:
            return
        confirmed, traded = self._confirmed, self._traded
        oldest_ms, total_ms = trades[0].traded_at_ms, 0
        for trade in trades:
            token, at_ms = trade.token_id, trade.traded_at_ms
            total_ms += at_ms
            if token in confirmed and at_ms > traded.get(token, 0):
                traded[token] = at_ms
            if at_ms < oldest_ms:  # noqa: PLR1730 -- faster than min(), for each trade
                oldest_ms = at_ms
        if not self.clock.known:
            return  # how late they are cannot be told yet
        now_ms = received_at_ns // _MS + self.clock.offset_ms
        self.lateness.sum_ms += max(0, now_ms * len(trades) - total_ms)
        if now_ms - oldest_ms <= BOUNDS_MS[0] and oldest_ms * _MS > self.proven_until_ns:
            self.lateness.counts[0] += len(trades)  # nearly always
        else:
            self._add_late(trades, now_ms)

    def _add_late(self, trades: Sequence[Trade], now_ms: int) -> None:
        """Count how late each trade is, and those whose time is proven already."""
        for trade in trades:
            self.lateness.add(now_ms - trade.traded_at_ms)
            at_ns = trade.traded_at_ms * _MS
            if at_ns <= self.proven_until_ns and at_ns >= self._confirmed.get(
                trade.token_id, at_ns + 1
            ):
                self.lateness.beaten += 1

    def release(self, tokens: Iterable[TokenId]) -> tuple[TokenId, ...]:
        """Remove tokens; return those that had their `book`, whose coverage ends at the proof.

        Of those in doubt it has ended already, and ends there if the doubt is removed later.
        """
        released = []
        for token in tokens:
            self._waiting.pop(token, None)
            self._announced.pop(token, None)
            self._traded.pop(token, None)
            doubted = self.doubted.pop(token, None)
            if self._confirmed.pop(token, doubted) is not None:
                released.append(token)
        return tuple(released)

    def claims(self, token: TokenId, exchange_ms: int) -> bool:
        """Return whether this epoch claims, beyond doubt, to have received a trade of this time."""
        since_ns = self._confirmed.get(token)
        at_ns = exchange_ms * _MS
        settled = since_ns is not None and since_ns + SETTLED_MS * _MS <= at_ns
        return settled and at_ns <= self.proven_until_ns

    def withdraw(self, token: TokenId) -> int | None:
        """Take back the claim on a token; return the last time at which it was received.

        Returns:
            The time of its last trade, or of its first `book`, in wall-clock nanoseconds;
            None for a token that was not confirmed.
        """
        since_ns = self._confirmed.pop(token, None)
        if since_ns is None:
            return None
        # Never beyond the proof: a later time was not claimed.
        traded_ns = self._traded.pop(token, 0) * _MS
        return min(max(since_ns, traded_ns), self.proven_until_ns or since_ns)

    def withdraw_all(self) -> tuple[tuple[TokenId, ...], int]:
        """Take back every claim; return the tokens, and until when they were received.

        That is the last trade of any of them: one socket is one ordered stream.
        """
        tokens, traded_ns = tuple(self._confirmed), max(self._traded.values(), default=0) * _MS
        self._confirmed, self._traded = {}, {}
        return tokens, min(traded_ns, self.proven_until_ns)

    def covered(self, connection: str) -> Covered:
        """Return what is covered now; a digest of 8 bytes stands for a token of 78 digits."""
        digests = (
            (since, b"".join([blake2b(each.encode(), digest_size=8).digest() for each in tokens]))
            for since, tokens in self.beginnings().items()
        )
        until_ns, known = self.proven_until_ns, tuple(digests)
        return Covered(connection=connection, proven_until_ns=until_ns, tokens=known)

    def cover_again(self, tokens: Iterable[TokenId]) -> None:
        """Claim tokens in doubt again, from the proof on."""
        for token in tokens:
            del self.doubted[token]
            self._confirmed[token] = self.proven_until_ns

    def advance(self, received_at_ns: int, exchange_ms: int | None) -> int:
        """Move the proof: a frame was handled, its trades are in the journal.

        Returns the "now" of the frame; 0 when there is none that is to be believed.

        Args:
            received_at_ns: When its bytes arrived.
            exchange_ms: The latest "now" it carries, or None when it carries none.
        """
        # A time far beyond the present proves nothing: the event is wrong, or our clock is.
        if exchange_ms is None or not self.clock.believes(received_at_ns, exchange_ms):
            return 0
        present_ns = self.clock.present_ns(received_at_ns)
        proof_ns = min(present_ns, (exchange_ms - self.lateness.allowance_ms) * _MS)
        self.proven_until_ns = max(self.proven_until_ns, proof_ns)
        return exchange_ms

    def compare_clocks(self, received_at_ns: int, exchange_ms: int) -> tuple[Slip, ...]:
        """Compare our clock with a time of the exchange; return what began later than assumed.

        Before `advance`, so that nothing is proven of a token before its coverage began.
        """
        if not self.clock.compare(received_at_ns, exchange_ms) or not self._unsettled:
            return ()
        unsettled, self._unsettled = self._unsettled, []
        slipped: dict[tuple[int, int], list[TokenId]] = {}
        for token, from_ns, assumed_ms in unsettled:
            late_ms = self._later_ms - assumed_ms
            # It may have been released since, or confirmed again.
            if late_ms > SLIP_MS and self._confirmed.get(token) == from_ns:
                since_ns = self._confirmed[token] = from_ns + late_ms * _MS
                slipped.setdefault((from_ns, since_ns), []).append(token)
        return tuple([Slip(tuple(tokens), *times) for times, tokens in slipped.items()])

    @property
    def unwritten_ns(self) -> int:
        """Return how far the proof moved since it was last taken to be written."""
        return self.proven_until_ns - self._written_ns

    def take_proof(self) -> int | None:
        """Return the proof, to be written, when it moved since the last call; else None."""
        if self.proven_until_ns <= self._written_ns:
            return None
        self._written_ns = self.proven_until_ns
        return self._written_ns

    def unconfirmed(self, now: float, older_than_s: float) -> tuple[TokenId, ...]:
        """Return the tokens that have waited longer than this for their `book`, oldest first."""
        late = takewhile(lambda each: now - each[1] > older_than_s, self._waiting.values())
        return tuple(token for token, *_ in late)

    def waiting_longest(self, most: int) -> tuple[tuple[TokenId, float], ...]:
        """Return so many of the tokens that wait for their `book`, with their first request."""
        oldest = nsmallest(most, self._waiting.values(), key=lambda each: each[2])
        return tuple((token, since) for token, _, since in oldest)
