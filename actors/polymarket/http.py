"""HTTP requests with a deadline for the whole call, whatever the server does.

The read timeout of `requests` begins again with every byte, so a thread per call (the
watch) shuts the socket down when the deadline is over. Bodies are limited after
decompression. Redirects and proxies of the environment are not followed, and no
cookie is kept. Any thread may call; each call uses a connection of its own.

The deadline does not cover the resolver: `getaddrinfo` takes no timeout.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from actors.backoff import read_retry_after_s
from actors.errors import SourceUnavailable
from actors.polymarket.date_clock import DateClock

DEADLINE_S = 20.0
CONNECT_S = 5.0
MAX_BYTES = 5_000_000
_CHUNK_BYTES = 65_536
_WATCH_S = 0.2
"""How often the watch looks whether the process stops."""
_SHOWN_CHARS = 200


@dataclass(slots=True, kw_only=True)
class Call:
    """One call, for whoever watches them.

    Attributes:
        url: With its query. It may hold secrets.
        body: What was sent; empty for a GET.
        sent_s: Before the request was sent, seconds since 1970.
        received_s: When the headers had arrived; 0 without an answer.
        status: Of the answer; None when none came.
        headers: Of the answer; names in any case.
        answer: Its body as far as it was read, after decompression.
        error: Why the answer is not used, for people; empty when it is.
    """

    method: str
    url: str
    body: bytes = b""
    sent_s: float
    received_s: float = 0.0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: bytes = b""
    error: str = ""


OnCall = Callable[[Call], None]


class Http:
    """A client of HTTP sources.

    Args:
        user_agent: Polymarket's firewall rejects the default ones of libraries.
        deadline_s: For a whole call, from the connection to the last byte.
        max_bytes: Of a body, after decompression.
        stop: When set, calls under way are cut.
        on_call: Told of every call when it is over, in the thread of the call.

    Attributes:
        clock: Our clock against the `Date` of the answers.
    """

    def __init__(
        self,
        user_agent: str,
        *,
        deadline_s: float = DEADLINE_S,
        max_bytes: int = MAX_BYTES,
        stop: threading.Event | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        self._on_call = on_call
        self._deadline_s = deadline_s
        self._max_bytes = max_bytes
        self._stop = stop or threading.Event()
        self.clock = DateClock()
        self._session = requests.Session()
        # Otherwise requests takes proxies and logins (.netrc) from the environment.
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = user_agent
        self._session.headers["Accept"] = "application/json"
        self._session.headers["Accept-Encoding"] = "gzip, deflate"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _WatchedAdapter())

    def get(self, url: str, params: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return the body of a 200.

        Raises:
            SourceUnavailable: Anything else, too slow or too large.
        """
        return self._call("GET", url, params=list(params))[1]

    def find(self, url: str) -> bytes | None:
        """Return the body of a 200, or None for a 404.

        Raises:
            SourceUnavailable: Anything else, too slow or too large.
        """
        status, body = self._call("GET", url, expected=(200, 404))
        return body if status == 200 else None

    def post(self, url: str, body: bytes) -> bytes:
        """Return the body of the 200 that answers this JSON.

        Raises:
            SourceUnavailable: Anything else, too slow or too large. The path
                of the URL, which may be a secret, does not appear in it.
        """
        return self._call("POST", url, data=body, headers={"Content-Type": "application/json"})[1]

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def _call(
        self, method: str, url: str, *, expected: tuple[int, ...] = (200,), **kwargs: Any
    ) -> tuple[int, bytes]:
        asked = f"{url}?{urlencode(kwargs['params'])}" if kwargs.get("params") else url
        call = Call(method=method, url=asked, body=kwargs.get("data", b""), sent_s=time.time())
        try:
            return self._exchange(call, url, expected, kwargs)
        except SourceUnavailable as exc:
            call.error = str(exc)
            raise
        finally:
            if self._on_call is not None:
                self._on_call(call)

    def _exchange(
        self, call: Call, url: str, expected: tuple[int, ...], kwargs: dict[str, Any]
    ) -> tuple[int, bytes]:
        where = _shown(url, path=call.method == "GET")
        watch = _Watch(self._deadline_s, self._stop)
        try:
            with watch, self._send(call.method, url, kwargs) as response:
                call.status, call.headers = response.status_code, response.headers
                call.received_s = time.time()
                self.clock.add(call.headers, sent_s=call.sent_s, received_s=call.received_s)
                call.answer = self._read(response, where, whole=call.status in expected)
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as exc:
            reason = watch.cut_reason or _innermost(exc)
            raise SourceUnavailable(f"{where}: {reason}") from exc
        if watch.cut_reason:  # a cut connection looks like the end of a body without length
            raise SourceUnavailable(f"{where}: {watch.cut_reason}")
        if call.status not in expected:
            raise SourceUnavailable(
                f"{where}: HTTP {call.status} {_printable(call.answer)}".rstrip(),
                retry_after_s=read_retry_after_s(
                    call.headers.get("Retry-After"),
                    date=call.headers.get("Date"),
                    wall_s=time.time(),
                ),
                status=call.status,
            )
        return call.status, call.answer

    def _send(self, method: str, url: str, kwargs: dict[str, Any]) -> requests.Response:
        return self._session.request(
            method,
            url,
            allow_redirects=False,
            stream=True,
            timeout=(min(CONNECT_S, self._deadline_s), self._deadline_s),
            **kwargs,
        )

    def _read(self, response: requests.Response, where: str, *, whole: bool) -> bytes:
        # Of an error page only the beginning is needed.
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if not whole and len(body) >= _SHOWN_CHARS:
                break
            if len(body) > self._max_bytes:
                raise SourceUnavailable(f"{where}: more than {self._max_bytes} bytes")
        return bytes(body)


class _Watch:
    """Cuts the connection of one call when its time is over or the process stops.

    Runs in a thread of its own while it is entered.

    Attributes:
        cut_reason: Why the connection was cut; empty while it was not.
    """

    def __init__(self, deadline_s: float, stop: threading.Event) -> None:
        self.cut_reason = ""
        self._deadline_s = deadline_s
        self._stop = stop
        self._ends_at = time.monotonic() + deadline_s
        self._done = threading.Event()
        self._socket: socket.socket | None = None

    def __enter__(self) -> None:
        self._token = _watch.set(self)
        threading.Thread(target=self._run, name="http-watch", daemon=True).start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Before the thread is stopped: an idle connection of the pool must not be cut any more.
        self._socket = None
        self._done.set()
        _watch.reset(self._token)

    def attach(self, connected: socket.socket | None) -> None:
        """Set the socket to cut. In the thread of the call.

        Raises:
            TimeoutError: The time is over already.
        """
        # The socket is stored before the reason is read, and `_cut` does it the other way round. So
        # one of the two threads sees what the other did, and no call stays uncut.
        self._socket = connected
        if self.cut_reason:  # it was cut before it had a socket
            raise TimeoutError(self.cut_reason)

    def _run(self) -> None:
        while not self._done.wait(min(_WATCH_S, max(0.0, self._ends_at - time.monotonic()))):
            if self._stop.is_set():
                return self._cut("stopping")
            if time.monotonic() >= self._ends_at:
                return self._cut(f"no answer within {self._deadline_s:g} s")
        return None

    def _cut(self, reason: str) -> None:
        self.cut_reason = reason
        if (connected := self._socket) is not None:
            with suppress(OSError):  # the connection has just ended
                connected.shutdown(socket.SHUT_RDWR)


# Connections are made deep inside of requests; the context tells them whose call they serve.
_watch: ContextVar[_Watch | None] = ContextVar("watch", default=None)


def _attach(connected: socket.socket | None) -> None:
    if (watch := _watch.get()) is not None:
        watch.attach(connected)


class _PlainConnection(HTTPConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        _attach(self.sock)


class _TlsConnection(HTTPSConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        _attach(self.sock)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _WatchedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


def _shown(url: str, *, path: bool) -> str:
    """Return what an error message may show of a URL."""
    parts = urlsplit(url)
    return f"{parts.hostname}{parts.path if path else ''}"


def _innermost(exc: BaseException) -> str:
    # The outer errors of requests contain the whole URL; the innermost is the cause.
    while (inner := exc.__cause__ or exc.__context__) is not None:
        exc = inner
    return f"{type(exc).__name__}: {exc}"[:_SHOWN_CHARS]


def _printable(body: bytes) -> str:
    text = body[:_SHOWN_CHARS].decode(errors="replace")
    return "".join(char if char.isprintable() else " " for char in text).strip()
