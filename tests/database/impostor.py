"""An impostor: it answers in the place of a PostgreSQL server, and notes all that it is given."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CLEAR: Final = struct.pack("!cii", b"R", 8, 3)
"""Asks for the password in clear text (PostgreSQL manual, "Message Formats")."""
MD5: Final = struct.pack("!cii4s", b"R", 12, 5, b"salt")
LET_IN: Final = struct.pack("!cii", b"R", 8, 0) + struct.pack("!cic", b"Z", 5, b"I")
"""Asks for nothing, as if the password were right."""
SASL: Final = struct.pack("!cii", b"R", 8 + 15, 10) + b"SCRAM-SHA-256\0\0"

_ENCRYPTION: Final = (80877103, 80877104)
"""Requests for TLS and for GSSAPI."""
_DEADLINE_S: Final = 20


class Impostor:
    """Answers one client after the other, each in the same way.

    Attributes:
        heard: All that clients have sent, with lengths and codes.
        answers: What they have sent after they were asked for the password.
    """

    def __init__(self, listener: socket.socket, asks: bytes) -> None:
        self._listener = listener
        self._asks = asks
        self.heard = b""
        self.answers = b""
        self._client: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed: the test is over
            while True:
                client, _ = self._listener.accept()
                self._client = client
                with client, contextlib.suppress(OSError):
                    client.settimeout(_DEADLINE_S)
                    self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        while True:
            head = client.recv(8, socket.MSG_WAITALL)
            if len(head) < 8:
                return
            length, code = struct.unpack("!ii", head)
            self.heard += head + client.recv(length - 8, socket.MSG_WAITALL)
            if code not in _ENCRYPTION:
                break
            client.sendall(b"N")
        client.sendall(self._asks)
        while sent := client.recv(1 << 16):
            self.heard += sent
            self.answers += sent
            client.sendall(self._after(sent))

    def _after(self, _sent: bytes) -> bytes:
        """Return what follows what the client has answered."""
        return b""

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._client is not None:  # one that keeps its end open is not waited for
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=_DEADLINE_S)


@contextlib.contextmanager
def on_loopback(asks: bytes, kind: type[Impostor] = Impostor) -> Iterator[tuple[Impostor, int]]:
    """Yield an impostor and its port on 127.0.0.1."""
    listener = socket.create_server(("127.0.0.1", 0))
    impostor = kind(listener, asks)
    try:
        yield impostor, listener.getsockname()[1]
    finally:
        impostor.end()


@contextlib.contextmanager
def on_socket(folder: Path, asks: bytes) -> Iterator[Impostor]:
    """Yield an impostor on the socket of a server with port 5432 in a folder."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / ".s.PGSQL.5432"))
    listener.listen()
    impostor = Impostor(listener, asks)
    try:
        yield impostor
    finally:
        impostor.end()
