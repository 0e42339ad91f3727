"""Promise: whoever answers in the server's place keeps neither a start nor a stop waiting."""

import struct
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from actors.database.server import login
from actors.database.server.login import Login
from actors.database.server.watchdog import MAX_WAIT_S
from actors.database.session import Session
from actors.database.store import Store
from actors.errors import StoreUnavailable
from tests.database.impostor import SASL, Impostor, on_loopback


class Connected:
    """A connection that knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


class Stuck:
    """A login that does not end before it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = threading.Event()
        self.connected = Connected()

    def __call__(self) -> Connected:
        self.begun += 1
        self.may_end.wait(60)
        return self.connected


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """Return a login that hangs; it has ended when the test is over."""
    made = Stuck()
    yield made
    made.may_end.set()
    ended()


def ended() -> None:
    """Wait until no login is left."""
    thread = login._left._thread
    if thread is not None:
        thread.join(60)
        assert not thread.is_alive()


def test_a_login_gives_its_connection_or_its_error() -> None:
    connected = Connected()
    assert Login(lambda: connected).wait() is connected
    assert not connected.closed.is_set()

    def fail() -> Connected:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        Login(fail).wait()


def test_a_login_that_does_not_end_is_left_and_no_other_one_is_begun(stuck: Stuck) -> None:
    with pytest.raises(StoreUnavailable, match=r"no login within 0\.1 s.*verify-full"):
        Login(stuck).wait(0.1)
    threads = threading.active_count()
    for _ in range(20):
        with pytest.raises(StoreUnavailable, match=r"an earlier login.*verify-full"):
            Login(stuck).wait(0.1)
    assert threading.active_count() == threads
    assert stuck.begun == 1

    stuck.may_end.set()
    assert stuck.connected.closed.wait(60)
    ended()
    assert isinstance(Login(Connected).wait(), Connected)


def test_a_login_can_be_left_from_any_thread(stuck: Stuck) -> None:
    waiting = Login(stuck)
    later = threading.Timer(0.1, waiting.abort)
    later.start()
    with pytest.raises(StoreUnavailable, match="ended"):
        waiting.wait(60)
    later.join(60)


def test_it_is_left_before_the_watchdog_would_look() -> None:
    assert login.LOGIN_S < MAX_WAIT_S


# ------------------------------------------------------------------ a session

ITERATIONS = 1_000_000
"""Seconds of computing; 4,096 are usual."""


class Endless(Impostor):
    """Asks for a computation that takes very long."""

    def _after(self, first: bytes) -> bytes:
        nonce = first.rpartition(b"r=")[2]
        salt = b64encode(bytes(16))
        said = b"r=%bx,s=%b,i=%d" % (nonce, salt, ITERATIONS)
        return struct.pack("!cii", b"R", 8 + len(said), 11) + said


@pytest.fixture
def endless() -> Iterator[str]:
    """Return the address of somebody who asks for it."""
    with on_loopback(SASL, Endless) as (_, port):
        yield f"postgresql://ann:secret@127.0.0.1:{port}/t?sslmode=disable"
    ended()


def test_who_makes_the_client_compute_keeps_nobody_waiting(
    endless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login.Login.wait, "__defaults__", (0.5,))
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="no login within"):
        Session(endless)
    with pytest.raises(StoreUnavailable, match="an earlier login"):
        Session(endless)
    assert time.monotonic() - began < 0.9  # the computation takes longer


def test_a_store_that_logs_in_can_be_aborted(stuck: Stuck, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(_: Session) -> Any:
        return stuck()

    monkeypatch.setattr(Session, "_connect", connect)
    store = Store("host=/nowhere")
    later = threading.Timer(0.1, store.abort)
    later.start()
    with pytest.raises(StoreUnavailable, match="ended"):
        store.open(UUID(int=1))
    later.join(60)
    store.close()
