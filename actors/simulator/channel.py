"""The market channel: subscribers, what each is subscribed to, and the protocol's rules.

Rules (docs/reference/simulator.md says where each was seen): the first message must be the
initial form; a PING before it ends the socket with 1008; a second initial form is answered by
the text `INVALID OPERATION`; unknown and resolved tokens are ignored silently; an empty list
with custom features subscribes to the announcements of all markets.

A `Connection` holds what one subscriber asked for, the faults in force on it, and its bytes on
the way out. Frames are kept in a list until `flush` and leave in one write. The buffer is
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

from actors.simulator.events import Churn, announcement, book, close_frame, frame
from actors.simulator.ledger import Ledger
from actors.simulator.markets import Markets

PONG_TEXT = frame(b"PONG")
INVALID = frame(b"INVALID OPERATION")
NOTHING_NEW = frame(b"NO NEW ASSETS")
POLICY = 1008
RESCUED = 0.55
SUBSCRIPTION_BYTES = 200_000


SLOW_CONSUMER = 1013
LINGER_S = 1.0


class Connection:
    """A subscriber.

    Args:
        number: Its number in the ledger, from 1.
        transport: Where bytes go; the WebSocket handshake is done.
        buffer_bytes: How much may wait for a slow reader.

    Attributes:
        tokens: What it is subscribed to and exists.
        custom: It asked for the custom features.
        subscribed: Its first subscription was accepted.
        live: Data written now would leave as whole frames.
        frozen: No data for now, but PONG goes on.
        missed: Tokens whose events it is not sent.
        ended: Why it ended, or None: (code, reason, by whom).
        last_heard: When it last sent something (monotonic seconds).
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
        self.ended: tuple[int, str, str] | None = None
        self.last_heard = now
        self.stalled = False
        self._transport = transport
        self._bytes = buffer_bytes
        self._queue: list[bytes] = []
        self._drops: Iterator[int] = iter(())

    @property
    def waiting(self) -> int:
        """Return how many bytes have been written and wait for the reader."""
        return self._transport.get_write_buffer_size()

    def freeze(self, *, frozen: bool) -> None:
        """Stop data, or let it flow again."""
        self.frozen = frozen
        self._weigh()

    def _weigh(self) -> None:
        self.live = not (self.frozen or self.stalled or self.ended)

    def hears(self, token: str) -> bool:
        """Return whether an event of a token is written to it."""
        return self.live and token not in self.missed

    def send(self, data: bytes) -> None:
        """Queue the bytes of whole frames, of data; nothing when it is not live."""
        if self.live:
            self._queue.append(data)

    def control(self, data: bytes) -> None:
        """Queue a frame that also a frozen connection sends (PONG)."""
        if not (self.stalled or self.ended):
            self._queue.append(data)

    def flush(self) -> None:
        """Write what is queued; close it with 1013 when too much waits already."""
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
        """Send a close frame and end soon, also when the other side does not answer."""
        if not self.ended:
            self.flush()
        self._say_goodbye(code, reason, by)

    def _say_goodbye(self, code: int, reason: str, by: str) -> None:
        if self.ended:
            return
        self.ended = (code, reason, by)
        self._weigh()
        if not self.stalled:
            self._transport.write(close_frame(code, reason))
        loop = asyncio.get_running_loop()
        loop.call_later(LINGER_S, self._transport.abort)

    def finish(self, code: int, reason: str, *, by: str) -> None:
        """Close the transport after what waits in it; the WebSocket is over already."""
        self.ended = self.ended or (code, reason, by)
        self._weigh()
        self._transport.close()

    def cut(self, reason: str, *, by: str) -> None:
        """End with a TCP reset, in the middle of whatever was being sent."""
        self.ended = self.ended or (1006, reason, by)
        self._weigh()
        sock = self._transport.get_extra_info("socket")
        if sock is not None and not self._transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def stall(self, data: bytes) -> None:
        """Write some last bytes, not a whole frame, and never anything again."""
        if not (self.stalled or self.ended):
            self.flush()
            self._transport.write(data)
            self.stalled = True
            self._weigh()

    def half_frame(self, payload: bytes) -> None:
        """Stall in the middle of a frame."""
        whole = frame(payload)
        self.stall(whole[: len(whole) // 2])

    def drip(self, payload: bytes) -> None:
        """Stall, and let one byte of a frame fall at each `fall`."""
        self.stall(b"")
        self._drops = iter(frame(payload))

    def fall(self) -> None:
        """Write the next byte of what drips; nothing when nothing drips."""
        drop = next(self._drops, None)
        if drop is not None and not (self.ended or self._transport.is_closing()):
            self._transport.write(bytes((drop,)))

    def oversize(self, size: int, filler: Iterable[bytes]) -> None:
        """Announce a frame of `size` bytes, send a little of it, and stall."""
        self.stall(announcement(size) + b"".join(filler))


"""Larger messages were seen to make the real server drop the connection."""


class Channel:
    """All subscribers and what each hears.

    Args:
        universe: The markets.
        ledger: Told of every connection.
        churn: Sizes and hashes of books.
        rng: Where chance comes from.

    Attributes:
        no_books: Subscriptions get no books (a fault).
        frozen: Nobody gets data (a fault); PONG goes on.
        opened: Connections so far.
        on_subscribed: Told of every accepted subscription, after its books.
    """

    def __init__(self, universe: Markets, ledger: Ledger, churn: Churn, rng: random.Random) -> None:
        self.connections: dict[int, Connection] = {}
        self.no_books = False
        self.frozen = False
        self.opened = 0
        self.on_subscribed: Callable[[Connection], None] | None = None
        self._universe = universe
        self._ledger = ledger
        self._churn = churn
        self._rng = rng
        self._listeners: dict[str, dict[int, Connection]] = {}
        # First token of a market → who is subscribed to either; dropped on any change.
        self._unions: dict[str, tuple[Connection, ...]] = {}
        self._dirty: dict[int, Connection] = {}

    def open(self, connection: Connection, now: int) -> None:
        """Register a connection after its handshake."""
        self.opened += 1
        self.connections[connection.number] = connection
        self._ledger.add("connection", event="open", connection=connection.number, ts=now)

    def gone(self, connection: Connection, now: int) -> None:
        """Forget a connection whose transport is closed."""
        self.connections.pop(connection.number, None)
        self._drop(connection, tuple(connection.tokens))
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

    def hear(self, connection: Connection, text: str, now: int) -> None:
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
        asked = _decode(text)
        if not connection.subscribed:
            if asked is None or str(asked.get("type", "")).lower() != "market":
                connection.close(POLICY, "invalid subscription payload", by="server")
                return
            connection.subscribed = True
            self._subscribe(connection, asked, now)
        elif asked is None or asked.get("operation") not in {"subscribe", "unsubscribe"}:
            self._control(connection, INVALID)
        elif asked["operation"] == "unsubscribe":
            self._drop(connection, _ids(asked))
            self._told(connection, "unsubscribe", len(_ids(asked)), now)
        elif not _ids(asked):
            self._control(connection, NOTHING_NEW)
        else:
            self._subscribe(connection, asked, now)

    def _subscribe(self, connection: Connection, asked: dict[str, Any], now: int) -> None:
        ids = _ids(asked)
        connection.custom = connection.custom or asked.get("custom_feature_enabled") is True
        books = []
        for token in dict.fromkeys(ids):
            found = self._universe.by_token.get(token)
            if found is None or found[0].settled:
                continue
            market, side = found
            connection.tokens.add(token)
            self._unions.pop(market.tokens[0], None)
            self._listeners.setdefault(token, {})[connection.number] = connection
            if token in connection.missed and self._rng.random() < RESCUED:
                connection.missed.discard(token)
            if connection.hears(token):
                books.append(book(market, side, now, self._churn, first=True))
        self._told(connection, "subscribe", len(ids), now)
        if asked.get("initial_dump") is not False and not (self.no_books or self.frozen):
            connection.send(frame(b"[" + b",".join(books) + b"]"))
        if self.on_subscribed is not None:
            self.on_subscribed(connection)
        self._touch(connection)

    def _told(self, connection: Connection, event: str, count: int, now: int) -> None:
        self._ledger.add(
            "connection",
            event=event,
            connection=connection.number,
            ts=now,
            tokens=count,
            held=len(connection.tokens),
        )

    def _drop(self, connection: Connection, tokens: Iterable[str]) -> None:
        for token in tokens:
            connection.tokens.discard(token)
            if token in self._universe.by_token:
                self._unions.pop(self._universe.by_token[token][0].tokens[0], None)
            heard = self._listeners.get(token)
            if heard:
                heard.pop(connection.number, None)
                if not heard:
                    del self._listeners[token]

    def _control(self, connection: Connection, data: bytes) -> None:
        connection.control(data)
        self._touch(connection)

    def _touch(self, connection: Connection) -> None:
        self._dirty[connection.number] = connection

    def listeners(self, token: str) -> list[Connection]:
        """Return who hears a token now."""
        heard = None if self.frozen else self._listeners.get(token)
        return [one for one in heard.values() if one.hears(token)] if heard else []

    def tell(self, connections: Iterable[Connection], data: bytes) -> None:
        """Queue the same bytes for all of them; for none in a freeze of everything."""
        if self.frozen:
            return
        for connection in connections:
            connection.send(data)
            self._dirty[connection.number] = connection

    def of_market(self, tokens: tuple[str, str], *, custom: bool = False) -> list[Connection]:
        """Return who hears at least one of two tokens, each once."""
        if self.frozen:
            return []
        union = self._unions.get(tokens[0])
        if union is None:
            held = [self._listeners.get(token, {}) for token in tokens]
            union = tuple({**held[0], **held[1]}.values())
            self._unions[tokens[0]] = union
        return [
            one
            for one in union
            if one.live
            and (one.custom or not custom)
            and (not one.missed or _hears_one(one, tokens))
        ]

    def custom(self) -> list[Connection]:
        """Return all who listen to the life of markets."""
        if self.frozen:
            return []
        return [one for one in self.connections.values() if one.custom and one.live]

    def flush(self) -> None:
        """Send all queued bytes; the ledger must have been flushed before."""
        dirty, self._dirty = self._dirty, {}
        for connection in dirty.values():
            connection.flush()


def _hears_one(connection: Connection, tokens: tuple[str, str]) -> bool:
    return any(token in connection.tokens and connection.hears(token) for token in tokens)


def _decode(text: str) -> dict[str, Any] | None:
    try:
        asked = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if not isinstance(asked, dict) or not isinstance(asked.get("assets_ids"), list):
        return None
    return asked


def _ids(asked: dict[str, Any]) -> tuple[str, ...]:
    return tuple(token for token in asked["assets_ids"] if isinstance(token, str))
