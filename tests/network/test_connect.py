import contextlib
import errno
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import trustme

from actors.errors import ConnectionFailed, FeedLost
from actors.network import connect as connect_module
from actors.network.connect import (
    AT_ONCE,
    LOOKUPS_OF_A_NAME,
    Deadline,
    Resolve,
    _connect_reason,
    connect,
    head_start_s,
    interleaved,
    verifying_context,
)
from actors.network.tls import TlsSocket
from actors.transport.handshake import open_websocket
from tests.network.unanswering import addresses, by_name, fill_queue, full_queue
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


def stay(_: socket.socket) -> None:
    """Accept, and send nothing."""


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return a port that never answers a new connection: its queue is full."""
    with full_queue() as port:
        yield port


# ------------------------------------------------------------ names


def test_a_name_that_nobody_knows_is_lost_to_dns() -> None:
    def resolve(*_: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(ConnectionFailed, match=r"dns: feed\.example: .*not known"):
        call(80, host="feed.example", resolve=resolve)


def test_a_name_that_is_none_is_lost_to_dns() -> None:
    with pytest.raises(ConnectionFailed, match="dns: "):
        call(80, host="x" * 100 + ".example")


def test_a_lookup_that_hangs_is_left_at_the_deadline() -> None:
    over = threading.Event()

    @by_name
    def resolve(_host: str) -> list[Any]:
        over.wait(WAIT_S)
        return []

    began = time.monotonic()
    try:
        with pytest.raises(ConnectionFailed, match="dns: no answer"):
            call(80, host="feed.example", timeout_s=0.2, resolve=resolve)
    finally:
        over.set()
    assert time.monotonic() - began < 5.0


def test_lookups_that_hang_are_bounded_in_number() -> None:
    over = threading.Event()
    running = threading.Semaphore(0)

    @by_name
    def resolve(_host: str) -> list[Any]:
        running.release()
        over.wait(WAIT_S)
        return []

    def lose() -> None:
        with pytest.raises(ConnectionFailed, match="dns"):
            call(80, host="feed.example", timeout_s=0.5, resolve=resolve)

    callers = [threading.Thread(target=lose, daemon=True) for _ in range(40)]
    try:
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(WAIT_S)
        assert not any(caller.is_alive() for caller in callers)
        lookups = sum(running.acquire(blocking=False) for _ in range(41))
        assert lookups == LOOKUPS_OF_A_NAME
    finally:
        over.set()


def test_the_lookups_of_one_name_leave_threads_for_those_of_another() -> None:
    over = threading.Event()
    hanging = threading.Semaphore(0)

    @by_name
    def resolve(host: str) -> list[Any]:
        if host == "hangs.example":
            hanging.release()
            over.wait(WAIT_S)
        return []

    def lose() -> None:
        with pytest.raises(ConnectionFailed, match="dns"):
            call(80, host="hangs.example", resolve=resolve)

    callers = [threading.Thread(target=lose, daemon=True) for _ in range(LOOKUPS_OF_A_NAME)]
    try:
        for caller in callers:
            caller.start()
        assert all(hanging.acquire(timeout=WAIT_S) for _ in callers)
        with pytest.raises(ConnectionFailed, match="no address"):
            call(80, host="other.example", resolve=resolve)
    finally:
        over.set()
    for caller in callers:
        caller.join(WAIT_S)


# ------------------------------------------------------------ addresses


def test_a_port_without_a_server_rejects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionFailed) as caught:
        call(port)
    assert caught.value.reason == "refused"


def test_an_address_that_never_answers_is_left_at_the_deadline(silent_port: int) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectionFailed) as caught:
        call(silent_port, timeout_s=0.2)
    assert caught.value.reason == "connect_timeout"
    assert time.monotonic() - began < 5.0  # the kernel gives up after 15 s


def test_an_address_that_never_answers_leaves_time_for_the_next_one(silent_port: int) -> None:
    with RawServer(stay) as server:
        resolve = addresses(("127.0.0.1", silent_port), ("127.0.0.1", server.port))
        sock = call(443, host="feed.example", timeout_s=2.0, resolve=resolve)
        assert sock.getpeername() == ("127.0.0.1", server.port)
        sock.close()


def test_behind_a_dozen_that_never_answer_the_next_one_is_found(silent_port: int) -> None:
    with RawServer(stay) as server:
        dead = [("127.0.0.1", silent_port)] * 12
        resolve = addresses(*dead, ("127.0.0.1", server.port))
        sock = call(443, host="feed.example", timeout_s=5.0, resolve=resolve)
        assert sock.getpeername() == ("127.0.0.1", server.port)
        sock.close()


def test_a_dozen_that_never_answer_have_one_deadline_together(silent_port: int) -> None:
    dead = [("127.0.0.1", silent_port)] * 12
    began = time.monotonic()
    with pytest.raises(ConnectionFailed) as caught:
        call(443, host="feed.example", timeout_s=0.5, resolve=addresses(*dead))
    assert caught.value.reason == "connect_timeout"
    assert 0.45 < time.monotonic() - began < 4.0


def test_a_slow_address_is_not_given_up_for_the_next_ones(silent_port: int) -> None:
    # The kernel asks again after 1 s, so it is longer than a quarter of the time.
    with socket.socket() as slow, ExitStack() as stack:
        slow.bind(("127.0.0.1", 0))
        slow.listen(0)
        fill_queue(slow, stack)

        def accept_all() -> None:
            with contextlib.suppress(TimeoutError):
                while True:
                    stack.enter_context(slow.accept()[0])

        slow.settimeout(0.2)
        later = threading.Timer(0.3, accept_all)
        later.start()
        dead = [("127.0.0.1", silent_port)] * 3
        resolve = addresses(slow.getsockname(), *dead)
        sock = call(443, host="feed.example", timeout_s=3.6, resolve=resolve)
        assert sock.getpeername() == slow.getsockname()
        sock.close()
        later.join(WAIT_S)


def test_sockets_beside_the_first_are_bounded_in_the_process(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = threading.BoundedSemaphore(2)
    open_at_once: list[int] = []
    tried: list[socket.socket] = []
    start = connect_module._start

    def counting(sock: socket.socket, address: Any) -> None:
        tried.append(sock)
        open_at_once.append(sum(each.fileno() >= 0 for each in tried))
        start(sock, address)

    monkeypatch.setattr(connect_module, "_MORE", more)
    monkeypatch.setattr(connect_module, "_start", counting)
    nobody = ("127.0.0.1", 9)
    resolve = addresses(*[("127.0.0.1", silent_port)] * 5, nobody, ("127.0.0.1", silent_port))
    with pytest.raises(ConnectionFailed):
        call(443, host="feed.example", timeout_s=0.5, resolve=resolve)
    assert (len(tried), max(open_at_once)) == (7, 3)
    assert all(each.fileno() < 0 for each in tried)
    assert [more.acquire(blocking=False) for _ in range(3)] == [True, True, False]


def test_families_take_turns_and_keep_their_order() -> None:
    six, four = socket.AF_INET6, socket.AF_INET
    infos = [(six, "a"), (six, "b"), (six, "c"), (four, "d"), (four, "e")]
    turns = [(six, "a"), (four, "d"), (six, "b"), (four, "e"), (six, "c")]
    assert interleaved(infos) == turns
    assert interleaved([]) == []


@pytest.mark.parametrize(
    ("count", "left_s", "start_s"),
    [(1, 10.0, 0.25), (4, 10.0, 0.25), (4, 0.7, 0.1), (12, 15.0, 1.0), (16, 1.9, 0.1)],
)
def test_all_addresses_have_the_same_time(count: int, left_s: float, start_s: float) -> None:
    assert head_start_s(count, left_s) == pytest.approx(start_s)
    # The last one begins early enough to have as much as those that had to end for it.
    assert left_s - (count - 1) * start_s >= AT_ONCE * start_s - 1e-9


def test_a_name_without_addresses_is_lost_to_dns() -> None:
    with pytest.raises(ConnectionFailed, match="no address"):
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


def tls_lost(
    server: RawServer, tls: ssl.SSLContext, *, timeout_s: float = WAIT_S
) -> ConnectionFailed:
    with server, pytest.raises(ConnectionFailed) as caught:
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


def test_who_signed_is_not_trusted_and_where_those_are_listed(authority: trustme.CA) -> None:
    lost = tls_lost(RawServer(stay, certified(authority, "localhost")), verifying_context())
    assert re.search("; the trusted authorities are those of /|; neither /", lost.detail)


# ------------------------------------------------------------ a stop


def assert_stopped(stopped_at: list[float], began: Callable[[], object]) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        began()
    assert caught.value.reason == "stopping"
    assert time.monotonic() - stopped_at[0] < 2.0  # it looks every 0.1 s; machines are slow


def test_a_stop_ends_a_lookup() -> None:
    stop, over, at = threading.Event(), threading.Event(), list[float]()

    @by_name
    def resolve(_host: str) -> list[Any]:
        at.append(time.monotonic())
        stop.set()
        over.wait(WAIT_S)
        return []

    deadline = Deadline(WAIT_S, stop)
    try:
        assert_stopped(
            at, lambda: connect("feed.example", 80, deadline=deadline, tls=None, resolve=resolve)
        )
    finally:
        over.set()


def test_a_stop_ends_the_wait_for_an_address(silent_port: int) -> None:
    stop, at = threading.Event(), list[float]()

    def end() -> None:
        at.append(time.monotonic())
        stop.set()

    later = threading.Timer(0.2, end)
    later.start()
    deadline = Deadline(WAIT_S, stop)
    assert_stopped(at, lambda: connect("127.0.0.1", silent_port, deadline=deadline, tls=None))
    later.join(WAIT_S)


def test_a_stop_ends_a_tls_handshake(trusting: ssl.SSLContext) -> None:
    stop, at = threading.Event(), list[float]()

    def mute(_: socket.socket) -> None:
        at.append(time.monotonic())
        stop.set()

    with RawServer(mute) as server:
        deadline = Deadline(WAIT_S, stop)
        assert_stopped(
            at, lambda: connect("localhost", server.port, deadline=deadline, tls=trusting)
        )


def test_a_deadline_within_another_is_the_earlier_one() -> None:
    assert Deadline(10).within(1).left_s("x") <= 1
    assert Deadline(1).within(10).left_s("x") <= 1
    assert not Deadline(10).is_over
    assert Deadline(0).is_over
    with pytest.raises(ConnectionFailed, match="too_late"):
        Deadline(0).within(10).left_s("too_late")
