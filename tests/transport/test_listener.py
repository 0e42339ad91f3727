"""A stream in a thread of its own: subscribed, kept alive, found frozen, connected again."""

import contextlib
import logging
import queue
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from actors.errors import FeedLost
from actors.transport import listener
from actors.transport.handshake import OpenWebSocket
from actors.transport.listener import Listener
from tests.transport.rfc6455 import frame

WAIT_S = 10.0
MATCH = b'{"topic":"activity","type":"orders_matched"}'


def unmasked(data: bytes) -> tuple[int, bytes, bytes]:
    """Return the first byte of a client's short frame, its payload, and the rest."""
    size = data[1] & 127
    mask, payload = data[2:6], data[6 : 6 + size]
    text = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return data[0], text, data[6 + size :]


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._data = b""
        sock.settimeout(WAIT_S)

    def next(self) -> tuple[int, bytes]:
        """Return the next frame of the client."""
        while len(self._data) < 6 or len(self._data) < 6 + (self._data[1] & 127):
            more = self.sock.recv(4_096)
            if not more:
                raise EOFError
            self._data += more
        first, payload, self._data = unmasked(self._data)
        return first, payload

    def send(self, *payloads: bytes, first: int = 0x81) -> None:
        self.sock.sendall(b"".join(frame(each, first=first) for each in payloads))


class Line:
    """A listener whose servers are this test."""

    def __init__(self, *, frozen_s: float = WAIT_S, failures: int = 0, early: bytes = b"") -> None:
        self.peers: queue.SimpleQueue[Peer] = queue.SimpleQueue()
        self.heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.states: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.raises: Exception | None = None
        self._failures, self._early = failures, early
        self._ends: list[socket.socket] = []
        self.listener = Listener(
            "wss://stream.example",
            user_agent="test",
            subscription="SUBSCRIBE",
            ping="PING",
            marker="orders_matched",
            on_messages=self._messages,
            on_state=self.states.put,
            frozen_s=frozen_s,
            open_socket=self._open,
        )

    def _open(self, url: str, *, user_agent: str) -> OpenWebSocket:
        assert (url, user_agent) == ("wss://stream.example", "test")
        if self._failures:
            self._failures -= 1
            raise FeedLost("closed_1013", "by the test")
        ours, theirs = socket.socketpair()
        self._ends += [ours, theirs]
        self.peers.put(Peer(theirs))
        return OpenWebSocket(ours, "peer", self._early)

    def _messages(self, at_ns: int, messages: tuple[bytes, ...]) -> bool:
        assert at_ns > 0
        if self.raises is not None:
            raise self.raises
        for each in messages:
            self.heard.put(each)
        return any(b"orders_matched" in each for each in messages)

    def peer(self) -> Peer:
        found = self.peers.get(timeout=WAIT_S)
        assert found.next() == (0x81, b"SUBSCRIBE")
        return found

    def until(self, state: str) -> list[str]:
        seen: list[str] = []
        while not seen or seen[-1] != state:
            seen.append(self.states.get(timeout=WAIT_S))
        return seen

    def clear(self) -> None:
        self.listener.close()
        self.listener.wait(WAIT_S)
        for each in self._ends:
            each.close()


@pytest.fixture
def line() -> Iterator[Callable[..., Line]]:
    with contextlib.ExitStack() as stack:

        def make(**said: object) -> Line:
            found = Line(**said)  # type: ignore[arg-type]
            stack.callback(found.clear)
            found.listener.start()
            return found

        yield make


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "READ_S", 0.02)


def test_messages_of_the_stream_are_handed_on(line: Callable[..., Line]) -> None:
    found = line()
    peer = found.peer()
    peer.send(MATCH, b"", MATCH + b" ")

    assert [found.heard.get(timeout=WAIT_S) for _ in range(3)] == [MATCH, b"", MATCH + b" "]
    assert found.until("ok") == ["connecting", "ok"]


def test_what_came_with_the_handshake_is_the_beginning(line: Callable[..., Line]) -> None:
    found = line(early=frame(MATCH)[:10])
    found.peer().sock.sendall(frame(MATCH)[10:])

    assert found.heard.get(timeout=WAIT_S) == MATCH


def test_it_says_ping_and_answers_pings(
    line: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PING_S", 0.05)
    peer = line().peer()
    assert peer.next() == (0x81, b"PING")
    peer.send(b"payload", first=0x89)
    while (got := peer.next())[0] != 0x8A:
        assert got == (0x81, b"PING")

    assert got == (0x8A, b"payload")


def test_a_stream_that_tells_nothing_is_frozen_and_connected_again(
    line: Callable[..., Line], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    found = line(frozen_s=0.2)
    found.peer().send(b"", b'{"topic":"comments"}')
    assert found.until("frozen") == ["connecting", "frozen"]
    found.peer().send(MATCH)
    found.until("ok")

    assert any(each.message == "audit_stream_lost" for each in caplog.records)


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (lambda peer: peer.sock.close(), "reset: end of file"),
        (lambda peer: peer.send(b"\x03\xe8", first=0x88), "closed by the server: 1000"),
        (lambda peer: peer.send(b"x", first=0x83), "protocol: reserved_opcode"),
    ],
)
def test_an_end_is_said_and_followed_by_a_connection(
    line: Callable[..., Line], end: Callable[[Peer], None], state: str
) -> None:
    found = line()
    end(found.peer())
    found.until(state)
    found.peer().send(MATCH)

    found.until("ok")


def test_a_server_that_cannot_be_reached_is_tried_again(line: Callable[..., Line]) -> None:
    found = line(failures=1)

    assert found.until("closed_1013: by the test") == ["connecting", "closed_1013: by the test"]
    found.peer()


def test_a_message_that_is_too_long_ends_the_connection(line: Callable[..., Line]) -> None:
    found = line()
    found.peer().sock.sendall(b"\x81\x7f" + (1 << 20).to_bytes(8, "big"))

    found.until("protocol: too_big")


def test_an_error_of_ours_ends_the_thread(line: Callable[..., Line]) -> None:
    seen: list[BaseException | None] = []
    hook, threading.excepthook = threading.excepthook, lambda said: seen.append(said.exc_value)
    try:
        found = line()
        found.raises = ZeroDivisionError()
        found.peer().send(MATCH)
        found.listener.wait(WAIT_S)
    finally:
        threading.excepthook = hook

    assert not found.listener.is_alive
    assert [type(each) for each in seen] == [ZeroDivisionError]


def test_closing_it_ends_the_thread_and_the_connection(line: Callable[..., Line]) -> None:
    found = line()
    peer = found.peer()
    before = found.listener.is_alive
    found.listener.close()
    found.listener.wait(WAIT_S)

    assert (before, found.listener.is_alive) == (True, False)
    assert peer.sock.recv(100) == b""


def test_closing_it_ends_a_wait_for_the_next_try(line: Callable[..., Line]) -> None:
    found = line(failures=99)
    found.until("closed_1013: by the test")
    found.listener.close()
    found.listener.wait(WAIT_S)

    assert not found.listener.is_alive


def test_a_stream_that_is_too_fast_waits_at_its_sender(
    line: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST_A_SECOND", 10)
    waits: list[float] = []
    found = line()
    peer = found.peer()
    stop = found.listener._stop
    real = stop.wait

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return real(0.01)

    monkeypatch.setattr(stop, "wait", wait)
    peer.send(*[MATCH] * 50)
    for _ in range(50):
        found.heard.get(timeout=WAIT_S)
    peer.send(MATCH)
    found.heard.get(timeout=WAIT_S)

    assert waits
    assert all(0 < each <= 1.0 for each in waits[:1])
