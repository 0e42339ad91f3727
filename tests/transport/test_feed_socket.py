import select
import socket
from collections.abc import Iterator

import pytest

from actors.transport.feed_socket import SAMPLE_S, UNSENT_BYTES, CommandQueue, ReactorSocket, Verb
from actors.transport.handshake import Wire
from actors.transport.skimmer import FrameSkimmer
from tests.transport.loopback import frame

NOISE = b'{"market":"0x' + b"ab" * 32 + b'","price_changes":[],"event_type":"price_change"}'


@pytest.fixture
def inbox() -> Iterator[CommandQueue]:
    inbox = CommandQueue()
    yield inbox
    inbox.close()


@pytest.fixture
def line(inbox: CommandQueue) -> Iterator[ReactorSocket]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        skimmer = FrameSkimmer(markers=(b"trade",))
        yield ReactorSocket(
            Wire(ours, "peer"),
            skimmer,
            inbox,
            on_frames=lambda _, __: None,
            on_end=lambda _, __: None,
        )


def heard(line: ReactorSocket, data: bytes, now: float) -> ReactorSocket:
    start = line.skimmer.held
    line.skim(bytearray(start) + data, start, start + len(data), now)
    return line


# ------------------------------------------------------------ what the times say


def test_skipped_book_noise_is_data_and_short_control_text_is_not(line: ReactorSocket) -> None:
    heard(line, frame(b"PONG"), 5.0)
    assert (line.last_byte_at, line.last_data_at) == (5.0, 0.0)
    heard(line, frame(NOISE), 6.0)
    assert (line.last_byte_at, line.last_data_at) == (6.0, 6.0)
    heard(line, frame(b"", first=0x8A), 7.0)
    assert (line.last_byte_at, line.last_data_at) == (7.0, 6.0)
    assert (line.frames_total, line.bytes_total) == (3, 8 + len(frame(NOISE)))


def test_a_frame_that_drips_has_been_stalled_since_its_first_byte(line: ReactorSocket) -> None:
    whole = frame(NOISE)
    assert heard(line, whole[:1], 1.0).stalled_since == 1.0
    assert heard(line, whole[1:50], 2.0).stalled_since == 1.0
    assert heard(line, whole[50:], 3.0).stalled_since == 0.0


def test_a_busy_line_that_always_ends_in_mid_frame_is_not_stalled(line: ReactorSocket) -> None:
    whole = frame(NOISE)
    heard(line, whole[:20], 1.0)
    for now in (2.0, 3.0, 4.0):
        heard(line, whole[20:] + whole[:20], now)
        assert line.stalled_since == now


def test_endless_fragments_have_been_stalled_since_the_first_of_them(line: ReactorSocket) -> None:
    heard(line, frame(b"a", first=0x01), 1.0)
    heard(line, frame(b"b", first=0x00) + frame(b"", first=0x89), 2.0)
    assert line.stalled_since == 1.0
    heard(line, frame(b"c", first=0x80) + frame(b"d", first=0x01), 3.0)
    assert line.stalled_since == 3.0


# ------------------------------------------------------------ what it asks for


def test_markers_are_forwarded_to_the_skimmer(line: ReactorSocket) -> None:
    line.set_markers((b"other",))
    assert line.skimmer.markers == (b"other",)


def test_a_sample_of_what_is_skipped_is_held_and_grows_old_by_half_a_second(
    line: ReactorSocket,
) -> None:
    noise = [NOISE.replace(b"0x", b"0x%d" % number) for number in range(3)]
    for number, now in enumerate((10.0, 10.0 + SAMPLE_S / 2, 10.0 + SAMPLE_S)):
        heard(line, frame(noise[number]), now)
        line.keep_sample(number)
        if number == 1:
            assert line.take_sample() == (0, noise[0])
    assert line.take_sample() == (2, noise[2])
    assert line.take_sample() is None


def test_a_sample_is_not_given_while_something_older_may_wait_for_the_owner(
    line: ReactorSocket,
) -> None:
    line.hand_on(1, (b"trade",))
    heard(line, frame(NOISE), 10.0)
    line.keep_sample(2)
    assert line.take_sample() is None
    line.handled(len(b"trade"))
    assert line.take_sample() is None
    heard(line, frame(NOISE), 11.0)
    line.keep_sample(3)
    assert line.take_sample() == (3, NOISE)


def test_a_line_says_nothing_after_its_goodbye(line: ReactorSocket, inbox: CommandQueue) -> None:
    line.send_text("a")
    line.close(1000, "done")
    line.close(1000, "again")
    line.send_text("b")
    assert [command.verb for command in inbox.take()] == [Verb.SEND, Verb.CLOSE]


def test_an_abort_overtakes_a_goodbye(line: ReactorSocket, inbox: CommandQueue) -> None:
    line.close(1000, "")
    line.abort("frozen")
    assert [(x.verb, x.reason) for x in inbox.take()] == [(Verb.CLOSE, ""), (Verb.ABORT, "frozen")]


def test_what_may_wait_to_be_sent_is_bounded(line: ReactorSocket, inbox: CommandQueue) -> None:
    text = "x" * (UNSENT_BYTES // 4)
    for _ in range(6):
        line.send_text(text)
    verbs = [command.verb for command in inbox.take()]
    assert verbs == [Verb.SEND] * 3 + [Verb.OVERFLOW]


def test_what_was_sent_makes_room_again(line: ReactorSocket, inbox: CommandQueue) -> None:
    text = "x" * (UNSENT_BYTES // 2)
    for _ in range(5):
        line.send_text(text)
        (command,) = inbox.take()
        assert command.verb is Verb.SEND
        line.out += command.data
        line.sent(len(line.out))


# ------------------------------------------------------------ the inbox


def test_an_inbox_wakes_once_for_many_commands(line: ReactorSocket, inbox: CommandQueue) -> None:
    with select.epoll() as epoll:
        epoll.register(inbox.fileno(), select.EPOLLIN)
        assert epoll.poll(0) == []
        line.send_text("a")
        line.send_text("b")
        assert epoll.poll(0) == [(inbox.fileno(), select.EPOLLIN)]
        assert len(inbox.take()) == 2
        assert epoll.poll(0) == []


def test_a_closed_inbox_gives_its_last_commands_and_takes_no_more(line: ReactorSocket) -> None:
    inbox = CommandQueue()
    other = ReactorSocket(
        Wire(line.sock, "peer"),
        line.skimmer,
        inbox,
        on_frames=lambda _, __: None,
        on_end=lambda _, __: None,
    )
    other.abort("x")
    (command,) = inbox.close()
    assert command.reason == "x"
    assert not inbox.put(command)
    inbox.wake()
