"""A connection as `http.client` uses it, with a deadline and a limit of bytes for each exchange.

`http.client` reads as long as a server sends: interim answers, trailers and lengths of chunks have
limits of their own kinds or none, and a timeout of a socket begins again with every byte. Here
whatever it reads counts, and no read or write is longer than the deadline.
"""

import io
import socket
import ssl
from typing import Any

from actors.errors import ConnectionFailed
from actors.network.connect import Deadline
from actors.network.tls import TlsSocket


class Stream:
    """A connected socket, used by one thread at a time. Not more than `http.client` needs of one.

    Its methods raise ConnectionFailed: `read_timeout` or `write_timeout` at the deadline,
    `stopping`, `too_long`.

    Args:
        sock: As `connect` returns it; no longer the caller's.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._deadline = Deadline(0)
        self._left = 0
        self._readers = 0
        self._is_closed = False

    def begin(self, deadline: Deadline, most: int) -> None:
        """Begin an exchange, in which so many bytes may be read."""
        self._deadline = deadline
        self._left = most

    def allow(self, most: int) -> None:
        """Let so many bytes be read from now on, instead of what was left."""
        self._left = most

    @property
    def has_more(self) -> bool:
        """Return whether bytes are here that belong to no answer."""
        return isinstance(self._sock, TlsSocket) and self._sock.has_more

    def read_into(self, buffer: Any) -> int:
        """Read some bytes; 0: end of file."""
        view = memoryview(buffer)[: self._left]
        if not view:
            raise ConnectionFailed("too_long", "the answer is too long")
        while True:
            self._sock.settimeout(self._deadline.step_s("read_timeout"))
            try:
                size = self._sock.recv_into(view)
            except (TimeoutError, ssl.SSLWantReadError):
                continue  # nothing has arrived, or only a part of a TLS record
            self._left -= size
            return size

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        left = memoryview(data)
        while left:
            self._sock.settimeout(self._deadline.step_s("write_timeout"))
            try:
                left = left[self._sock.send(left) :]
            except (TimeoutError, BlockingIOError):
                continue  # a TLS socket wants the same data again

    def makefile(self, _mode: str = "rb") -> io.BufferedReader:
        """Return a reader. The connection is closed when it and all readers are."""
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def settimeout(self, _: float | None) -> None:
        """Do nothing: the deadline counts."""

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the connection when the last reader is closed."""
        self._is_closed = True
        self._close_unless_read()

    def reader_closed(self) -> None:
        """Record that a reader was closed."""
        self._readers -= 1
        self._close_unless_read()

    def _close_unless_read(self) -> None:
        if self._is_closed and not self._readers:
            self._sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._stream.read_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._stream.reader_closed()
