"""Connect: from a host and a port to a connected socket, within one deadline.

DNS, TCP and TLS by the standard library; nothing in the environment (proxies, key logs) has an
effect. Every failure is a `FeedLost` with a stable reason.
"""

import errno
import functools
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from actors.errors import FeedLost
from actors.transport.tls import TlsSocket

# A network that swallows everything sends neither FIN nor RST. Without this limit the kernel sends
# the same bytes again for 13 to 30 minutes before it gives up (tcp(7), tcp_retries2).
_USER_TIMEOUT_MS = 15_000  # unacknowledged for so long, sent bytes end the connection
_ADDRESSES = 8  # addresses of one name that are tried
_LOOKUPS = threading.BoundedSemaphore(32)
"""Bounds the threads in lookups: `getaddrinfo` has no timeout, so one that hangs keeps a thread."""

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
