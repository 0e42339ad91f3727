"""A WebSocket server that sends prepared bytes to every socket that subscribes.

It costs little itself: the bytes stand in one buffer, and each send takes a
quarter of a MiB of it. Blocking, one connection after the other.
"""

import argparse
import base64
import hashlib
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PIECE = 256 << 10


def upgrade(head: bytes) -> bytes:
    """Return the answer to the head of a handshake."""
    key = next(
        line.split(b":", 1)[1].strip()
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    accept = base64.b64encode(hashlib.sha1(key + _ACCEPT).digest())  # noqa: S324 - RFC 6455
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def welcome(sock: socket.socket) -> None:
    """Complete the handshake and wait for the subscription."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(4096)
        if not more:
            raise ConnectionResetError
        head += more
    sock.sendall(upgrade(head))
    if not sock.recv(1 << 16):
        raise ConnectionResetError


def pour(sock: socket.socket, pieces: Iterator[memoryview]) -> None:
    """Send all of it, then wait for the end of the reader."""
    for piece in pieces:
        sock.sendall(piece)
    while sock.recv(1 << 16):
        pass


def _pieces(mix: bytes, last: bytes, times: int) -> Iterator[memoryview]:
    view = memoryview(mix)
    for _ in range(times):
        for at in range(0, len(mix), _PIECE):
            yield view[at : at + _PIECE]
    yield memoryview(last)


def _context(pem: str) -> ssl.SSLContext | None:
    if not pem:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def main() -> None:
    """Serve until killed; each connection names how often it wants the mix in its path."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mix", type=Path)
    parser.add_argument("last", type=Path)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--pem", default="")
    asked = parser.parse_args()
    mix, last, context = asked.mix.read_bytes(), asked.last.read_bytes(), _context(asked.pem)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        sock, _ = listener.accept()
        with context.wrap_socket(sock, server_side=True) if context else sock as sock:
            try:
                welcome(sock)
                pour(sock, _pieces(mix, last, asked.times))
            except OSError:
                pass  # the reader may end in any way


if __name__ == "__main__":
    main()
