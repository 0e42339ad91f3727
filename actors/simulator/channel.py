"""The market channel: subscribers, what each is subscribed to, and the protocol's rules.

Rules (docs/reference/simulator.md lists them): the first message must be the
initial form; a PING before it ends the socket with 1008; a second initial form is answered by
the text `INVALID OPERATION`; unknown and resolved tokens are ignored silently; an empty list
with custom features subscribes to the announcements of all markets.

A `Connection` has the subscriptions of one subscriber, the faults in force on it, and its
outgoing bytes. Frames are collected until `flush` and leave in one write. The send buffer is
bounded: a reader that is too slow is closed with 1013, as the exchange does. All calls are made
on the event loop.
"""

import asyncio
import random
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from actors.simulator.beliefs import TOKENS_OR_END, tokens_taken
from actors.simulator.events import NOT_JSON, LevelPool, book, close_frame, frame, frame_header
from actors.simulator.ledger import Ledger
from actors.simulator.markets import Markets

PONG_TEXT = frame(b"PONG")
INVALID = frame(b"INVALID OPERATION")
NO_NEW_ASSETS = frame(b"NO NEW ASSETS")
POLICY = 1008
SLOW_CONSUMER = 1013
LINGER_S = 1.0
"""How long a close frame waits for its answer before the transport is aborted."""
CURED_SHARE = 0.55
"""Share of the tokens missed that a second subscription brings back."""
SUBSCRIPTION_BYTES = 200_000
"""On larger messages the real server was seen to drop the connection."""


class Connection:
    """A subscriber.

    Args:
        number: Its number in the ledger, from 1.
        transport: Where bytes go; the WebSocket handshake is done.
        buffer_bytes: How much may wait for a slow reader.
        now: Monotonic seconds.

    Attributes:
        tokens: The known tokens that it is subscribed to.
        custom: Whether it has the custom features.
        subscribed: Whether its first subscription was accepted.
        live: Whether data is written to it: it is neither frozen, stalled nor ended.
        frozen: No data for now, but PONG continues (a fault).
        stalled: Nothing is ever written to it again (a fault).
        missed: Tokens whose events are not sent to it (a fault).
        dumped: Tokens of which it was sent a book as the answer to a subscription.
        ended: Why it ended, or None: (code, reason, by whom).
        last_received: When the last message of it came (monotonic seconds).
    """

    def __init__(
        self, number: int, transport: asyncio.Transport, buffer_bytes: int, *, now: float
    ) -> None:
        self.number = number
        self.tokens: set[str] = set()
        self.custom = False
        self.subscribed = False
        self.live = True
        self.frozen = False
        self.missed: set[str] = set()
        self.dumped: set[str] = set()
        self.ended: tuple[int, str, str] | None = None
        self.last_received = now
        self.stalled = False
        self._transport = transport
        self._bytes = buffer_bytes
        self._queue: list[bytes] = []
        self._drip: Iterator[int] = iter(())
        self._unsent = 0

    @property
    def waiting(self) -> int:
        """Return how many bytes have been written and wait for the reader."""
        return self._transport.get_write_buffer_size()

    def freeze(self, *, frozen: bool) -> None:
        """Stop the data, or let it continue."""
        self.frozen = frozen
        self._update_live()

    def _update_live(self) -> None:
        self.live = not (self.frozen or self.stalled or self.ended)

    def receives(self, token: str) -> bool:
        """Return whether an event of a token would be written to it."""
        return self.live and token not in self.missed

    def send(self, data: bytes) -> None:
        """Queue whole data frames; do nothing when it is not live."""
        if self.live:
            self._queue.append(data)

    def control(self, data: bytes) -> None:
        """Queue a frame that a frozen connection sends as well (PONG)."""
        if not (self.stalled or self.ended):
            self._queue.append(data)

    def flush(self) -> None:
        """Write what is queued; close with 1013 when too much waits already."""
        if not self._queue:
            return
        data = self._queue[0] if len(self._queue) == 1 else b"".join(self._queue)
        self._queue.clear()
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > self._bytes:
            self.close(SLOW_CONSUMER, "slow consumer: send buffer full", by="server")
            return
        self._transport.write(data)

    def close(self, code: int, reason: str, *, by: str) -> None:
        """Send a close frame and end soon, even when the other side does not answer."""
        if not self.ended:
            self.flush()  # may itself end the connection, as a slow consumer
        if self.ended:
            return
        self.ended = (code, reason, by)
        self._update_live()
        if not self.stalled:
            self._transport.write(close_frame(code, reason))
        loop = asyncio.get_running_loop()
        loop.call_later(LINGER_S, self._transport.abort)

    def finish(self, code: int, reason: str, *, by: str) -> None:
        """Close the transport once its buffer is written; close frames were exchanged."""
        self.ended = self.ended or (code, reason, by)
        self._update_live()
        self._transport.close()

    def cut(self, reason: str, *, by: str) -> None:
        """End with a TCP reset, even in the middle of a frame."""
        self.ended = self.ended or (1006, reason, by)
        self._update_live()
        sock = self._transport.get_extra_info("socket")
        if sock is not None and not self._transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def stall(self, data: bytes) -> None:
        """Write some last bytes, not a whole frame, and nothing after them."""
        if not (self.stalled or self.ended):
            self.flush()
            self._transport.write(data)
            self.stalled = True
            self._update_live()

    def half_frame(self, payload: bytes) -> None:
        """Stall in the middle of a frame."""
        whole = frame(payload)
        self.stall(whole[: len(whole) // 2])

    def drip(self, payload: bytes) -> None:
        """Stall; each `drip_next` then writes one byte of a frame."""
        self.stall(b"")
        self._drip = iter(frame(payload))

    def drip_next(self) -> None:
        """Write the next byte of the frame that drips, if one does."""
        byte = next(self._drip, None)
        if byte is not None and not (self.ended or self._transport.is_closing()):
            self._transport.write(bytes((byte,)))

    def oversize(self, size: int, filler: Iterable[bytes]) -> None:
        """Send the header of a frame of `size` bytes and a little of its payload, and stall."""
        self.stall(frame_header(size) + b"".join(filler))

    def unfinished(self, size: int) -> None:
        """Stall; each `go_on` then writes some of a frame of `size` bytes, but not its last one."""
        self.stall(frame_header(size))
        self._unsent = size - 1

    def go_on(self, filler: bytes) -> bool:
        """Write more of what is unfinished, if little waits; return whether there is more."""
        if not self._unsent or self.ended or self._transport.is_closing():
            return False
        if self.waiting < len(filler):
            self._transport.write(filler[: self._unsent])
            self._unsent = max(0, self._unsent - len(filler))
        return True


class Channel:
    """All connections and their subscriptions.

    Args:
        markets: The markets.
        ledger: Gets a line for every connection and subscription.
        pool: Sizes and hashes of books.
        rng: Source of chance.
        broken: Names of the beliefs that do not hold; see `beliefs.py`.

    Attributes:
        connections: The open ones, by number.
        no_books: Subscriptions get no books (a fault).
        frozen: Nobody gets data (a fault); PONG continues.
        opened: Connections so far.
        with_cookies: How many handshakes brought a cookie, which no client of ours should keep.
        on_subscribed: Called for every accepted subscription, after its books.
    """

    def __init__(
        self,
        markets: Markets,
        ledger: Ledger,
        pool: LevelPool,
        rng: random.Random,
        broken: frozenset[str] = frozenset(),
    ) -> None:
        self._broken = broken
        self.connections: dict[int, Connection] = {}
        self.no_books = False
        self.frozen = False
        self.opened = self.with_cookies = 0
        self.on_subscribed: Callable[[Connection], None] | None = None
        self._markets = markets
        self._ledger = ledger
        self._pool = pool
        self._rng = rng
        self._subscribers: dict[str, dict[int, Connection]] = {}
        # First token of a market → subscribers of either token; dropped when they change.
        self._unions: dict[str, tuple[Connection, ...]] = {}
        self._dirty: dict[int, Connection] = {}

    def open(self, connection: Connection, now: int) -> None:
        """Register a connection after its handshake."""
        self.opened += 1
        self.connections[connection.number] = connection
        self._ledger.add("connection", event="open", connection=connection.number, ts=now)

    def closed(self, connection: Connection, now: int) -> None:
        """Remove a connection whose transport is closed."""
        self.connections.pop(connection.number, None)
        self._unsubscribe(connection, tuple(connection.tokens))
        code, reason, by = connection.ended or (1006, "", "client")
        self._ledger.add(
            "connection",
            event="close",
            connection=connection.number,
            ts=now,
            code=code,
            reason=reason,
            by=by,
        )

    def freeze(self, *, frozen: bool) -> None:
        """Stop the data of everybody, or let it continue for those that it does continue for."""
        self.frozen = frozen
        if frozen and "frozen_for_good" in self._broken:
            for connection in self.connections.values():
                connection.freeze(frozen=True)

    def receive(self, connection: Connection, text: str, now: int) -> None:
        """Answer one text message of a subscriber."""
        if len(text) > SUBSCRIPTION_BYTES:
            connection.cut("subscription too large", by="server")
            return
        if text == "PING":
            if not connection.subscribed:
                connection.close(POLICY, "invalid subscription payload", by="server")
                return
            self._control(connection, PONG_TEXT)
            return
        message = _decode(text)
        if not connection.subscribed:
            if message is None or str(message.get("type", "")).lower() != "market":
                connection.close(POLICY, "invalid subscription payload", by="server")
                return
            if "empty_first_rejected" in self._broken and not _ids(message):
                connection.close(POLICY, "invalid subscription payload", by="server")
                return
            connection.subscribed = True
            self._subscribe(connection, message, now)
        elif message is None or message.get("operation") not in {"subscribe", "unsubscribe"}:
            self._control(connection, INVALID)
        elif message["operation"] == "unsubscribe":
            self._unsubscribe(connection, _ids(message))
            self._record_subscription(connection, "unsubscribe", len(_ids(message)), now)
        elif not _ids(message):
            self._control(connection, NO_NEW_ASSETS)
        else:
            self._subscribe(connection, message, now)

    def _subscribe(self, connection: Connection, message: dict[str, Any], now: int) -> None:
        ids = _ids(message)
        if "tokens_30_or_end" in self._broken and len(ids) > TOKENS_OR_END:
            connection.close(POLICY, "too many assets", by="server")
            return
        known = tuple(token for token in dict.fromkeys(ids) if self._is_open(token))
        connection.custom = connection.custom or message.get("custom_feature_enabled") is True
        held, books = set(connection.tokens), []
        for token in tokens_taken(known, connection.tokens, self._broken):
            market, side = self._markets.by_token[token]
            connection.tokens.add(token)
            self._unions.pop(market.tokens[0], None)
            self._subscribers.setdefault(token, {})[connection.number] = connection
            if token in connection.missed and self._rng.random() < CURED_SHARE:
                connection.missed.discard(token)
            if connection.receives(token) and not self._is_repeated(connection, token, held):
                changed = market.changed_at(side, now)
                books.append((token, book(market, side, changed, self._pool, first=True)))
        self._record_subscription(connection, "subscribe", len(ids), now)
        self._answer(connection, message, books, repeated=held.issuperset(ids))
        if self.on_subscribed is not None:
            self.on_subscribed(connection)
        self._queue_flush(connection)

    def _is_open(self, token: str) -> bool:
        found = self._markets.by_token.get(token)
        return found is not None and not found[0].settled

    def _is_repeated(self, connection: Connection, token: str, held: set[str]) -> bool:
        """Return whether a token gets no book because it is, or was, subscribed already."""
        if "repeat_nothing" in self._broken:
            return token in connection.dumped
        return token in held and not self._broken.isdisjoint({"repeat_text", "repeat_empty"})

    def _answer(
        self,
        connection: Connection,
        message: dict[str, Any],
        books: list[tuple[str, bytes]],
        *,
        repeated: bool,
    ) -> None:
        """Answer a subscription with its books, or as a belief that is broken demands.

        Args:
            connection: Whose subscription.
            message: The subscription.
            books: Token and event.
            repeated: Every token of the message is subscribed already, and there is one.
        """
        if repeated and _ids(message) and not books:
            # As a control: it shows that the server reads, and a frozen connection has it too.
            if "repeat_text" in self._broken:
                connection.control(NO_NEW_ASSETS)
                return
            if "repeat_empty" in self._broken:
                connection.control(frame(b"[]"))
                return
        if "repeat_nothing" in self._broken and connection.dumped and not books:
            return
        dump = message.get("initial_dump")
        asked = dump is True if "dump_only_when_asked" in self._broken else dump is not False
        if asked and not (self.no_books or self.frozen):
            connection.dumped.update(token for token, _ in books)
            connection.send(frame(b"[" + b",".join(event for _, event in books) + b"]"))

    def _record_subscription(
        self, connection: Connection, event: str, count: int, now: int
    ) -> None:
        self._ledger.add(
            "connection",
            event=event,
            connection=connection.number,
            ts=now,
            tokens=count,
            held=len(connection.tokens),
        )

    def _unsubscribe(self, connection: Connection, tokens: Iterable[str]) -> None:
        for token in tokens:
            connection.tokens.discard(token)
            if token in self._markets.by_token:
                self._unions.pop(self._markets.by_token[token][0].tokens[0], None)
            found = self._subscribers.get(token)
            if found:
                found.pop(connection.number, None)
                if not found:
                    del self._subscribers[token]

    def _control(self, connection: Connection, data: bytes) -> None:
        connection.control(data)
        self._queue_flush(connection)

    def _queue_flush(self, connection: Connection) -> None:
        self._dirty[connection.number] = connection

    def subscribers(self, token: str) -> list[Connection]:
        """Return the connections that receive events of a token now."""
        found = None if self.frozen else self._subscribers.get(token)
        return [one for one in found.values() if one.receives(token)] if found else []

    def send(self, connections: Iterable[Connection], data: bytes) -> None:
        """Queue the same bytes for each; for none while everything is frozen."""
        if self.frozen:
            return
        for connection in connections:
            connection.send(data)
            self._dirty[connection.number] = connection

    def subscribers_of(self, tokens: tuple[str, str], *, custom: bool = False) -> list[Connection]:
        """Return the connections that receive at least one of a market's tokens, each once."""
        if self.frozen:
            return []
        union = self._unions.get(tokens[0])
        if union is None:
            held = [self._subscribers.get(token, {}) for token in tokens]
            union = tuple({**held[0], **held[1]}.values())
            self._unions[tokens[0]] = union
        return [
            one
            for one in union
            if one.live
            and (one.custom or not custom)
            and (not one.missed or _receives_any(one, tokens))
        ]

    def custom_subscribers(self) -> list[Connection]:
        """Return the connections that receive the announcements of all markets."""
        if self.frozen:
            return []
        return [one for one in self.connections.values() if one.custom and one.live]

    def flush(self) -> None:
        """Write all queued bytes; the ledger must be flushed before."""
        dirty, self._dirty = self._dirty, {}
        for connection in dirty.values():
            connection.flush()


def _receives_any(connection: Connection, tokens: tuple[str, str]) -> bool:
    return any(token in connection.tokens and connection.receives(token) for token in tokens)


def _decode(text: str) -> dict[str, Any] | None:
    try:
        message = msgspec.json.decode(text)
    except NOT_JSON:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("assets_ids"), list):
        return None
    return message


def _ids(message: dict[str, Any]) -> tuple[str, ...]:
    return tuple(token for token in message["assets_ids"] if isinstance(token, str))
