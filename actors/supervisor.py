"""The supervisor actor: children, the subscription plan, health.

Owns: every other actor as data, the plan of who listens to what, the health
state. Hears: Tick from the main thread; UniverseChanged from the catalogue;
reports, ConnectionEnded, ChildDied, BatchWritten, StoreOpened, StoreLost; GetHealth,
GetListening, StopListening. Tells: Tick, Subscribe, Unsubscribe, Retire to its
children, ConnectionNoted and coverage facts to the writer. Dies when: it must not;
the main thread ends the process if it does. Restarted: by systemd.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import pykka

from actors.children import Child, Children, Death, Start
from actors.errors import EXIT_INTERNAL, JournalFull
from actors.logic import record
from actors.logic.health import LISTENING
from actors.logic.lane import LaneSpec
from actors.logic.liveness import gap_cause
from actors.logic.plan import Changes, Lane, Plan
from actors.logic.restart import ChildSpec
from actors.logic.trade import TokenId
from actors.messages import (
    BatchWritten,
    CatalogReport,
    ChildDied,
    ConnectionEnded,
    ConnectionNoted,
    ConnectionReport,
    GetHealth,
    GetListening,
    ResolutionReport,
    Retire,
    StopListening,
    StoreLost,
    StoreOpened,
    Subscribe,
    Tick,
    UniverseChanged,
    Unsubscribe,
    WriterReport,
)
from actors.recorder import Recorder
from actors.reporting import Reporting
from actors.shell import Address, Mailbox, Shell

log = logging.getLogger(__name__)

LIFECYCLE = LaneSpec(lane="lifecycle", leg=0, lifecycle=True)
TICK_S = 1.0
ALIVE_S = 5.0
FACT_TOKENS = 1_000

Listen = Callable[[LaneSpec, int, Tick], "pykka.ActorRef[Any]"]
"""Gives birth to a connection: (lane, incarnation, time of birth) → a running actor."""


class Vital(msgspec.Struct, frozen=True, kw_only=True):
    """A child that there is exactly one of: the writer, the catalogue, resolution."""

    spec: ChildSpec
    start: Start
    address: Address


class Household(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the supervisor looks after, and how connections are born."""

    vitals: tuple[Vital, ...]
    listen: Listen
    connection_silence_s: float = 45.0
    connection_stop_s: float = 5.0


class SupervisorActor(Shell):
    """The parent of all others."""

    def __init__(  # noqa: PLR0913 -- the composition root names each part
        self,
        *,
        household: Household,
        children: Children,
        plan: Plan,
        recorder: Recorder,
        writer: Mailbox,
        reporting: Reporting,
        on_fatal: Callable[[int, str], None],
    ) -> None:
        super().__init__("supervisor", 1, Address())
        self._household = household
        self._children = children
        self._plan = plan
        self._recorder = recorder
        self._writer = writer
        self._reporting = reporting
        self._health = reporting.health
        self._on_fatal = on_fatal
        self._time = Tick(now=0.0, wall_ns=0)
        self._told_at = self._alive_at = float("-inf")
        self._stopping = False
        self._facts: deque[record.Fact] = deque()
        self._epochs: dict[str, int] = {}
        self.handlers = {
            Tick: self._tick,
            UniverseChanged: self._universe_changed,
            ConnectionReport: self._connection_reported,
            ConnectionEnded: self._connection_ended,
            WriterReport: self._writer_reported,
            CatalogReport: self._catalog_reported,
            ResolutionReport: self._resolution_reported,
            BatchWritten: self._batch_written,
            StoreOpened: lambda opened: self._health.store_opened(server=opened.server),
            StoreLost: self._store_lost,
            ChildDied: self._child_died,
            StopListening: self._stop_listening,
            GetListening: self._get_listening,
            GetHealth: lambda _: self._reporting.document(self._time),
        }

    # ---------------------------------------------------------------- time

    def _tick(self, tick: Tick) -> None:
        """Bury the dead, give birth to who is due, pass time on."""
        first = not self._time.wall_ns
        self._time = tick
        if first:
            self._found_household(tick)
        for death in self._children.look(tick.now):
            self._bury(death)
        if not self._stopping:
            for child in self._children.bear(tick):
                log.debug("child_started", extra=_who(child))
        if tick.now - self._told_at >= TICK_S:
            self._told_at = tick.now
            self._children.tell(tick)
            self._reporting.sample(tick)
        if tick.now - self._alive_at >= ALIVE_S:
            self._alive_at = tick.now
            self._facts.append(record.ProcessAlive(at_ns=tick.wall_ns))
        self._record_facts()
        if self._children.escalation.exceeded(tick.now):
            self._on_fatal(EXIT_INTERNAL, "too many unexpected deaths")

    def _found_household(self, tick: Tick) -> None:
        """Take on the children that there always are."""
        for vital in self._household.vitals:
            self._children.add(vital.spec, vital.start, now=tick.now, address=vital.address)
        self._take_on(LIFECYCLE.lane, LIFECYCLE.leg, lambda: LIFECYCLE)

    def _take_on(self, lane: str, leg: int, spec: Callable[[], LaneSpec]) -> None:
        """Take a connection on; what it is for is looked up at each birth."""
        self._children.add(
            ChildSpec(
                id=lane,
                vital=False,
                silence_s=self._household.connection_silence_s,
                stop_s=self._household.connection_stop_s,
            ),
            lambda incarnation, tick: self._household.listen(spec(), incarnation, tick),
            now=self._time.now,
        )
        self._health.connection_wanted(lane, leg=leg, at=self._time.now)

    # ---------------------------------------------------------------- plan

    def _universe_changed(self, message: UniverseChanged) -> None:
        """Plan the difference and carry it out."""
        if self._stopping:
            return
        self._unwant(message.unwanted)
        if message.removed:
            self._carry_out(self._plan.drop(message.removed))
        if message.added:
            self._carry_out(self._plan.want([(m.condition_id, m.token_ids) for m in message.added]))

    def _carry_out(self, changes: Changes) -> None:
        """Note what is wanted before anyone listens, then move as little as possible."""
        wall_ns = self._time.wall_ns
        for tokens in _chunks(changes.wanted):
            self._facts.append(record.TokensWanted(at_ns=wall_ns, tokens=tokens))
        self._unwant(changes.unwanted)
        for lane in changes.opened:
            self._open_lane(lane)
        opened = {lane.id for lane in changes.opened}
        for lane_id, tokens in changes.subscribed:
            if lane_id not in opened:
                self._children.by_id[lane_id].address.tell(Subscribe(tokens=tokens))
        for lane_id, tokens in changes.unsubscribed:
            self._children.by_id[lane_id].address.tell(
                Unsubscribe(tokens=tokens, cause="released", since_ns=wall_ns)
            )
        for lane_id in changes.closed:
            self._children.part_from(lane_id, Retire(reason="released"))
            self._health.connection_let_go(lane_id)
        self._health.universe_planned(wanted=self._plan.token_count)

    def _unwant(self, tokens: tuple[TokenId, ...]) -> None:
        """Note that these are no longer of interest, after all that was noted before."""
        for chunk in _chunks(tokens):
            self._facts.append(record.TokensUnwanted(at_ns=self._time.wall_ns, tokens=chunk))
        self._record_facts()

    def _open_lane(self, lane: Lane) -> None:
        self._take_on(
            lane.id,
            lane.leg,
            lambda: LaneSpec(lane=lane.id, leg=lane.leg, tokens=self._plan.tokens_of(lane.id)),
        )

    def _record_facts(self) -> None:
        """Journal what waits; a full disk lets it wait on, in order."""
        while self._facts:
            try:
                self._recorder.fact(self._facts[0])
            except JournalFull:
                return
            self._facts.popleft()

    # -------------------------------------------------------------- deaths

    def _bury(self, death: Death) -> None:
        """Say what happened, close what the dead could not close."""
        child = death.child
        if child.spec.vital or not death.expected:
            level = logging.INFO if self._stopping else logging.ERROR
            extra = {**_who(child), "reason": death.reason, "traceback": death.traceback}
            log.log(level, "child_died", extra=extra)
        if child.spec.vital or not death.expected:
            self._health.child_died(
                child.spec.id, at=self._time.now, writer=child.address is self._writer
            )
        if child.spec.vital:
            return
        self._health.connection_ended(child.spec.id, reason=death.reason, at=self._time.now)
        epoch = self._epochs.pop(child.spec.id, 0)
        if epoch and not death.expected:
            self._facts.append(
                record.ListeningClosed(
                    epoch=epoch,
                    at_ns=self._time.wall_ns,
                    until_ns=None,
                    reason=gap_cause("crashed"),
                )
            )
        self._note(child.spec.id, "disconnected", death.reason)
        log.info("connection_ended", extra={**_who(child), "reason": death.reason})

    def _note(self, connection: str, event: str, reason: str) -> None:
        """Tell the writer for `connection_events`."""
        self._writer.tell(
            ConnectionNoted(
                at_ns=self._time.wall_ns, connection=connection, event=event, reason=reason
            )
        )

    def _connection_ended(self, message: ConnectionEnded) -> None:
        """A connection says why it is about to stop."""
        child = self._children.living(message.child, message.incarnation)
        if child is not None:
            child.ended = message.reason
            child.retry_after_s = message.retry_after_s

    def _child_died(self, message: ChildDied) -> None:
        """A shell says what killed it."""
        child = self._children.living(message.child, message.incarnation)
        if child is not None:
            child.crashed = (message.reason, message.traceback)
            if message.exit_code is not None:
                self._on_fatal(message.exit_code, message.reason)

    # ------------------------------------------------------------- reports

    def _alive(self, child: str, incarnation: int) -> Child | None:
        """Note a sign of life; the dead have no say."""
        found = self._children.living(child, incarnation)
        if found is not None:
            found.reported_at = self._time.now
        return found

    def _connection_reported(self, report: ConnectionReport) -> None:
        child = self._alive(report.child, report.incarnation)
        if child is None:
            return
        if report.epoch and self._epochs.get(report.child) != report.epoch:
            self._epochs[report.child] = report.epoch
            self._connection_opened(child)
        if report.state == LISTENING:
            child.backoff.succeeded(self._time.now)
        self._health.connection_reported(report, at=self._time.now)

    def _connection_opened(self, child: Child) -> None:
        extra = {**_who(child), "reason": child.last_reason}
        if child.incarnation == 1:
            self._note(child.spec.id, "connected", "")
            log.info("connection_opened", extra=extra)
        else:
            self._note(child.spec.id, "reconnected", child.last_reason)
            log.info("connection_reopened", extra=extra)

    def _writer_reported(self, report: WriterReport) -> None:
        if self._alive(report.child, report.incarnation):
            self._health.writer_reported(state=report.state, waiting=report.waiting)

    def _catalog_reported(self, report: CatalogReport) -> None:
        if self._alive(report.child, report.incarnation):
            self._health.catalog_reported(report, at=self._time.now)

    def _resolution_reported(self, report: ResolutionReport) -> None:
        if self._alive(report.child, report.incarnation):
            self._health.resolution_reported(report, at=self._time.now)

    def _batch_written(self, message: BatchWritten) -> None:
        self._health.batch_written(message, at=self._time.now, wall_ns=self._time.wall_ns)

    def _store_lost(self, message: StoreLost) -> None:
        self._health.store_lost(reason=message.reason, at=self._time.now)

    # ----------------------------------------------------------- questions

    def _stop_listening(self, _: StopListening) -> None:
        """End every connection in good order; nobody is born again."""
        self._stopping = True
        self._health.stopping()
        for child in list(self._children.by_id.values()):
            if not child.spec.vital:
                self._children.part_from(child.spec.id, Retire(reason="stopped", at_once=True))

    def _get_listening(self, _: GetListening) -> int:
        return sum(
            child.ref is not None and child.ref.is_alive()
            for child in self._children.by_id.values()
            if not child.spec.vital
        )


def _who(child: Child) -> dict[str, Any]:
    return {"child": child.spec.id, "incarnation": child.incarnation}


def _chunks(tokens: tuple[TokenId, ...]) -> list[tuple[TokenId, ...]]:
    return [tokens[i : i + FACT_TOKENS] for i in range(0, len(tokens), FACT_TOKENS)]
