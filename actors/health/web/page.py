"""What the metrics port answers besides the metrics: the page, its document, and two probes.

    /             the page for people (`page.html`), which asks for the document every few seconds
    /status.json  the status document, cut to what the page shows
    /healthz      200 as long as the process answers at all
    /readyz       200 while `tracker-status` would end with 0, else 503 with the reasons

Everything is made for each request and nothing is kept, so a client costs one status document
at most. Texts that strangers have chosen (names of markets, errors of servers) go through
`terminal_safe`, and the page sets them as text alone; what a browser may do with the page is in
`_headers`.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final, NamedTuple, cast

import msgspec

from actors.health.document import in_trouble_first
from actors.health.parts import Connection
from actors.model.conversion import terminal_safe

MOST_CONNECTIONS: Final = 12
"""Connections in the document of the page: those in trouble first, then the busiest."""
LONGEST_TEXT: Final = 500
"""Characters of a text in the document of the page."""
METRICS: Final = "/metrics"
READY: Final = ("healthy", "attention")
"""States in which nothing is at risk: those for which `tracker-status` ends with 0."""
_PRIVATE: Final = (".localhost", ".local", ".internal", ".home.arpa")
"""Ends of names that no public name server answers for."""
_INLINE: Final = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
_HTML, _JSON, _TEXT = "text/html", "application/json", "text/plain"

Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Answer(NamedTuple):
    """What a client gets."""

    status: HTTPStatus
    kind: str
    body: bytes


class Pages:
    """The WSGI application of the metrics port.

    Args:
        html: The page; its inline script and style are all that a browser will carry out.
        document: Returns the status document as JSON; may raise TimeoutError.
        metrics: Answers for `/metrics`.
        names: Names of this host, by which it may be asked.
    """

    def __init__(
        self,
        html: str,
        document: Callable[[], bytes],
        metrics: Application,
        names: Sequence[str] = (),
    ) -> None:
        self._html = html.encode()
        self._policy = _policy(html)
        self._document = document
        self._metrics = metrics
        self._names = frozenset(map(str.lower, names))
        self._routes: Mapping[str, Callable[[], Answer]] = {
            "/": lambda: Answer(HTTPStatus.OK, _HTML, self._html),
            "/status.json": self._status,
            "/healthz": lambda: _text(HTTPStatus.OK, "the process answers"),
            "/readyz": self._ready,
        }

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        method, path = environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", "")
        found = self.answer(method, path, environ.get("HTTP_HOST", ""))
        if found is None:

            def start(status: str, headers: Headers, *others: Any) -> Any:
                return start_response(status, [*headers, *_headers(self._policy)], *others)

            return self._metrics(environ, start)
        status = found.status
        own = [
            ("Content-Type", f"{found.kind}; charset=utf-8"),
            ("Content-Length", str(len(found.body))),
        ]
        start_response(f"{status.value} {status.phrase}", [*own, *_headers(self._policy)])
        return [b"" if method == "HEAD" else found.body]

    def answer(self, method: str, path: str, host: str) -> Answer | None:
        """Return the answer to a request, or None when it is for the metrics."""
        if not is_own(host, self._names):
            return _text(
                HTTPStatus.MISDIRECTED_REQUEST,
                "ask by an IP address, by the name of this host, or by a name that is not public,"
                " such as localhost: the page of a stranger could use any other (DNS rebinding)",
            )
        if method not in ("GET", "HEAD"):
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "there is only GET: nothing can be changed")
        if path == METRICS:
            return None
        route = self._routes.get(path)
        if route is None:
            there = ", ".join((*self._routes, METRICS))
            return _text(HTTPStatus.NOT_FOUND, f"no such page; there are {there}")
        return route()

    def _status(self) -> Answer:
        found = self._asked()
        if isinstance(found, str):
            return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"error": found})
        return _json(HTTPStatus.OK, found)

    def _ready(self) -> Answer:
        found = self._asked()
        if isinstance(found, str):
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, found)
        state, reasons = found["state"], found["reasons"]
        status = HTTPStatus.OK if state in READY else HTTPStatus.SERVICE_UNAVAILABLE
        return _text(status, "\n".join((state, *reasons)))

    def _asked(self) -> dict[str, Any] | str:
        """Return the document as the page shows it, or why there is none."""
        try:
            return shown(msgspec.json.decode(self._document(), type=dict[str, Any]))
        except TimeoutError:
            return "the process is there, and its supervisor does not answer in time"
        except Exception:  # noqa: BLE001 - whatever the cause, there is none; the log has it
            return "the status cannot be made; see the log"


def shown(document: dict[str, Any]) -> dict[str, Any]:
    """Return a status document with few connections, and with texts that are safe to show."""
    connections = document["connections"]
    each = in_trouble_first(msgspec.convert(connections["list"], tuple[Connection, ...]))
    few = msgspec.to_builtins(each[:MOST_CONNECTIONS])
    return cast("dict[str, Any]", _safe({**document, "connections": {**connections, "list": few}}))


def is_own(host: str, names: frozenset[str] = frozenset()) -> bool:
    """Return whether a Host header can only mean this host, whatever a public name server says.

    A browser that reads the page of a stranger asks for the stranger's name, wherever that leads
    (DNS rebinding). So an address is taken, a name without a dot, one that is never public, and
    the names of this host. A client that is no browser may send none.
    """
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    else:
        name = name.partition(":")[0].rstrip(".")
    if "." not in name or name in names or name.endswith(_PRIVATE):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _safe(value: object) -> object:
    """Return a value whose texts neither hide nor reorder anything, and are short."""
    if isinstance(value, str):
        cut = value if len(value) <= LONGEST_TEXT else f"{value[: LONGEST_TEXT - 1]}…"
        return terminal_safe(cut)
    if isinstance(value, dict):
        return {_safe(key): _safe(each) for key, each in value.items()}
    return list(map(_safe, value)) if isinstance(value, list) else value


def _text(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, _TEXT, f"{text}\n".encode())


def _json(status: HTTPStatus, value: object) -> Answer:
    return Answer(status, _JSON, json.dumps(value, ensure_ascii=False).encode())


def _policy(html: str) -> str:
    """Return the policy by which a browser runs the page's own script and style, nothing else."""
    allowed = {"script": "", "style": ""}
    for kind, text in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        allowed[kind] += f" 'sha256-{digest}'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src{allowed['script']}",
            f"style-src{allowed['style']}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _headers(policy: str) -> Headers:
    """Return what every answer has: no script but ours, no other site, no copy in a cache."""
    return [
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ]
