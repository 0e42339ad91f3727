import struct

import pytest

from actors.simulator.events import CLOSE, close_frame, fragments, frame, frame_header


def unframe(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Read frames as RFC 6455 says; return (first byte, payload) of each, and the rest."""
    found = []
    while len(data) >= 2:
        size, head = data[1], 2
        assert not size & 0x80, "a server never masks"
        if size == 126:
            size, head = struct.unpack("!H", data[2:4])[0], 4
        elif size == 127:
            size, head = struct.unpack("!Q", data[2:10])[0], 10
        if len(data) < head + size:
            break
        found.append((data[0], data[head : head + size]))
        data = data[head + size :]
    return found, data


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frame_of_any_size_is_read_back(size: int) -> None:
    assert unframe(frame(b"x" * size)) == ([(0x81, b"x" * size)], b"")


def test_fragments_join_to_the_message_and_only_the_last_is_final() -> None:
    text = "Élysée № 5".encode()
    frames, rest = unframe(fragments(text, 3))
    assert rest == b""
    assert [first for first, _ in frames] == [0x01, 0x00, 0x80]
    assert b"".join(payload for _, payload in frames) == text


def test_fragments_of_a_short_text_are_never_empty() -> None:
    frames, _ = unframe(fragments(b"ab", 5))
    assert [payload for _, payload in frames] == [b"a", b"b"]
    assert frames[-1][0] == 0x80


def test_close_frame_holds_code_and_reason_within_its_limit() -> None:
    frames, rest = unframe(close_frame(1013, "slow" * 100))
    ((first, payload),) = frames
    assert (first, rest) == (0x80 | CLOSE, b"")
    assert payload[:2] == struct.pack("!H", 1013)
    assert len(payload) == 125


def test_frame_header_names_a_size_and_has_no_payload() -> None:
    assert unframe(frame_header(1 << 40)) == ([], frame_header(1 << 40))
