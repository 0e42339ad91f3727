"""A connection whose owner does not keep up is read no further, and loses nothing."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
import trustme

from tests.transport.loopback import WAIT_S, frame, trusting
from tests.transport.reactor_harness import Owner, Pair, ReactorHarness, secured, trade

pytestmark = pytest.mark.live

HELD, SCRATCH = 100_000, 256 << 10
MANY = [trade(number) + b" " * 20_000 for number in range(400)]
ALL = sum(map(len, MANY))


@pytest.fixture
def running() -> Iterator[ReactorHarness]:
    with ReactorHarness(scratch_bytes=SCRATCH, held_bytes=HELD) as harness:
        harness.reactor.start()
        yield harness


class Sender:
    """Sends all of MANY, from a thread of its own."""

    def __init__(self, peer: socket.socket, then: Callable[[], None] = lambda: None) -> None:
        self.sent = 0
        self._peer = peer
        self._then = then
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        for message in MANY:
            self._peer.sendall(frame(message))
            self.sent += len(message)
        self._then()

    def done(self) -> bool:
        self._thread.join(WAIT_S)
        return not self._thread.is_alive()


def paused(harness: ReactorHarness, busy: Pair) -> list[bytes]:
    """Return what the owner of a busy connection received until the reactor paused it."""
    other = harness.connect()
    number = 0
    while not busy.connection.paused:
        other.peer.sendall(frame(trade(number)))
        assert other.owner.messages(1) == [trade(number)]
        number += 1
    return busy.owner.remaining()


def test_what_the_owner_does_not_handle_stays_at_the_sender(running: ReactorHarness) -> None:
    busy = running.connect()
    sender = Sender(busy.peer)
    received = paused(running, busy)
    received += paused(running, busy)  # the others are read meanwhile

    assert HELD < sum(map(len, received)) <= HELD + SCRATCH
    assert sender.sent < ALL
    while len(received) < len(MANY):
        busy.connection.handled(busy.connection.unhandled)
        received += busy.owner.messages(1)
    assert received == MANY
    assert sender.done()


def test_reading_goes_on_when_half_of_it_is_handled(running: ReactorHarness) -> None:
    busy = running.connect()
    sender = Sender(busy.peer)
    received = paused(running, busy)
    busy.connection.handled(busy.connection.unhandled - HELD // 2 - 1)
    paused(running, busy)
    assert busy.owner.remaining() == []

    busy.connection.handled(1)
    received += busy.owner.messages(1)
    while len(received) < len(MANY):
        busy.connection.handled(busy.connection.unhandled)
        received += busy.owner.messages(1)
    assert sender.done()
    assert received == MANY


def test_an_owner_that_keeps_up_never_pauses_its_connection(running: ReactorHarness) -> None:
    busy = running.connect()
    owner = busy.owner

    def at_once(at_ns: int, frames: tuple[bytes, ...]) -> None:
        owner.on_frames(at_ns, frames)
        busy.connection.handled(sum(map(len, frames)))

    busy.connection.on_frames = at_once
    sender = Sender(busy.peer)
    assert owner.messages(len(MANY)) == MANY
    assert sender.done()
    assert not busy.connection.paused


def test_an_end_of_file_is_reported_after_what_was_sent_before(running: ReactorHarness) -> None:
    busy = running.connect()
    sender = Sender(busy.peer, then=busy.peer.close)
    received = paused(running, busy)
    while len(received) < len(MANY):
        busy.connection.handled(busy.connection.unhandled)
        received += busy.owner.messages(1)
    assert sender.done()
    busy.connection.handled(busy.connection.unhandled)
    assert busy.owner.end()[0] == "disconnected"
    assert received == MANY


def test_a_reset_ends_a_paused_connection(running: ReactorHarness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    theirs.settimeout(WAIT_S)
    owner = Owner()
    busy = Pair(running.adopt(ours, owner), owner, theirs)
    for message in MANY[:20]:
        theirs.sendall(frame(message))
    paused(running, busy)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    assert owner.end()[0] == "reset"


def test_what_is_decrypted_already_is_read_after_a_pause(running: ReactorHarness) -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), trusting(authority)
    authority.issue_cert("localhost").configure_cert(server)
    ours, theirs = socket.socketpair()
    received: list[bytes] = []

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as peer:
            for message in MANY:
                peer.sendall(frame(message))
            over.wait(WAIT_S)

    over = threading.Event()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ours.settimeout(WAIT_S)
    owner = Owner()
    connection = running.adopt(secured(ours, client), owner)
    while len(received) < len(MANY):
        received += owner.messages(1)
        connection.handled(connection.unhandled)
    over.set()
    thread.join(WAIT_S)
    assert received == MANY
