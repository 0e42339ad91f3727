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

from actors.transport.tls import TlsSocket
from tests.transport.loopback import WAIT_S, trusting

pytestmark = pytest.mark.live

RECORD = 16384
ROOM = 256 << 10


class Server:
    """The other end, whose ciphertext a test holds in its hands before it is sent."""

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

    def goodbye(self) -> bytes:
        """Return the record that says that nothing follows."""
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
    """Both ends of a connection on which hands are shaken; ours does not block."""

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


def all_read(ours: TlsSocket, room: int) -> bytes:
    """Read until nothing is there, in buffers with so much room."""
    data, buffer = b"", bytearray(room)
    quiet = 0
    while quiet < 3:  # without room for a record, a read may bring a part of one
        try:
            size = ours.recv_into(memoryview(buffer))
        except ssl.SSLWantReadError:
            quiet += 1
        else:
            assert size
            quiet = 0
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


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([1, 2, 100, 5000, RECORD - 1, RECORD, RECORD + 1, 40_000]), max_size=5
    ),
    st.lists(st.floats(0, 1), max_size=5),
    st.sampled_from([1000, RECORD, 36_000, 37_000, 50_000, ROOM]),
)
def test_no_byte_is_lost_however_the_records_are_cut_and_whatever_room_there_is(
    lasting: Pair, sizes: list[int], cuts: list[float], room: int
) -> None:
    plain = b"".join(bytes([number + 1]) * size for number, size in enumerate(sizes))
    raw = b"".join(
        lasting.server.cipher(bytes([number + 1]) * size) for number, size in enumerate(sizes)
    )
    bounds = [0, *sorted(int(cut * len(raw)) for cut in cuts), len(raw)]
    got = b""
    for begin, end in pairwise(bounds):
        lasting.send(raw[begin:end])
        got += all_read(lasting.ours, room)
    assert got == plain
    assert not lasting.ours.has_more


def test_single_bytes_make_whole_records(pair: Pair) -> None:
    got = b""
    for byte in pair.server.cipher(b"first") + pair.server.cipher(b"second"):
        pair.send(bytes([byte]))
        got += all_read(pair.ours, ROOM)
    assert got == b"firstsecond"


def test_one_read_brings_many_records(pair: Pair) -> None:
    all_read(pair.ours, ROOM)
    for records in (5, 11):
        pair.send(pair.server.cipher(b"x" * records * RECORD))
        assert pair.ours.recv_into(bytearray(ROOM)) == records * RECORD


def test_what_did_not_fit_is_told_of(pair: Pair) -> None:
    all_read(pair.ours, ROOM)
    pair.send(pair.server.cipher(b"x" * 100))
    buffer = bytearray(60)
    with pytest.raises(ssl.SSLWantReadError):
        pair.ours.recv_into(buffer)  # the header of the record
    assert pair.ours.recv_into(buffer) == 60
    assert pair.ours.has_more
    assert pair.ours.recv_into(buffer) == 40
    assert not pair.ours.has_more


def test_room_behind_the_end_is_not_touched(pair: Pair) -> None:
    all_read(pair.ours, ROOM)
    pair.send(pair.server.cipher(b"x" * 100))
    buffer = bytearray(b"." * ROOM)
    assert pair.ours.recv_into(memoryview(buffer)[: ROOM - 10]) == 100
    assert buffer[-10:] == b"." * 10


def test_records_without_data_are_nothing_to_read(pair: Pair) -> None:
    # The tickets that a server sends after the handshake.
    assert all_read(pair.ours, ROOM) == b""
    with pytest.raises(ssl.SSLWantReadError):
        pair.ours.recv_into(bytearray(ROOM))


# ------------------------------------------------------------ how it ends


@pytest.mark.parametrize("room", [1000, ROOM])
def test_a_goodbye_comes_after_what_was_sent_before(pair: Pair, room: int) -> None:
    all_read(pair.ours, ROOM)
    pair.send(pair.server.cipher(b"last") + pair.server.goodbye() + b"whatever")
    buffer = bytearray(room)
    assert _next(pair.ours, buffer) == 4
    assert _next(pair.ours, buffer) == 0
    assert _next(pair.ours, buffer) == 0


def test_a_goodbye_that_came_with_data_is_told_of(pair: Pair) -> None:
    all_read(pair.ours, ROOM)
    pair.send(pair.server.cipher(b"last") + pair.server.goodbye())
    assert pair.ours.recv_into(bytearray(ROOM)) == 4
    assert pair.ours.has_more


@pytest.mark.parametrize("room", [1000, ROOM])
def test_an_end_without_goodbye_is_an_end_even_within_a_record(pair: Pair, room: int) -> None:
    all_read(pair.ours, ROOM)
    pair.send(pair.server.cipher(b"last") + pair.server.cipher(b"cut off")[:-1])
    pair.server.sock.close()
    buffer = bytearray(room)
    assert _next(pair.ours, buffer) == 4
    assert _next(pair.ours, buffer) == 0


@pytest.mark.parametrize("room", [1000, ROOM])
@pytest.mark.parametrize("bad", ["damaged", "no record", "too long"])
def test_what_is_wrong_comes_after_what_was_right(pair: Pair, room: int, bad: str) -> None:
    all_read(pair.ours, ROOM)
    good, damaged = pair.server.cipher(b"right"), bytearray(pair.server.cipher(b"wrong"))
    damaged[-1] ^= 1
    wrong = {
        "damaged": bytes(damaged),
        "no record": b"HTTP/1.1 400 Bad Request\r\n",
        "too long": b"\x17\x03\x03\xff\xff" + b"." * 100,
    }
    pair.send(good + wrong[bad])
    buffer = bytearray(room)
    assert _next(pair.ours, buffer) == 5
    assert room < ROOM or pair.ours.has_more
    with pytest.raises(ssl.SSLError, match=r"(?i)record|version|length|data"):
        _next(pair.ours, buffer)


def _next(ours: TlsSocket, buffer: bytearray) -> int:
    # Without room for a record its header is read first, and what there is of it.
    for _ in range(3):
        with contextlib.suppress(ssl.SSLWantReadError):
            return ours.recv_into(buffer)
    raise AssertionError("nothing came")


# ------------------------------------------------------------ writing


def test_what_the_kernel_does_not_take_is_sent_when_it_is_repeated(pair: Pair) -> None:
    all_read(pair.ours, ROOM)
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


# ------------------------------------------------------------ shaking hands


def test_the_other_side_is_told_why_its_certificate_is_rejected(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    ours, theirs = socket.socketpair()
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        try:
            server = Server(theirs, contexts[0])
            server.handshake()
            server.read(1)
        except ssl.SSLError as exc:
            heard.put(str(exc))

    theirs.settimeout(WAIT_S)
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    with TlsSocket(ours, contexts[1], "elsewhere") as secure, theirs:
        with pytest.raises(ssl.SSLCertVerificationError):
            secure.handshake(lambda: WAIT_S)
        assert "alert" in heard.get(timeout=WAIT_S).lower()


def test_a_name_that_cannot_be_asked_for_is_rejected(
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
