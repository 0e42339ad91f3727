"""A peer on loopback that answers each request with whatever bytes the test has scripted."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, cast

Script = Callable[[str, threading.Event], Iterable[bytes]]
"""From the request (head and body) and the event of the end to the pieces to send."""


class _Handler(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        peer = cast("_Server", self.server).peer
        while head := self._head():
            peer.requests.append(head)
            try:
                for piece in peer.script(head, peer.ended):
                    self.wfile.write(piece)
            except OSError:
                peer.hung_up.set()
                return
            if peer.hangs_up or "connection: keep" not in head.lower():
                return
        peer.hung_up.set()

    def _head(self) -> str:
        lines = []
        try:
            while line := self.rfile.readline():
                lines.append(line.decode())
                if line == b"\r\n":
                    break
            length = next(
                (int(each.split(":")[1]) for each in lines if each.startswith("Content-Length")), 0
            )
            return "".join(lines) + self.rfile.read(length).decode()
        except OSError:
            return ""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    peer: "Peer"

    def get_request(self) -> tuple[socket.socket, Any]:
        connected, address = super().get_request()
        if self.peer.tls is not None:
            connected.settimeout(10)
            connected = self.peer.tls.wrap_socket(connected, server_side=True)
        return connected, address


class Peer:
    """Listens while it is entered; `requests` holds what it was asked.

    One that hangs up ends the connection after each answer without having said so: the next
    request of a client that has sent it by then is lost.
    """

    def __init__(
        self, script: Script, *, hangs_up: bool = False, tls: ssl.SSLContext | None = None
    ) -> None:
        self.script = script
        self.hangs_up = hangs_up
        self.tls = tls
        self.requests: list[str] = []
        self.ended = threading.Event()
        self.hung_up = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.peer = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    @property
    def paths(self) -> list[str]:
        """Return the targets of all requests so far."""
        return [request.split(" ")[1] for request in self.requests]


def answering(body: bytes, status: str = "200 OK", *headers: str) -> Script:
    """Return a script that always answers the same."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    whole = "\r\n".join(lines).encode() + body
    return lambda _request, _ended: [whole]


def dripping(start: bytes, drop: bytes, pause_s: float = 0.01) -> Script:
    """Return a script that sends a start, and then drops for ever."""

    def drip(_request: str, ended: threading.Event) -> Iterable[bytes]:
        yield start
        while not ended.wait(pause_s):
            yield drop

    return drip
