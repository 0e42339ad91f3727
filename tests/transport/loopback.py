"""The other end of a connection: a raw server on loopback, its handshake, its frames."""

import base64
import contextlib
import hashlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import trustme

WAIT_S = 20.0  # no wait of a test is longer


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Return the settings of a client that trusts this authority alone.

    The minimum version is set because its default depends on how Python was built.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.configure_trust(context)
    return context


def frame(payload: bytes = b"", first: int = 0x81) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([first, size]) + payload
    if size < 65536:
        return bytes([first, 126]) + size.to_bytes(2, "big") + payload
    return bytes([first, 127]) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(code.to_bytes(2, "big") + reason.encode(), first=0x88)


def read_frame(sock: socket.socket) -> tuple[int, bytes]:
    """Read one masked frame of a client: first byte and payload."""
    first, second = _exactly(sock, 2)
    assert second & 0x80, "a client must mask"
    size = second & 0x7F
    if size > 125:
        size = int.from_bytes(_exactly(sock, 2 if size == 126 else 8), "big")
    mask = _exactly(sock, 4)
    body = _exactly(sock, size)
    return first, bytes(byte ^ mask[i % 4] for i, byte in enumerate(body))


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_request(conn: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(4096)
        if not more:
            raise EOFError
        data += more
    return data.decode()


def answer_to(request: str, *extra: str) -> bytes:
    key = next(
        line.split(":", 1)[1].strip()
        for line in request.splitlines()
        if line.lower().startswith("sec-websocket-key:")
    )
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()  # noqa: S324  (RFC 6455)
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
        *extra,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class RawServer:
    """Accepts on a port of loopback, and calls `behave` with each connection."""

    def __init__(
        self, behave: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None
    ) -> None:
        self._behave = behave
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.requests: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.gone = threading.Event()  # set at the end of a test; ends slow answers

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.gone.set()
        for sock in [self._listener, *self._socks]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT_S)
            assert not thread.is_alive()
        for sock in [self._listener, *self._socks]:
            sock.close()

    def send_slowly(self, conn: socket.socket, data: bytes) -> None:
        """Send one byte every 20 ms, so that no single read reaches its timeout."""
        for byte in data:
            if self.gone.wait(0.02):
                return
            conn.sendall(bytes([byte]))

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.gone.is_set():
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            conn.settimeout(WAIT_S)
            self._socks.append(conn)
            self._spawn(lambda conn=conn: self._serve(conn))  # type: ignore[misc]

    def _serve(self, conn: socket.socket) -> None:
        # The client may disconnect at any time: many tests are about that.
        with contextlib.suppress(OSError, EOFError):
            if self._tls is not None:
                conn = self._tls.wrap_socket(conn, server_side=True)
                self._socks.append(conn)
            self._behave(conn)
