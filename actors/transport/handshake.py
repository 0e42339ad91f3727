"""The WebSocket handshake, and the frames that we send.

This is the only importer of websocket-client. Its low-level `WebSocket` does the handshake on a
socket that we connected, so that its redirects, its proxies and TLS settings of the environment
have no effect. Its `ABNF` masks what we send. `reactor.py` reads.

websocket-client reads the answer byte by byte, so no frame that follows the handshake is lost in
a buffer of its own. It has a timeout for each read only, and no limit for headers and error
bodies; `_HandshakeSocket` has one deadline and limits.
"""

import contextlib
import re
import socket
import ssl
import struct
import time
from http.cookies import CookieError
from urllib.parse import urlsplit

import websocket

from actors.backoff import read_retry_after_s
from actors.errors import FeedLost
from actors.transport.connect import Deadline, connect, verifying_context

_HEAD_BYTES = 64 << 10
# websocket-client reads the whole body: 30 MB took 24 s, and all of it was in the exception's text.
_BODY_BYTES = 4 << 10  # of an error page that are read, to be shown
_CLOSE_REASON_BYTES = 123  # a control frame carries 125, 2 of them the code
# A line may end with a bare LF too (RFC 9112 2.2).
_HEAD_ENDS = (b"\n\r\n", b"\n\n")
_STATUS = re.compile("[1-9][0-9][0-9]", re.ASCII)
_REDIRECTS = (301, 302, 303, 307, 308)


class OpenWebSocket:
    """A connected, non-blocking socket on which the WebSocket handshake is done.

    Attributes:
        sock: Plain or TLS; used by one thread at a time.
        peer: Address and port of the server, for people.
    """

    def __init__(self, sock: socket.socket, peer: str) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.peer = peer

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
        ssl_context: Must verify; default: `connect.verifying_context()`.
        user_agent: Sent with the request.

    Raises:
        FeedLost: `handshake_timeout`, `http_<status>` (with `retry_after_s`, 300
            at most), `redirected`, `reset`, `handshake` (any other invalid answer),
            or a reason of `connect.connect`.
        ValueError: Not a WebSocket URL, or the context does not verify.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError("not a WebSocket URL")
    secure = parts.scheme == "wss"
    deadline = Deadline(timeout_s)
    sock = connect(
        parts.hostname,
        parts.port or (443 if secure else 80),
        deadline=deadline,
        tls=(ssl_context or verifying_context()) if secure else None,
    )
    handshake_socket = _HandshakeSocket(sock, deadline)
    try:
        _handshake(url, handshake_socket, user_agent)
        return OpenWebSocket(sock, _peer(sock))
    except (FeedLost, websocket.WebSocketException, OSError, ValueError, CookieError) as exc:
        sock.close()
        lost = handshake_socket.failure(exc)
        if lost is exc:
            raise
        raise lost from exc


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
    # The client must fail then (RFC 6455 4.1): with an extension the frames could mean other
    # things.
    if (client.getheaders() or {}).get("sec-websocket-extensions"):
        raise FeedLost("handshake", "the server chose an extension that was not offered")


def _peer(sock: socket.socket) -> str:
    address = sock.getpeername()
    return f"{address[0]}:{address[1]}"


class _HandshakeSocket:
    # The socket as websocket-client sees it during the handshake. It keeps the server's answer,
    # so that the status of an answer which is cut off is known.

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._head = bytearray()
        self._body = bytearray()

    def recv(self, size: int) -> bytes:
        into, bound = self._head, _HEAD_BYTES
        if self._head.endswith(_HEAD_ENDS):
            into, bound = self._body, _BODY_BYTES
        if len(into) >= bound:
            raise FeedLost("handshake", "the answer is too long")
        data = self._recv(min(size, bound - len(into)))
        into += data
        return data

    def _recv(self, size: int) -> bytes:
        while True:
            self._sock.settimeout(self._deadline.left_s("handshake_timeout"))
            try:
                return self._sock.recv(size)
            except ssl.SSLWantReadError:
                continue  # only a part of a TLS record has arrived

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

    def failure(self, exc: Exception) -> FeedLost:
        """Return why the handshake failed."""
        # The status comes before the error: a server that answers 429 and closes at once must not
        # look like a reset, and its Retry-After must be obeyed.
        line, status, headers = self._answer()
        if status in _REDIRECTS:
            return FeedLost("redirected", f"{status} to {headers.get('location', 'nowhere')}")
        if status not in (None, 101):
            body = self._body.decode("utf-8", "replace").strip()
            retry_after_s = read_retry_after_s(
                headers.get("retry-after"), date=headers.get("date"), wall_s=time.time()
            )
            return FeedLost(f"http_{status}", f"{line} {body}", retry_after_s=retry_after_s)
        if isinstance(exc, FeedLost):
            return exc
        return FeedLost(_reason(exc), f"{type(exc).__name__}: {exc}")

    def _answer(self) -> tuple[str, int | None, dict[str, str]]:
        # Status line, status and headers; no status unless the head is complete.
        # Every byte is a character of Latin-1, so this cannot fail.
        line, *rest = self._head.decode("latin-1").splitlines() or [""]
        words = line.split(" ", 2)
        if not self._head.endswith(_HEAD_ENDS) or not _STATUS.fullmatch("".join(words[1:2])):
            return line, None, {}
        pairs = (field.partition(":") for field in rest)
        return line, int(words[1]), {name.lower(): value.strip() for name, _, value in pairs}


def _reason(exc: Exception) -> str:
    if isinstance(exc, (websocket.WebSocketTimeoutException, TimeoutError)):
        return "handshake_timeout"
    if isinstance(exc, ssl.SSLError):
        return "tls"
    if isinstance(exc, (websocket.WebSocketConnectionClosedException, OSError)):
        return "reset"
    return "handshake"
