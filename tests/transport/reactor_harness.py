"""A reactor that adopts sockets, and owners that record what it hands to them."""

import queue
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from actors.network.tls import TlsSocket
from actors.transport.feed_socket import ReactorSocket
from actors.transport.handshake import OpenWebSocket
from actors.transport.reactor import Reactor
from actors.transport.skimmer import FrameSkimmer
from tests.transport.loopback import WAIT_S

TRADE = b'{"event_type":"last_trade_price","asset_id":"' + b"7" * 77 + b'","size":"%d"}'
NOISE = b'{"market":"0x' + b"ab" * 32 + b'","price_changes":[],"event_type":"price_change"}'


def trade(number: int) -> bytes:
    return TRADE % number


def secured(sock: socket.socket, context: ssl.SSLContext) -> TlsSocket:
    """Do the TLS handshake with `localhost` at the other end."""
    secure = TlsSocket(sock, context, "localhost")
    secure.handshake(lambda: WAIT_S)
    return secure


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.calls = threading.Semaphore(0)

    def __call__(self) -> float:
        self.calls.release()
        return self.now


class Owner:
    """Records what the reactor hands to an owner, in order, and the end: once and last."""

    def __init__(self) -> None:
        self.received: queue.SimpleQueue[tuple[int, tuple[bytes, ...]]] = queue.SimpleQueue()
        self.ends: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.late = False
        self.count = 0

    def on_frames(self, at_ns: int, frames: tuple[bytes, ...]) -> None:
        self.late = self.late or not self.ends.empty()
        self.received.put((at_ns, frames))

    def on_end(self, reason: str, detail: str) -> None:
        self.count += 1
        self.ends.put((reason, detail))

    def messages(self, count: int) -> list[bytes]:
        got: list[bytes] = []
        while len(got) < count:
            got += self.received.get(timeout=WAIT_S)[1]
        return got

    def end(self) -> tuple[str, str]:
        ended = self.ends.get(timeout=WAIT_S)
        assert not self.late
        return ended

    def remaining(self) -> list[bytes]:
        got: list[bytes] = []
        while not self.received.empty():
            got += self.received.get_nowait()[1]
        return got


class Pair(NamedTuple):
    connection: ReactorSocket
    owner: Owner
    peer: socket.socket


class ReactorHarness:
    """A reactor whose wall clock is always 42 ns, and connections with both their ends."""

    def __init__(
        self,
        scratch_bytes: int = 256 << 10,
        held_bytes: int = sys.maxsize,
        sleep: Callable[[float], None] = time.sleep,
        unfinished_bytes: int = sys.maxsize,
    ) -> None:
        self.clock = Clock()
        self.errors: list[BaseException] = []
        self.reactor = Reactor(
            wall_ns=lambda: 42,
            monotonic=self.clock,
            on_error=self.errors.append,
            sleep=sleep,
            scratch_bytes=scratch_bytes,
            held_bytes=held_bytes,
            unfinished_bytes=unfinished_bytes,
        )
        self._peers: list[socket.socket] = []
        self._owners: list[Owner] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for peer in self._peers:
            peer.close()
        assert self.reactor.stop(WAIT_S)
        assert all(owner.count <= 1 for owner in self._owners)

    def adopt(self, ours: socket.socket | OpenWebSocket, owner: Owner) -> ReactorSocket:
        skimmer = FrameSkimmer(markers=(b'"last_trade_price"',), sample_every=1_000_000)
        opened = ours if isinstance(ours, OpenWebSocket) else OpenWebSocket(ours, "peer")
        self._owners.append(owner)
        return self.reactor.adopt(opened, skimmer, on_frames=owner.on_frames, on_end=owner.on_end)

    def connect(self) -> Pair:
        ours, theirs = socket.socketpair()
        theirs.settimeout(WAIT_S)
        self._peers.append(theirs)
        owner = Owner()
        return Pair(self.adopt(ours, owner), owner, theirs)
