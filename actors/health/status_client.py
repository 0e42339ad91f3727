"""The client of the status socket (`status_socket.py`)."""

import socket
import time
from pathlib import Path

from actors.errors import SourceUnavailable

REQUEST = b'{"get": "health"}\n'
LARGEST_REPLY = 64 << 20
_HOLD_S = 0.1


def ask(path: Path, timeout_s: float = 2.0) -> bytes:
    """Return the document of the tracker at a status socket, as JSON text.

    Args:
        path: Where the socket is.
        timeout_s: Limit of the whole exchange.

    Raises:
        SourceUnavailable: Nobody answers there, or not in time. The text says why.
    """
    deadline = time.monotonic() + timeout_s
    parts: list[bytes] = []
    size = 0
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            _connect(peer, path, deadline)
            peer.sendall(REQUEST)
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
            time.sleep(min(_HOLD_S, _left(deadline)))
        else:
            return


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
