"""Open a WebSocket: from a host and a port to a handshake, within one deadline.

DNS, TCP and TLS by the standard library (`connect`); nothing in the environment (proxies, key
logs) has an effect. Every failure is a `FeedLost` with a stable reason.

This is the only importer of websocket-client. Its low-level `WebSocket` does the handshake on a
socket that we connected, so that its redirects, its proxies and TLS settings of the environment
have no effect. Its `ABNF` masks the frames that we send. `reactor.py` reads.

websocket-client reads the answer byte by byte, so no frame that follows the handshake is lost in
a buffer of its own. It has a timeout for each read only, and no limit for headers and error
bodies; `_HandshakeSocket` has one deadline and limits.
"""

import contextlib
import errno
import functools
import queue
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from http.cookies import CookieError
from typing import Any
from urllib.parse import urlsplit

import websocket

from actors.backoff import read_retry_after_s
from actors.errors import FeedLost
from actors.transport.tls import TlsSocket

# A network that swallows everything sends neither FIN nor RST. Without this limit the kernel sends
# the same bytes again for 13 to 30 minutes before it gives up (tcp(7), tcp_retries2).
_USER_TIMEOUT_MS = 15_000  # unacknowledged for so long, sent bytes end the connection
_ADDRESSES = 8  # addresses of one name that are tried
_LOOKUPS = threading.BoundedSemaphore(32)
"""Bounds the threads in lookups: `getaddrinfo` has no timeout, so one that hangs keeps a thread."""
_HEAD_BYTES = 64 << 10
# websocket-client reads the whole body: 30 MB took 24 s, and all of it was in the exception's text.
_BODY_BYTES = 4 << 10  # of an error page that are read, to be shown
_CLOSE_REASON_BYTES = 123  # a control frame carries 125, 2 of them the code
# A line may end with a bare LF too (RFC 9112 2.2).
_HEAD_ENDS = (b"\n\r\n", b"\n\n")
_STATUS = re.compile("[1-9][0-9][0-9]", re.ASCII)
_REDIRECTS = (301, 302, 303, 307, 308)


Resolve = Callable[..., list[Any]]


class Deadline:
    """The time at which several steps together must be done."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left_s(self, reason: str) -> float:
        """Return the seconds left, more than 0.

        Raises:
            FeedLost: With this reason, if none are left.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise FeedLost(reason, "the deadline for connecting has passed")
        return left


@functools.cache
def verifying_context() -> ssl.SSLContext:
    """Return the TLS settings of all connections: verified, TLS 1.2 or newer.

    One for the process, since each holds all the certificates of the system.
    Unlike `ssl.create_default_context` it ignores SSLKEYLOGFILE.
    """
    # This protocol verifies the certificate and the host name by default (Python manual, ssl).
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    return context


def connect(
    host: str,
    port: int,
    *,
    deadline: Deadline,
    tls: ssl.SSLContext | None,
    resolve: Resolve = socket.getaddrinfo,
) -> socket.socket:
    """Connect, and do the TLS handshake if `tls` is given.

    Raises:
        FeedLost: `dns`, `refused`, `connect_timeout`, `unreachable`,
            `no_descriptors`, `tls`, `handshake_timeout` or `reset`.
        ValueError: `tls` does not verify, or allows TLS 1.1.
    """
    if tls is not None and not _is_safe(tls):
        raise ValueError("this TLS context does not verify, or allows versions before TLS 1.2")
    sock = _connect(_look_up(host, port, deadline, resolve), deadline)
    return sock if tls is None else _start_tls(sock, host, deadline, tls)


def _is_safe(tls: ssl.SSLContext) -> bool:
    verifies = tls.verify_mode is ssl.CERT_REQUIRED and tls.check_hostname
    return verifies and tls.minimum_version >= ssl.TLSVersion.TLSv1_2


def _look_up(host: str, port: int, deadline: Deadline, resolve: Resolve) -> list[Any]:
    lookup = functools.partial(resolve, host, port, 0, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # An address in digits needs no name server, and so no thread.
        return lookup(socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name: its lookup may hang, so it has a thread of its own
    except UnicodeError as exc:  # a label too long for IDNA
        raise FeedLost("dns", f"{host}: {exc}") from exc
    # Unbounded: after the deadline nobody reads it, and a late thread must still be able to end.
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()
    # Released by the thread and not when we stop waiting: a lookup that hangs still has its thread.
    if not _LOOKUPS.acquire(timeout=deadline.left_s("dns")):
        raise FeedLost("dns", "too many lookups hang")
    try:
        threading.Thread(
            target=_look_up_name, args=(lookup, answers), name="lookup", daemon=True
        ).start()
    # "can't start new thread": a limit such as TasksMax of systemd is reached.
    except RuntimeError as exc:
        _LOOKUPS.release()
        raise FeedLost("dns", str(exc)) from exc
    try:
        answer = answers.get(timeout=deadline.left_s("dns"))
    except queue.Empty as exc:
        raise FeedLost("dns", f"no answer for {host} in time") from exc
    if isinstance(answer, Exception):
        raise FeedLost("dns", f"{host}: {answer}") from answer
    return answer


def _look_up_name(lookup: Resolve, answers: "queue.SimpleQueue[list[Any] | Exception]") -> None:
    try:
        answers.put(lookup())
    except OSError as exc:
        answers.put(exc)
    finally:
        _LOOKUPS.release()


def _connect(addresses: list[Any], deadline: Deadline) -> socket.socket:
    # Each address gets its share of the time, so that one without an answer does not use it all.
    lost = FeedLost("dns", "the name has no address")
    some = addresses[:_ADDRESSES]
    for index, (family, kind, protocol, _, address) in enumerate(some):
        share_s = deadline.left_s("connect_timeout") / (len(some) - index)
        try:
            # Inside the `try`, because the constructor raises EMFILE when no descriptor is left.
            return _connect_one(socket.socket(family, kind, protocol), address, share_s)
        except OSError as exc:
            lost = FeedLost(_connect_reason(exc), f"{address[0]}: {exc}")
            lost.__cause__ = exc
    raise lost


def _connect_one(sock: socket.socket, address: Any, timeout_s: float) -> socket.socket:
    try:
        # Otherwise a small frame waits until the one before it is acknowledged (Nagle, RFC 9293
        # 3.7.4).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        sock.settimeout(timeout_s)
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def _connect_reason(exc: OSError) -> str:
    # First, because this class is a ConnectionError too.
    if isinstance(exc, ConnectionRefusedError):
        return "refused"
    if isinstance(exc, TimeoutError):
        return "connect_timeout"
    if isinstance(exc, ConnectionError):
        return "reset"
    return "no_descriptors" if exc.errno in (errno.EMFILE, errno.ENFILE) else "unreachable"


def _start_tls(
    sock: socket.socket, host: str, deadline: Deadline, tls: ssl.SSLContext
) -> TlsSocket:
    try:
        secured = TlsSocket(sock, tls, host)
    except (OSError, ValueError) as exc:  # ValueError: not a host name
        sock.close()
        raise FeedLost(_tls_reason(exc), f"TLS: {exc}") from exc
    try:
        secured.handshake(lambda: deadline.left_s("handshake_timeout"))
    except FeedLost:
        secured.close()
        raise
    except OSError as exc:
        secured.close()
        raise FeedLost(_tls_reason(exc), f"TLS: {exc}") from exc
    return secured


def _tls_reason(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "handshake_timeout"
    # An end of file in the handshake comes from the network, not from the certificate.
    if isinstance(exc, (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "reset"
    return "tls"


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
