"""HTTP requests with a deadline for the whole call, whatever the server does.

`network` connects, reads and writes: one deadline, one stop, one set of TLS settings for the feed
and for all sources. requests and urllib3 speak HTTP on such a connection, and connect nothing
themselves. What is read is limited before and after decompression. Redirects, proxies and
authorities of the environment are not used, and no cookie is looked at or kept. Any thread may
call; each call uses a connection of its own.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from actors.backoff import read_retry_after_s
from actors.errors import ConnectionFailed, SourceUnavailable
from actors.network.connect import Deadline, connect, verifying_context
from actors.network.stream import Stream
from actors.polymarket.date_clock import DateClock

DEADLINE_S = 20.0
CONNECT_S = 10.0
"""Of a call, for name, TCP and TLS together."""
MAX_BYTES = 5_000_000
HEAD_BYTES = 64 << 10
"""The longest status line and headers, with all interim answers before them."""
FRAMING_BYTES = 256 << 10
"""What may be read beside a body: the lengths of its chunks, trailers."""
MOST_READS, READ_BYTES = 1_000, 256
"""A body may come in so many pieces, and one more for each of so many bytes: each has its cost."""
_CHUNK_BYTES = 65_536
_SHOWN_CHARS = 200
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
"""Others were not offered; several of them one in another multiply what has to be unpacked."""


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
        took_s: From the connection to the last byte, or to the failure.
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
    took_s: float = 0.0


OnCall = Callable[[Call], None]
Dial = Callable[..., socket.socket]


class Http:
    """A client of HTTP sources.

    Args:
        user_agent: Polymarket's firewall rejects the default ones of libraries.
        deadline_s: For a whole call, from the connection to the last byte.
        max_bytes: Of a body, after decompression.
        stop: When set, calls under way are cut.
        on_call: Told of every call when it is over, in the thread of the call.
        dial: Connects, as `network.connect.connect` does.

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
        dial: Dial = connect,
    ) -> None:
        self._dial = dial
        self._on_call = on_call
        self._deadline_s = deadline_s
        self._max_bytes = max_bytes
        self._stop = stop
        self.clock = DateClock()
        self._session = requests.Session()
        # Otherwise requests takes proxies, authorities and logins (.netrc) from the environment.
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = user_agent
        self._session.headers["Accept"] = "application/json"
        self._session.headers["Accept-Encoding"] = "gzip, deflate"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter())

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
        began_at = time.monotonic()
        try:
            return self._exchange(call, url, expected, kwargs)
        except SourceUnavailable as exc:
            call.error = str(exc)
            raise
        finally:
            call.took_s = time.monotonic() - began_at
            if self._on_call is not None:
                self._on_call(call)

    def _exchange(
        self, call: Call, url: str, expected: tuple[int, ...], kwargs: dict[str, Any]
    ) -> tuple[int, bytes]:
        where = _shown(url, path=call.method == "GET")
        deadline = Deadline(self._deadline_s, self._stop)
        link = _Link(deadline, self._dial)
        try:
            with link.entered(), self._send(call.method, url, kwargs) as response:
                call.status, call.headers = response.status_code, response.headers
                call.received_s = time.time()
                self.clock.add(call.headers, sent_s=call.sent_s, received_s=call.received_s)
                link.allow(self._max_bytes + FRAMING_BYTES)
                call.answer = self._read(response, where, whole=call.status in expected)
        except ConnectionFailed as exc:
            raise SourceUnavailable(f"{where}: {self._why(exc, deadline)}") from exc
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as exc:
            raise SourceUnavailable(f"{where}: {_innermost(exc)}") from exc
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
            **kwargs,
        )

    def _why(self, exc: ConnectionFailed, deadline: Deadline) -> str:
        if exc.reason == "stopping":
            return exc.reason
        if exc.reason == "too_long":
            return f"more than {self._max_bytes} bytes, or over {HEAD_BYTES} of headers"
        if deadline.is_over:
            return f"no answer within {self._deadline_s:g} s ({exc.reason})"
        return str(exc)[:_SHOWN_CHARS]

    def _read(self, response: requests.Response, where: str, *, whole: bool) -> bytes:
        # Of an error page only the beginning is needed.
        body, reads = bytearray(), 0
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            if whole:
                raise SourceUnavailable(f"{where}: encoded as {_printable(encoding.encode())}")
            return b""
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            reads += 1
            if reads > MOST_READS + self._max_bytes // READ_BYTES:
                raise SourceUnavailable(f"{where}: more than {reads - 1} pieces")
            if not whole and len(body) >= _SHOWN_CHARS:
                break
            if len(body) > self._max_bytes:
                raise SourceUnavailable(f"{where}: more than {self._max_bytes} bytes")
        return bytes(body)


class _Link:
    """How the connection of one call is made and what it may take.

    Connections are made deep inside of requests; the context tells them whose call they serve.
    """

    def __init__(self, deadline: Deadline, dial: Dial) -> None:
        self._deadline = deadline
        self._dial = dial
        self._stream: Stream | None = None

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Serve the calls of this thread meanwhile."""
        token = _link.set(self)
        try:
            yield
        finally:
            _link.reset(token)

    def open(self, host: str, port: int, *, secure: bool) -> Stream:
        """Return a new connection."""
        tls = verifying_context() if secure else None
        deadline = self._deadline.within(CONNECT_S)
        stream = Stream(self._dial(host, port, deadline=deadline, tls=tls))
        self.begin(stream)
        return stream

    def begin(self, stream: Stream) -> None:
        """Use this connection, which may have served other calls."""
        self._stream = stream
        stream.begin(self._deadline, HEAD_BYTES)

    def allow(self, most: int) -> None:
        """Let so many bytes be read, now that the headers have arrived."""
        if self._stream is not None:
            self._stream.allow(most)


_link: ContextVar[_Link] = ContextVar("link")


class _Response(http.client.HTTPResponse):
    def begin(self) -> None:
        super().begin()
        if self.msg.defects:  # urllib3 would log it, with the path of the URL, and go on
            raise HTTPException(f"damaged headers: {type(self.msg.defects[0]).__name__}")
        # Before requests reads them, which it does whatever it may keep of them. Whether it follows
        # a redirect or not, it unpacks all of its body, without a limit, whatever stops.
        for name in ("Set-Cookie", "Set-Cookie2", "Location"):
            del self.msg[name]


class _Ours(HTTPConnection):
    response_class = _Response
    stream: Stream

    def connect(self) -> None:
        secure = isinstance(self, HTTPSConnection)
        self.stream = _link.get().open(self.host, self.port or self.default_port, secure=secure)
        self.sock = self.stream  # not one, but what http.client needs of one
        self.is_verified = secure

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # it has served another call
            _link.get().begin(self.stream)
        super().request(*args, **kwargs)

    @property
    def is_connected(self) -> bool:
        return super().is_connected and not self.stream.has_more


class _TlsConnection(_Ours, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Ours


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
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
