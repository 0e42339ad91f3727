"""Open a WebSocket: from a host and a port to a handshake, within one deadline.

`network.connect` connects. This is the only importer of websocket-client. Its low-level
`WebSocket` does the handshake on that socket, so that its redirects, its proxies and TLS settings
of the environment have no effect. Its `ABNF` masks the frames that we send. `reactor.py` reads.

The answer is read here, in pieces; what follows it in the last one is the beginning of the frames,
which the reactor takes first. Of its headers the library gets only those that the handshake needs.
It has no limit of time or length, parses cookies at a cost that grows with the square of their
length, and sends them with each later handshake of the process, which would lead both feeds to one
server. Every failure is a `FeedLost` with a stable reason.
"""

import contextlib
import io
import re
import socket
import ssl
import struct
import time
from urllib.parse import urlsplit

import websocket

from actors.backoff import read_retry_after_s
from actors.errors import ConnectionFailed, FeedLost
from actors.network.connect import Deadline, connect, verifying_context

HEAD_BYTES = 64 << 10
"""The longest status line and headers of an answer: four times what any server is known to send."""
_PIECE_BYTES = 4 << 10
_BODY_BYTES = 4 << 10  # of an error page that are read, to be shown
_CLOSE_REASON_BYTES = 123  # a control frame carries 125, 2 of them the code
# A line may end with a bare LF too (RFC 9112 2.2).
_HEAD_END = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(r"HTTP/1\.[01] ([1-9][0-9][0-9])( .*)?", re.ASCII)
_REDIRECTS = (301, 302, 303, 307, 308)
_NEEDED = ("upgrade", "connection", "sec-websocket-accept")
_NOT_OFFERED = {
    # With an extension the frames could mean other things.
    "sec-websocket-extensions": "an extension",
    "sec-websocket-protocol": "a subprotocol",
}
"""What the client must fail for, since it did not offer it (RFC 6455 4.1)."""


class OpenWebSocket:
    """A connected, non-blocking socket on which the WebSocket handshake is done.

    Attributes:
        sock: Plain or TLS; used by one thread at a time.
        peer: Address and port of the server, for people.
        early: The beginning of the frames, which came with the answer to the handshake.
    """

    def __init__(self, sock: socket.socket, peer: str, early: bytes = b"") -> None:
        sock.setblocking(False)
        self.sock = sock
        self.peer = peer
        self.early = early

    def abort(self) -> None:
        """End the connection now. Not after a reactor adopted it: see `ReactorSocket.abort`."""
        # `close` alone does not wake a thread that waits in recv for this socket; `shutdown` does.
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def open_websocket(
    url: str,
    *,
    timeout_s: float = 10.0,
    ssl_context: ssl.SSLContext | None = None,
    user_agent: str,
) -> OpenWebSocket:
    """Connect and do the handshake. Blocks for at most `timeout_s`.

    Args:
        url: `ws://` or `wss://`.
        timeout_s: For DNS, TCP, TLS and the handshake together.
        ssl_context: Must verify; default: `verifying_context()`.
        user_agent: Sent with the request.

    Raises:
        FeedLost: `handshake_timeout`, `http_<status>` (with `retry_after_s`, 300
            at most), `redirected`, `reset`, `handshake` (any other invalid answer),
            or a reason of `connect`.
        ValueError: Not a WebSocket URL, or the context does not verify.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError("not a WebSocket URL")
    secure = parts.scheme == "wss"
    deadline = Deadline(timeout_s)
    try:
        sock = connect(
            parts.hostname,
            parts.port or (443 if secure else 80),
            deadline=deadline,
            tls=(ssl_context or verifying_context()) if secure else None,
        )
    except ConnectionFailed as exc:
        raise FeedLost(exc.reason, exc.detail) from exc
    try:
        handshake_socket = _HandshakeSocket(sock, deadline)
        _handshake(url, handshake_socket, user_agent)
        return OpenWebSocket(sock, _peer(sock), handshake_socket.early)
    except FeedLost:
        sock.close()
        raise
    except ConnectionFailed as exc:
        sock.close()
        raise FeedLost(exc.reason, exc.detail) from exc
    except (websocket.WebSocketException, OSError, ValueError) as exc:
        sock.close()
        raise FeedLost(_reason(exc), f"{type(exc).__name__}: {exc}") from exc


def text_frame(text: str) -> bytes:
    """Return the masked text frame with this text."""
    return websocket.ABNF.create_frame(text, websocket.ABNF.OPCODE_TEXT).format()


def pong_frame(payload: bytes) -> bytes:
    """Return the masked PONG that answers a PING with this payload."""
    return websocket.ABNF.create_frame(payload, websocket.ABNF.OPCODE_PONG).format()


def close_frame(code: int, reason: str) -> bytes:
    """Return the masked CLOSE frame, with at most 123 bytes of the reason."""
    cut = reason.encode()[:_CLOSE_REASON_BYTES].decode("utf-8", "ignore").encode()
    payload = struct.pack("!H", code) + cut
    return websocket.ABNF.create_frame(payload, websocket.ABNF.OPCODE_CLOSE).format()


def _handshake(url: str, handshake_socket: "_HandshakeSocket", user_agent: str) -> None:
    client = websocket.WebSocket(skip_utf8_validation=True, enable_multithread=False)
    client.connect(  # type: ignore[no-untyped-call]  # the library does not annotate it
        url,
        socket=handshake_socket,
        header=[f"User-Agent: {user_agent}"],
        # Origin is for browsers (RFC 6455 4.1, item 8).
        suppress_origin=True,
        # By default the library follows three redirects, to any host and scheme.
        redirect_limit=0,
    )


def _peer(sock: socket.socket) -> str:
    address = sock.getpeername()
    return f"{address[0]}:{address[1]}"


class _HandshakeSocket:
    # The socket as websocket-client sees it during the handshake. `early` is what came behind the
    # head: frames, or the beginning of an error page.

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._answer: io.BytesIO | None = None
        self.early = b""

    def recv(self, size: int) -> bytes:
        if self._answer is None:
            self._answer = io.BytesIO(self._read_answer())
        return self._answer.read(size)

    def send(self, data: bytes) -> int:
        # The library does not check how much was sent.
        self._sock.settimeout(self._deadline.left_s("handshake_timeout"))
        self._sock.sendall(data)
        return len(data)

    def gettimeout(self) -> float | None:
        return self._sock.gettimeout()

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def _read_answer(self) -> bytes:
        """Return a 101 with the headers that the library needs; raise for any other answer."""
        # Every byte is a character of Latin-1, so this cannot fail. `splitlines` would split at
        # more of them than at line feeds.
        line, *rest = (
            each.rstrip("\r") for each in self._read_head().decode("latin-1").split("\n")
        )
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise FeedLost("handshake", f"no status line: {line[:100]!r}")
        headers = _headers(rest)
        if found[1] != "101":
            raise self._rejection(line, int(found[1]), headers)
        if any(each[:1].isspace() or ":" not in each for each in rest if each):
            raise FeedLost("handshake", "a header line without a name")
        for name, what in _NOT_OFFERED.items():
            if headers.get(name):
                raise FeedLost("handshake", f"the server chose {what} that was not offered")
        needed = (f"{name}: {headers[name]}\r\n" for name in _NEEDED if name in headers)
        return f"{line}\r\n{''.join(needed)}\r\n".encode("latin-1")

    def _rejection(self, line: str, status: int, headers: dict[str, str]) -> FeedLost:
        if status in _REDIRECTS:
            return FeedLost("redirected", f"{status} to {headers.get('location', 'nowhere')}")
        retry_after_s = read_retry_after_s(
            headers.get("retry-after"), date=headers.get("date"), wall_s=time.time()
        )
        page = self._page(headers.get("content-length", ""))
        return FeedLost(f"http_{status}", f"{line} {page}", retry_after_s=retry_after_s)

    def _page(self, length: str) -> str:
        """Return the beginning of an error page of so many bytes."""
        body = bytearray(self.early)
        digits = length if length.isascii() and length.isdigit() else "0"
        wanted = min(int(digits[:9]), _BODY_BYTES)
        # The status is known and counts: that the page is cut off or slow is no other failure.
        with contextlib.suppress(OSError, ConnectionFailed):
            while len(body) < wanted and (more := self._recv(wanted - len(body))):
                body += more
        return body[:wanted].decode("utf-8", "replace").strip()

    def _read_head(self) -> bytes:
        # In pieces: a byte at a time costs a hostile head 0.15 s, of which 40 a second may come.
        head = bytearray()
        while not (end := _HEAD_END.search(head, max(0, len(head) - _PIECE_BYTES - 3))):
            if len(head) >= HEAD_BYTES:
                raise FeedLost("handshake", f"the answer is too long: over {HEAD_BYTES} bytes")
            piece = self._recv(min(_PIECE_BYTES, HEAD_BYTES - len(head)))
            if not piece:
                raise FeedLost("reset", "the server hung up in the handshake")
            head += piece
        self.early = bytes(head[end.end() :])
        return bytes(head[: end.end()])

    def _recv(self, size: int) -> bytes:
        while True:
            self._sock.settimeout(self._deadline.step_s("handshake_timeout"))
            try:
                return self._sock.recv(size)
            except (TimeoutError, ssl.SSLWantReadError):
                continue  # only a part of a TLS record has arrived, or nothing


def _headers(lines: list[str]) -> dict[str, str]:
    """Return the headers by their name in small letters; one that comes twice is a list."""
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), []).append(value.strip())
    return {name: ", ".join(filter(None, values)) for name, values in headers.items()}


def _reason(exc: Exception) -> str:
    if isinstance(exc, (websocket.WebSocketTimeoutException, TimeoutError)):
        return "handshake_timeout"
    if isinstance(exc, ssl.SSLError):
        return "tls"
    if isinstance(exc, (websocket.WebSocketConnectionClosedException, OSError)):
        return "reset"
    return "handshake"
