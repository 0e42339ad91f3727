"""The proxy's toxics, each against an echo on loopback."""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import CLEAN, Proxy, Toxics
from tests.live.processes import until

pytestmark = pytest.mark.live

DEADLINE_S = 10.0


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while said := self.request.recv(65_536):
                self.request.sendall(said)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, port = server.socket.getsockname()
    with Proxy((host, port)) as made:
        yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(proxy.address, DEADLINE_S) as made:
        yield made


def echoed(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (chunk := client.recv(size - len(found))):
        found += chunk
    return found


def test_without_toxics_bytes_pass_as_they_are(client: socket.socket) -> None:
    client.sendall(b"x" * 200_000)

    assert echoed(client, 200_000) == b"x" * 200_000


def test_latency_delays_both_ways(proxy: Proxy, client: socket.socket) -> None:
    proxy.toxics = Toxics(latency_s=0.1)
    began = time.monotonic()
    client.sendall(b"hello")

    assert echoed(client, 5) == b"hello"
    assert time.monotonic() - began >= 0.2


def test_bandwidth_is_limited(proxy: Proxy, client: socket.socket) -> None:
    proxy.toxics = Toxics(bytes_per_s=100_000, slice_bytes=1000)
    began = time.monotonic()
    client.sendall(b"x" * 20_000)

    assert echoed(client, 20_000) == b"x" * 20_000
    assert time.monotonic() - began >= 0.2


def test_a_black_hole_holds_bytes_back_until_it_is_removed(
    proxy: Proxy, client: socket.socket
) -> None:
    proxy.toxics = Toxics(hole=True)
    client.sendall(b"hello")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1)
    proxy.toxics = CLEAN
    client.settimeout(DEADLINE_S)

    assert echoed(client, 5) == b"hello"


def test_a_reset_is_a_reset(proxy: Proxy, client: socket.socket) -> None:
    client.sendall(b"hello")
    assert echoed(client, 5) == b"hello"

    assert proxy.reset() == 1
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_close_is_an_end_of_file(proxy: Proxy, client: socket.socket) -> None:
    client.sendall(b"hello")
    echoed(client, 5)
    proxy.close_all()

    assert client.recv(1) == b""


def test_a_rejection_hits_new_connections_only(proxy: Proxy, client: socket.socket) -> None:
    client.sendall(b"hello")
    echoed(client, 5)
    proxy.toxics = Toxics(reject=True)
    with (  # the reset may come while connecting, too
        pytest.raises(ConnectionResetError),
        socket.create_connection(proxy.address, DEADLINE_S) as late,
    ):
        late.recv(1)
    client.sendall(b"again")

    assert echoed(client, 5) == b"again"


def test_a_limit_cuts_after_so_many_bytes(proxy: Proxy, client: socket.socket) -> None:
    proxy.toxics = Toxics(limit_bytes=1000, slice_bytes=100)
    client.sendall(b"x" * 5000)
    with pytest.raises(ConnectionResetError):
        echoed(client, 5000)

    assert proxy.cuts == 1


@pytest.mark.parametrize(("after_s", "handed_on"), [(0.05, True), (-1.0, False)])
def test_a_cut_comes_after_a_text_or_instead_of_it(
    proxy: Proxy, client: socket.socket, after_s: float, *, handed_on: bool
) -> None:
    proxy.toxics = Toxics(cut_at=b"COMMIT", cut_after_s=after_s)
    before = proxy.bytes_total
    client.sendall(b"COMMIT")
    until("it is cut", lambda: proxy.cuts == 1)

    assert (proxy.bytes_total > before) is handed_on


def test_no_server_upstream_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[:2]
    with (
        Proxy((free[0], free[1])) as made,
        pytest.raises(ConnectionResetError),  # while connecting, or at the first read
        socket.create_connection(made.address, DEADLINE_S) as late,
    ):
        late.recv(1)
