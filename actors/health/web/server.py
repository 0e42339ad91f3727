"""An HTTP server that nobody who reaches its port can make costly.

Every user of the host can reach the port, or whoever is in the network. So a connection costs a
descriptor until its request is here as a whole; few of those wait, and the oldest has to go for a
new one. Who asks at once is therefore served at once, however many others hold connections and say
nothing. Answers are made for few clients at a time, each for a few seconds however slowly it reads,
ten a second at most: more wait in the kernel, where they cost the tracker neither threads nor time.
"""

import contextlib
import selectors
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client.exposition import ThreadingWSGIServer

MOST_CLIENTS: Final = 4
"""Answers that are made at a time."""
MOST_WAITING: Final = 32
"""Connections whose request is not here, or waits for its turn."""
CLIENT_S: Final = 3.0
"""For a request to arrive, and for its answer to be read."""
BETWEEN_CLIENTS_S: Final = 0.1
LONGEST_REQUEST: Final = 8192
_TURN_S: Final = 0.05
_ENDS = (b"\r\n\r\n", b"\n\n")
_Address = tuple[str, int]


class _Handler(WSGIRequestHandler):
    """Logs nothing: what a client sends is no news."""

    def log_message(self, *_args: Any) -> None:
        """Do nothing."""


class BoundedServer(ThreadingWSGIServer):
    """Serves an application to `MOST_CLIENTS` at a time, in a thread of its own for each.

    The thread of `start` accepts, looks for requests, and cuts off the clients whose time is over.

    Args:
        address: Host and port; port 0 takes any.
        app: The WSGI application.
        monotonic: The clock of deadlines.

    Raises:
        OSError: The address cannot be bound.
    """

    request_queue_size = 512

    def __init__(
        self,
        address: _Address,
        app: Callable[..., Any],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._waiting: dict[socket.socket, float] = {}  # the oldest comes first
        self._next_at = 0.0
        self._lock = threading.Lock()
        self._deadlines: dict[socket.socket, float] = {}
        self._stopping = threading.Event()
        self.address_family = family_of(address[0])
        super().__init__(address, _Handler)
        self.set_app(app)
        self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Return how many connections wait for their request to arrive, or for their turn."""
        return len(self._waiting)

    @property
    def is_alive(self) -> bool:
        """Return whether its thread runs."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Stop serving; cut off whoever is served."""
        self._stopping.set()
        self._thread.join(timeout_s)
        self.cut_off(float("inf"))
        self.server_close()

    # ---------------------------------------------------- called by the library

    def server_bind(self) -> None:
        """Bind, without asking a name server for the name of this host."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, so that another one may be served. In the thread that serves it."""
        with self._lock:
            self._deadlines.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, *_args: Any) -> None:
        """Do nothing: the client has left, or was cut off."""

    # --------------------------------------------------------------- the thread

    def _serve(self) -> None:
        self.socket.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            while not self._stopping.is_set():
                selector.select(_TURN_S)
                self._accept()
                self._look(self._monotonic())
                self.cut_off(self._monotonic())
                # Not more turns than that, however many connect: a connection takes a descriptor
                # and no time.
                self._stopping.wait(_TURN_S)
        for each in tuple(self._waiting):
            self._forget(each)

    def _accept(self) -> None:
        """Take what has connected; the oldest of those that have asked nothing go for it."""
        asked = sum(bool(_asked(each)) for each in self._waiting)
        for _ in range(MOST_WAITING - asked):
            try:
                peer, _ = self.socket.accept()
            except OSError:
                break  # nobody else is there, or no descriptor is left
            peer.setblocking(False)
            self._waiting[peer] = self._monotonic() + CLIENT_S
        surplus = len(self._waiting) - MOST_WAITING
        if surplus > 0:
            for each in [each for each in self._waiting if not _asked(each)][:surplus]:
                self._forget(each)

    def _look(self, now: float) -> None:
        """Serve the oldest whole request if its turn has come; drop whoever does not ask."""
        for each, deadline in tuple(self._waiting.items()):
            state = _asked(each)
            if state is None or deadline <= now:
                self._forget(each)
            elif state and now >= self._next_at and len(self._deadlines) < MOST_CLIENTS:
                self._next_at = now + BETWEEN_CLIENTS_S
                self._answer(each, now)

    def _answer(self, peer: socket.socket, now: float) -> None:
        """Let a thread answer the request that is here."""
        del self._waiting[peer]
        peer.setblocking(True)
        with self._lock:
            self._deadlines[peer] = now + CLIENT_S
        try:
            self.process_request(peer, peer.getpeername())
        except (OSError, RuntimeError):  # it has left; or no thread can be started
            self.shutdown_request(peer)

    def _forget(self, peer: socket.socket) -> None:
        del self._waiting[peer]
        peer.close()

    def cut_off(self, now: float) -> None:
        """End the connections whose deadline is before this time: their threads fail and end."""
        with self._lock:
            late = [each for each, deadline in self._deadlines.items() if deadline <= now]
            for each in late:
                # Its own thread closes it.
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def family_of(address: str) -> socket.AddressFamily:
    """Return the family of an IP address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _asked(peer: socket.socket) -> bool | None:
    """Return whether a whole request is here; None: there will be none, or it is too long."""
    try:
        found = peer.recv(LONGEST_REQUEST, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return None
    if any(end in found for end in _ENDS):
        return True
    return None if not found or len(found) == LONGEST_REQUEST else False
