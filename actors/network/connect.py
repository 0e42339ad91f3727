"""Connect to a host and a port: name, TCP and TLS within one deadline.

The feed and all HTTP sources connect here, so they have the same deadline, the same TLS settings
and the same independence of the environment. The standard library does the work. Every failure is
a `ConnectionFailed` with a stable reason.

A name may have several addresses, some of which never answer. They are tried side by side, each a
moment after the one before (RFC 8305), so one that is dead costs a moment and not the whole time.
"""

import contextlib
import errno
import functools
import os
import queue
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from itertools import zip_longest
from typing import Any, Self

from actors.errors import ConnectionFailed
from actors.network.tls import TlsSocket

# A network that swallows everything sends neither FIN nor RST. Without this limit the kernel sends
# the same bytes again for 13 to 30 minutes before it gives up (tcp(7), tcp_retries2).
_USER_TIMEOUT_MS = 15_000  # unacknowledged for so long, sent bytes end the connection
_LOOK_S = 0.1
"""How often a wait looks whether the process stops."""
MOST_ADDRESSES = 16
"""Addresses of one name that are tried."""
AT_ONCE = 4
"""Addresses of one name that are tried at the same time."""
_HEAD_START_S = 0.25
"""So long an address is tried before the next one is too (RFC 8305 5)."""
_MORE = threading.BoundedSemaphore(32)
"""Bounds the sockets of the process that are tried beside the first one of each connection.

Whoever connects has counted one descriptor; the journal and the database need theirs.
"""
LOOKUPS_OF_A_NAME = 16
"""Bounds the threads in lookups: `getaddrinfo` has no timeout, so one that hangs keeps a thread."""

_UNKNOWN_AUTHORITY = frozenset({18, 19, 20, 21})  # X509_V_ERR_…: self-signed, or no issuer

Resolve = Callable[..., list[Any]]


class Deadline:
    """The time at which several steps together must be done.

    Args:
        seconds: From now.
        stop: When set, no step may begin, and waits end within 0.1 s.
    """

    def __init__(self, seconds: float, stop: threading.Event | None = None) -> None:
        self._at = time.monotonic() + seconds
        self._stop = stop

    @property
    def is_over(self) -> bool:
        """Return whether the time has passed."""
        return time.monotonic() >= self._at

    def within(self, seconds: float) -> "Deadline":
        """Return a deadline in so many seconds, or this one if it is earlier."""
        return Deadline(min(seconds, self._at - time.monotonic()), self._stop)

    def left_s(self, reason: str) -> float:
        """Return the seconds left, more than 0.

        Raises:
            ConnectionFailed: With this reason, if none are left; `stopping`.
        """
        if self._stop is not None and self._stop.is_set():
            raise ConnectionFailed("stopping", "the process stops")
        left = self._at - time.monotonic()
        if left <= 0:
            raise ConnectionFailed(reason, "the deadline for connecting has passed")
        return left

    def step_s(self, reason: str) -> float:
        """Return how long to wait before this is asked again; raise as `left_s` does."""
        left = self.left_s(reason)
        return left if self._stop is None else min(left, _LOOK_S)


@functools.cache
def verifying_context() -> ssl.SSLContext:
    """Return the TLS settings of all connections: verified, TLS 1.2 or newer.

    One for the process, since each holds all the certificates of the system. Unlike
    `ssl.create_default_context` it ignores SSLKEYLOGFILE. SSL_CERT_FILE and SSL_CERT_DIR name the
    trusted authorities, for a network with one of its own.
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
        ConnectionFailed: `dns`, `refused`, `connect_timeout`, `unreachable`,
            `no_descriptors`, `tls`, `handshake_timeout`, `reset` or `stopping`.
        ValueError: `tls` does not verify, or allows TLS 1.1.
    """
    if tls is not None and not _is_safe(tls):
        raise ValueError("this TLS context does not verify, or allows versions before TLS 1.2")
    with _Attempts(_look_up(host, port, deadline, resolve), deadline) as attempts:
        sock = attempts.first_connected()
    return sock if tls is None else _start_tls(sock, host, deadline, tls)


def _is_safe(tls: ssl.SSLContext) -> bool:
    verifies = tls.verify_mode is ssl.CERT_REQUIRED and tls.check_hostname
    return verifies and tls.minimum_version >= ssl.TLSVersion.TLSv1_2


# ---------------------------------------------------------------------- names


@functools.cache
def _lookups(_host: str) -> threading.BoundedSemaphore:
    # Of each name its own: a name server that keeps one source waiting must not use up the threads
    # of the feed. All hosts come from the settings, so they are few.
    return threading.BoundedSemaphore(LOOKUPS_OF_A_NAME)


def _look_up(host: str, port: int, deadline: Deadline, resolve: Resolve) -> list[Any]:
    lookup = functools.partial(resolve, host, port, 0, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # An address in digits needs no name server, and so no thread.
        return lookup(socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name: its lookup may hang, so it has a thread of its own
    except UnicodeError as exc:  # a label too long for IDNA
        raise ConnectionFailed("dns", f"{host}: {exc}") from exc
    answer = _answer(host, deadline, lookup)
    if isinstance(answer, Exception):
        raise ConnectionFailed("dns", f"{host}: {answer}") from answer
    return answer


def _answer(host: str, deadline: Deadline, lookup: Resolve) -> list[Any] | Exception:
    lookups = _lookups(host)
    try:
        while not lookups.acquire(timeout=deadline.step_s("dns")):
            continue
    except ConnectionFailed as exc:
        raise _unless_stopping(exc, "too many lookups hang") from None
    # Unbounded: after the deadline nobody reads it, and a late thread must still be able to end.
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()
    try:
        # It releases, and not we when we stop waiting: a lookup that hangs still has its thread.
        threading.Thread(
            target=_look_up_name, args=(lookup, answers, lookups), name="lookup", daemon=True
        ).start()
    # "can't start new thread": a limit such as TasksMax of systemd is reached.
    except RuntimeError as exc:
        lookups.release()
        raise ConnectionFailed("dns", str(exc)) from exc
    try:
        while True:
            try:
                return answers.get(timeout=deadline.step_s("dns"))
            except queue.Empty:
                continue
    except ConnectionFailed as exc:
        raise _unless_stopping(exc, f"no answer for {host} in time") from None


def _unless_stopping(exc: ConnectionFailed, detail: str) -> ConnectionFailed:
    return exc if exc.reason == "stopping" else ConnectionFailed(exc.reason, detail)


def _look_up_name(
    lookup: Resolve,
    answers: "queue.SimpleQueue[list[Any] | Exception]",
    lookups: threading.BoundedSemaphore,
) -> None:
    try:
        answers.put(lookup())
    except OSError as exc:
        answers.put(exc)
    finally:
        lookups.release()


# ------------------------------------------------------------------ addresses


def interleaved(addresses: list[Any]) -> list[Any]:
    """Return the addresses with their families in turn (RFC 8305 4), otherwise as they came.

    A host whose IPv6 leads nowhere may have more addresses of it than are tried.
    """
    families = dict.fromkeys(info[0] for info in addresses)
    columns = ([info for info in addresses if info[0] == family] for family in families)
    return [info for row in zip_longest(*columns) for info in row if info is not None]


def head_start_s(count: int, left_s: float) -> float:
    """Return how long an address is tried before the next of so many is too.

    All are begun early enough to have the same time, also where `AT_ONCE` of them have to end
    before others begin.
    """
    share_s = left_s / (count + AT_ONCE - 1)
    return share_s if count > AT_ONCE else min(_HEAD_START_S, share_s)


class _Attempts:
    """The addresses of one name, of which the first that connects is taken."""

    def __init__(self, addresses: list[Any], deadline: Deadline) -> None:
        self._next = interleaved(addresses)[:MOST_ADDRESSES]
        self._deadline = deadline
        self._waiting: dict[int, tuple[socket.socket, Any]] = {}  # by descriptor, oldest first
        self._poll = select.poll()
        self._more = 0  # taken from `_MORE`
        self._lost = ConnectionFailed("dns", "the name has no address")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in list(self._waiting):
            self._take(fd)[0].close()
        self._give_back()

    def first_connected(self) -> socket.socket:
        """Return the first socket that is connected; raise as `connect` does."""
        start_s = head_start_s(len(self._next), self._deadline.left_s("connect_timeout"))
        next_at = time.monotonic()
        while self._next or self._waiting:
            wait_s = self._wait_s()
            if self._next and (not self._waiting or time.monotonic() >= next_at):
                next_at = time.monotonic() + start_s
                self._begin(self._next.pop(0))
                continue
            if self._next:
                wait_s = max(0.0, min(wait_s, next_at - time.monotonic()))
            for fd, _ in self._poll.poll(wait_s * 1000):
                sock, address = self._take(fd)
                if not (number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                    return sock
                sock.close()
                self._lose(address, OSError(number, os.strerror(number)))
        raise self._lost

    def _wait_s(self) -> float:
        try:
            return self._deadline.step_s("connect_timeout")
        except ConnectionFailed as exc:
            hosts = ", ".join(address[0] for _, address in self._waiting.values())
            raise _unless_stopping(exc, f"no answer of {hosts} in time") from None

    def _begin(self, info: Any) -> None:
        family, kind, protocol, _, address = info
        while self._waiting and not self._may_have_more():
            oldest, dropped = self._take(next(iter(self._waiting)))
            oldest.close()
            self._lose(dropped, TimeoutError("no answer in its share of the time"))
        try:
            # Inside the `try`, because the constructor raises EMFILE when no descriptor is left.
            sock = socket.socket(family, kind, protocol)
            try:
                _start(sock, address)
            except OSError:
                sock.close()
                raise
        except OSError as exc:
            self._lose(address, exc)
            return
        self._waiting[sock.fileno()] = sock, address
        self._poll.register(sock, select.POLLOUT)

    def _may_have_more(self) -> bool:
        if len(self._waiting) >= AT_ONCE or not _MORE.acquire(blocking=False):
            return False
        self._more += 1
        return True

    def _take(self, fd: int) -> tuple[socket.socket, Any]:
        self._poll.unregister(fd)
        taken = self._waiting.pop(fd)
        self._give_back()
        return taken

    def _give_back(self) -> None:
        while self._more > max(0, len(self._waiting) - 1):
            self._more -= 1
            _MORE.release()

    def _lose(self, address: Any, exc: OSError) -> None:
        self._give_back()
        self._lost = ConnectionFailed(_connect_reason(exc), f"{address[0]}: {exc}")
        self._lost.__cause__ = exc


def _start(sock: socket.socket, address: Any) -> None:
    # Otherwise a small frame waits until the one before it is acknowledged (Nagle, RFC 9293 3.7.4).
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):  # under way
        sock.connect(address)


def _connect_reason(exc: OSError) -> str:
    # First, because this class is a ConnectionError too.
    if isinstance(exc, ConnectionRefusedError):
        return "refused"
    if isinstance(exc, TimeoutError):
        return "connect_timeout"
    if isinstance(exc, ConnectionError):
        return "reset"
    return "no_descriptors" if exc.errno in (errno.EMFILE, errno.ENFILE) else "unreachable"


# ------------------------------------------------------------------------ TLS


def _start_tls(
    sock: socket.socket, host: str, deadline: Deadline, tls: ssl.SSLContext
) -> TlsSocket:
    try:
        secured = TlsSocket(sock, tls, host)
    except (OSError, ValueError) as exc:  # ValueError: not a host name
        sock.close()
        raise ConnectionFailed(_tls_reason(exc), f"TLS: {exc}") from exc
    try:
        secured.handshake(lambda: deadline.step_s("handshake_timeout"))
    except ConnectionFailed:
        secured.close()
        raise
    except OSError as exc:
        secured.close()
        raise ConnectionFailed(_tls_reason(exc), f"TLS: {exc}{_authorities(exc)}") from exc
    return secured


def _authorities(exc: OSError) -> str:
    """Return where the trusted authorities come from, if it is one of them that lacks."""
    code = exc.verify_code if isinstance(exc, ssl.SSLCertVerificationError) else None
    if code not in _UNKNOWN_AUTHORITY:
        return ""
    paths = ssl.get_default_verify_paths()
    if found := [path for path in (paths.cafile, paths.capath) if path]:
        return f"; the trusted authorities are those of {' and '.join(found)}"
    return f"; neither {paths.openssl_cafile} nor {paths.openssl_capath} is there"


def _tls_reason(exc: Exception) -> str:
    # An end of file in the handshake comes from the network, not from the certificate.
    if isinstance(exc, (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "reset"
    return "tls"
