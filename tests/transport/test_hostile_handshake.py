"""Promise: whatever a server answers to the handshake, it costs no more than its length, and
nothing of it comes with the next handshake."""

import http.cookies
import socket
import ssl
import time
import tracemalloc
from contextlib import suppress

import pytest
import trustme

from actors.errors import FeedLost
from actors.transport.handshake import HEAD_BYTES, open_websocket
from tests.transport import loopback
from tests.transport.loopback import WAIT_S, RawServer, answer_to, frame, read_request

pytestmark = pytest.mark.live

SPACE = HEAD_BYTES - 1000


def answering(*headers: str, first: str = "HTTP/1.1 101 Switching Protocols") -> RawServer:
    """Return a server that shakes hands with these headers too, and notes what it was asked."""

    def behave(conn: socket.socket) -> None:
        request = read_request(conn)
        server.requests.put(request)
        _, _, rest = answer_to(request, *headers).partition(b"\r\n")
        conn.sendall(first.encode() + b"\r\n" + rest)
        server.gone.wait(WAIT_S)

    server = RawServer(behave)
    return server


def open_to(server: RawServer, timeout_s: float = WAIT_S) -> None:
    open_websocket(
        f"ws://127.0.0.1:{server.port}/ws", timeout_s=timeout_s, user_agent="tracker/test"
    ).abort()


def lost(server: RawServer) -> FeedLost:
    with server, pytest.raises(FeedLost) as caught:
        open_to(server)
    return caught.value


# ------------------------------------------------------------ cookies, and what else could stay


COOKIES = {
    "one": ("a=b; Domain=127.0.0.1",),
    "escapes": ('a="' + '\\"' * (SPACE // 2 - 10) + '"',),
    "octal": ('a="' + "\\1" * (SPACE // 2 - 10) + '"',),
    "spaces": ("a" + " " * SPACE,),
    "many lines": ("a=b; Domain=127.0.0.1",) * (SPACE // 40),
}


@pytest.mark.parametrize("cookies", COOKIES.values(), ids=COOKIES)
def test_cookies_are_not_read(cookies: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a cookie was read")

    monkeypatch.setattr(http.cookies.BaseCookie, "load", fail)
    with answering(*(f"Set-Cookie: {cookie}" for cookie in cookies)) as server:
        open_to(server)


def test_nothing_of_an_answer_comes_with_the_next_handshake() -> None:
    with answering(
        "Set-Cookie: a=b; Domain=127.0.0.1; Path=/; Max-Age=999999",
        "Set-Cookie: __cf_bm=c; Domain=127.0.0.1",
        'Alt-Svc: h2="127.0.0.1:9"; persist=1',
        "Strict-Transport-Security: max-age=999999",
    ) as server:
        asked = []
        for _ in range(3):
            open_to(server)
            request = server.requests.get(timeout=WAIT_S)
            asked.append([line for line in request.splitlines() if "WebSocket-Key" not in line])
    assert asked[0] == asked[1] == asked[2]
    assert not any(line.lower().startswith("cookie") for line in asked[0])


def test_nothing_of_a_rejection_comes_with_the_next_handshake() -> None:
    rejecting = answering("Set-Cookie: a=b; Domain=127.0.0.1", first="HTTP/1.1 429 No")
    with rejecting, pytest.raises(FeedLost):
        open_to(rejecting)
    with answering() as server:
        open_to(server)
        assert "cookie" not in server.requests.get(timeout=WAIT_S).lower()


# ------------------------------------------------------------ cost


LONG = {
    "cookie": ('Set-Cookie: a="' + '\\"' * (SPACE // 2 - 20) + '"',),
    "one": ("X: " + "y" * SPACE,),
    "many": ("X: y",) * (SPACE // 6),
    "many cookies": ("Set-Cookie: a=b",) * (SPACE // 17),
    "Retry-After": ("Retry-After: " + "1 " * (SPACE // 2 - 10),),
    "digits": ("Retry-After: " + "9" * SPACE,),
    "Date": ("Retry-After: soon", "Date: " + "1:" * (SPACE // 2 - 20)),
    "Content-Length": ("Content-Length: " + "9" * SPACE,),
    "Connection": ("Connection: " + "a," * (SPACE // 2 - 10) + "Upgrade",),
}


@pytest.mark.parametrize("headers", LONG.values(), ids=LONG)
@pytest.mark.parametrize("status", ["101 Switching Protocols", "429 No", "302 Found"])
def test_no_header_costs_more_than_its_length(headers: tuple[str, ...], status: str) -> None:
    with answering(*headers, first=f"HTTP/1.1 {status}") as server:
        began = time.thread_time()
        with suppress(FeedLost):
            open_to(server, timeout_s=2.0)
        # Of this thread alone. It is 20 to 60 ms; cookies alone took 6 s.
        assert time.thread_time() - began < 0.5


@pytest.mark.parametrize(
    "more",
    [b"X-More: " + b"y" * 1000 + b"\r\n", b"y" * 65536, b" y\r\n", b"Set-Cookie: a=b\r\n"],
    ids=["headers", "a header", "folded", "cookies"],
)
def test_headers_without_end_are_cut_and_take_no_memory(more: bytes) -> None:
    def behave(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 101 OK\r\nX: ")
        while True:
            conn.sendall(more)

    tracemalloc.start()
    try:
        error = lost(RawServer(behave))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert error.reason == "handshake"
    assert "too long" in error.detail


def test_interim_answers_without_end_end_the_handshake() -> None:
    def behave(conn: socket.socket) -> None:
        read_request(conn)
        while True:
            conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    assert lost(RawServer(behave)).reason == "http_100"


def test_the_longest_headers_are_taken_and_no_frame_after_them_is_lost() -> None:
    authority = trustme.CA()
    context = served_by(authority)
    first = frame(b"first")

    def behave(conn: socket.socket) -> None:
        request = read_request(conn)
        head = answer_to(request)
        filler = HEAD_BYTES - len(head) - len(b"X: \r\n")
        conn.sendall(answer_to(request, "X: " + "y" * filler) + first)
        server.gone.wait(WAIT_S)

    with RawServer(behave, context) as server:
        opened = open_websocket(
            f"wss://localhost:{server.port}/",
            ssl_context=loopback.trusting(authority),
            user_agent="t",
        )
        opened.sock.settimeout(WAIT_S)
        assert (opened.early or one_read(opened.sock)) == first
        opened.abort()


def one_read(sock: socket.socket) -> bytes:
    """Return what a read brings; on TLS one that brings only a part of a record says so."""
    while True:
        with suppress(ssl.SSLWantReadError):
            return sock.recv(100)


def served_by(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


# ------------------------------------------------------------ meaning


@pytest.mark.parametrize(
    "headers",
    [
        ("Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Extensions:"),
        ("Sec-WebSocket-Protocol: chat",),
        ("Sec-WebSocket-Accept: no",),
        (" folded: line",),
        ("\tfolded: line",),
        ("no colon here",),
    ],
    ids=["extension, then none", "subprotocol", "accept twice", "folded", "by a tab", "no colon"],
)
def test_an_answer_that_can_be_read_in_two_ways_is_no_handshake(headers: tuple[str, ...]) -> None:
    assert lost(answering(*headers)).reason == "handshake"


@pytest.mark.parametrize(
    "first",
    [
        *("HTTP/2 101 X", "101 X Y", "HTTP/1.1  101 X", "HTTP/1.1 1010 X", "ICY 101 OK", ""),
        *("HTTP/1.1 101\v", "HTTP/1.1 101\x1f"),  # whitespace, which the library takes away
    ],
)
def test_what_is_no_status_line_is_no_handshake(first: str) -> None:
    assert lost(answering(first=first)).reason == "handshake"


@pytest.mark.parametrize("character", [b"\x85", b"\x0b", b"\x1c", b"\r"])
def test_other_characters_than_line_feeds_end_no_header(character: bytes) -> None:
    def behave(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 429 No\r\nX: a" + character + b"Retry-After: 7\r\n\r\n")

    error = lost(RawServer(behave))
    assert (error.reason, error.retry_after_s) == ("http_429", None)


def test_lists_may_come_in_two_lines() -> None:
    with answering("Connection: keep-alive") as server:
        open_to(server)


def test_an_error_page_is_shown_as_far_as_it_came() -> None:
    def behave(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 3000\r\n\r\nlater")
        conn.close()

    assert "Busy later" in lost(RawServer(behave)).detail
