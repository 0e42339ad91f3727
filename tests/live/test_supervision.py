"""Real actors in real threads, a real journal: an actor that dies is restarted, nothing is lost.

The test sets the time; every wait has a deadline.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pykka
import pytest

from actors.actor import Address, Addresses, Incarnation
from actors.feed.actor import ConnectionActor
from actors.feed.ports import ConnectionSettings
from actors.health.state import Health, HealthState
from actors.journal.journal import Journal
from actors.journal.recorder import Recorder
from actors.messages import Flush, GetHealth, GetListening, StopListening, Tick
from actors.model.connection import ConnectionSpec
from actors.model.facts import ProcessStarted
from actors.model.storage import Batch, Committed
from actors.supervision.actor import ChildSpecs, SupervisorActor, VitalChild
from actors.supervision.children import Children, ConnectionPolicy
from actors.supervision.pacing import ChildSpec, Escalation
from actors.supervision.plan import Plan
from actors.writer.actor import WriterActor, WriterSettings
from tests.actor_harness import START, START_NS, added
from tests.fakes import FakeDialler, FakeSocket, FakeStore
from tests.fakes_box import Box
from tests.feed.test_actor import a_book, a_trade

pytestmark = pytest.mark.live

WAIT_S = 20.0
SLOT = "a-0000"


class Dialler(FakeDialler):
    """Returns sockets; the first calls may die of a bug, the first to get through hang."""

    def __init__(self) -> None:
        super().__init__()
        self.bugs = 0
        self.asked = 0
        self.hangs = 1
        self.open = threading.Event()
        self.open.set()

    def dial(
        self,
        markers: tuple[bytes, ...],
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> FakeSocket:
        if self.bugs:
            self.bugs -= 1
            raise ZeroDivisionError("a bug of ours")
        self.asked += 1
        if self.asked <= self.hangs:
            assert self.open.wait(WAIT_S)
        return super().dial(markers, on_frames, on_end)


class BuggyStore(FakeStore):
    """A database whose driver raises an unexpected exception."""

    def __init__(self) -> None:
        super().__init__()
        self.bugs = 0

    def commit(self, batch: Batch) -> Committed:
        if self.bugs and batch.trades:
            self.bugs -= 1
            raise ZeroDivisionError("a bug of ours")
        return super().commit(batch)


class StartedActors:
    """A supervisor, a writer and connections, started."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.store = BuggyStore()
        self.diallers = {"lifecycle": Dialler(), SLOT: Dialler()}
        self.fatal: list[tuple[int, str]] = []
        self.writer, self.supervisor = Address(), Address()
        self.recorder = Recorder(journal, self.writer, inflight_max=1_000)
        self.now, self.wall_ns = START, START_NS
        self.pace = threading.Event()
        health = HealthState(version="1", host="h", pid=1, now=START, wall_ns=START_NS)
        self.ref = SupervisorActor.start(
            Incarnation("supervisor", 1, Tick(now=START, wall_ns=START_NS)),
            to=Addresses(writer=self.writer),
            specs=ChildSpecs(
                vital=(
                    VitalChild(
                        spec=ChildSpec(id="writer", vital=True, silence_s=60.0, stop_s=5.0),
                        start=self._start_writer,
                        address=self.writer,
                    ),
                ),
                connections=ConnectionPolicy(start=self._start_connection),
            ),
            children=Children(rng=Random(1), escalation=Escalation()),
            plan=Plan(redundancy=1, per_connection=200, seed=0),
            recorder=self.recorder,
            health=health,
            journal=journal,
            started=ProcessStarted(at_ns=START_NS, host="h", version="1"),
            on_fatal=lambda code, reason: self.fatal.append((code, reason)),
            beat=lambda: None,
        )
        self.supervisor.move_to(self.ref)

    def _start_writer(self, incarnation: int, at: Tick) -> "pykka.ActorRef[Any]":
        return WriterActor.start(
            Incarnation("writer", incarnation, at),
            to=Addresses(supervisor=self.supervisor, catalog=Box(), resolution=Box()),
            store=self.store,
            journal=self.journal,
            settings=WriterSettings(),
            rng=Random(1),
        )

    def _start_connection(
        self, spec: ConnectionSpec, incarnation: int, at: Tick
    ) -> "pykka.ActorRef[Any]":
        return ConnectionActor.start(
            Incarnation(spec.name, incarnation, at),
            spec,
            to=Addresses(
                supervisor=self.supervisor, writer=self.writer, catalog=Box(), resolution=Box()
            ),
            dialler=self.diallers[spec.name],
            recorder=self.recorder,
            settings=ConnectionSettings(),
        )

    def until(self, condition: Callable[[], Any]) -> None:
        """Let time pass, four Ticks a second, until this is true."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, f"not in time; fatal: {self.fatal}"
            self.now += 0.25
            self.wall_ns += 250_000_000
            for dialler in self.diallers.values():
                for line in dialler.sockets:
                    line.last_byte_at = line.last_data_at = self.now
            self.supervisor.tell(Tick(now=self.now, wall_ns=self.wall_ns))
            self.writer.tell(Flush())
            self.supervisor.ask(GetListening(), timeout_s=WAIT_S)  # it has handled the Tick
            self.pace.wait(0.01)

    def listen(self) -> FakeSocket:
        """Let one market be listened to; return the socket of its connection."""
        self.supervisor.tell(added(1))
        sockets = self.diallers[SLOT].sockets
        self.until(lambda: sockets and sockets[-1].sent)
        return sockets[-1]

    def say(self, socket: FakeSocket, *frames: bytes) -> None:
        socket.on_frames(self.wall_ns, frames)

    def health(self) -> Health:
        health: Health = self.supervisor.ask(GetHealth(), timeout_s=WAIT_S)
        return health

    def stored(self) -> list[int]:
        return sorted(trade.traded_at_ms for trade in list(self.store.trades.values()))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[StartedActors]:
    """Yield actors that have just been started; stop all at the end."""
    journal = Journal.open(tmp_path / "journal", sync_interval_s=0.01, max_bytes=1 << 28)
    made = StartedActors(journal)
    yield made
    made.ref.stop(timeout=WAIT_S)
    pykka.ActorRegistry.stop_all(timeout=WAIT_S)
    journal.close()


def at(number: int) -> int:
    """Return a time at which a trade was traded."""
    return START_NS // 1_000_000 - 60_000 + number


def test_a_connection_that_dies_of_a_bug_while_dialling_is_restarted(
    harness: StartedActors,
) -> None:
    harness.diallers[SLOT].bugs = 2
    line = harness.listen()
    harness.say(line, a_book("11", "12"), a_trade("11", at_ms=at(1)))
    harness.until(lambda: harness.stored() == [at(1)])

    assert harness.health().restarts.children == {SLOT: 2}
    assert harness.fatal == []


def test_a_crash_of_the_writer_loses_nothing(harness: StartedActors) -> None:
    line = harness.listen()
    harness.store.bugs = 1
    harness.say(line, a_book("11", "12"), a_trade("11", at_ms=at(1)))
    harness.until(lambda: harness.store.bugs == 0)
    for number in range(2, 40):  # received by no writer, or by the restarted one
        harness.say(line, a_trade("12", at_ms=at(number)))
    harness.until(lambda: harness.stored() == [at(number) for number in range(1, 40)])
    harness.until(lambda: harness.store.watermark == harness.journal.next_seq)
    harness.until(lambda: harness.health().accounting.balanced)

    assert harness.health().restarts.children == {"writer": 1}
    assert harness.store.opens == 2
    assert harness.fatal == []


def test_a_writer_that_keeps_dying_ends_the_process(harness: StartedActors) -> None:
    line = harness.listen()
    harness.store.bugs = 1_000
    harness.say(line, a_trade("11", at_ms=at(1)))
    harness.until(lambda: harness.fatal)

    assert harness.fatal[0] == (70, "too many unexpected deaths")


def test_a_lost_socket_is_replaced_and_counts_as_no_death(harness: StartedActors) -> None:
    line = harness.listen()
    line.on_end("reset", "Connection reset by peer")
    sockets = harness.diallers[SLOT].sockets
    harness.until(lambda: len(sockets) == 2 and sockets[1].sent)
    harness.say(sockets[1], a_trade("11", at_ms=at(1)))
    harness.until(lambda: harness.stored() == [at(1)])

    events = [(e.event, e.reason) for b in harness.store.batches for e in b.events]
    assert ("disconnected", "reset") in events
    assert harness.health().restarts.total == 0


def test_a_connection_that_hung_while_dialling_is_replaced_and_ends_when_it_wakes(
    harness: StartedActors,
) -> None:
    dialler = harness.diallers[SLOT]
    dialler.open.clear()
    line = harness.listen()
    assert dialler.asked == 2
    dialler.open.set()
    harness.until(lambda: len(dialler.sockets) == 2 and dialler.sockets[1].ended)
    harness.say(line, a_trade("11", at_ms=at(1)))
    harness.until(lambda: harness.stored() == [at(1)])

    assert line.ended is None
    assert harness.health().restarts.children == {SLOT: 1}


def test_a_stop_ends_every_connection(harness: StartedActors) -> None:
    line = harness.listen()
    harness.supervisor.tell(StopListening())
    harness.until(lambda: harness.supervisor.ask(GetListening(), timeout_s=WAIT_S) == 0)

    assert line.ended == ("close", "1000")
    assert harness.health().state == "stopping"
