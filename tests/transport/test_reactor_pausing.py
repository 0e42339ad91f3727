"""A line whose owner does not keep up is read no further, and loses nothing."""

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
    """Sends much, from a thread of its own."""

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


def paused(harness: ReactorHarness, loud: Pair) -> list[bytes]:
    """Return what the owner of a loud line was told until the reactor stopped reading it."""
    quiet = harness.connect()
    number = 0
    while not loud.line.paused:
        quiet.peer.sendall(frame(trade(number)))
        assert quiet.owner.messages(1) == [trade(number)]
        number += 1
    return loud.owner.rest()


def test_what_nobody_handles_stays_at_the_sender(running: ReactorHarness) -> None:
    loud = running.connect()
    sender = Sender(loud.peer)
    heard = paused(running, loud)
    heard += paused(running, loud)  # the others are served meanwhile

    assert HELD < sum(map(len, heard)) <= HELD + SCRATCH
    assert sender.sent < ALL
    while len(heard) < len(MANY):
        loud.line.handled(loud.line.unhandled)
        heard += loud.owner.messages(1)
    assert heard == MANY
    assert sender.done()


def test_half_of_it_handled_is_enough_to_go_on(running: ReactorHarness) -> None:
    loud = running.connect()
    sender = Sender(loud.peer)
    heard = paused(running, loud)
    loud.line.handled(loud.line.unhandled - HELD // 2 - 1)
    paused(running, loud)
    assert loud.owner.rest() == []

    loud.line.handled(1)
    heard += loud.owner.messages(1)
    while len(heard) < len(MANY):
        loud.line.handled(loud.line.unhandled)
        heard += loud.owner.messages(1)
    assert sender.done()
    assert heard == MANY


def test_an_owner_that_keeps_up_never_stops_it(running: ReactorHarness) -> None:
    loud = running.connect()
    owner = loud.owner

    def at_once(at_ns: int, frames: tuple[bytes, ...]) -> None:
        owner.on_frames(at_ns, frames)
        loud.line.handled(sum(map(len, frames)))

    loud.line.on_frames = at_once
    sender = Sender(loud.peer)
    assert owner.messages(len(MANY)) == MANY
    assert sender.done()
    assert not loud.line.paused


def test_a_goodbye_waits_behind_what_was_sent_before(running: ReactorHarness) -> None:
    loud = running.connect()
    sender = Sender(loud.peer, then=loud.peer.close)
    heard = paused(running, loud)
    while len(heard) < len(MANY):
        loud.line.handled(loud.line.unhandled)
        heard += loud.owner.messages(1)
    assert sender.done()
    loud.line.handled(loud.line.unhandled)
    assert loud.owner.end()[0] == "disconnected"
    assert heard == MANY


def test_a_reset_ends_it_though_nobody_handles_anything(running: ReactorHarness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    theirs.settimeout(WAIT_S)
    owner = Owner()
    loud = Pair(running.adopt(ours, owner), owner, theirs)
    for message in MANY[:20]:
        theirs.sendall(frame(message))
    paused(running, loud)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    assert owner.end()[0] == "reset"


def test_what_is_decrypted_already_is_not_forgotten(running: ReactorHarness) -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), trusting(authority)
    authority.issue_cert("localhost").configure_cert(server)
    ours, theirs = socket.socketpair()
    heard: list[bytes] = []

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
    line = running.adopt(secured(ours, client), owner)
    while len(heard) < len(MANY):
        heard += owner.messages(1)
        line.handled(line.unhandled)
    over.set()
    thread.join(WAIT_S)
    assert heard == MANY
