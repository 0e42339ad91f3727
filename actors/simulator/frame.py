"""Bytes of WebSocket frames, server to client: never masked, built once for all readers."""

import struct
from itertools import pairwise

TEXT = 0x1
CONTINUATION = 0x0
CLOSE = 0x8
PING = 0x9
PONG = 0xA


def frame(payload: bytes, opcode: int = TEXT, *, final: bool = True) -> bytes:
    """Return one whole frame (RFC 6455 section 5.2)."""
    first = (0x80 if final else 0) | opcode
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def announcement(size: int) -> bytes:
    """Return only the head of a text frame that promises `size` bytes."""
    return struct.pack("!BBQ", 0x80 | TEXT, 127, size)


def fragments(payload: bytes, pieces: int) -> bytes:
    """Return one text message cut into `pieces` frames, at any byte, also inside a character."""
    cuts = [len(payload) * piece // pieces for piece in range(pieces + 1)]
    return b"".join(
        frame(
            payload[start:end],
            TEXT if start == 0 else CONTINUATION,
            final=end == len(payload),
        )
        for start, end in pairwise(cuts)
        if end > start
    )


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame with its code and its reason, at most 123 bytes of it."""
    return frame(struct.pack("!H", code) + reason.encode()[:123], CLOSE)
