"""Dialling: from a host and a port to a connected socket, within one deadline.

DNS, TCP and TLS by the standard library, without anything that hides in the
environment (proxies, key logs). Everything that goes wrong is a `FeedLost`
with a stable reason.
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

_USER_TIMEOUT_MS = 15_000  # how long the kernel lets our bytes go without acknowledgement
_ADDRESSES = 8  # of one name that are tried
_LOOKUPS = threading.BoundedSemaphore(32)
"""`getaddrinfo` knows no timeout: a lookup that hangs leaves a thread. So many at most."""

Resolve = Callable[..., list[Any]]


class Deadline:
    """One moment by which several steps must be done."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left_s(self, reason: str) -> float:
        """Return the seconds left, more than 0.

        Raises:
            FeedLost: There are none; with this reason.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise FeedLost(reason, "the time for connecting is over")
        return left


@functools.cache
def verifying_context() -> ssl.SSLContext:
    """Return the TLS settings of all connections: verified, TLS 1.2 or newer.

    One for the process, since each holds all the certificates of the system.
    Unlike `ssl.create_default_context` it ignores SSLKEYLOGFILE.
    """
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
    """Connect, and secure the connection when `tls` is given.

    Raises:
        FeedLost: `dns`, `rejected`, `connect_timeout`, `unreachable`,
            `no_descriptors`, `tls`, `handshake_timeout` or `reset`.
        ValueError: `tls` does not verify, or allows TLS 1.1.
    """
    if tls is not None and not _is_safe(tls):
        raise ValueError("this TLS context does not verify, or allows what is older than TLS 1.2")
    sock = _connect(_look_up(host, port, deadline, resolve), deadline)
    return sock if tls is None else _secure(sock, host, deadline, tls)


def _is_safe(tls: ssl.SSLContext) -> bool:
    verifies = tls.verify_mode is ssl.CERT_REQUIRED and tls.check_hostname
    return verifies and tls.minimum_version >= ssl.TLSVersion.TLSv1_2


def _look_up(host: str, port: int, deadline: Deadline, resolve: Resolve) -> list[Any]:
    ask = functools.partial(resolve, host, port, 0, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        return ask(socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name: it may take for ever, so it is looked up in a thread of its own
    except UnicodeError as exc:  # a label too long for IDNA
        raise FeedLost("dns", f"{host}: {exc}") from exc
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()
    if not _LOOKUPS.acquire(timeout=deadline.left_s("dns")):
        raise FeedLost("dns", "too many lookups hang")
    try:
        threading.Thread(target=_answer, args=(ask, answers), name="lookup", daemon=True).start()
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


def _answer(ask: Resolve, answers: "queue.SimpleQueue[list[Any] | Exception]") -> None:
    try:
        answers.put(ask())
    except OSError as exc:
        answers.put(exc)
    finally:
        _LOOKUPS.release()


def _connect(addresses: list[Any], deadline: Deadline) -> socket.socket:
    # Each address gets its share of the time, so that one black hole does not eat it all.
    lost = FeedLost("dns", "the name has no address")
    some = addresses[:_ADDRESSES]
    for index, (family, kind, protocol, _, address) in enumerate(some):
        share_s = deadline.left_s("connect_timeout") / (len(some) - index)
        try:
            return _connect_one(socket.socket(family, kind, protocol), address, share_s)
        except OSError as exc:
            lost = FeedLost(_connect_reason(exc), f"{address[0]}: {exc}")
            lost.__cause__ = exc
    raise lost


def _connect_one(sock: socket.socket, address: Any, timeout_s: float) -> socket.socket:
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        sock.settimeout(timeout_s)
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def _connect_reason(exc: OSError) -> str:
    if isinstance(exc, ConnectionRefusedError):
        return "rejected"
    if isinstance(exc, TimeoutError):
        return "connect_timeout"
    if isinstance(exc, ConnectionError):
        return "reset"
    return "no_descriptors" if exc.errno in (errno.EMFILE, errno.ENFILE) else "unreachable"


def _secure(sock: socket.socket, host: str, deadline: Deadline, tls: ssl.SSLContext) -> TlsSocket:
    try:
        secured = TlsSocket(sock, tls, host)
    except (OSError, ValueError) as exc:  # ValueError: not a name that TLS can ask for
        sock.close()
        raise FeedLost(_secure_reason(exc), f"TLS: {exc}") from exc
    try:
        secured.shake_hands(lambda: deadline.left_s("handshake_timeout"))
    except FeedLost:
        secured.close()
        raise
    except OSError as exc:
        secured.close()
        raise FeedLost(_secure_reason(exc), f"TLS: {exc}") from exc
    return secured


def _secure_reason(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "handshake_timeout"
    # An end of file in the handshake is the network's doing, not the certificate's.
    if isinstance(exc, (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "reset"
    return "tls"
