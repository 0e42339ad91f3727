"""A TLS socket whose records are cut out here: one call to the kernel brings many of them.

`ssl.SSLSocket` asks the kernel twice for each record (16 KiB at most), once for
its header. This one reads ciphertext into the reader's own buffer, hands it to
OpenSSL record by record through memory, and has it decrypted to where the
ciphertext stood: what is plain is shorter, so nothing is overwritten that is
still to be read.

Between two reads it keeps what is there of one record, and nothing else.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

_HEAD = 5  # type, version, length (RFC 8446 5.1)
_LONGEST = 16384 + 2048  # payload of a record (RFC 5246 6.2.3)
_ROOMY = 2 * (_HEAD + _LONGEST)
_MUCH = 128 << 10  # bytes in one read of a connection that is worth some memory
_SMALL = 4096
_KINDS = range(20, 25)
_MAJOR = 3  # of all versions


class TlsSocket(socket.socket):
    """The client's end of TLS; non-blocking or with a timeout, like the socket it takes over.

    Reading raises `ssl.SSLWantReadError` when no whole record is here, with a timeout
    too: one call asks the kernel once. Writing raises `BlockingIOError`, and both of
    them `ssl.SSLError` and `OSError`. An end without a goodbye of TLS is an end.

    Args:
        sock: Connected, and no longer the caller's.
        context: Settings of a client.
        host: Whom the certificate must name.

    Raises:
        ValueError: Not a name that TLS can ask for. `sock` stays the caller's.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        # Any buffer will do, and with one it gives a number; the annotations do not know.
        self._read = cast(Callable[[int, memoryview], int], self._tls.read)
        self._begun = b""  # of the next record
        self._unsent = bytearray()  # ciphertext
        self._written = 0  # bytes of the caller's whose ciphertext is unsent
        self._failed: ssl.SSLError | None = None
        self._over = False  # the other side has said that it ends
        timeout = sock.gettimeout()
        super().__init__(sock.family, sock.type, sock.proto, sock.detach())
        self.settimeout(timeout)

    def shake_hands(self, left_s: Callable[[], float]) -> None:
        """Do the TLS handshake.

        Args:
            left_s: Gives how long the next step may take, or raises.

        Raises:
            OSError: It failed; `ssl.SSLEOFError`: the other side ended it.
        """
        while True:
            self.settimeout(left_s())
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._drain()
                self._feed()
            except ssl.SSLError:
                self._answer()  # tells the other side why
                raise
            else:
                self._drain()
                return

    def version(self) -> str | None:
        """Return the version of TLS, once hands are shaken."""
        return self._tls.version()

    @property
    def has_more(self) -> bool:
        """Return whether there is something to read that the kernel does not know of."""
        return self._tls.pending() > 0 or self._over or self._failed is not None

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Read some bytes; none: the other side has ended. `flags` are not known here."""
        buffer = bytearray(bufsize)
        return bytes(buffer[: self.recv_into(buffer, 0, flags)])

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Read what is there, as much as fits, into a buffer which it may use to its end.

        Several records at once if there is room for them. `nbytes` and `flags`
        are not known here.
        """
        if nbytes or flags:
            raise ValueError("neither nbytes nor flags")
        view = memoryview(buffer)
        if self._failed is not None:
            raise self._failed
        if self._over:
            return 0
        if len(view) < _ROOMY or self._tls.pending():
            return self._recv_one(view)
        held = len(self._begun)
        view[:held] = self._begun
        try:
            got = super().recv_into(view[held:])
        except BlockingIOError as exc:
            raise _want_read() from exc
        return self._decrypt(view, held + got) if got else 0

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of it, and tell how much; after an exception, repeat with the same data."""
        if flags:
            raise ValueError("no flags")
        if not self._written:
            self._written = self._tls.write(bytes(data[:16384]))
        self._drain()
        size, self._written = self._written, 0
        return size

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it. The timeout is one for each record."""
        while data:
            data = data[self.send(data, flags) :]

    def _decrypt(self, view: memoryview, stop: int) -> int:
        # The records up to `stop`, to the beginning of the view; give how many bytes they were.
        # Memory that OpenSSL once needed for what it was given it keeps as long as the
        # connection, so those who read little give it their records in small bites.
        most = _ROOMY if stop > _MUCH else _SMALL
        at = lacks = end = 0
        read, feed = self._read, self._incoming.write
        while lacks or stop - at >= _HEAD:
            if not lacks:
                lacks = _record_bytes(view, at)
                if at + lacks > stop:
                    break
            bite = at + (lacks if lacks < most else most)  # noqa: FURB136 - min() is a call
            feed(view[at:bite])
            lacks -= bite - at
            at = bite
            try:
                got = read(_LONGEST, view[end:])
            except ssl.SSLWantReadError:
                continue  # not every record has data, nor every bite
            except ssl.SSLError as exc:
                self._failed = exc
                break
            end += got
            if not got:
                self._over = True
                break
        self._begun = bytes(view[at:stop])
        self._answer()
        if end or self._over:
            return end
        raise self._failed or _want_read()

    def _recv_one(self, view: memoryview) -> int:
        # What is left of a record, or of the next one.
        try:
            return self._read(len(view), view)
        except ssl.SSLWantReadError:
            self._answer()
        try:
            if not self._feed():
                return 0
        except BlockingIOError as exc:
            raise _want_read() from exc
        return self._read(len(view), view)

    def _feed(self) -> bool:
        # Ask the kernel once for what the record lacks, and give it to OpenSSL when it is
        # all there. False: the stream has ended.
        more = super().recv(_record_bytes(self._begun) - len(self._begun))
        if not more:
            self._incoming.write_eof()
            return False
        self._begun += more
        if len(self._begun) >= _record_bytes(self._begun):
            self._incoming.write(self._begun)
            self._begun = b""
        return True

    def _answer(self) -> None:
        # What TLS itself has to say after reading. If there is no room it goes with what is
        # sent next; if that fails, sending will say so.
        if self._outgoing.pending:
            with contextlib.suppress(OSError):
                self._drain()

    def _drain(self) -> None:
        self._unsent += self._outgoing.read()
        while self._unsent:
            del self._unsent[: super().send(self._unsent)]


def _want_read() -> ssl.SSLWantReadError:
    return ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "no whole record is here")


def _record_bytes(view: bytes | memoryview, at: int = 0) -> int:
    # How long the record is that begins there, as far as one can tell. What is none is given
    # to OpenSSL as it is, which finds the words for it.
    if len(view) - at < _HEAD or view[at] not in _KINDS or view[at + 1] != _MAJOR:
        return _HEAD
    size: int = view[at + 3] << 8 | view[at + 4]
    return _HEAD + size if size <= _LONGEST else _HEAD
