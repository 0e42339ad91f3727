"""An HTTP server on loopback that no local user can make costly.

Every user of the host can reach the port. So it serves few connections at a time, each for a few
seconds in all, however slowly its bytes come, and takes a new one ten times a second at most: more
wait in the kernel, where they cost the tracker neither threads nor descriptors nor time.
"""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client.exposition import ThreadingWSGIServer

MOST_CLIENTS: Final = 4
CLIENT_S: Final = 3.0
"""From the first byte of a request to the last of its answer."""
BETWEEN_CLIENTS_S: Final = 0.1
_TURN_S: Final = 0.1
_Address = tuple[str, int]


class _Handler(WSGIRequestHandler):
    """Logs nothing: what a client sends is no news."""

    def log_message(self, *_args: Any) -> None:
        """Do nothing."""


class BoundedServer(ThreadingWSGIServer):
    """Serves an application to `MOST_CLIENTS` at a time, in a thread of its own for each.

    The thread of `start` accepts, and cuts off the clients whose time is over.

    Args:
        address: Host and port; port 0 takes any.
        app: The WSGI application.
        monotonic: The clock of deadlines.

    Raises:
        OSError: The address cannot be bound.
    """

    request_queue_size = 64

    def __init__(
        self,
        address: _Address,
        app: Callable[..., Any],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._free = threading.Semaphore(MOST_CLIENTS)
        self._lock = threading.Lock()
        self._deadlines: dict[socket.socket, float] = {}
        self._stopping = threading.Event()
        super().__init__(address, _Handler)
        self.set_app(app)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_TURN_S,), name="metrics", daemon=True
        )

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Return whether its thread runs."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Stop serving; cut off whoever is served."""
        self._stopping.set()
        self.shutdown()
        self._thread.join(timeout_s)
        self.cut_off(float("inf"))
        self.server_close()

    # ---------------------------------------------------- called by the library

    def server_bind(self) -> None:
        """Bind, without asking a name server for the name of this host."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Return the next connection when another one may be served.

        Raises:
            OSError: It is gone, or the server stops.
        """
        while not self._free.acquire(timeout=_TURN_S):
            self.cut_off(self._monotonic())
            if self._stopping.is_set():
                raise OSError("stopping")
        try:
            self._stopping.wait(BETWEEN_CLIENTS_S)
            request, address = super().get_request()
        except BaseException:
            self._free.release()
            raise
        with self._lock:
            self._deadlines[request] = self._monotonic() + CLIENT_S
        return request, address

    def service_actions(self) -> None:
        """Cut off the clients whose time is over; the library calls it at each turn."""
        self.cut_off(self._monotonic())

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, so that another one may be served."""
        with self._lock:
            known = self._deadlines.pop(request, None) is not None
        super().shutdown_request(request)
        if known:
            self._free.release()

    def handle_error(self, *_args: Any) -> None:
        """Do nothing: the client has left, or was cut off."""

    # -------------------------------------------------------------------------

    def cut_off(self, now: float) -> None:
        """End the connections whose deadline is before this time: their threads fail and end."""
        with self._lock:
            late = [each for each, deadline in self._deadlines.items() if deadline <= now]
            for each in late:
                # Its own thread closes it.
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
