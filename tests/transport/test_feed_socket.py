import select
import socket
import ssl
from collections.abc import Iterator

import pytest

from actors.transport.feed_socket import (
    DATA_BYTES,
    PROGRESS_BYTES,
    SAMPLE_S,
    UNSENT_BYTES,
    CommandQueue,
    ReactorSocket,
    Verb,
)
from actors.transport.handshake import OpenWebSocket
from actors.transport.skimmer import FrameSkimmer
from tests.transport.loopback import frame

NOISE = b'{"market":"0x' + b"ab" * 32 + b'","price_changes":[],"event_type":"price_change"}'


class Pair:
    """A connection without a reactor: the test reads it, and sends what it reads."""

    def __init__(self, ours: socket.socket, peer: socket.socket) -> None:
        self.commands = CommandQueue()
        self.connection = ReactorSocket(
            OpenWebSocket(ours, "peer"),
            FrameSkimmer(markers=(b"trade",)),
            self.commands,
            on_frames=lambda _, __: None,
            on_end=lambda _, __: None,
        )
        self._peer = peer
        self._scratch = bytearray(1 << 20)

    def receive(self, data: bytes, now: float, at_ns: int = 0) -> ReactorSocket:
        """Let this arrive at so many monotonic seconds and wall clock nanoseconds."""
        self._peer.sendall(data)
        size, _ = self.connection.receive(
            self._scratch, memoryview(self._scratch), lambda: at_ns, lambda: now
        )
        assert size == len(data)
        return self.connection


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        pair = Pair(ours, theirs)
        yield pair
        pair.commands.close()


# ------------------------------------------------------------ times


def test_skipped_book_noise_is_data_and_short_control_text_is_not(pair: Pair) -> None:
    pair.receive(frame(b"PONG"), 5.0)
    assert (pair.connection.last_byte_at, pair.connection.last_data_at) == (5.0, 0.0)
    pair.receive(frame(NOISE), 6.0)
    assert (pair.connection.last_byte_at, pair.connection.last_data_at) == (6.0, 6.0)
    pair.receive(frame(b"", first=0x8A), 7.0)
    assert (pair.connection.last_byte_at, pair.connection.last_data_at) == (7.0, 6.0)
    assert (pair.connection.frames_total, pair.connection.bytes_total) == (3, 8 + len(frame(NOISE)))


def test_a_large_frame_that_arrives_slowly_makes_progress_to_its_end(pair: Pair) -> None:
    whole, step, now, stalled = frame(b"x" * 600_000), 40_000, 0.0, []
    for at in range(0, len(whole), step):
        now += 1.0
        stalled.append(now - pair.receive(whole[at : at + step], now).stalled_since)
    assert max(stalled[:-1]) == 0.0
    assert (pair.connection.stalled_since, pair.connection.unfinished_bytes) == (0.0, 0)
    assert pair.connection.frames_total == 1


def test_a_large_frame_that_arrives_counts_as_data_and_a_few_bytes_of_it_do_not(
    pair: Pair,
) -> None:
    whole = frame(b"x" * 600_000)
    assert pair.receive(whole[:100], 1.0).last_data_at == 0.0
    assert pair.receive(whole[100:DATA_BYTES], 2.0).last_data_at == 0.0
    assert pair.receive(whole[DATA_BYTES : DATA_BYTES + 110], 3.0).last_data_at == 3.0
    assert pair.receive(whole[DATA_BYTES + 110 : DATA_BYTES + 120], 4.0).last_data_at == 3.0


@pytest.mark.parametrize("first", [0x81, 0x01])
def test_a_frame_without_new_bytes_is_stalled_since_the_last_of_them(
    pair: Pair, first: int
) -> None:
    whole = frame(b"x" * 600_000, first=first)
    assert pair.receive(whole[:100_000], 1.0).stalled_since == 1.0
    assert pair.receive(whole[100_000:150_000], 20.0).stalled_since == 20.0
    assert pair.receive(whole[150_000:150_001], 25.0).stalled_since == 20.0
    assert pair.receive(whole[150_001 : 150_000 + PROGRESS_BYTES], 30.0).stalled_since == 30.0


def test_a_ping_between_fragments_is_no_progress_and_a_large_fragment_is(pair: Pair) -> None:
    pair.receive(frame(b"a" * 5000, first=0x01), 1.0)
    ping = frame(b"p" * 100, first=0x89)
    pair.receive(ping[:50], 2.0)
    pair.receive(ping[50:] + ping, 3.0)
    assert pair.connection.stalled_since == 1.0
    assert pair.connection.unfinished_bytes == 5000
    fragment = frame(b"b" * 5000, first=0x00)
    pair.receive(fragment[:3000], 4.0)
    assert pair.connection.stalled_since == 4.0
    pair.receive(fragment[3000:], 5.0)
    assert pair.connection.stalled_since == 5.0


def test_a_short_frame_that_drips_has_been_stalled_since_its_first_byte(pair: Pair) -> None:
    whole = frame(NOISE)
    assert pair.receive(whole[:1], 1.0).stalled_since == 1.0
    assert pair.receive(whole[1:50], 2.0).stalled_since == 1.0
    assert pair.receive(whole[50:], 3.0).stalled_since == 0.0


def test_a_busy_connection_whose_reads_all_end_within_a_frame_is_not_stalled(pair: Pair) -> None:
    whole = frame(NOISE)
    pair.receive(whole[:20], 1.0)
    for now in (2.0, 3.0, 4.0):
        pair.receive(whole[20:] + whole[:20], now)
        assert pair.connection.stalled_since == now


def test_endless_small_fragments_have_been_stalled_since_the_first_of_them(pair: Pair) -> None:
    pair.receive(frame(b"a", first=0x01), 1.0)
    pair.receive(frame(b"b", first=0x00) + frame(b"", first=0x89), 2.0)
    assert pair.connection.stalled_since == 1.0
    pair.receive(frame(b"c", first=0x80) + frame(b"d", first=0x01), 3.0)
    assert pair.connection.stalled_since == 3.0


class SlowTls:
    """A TLS socket on which no record is whole yet."""

    def __init__(self) -> None:
        self.held_bytes = 0
        self.has_more = False

    def recv_into(self, _: object) -> int:
        raise ssl.SSLWantReadError


def test_a_tls_record_that_arrives_slowly_is_progress(pair: Pair) -> None:
    connection, slow = pair.receive(frame(NOISE)[:50], 1.0), SlowTls()
    connection.sock = connection.tls = slow  # type: ignore[assignment]
    scratch, seen = bytearray(1 << 17), []
    sizes = (100, 1024, 1025, 2048, 5, 1024, 1029)
    for now, slow.held_bytes in enumerate(sizes, start=2):
        got, _ = connection.receive(scratch, memoryview(scratch), lambda: 0, [now].pop)
        assert got == -1
        seen.append((connection.last_byte_at, connection.stalled_since))
    assert [at for at, _ in seen] == [1, 3, 3, 5, 5, 5, 8]
    assert all(byte_at == stalled for byte_at, stalled in seen)


# ------------------------------------------------------------ what its owner calls


def test_markers_are_forwarded_to_the_skimmer(pair: Pair) -> None:
    pair.connection.set_markers((b"other",))
    assert pair.connection.skimmer.markers == (b"other",)


def test_a_sample_of_what_is_skipped_is_replaced_after_half_a_second(
    pair: Pair,
) -> None:
    noise = [NOISE.replace(b"0x", b"0x%d" % number) for number in range(3)]
    for number, now in enumerate((10.0, 10.0 + SAMPLE_S / 2, 10.0 + SAMPLE_S)):
        pair.receive(frame(noise[number]), now, at_ns=number)
        if number == 1:
            assert pair.connection.take_sample() == (0, noise[0])
    assert pair.connection.take_sample() == (2, noise[2])
    assert pair.connection.take_sample() is None


def test_no_sample_is_returned_while_something_older_may_wait_for_the_owner(
    pair: Pair,
) -> None:
    pair.receive(frame(b"trade"), 9.0, at_ns=1)
    pair.receive(frame(NOISE), 10.0, at_ns=2)
    assert pair.connection.take_sample() is None
    pair.connection.handled(len(b"trade"))
    assert pair.connection.take_sample() is None
    pair.receive(frame(NOISE), 11.0, at_ns=3)
    assert pair.connection.take_sample() == (3, NOISE)


def test_nothing_is_sent_after_close(pair: Pair) -> None:
    pair.connection.send_text("a")
    pair.connection.close(1000, "done")
    pair.connection.close(1000, "again")
    pair.connection.send_text("b")
    assert [command.verb for command in pair.commands.take()] == [Verb.SEND, Verb.CLOSE]


def test_an_abort_is_accepted_after_close(pair: Pair) -> None:
    pair.connection.close(1000, "")
    pair.connection.abort("frozen")
    assert [(x.verb, x.reason) for x in pair.commands.take()] == [
        (Verb.CLOSE, ""),
        (Verb.ABORT, "frozen"),
    ]


def test_what_may_wait_to_be_sent_is_bounded(pair: Pair) -> None:
    text = "x" * (UNSENT_BYTES // 4)
    for _ in range(6):
        pair.connection.send_text(text)
    verbs = [command.verb for command in pair.commands.take()]
    assert verbs == [Verb.SEND] * 3 + [Verb.OVERFLOW]


def test_what_was_sent_makes_space_again(pair: Pair) -> None:
    text = "x" * (UNSENT_BYTES // 2)
    for _ in range(5):
        pair.connection.send_text(text)
        (command,) = pair.commands.take()
        assert command.verb is Verb.SEND
        pair.connection.out += command.data
        pair.connection.sent(len(pair.connection.out))


# ------------------------------------------------------------ the command queue


def test_a_command_queue_wakes_once_for_many_commands(pair: Pair) -> None:
    with select.epoll() as epoll:
        epoll.register(pair.commands.fileno(), select.EPOLLIN)
        assert epoll.poll(0) == []
        pair.connection.send_text("a")
        pair.connection.send_text("b")
        assert epoll.poll(0) == [(pair.commands.fileno(), select.EPOLLIN)]
        assert len(pair.commands.take()) == 2
        assert epoll.poll(0) == []


def test_a_closed_command_queue_returns_its_last_commands_and_takes_no_more(pair: Pair) -> None:
    commands = CommandQueue()
    other = ReactorSocket(
        OpenWebSocket(pair.connection.sock, "peer"),
        pair.connection.skimmer,
        commands,
        on_frames=lambda _, __: None,
        on_end=lambda _, __: None,
    )
    other.abort("x")
    (command,) = commands.close()
    assert command.reason == "x"
    assert not commands.put(command)
    commands.wake()
