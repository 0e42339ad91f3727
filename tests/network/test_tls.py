import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.network.tls import TlsSocket
from tests.transport.loopback import WAIT_S, trusting

pytestmark = pytest.mark.live

RECORD = 16384
BUFFER = 256 << 10


class Server:
    """The other end. A test gets its ciphertext, and sends it or not."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def handshake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._receive()
            else:
                self.sock.sendall(self._outgoing.read())
                return

    def cipher(self, data: bytes) -> bytes:
        """Return the records that carry this."""
        self._tls.write(data)
        return self._outgoing.read()

    def close_notify(self) -> bytes:
        """Return the record of `close_notify`."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._outgoing.read()

    def read(self, size: int) -> bytes:
        """Read so many bytes."""
        data = b""
        while len(data) < size:
            try:
                data += self._tls.read(size - len(data))
            except ssl.SSLWantReadError:
                self._receive()
        return data

    def _receive(self) -> None:
        self.sock.sendall(self._outgoing.read())
        data = self.sock.recv(1 << 16)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


class Pair:
    """Both ends of a connection after the TLS handshake; ours does not block."""

    def __init__(self, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.settimeout(WAIT_S)
        self.server = Server(theirs, contexts[0])
        self.ours = TlsSocket(ours, contexts[1], "localhost")
        thread = threading.Thread(target=self.server.handshake)
        thread.start()
        self.ours.handshake(lambda: WAIT_S)
        thread.join(WAIT_S)
        self.ours.setblocking(False)

    def send(self, raw: bytes) -> None:
        self.server.sock.sendall(raw)

    def close(self) -> None:
        self.ours.close()
        self.server.sock.close()


def all_read(ours: TlsSocket, buffer_bytes: int) -> bytes:
    """Read until nothing is there, with a buffer of so many bytes."""
    data, buffer = b"", bytearray(buffer_bytes)
    empty_reads = 0
    while empty_reads < 3:  # with a buffer smaller than a record, a read may bring a part of one
        try:
            size = ours.recv_into(memoryview(buffer))
        except ssl.SSLWantReadError:
            empty_reads += 1
        else:
            assert size
            empty_reads = 0
            data += buffer[:size]
    return data


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    return server, trusting(authority)


@pytest.fixture
def pair(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[Pair]:
    pair = Pair(contexts)
    yield pair
    pair.close()


@pytest.fixture(scope="module", params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def lasting(
    request: pytest.FixtureRequest, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> Iterator[Pair]:
    client = contexts[1]
    client.maximum_version = request.param
    pair = Pair(contexts)
    client.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    yield pair
    pair.close()


# ------------------------------------------------------------ reading


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from([1, 2, 100, 5000, RECORD - 1, RECORD, RECORD + 1, 40_000]), max_size=5
    ),
    st.lists(st.floats(0, 1), max_size=5),
    st.sampled_from([1000, RECORD, 36_000, 37_000, 50_000, BUFFER]),
)
def test_no_byte_is_lost_however_the_records_are_cut_and_however_large_the_buffer_is(
    lasting: Pair, sizes: list[int], cuts: list[float], buffer_bytes: int
) -> None:
    plain = b"".join(bytes([number + 1]) * size for number, size in enumerate(sizes))
    raw = b"".join(
        lasting.server.cipher(bytes([number + 1]) * size) for number, size in enumerate(sizes)
    )
    bounds = [0, *sorted(int(cut * len(raw)) for cut in cuts), len(raw)]
    got = b""
    for begin, end in pairwise(bounds):
        lasting.send(raw[begin:end])
        got += all_read(lasting.ours, buffer_bytes)
    assert got == plain
    assert not lasting.ours.has_more


def test_single_bytes_make_whole_records(pair: Pair) -> None:
    got = b""
    for byte in pair.server.cipher(b"first") + pair.server.cipher(b"second"):
        pair.send(bytes([byte]))
        got += all_read(pair.ours, BUFFER)
    assert got == b"firstsecond"


def test_one_read_brings_many_records(pair: Pair) -> None:
    all_read(pair.ours, BUFFER)
    for records in (5, 11):
        pair.send(pair.server.cipher(b"x" * records * RECORD))
        assert pair.ours.recv_into(bytearray(BUFFER)) == records * RECORD


def test_has_more_is_true_for_what_did_not_fit(pair: Pair) -> None:
    all_read(pair.ours, BUFFER)
    pair.send(pair.server.cipher(b"x" * 100))
    buffer = bytearray(60)
    with pytest.raises(ssl.SSLWantReadError):
        pair.ours.recv_into(buffer)  # the header of the record
    assert pair.ours.recv_into(buffer) == 60
    assert pair.ours.has_more
    assert pair.ours.recv_into(buffer) == 40
    assert not pair.ours.has_more


def test_bytes_behind_the_end_of_the_buffer_are_not_overwritten(pair: Pair) -> None:
    all_read(pair.ours, BUFFER)
    pair.send(pair.server.cipher(b"x" * 100))
    buffer = bytearray(b"." * BUFFER)
    assert pair.ours.recv_into(memoryview(buffer)[: BUFFER - 10]) == 100
    assert buffer[-10:] == b"." * 10


def test_records_without_data_are_nothing_to_read(pair: Pair) -> None:
    # The tickets that a server sends after the handshake.
    assert all_read(pair.ours, BUFFER) == b""
    with pytest.raises(ssl.SSLWantReadError):
        pair.ours.recv_into(bytearray(BUFFER))


# ------------------------------------------------------------ ends


@pytest.mark.parametrize("buffer_bytes", [1000, BUFFER])
def test_close_notify_is_an_end_after_what_was_sent_before(pair: Pair, buffer_bytes: int) -> None:
    all_read(pair.ours, BUFFER)
    pair.send(pair.server.cipher(b"last") + pair.server.close_notify() + b"whatever")
    buffer = bytearray(buffer_bytes)
    assert _next(pair.ours, buffer) == 4
    assert _next(pair.ours, buffer) == 0
    assert _next(pair.ours, buffer) == 0


def test_has_more_is_true_for_a_close_notify_that_came_with_data(pair: Pair) -> None:
    all_read(pair.ours, BUFFER)
    pair.send(pair.server.cipher(b"last") + pair.server.close_notify())
    assert pair.ours.recv_into(bytearray(BUFFER)) == 4
    assert pair.ours.has_more


@pytest.mark.parametrize("buffer_bytes", [1000, BUFFER])
def test_an_end_without_close_notify_is_an_end_even_within_a_record(
    pair: Pair, buffer_bytes: int
) -> None:
    all_read(pair.ours, BUFFER)
    pair.send(pair.server.cipher(b"last") + pair.server.cipher(b"cut off")[:-1])
    pair.server.sock.close()
    buffer = bytearray(buffer_bytes)
    assert _next(pair.ours, buffer) == 4
    assert _next(pair.ours, buffer) == 0


@pytest.mark.parametrize("buffer_bytes", [1000, BUFFER])
@pytest.mark.parametrize("bad", ["damaged", "no record", "too long"])
def test_an_error_is_raised_after_the_data_before_it(
    pair: Pair, buffer_bytes: int, bad: str
) -> None:
    all_read(pair.ours, BUFFER)
    good, damaged = pair.server.cipher(b"right"), bytearray(pair.server.cipher(b"wrong"))
    damaged[-1] ^= 1
    wrong = {
        "damaged": bytes(damaged),
        "no record": b"HTTP/1.1 400 Bad Request\r\n",
        "too long": b"\x17\x03\x03\xff\xff" + b"." * 100,
    }
    pair.send(good + wrong[bad])
    buffer = bytearray(buffer_bytes)
    assert _next(pair.ours, buffer) == 5
    assert buffer_bytes < BUFFER or pair.ours.has_more
    with pytest.raises(ssl.SSLError, match=r"(?i)record|version|length|data"):
        _next(pair.ours, buffer)


def _next(ours: TlsSocket, buffer: bytearray) -> int:
    # A buffer smaller than a record gets the header of the record first, then its data.
    for _ in range(3):
        with contextlib.suppress(ssl.SSLWantReadError):
            return ours.recv_into(buffer)
    raise AssertionError("nothing came")


# ------------------------------------------------------------ writing


def test_what_the_kernel_does_not_take_is_sent_when_it_is_repeated(pair: Pair) -> None:
    all_read(pair.ours, BUFFER)
    data = bytearray(bytes(range(256)) * 16384)
    wanted = bytes(data)
    read: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with pytest.raises(BlockingIOError):
        _send(pair.ours, data)
    assert data
    reader = threading.Thread(target=lambda: read.put(pair.server.read(len(wanted))), daemon=True)
    reader.start()
    pair.ours.settimeout(WAIT_S)
    _send(pair.ours, data)
    assert read.get(timeout=WAIT_S) == wanted


def _send(ours: TlsSocket, data: bytearray) -> None:
    while data:
        del data[: ours.send(data)]


def test_all_of_it_is_sent(pair: Pair) -> None:
    data = b"y" * 50_000
    pair.ours.settimeout(WAIT_S)
    pair.ours.sendall(data)
    assert pair.server.read(len(data)) == data


# ------------------------------------------------------------ the handshake


def test_an_alert_says_why_the_certificate_is_rejected(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    ours, theirs = socket.socketpair()
    received: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        try:
            server = Server(theirs, contexts[0])
            server.handshake()
            server.read(1)
        except ssl.SSLError as exc:
            received.put(str(exc))

    theirs.settimeout(WAIT_S)
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    with TlsSocket(ours, contexts[1], "elsewhere") as secure, theirs:
        with pytest.raises(ssl.SSLCertVerificationError):
            secure.handshake(lambda: WAIT_S)
        assert "alert" in received.get(timeout=WAIT_S).lower()


def test_a_host_that_is_no_name_is_rejected(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ValueError, match="hostname"):
        TlsSocket(ours, contexts[1], "")


def test_flags_are_rejected(pair: Pair) -> None:
    with pytest.raises(ValueError, match="flags"):
        pair.ours.recv(1, socket.MSG_PEEK)
    with pytest.raises(ValueError, match="flags"):
        pair.ours.send(b"x", socket.MSG_OOB)
