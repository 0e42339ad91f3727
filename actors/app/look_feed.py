"""A look at the market channel of Polymarket: one connection, three subscriptions, some trades."""

import queue
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from actors.app.look_sources import DIFFERS, OK, Finding, Judgement
from actors.errors import FeedLost
from actors.feed.subscription import BOOK_MARKER, LIFECYCLE_MARKERS
from actors.model.assumptions import Assumption
from actors.model.trade import TokenId
from actors.polymarket import channel
from actors.polymarket.channel import Decoded
from actors.polymarket.fields import latest_moment

FIRST_TOKENS, LATER_TOKENS = 20, 5
"""Tokens of the first subscription, and of the one after it. One may resolve meanwhile."""
BOOKS_S, ANSWER_S, TRADES_S = 10.0, 5.0, 15.0
"""Seconds to wait for the first books, for an answer to one subscription, for trades."""
ENOUGH_TRADES = 100
REPEATED_TOKENS = 5
"""Tokens that are subscribed again: the least busy ones, as a trade may bring a book as well."""
LATE_MS = 1_000
MARKERS = (*LIFECYCLE_MARKERS, BOOK_MARKER)
"""What a frame must contain to be looked at."""


class Socket(Protocol):
    """What a look needs of `feed.ports.FeedSocket`, where it is described."""

    @property
    def bytes_total(self) -> int:
        """Return how many bytes were received."""

    def handled(self, size: int) -> None:
        """Record that messages of so many bytes in all were handled."""

    def send_text(self, text: str) -> None:
        """Queue a text frame."""

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake."""


class Dialler(Protocol):
    """What a look needs of `feed.ports.Dialler`, where it is described."""

    def dial(
        self,
        markers: tuple[bytes, ...],
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> Socket:
        """Connect, or raise `FeedLost`."""


class Inbox(Protocol):
    """Frames with their time of receipt (ns), or the reason of the end, from the reactor."""

    def put(self, item: "Arrival", /) -> None:
        """Add; in the reactor's thread."""

    def take(self, seconds: float) -> "Arrival | None":
        """Return the next, or None when there is none within so many seconds."""


Arrival = tuple[int, tuple[bytes, ...]] | str


class QueueInbox:
    """An inbox between two threads."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Arrival] = queue.SimpleQueue()

    def put(self, item: Arrival, /) -> None:
        """Add; in the reactor's thread."""
        self._queue.put(item)

    def take(self, seconds: float) -> Arrival | None:
        """Return the next, or None when there is none within so many seconds."""
        try:
            return self._queue.get(timeout=seconds)
        except queue.Empty:
            return None


class FeedLook:
    """Opens one connection and looks at what it sends.

    Args:
        tokens: Of busy markets, the busiest first.
        offset_s: The servers' clock minus ours.
        until: Monotonic seconds at which the look ends, whatever is not seen yet.

    Attributes:
        bytes_per_s: What the subscribed tokens brought behind their first books.
    """

    def __init__(
        self,
        dialler: Dialler,
        tokens: Sequence[TokenId],
        *,
        inbox: Inbox,
        until: float,
        offset_s: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bytes_per_s = 0.0
        self._dialler = dialler
        self._first, self._later = tokens[:FIRST_TOKENS], tokens[FIRST_TOKENS:][:LATER_TOKENS]
        self._inbox = inbox
        self._until = until
        self._offset_ms = offset_s * 1e3
        self._monotonic = monotonic
        self._seen = Decoded()
        self._empty = self._late = self._frames = 0
        self._ended = ""

    def findings(self) -> Iterator[Finding]:
        """Connect, subscribe, listen; yield what is seen of each assumption."""
        try:
            socket = self._dialler.dial(
                MARKERS,
                lambda at_ns, frames: self._inbox.put((at_ns, frames)),
                lambda reason, detail: self._inbox.put(f"{reason} {detail}".strip()),
            )
        except FeedLost as exc:
            yield Finding("connection", f"{DIFFERS}{exc}")
            return
        yield Finding("connection", OK)
        try:
            if self._first:
                yield from self._listen(socket)
        finally:
            socket.close(1000, "")

    def _listen(self, socket: Socket) -> Iterator[Finding]:
        socket.send_text(channel.first_subscription(self._first, custom=False))
        waited = self._hear(socket, BOOKS_S, lambda: self._confirmed == len(self._first))
        yield Finding(Assumption.SERVED, self._served(waited))
        began, bytes_before = self._monotonic(), socket.bytes_total
        yield Finding(Assumption.DUMP_BY_DEFAULT, self._dumped_by_default(socket))
        yield Finding(Assumption.REPEATED_BOOK, self._repeated(socket))
        waited = self._hear(socket, TRADES_S, lambda: len(self._seen.trades) >= ENOUGH_TRADES)
        passed_s = self._monotonic() - began
        if passed_s > 0:
            self.bytes_per_s = (socket.bytes_total - bytes_before) / passed_s
        yield from self._trades(f"not seen in {waited:.0f} s")

    @property
    def _confirmed(self) -> int:
        return len({*self._first} & {*self._seen.books})

    def _hear(self, socket: Socket, seconds: float, enough: Callable[[], bool]) -> float:
        """Take what arrives until it is enough or the time is over; return the seconds."""
        began = self._monotonic()
        end = min(began + seconds, self._until)
        while not enough() and not self._ended:
            left_s = end - self._monotonic()
            arrived = self._inbox.take(left_s) if left_s > 0 else None
            if arrived is None:
                break
            if isinstance(arrived, str):
                self._ended = arrived
            else:
                self._take(*arrived)
                socket.handled(sum(map(len, arrived[1])))
        return self._monotonic() - began

    def _take(self, at_ns: int, frames: tuple[bytes, ...]) -> None:
        # Judged by the servers' clock.
        latest_ms = latest_moment(at_ns + int(self._offset_ms * 1e6))
        decoded = channel.decode(frames, at_ns, latest_ms)
        self._seen += decoded
        self._frames += len(frames)
        self._empty += sum(frame.strip() == b"[]" for frame in frames)
        now_ms = at_ns / 1e6 + self._offset_ms
        self._late += sum(now_ms - trade.traded_at_ms > LATE_MS for trade in decoded.trades)

    def _served(self, waited_s: float) -> Judgement:
        if self._confirmed * 2 >= len(self._first):
            return OK
        why = f", then it ended: {self._ended}" if self._ended else ""
        return f"{DIFFERS}{self._confirmed} of {len(self._first)} books in {waited_s:.0f} s{why}"

    def _dumped_by_default(self, socket: Socket) -> Judgement:
        if self._ended or not self._later:
            return "not seen"
        # Not the message of `channel`, which may ask for books.
        asked = {"assets_ids": list(self._later), "operation": "subscribe"}
        socket.send_text(msgspec.json.encode(asked).decode())
        waited = self._hear(socket, ANSWER_S, self._is_dumped)
        return OK if self._is_dumped() else f"{DIFFERS}no book in {waited:.0f} s"

    def _is_dumped(self) -> bool:
        # More than the few that trades may have brought.
        return len({*self._later} & {*self._seen.books}) * 2 >= len(self._later)

    def _repeated(self, socket: Socket) -> Judgement:
        """Subscribe tokens again, and say how that is answered."""
        if self._ended or not self._confirmed:
            return "not seen"
        known = {*self._seen.books}
        again = [token for token in self._first if token in known][-REPEATED_TOKENS:]
        books, texts, empty = len(self._seen.books), len(self._seen.controls), self._empty

        def has_books() -> bool:
            return len({*again} & {*self._seen.books[books:]}) * 2 >= len(again)

        def is_answered() -> bool:
            other = len(self._seen.controls) > texts or self._empty > empty
            return other or has_books()

        socket.send_text(channel.subscription(again, custom=False))
        waited = self._hear(socket, ANSWER_S, is_answered)
        if len(self._seen.controls) > texts:
            return f"{DIFFERS}the answer is {self._seen.controls[-1]!r}"
        if self._empty > empty:
            return f"{DIFFERS}the answer is []"
        return OK if has_books() else f"{DIFFERS}no answer in {waited:.0f} s"

    def _trades(self, unseen: Judgement) -> Iterator[Finding]:
        trades, unknown = len(self._seen.trades), Counter(self._seen.unknown)
        names = ", ".join(name for name, _ in unknown.most_common(5))
        known = OK if self._frames else unseen
        yield Finding(Assumption.EVENT_NAMES, f"{DIFFERS}unknown: {names}" if names else known)
        odd = Counter(each.reason for each in self._seen.rejections)
        del odd[channel.UNKNOWN_KIND]  # these have a line of their own
        found = [f"{count} rejected: {reason}" for reason, count in odd.most_common(3)]
        if self._seen.respelled:
            found.append(f"{self._seen.respelled} of {trades} trades in another spelling")
        spelled = OK if trades else unseen
        yield Finding(Assumption.SPELLING, f"{DIFFERS}{', '.join(found)}" if found else spelled)
        late = f"{DIFFERS}{self._late} of {trades} trades more than 1 s after their time"
        yield Finding(Assumption.ON_TIME, late if self._late else OK if trades else unseen)
        yield Finding(Assumption.SENT_ONCE, self._sent_once(unseen))

    def _sent_once(self, unseen: Judgement) -> Judgement:
        # Seldom two makers of one transaction have the same price and size.
        alike = Counter(
            (each.token_id, each.traded_at_ms, each.price, each.size, each.transaction_hash)
            for each in self._seen.trades
        )
        more, trades = len(self._seen.trades) - len(alike), len(self._seen.trades)
        if more * 4 > trades:
            return f"{DIFFERS}{more} of {trades} trades came again"
        return OK if trades else unseen
