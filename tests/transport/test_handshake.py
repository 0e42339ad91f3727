import socket
import threading
import time
from collections.abc import Callable
from email.utils import formatdate

import pytest

from actors.errors import FeedLost
from actors.transport.handshake import (
    OpenWebSocket,
    close_frame,
    open_websocket,
    pong_frame,
    text_frame,
)
from tests.transport.loopback import WAIT_S, RawServer, answer_to, frame, read_frame, read_request

pytestmark = pytest.mark.live

Behave = Callable[[socket.socket], None]


def answering(reply: bytes) -> Behave:
    def behave(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(reply)

    return behave


def shake(conn: socket.socket) -> None:
    conn.sendall(answer_to(read_request(conn)))


def open_to(server: RawServer, *, timeout_s: float = WAIT_S) -> OpenWebSocket:
    url = f"ws://127.0.0.1:{server.port}/ws/market?x=1"
    return open_websocket(url, timeout_s=timeout_s, user_agent="tracker/test")


def lost(behave: Behave, *, timeout_s: float = WAIT_S) -> FeedLost:
    with RawServer(behave) as server, pytest.raises(FeedLost) as caught:
        open_to(server, timeout_s=timeout_s).abort()
    return caught.value


# ------------------------------------------------------------ the handshake


def test_an_open_websocket_is_non_blocking_and_no_byte_after_the_handshake_is_lost() -> None:
    together = threading.Event()

    def behave(conn: socket.socket) -> None:
        conn.sendall(answer_to(read_request(conn)) + frame(b"first"))
        together.set()

    with RawServer(behave) as server:
        opened = open_to(server)
        assert opened.peer == f"127.0.0.1:{server.port}"
        assert opened.sock.gettimeout() == 0.0
        assert together.wait(WAIT_S)
        opened.sock.settimeout(WAIT_S)
        assert (opened.early or opened.sock.recv(100)) == frame(b"first")
        opened.abort()
        assert opened.sock.fileno() == -1


def test_the_request_has_a_user_agent_and_offers_no_compression() -> None:
    def behave(conn: socket.socket) -> None:
        request = read_request(conn)
        server.requests.put(request)
        conn.sendall(answer_to(request))

    with RawServer(behave) as server:
        open_to(server).abort()
        request = server.requests.get(timeout=WAIT_S).lower()
    assert request.startswith("get /ws/market?x=1 http/1.1\r\n")
    assert "user-agent: tracker/test\r\n" in request
    assert "extensions" not in request
    assert "origin" not in request


def test_the_socket_does_not_wait_to_send_and_notices_a_dead_peer() -> None:
    with RawServer(shake) as server:
        opened = open_to(server)
        option = opened.sock.getsockopt
        assert option(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000
        opened.abort()


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with RawServer(shake) as server:
        open_to(server).abort()


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws://", "127.0.0.1:80", "ws:///path"])
def test_what_is_no_websocket_url_is_a_value_error(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        open_websocket(url, user_agent="x")


# ------------------------------------------------------------ rejections


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 7\r\n", 7.0),
        ("Retry-After: 86400\r\n", 300.0),
        ("Retry-After: -3\r\n", None),
        ("Retry-After: soon\r\n", None),
        ("", None),
        (f"Retry-After: {formatdate(0, usegmt=True)}\r\n", 0.0),
        (f"Retry-After: {formatdate(4e9, usegmt=True)}\r\n", 300.0),
        ("Date: {}\r\nRetry-After: {}\r\n".format(*map(formatdate, (4e9, 4e9 + 30))), 30.0),
    ],
)
def test_429_is_named_and_its_retry_after_is_kept_within_bounds(
    header: str, seconds: float | None
) -> None:
    page = b"slow down"
    head = f"HTTP/1.1 429 Too Many Requests\r\n{header}Content-Length: {len(page)}\r\n\r\n"
    error = lost(answering(head.encode() + page))
    assert (error.reason, error.retry_after_s) == ("http_429", seconds)
    assert "Too Many Requests slow down" in error.detail


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "http_403"), (503, "http_503"), (200, "http_200")]
)
def test_other_answers_are_named_by_their_status(status: int, reason: str) -> None:
    assert lost(answering(f"HTTP/1.1 {status} So\r\n\r\n".encode())).reason == reason


def test_a_redirect_is_not_followed() -> None:
    visited = threading.Event()
    with RawServer(lambda _: visited.set()) as other:
        target = f"Location: ws://127.0.0.1:{other.port}/\r\n"
        error = lost(answering(f"HTTP/1.1 302 Found\r\n{target}\r\n".encode()))
    assert error.reason == "redirected"
    assert str(other.port) in error.detail
    assert not visited.is_set()


def test_a_huge_error_page_is_cut_and_still_says_what_it_was() -> None:
    head = b"HTTP/1.1 429 Too Many\r\nRetry-After: 2\r\nContent-Length: 100000000\r\n\r\n"

    taken: list[int] = []

    def behave(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(head)
        while True:
            taken.append(conn.send(b"x" * 65536))

    error = lost(behave)
    assert (error.reason, error.retry_after_s) == ("http_429", 2.0)
    assert len(error.detail) <= 500
    assert sum(taken) < 50_000_000, "what the kernel holds, and no more"


def test_an_endless_header_is_cut() -> None:
    def behave(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 101 OK\r\n")
        while True:
            conn.sendall(b"X-More: " + b"y" * 1000 + b"\r\n")

    error = lost(behave)
    assert error.reason == "handshake"
    assert "too long" in error.detail


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 X\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: no\n\n",
        b"HTTP/1.1 101 X\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 101 \xff\xfe\r\n\r\n",
        b"HTTP/1.1 " + b"9" * 5000 + b" X\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_handshake_is_rejected(reply: bytes) -> None:
    assert lost(answering(reply)).reason == "handshake"


def test_an_extension_that_was_not_offered_is_rejected() -> None:
    extension = "Sec-WebSocket-Extensions: permessage-deflate"
    error = lost(lambda conn: conn.sendall(answer_to(read_request(conn), extension)))
    assert error.reason == "handshake"
    assert "extension" in error.detail


def test_a_server_that_hangs_up_in_the_handshake_has_reset_it() -> None:
    assert lost(lambda conn: conn.close()).reason == "reset"


# ------------------------------------------------------------ the deadline


def assert_cut_off(server: RawServer) -> None:
    began = time.monotonic()
    with pytest.raises(FeedLost) as caught:
        open_to(server, timeout_s=0.3)
    assert caught.value.reason == "handshake_timeout"
    assert 0.25 < time.monotonic() - began < 5.0


def test_a_silent_server_is_cut_off_at_the_deadline() -> None:
    def behave(_: socket.socket) -> None:
        server.gone.wait(WAIT_S)

    with RawServer(behave) as server:
        assert_cut_off(server)


def test_a_dripping_handshake_is_cut_off_at_the_deadline() -> None:
    def behave(conn: socket.socket) -> None:
        read_request(conn)
        server.send_slowly(conn, b"HTTP/1.1 101 Switching Protocols\r\n" + b"X-A: b\r\n" * 1000)

    with RawServer(behave) as server:
        assert_cut_off(server)


def test_a_dripping_error_page_is_cut_off_and_still_says_what_it_was() -> None:
    def behave(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 3000\r\n\r\n")
        server.send_slowly(conn, b"x" * 3000)

    with RawServer(behave) as server, pytest.raises(FeedLost) as caught:
        open_to(server, timeout_s=0.3)
    assert caught.value.reason == "http_503"


# ------------------------------------------------------------ frames we send


@pytest.mark.parametrize(
    ("built", "first", "payload"),
    [
        (text_frame("PING"), 0x81, b"PING"),
        (text_frame("ä" * 70_000), 0x81, "ä".encode() * 70_000),
        (pong_frame(b"\x00\xff"), 0x8A, b"\x00\xff"),
        (close_frame(1000, "bye"), 0x88, b"\x03\xe8bye"),
        (close_frame(1001, "ä" * 100), 0x88, b"\x03\xe9" + "ä".encode() * 61),
    ],
    ids=["ping", "long text", "pong", "close", "long close"],
)
def test_frames_are_masked_and_whole(built: bytes, first: int, payload: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = threading.Thread(target=ours.sendall, args=(built,), daemon=True)
        writer.start()
        theirs.settimeout(WAIT_S)
        assert read_frame(theirs) == (first, payload)
        writer.join(WAIT_S)
