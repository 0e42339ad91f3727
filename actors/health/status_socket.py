"""The status socket: one JSON request line in, one JSON document out, over a Unix socket.

Nothing can be changed through it. A request is at most 1 KiB and must come
within a second, a reply must be taken within two; eight clients at most are
served at a time, the next ones wait. One thread of its own serves them all, so that a stuck
supervisor, writer or client never silences the others.

Protocol: the client sends `{"get": "health"}` and a newline (or closes its side
after it) and reads one JSON object until the end: the health document, or
`{"error": "…"}`. The asking side is `status_question`.
"""

import contextlib
import json
import os
import selectors
import socket
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from actors.errors import AddressTaken, ConfigError

LONGEST_REQUEST = 1024
REQUEST_S, REPLY_S = 1.0, 2.0
MOST_CLIENTS = 8
_TURN_S = 0.5
_HOLD_S = 0.1
_UMASK = 0o117
"""Leaves 0660: the owner and the operators' group."""


@dataclass
class _Client:
    """One connection: first its request, then our reply."""

    peer: socket.socket
    deadline: float
    request: bytes = b""
    reply: memoryview | None = None


@dataclass
class _Room:
    """What the thread works with."""

    listener: socket.socket
    asleep: socket.socket
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    clients: dict[int, _Client] = field(default_factory=dict)


class StatusSocket:
    """Serves a status document.

    Args:
        path: Where to listen, at most 107 bytes.
        answer: Gives the document as JSON, in the thread of the socket; may raise
            TimeoutError.
        on_error: Told of anything else that `answer` raised; the client gets an error.
        monotonic: The clock of deadlines and of `alive_at`.
    """

    def __init__(
        self,
        path: Path,
        answer: Callable[[], bytes],
        *,
        on_error: Callable[[Exception], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._answer = answer
        self._on_error = on_error
        self._monotonic = monotonic
        self._thread: threading.Thread | None = None
        self._wake: socket.socket | None = None
        self._inode: tuple[int, int] | None = None
        self.alive_at = monotonic()

    def start(self) -> None:
        """Bind and serve. Call it before other threads make files: it sets the umask for a moment.

        Raises:
            AddressTaken: Another tracker answers there, or the path is something else.
            ConfigError: The path cannot be bound.
        """
        listener = _bound(self.path)
        found = self.path.stat()
        self._inode = (found.st_dev, found.st_ino)
        asleep, self._wake = socket.socketpair()
        room = _Room(listener, asleep)
        for door in (listener, asleep):
            room.selector.register(door, selectors.EVENT_READ)
        self.alive_at = self._monotonic()
        self._thread = threading.Thread(
            target=self._serve, args=(room,), name="status", daemon=True
        )
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop serving and remove the socket, unless it is another's by now."""
        if self._thread is None or self._wake is None:
            return
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        self._thread.join(timeout_s)
        self._wake.close()
        with contextlib.suppress(OSError):
            found = self.path.lstat()
            if (found.st_dev, found.st_ino) == self._inode:
                self.path.unlink()

    # --------------------------------------------------------------- the thread

    def _serve(self, room: _Room) -> None:
        while True:
            self.alive_at = self._monotonic()
            for key, _ in room.selector.select(_TURN_S):
                if key.fileobj is room.asleep:
                    _leave(room)
                    return
                if key.fileobj is room.listener:
                    self._accept(room)
                else:
                    self._serve_client(room, room.clients[key.fd])
            for late in [c for c in room.clients.values() if c.deadline < self._monotonic()]:
                _drop(room, late)

    def _accept(self, room: _Room) -> None:
        try:
            peer, _ = room.listener.accept()
        except OSError:
            # Gone again, or no descriptor is left: then it would be readable in every turn.
            time.sleep(_HOLD_S)
            return
        peer.setblocking(False)
        room.clients[peer.fileno()] = _Client(peer, self._monotonic() + REQUEST_S)
        room.selector.register(peer, selectors.EVENT_READ)
        if len(room.clients) == MOST_CLIENTS:
            # The next ones wait in the kernel's queue until someone leaves.
            room.selector.unregister(room.listener)

    def _serve_client(self, room: _Room, client: _Client) -> None:
        try:
            done = self._write(client) if client.reply is not None else self._read(room, client)
        except BlockingIOError:
            return
        except OSError:
            done = True
        if done:
            _drop(room, client)

    def _read(self, room: _Room, client: _Client) -> bool:
        """Take in some of the request; begin to reply when it is whole."""
        some = client.peer.recv(4 * LONGEST_REQUEST)
        client.request += some
        if some and b"\n" not in client.request and len(client.request) <= LONGEST_REQUEST:
            return False
        client.reply = memoryview(self._reply(client.request))
        client.deadline = self._monotonic() + REPLY_S
        room.selector.modify(client.peer, selectors.EVENT_WRITE)
        return False

    def _write(self, client: _Client) -> bool:
        """Send some of the reply; tell whether that was all."""
        if client.reply:
            client.reply = client.reply[client.peer.send(client.reply) :]
        return not client.reply

    def _reply(self, request: bytes) -> bytes:
        if len(request) > LONGEST_REQUEST:
            return _error(f"the request is longer than {LONGEST_REQUEST} bytes")
        try:
            said = json.loads(request)
        except (ValueError, RecursionError):
            return _error("the request is not JSON")
        if said != {"get": "health"}:
            return _error('unknown request; try {"get": "health"}')
        try:
            return self._answer() + b"\n"
        except TimeoutError:
            return _error("supervisor busy")
        except Exception as exc:  # noqa: BLE001 - told to on_error; the other clients are served on
            if self._on_error is not None:
                self._on_error(exc)
            return _error("the status cannot be told; see the log")


def _error(text: str) -> bytes:
    return json.dumps({"error": text}).encode() + b"\n"


def _drop(room: _Room, client: _Client) -> None:
    if len(room.clients) == MOST_CLIENTS:
        room.selector.register(room.listener, selectors.EVENT_READ)
    del room.clients[client.peer.fileno()]
    room.selector.unregister(client.peer)
    client.peer.close()


def _leave(room: _Room) -> None:
    for client in list(room.clients.values()):
        _drop(room, client)
    room.selector.close()
    room.listener.close()
    room.asleep.close()


def _bound(path: Path) -> socket.socket:
    """Return a listening socket at this path, in the place of a dead one."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(_UMASK)
    try:
        _clear(path)
        listener.bind(str(path))
        listener.listen(MOST_CLIENTS)
    except OSError as exc:
        listener.close()
        raise ConfigError(
            f"status socket {path}: {exc.strerror or exc}; name another place with"
            " TRACKER_STATUS_SOCKET"
        ) from exc
    except AddressTaken:
        listener.close()
        raise
    finally:
        os.umask(umask)
    listener.setblocking(False)
    return listener


def _clear(path: Path) -> None:
    """Remove a socket that nobody answers any more, and nothing else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise AddressTaken(f"status socket {path}: there is something else in its place")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(REQUEST_S)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as exc:
            raise AddressTaken(
                f"status socket {path}: {exc.strerror or 'does not answer'}"
            ) from exc
    raise AddressTaken(f"status socket {path}: another tracker answers there")
