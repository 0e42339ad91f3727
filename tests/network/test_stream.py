"""Promise: an exchange reads no more than it may; it reads and writes until its deadline."""

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from actors.errors import ConnectionFailed
from actors.network.connect import Deadline, connect
from actors.network.stream import Stream
from tests.transport.loopback import WAIT_S, RawServer, trusting


@pytest.fixture
def pair() -> Iterator[tuple[Stream, socket.socket]]:
    ours, theirs = socket.socketpair()
    stream = Stream(ours)
    stream.begin(Deadline(WAIT_S), 100)
    yield stream, theirs
    stream.close()
    theirs.close()


def test_no_more_is_read_than_was_allowed(pair: tuple[Stream, socket.socket]) -> None:
    stream, theirs = pair
    stream.begin(Deadline(WAIT_S), 5)
    theirs.sendall(b"1234567890")
    with stream.makefile() as reader:
        assert reader.read(3) == b"123"
        assert reader.read(2) == b"45"
        with pytest.raises(ConnectionFailed, match="too_long"):
            reader.read(1)
        stream.allow(2)
        assert reader.read(2) == b"67"
        stream.begin(Deadline(WAIT_S), 1)
        assert reader.read(1) == b"8"


def test_reading_ends_at_the_deadline_and_at_a_stop(pair: tuple[Stream, socket.socket]) -> None:
    stream, _ = pair
    with stream.makefile() as reader:
        stream.begin(Deadline(0.05), 10)
        with pytest.raises(ConnectionFailed, match="read_timeout"):
            reader.read(1)
        stop = threading.Event()
        stop.set()
        stream.begin(Deadline(WAIT_S, stop), 10)
        with pytest.raises(ConnectionFailed, match="stopping"):
            reader.read(1)


def test_writing_ends_at_the_deadline(pair: tuple[Stream, socket.socket]) -> None:
    stream, _ = pair
    stream.begin(Deadline(0.05), 10)
    with pytest.raises(ConnectionFailed, match="write_timeout"):
        stream.sendall(bytes(10_000_000))


def test_an_end_of_the_stream_is_read_as_one(pair: tuple[Stream, socket.socket]) -> None:
    stream, theirs = pair
    theirs.close()
    with stream.makefile() as reader:
        assert reader.read(1) == b""


def test_it_is_closed_with_the_last_reader(pair: tuple[Stream, socket.socket]) -> None:
    stream, theirs = pair
    theirs.settimeout(WAIT_S)
    reader = stream.makefile()
    stream.close()
    theirs.sendall(b"x")
    assert reader.read(1) == b"x"
    reader.close()
    reader.close()
    assert theirs.recv(1) == b""
    assert stream.fileno() == -1


@pytest.mark.live
def test_what_a_slow_tls_peer_reads_arrives_once_and_whole() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    sent = b"".join(number.to_bytes(4, "big") for number in range(2_000_000))
    got = bytearray()
    whole = threading.Event()

    def behave(conn: socket.socket) -> None:
        # Longer than a wait that looks for a stop, while the buffers of both sides are full.
        server.gone.wait(0.5)
        while len(got) < len(sent) and (more := conn.recv(1 << 16)):
            got.extend(more)
        whole.set()

    with RawServer(behave, context) as server:
        deadline = Deadline(WAIT_S, threading.Event())
        stream = Stream(
            connect("localhost", server.port, deadline=deadline, tls=trusting(authority))
        )
        stream.begin(deadline, 0)
        stream.sendall(sent)
        assert whole.wait(WAIT_S)
        stream.close()
    assert got == sent
