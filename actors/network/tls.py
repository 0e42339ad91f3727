"""A TLS socket that finds the records itself: one call to the kernel brings many of them.

`ssl.SSLSocket` calls the kernel twice for each record (16 KiB at most), once for its header. This
one reads ciphertext into the reactor's own buffer, passes it to OpenSSL record by record through
memory, and has it decrypted to where the ciphertext was. Plaintext is shorter, so nothing is
overwritten that is still to be read.

Between two reads it keeps the beginning of one record, and nothing else.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

_HEAD = 5  # type, version, length (RFC 8446 5.1)
# TLS 1.3 allows only 256 bytes more than the plaintext (RFC 8446 5.2), TLS 1.2 these 2,048.
_LONGEST = 16384 + 2048  # payload of a record (RFC 5246 6.2.3)
_TWO_RECORDS = 2 * (_HEAD + _LONGEST)
_MUCH = 128 << 10  # bytes of a read that makes larger buffers in OpenSSL worth their memory
_SMALL = 4096
_RECORD_TYPES = range(20, 25)
_MAJOR = 3  # first byte of every version


class TlsSocket(socket.socket):
    """The client's end of TLS; non-blocking or with a timeout, like the socket it takes over.

    Reading raises `ssl.SSLWantReadError` if no whole record has arrived, also with a timeout,
    since one call reads from the kernel once. Writing raises `BlockingIOError`; both raise
    `ssl.SSLError` and `OSError`. An end of the stream without `close_notify` is an end of file.

    Args:
        sock: Connected, and no longer the caller's.
        context: Settings of a client.
        host: The name that the certificate must have.

    Raises:
        ValueError: Not a host name. `sock` stays the caller's.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        # Any buffer is allowed, and with one it returns a number; the annotations differ.
        self._read = cast(Callable[[int, memoryview], int], self._tls.read)
        self._begun = b""  # the beginning of the next record
        self._unsent = bytearray()  # ciphertext
        self._written = 0  # bytes of the caller whose ciphertext is unsent
        self._failed: ssl.SSLError | None = None
        self._closed_by_peer = False  # `close_notify` or the end of the stream was read
        timeout = sock.gettimeout()
        # Last, since it takes the descriptor away from `sock`: whatever raises above leaves the
        # socket to the caller. The new object does not inherit the timeout.
        super().__init__(sock.family, sock.type, sock.proto, sock.detach())
        self.settimeout(timeout)

    def handshake(self, left_s: Callable[[], float]) -> None:
        """Do the TLS handshake.

        Args:
            left_s: Returns after how long at most it is asked again, or raises.

        Raises:
            OSError: It failed; `ssl.SSLEOFError`: the other side ended it.
        """
        while True:
            self.settimeout(left_s())
            try:
                if self._step():
                    return
            except TimeoutError:
                continue  # what is sent or read by half is kept

    def _step(self) -> bool:
        # Go on with the handshake; return whether it is done.
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send_ciphertext()
            self._feed()
            return False
        except ssl.SSLError:
            self._send_answer()  # the alert with the reason
            raise
        # The call that succeeds may have written our last message (Finished in TLS 1.3, RFC 8446
        # 2).
        self._send_ciphertext()
        return True

    def version(self) -> str | None:
        """Return the version of TLS; None before the handshake."""
        return self._tls.version()

    @property
    def held_bytes(self) -> int:
        """Return how many bytes of an incomplete record are here."""
        return len(self._begun)

    @property
    def has_more(self) -> bool:
        """Return whether there is something to read that the kernel has given already."""
        # An end or a failure that was read together with data is reported by the next read. The
        # kernel has nothing more to give then, so epoll would never cause that read.
        return self._tls.pending() > 0 or self._closed_by_peer or self._failed is not None

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """Read some bytes; none: end of file. `flags` must be 0."""
        buffer = bytearray(bufsize)
        return bytes(buffer[: self.recv_into(buffer, 0, flags)])

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Read what has arrived, as much as fits; all of the buffer may be overwritten.

        Several records are read at once if they fit.

        Raises:
            ValueError: `nbytes` or `flags` is not 0.
            OSError: The connection failed; `ssl.SSLWantReadError`: no whole record has arrived.
        """
        if nbytes or flags:
            raise ValueError("nbytes and flags are not supported")
        view = memoryview(buffer)
        if self._failed is not None:
            raise self._failed
        if self._closed_by_peer:
            return 0
        # What is held is less than one record, so two records leave space to read into. With an
        # empty slice recv returns 0, which would be taken for the end of the stream.
        if len(view) < _TWO_RECORDS or self._tls.pending():
            return self._recv_one(view)
        held = len(self._begun)
        view[:held] = self._begun
        try:
            got = super().recv_into(view[held:])
        except BlockingIOError as exc:
            raise _want_read() from exc
        return self._decrypt(view, held + got) if got else 0

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of it and return how much.

        Raises:
            ValueError: `flags` is not 0.
            OSError: It failed. After a BlockingIOError call it again with the same data.
        """
        if flags:
            raise ValueError("flags are not supported")
        # Not encrypted a second time after BlockingIOError: the ciphertext is still in `_unsent`,
        # and the server would get the same data twice. One record holds 16,384 bytes (RFC 8446
        # 5.1).
        if not self._written:
            self._written = self._tls.write(bytes(data[:16384]))
        self._send_ciphertext()
        size, self._written = self._written, 0
        return size

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it. Each record has the whole timeout."""
        while data:
            data = data[self.send(data, flags) :]

    def _decrypt(self, view: memoryview, stop: int) -> int:
        # Decrypt the records up to `stop` to the beginning of the view; return the bytes.
        # OpenSSL keeps the memory that it once needed for its input as long as the connection
        # lasts, so connections that read little pass their records in small pieces.
        most = _TWO_RECORDS if stop > _MUCH else _SMALL
        at = missing = end = 0
        read, feed = self._read, self._incoming.write
        while missing or stop - at >= _HEAD:
            if not missing:
                missing = _record_bytes(view, at)
                if at + missing > stop:
                    break
            piece = at + (missing if missing < most else most)  # noqa: FURB136 - min() is a call
            feed(view[at:piece])
            missing -= piece - at
            at = piece
            try:
                got = read(_LONGEST, view[end:])
            except ssl.SSLWantReadError:
                continue  # not every record has data, nor every piece
            except ssl.SSLError as exc:
                self._failed = exc
                break
            end += got
            # 0 is close_notify. What follows it must be ignored (RFC 8446 6.1).
            if not got:
                self._closed_by_peer = True
                break
        # A copy, because the next connection overwrites the buffer.
        self._begun = bytes(view[at:stop])
        self._send_answer()
        # What was decrypted before a failure is returned first; the next read raises.
        if end or self._closed_by_peer:
            return end
        raise self._failed or _want_read()

    def _recv_one(self, view: memoryview) -> int:
        # Read what is left of a decrypted record, or a part of the next one.
        try:
            return self._read(len(view), view)
        except ssl.SSLWantReadError:
            self._send_answer()
        try:
            if not self._feed():
                return 0
        except BlockingIOError as exc:
            raise _want_read() from exc
        return self._read(len(view), view)

    def _feed(self) -> bool:
        # Read once from the kernel what the record lacks, and pass it to OpenSSL when it is
        # complete. False: the stream has ended.
        more = super().recv(_record_bytes(self._begun) - len(self._begun))
        if not more:
            # Otherwise OpenSSL would ask for more bytes for ever.
            self._incoming.write_eof()
            return False
        self._begun += more
        if len(self._begun) >= _record_bytes(self._begun):
            self._incoming.write(self._begun)
            self._begun = b""
        return True

    def _send_answer(self) -> None:
        # Send what OpenSSL answers to what was read. What the kernel does not take now goes with
        # what is sent next, which raises if the connection is broken.
        if self._outgoing.pending:
            with contextlib.suppress(OSError):
                self._send_ciphertext()

    def _send_ciphertext(self) -> None:
        self._unsent += self._outgoing.read()
        while self._unsent:
            del self._unsent[: super().send(self._unsent)]


def _want_read() -> ssl.SSLWantReadError:
    return ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "no whole record has arrived")


def _record_bytes(view: bytes | memoryview, at: int = 0) -> int:
    # How long the record is that begins there, as far as its header is known. Bytes that are no
    # record are passed to OpenSSL as they are, which raises the fitting error.
    if len(view) - at < _HEAD or view[at] not in _RECORD_TYPES or view[at + 1] != _MAJOR:
        return _HEAD
    size: int = view[at + 3] << 8 | view[at + 4]
    return _HEAD + size if size <= _LONGEST else _HEAD
