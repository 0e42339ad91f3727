import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from actors.transport.handshake import OpenWebSocket
from tests.transport.loopback import WAIT_S, close_frame, frame, read_frame
from tests.transport.reactor_harness import NOISE, Owner, ReactorHarness, trade

pytestmark = pytest.mark.live


@pytest.fixture
def running() -> Iterator[ReactorHarness]:
    with ReactorHarness() as harness:
        harness.reactor.start()
        yield harness


# ------------------------------------------------------------ reading


def test_a_message_cut_into_single_bytes_arrives_whole_with_its_time(
    running: ReactorHarness,
) -> None:
    pair = running.connect()
    for byte in frame(trade(1)):
        pair.peer.sendall(bytes([byte]))
    assert pair.owner.received.get(timeout=WAIT_S) == (42, (trade(1),))


def test_what_came_with_the_handshake_is_read_before_all_else(running: ReactorHarness) -> None:
    stream = b"".join(frame(trade(number)) for number in range(3))
    for cut in (0, len(stream) // 2, len(stream)):
        ours, theirs = socket.socketpair()
        owner = Owner()
        running.adopt(OpenWebSocket(ours, "peer", stream[:cut]), owner)
        theirs.sendall(stream[cut:] + frame(trade(3)))
        assert owner.messages(4) == [trade(number) for number in range(4)]
        theirs.close()


def test_noise_calls_no_callback(running: ReactorHarness) -> None:
    pair = running.connect()
    pair.peer.sendall(frame(NOISE) * 50)
    pair.peer.sendall(frame(trade(1)))
    assert pair.owner.messages(1) == [trade(1)]
    assert pair.owner.remaining() == []
    assert pair.connection.frames_total == 51
    assert pair.connection.last_data_at == 100.0


def test_each_of_many_connections_receives_its_own_messages(running: ReactorHarness) -> None:
    pairs = [running.connect() for _ in range(200)]
    for number, pair in enumerate(pairs):
        pair.peer.sendall(frame(NOISE) + frame(trade(number)))
    for number, pair in enumerate(pairs):
        assert pair.owner.messages(1) == [trade(number)]


def test_a_message_larger_than_the_scratch_buffer_arrives(running: ReactorHarness) -> None:
    pair = running.connect()
    large = trade(1) + b" " * 3_000_000
    pair.peer.sendall(frame(large) + frame(trade(2)))
    assert pair.owner.messages(2) == [large, trade(2)]


def test_a_connection_that_never_stops_sending_does_not_delay_the_others(
    running: ReactorHarness,
) -> None:
    busy, other = running.connect(), running.connect()
    enough = threading.Event()

    def send() -> None:
        while not enough.is_set():
            busy.peer.sendall(frame(NOISE) * 500)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    for number in range(20):
        other.peer.sendall(frame(trade(number)))
        assert other.owner.messages(1) == [trade(number)]
    enough.set()
    sender.join(WAIT_S)
    assert not sender.is_alive()


def test_protocol_pings_are_answered(running: ReactorHarness) -> None:
    pair = running.connect()
    pair.peer.sendall(frame(b"ping", first=0x89))
    assert read_frame(pair.peer) == (0x8A, b"ping")


# ------------------------------------------------------------ ends


def test_an_end_of_file_is_a_disconnect_after_the_last_message(running: ReactorHarness) -> None:
    pair = running.connect()
    pair.peer.sendall(frame(trade(1)))
    pair.peer.close()
    assert pair.owner.end() == ("disconnected", "end of file")
    assert pair.owner.remaining() == [trade(1)]
    assert pair.owner.ends.empty()


def test_a_reset_is_named(running: ReactorHarness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    owner = Owner()
    running.adopt(ours, owner)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    assert owner.end()[0] == "reset"


def test_a_close_of_the_server_is_reported_after_what_came_before_it(
    running: ReactorHarness,
) -> None:
    pair = running.connect()
    pair.peer.sendall(frame(trade(1)) + close_frame(1013, "slow consumer") + frame(trade(2)))
    assert pair.owner.end() == ("closed_1013", "slow consumer")
    assert pair.owner.remaining() == [trade(1)]
    assert read_frame(pair.peer)[0] == 0x88


def test_a_violation_is_reported_after_what_came_before_it(running: ReactorHarness) -> None:
    pair = running.connect()
    pair.peer.sendall(frame(trade(1)) + b"\xf1\x00")
    assert pair.owner.end() == ("protocol", "reserved_bits")
    assert pair.owner.remaining() == [trade(1)]
    assert read_frame(pair.peer) == (0x88, (1002).to_bytes(2, "big"))


def test_a_message_that_is_too_big_has_a_reason_and_a_code_of_its_own(
    running: ReactorHarness,
) -> None:
    pair = running.connect()
    pair.peer.sendall(frame(trade(1)) + b"\x81\x7f" + (1 << 40).to_bytes(8, "big"))
    assert pair.owner.end() == ("too_big", "a message of the exchange exceeds the limit")
    assert pair.owner.remaining() == [trade(1)]
    assert read_frame(pair.peer) == (0x88, (1009).to_bytes(2, "big"))


def test_what_is_not_whole_has_one_bound_for_all_connections() -> None:
    begun = b"\x81\x7f" + (1_600_000).to_bytes(8, "big")
    with ReactorHarness(unfinished_bytes=3_000_000) as harness:
        harness.reactor.start()
        small, large, other = (harness.connect() for _ in range(3))
        small.peer.sendall(begun + b" " * 400_000)
        large.peer.sendall(begun + b" " * 1_500_000)
        other.peer.sendall(begun + b" " * 1_200_000)
        reason, detail = large.owner.end()
        assert reason == "unfinished"
        assert "of a message had come" in detail
        # At once, and not with the next full collection of what refers to each other.
        assert large.connection.skimmer.unfinished_bytes == 0
        # The others go on, and what has ended counts no more.
        small.peer.sendall(b" " * 1_200_000 + frame(trade(1)))
        assert small.owner.messages(2)[1] == trade(1)
        other.peer.sendall(b" " * 400_000 + frame(trade(2)))
        assert other.owner.messages(2)[1] == trade(2)
        assert small.owner.ends.empty()
        assert other.owner.ends.empty()


def test_our_close_loses_nothing_that_comes_before_theirs(running: ReactorHarness) -> None:
    pair = running.connect()
    pair.connection.close(1000, "retired")
    assert read_frame(pair.peer) == (0x88, b"\x03\xe8retired")
    numbers = range(300)
    for number in numbers:
        pair.peer.sendall(frame(trade(number)))
    pair.peer.sendall(close_frame(1000))
    assert pair.owner.end()[0] == "closed"
    assert pair.owner.remaining() == [trade(number) for number in numbers]
    assert running.reactor._closing == {}


def test_the_answer_to_our_close_is_not_waited_for_without_end(running: ReactorHarness) -> None:
    pair = running.connect()
    pair.connection.close(1000, "")
    assert read_frame(pair.peer)[0] == 0x88
    running.clock.now += 1.9
    running.connect()
    assert pair.owner.ends.empty()
    running.clock.now += 0.2
    running.connect()
    assert pair.owner.end() == ("closed", "no CLOSE in answer to ours")


def test_an_end_of_file_after_our_close_is_closed(running: ReactorHarness) -> None:
    pair = running.connect()
    pair.connection.close(1000, "")
    assert read_frame(pair.peer)[0] == 0x88
    pair.peer.close()
    assert pair.owner.end()[0] == "closed"


def test_an_abort_from_another_thread_ends_the_connection_once(running: ReactorHarness) -> None:
    pair = running.connect()
    threads = [threading.Thread(target=pair.connection.abort, args=("frozen",)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert pair.owner.end() == ("frozen", "")
    other = running.connect()
    other.connection.abort("x")
    other.owner.end()
    assert pair.owner.ends.empty()
    assert pair.peer.recv(1) == b""


def test_on_frames_that_raises_ends_its_own_connection_only(running: ReactorHarness) -> None:
    good, bad = running.connect(), running.connect()
    boom = RuntimeError("boom")

    def fail(_: int, __: tuple[bytes, ...]) -> None:
        raise boom

    bad.connection.on_frames = fail
    bad.peer.sendall(frame(trade(1)))
    assert bad.owner.end()[0] == "internal"
    assert running.errors == [boom]
    good.peer.sendall(frame(trade(2)))
    assert good.owner.messages(1) == [trade(2)]


def test_an_exception_of_on_end_is_reported_too(running: ReactorHarness) -> None:
    good, bad = running.connect(), running.connect()
    boom = RuntimeError("boom")

    def fail(_: str, __: str) -> None:
        raise boom

    bad.connection.on_end = fail
    bad.connection.abort("x")
    good.peer.sendall(frame(trade(2)))
    assert good.owner.messages(1) == [trade(2)]
    good.connection.abort("x")
    good.owner.end()
    assert running.errors == [boom]
