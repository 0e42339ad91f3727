import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from actors.transport.frames import TAIL_BYTES
from actors.transport.handshake import OpenWebSocket, open_websocket
from tests.transport.loopback import (
    WAIT_S,
    RawServer,
    answer_to,
    close_frame,
    frame,
    read_frame,
    read_request,
    trusting,
)
from tests.transport.reactor_harness import NOISE, Owner, ReactorHarness, secured, trade

pytestmark = pytest.mark.live


@pytest.fixture
def running() -> Iterator[ReactorHarness]:
    with ReactorHarness() as harness:
        harness.reactor.start()
        yield harness


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    return server, trusting(authority)


def open_secure(server: RawServer, client: ssl.SSLContext) -> OpenWebSocket:
    url = f"wss://localhost:{server.port}/"
    return open_websocket(url, ssl_context=client, user_agent="x", timeout_s=WAIT_S)


def test_frames_decrypted_together_with_the_handshake_are_handed_on(
    running: ReactorHarness, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    def behave(conn: socket.socket) -> None:
        conn.sendall(answer_to(read_request(conn)) + frame(trade(1)))

    owner = Owner()
    with RawServer(behave, tls[0]) as server:
        running.adopt(open_secure(server, tls[1]), owner)
        assert owner.messages(1) == [trade(1)]


def test_much_over_tls_arrives_whole_both_ways(
    running: ReactorHarness, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    sent: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    large = trade(0) + b" " * 1_000_000

    def behave(conn: socket.socket) -> None:
        conn.sendall(answer_to(read_request(conn)))
        sent.put(read_frame(conn)[1])
        conn.sendall(frame(large))
        for number in range(1, 2000):
            conn.sendall(frame(NOISE) * 3 + frame(trade(number)))
        conn.sendall(close_frame(1000, "bye"))
        sent.put(read_frame(conn)[1])

    owner = Owner()
    with RawServer(behave, tls[0]) as server:
        connection = running.adopt(open_secure(server, tls[1]), owner)
        connection.send_text("y" * 500_000)
        assert sent.get(timeout=WAIT_S) == b"y" * 500_000
        assert owner.end() == ("closed_1000", "bye")
        assert sent.get(timeout=WAIT_S) == (1000).to_bytes(2, "big")
    assert owner.remaining() == [large, *(trade(number) for number in range(1, 2000))]


def test_what_is_decrypted_and_did_not_fit_is_read_without_being_woken(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    # Four full records are nearly the longest frame that is waited for. With it in front there
    # is no space for the fifth one: its end stays in the TLS layer, and epoll reports nothing.
    scratch_bytes = TAIL_BYTES + 1000
    stream = frame(b"y" * 65535) + frame(b"x" * 5000) + frame(trade(1))
    sent = threading.Event()
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with tls[0].wrap_socket(theirs, server_side=True) as conn:
            conn.sendall(stream)
            sent.set()
            over.wait(2 * WAIT_S)

    over = threading.Event()
    server = threading.Thread(target=serve, daemon=True)
    server.start()
    owner = Owner()
    with ReactorHarness(scratch_bytes) as harness:
        ours.settimeout(WAIT_S)
        harness.adopt(secured(ours, tls[1]), owner)
        assert sent.wait(WAIT_S)
        harness.reactor.start()
        assert owner.messages(3)[-1] == trade(1)
        over.set()
        server.join(WAIT_S)


def test_close_notify_is_an_end_though_the_socket_stays_open(
    running: ReactorHarness, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    def behave(conn: socket.socket) -> None:
        assert isinstance(conn, ssl.SSLSocket)
        conn.sendall(answer_to(read_request(conn)) + frame(trade(1)))
        with contextlib.suppress(OSError):
            conn.unwrap()  # sends close_notify, and waits for ours
        server.gone.wait(2 * WAIT_S)

    owner = Owner()
    with RawServer(behave, tls[0]) as server:
        running.adopt(open_secure(server, tls[1]), owner)
        assert owner.end() == ("disconnected", "end of file")
    assert owner.remaining() == [trade(1)]


def test_garbage_instead_of_tls_records_is_named(
    running: ReactorHarness, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    def behave(conn: socket.socket) -> None:
        conn.sendall(answer_to(read_request(conn)) + frame(trade(1)))
        with socket.socket(fileno=conn.detach()) as raw:
            raw.sendall(b"this is no TLS record at all")
            server.gone.wait(WAIT_S)

    owner = Owner()
    with RawServer(behave, tls[0]) as server:
        running.adopt(open_secure(server, tls[1]), owner)
        assert owner.end()[0] == "tls"
    assert owner.remaining() == [trade(1)]
