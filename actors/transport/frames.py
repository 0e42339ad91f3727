"""Frames of every kind, one at a time, put together to messages (RFC 6455 sections 5 and 7).

The careful half of `frames.py`, which itself walks only over the plain small
text frames that are nearly everything. Here are control frames, fragments,
binary frames, long frames and every fault that a server can make.

A long frame (over `TAIL_BYTES`) is gathered as it arrives, never as large as
its header merely claims.
"""

TAIL_BYTES = 4 + 0xFFFF
"""A frame up to this size (all with a 16-bit length) is waited for; a longer one is gathered."""

PLAIN_TEXT = 0x81
"""First byte of an unfragmented text frame: FIN and opcode 1."""

NO_STATUS = 1005
"""The code of a CLOSE that carries none (RFC 6455 7.1.5)."""

_CONT, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_OPCODES = frozenset((_CONT, _TEXT, _BINARY, _CLOSE, _PING, _PONG))
_FIN = 0x80


class FrameParser:
    """What is gathered of the message in progress, and how the stream ended.

    Attributes:
        plain: The first byte that a frame may have to be taken by the quick
            walk instead: none (-1) inside fragments, where such a frame is a
            fault, after the end, and when a 16-bit length could exceed the cap.
        done: Complete messages; the owner takes them out.
        pings: Payloads to answer; the owner takes them out.
        close: Code and reason of the CLOSE frame.
        violation: The name of what the server did wrong.
        ended: One of the two is there; nothing more is to be read.
        lacks: Bytes that the long frame in progress lacks; 0 when there is none.
        frames: Complete frames taken here; the owner takes them out.
    """

    __slots__ = (
        "_cap",
        "_first",
        "_long",
        "_parts",
        "close",
        "done",
        "ended",
        "frames",
        "lacks",
        "pings",
        "plain",
        "violation",
    )

    def __init__(self, max_message_bytes: int) -> None:
        self._cap = max_message_bytes
        self._long: bytearray | None = None  # payload of a long frame, as far as it is here
        self._first = 0  # its first header byte
        self._parts: bytearray | None = None  # payload of the fragments so far
        self.lacks = 0
        self.frames = 0
        self.ended = False
        self.done: list[bytes] = []
        self.pings: list[bytes] = []
        self.close: tuple[int, str] | None = None
        self.violation: str | None = None
        self._renew()

    @property
    def in_fragments(self) -> bool:
        """Return whether a message in fragments is in progress."""
        return self._parts is not None

    def gather(self, buffer: bytearray, start: int, end: int) -> int:
        """Take what belongs to the long frame in progress; give where the rest begins."""
        long = self._long
        if long is None:
            return start
        stop = min(end, start + self.lacks)
        long += memoryview(buffer)[start:stop]
        self.lacks -= stop - start
        if not self.lacks:
            self._long = None
            self._take(self._first, bytes(long))
        return stop

    def step(self, buffer: bytearray, lo: int, end: int) -> int:
        """Take the frame that begins at `lo`; give where the next one begins.

        That is `lo` itself when the frame is not all here, or is wrong, or
        nothing may follow.
        """
        if end - lo < 2 or self.ended:
            return lo
        at, size = _length(buffer, lo)
        fault = self._fault(buffer[lo], buffer[lo + 1])
        if not fault and at <= end:
            fault = self._excess(size)
        if fault:
            self.violation = fault
            self._renew()
            return lo
        if at > end or end < at + size <= lo + TAIL_BYTES:
            return lo
        if at + size <= end:
            self._take(buffer[lo], bytes(memoryview(buffer)[at : at + size]))
            return at + size
        self._first = buffer[lo]
        self._long = buffer[at:end]
        self.lacks = at + size - end
        return end

    def _fault(self, first: int, second: int) -> str:
        opcode = first & 0x0F
        if second & 0x80:
            return _FAULTS[first] or "masked"
        if opcode >= _CLOSE and second > 125:
            return _FAULTS[first] or "long_control"
        if opcode == _CONT and self._parts is None:
            return _FAULTS[first] or "orphan_continuation"
        if opcode in (_TEXT, _BINARY) and self._parts is not None:
            return _FAULTS[first] or "interrupted_fragments"
        return _FAULTS[first]

    def _excess(self, size: int) -> str:
        if size >> 63:
            return "length_overflow"
        return "too_big" if size + len(self._parts or b"") > self._cap else ""

    def _take(self, first: int, payload: bytes) -> None:
        self.frames += 1
        opcode = first & 0x0F
        if opcode == _PING:
            self.pings.append(payload)
        elif opcode == _CLOSE:
            self._take_close(payload)
        elif opcode != _PONG:
            self._take_data(bool(first & _FIN), payload)

    def _take_close(self, payload: bytes) -> None:
        if len(payload) == 1:
            self.violation = "bad_close"
        else:
            code = int.from_bytes(payload[:2], "big") if payload else NO_STATUS
            self.close = (code, payload[2:].decode("utf-8", "replace"))
        self._renew()

    def _take_data(self, final: bool, payload: bytes) -> None:
        if self._parts is not None:
            self._parts += payload
            if final:
                self.done.append(bytes(self._parts))
                self._parts = None
        elif final:
            self.done.append(payload)
        else:
            self._parts = bytearray(payload)
        self._renew()

    def _renew(self) -> None:
        self.ended = self.close is not None or self.violation is not None
        quick = not self.ended and self._parts is None and self._cap > 0xFFFF
        self.plain = PLAIN_TEXT if quick else -1


def _first_fault(first: int) -> str:
    # What is wrong with a frame already by its first byte.
    if first & 0x70:
        return "reserved_bits"
    if first & 0x0F not in _OPCODES:
        return "reserved_opcode"
    return "fragmented_control" if first & 0x0F >= _CLOSE and not first & _FIN else ""


_FAULTS = tuple(_first_fault(first) for first in range(256))


def _length(buffer: bytearray, lo: int) -> tuple[int, int]:
    # Where the payload begins and how long it is. The length means something only when
    # the whole header is there.
    size = buffer[lo + 1] & 0x7F
    if size < 126:
        return lo + 2, size
    at = lo + (4 if size == 126 else 10)
    return at, int.from_bytes(buffer[lo + 2 : at], "big")
