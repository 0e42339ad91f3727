"""Whoever is on the host may ask for the metrics, and cannot make them costly for the tracker."""

import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from actors.health.web import server as web_server
from actors.health.web.server import CLIENT_S, MOST_CLIENTS, MOST_WAITING, BoundedServer
from tests.chaos.hostile import SilentClients

pytestmark = pytest.mark.live
GET = b"GET /metrics HTTP/1.0\r\n\r\n"


def app(_environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"tracker_up 1\n"]


@pytest.fixture
def server() -> Iterator[BoundedServer]:
    made = BoundedServer(("127.0.0.1", 0), app)
    made.start()
    yield made
    made.stop()


def serving() -> int:
    """Return how many threads serve its clients."""
    mark = "process_request_thread"
    return sum(mark in thread.name for thread in threading.enumerate())


def connected(server: BoundedServer, stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", server.server_port), 30))


def until(found: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    end = time.monotonic() + timeout_s
    while not found() and time.monotonic() < end:
        time.sleep(0.02)
    return found()


def test_two_hundred_silent_clients_hold_no_thread_and_metrics_are_served_beside_them(
    server: BoundedServer,
) -> None:
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    with SilentClients(("127.0.0.1", server.server_port), 200) as silent:
        assert until(lambda: silent.held == 200)
        for _ in range(3):
            began = time.monotonic()
            with urllib.request.urlopen(url, timeout=30) as reply:
                assert reply.read() == b"tracker_up 1\n"
            assert time.monotonic() - began < 5.0
            assert until(lambda: serving() == 0)
        assert until(lambda: silent.cut_off > 0)
    assert server.waiting <= MOST_WAITING


def test_clients_that_begin_and_do_not_go_on_are_like_silent_ones(server: BoundedServer) -> None:
    with ExitStack() as stack:
        for _ in range(2 * MOST_CLIENTS):
            connected(server, stack).sendall(b"GET /metrics HTTP/1.0\r\nHost: here\r\n")
        began = time.monotonic()
        asker = connected(server, stack)
        asker.sendall(GET)
        assert b"".join(iter(lambda: asker.recv(4096), b"")).endswith(b"tracker_up 1\n")
        assert time.monotonic() - began < CLIENT_S


def test_a_request_without_end_is_cut_off_before_it_takes_memory(server: BoundedServer) -> None:
    with ExitStack() as stack:
        peer = connected(server, stack)
        began = time.monotonic()
        with pytest.raises(OSError, match=r"reset|Broken|closed|Connection"):  # noqa: PT012
            while time.monotonic() - began < CLIENT_S:
                peer.sendall(b"x: y\r\n" * 1000)
        assert time.monotonic() - began < CLIENT_S


def test_who_sends_byte_by_byte_has_no_more_time_than_others(server: BoundedServer) -> None:
    with ExitStack() as stack:
        peer = connected(server, stack)
        began = time.monotonic()
        with pytest.raises(OSError, match=r"reset|Broken|closed|Connection"):  # noqa: PT012
            while time.monotonic() - began < 4 * CLIENT_S:
                peer.sendall(b"G")
                time.sleep(0.1)
        assert time.monotonic() - began < 2 * CLIENT_S


def test_who_does_not_read_the_answer_is_cut_off() -> None:
    def endless(_environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [bytes(64 << 20)]

    server = BoundedServer(("127.0.0.1", 0), endless)
    server.start()
    try:
        with ExitStack() as stack:
            connected(server, stack).sendall(GET)
            assert until(lambda: serving() == 1)
            assert until(lambda: serving() == 0)
    finally:
        server.stop()


def test_scrapes_without_end_take_a_bounded_number_of_turns(
    server: BoundedServer,
) -> None:
    served: list[float] = []

    def counting(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        served.append(time.monotonic())
        return app(environ, start_response)

    server.set_app(counting)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", server.server_port), 5) as peer:
            peer.sendall(GET)
            while peer.recv(4096):
                pass
    assert 2 <= len(served) <= 2 / web_server.BETWEEN_CLIENTS_S + 1


def test_a_client_that_leaves_in_the_middle_leaves_no_trace(
    server: BoundedServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        for _ in range(5):
            peer = connected(server, stack)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.sendall(b"GET /metr")
            peer.close()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=10) as reply:
        assert reply.status == 200
    assert until(lambda: serving() == 0)
    assert capfd.readouterr().err == ""


def test_it_stops_while_clients_are_silent() -> None:
    server = BoundedServer(("127.0.0.1", 0), app)
    server.start()
    with ExitStack() as stack:
        for _ in range(2 * MOST_CLIENTS):
            connected(server, stack)
        assert until(lambda: server.waiting == 2 * MOST_CLIENTS)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < CLIENT_S
        assert not server.is_alive
        assert until(lambda: serving() == 0)
