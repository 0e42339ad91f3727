import socket
from collections.abc import Iterator

import pytest

from actors.errors import FeedLost
from actors.transport.feed_socket import UNSENT_BYTES
from actors.transport.reactor import Reactor
from tests.transport.loopback import WAIT_S, close_frame, frame, read_frame
from tests.transport.reactor_harness import Owner, ReactorHarness, trade

pytestmark = pytest.mark.live


@pytest.fixture
def running() -> Iterator[ReactorHarness]:
    with ReactorHarness() as harness:
        harness.reactor.start()
        yield harness


@pytest.fixture
def harness() -> Iterator[ReactorHarness]:
    """A reactor that is not started."""
    with ReactorHarness() as harness:
        yield harness


# ------------------------------------------------------------ writing


def test_text_is_sent_in_order_and_masked(running: ReactorHarness) -> None:
    pair = running.connect()
    for text in ("PING", "b", "ä"):
        pair.connection.send_text(text)
    assert [read_frame(pair.peer)[1] for _ in range(3)] == [b"PING", b"b", "ä".encode()]


def test_what_the_kernel_does_not_take_at_once_is_sent_later(
    running: ReactorHarness,
) -> None:
    pair = running.connect()
    texts = [str(number) * 60_000 for number in range(8)]
    for text in texts:
        pair.connection.send_text(text)
    assert [read_frame(pair.peer)[1].decode() for _ in texts] == texts
    pair.peer.sendall(frame(trade(1)))
    assert pair.owner.messages(1) == [trade(1)]


def test_a_peer_that_does_not_read_ends_the_connection_at_the_bound(
    running: ReactorHarness,
) -> None:
    pair = running.connect()
    pair.peer.sendall(frame(trade(1)))
    for _ in range(40):
        pair.connection.send_text("x" * (UNSENT_BYTES // 8))
    assert pair.owner.end()[0] == "write_failed"
    assert pair.owner.remaining() == [trade(1)]


def test_what_a_dead_peer_sent_before_is_handed_on_though_we_cannot_write(
    harness: ReactorHarness,
) -> None:
    pair = harness.connect()
    pair.peer.sendall(frame(trade(1)) + close_frame(1013, "slow consumer"))
    pair.peer.close()
    pair.connection.send_text("PING")
    harness.reactor.start()
    assert pair.owner.end() == ("closed_1013", "slow consumer")
    assert pair.owner.remaining() == [trade(1)]


# ------------------------------------------------------------ the thread


def test_a_stop_ends_all_connections_and_nothing_is_adopted_after_it(
    running: ReactorHarness,
) -> None:
    pairs = [running.connect() for _ in range(3)]
    assert running.reactor.stop(WAIT_S)
    assert not running.reactor._thread.is_alive()
    assert [pair.owner.end() for pair in pairs] == [("closed", "the reactor stopped")] * 3
    ours, theirs = socket.socketpair()
    with theirs, pytest.raises(FeedLost, match="internal"):
        running.adopt(ours, Owner())
    assert ours.fileno() == -1
    pairs[0].connection.send_text("after the end")


def test_a_reactor_that_was_never_started_stops_too(harness: ReactorHarness) -> None:
    pair = harness.connect()
    assert harness.reactor.stop(WAIT_S)
    assert pair.owner.end()[0] == "closed"


def test_an_idle_reactor_updates_alive_at(running: ReactorHarness) -> None:
    for now in (101.0, 102.0):
        running.clock.now = now
        while running.clock.calls.acquire(blocking=False):
            pass
        assert running.clock.calls.acquire(timeout=WAIT_S)
    assert running.reactor.alive_at >= 101.0


def test_a_scratch_buffer_that_a_tail_would_fill_is_rejected() -> None:
    with pytest.raises(ValueError, match="scratch"):
        Reactor(scratch_bytes=1 << 16)
