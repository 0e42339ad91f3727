"""One subscriber's socket: what it asked for, what ails it, and its bytes on the way out.

Frames are kept in a list until `flush` and leave in one write. The buffer is
bounded: whoever reads too slowly is closed with 1013, as the exchange does.
All calls are made on the event loop.
"""

import asyncio
import socket
import struct
from collections.abc import Iterable, Iterator

from actors.simulator.frame import announcement, close_frame, frame

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
        deaf: Tokens it is not told of.
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
        self.deaf: set[str] = set()
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
        return self.live and token not in self.deaf

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
