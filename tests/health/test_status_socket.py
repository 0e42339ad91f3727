import errno
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from actors.errors import AddressTaken, ConfigError, SourceUnavailable
from actors.health import status_socket
from actors.health.status_socket import COVERAGE_REQUEST, REQUEST, StatusSocket, ask
from tests.chaos.hostile import SilentClients

pytestmark = [pytest.mark.live, pytest.mark.timeout(30)]

DOCUMENT = b'{"state":"healthy"}'
Serve = Callable[..., StatusSocket]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(
            answer: Callable[[], bytes] = lambda: DOCUMENT, path: Path | None = None, **more: object
        ) -> StatusSocket:
            made = StatusSocket(path or tmp_path / "t.sock", answer, **more)  # type: ignore[arg-type]
            made.start()
            stack.callback(made.close)
            return made

        yield start


def talk(path: Path, request: bytes, *, half_close: bool = False) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(10)
        peer.connect(str(path))
        peer.sendall(request)
        if half_close:
            peer.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: peer.recv(65536), b""))


def test_whoever_asks_gets_the_document(serve: Serve) -> None:
    made = serve()
    assert json.loads(ask(made.path)) == {"state": "healthy"}
    assert json.loads(talk(made.path, REQUEST.strip(), half_close=True)) == {"state": "healthy"}


def test_a_document_larger_than_any_buffer_arrives_whole(serve: Serve) -> None:
    large = json.dumps(["x" * 1000] * 5000).encode()
    made = serve(lambda: large)
    assert ask(made.path).strip() == large


def test_each_question_has_its_answer(serve: Serve) -> None:
    made = serve(others={"coverage": lambda: b'{"journal":"x"}'})
    assert json.loads(ask(made.path)) == {"state": "healthy"}
    assert json.loads(ask(made.path, request=COVERAGE_REQUEST)) == {"journal": "x"}
    assert b"unknown request" in ask(made.path, request=b'{"get": "coverage", "more": 1}\n')
    assert b"unknown request" in ask(made.path, request=b'{"get": ["coverage"]}\n')


def test_only_owner_and_group_may_ask(serve: Serve) -> None:
    former = os.umask(0o077)
    try:
        made = serve()
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o660
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(former)


def wait_until(true: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + 20, threading.Event()
    while not true():
        assert time.monotonic() < deadline
        pause.wait(0.01)


def answers(path: Path) -> bool:
    try:
        return bool(ask(path))
    except SourceUnavailable:
        return False


class FullSocket(socket.socket):
    """A socket for which there is no space until `lacks` is 0."""

    lacks = errno.ENOSPC

    def bind(self, address: object) -> None:
        if FullSocket.lacks:
            raise OSError(FullSocket.lacks, os.strerror(FullSocket.lacks))
        super().bind(address)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE])
def test_without_space_for_it_the_tracker_goes_on_and_it_is_made_later(
    code: int, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", FullSocket)
    monkeypatch.setattr(status_socket, "_BIND_AGAIN_S", 0.01)
    monkeypatch.setattr(FullSocket, "lacks", code)
    told: list[str] = []
    made = serve(on_shortage=told.append)
    seen = made.alive_at
    assert not answers(made.path)
    wait_until(lambda: made.alive_at > seen + 1.0)  # it has tried again, and said nothing new
    assert made.is_alive
    (reason,) = told
    assert str(made.path) in reason
    assert os.strerror(code) in reason

    monkeypatch.setattr(FullSocket, "lacks", 0)
    wait_until(lambda: answers(made.path))
    assert json.loads(ask(made.path)) == {"state": "healthy"}
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o660
    made.close()
    assert not made.path.exists()


def test_it_ends_while_there_is_no_space(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", FullSocket)
    made = serve()
    made.close()
    assert not made.is_alive


@pytest.mark.parametrize(
    ("request_line", "error"),
    [
        (b"hello\n", "not JSON"),
        (b"[" * 1000 + b"\n", "not JSON"),
        (b'{"get": "secrets"}\n', "unknown request"),
        (b"[]\n", "unknown request"),
        (b"x" * 2000, "longer than 1024 bytes"),
        (b"", "not JSON"),
    ],
)
def test_any_other_request_gets_an_error_and_changes_nothing(
    serve: Serve, request_line: bytes, error: str
) -> None:
    made = serve()
    half_close = len(request_line) < 1024
    said = json.loads(talk(made.path, request_line, half_close=half_close))
    assert list(said) == ["error"]
    assert error in said["error"]
    assert ask(made.path).strip() == DOCUMENT


def test_a_busy_supervisor_is_reported_as_busy(serve: Serve) -> None:
    def busy() -> bytes:
        raise TimeoutError

    made = serve(busy)
    assert json.loads(ask(made.path)) == {"error": "supervisor busy"}


def test_an_error_of_the_answer_is_reported_and_the_next_client_is_served(serve: Serve) -> None:
    told: list[Exception] = []
    errors = [ValueError("with a secret")]

    def answer() -> bytes:
        if errors:
            raise errors.pop()
        return DOCUMENT

    made = serve(answer, on_error=told.append)
    assert b"secret" not in ask(made.path)
    assert [type(error) for error in told] == [ValueError]
    assert ask(made.path).strip() == DOCUMENT


def test_a_client_that_never_asks_is_cut_off_after_a_second(serve: Serve) -> None:
    made = serve()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(10)
        peer.connect(str(made.path))
        peer.sendall(b'{"get":')
        began = time.monotonic()
        assert peer.recv(100) == b""
        assert 0.5 < time.monotonic() - began < 5


def test_fifty_silent_clients_that_come_again_keep_nobody_from_an_answer(serve: Serve) -> None:
    made = serve()
    with SilentClients(made.path, 50) as silent:
        wait_until(lambda: silent.cut_off > 0)
        for _ in range(3):
            # As long as `tracker-status` waits.
            assert ask(made.path, 1.5).strip() == DOCUMENT
    assert ask(made.path).strip() == DOCUMENT


def test_clients_that_do_not_read_their_answers_keep_nobody_from_one(serve: Serve) -> None:
    large = b"x" * 5_000_000
    made = serve(others={"coverage": lambda: large})
    with ExitStack() as stack:
        for _ in range(status_socket.MOST_CLIENTS):
            peer = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            peer.connect(str(made.path))
            peer.sendall(COVERAGE_REQUEST)
        assert ask(made.path, 1.5).strip() == DOCUMENT


def test_a_place_that_nobody_else_needs_is_kept_for_a_second(serve: Serve) -> None:
    made = serve()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(10)
        peer.connect(str(made.path))
        began = time.monotonic()
        while time.monotonic() - began < 0.5:
            assert ask(made.path).strip() == DOCUMENT
        peer.sendall(REQUEST)
        assert peer.recv(100).strip() == DOCUMENT


def test_a_client_that_hangs_up_early_harms_nobody(serve: Serve) -> None:
    made = serve(lambda: b"x" * 5_000_000)
    for _ in range(3):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.connect(str(made.path))
            peer.sendall(REQUEST)
    assert len(ask(made.path)) > 5_000_000


def test_the_socket_of_a_dead_tracker_is_replaced(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "t.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    made = serve()
    assert ask(made.path).strip() == DOCUMENT


def test_the_socket_of_a_living_tracker_is_left_alone(serve: Serve) -> None:
    made = serve()
    with pytest.raises(
        AddressTaken, match="another tracker answers there; stop it, or give this one"
    ):
        serve()
    assert ask(made.path).strip() == DOCUMENT


def test_a_file_in_its_place_is_never_removed(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "t.sock").write_text("precious")
    with pytest.raises(AddressTaken, match="something else"):
        serve()
    assert (tmp_path / "t.sock").read_text() == "precious"


def test_a_missing_directory_is_a_configuration_error(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TRACKER_STATUS_SOCKET"):
        serve(path=tmp_path / "no" / "t.sock")
    with pytest.raises(ConfigError, match="too long"):
        serve(path=tmp_path / ("x" * 120))


def test_closing_removes_the_socket_but_not_a_successors(serve: Serve, tmp_path: Path) -> None:
    first = serve()
    first.close()
    assert not first.path.exists()
    second = serve()
    second.path.unlink()
    third = serve()
    second.close()
    assert ask(third.path).strip() == DOCUMENT
    first.close()
    assert list(tmp_path.iterdir()) == [third.path]


def test_the_heartbeat_goes_on_without_clients(serve: Serve) -> None:
    ticks = threading.Semaphore(0)

    def clock() -> float:
        ticks.release()
        return time.monotonic()

    made = serve(monotonic=clock)
    began = made.alive_at
    for _ in range(4):
        assert ticks.acquire(timeout=5)
    assert made.alive_at > began


def test_a_missing_tracker_is_reported_in_plain_text(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no such file"):
        ask(tmp_path / "t.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    with pytest.raises(SourceUnavailable, match=r"(?i)connection refused"):
        ask(tmp_path / "dead.sock")


def test_a_tracker_that_does_not_answer_costs_no_more_than_the_limit(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
        mute.bind(str(path))
        mute.listen()
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match="no answer within"):
            ask(path, 0.2)
        assert time.monotonic() - began < 5
