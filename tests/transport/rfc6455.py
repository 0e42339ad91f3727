"""RFC 6455: frames of a server, violations, and a plain parser of whole streams for reference."""


def frame(payload: bytes = b"", *, first: int = 0x81, mask: int = 0, wide: int = 0) -> bytes:
    """Build a server frame; `wide` forces a length field of 2 or 8 bytes."""
    size = len(payload)
    if size > 0xFFFF or wide == 8:
        return bytes([first, mask | 127]) + size.to_bytes(8, "big") + payload
    if size > 125 or wide == 2:
        return bytes([first, mask | 126]) + size.to_bytes(2, "big") + payload
    return bytes([first, mask | size]) + payload


VIOLATIONS = {
    "reserved_bits": frame(b"x", first=0xC1),
    "reserved_opcode": frame(b"x", first=0x83),
    "masked": frame(b"x", mask=0x80),
    "fragmented_control": frame(b"x", first=0x09),
    "long_control": frame(b"x" * 126, first=0x89),
    "orphan_continuation": frame(b"x", first=0x80),
    "interrupted_fragments": frame(b"x", first=0x01) + frame(b"x" * 99),
    "length_overflow": b"\x81\x7f\x80" + bytes(7),
    "too_big": b"\x81\x7f" + (1 << 40).to_bytes(8, "big"),
    "bad_close": frame(b"x", first=0x88),
}


class Reference:
    """Parses a whole stream at once, frame by frame, as the RFC describes it."""

    def __init__(self, stream: bytes, cap: int) -> None:
        self.data: list[bytes] = []
        self.pings: list[bytes] = []
        self.close: tuple[int, str] | None = None
        self.violation: str | None = None
        self.frames = 0
        self.in_progress = False
        self._parts: list[bytes] | None = None
        self._read(stream, cap)

    def _read(self, stream: bytes, cap: int) -> None:
        while not self.close and not self.violation:
            self.in_progress = bool(stream) or self._parts is not None
            if len(stream) < 2:
                return
            fin, opcode = stream[0] >> 7, stream[0] & 15
            self.violation = self._header_violation(stream[0], stream[1])
            width = {126: 2, 127: 8}.get(stream[1] & 127, 0)
            if self.violation or len(stream) < 2 + width:
                return
            size = int.from_bytes(stream[2 : 2 + width], "big") if width else stream[1] & 127
            if size >= 2**63:
                self.violation = "length_overflow"
                return
            if size + sum(map(len, self._parts or [])) > cap:
                self.violation = "too_big"
                return
            if len(stream) < 2 + width + size:
                return
            self.frames += 1
            self._frame(fin, opcode, stream[2 + width : 2 + width + size])
            stream = stream[2 + width + size :]

    # One return for each violation.
    def _header_violation(self, first: int, second: int) -> str | None:  # noqa: PLR0911
        opcode = first & 15
        if first & 0x70:
            return "reserved_bits"
        if opcode in {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}:
            return "reserved_opcode"
        if opcode >= 8 and first < 128:
            return "fragmented_control"
        if second >= 128:
            return "masked"
        if opcode >= 8 and second >= 126:
            return "long_control"
        if opcode == 0 and self._parts is None:
            return "orphan_continuation"
        if opcode in {1, 2} and self._parts is not None:
            return "interrupted_fragments"
        return None

    def _frame(self, fin: int, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            self.pings.append(payload)
        elif opcode == 8 and len(payload) == 1:
            self.violation = "bad_close"
        elif opcode == 8:
            code = payload[0] * 256 + payload[1] if payload else 1005
            self.close = (code, payload[2:].decode(errors="replace"))
        elif opcode in {0, 1, 2}:
            parts = [*(self._parts or []), payload]
            self._parts = None if fin else parts
            if fin:
                self.data.append(b"".join(parts))
