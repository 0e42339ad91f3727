"""A supervisor, unstarted, whose children are fake refs: no thread, no clock."""

from random import Random
from typing import Any, TypeVar, cast

import pykka

from actors.actor import Address, Addresses, Incarnation
from actors.errors import JournalFailed
from actors.health.state import Health, HealthState
from actors.journal.recorder import Recorder
from actors.messages import (
    CatalogReport,
    ChildDied,
    ConnectionEnded,
    ConnectionNoted,
    ConnectionReport,
    GetHealth,
    ResolutionReport,
    Tick,
    UniverseChanged,
    WriterReport,
)
from actors.model.connection import ConnectionSpec
from actors.model.facts import ProcessStarted, Record, decode
from actors.model.market import Asset, Market
from actors.model.storage import JournalStats
from actors.model.trade import ConditionId, TokenId
from actors.supervision.actor import ChildSpecs, SupervisorActor, VitalChild
from actors.supervision.children import Children, ConnectionPolicy
from actors.supervision.pacing import ChildSpec, ConnectRate, Escalation
from actors.supervision.plan import Plan
from tests.fakes import FakeJournal, journal_stats
from tests.fakes_box import Box, FakeRef, drain

START = 1_000.0
START_NS = 1_790_000_000_000_000_000
SLOT = "a-0000"

F = TypeVar("F", bound=Record)


def market(number: int) -> Market:
    """Return a market whose tokens are `<number>1` and `<number>2`."""
    return Market(
        condition_id=ConditionId(f"0x{number:064x}"),
        question="?",
        slug=f"m{number}",
        assets=tuple(
            Asset(token_id=TokenId(f"{number}{side}"), outcome=name, outcome_index=side - 1)
            for side, name in ((1, "Yes"), (2, "No"))
        ),
    )


def added(*numbers: int) -> UniverseChanged:
    return UniverseChanged(added=tuple(market(number) for number in numbers), removed=())


def removed(*numbers: int) -> UniverseChanged:
    conditions = tuple(market(number).condition_id for number in numbers)
    return UniverseChanged(added=(), removed=conditions)


def connection_report(
    child: str, incarnation: int, state: str, epoch: int, **figures: Any
) -> ConnectionReport:
    counts: dict[str, Any] = dict.fromkeys(
        (
            "tokens",
            "confirmed",
            "trades_total",
            "rejected_total",
            "frames_total",
            "bytes_total",
            "proven_until_ns",
            "unknown_total",
        ),
        0,
    )
    return ConnectionReport(
        child=child,
        incarnation=incarnation,
        now=0.0,
        state=state,
        epoch=epoch,
        **{**counts, "last_data_at": 0.0, **figures},
    )


class MeasuredFakeJournal(FakeJournal):
    """A journal in memory with figures, and a disk that can break."""

    broken: JournalFailed | None = None

    def append(self, body: bytes, *, weight: int = 0) -> int:
        if self.broken is not None:
            raise self.broken
        return super().append(body, weight=weight)

    def stats(self) -> JournalStats:
        return journal_stats(
            next_seq=self.next_seq,
            durable_seq=self.next_seq - 1,
            weight_appended=sum(self.weights.values()),
        )

    available_bytes = 0
    plentiful = True
    reserve = True

    def has_space(self) -> bool:
        return not self.full

    def has_ample_space(self) -> bool:
        return self.plentiful and not self.full

    def free_reserve(self) -> None:
        self.reserve = False

    def rebuild_reserve(self) -> bool:
        self.reserve = True
        return True


class SupervisorHarness:
    """The supervisor, the refs it was given, and a clock that only a test moves.

    Every child reports once a second unless it is in `mute`; a connection reports `listening`
    under an epoch of its own and that something came, unless it is in `unserved`.
    """

    def __init__(
        self, *, per_connection: int = 2, starts_per_tick: int = 100, redundancy: int = 1
    ) -> None:
        self.writer, self.writer_box = Address(), Box()
        self.journal = MeasuredFakeJournal()
        self.starts: list[tuple[str, FakeRef]] = []
        self.specs: list[ConnectionSpec] = []
        self.start_errors: dict[str, Exception] = {}
        self.mute: set[str] = set()
        self.unserved: set[str] = set()
        self.fatal: list[tuple[int, str]] = []
        self.beats = 0
        self.now, self.wall_ns = START, START_NS
        health = HealthState(version="1", host="h", pid=1, now=START, wall_ns=START_NS)
        self.children = Children(
            rng=Random(1),
            escalation=Escalation(),
            connect_rate=ConnectRate(minimum=starts_per_tick, maximum=starts_per_tick),
        )
        self.actor = SupervisorActor(
            Incarnation("supervisor", 1, Tick(now=START, wall_ns=START_NS)),
            to=Addresses(writer=self.writer),
            specs=ChildSpecs(
                vital=(
                    self._vital("writer", 60.0, self.writer),
                    self._vital("resolution", 120.0, Address()),
                    self._vital("catalog", 120.0, Address()),
                ),
                connections=ConnectionPolicy(start=self._start_connection),
            ),
            children=self.children,
            plan=Plan(redundancy=redundancy, per_connection=per_connection, seed=0),
            recorder=Recorder(self.journal, self.writer_box, inflight_max=1_000_000),
            health=health,
            journal=self.journal,
            on_fatal=lambda code, reason: self.fatal.append((code, reason)),
            beat=self._beat,
            started=ProcessStarted(at_ns=START_NS, host="h", version="1"),
        )

    def _beat(self) -> None:
        self.beats += 1

    # ------------------------------------------------------------- children

    def _vital(self, name: str, silence_s: float, address: Address) -> VitalChild:
        return VitalChild(
            spec=ChildSpec(id=name, vital=True, silence_s=silence_s, stop_s=5.0),
            start=lambda _incarnation, _at: self._start(name),
            address=address,
        )

    def _start_connection(
        self, spec: ConnectionSpec, _incarnation: int, _at: Tick
    ) -> "pykka.ActorRef[Any]":
        ref = self._start(spec.name)
        self.specs.append(spec)
        return ref

    def _start(self, name: str) -> "pykka.ActorRef[Any]":
        if name in self.start_errors:
            raise self.start_errors[name]
        ref = FakeRef()
        self.starts.append((name, ref))
        return cast("pykka.ActorRef[Any]", ref)

    def started(self) -> list[str]:
        return [name for name, _ in self.starts]

    def ref(self, name: str) -> FakeRef:
        """Return the latest incarnation of a child."""
        return [ref for started, ref in self.starts if started == name][-1]

    def incarnation(self, name: str) -> int:
        return self.started().count(name)

    # ----------------------------------------------------------------- time

    def tell(self, *messages: object) -> "SupervisorHarness":
        for message in messages:
            self.actor.on_receive(message)
        return self

    def tick(self, after_s: float = 1.0) -> "SupervisorHarness":
        """Let time pass in one step; children that run report afterwards."""
        self.now += after_s
        self.wall_ns += int(after_s * 1e9)
        self.actor.on_receive(Tick(now=self.now, wall_ns=self.wall_ns))
        drain(self.actor)
        for name in dict.fromkeys(self.started()):
            if name not in self.mute and self.ref(name).alive:
                self.report(name)
        return self

    def ticks(self, seconds: int) -> "SupervisorHarness":
        for _ in range(seconds):
            self.tick()
        return self

    def begin(self, *numbers: int) -> "SupervisorHarness":
        """Start all children, and connections that listen to these markets."""
        self.tick()
        if numbers:
            self.tell(added(*numbers))
        return self.tick().tick()

    # -------------------------------------------------------------- reports

    def report(self, name: str, *, incarnation: int = 0, epoch: int = 0) -> None:
        number = incarnation or self.incarnation(name)
        who: dict[str, Any] = {"child": name, "incarnation": number, "now": self.now}
        match name:
            case "writer":
                self.tell(WriterReport(**who, state="live", waiting=0))
            case "catalog":
                figures: dict[str, Any] = {
                    "markets": 1,
                    "last_sweep_at": None,
                    "last_error": "",
                    "waiting": 0,
                }
                self.tell(CatalogReport(**who, **figures))
            case "resolution":
                counts: dict[str, Any] = {"recorded_total": 3, "conflicts_total": 0, "waiting": 0}
                self.tell(ResolutionReport(**who, **counts, pending=(), sources=()))
            case _:
                epoch = epoch or self.epoch(name)
                frames = 0 if name in self.unserved else 1
                self.tell(connection_report(name, number, "listening", epoch, frames_total=frames))

    def epoch(self, name: str) -> int:
        """Return the epoch of the current incarnation, a number of its own."""
        return 10_000 + self.starts.index((name, self.ref(name)))

    def end(
        self, name: str, reason: str, *, detail: str = "", retry_after_s: float | None = None
    ) -> None:
        """Let a connection end in an expected way."""
        self.tell(
            ConnectionEnded(
                child=name,
                incarnation=self.incarnation(name),
                epoch=0,
                reason=reason,
                detail=detail,
                retry_after_s=retry_after_s,
            )
        )
        self.ref(name).alive = False

    def crash(self, name: str, *, exit_code: int | None = None) -> None:
        """Let a child die of an unexpected error."""
        self.ref(name).alive = False
        self.tell(
            ChildDied(
                child=name,
                incarnation=self.incarnation(name),
                reason="ValueError: boom",
                traceback="Traceback …",
                exit_code=exit_code,
            )
        )

    # ------------------------------------------------------------------ seen

    def facts(self, kind: type[F]) -> list[F]:
        records = [decode(body) for body in self.journal.bodies.values()]
        return [one for one in records if isinstance(one, kind)]

    def noted(self, connection: str) -> list[tuple[str, str]]:
        """Return (event, reason) of this connection, in all incarnations of the writer."""
        refs = [ref for name, ref in self.starts if name == "writer"]
        notes = [note for ref in refs for note in ref.of(ConnectionNoted)]
        return [(note.event, note.reason) for note in notes if note.connection == connection]

    def health(self) -> Health:
        health: Health = self.actor.on_receive(GetHealth())
        return health
