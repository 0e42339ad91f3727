"""Whole feeds in one thread: supervisor and connections are real, the rest is fake.

The clock moves only in `World.run`. `Coverage` computes from the journal what was listened to.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import pykka

from actors.actor import Address, Addresses, Incarnation
from actors.errors import FeedLost
from actors.feed.actor import ConnectionActor
from actors.feed.ports import ConnectionSettings
from actors.journal.recorder import Recorder
from actors.messages import Connect, ConnectionEnded, ConnectionReport, Message, StopListening, Tick
from actors.model import facts
from actors.model.connection import ConnectionSpec
from actors.model.trade import TokenId
from actors.supervision.pacing import ConnectRate
from tests.actor_harness import SupervisorHarness, added, market
from tests.fakes import FakeSocket
from tests.fakes_box import Box, FakeRef, drain

MS = 1_000_000
TICK_S = 0.25
SILENCE_S = 60.0
BOOKS_PER_S = 20
"""Connections whose books can be asked for in a second, one call of 50 ms after the other."""
ANSWERS = ("repeat_book", "repeat_text", "repeat_empty", "repeat_nothing")


class QuietSocket(FakeSocket):
    """A socket of the exchange below."""

    def __init__(self, exchange: "Exchange", owner: "Ref", *callbacks: Any) -> None:
        super().__init__(*callbacks)
        self.exchange = exchange
        self.owner = owner
        self.tokens: set[TokenId] = set()
        self.dumped: set[TokenId] = set()
        self.frozen = False
        self.answers: list[bytes] = []
        self.arriving: list[bytes] = []

    def send_text(self, text: str) -> None:
        self.exchange.receive(self, text)

    def close(self, code: int, reason: str) -> None:
        super().close(code, reason)
        self.exchange.sockets.pop(self, None)

    def abort(self, reason: str) -> None:
        super().abort(reason)
        self.exchange.sockets.pop(self, None)


class Exchange:
    """Polymarket: sockets, what each is subscribed to, and when each book changed last.

    Args:
        answer: How it answers a repeated subscription, a name of `ANSWERS`.
        books: Whether `POST /books` answers.

    Attributes:
        silent: No socket receives anything but PONG, and no subscription is answered.
        unreachable: No new socket opens.
    """

    def __init__(self, *, answer: str, books: bool) -> None:
        self.answer = answer
        self.books = books
        self.silent = self.unreachable = False
        self.sockets: dict[QuietSocket, None] = {}
        self.changed: dict[TokenId, int] = {}
        self.now, self.wall_ms = 0.0, 0
        self.questions = 0
        self._turns: float = BOOKS_PER_S

    def time_passed(self, now: float, wall_ms: int) -> None:
        self._turns = min(BOOKS_PER_S, self._turns + (now - self.now) * BOOKS_PER_S)
        self.now, self.wall_ms = now, wall_ms

    def last_changes(self, tokens: Sequence[TokenId]) -> Mapping[TokenId, int] | None:
        if not self.books:
            return {}
        if self._turns < 1:
            return None
        self._turns -= 1
        self.questions += 1
        return {token: self._change(token) for token in tokens}

    def _change(self, token: TokenId) -> int:
        return self.changed.get(token, self.wall_ms - 600_000)

    def receive(self, socket: QuietSocket, text: str) -> None:
        """Answer a text; PING shows as a byte at once."""
        socket.last_byte_at = self.now
        socket.sent.append(text)
        if text == "PING":
            return
        message = json.loads(text)
        tokens = [TokenId(token) for token in message["assets_ids"]]
        if message.get("operation") == "unsubscribe":
            socket.tokens.difference_update(tokens)
            return
        held = socket.dumped if self.answer == "repeat_nothing" else set(socket.tokens)
        socket.tokens.update(tokens)
        if self.silent or socket.frozen:
            return
        new = [token for token in tokens if self.answer == "repeat_book" or token not in held]
        socket.dumped.update(new)
        if new:
            socket.answers.append(b"[" + b",".join(map(self._book, new)) + b"]")
        elif self.answer == "repeat_text":
            socket.on_frames(self.wall_ms * MS, (b"NO NEW ASSETS",))
        elif self.answer == "repeat_empty":
            socket.on_frames(self.wall_ms * MS, (b"[]",))

    def cut_all(self) -> None:
        """End every socket."""
        for socket in tuple(self.sockets):
            del self.sockets[socket]
            socket.on_end("reset", "")
            drain(socket.owner.actor)

    def _book(self, token: TokenId) -> bytes:
        book = {"event_type": "book", "asset_id": token, "market": "0x" + "ab" * 32}
        times = {"timestamp": str(self._change(token)), "hash": "h"}
        return json.dumps({**book, **times, "bids": [], "asks": []}).encode()

    def trade(self, tokens: Iterable[TokenId]) -> None:
        """Let these trade: every socket that is served receives it."""
        event = {
            "event_type": "last_trade_price",
            "market": "0x" + "ab" * 32,
            "price": "0.5",
            "size": "10",
            "side": "BUY",
            "fee_rate_bps": "0",
            "timestamp": str(self.wall_ms),
        }
        texts = {token: json.dumps({**event, "asset_id": token}).encode() for token in tokens}
        self.changed.update(dict.fromkeys(texts, self.wall_ms))
        for socket in self.sockets:
            if not (socket.frozen or self.silent):
                socket.arriving += [texts[token] for token in socket.tokens & texts.keys()]


class Ref(FakeRef):
    """A connection that runs in the world's thread."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self.world = world
        self.actor: ConnectionActor = cast(ConnectionActor, None)

    def tell(self, message: Message) -> None:
        if not self.alive:
            raise pykka.ActorDeadError
        self.world.mail.append((self, message))


class Dialler:
    """Opens sockets of one connection."""

    def __init__(self, world: "World", owner: Ref) -> None:
        self._world, self._owner = world, owner

    def last_changes(self, tokens: Sequence[TokenId]) -> Mapping[TokenId, int] | None:
        return self._world.exchange.last_changes(tokens)

    def dial(
        self,
        markers: tuple[bytes, ...],
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> FakeSocket:
        exchange = self._world.exchange
        if exchange.unreachable:
            raise FeedLost("unreachable", "")
        socket = QuietSocket(exchange, self._owner, on_frames, on_end)
        socket.set_markers(markers)
        socket.last_byte_at = exchange.now
        exchange.sockets[socket] = None
        return socket


class ToSupervisor(Address):
    """Keeps what connections tell the supervisor; an actor that says so has ended."""

    def __init__(self, world: "World", owner: Ref) -> None:
        super().__init__()
        self._world, self._owner = world, owner

    def tell(self, message: Message) -> None:
        self._world.mail.append((None, message))
        if isinstance(message, ConnectionEnded):
            self._owner.alive = False


class World(SupervisorHarness):
    """A supervisor with connections that are real, and the exchange that they listen to."""

    def __init__(self, exchange: Exchange, *, per_connection: int, redundancy: int = 2) -> None:
        self.exchange = exchange
        self.mail: deque[tuple[Ref | None, Message]] = deque()
        self.ends: list[tuple[float, str, str]] = []
        self.reports: dict[str, ConnectionReport] = {}
        self.tokens: tuple[TokenId, ...] = ()
        self._checked_at = 0.0
        self._box = Box()
        super().__init__(per_connection=per_connection, redundancy=redundancy)
        self.children.connect_rate = ConnectRate()
        self._recorder = Recorder(self.journal, self._box, inflight_max=1_000_000)
        exchange.time_passed(self.now, self.wall_ns // MS)

    def _start_connection(
        self, spec: ConnectionSpec, incarnation: int, at: Tick
    ) -> "pykka.ActorRef[Any]":
        ref = Ref(self)
        ref.actor = ConnectionActor(
            Incarnation(spec.name, incarnation, at),
            spec,
            to=Addresses(
                supervisor=ToSupervisor(self, ref),
                writer=self._box,
                catalog=self._box,
                resolution=self._box,
            ),
            dialler=Dialler(self, ref),
            recorder=self._recorder,
            settings=ConnectionSettings(silence_s=SILENCE_S),
        )
        self.starts.append((spec.name, ref))
        self.mail.append((ref, Connect()))
        return cast("pykka.ActorRef[Any]", ref)

    # ----------------------------------------------------------------- time

    def run(self, seconds: float, *, trades: Callable[[], Iterable[TokenId]] = tuple) -> None:
        """Let time pass; `trades` returns the tokens that trade in the next second."""
        until = self.now + seconds
        while self.now < until:
            self.now += TICK_S
            self.wall_ns += int(TICK_S * 1e9)
            self.exchange.time_passed(self.now, self.wall_ns // MS)
            for socket in self.exchange.sockets:
                socket.last_byte_at = self.now  # PONG
                socket.arriving, socket.answers = [*socket.arriving, *socket.answers], []
            if self.now % 1 == 0:
                self.exchange.trade(trades())
            self._settle()
            self.actor.on_receive(Tick(now=self.now, wall_ns=self.wall_ns))
            self._settle()
            if self.now - self._checked_at >= 1.0:
                self._checked_at = self.now
                for name in ("writer", "catalog", "resolution"):
                    self.report(name)
                    self.ref(name).clear()
                self._box.clear()

    def _settle(self) -> None:
        """Deliver all mail and frames until nothing is left."""
        while self.mail or any(socket.arriving for socket in self.exchange.sockets):
            for socket in tuple(self.exchange.sockets):
                frames, socket.arriving = tuple(socket.arriving), []
                if frames:
                    socket.last_data_at = self.now
                    socket.on_frames(self.wall_ns, frames)
                    drain(socket.owner.actor)
            while self.mail:
                ref, message = self.mail.popleft()
                if ref is None:
                    self._told(message)
                elif ref.alive:
                    ref.actor.on_receive(message)
                    drain(ref.actor)
        drain(self.actor)

    def _told(self, message: Message) -> None:
        if isinstance(message, ConnectionEnded):
            self.ends.append((self.now, message.child, message.reason))
        elif isinstance(message, ConnectionReport):
            self.reports[message.child] = message
        self.actor.on_receive(message)

    def listen(self, markets: int) -> "World":
        """Start everything, and wait until every connection listens to all its tokens."""
        self.run(1)
        self.tell(added(*range(1, markets + 1)))
        self.tokens = tuple(t for n in range(1, markets + 1) for t in market(n).token_ids)
        for _ in range(600):
            self.run(1, trades=lambda: self.tokens[:1])
            if self.whole():
                break
        return self

    def stop(self) -> None:
        """End all connections in good order."""
        self.tell(StopListening())
        self._settle()

    # ----------------------------------------------------------------- seen

    def whole(self) -> bool:
        """Return whether every token is received on a connection of each feed, and confirmed."""
        if self.exchange.silent:
            return False
        heard: list[set[TokenId]] = [set(), set()]
        for socket in self.exchange.sockets:
            name = socket.owner.actor.child
            report = self.reports.get(name)
            confirmed = report is not None and report.confirmed >= report.tokens > 0
            confirmed = confirmed and report is not None and not report.awaits_renewal
            if name[1] == "-" and confirmed and not socket.frozen:
                heard["ab".index(name[0])] |= socket.tokens
        return all(each.issuperset(self.tokens) for each in heard)

    def ended(self, since: float) -> list[tuple[float, str, str]]:
        """Return the connections that ended since then: (when, which, why).

        But for trials, and those that were stopped.
        """
        asked = ("abandoned", "stopped")
        return [each for each in self.ends if each[0] >= since and each[2] not in asked]

    def gaps(self, from_ns: int, until_ns: int) -> tuple[int, int]:
        """Return how much of this time is in gaps and how much is wanted, over all tokens."""
        records = (facts.decode(body) for body in self.journal.bodies.values())
        return Coverage(records).gaps_ns(from_ns, until_ns)


class Coverage:
    """What records of the journal say of each token: since when it is wanted, when it was covered.

    Epochs that are open end at their proof.
    """

    def __init__(self, records: Iterable[facts.Record]) -> None:
        self._wanted: dict[TokenId, int] = {}
        self._spans: dict[TokenId, list[tuple[int, int]]] = {}
        self._proven: dict[int, int] = {}
        self._open: dict[int, dict[TokenId, int]] = {}
        for record in records:
            self._add(record)
        for epoch in list(self._open):
            self._close(epoch, self._proven.get(epoch, 0))

    def _add(self, record: facts.Record) -> None:
        match record:
            case facts.TokensWanted():
                for token in record.tokens:
                    self._wanted.setdefault(token, record.at_ns)
            case facts.TokensConfirmed():
                for token in record.tokens:
                    self._open.setdefault(record.epoch, {}).setdefault(token, record.at_ns)
            case facts.ListeningProven():
                for epoch, until_ns in record.proofs:
                    self._proven[epoch] = max(until_ns, self._proven.get(epoch, 0))
            case facts.TokensReleased():
                self._end(record.epoch, record.tokens, record.until_ns)
            case facts.ListeningClosed():
                self._close(record.epoch, record.until_ns or self._proven.get(record.epoch, 0))

    def _close(self, epoch: int, until_ns: int) -> None:
        self._end(epoch, tuple(self._open.get(epoch, ())), until_ns)
        self._open.pop(epoch, None)

    def _end(self, epoch: int, tokens: Iterable[TokenId], until_ns: int) -> None:
        begun = self._open.get(epoch, {})
        for token in tokens:
            since_ns = begun.pop(token, until_ns)
            if until_ns > since_ns:
                self._spans.setdefault(token, []).append((since_ns, until_ns))

    def gaps_ns(self, from_ns: int, until_ns: int) -> tuple[int, int]:
        """Return how much of this time is in gaps and how much is wanted, over all tokens."""
        missing = whole = 0
        for token, since_ns in self._wanted.items():
            at_ns = start_ns = max(from_ns, since_ns)
            whole += until_ns - start_ns
            for begin_ns, end_ns in sorted(self._spans.get(token, ())):
                if end_ns > at_ns:
                    missing += max(0, min(begin_ns, until_ns) - at_ns)
                    at_ns = min(max(at_ns, end_ns), until_ns)
            missing += until_ns - at_ns
        return missing, whole
