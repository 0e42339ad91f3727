"""WebSocket frames of every kind, one at a time, joined to messages (RFC 6455 sections 5 and 7).

`skimmer.py` takes plain small text frames itself, and they are nearly everything. This parser
takes the others: control frames, fragments, binary frames, long frames, and everything that a
server can do wrong.

A long frame (more than `TAIL_BYTES`) is collected as it arrives. Its header alone reserves no
memory.
"""

from actors.model.connection import TOO_BIG

TAIL_BYTES = 4 + 0xFFFF
"""Bytes of the longest frame whose beginning the skimmer keeps until the rest arrives.

Every frame with a 16-bit length is that short. Longer frames are collected here.
"""

PLAIN_TEXT = 0x81
"""First byte of an unfragmented text frame: FIN and opcode 1."""

NO_STATUS = 1005
"""The code of a CLOSE that carries none (RFC 6455 7.1.5)."""

_CONT, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_OPCODES = frozenset((_CONT, _TEXT, _BINARY, _CLOSE, _PING, _PONG))
_FIN = 0x80


class FrameParser:
    """Parses frames, and holds what is collected of an unfinished frame or message.

    Owned by one `FrameSkimmer`, which clears `messages`, `pings` and `frames` after use.

    Attributes:
        plain: The first byte of the frames that the skimmer may take itself: `PLAIN_TEXT`, or -1
            when it must take none. None may be taken within a message in fragments (such a frame
            violates the protocol), after the end of the stream, and when a message with a 16-bit
            length could be longer than the maximum.
        messages: Complete messages.
        pings: Payloads to answer with a PONG.
        close: Code and reason of the CLOSE frame.
        violation: The name of what the server did wrong.
        ended: Whether `close` or `violation` is set. Nothing more is parsed then.
        missing_bytes: How many bytes of a long frame have not arrived; 0 if there is none.
        in_fragments: Whether a message in fragments has begun and not ended.
        frames: How many complete frames were parsed.
    """

    __slots__ = (
        "_first",
        "_fragments",
        "_long",
        "_max_message_bytes",
        "close",
        "ended",
        "frames",
        "in_fragments",
        "messages",
        "missing_bytes",
        "pings",
        "plain",
        "violation",
    )

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._long: bytearray | None = None  # payload of a long frame, as far as it has arrived
        self._first = 0  # the first byte of the long frame
        self._fragments: bytearray | None = None  # payload of the fragments so far
        self.missing_bytes = 0
        self.frames = 0
        self.ended = False
        self.messages: list[bytes] = []
        self.pings: list[bytes] = []
        self.close: tuple[int, str] | None = None
        self.violation: str | None = None
        self._update_state()

    @property
    def collected_bytes(self) -> int:
        """Return how many bytes of an unfinished long frame or message in fragments are here."""
        return len(self._long or b"") + len(self._fragments or b"")

    def discard(self) -> None:
        """Free what has arrived of an unfinished message; nothing is taken any more."""
        self._long = self._fragments = None
        self.missing_bytes = 0

    def continue_long_frame(self, buffer: bytearray, start: int, end: int) -> int:
        """Take the bytes that a long frame misses; return where the bytes after it begin."""
        long = self._long
        if long is None:
            return start
        stop = min(end, start + self.missing_bytes)
        long += memoryview(buffer)[start:stop]
        self.missing_bytes -= stop - start
        if not self.missing_bytes:
            self._long = None
            self._take(self._first, bytes(long))
        return stop

    def parse_frame(self, buffer: bytearray, lo: int, end: int) -> int:
        """Take the frame that begins at `lo`; return where the next one begins.

        That is `lo` itself if the frame is incomplete or violates the protocol, or if the stream
        has ended.
        """
        # After a CLOSE nothing may follow; bytes behind a violation have no reliable meaning.
        if end - lo < 2 or self.ended:
            return lo
        at, size = _payload(buffer, lo)
        # Checked before the frame is whole: a server that stops after two wrong bytes must not be
        # waited for.
        violation = self._header_violation(buffer[lo], buffer[lo + 1])
        if not violation and at <= end:
            violation = self._length_violation(size)
        if violation:
            self.violation = violation
            self._update_state()
            return lo
        # The skimmer keeps what is that short; only longer frames are collected here.
        if at > end or end < at + size <= lo + TAIL_BYTES:
            return lo
        if at + size <= end:
            self._take(buffer[lo], bytes(memoryview(buffer)[at : at + size]))
            return at + size
        self._first = buffer[lo]
        self._long = buffer[at:end]
        self.missing_bytes = at + size - end
        return end

    def _header_violation(self, first: int, second: int) -> str:
        opcode = first & 0x0F
        # A server must not mask (RFC 6455 5.1).
        if second & 0x80:
            return _VIOLATIONS[first] or "masked"
        # RFC 6455 5.5.
        if opcode >= _CLOSE and second > 125:
            return _VIOLATIONS[first] or "long_control"
        # Fragments of two messages must not be mixed (RFC 6455 5.4).
        if opcode == _CONT and self._fragments is None:
            return _VIOLATIONS[first] or "orphan_continuation"
        if opcode in (_TEXT, _BINARY) and self._fragments is not None:
            return _VIOLATIONS[first] or "interrupted_fragments"
        return _VIOLATIONS[first]

    def _length_violation(self, size: int) -> str:
        # The highest bit of a 64-bit length must be 0 (RFC 6455 5.2).
        if size >> 63:
            return "length_overflow"
        message_bytes = size + len(self._fragments or b"")
        return TOO_BIG if message_bytes > self._max_message_bytes else ""

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
        # The body of a CLOSE is empty or begins with a code of two bytes (RFC 6455 5.5.1).
        if len(payload) == 1:
            self.violation = "bad_close"
        else:
            code = int.from_bytes(payload[:2], "big") if payload else NO_STATUS
            self.close = (code, payload[2:].decode("utf-8", "replace"))
        self._update_state()

    def _take_data(self, final: bool, payload: bytes) -> None:
        if self._fragments is not None:
            self._fragments += payload
            if final:
                self.messages.append(bytes(self._fragments))
                self._fragments = None
        elif final:
            # Text is not checked to be UTF-8 here (RFC 6455 8.1 wants it): the decoder of the
            # events does it in C. A check in pure Python allowed 49 messages/s of 53 kB.
            self.messages.append(payload)
        else:
            self._fragments = bytearray(payload)
        self._update_state()

    def _update_state(self) -> None:
        self.ended = self.close is not None or self.violation is not None
        self.in_fragments = self._fragments is not None
        may_skim = not self.ended and not self.in_fragments and self._max_message_bytes > 0xFFFF
        self.plain = PLAIN_TEXT if may_skim else -1


def _first_byte_violation(first: int) -> str:
    # These bits belong to extensions, and none was offered (RFC 6455 5.2).
    if first & 0x70:
        return "reserved_bits"
    if first & 0x0F not in _OPCODES:
        return "reserved_opcode"
    # RFC 6455 5.5.
    return "fragmented_control" if first & 0x0F >= _CLOSE and not first & _FIN else ""


_VIOLATIONS = tuple(_first_byte_violation(first) for first in range(256))


def _payload(buffer: bytearray, lo: int) -> tuple[int, int]:
    # Where the payload begins and how long it is. The length is valid only if the buffer
    # holds the whole header.
    size = buffer[lo + 1] & 0x7F
    if size < 126:
        return lo + 2, size
    at = lo + (4 if size == 126 else 10)
    return at, int.from_bytes(buffer[lo + 2 : at], "big")
