import errno
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import trustme

from actors.errors import FeedLost
from actors.transport.handshake import (
    Deadline,
    Resolve,
    _connect_reason,
    connect,
    open_websocket,
    verifying_context,
)
from actors.transport.tls import TlsSocket
from tests.transport import loopback
from tests.transport.loopback import WAIT_S, RawServer

pytestmark = pytest.mark.live


def call(
    port: int,
    *,
    host: str = "127.0.0.1",
    timeout_s: float = WAIT_S,
    tls: ssl.SSLContext | None = None,
    resolve: Resolve = socket.getaddrinfo,
) -> socket.socket:
    return connect(host, port, deadline=Deadline(timeout_s), tls=tls, resolve=resolve)


def addresses(*pairs: tuple[str, int]) -> Resolve:
    """Return a resolver that answers any name with these, and knows no numeric addresses."""

    def resolve(*arguments: Any) -> list[Any]:
        if arguments[5:] == (socket.AI_NUMERICHOST,):
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", pair) for pair in pairs]

    return resolve


def stay(_: socket.socket) -> None:
    """Accept, and send nothing."""


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return a port that never answers a new connection: its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


# ------------------------------------------------------------ names


def test_a_name_that_nobody_knows_is_lost_to_dns() -> None:
    def resolve(*_: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(FeedLost, match=r"dns: feed\.example: .*not known"):
        call(80, host="feed.example", resolve=resolve)


def test_a_name_that_is_none_is_lost_to_dns() -> None:
    with pytest.raises(FeedLost, match="dns: "):
        call(80, host="x" * 100 + ".example")


def test_a_lookup_that_hangs_is_left_at_the_deadline() -> None:
    over = threading.Event()

    def resolve(*arguments: Any) -> list[Any]:
        if arguments[5:] == (socket.AI_NUMERICHOST,):
            raise socket.gaierror
        over.wait(WAIT_S)
        return []

    began = time.monotonic()
    try:
        with pytest.raises(FeedLost, match="dns: no answer"):
            call(80, host="feed.example", timeout_s=0.2, resolve=resolve)
    finally:
        over.set()
    assert time.monotonic() - began < 5.0


def test_lookups_that_hang_are_bounded_in_number() -> None:
    over = threading.Event()
    running = threading.Semaphore(0)

    def resolve(*arguments: Any) -> list[Any]:
        if arguments[5:] == (socket.AI_NUMERICHOST,):
            raise socket.gaierror
        running.release()
        over.wait(WAIT_S)
        return []

    def lose() -> None:
        with pytest.raises(FeedLost, match="dns"):
            call(80, host="feed.example", timeout_s=0.5, resolve=resolve)

    callers = [threading.Thread(target=lose, daemon=True) for _ in range(40)]
    try:
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(WAIT_S)
        assert not any(caller.is_alive() for caller in callers)
        lookups = sum(running.acquire(blocking=False) for _ in range(41))
        assert lookups == 32
    finally:
        over.set()


# ------------------------------------------------------------ addresses


def test_a_port_without_a_server_rejects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(FeedLost) as caught:
        call(port)
    assert caught.value.reason == "refused"


def test_an_address_that_never_answers_is_left_at_the_deadline(silent_port: int) -> None:
    with pytest.raises(FeedLost) as caught:
        call(silent_port, timeout_s=0.2)
    assert caught.value.reason == "connect_timeout"


def test_an_address_that_never_answers_leaves_time_for_the_next_one(silent_port: int) -> None:
    with RawServer(stay) as server:
        resolve = addresses(("127.0.0.1", silent_port), ("127.0.0.1", server.port))
        sock = call(443, host="feed.example", timeout_s=2.0, resolve=resolve)
        assert sock.getpeername() == ("127.0.0.1", server.port)
        sock.close()


def test_a_name_without_addresses_is_lost_to_dns() -> None:
    with pytest.raises(FeedLost, match="no address"):
        call(80, host="feed.example", resolve=addresses())


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "no_descriptors"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "unreachable"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "unreachable"),
        (ConnectionResetError(), "reset"),
    ],
)
def test_errors_of_connecting_have_stable_reasons(error: OSError, reason: str) -> None:
    assert _connect_reason(error) == reason


# ------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    return loopback.trusting(authority)


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def tls_lost(server: RawServer, tls: ssl.SSLContext, *, timeout_s: float = WAIT_S) -> FeedLost:
    with server, pytest.raises(FeedLost) as caught:
        call(server.port, host="localhost", timeout_s=timeout_s, tls=tls)
    return caught.value


def test_a_trusted_certificate_is_accepted(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    with RawServer(stay, certified(authority, "localhost")) as server:
        sock = call(server.port, host="localhost", tls=trusting)
        assert isinstance(sock, TlsSocket)
        assert sock.version() == "TLSv1.3"
        sock.close()


def test_an_open_websocket_verifies_by_default(authority: trustme.CA) -> None:
    server = RawServer(stay, certified(authority, "localhost"))
    with server, pytest.raises(FeedLost, match=r"tls: .*certificate verify failed"):
        open_websocket(f"wss://localhost:{server.port}/", user_agent="x")


def test_an_unknown_authority_is_rejected(authority: trustme.CA) -> None:
    lost = tls_lost(RawServer(stay, certified(authority, "localhost")), verifying_context())
    assert (lost.reason, "certificate verify failed" in lost.detail) == ("tls", True)


def test_a_certificate_for_another_name_is_rejected(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    lost = tls_lost(RawServer(stay, certified(authority, "elsewhere.example")), trusting)
    assert (lost.reason, "localhost" in lost.detail) == ("tls", True)


def test_a_server_without_tls_is_rejected(trusting: ssl.SSLContext) -> None:
    plain = RawServer(lambda conn: conn.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"))
    assert tls_lost(plain, trusting).reason == "tls"


def test_a_server_that_hangs_up_in_the_handshake_has_reset_it(trusting: ssl.SSLContext) -> None:
    assert tls_lost(RawServer(lambda conn: conn.close()), trusting).reason == "reset"


def test_a_dripping_tls_handshake_is_cut_off_at_the_deadline(trusting: ssl.SSLContext) -> None:
    endless = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + bytes(16000)  # a ServerHello
    slow = RawServer(lambda conn: slow.send_slowly(conn, endless))
    began = time.monotonic()
    assert tls_lost(slow, trusting, timeout_s=0.3).reason == "handshake_timeout"
    assert 0.25 < time.monotonic() - began < 5.0


def test_a_context_that_does_not_verify_is_the_callers_mistake() -> None:
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    nameless = loopback.trusting(trustme.CA())
    nameless.check_hostname = False
    for context in (unverified, nameless):
        with pytest.raises(ValueError, match="does not verify"):
            call(443, tls=context)


def test_the_settings_of_all_connections_verify_and_leave_no_keys_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    verifying_context.cache_clear()
    context = verifying_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert not context.keylog_filename
    assert verifying_context() is context
