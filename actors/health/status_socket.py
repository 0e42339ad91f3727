"""The status socket: one JSON request line in, one JSON document out, over a Unix socket.

Nothing can be changed through it. A request is at most 1 KiB and must arrive within one
second, a reply must be read within two; sixteen clients at most are served at a time, the next
ones wait. While all places are taken, those who are slow have a tenth or half of a second, so that
no number of silent clients keeps the next one waiting for long. One thread of its own serves them
all, so that one slow client never blocks the others. Where the file system has no space for the
socket, the tracker records without one, and the thread tries again until it has.

Protocol: the client sends `{"get": "health"}` and a newline (or closes its side
after it) and reads one JSON object until the end: the health document, or
`{"error": "…"}`. `{"get": "coverage"}` is answered with what every connection covers now
(`takeover.py`): 11 bytes for each token on each feed. `StatusSocket` serves, `ask` asks.

`tracker-status` imports this module and must be quick: nothing here takes long to import.
"""

import contextlib
import json
import selectors
import socket
import stat
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from actors import files
from actors.errors import (
    AddressTaken,
    ConfigError,
    Fatal,
    Shortage,
    SourceUnavailable,
    start_error,
)

LONGEST_REQUEST = 1024
REQUEST_S, REPLY_S = 1.0, 2.0
MOST_CLIENTS = 16
HURRIED_REQUEST_S, HURRIED_REPLY_S = 0.1, 0.5
"""While all places are taken. Whoever means to ask does so at once, and reads at once."""
_QUEUE = 128
_TURN_S = 0.5
_HURRIED_TURN_S = 0.05
_HOLD_S = 0.1
REQUEST = b'{"get": "health"}\n'
COVERAGE_REQUEST = b'{"get": "coverage"}\n'
LARGEST_REPLY = 64 << 20
_RETRY_S = 0.1
_BIND_AGAIN_S = 1.0
_MODE = 0o660
"""For the owner and the group of the operators."""


class _Client:
    """One connection: first its request arrives, then the reply is sent."""

    def __init__(self, peer: socket.socket, now: float) -> None:
        self.peer = peer
        self.since = now
        self.request = b""
        self.reply: memoryview | None = None

    def is_late(self, now: float, *, hurried: bool) -> bool:
        """Return whether its request, or the reading of its reply, has taken too long."""
        if self.reply is None:
            return now > self.since + (HURRIED_REQUEST_S if hurried else REQUEST_S)
        return now > self.since + (HURRIED_REPLY_S if hurried else REPLY_S)


class _Loop:
    """The sockets of the thread.

    Attributes:
        listener: None while there is no space for it.
        stop: Becomes readable when the thread must end.
    """

    def __init__(self, stop: socket.socket) -> None:
        self.listener: socket.socket | None = None
        self.stop = stop
        self.selector = selectors.DefaultSelector()
        self.selector.register(stop, selectors.EVENT_READ)
        self.clients: dict[int, _Client] = {}

    @property
    def full(self) -> bool:
        """Return whether all places are taken, so that others may wait."""
        return len(self.clients) == MOST_CLIENTS

    def listen(self, listener: socket.socket) -> None:
        """Serve what connects there."""
        self.listener = listener
        self.selector.register(listener, selectors.EVENT_READ)


class StatusSocket:
    """Serves the status document to local clients.

    Args:
        path: Where to listen, at most 107 bytes.
        answer: Returns the document as JSON; called in the thread of the socket; may raise
            TimeoutError.
        others: What answers other questions than `health`, likewise.
        on_error: Called with any other error of `answer`; the client gets an error text.
        on_shortage: Called once with the reason when there is no space for the socket.
        monotonic: The clock of deadlines and of `alive_at`.

    Attributes:
        alive_at: When the thread was last seen working, for the watchdog.
    """

    def __init__(
        self,
        path: Path,
        answer: Callable[[], bytes],
        *,
        others: Mapping[str, Callable[[], bytes]] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        on_shortage: Callable[[str], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._answers = {"health": answer, **(others or {})}
        self._on_error = on_error
        self._on_shortage = on_shortage
        self._monotonic = monotonic
        self._thread: threading.Thread | None = None
        self._wake: socket.socket | None = None
        self._inode: tuple[int, int] | None = None
        self._is_short = False
        self._bind_at = 0.0
        self.alive_at = monotonic()

    def start(self) -> None:
        """Bind and serve; while there is no space for the socket, without it.

        Raises:
            AddressTaken: Another tracker answers there, or the path is not a socket.
            ConfigError: The path cannot be bound.
            OSError: No descriptor is left.
        """
        stop, self._wake = socket.socketpair()
        loop = _Loop(stop)
        try:
            self._bind(loop)
        except BaseException:
            _close(loop)
            self._wake.close()
            raise
        self.alive_at = self._monotonic()
        self._thread = threading.Thread(
            target=self._serve, args=(loop,), name="status", daemon=True
        )
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop serving and remove the socket, unless another tracker has replaced it."""
        if self._thread is None or self._wake is None:
            return
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        self._thread.join(timeout_s)
        self._thread = None
        self._wake.close()
        with contextlib.suppress(OSError):
            found = self.path.lstat()
            if (found.st_dev, found.st_ino) == self._inode:
                self.path.unlink()

    def _bind(self, loop: _Loop) -> None:
        try:
            listener = _bound(self.path)
            found = self.path.lstat()
        except Shortage as exc:
            self._bind_at = self._monotonic() + _BIND_AGAIN_S
            if not self._is_short and self._on_shortage is not None:
                self._on_shortage(str(exc))
            self._is_short = True
            return
        self._inode = (found.st_dev, found.st_ino)
        loop.listen(listener)

    # --------------------------------------------------------------- the thread

    def _serve(self, loop: _Loop) -> None:
        while True:
            self.alive_at = self._monotonic()
            for key, _ in loop.selector.select(_HURRIED_TURN_S if loop.full else _TURN_S):
                if key.fileobj is loop.stop:
                    _close(loop)
                    return
                if key.fileobj is loop.listener:
                    self._accept(loop, loop.listener)
                else:
                    self._serve_client(loop, loop.clients[key.fd])
            if loop.listener is None and self._monotonic() >= self._bind_at:
                self._bind_again(loop)
            now, hurried = self._monotonic(), loop.full
            for late in [c for c in loop.clients.values() if c.is_late(now, hurried=hurried)]:
                _drop(loop, late)

    def _bind_again(self, loop: _Loop) -> None:
        try:
            self._bind(loop)
        except (Fatal, OSError):
            # Whoever has taken the place meanwhile: the trades are worth more than the status.
            self._bind_at = self._monotonic() + _BIND_AGAIN_S

    def _accept(self, loop: _Loop, listener: socket.socket) -> None:
        try:
            peer, _ = listener.accept()
        except OSError:
            # The client left already, or no descriptor is free; then a pause keeps this loop from
            # spinning, for the listener stays readable.
            time.sleep(_HOLD_S)
            return
        peer.setblocking(False)
        loop.clients[peer.fileno()] = _Client(peer, self._monotonic())
        loop.selector.register(peer, selectors.EVENT_READ)
        if loop.full:
            # The next ones wait in the queue of the kernel until a client leaves.
            loop.selector.unregister(listener)

    def _serve_client(self, loop: _Loop, client: _Client) -> None:
        try:
            done = self._write(client) if client.reply is not None else self._read(loop, client)
        except BlockingIOError:
            return
        except OSError:
            done = True
        if done:
            _drop(loop, client)

    def _read(self, loop: _Loop, client: _Client) -> bool:
        """Read some of the request and prepare the reply when it is complete; return False."""
        some = client.peer.recv(4 * LONGEST_REQUEST)
        client.request += some
        # Nothing was read: the client has closed its side, which ends a request as a newline does.
        if some and b"\n" not in client.request and len(client.request) <= LONGEST_REQUEST:
            return False
        client.reply = memoryview(self._reply(client.request))
        client.since = self._monotonic()
        loop.selector.modify(client.peer, selectors.EVENT_WRITE)
        return False

    def _write(self, client: _Client) -> bool:
        """Send some of the reply; return whether that was the rest of it."""
        if client.reply:
            client.reply = client.reply[client.peer.send(client.reply) :]
        return not client.reply

    def _reply(self, request: bytes) -> bytes:
        if len(request) > LONGEST_REQUEST:
            return _error(f"the request is longer than {LONGEST_REQUEST} bytes")
        try:
            question = json.loads(request)
        except (ValueError, RecursionError):
            return _error("the request is not JSON")
        asked = question.get("get") if isinstance(question, dict) and len(question) == 1 else None
        answer = self._answers.get(asked) if isinstance(asked, str) else None
        if answer is None:
            return _error('unknown request; try {"get": "health"}')
        try:
            return answer() + b"\n"
        except TimeoutError:
            return _error("supervisor busy")
        except Exception as exc:  # noqa: BLE001 - passed to on_error; other clients are still served
            if self._on_error is not None:
                self._on_error(exc)
            return _error("the status cannot be made; see the log")


def _error(text: str) -> bytes:
    return json.dumps({"error": text}).encode() + b"\n"


def _drop(loop: _Loop, client: _Client) -> None:
    if loop.full and loop.listener is not None:
        loop.selector.register(loop.listener, selectors.EVENT_READ)
    del loop.clients[client.peer.fileno()]
    loop.selector.unregister(client.peer)
    client.peer.close()


def _close(loop: _Loop) -> None:
    for client in list(loop.clients.values()):
        _drop(loop, client)
    loop.selector.close()
    if loop.listener is not None:
        loop.listener.close()
    loop.stop.close()


def require_guarded(path: Path) -> None:
    """Check that nobody else can put a socket in the place of ours.

    Raises:
        ConfigError: Somebody can, or the directory cannot be used.
    """
    try:
        files.require_guarded(path.parent)
    except OSError as exc:
        raise ConfigError(
            f"status socket {path}: {exc.strerror}, or name another place with"
            " TRACKER_STATUS_SOCKET"
        ) from exc


def _bound(path: Path) -> socket.socket:
    """Return a socket that listens at this path; one that nobody listens on is replaced.

    Raises:
        ConfigError: No socket can be made at this path.
        Shortage: There is no space for it.
        AddressTaken: Another tracker listens there, or something else is in its place.
    """
    require_guarded(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        listener.bind(str(path))
        # Nobody can connect before `listen`, so nobody finds it with another mode.
        path.chmod(_MODE)
        listener.listen(_QUEUE)
    except OSError as exc:
        listener.close()
        place = f"status socket {path}"
        advice = "name another place with TRACKER_STATUS_SOCKET"
        raise start_error(exc, place, advice) from exc
    except AddressTaken:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens on any more, and nothing else.

    Raises:
        AddressTaken: Something else is there.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise AddressTaken(f"status socket {path}: something else is in its place")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(REQUEST_S)
        try:
            # Only a connect shows whether a tracker is there: the file
            # outlives one that was killed.
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as exc:
            raise AddressTaken(
                f"status socket {path}: {exc.strerror or 'does not answer'}"
            ) from exc
    raise AddressTaken(
        f"status socket {path}: another tracker answers there; stop it, or give this one a"
        " TRACKER_STATE_DIR and a TRACKER_STATUS_SOCKET of its own"
    )


def ask(path: Path, timeout_s: float = 2.0, *, request: bytes = REQUEST) -> bytes:
    """Return the document of the tracker at a status socket, as JSON text.

    Args:
        path: Where the socket is.
        timeout_s: Limit of the whole exchange.
        request: What is asked for.

    Raises:
        SourceUnavailable: Nobody answers there, or not in time. The text says why.
    """
    deadline = time.monotonic() + timeout_s
    parts: list[bytes] = []
    size = 0
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            _connect(peer, path, deadline)
            peer.sendall(request)
            while size <= LARGEST_REPLY:
                peer.settimeout(_left(deadline))
                part = peer.recv(1 << 20)
                if not part:
                    return b"".join(parts)
                parts.append(part)
                size += len(part)
    except TimeoutError as exc:
        raise SourceUnavailable(f"no answer within {timeout_s:.1f} s") from exc
    except OSError as exc:
        raise SourceUnavailable((exc.strerror or str(exc)).lower()) from exc
    raise SourceUnavailable("the answer is too large")


def _connect(peer: socket.socket, path: Path, deadline: float) -> None:
    """Connect, and try again while the queue of the socket is full (EAGAIN comes at once)."""
    while True:
        peer.settimeout(_left(deadline))
        try:
            peer.connect(str(path))
        except BlockingIOError:
            time.sleep(min(_RETRY_S, _left(deadline)))
        else:
            return


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
