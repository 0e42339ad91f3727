"""The supervisor actor: children, the subscription plan, health.

Owns: every other actor as data, the executor of who listens to what, the health
state. Hears: Tick from the main thread; UniverseChanged from the catalogue;
reports, ConnectionEnded, ChildDied, BatchWritten, TradesMissed, StoreOpened,
StoreLost; GetHealth, GetListening, StopListening. Tells: Tick, Subscribe,
Unsubscribe, Retire, Doubt to its children, ConnectionNoted and coverage facts to the
writer. Dies when: it must not; it has the main thread end the process if it does.
Restarted: by systemd.
"""

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from actors.actor import Address, Addresses, BaseActor, BatchingMailbox, Handler, Incarnation
from actors.errors import EXIT_INTERNAL, Fatal
from actors.health.state import Health
from actors.journal.recorder import FactQueue, Recorder
from actors.messages import (
    BatchWritten,
    CatalogReport,
    ChildDied,
    ConnectionEnded,
    ConnectionReport,
    GetHealth,
    GetListening,
    MailboxDrained,
    Message,
    ResolutionReport,
    Retire,
    StopListening,
    StoreLost,
    StoreOpened,
    Tick,
    TradesMissed,
    UniverseChanged,
    WriterReport,
)
from actors.model.connection import LISTENING
from actors.supervision.admission import DiskAdmission, Reporting
from actors.supervision.canary import Activity
from actors.supervision.children import Child, Children, Death, Start
from actors.supervision.connection_log import ConnectionLog
from actors.supervision.connections import Listen, Listening, PlanExecutor
from actors.supervision.monitor import ConnectionMonitor, SilenceDetector
from actors.supervision.plan import Plan
from actors.supervision.restart import ChildSpec

log = logging.getLogger(__name__)

TICK_S = 1.0
ALIVE_S = 5.0


class Vital(msgspec.Struct, frozen=True, kw_only=True):
    """A child that there is exactly one of: the writer, the catalogue, resolution."""

    spec: ChildSpec
    start: Start
    address: Address


class ChildSpecs(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the supervisor looks after, and how connections are born.

    Attributes:
        connection_silence_s: How long a connection may fail to report.
        connection_stop_s: How long it may take to end.
        replace_s: How long one serves before it is replaced, about.
        data_silence_s: How long the exchange may say nothing on a connection.
    """

    vitals: tuple[Vital, ...]
    listen: Listen
    connection_silence_s: float = 45.0
    connection_stop_s: float = 5.0
    replace_s: float = 21_600.0
    data_silence_s: float = 60.0


class SupervisorActor(BaseActor):
    """The parent of all others."""

    @staticmethod
    def _create_actor_inbox() -> BatchingMailbox:
        # Thousands of connections report; nothing comes of it before the next Tick or question.
        return BatchingMailbox({ConnectionReport})

    def __init__(  # noqa: PLR0913 -- the composition root names each part
        self,
        incarnation: Incarnation,
        *,
        to: Addresses,
        specs: ChildSpecs,
        children: Children,
        plan: Plan,
        recorder: Recorder,
        reporting: Reporting,
        on_fatal: Callable[[int, str], None],
        beat: Callable[[], None],
    ) -> None:
        super().__init__(incarnation, Address())  # nobody supervises it
        self._specs = specs
        self._writer = to.writer
        self._children = children
        children.hear_out = self._hear_out
        self._reporting = reporting
        self._health = reporting.health
        self._backlog = FactQueue(recorder)
        self._chronicle = ConnectionLog(to.writer, self._backlog)
        activity = Activity()
        self._executor = PlanExecutor(
            plan,
            children,
            backlog=self._backlog,
            health=reporting.health,
            listening=Listening(
                listen=specs.listen,
                silence_s=specs.connection_silence_s,
                stop_s=specs.connection_stop_s,
                replace_s=specs.replace_s,
            ),
            activity=activity,
        )
        silence = SilenceDetector(silence_s=specs.data_silence_s)
        self._watch = ConnectionMonitor(
            self._executor, children=children, activity=activity, silence=silence
        )
        self._gate = DiskAdmission(children, reporting)
        self._on_fatal = on_fatal
        self._beat = beat
        self._time = Tick(now=0.0, wall_ns=0)
        self._told_at = self._alive_at = float("-inf")
        self._stopping = False
        self.handlers = self._table()

    def _table(self) -> dict[type[Message], Handler]:
        return {
            Tick: self._tick,
            UniverseChanged: self._universe_changed,
            ConnectionReport: self._connection_reported,
            ConnectionEnded: self._connection_ended,
            WriterReport: self._writer_reported,
            CatalogReport: self._catalog_reported,
            ResolutionReport: self._resolution_reported,
            BatchWritten: self._batch_written,
            TradesMissed: self._watch.missed,
            StoreOpened: lambda opened: self._health.store_opened(server=opened.server),
            StoreLost: lambda lost: self._health.store_lost(reason=lost.reason, at=self._time.now),
            ChildDied: self._child_died,
            MailboxDrained: self._heard_out,
            StopListening: self._stop_listening,
            GetListening: self._get_listening,
            GetHealth: self._get_health,
        }

    def on_receive(self, message: Any) -> Any:
        """See `BaseActor`; what cannot be survived ends the process with its own exit code.

        The supervisor lives on meanwhile: its connections are to say goodbye.
        """
        try:
            return super().on_receive(message)
        except Fatal as fatal:
            self._on_fatal(fatal.exit_code, str(fatal))
            return None

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        """End the process: nobody looks after the others any more."""
        super().on_failure(exception_type, exception_value, traceback)
        reason = f"the supervisor died: {exception_type.__name__}: {exception_value}"
        self._on_fatal(EXIT_INTERNAL, reason[:500])

    # ---------------------------------------------------------------- time

    def _tick(self, tick: Tick) -> None:
        """Bury the dead, give birth to who is due, pass time on; then it counts as alive."""
        first, self._time = not self._time.wall_ns, tick
        if first:
            self._add_vital(tick)
        self._bury_the_dead()
        if tick.now - self._alive_at >= ALIVE_S:
            self._alive_at = tick.now
            self._backlog.alive(tick.wall_ns)
        self._backlog.write()
        if not self._stopping:
            for child in self._children.bear(tick):
                log.debug("child_started", extra=_who(child))
        if tick.now - self._told_at >= TICK_S:
            self._told_at = tick.now
            self._children.tell_vital(tick if self._stopping else self._watch.turn(tick))
            self._gate.mind(tick)
        self._children.tell_time(tick)
        reason = self._children.beyond_help(tick.now)
        if reason:
            self._on_fatal(EXIT_INTERNAL, reason)
        self._beat()

    def _add_vital(self, tick: Tick) -> None:
        """Take on the children that there always are."""
        for vital in self._specs.vitals:
            self._children.add(vital.spec, vital.start, now=tick.now, address=vital.address)
        self._executor.open_lifecycle(tick)

    def _universe_changed(self, message: UniverseChanged) -> None:
        """Have the difference listened to."""
        if not self._stopping:
            self._executor.change(message, self._time)

    # -------------------------------------------------------------- deaths

    def _bury_the_dead(self) -> None:
        for death in self._children.look(self._time.now):
            self._bury(death)

    def _bury(self, death: Death) -> None:
        """Return what happened, close what the dead could not close."""
        child = death.child
        if not death.expected:
            level = logging.INFO if self._stopping else logging.ERROR
            extra = {**_who(child), "reason": death.reason, "traceback": death.traceback}
            log.log(level, "child_died", extra=extra)
            self._health.child_died(
                child.spec.id, at=self._time.now, writer=child.address is self._writer
            )
        if not child.spec.vital:
            self._health.connection_ended(child.spec.id, reason=death.reason, at=self._time.now)
            self._chronicle.ended(death, self._time)
            if not self._stopping:
                self._watch.ended(death, self._time)

    def _connection_ended(self, message: ConnectionEnded) -> None:
        """A connection says why it is about to stop."""
        child = self._children.living(message.child, message.incarnation)
        if child is not None:
            child.ended = message.reason
            child.retry_after_s = message.retry_after_s

    def _child_died(self, message: ChildDied) -> None:
        """A shell says what killed it. What no life can survive is true of every life."""
        child = self._children.living(message.child, message.incarnation)
        if child is not None:
            child.crashed = (message.reason, message.traceback)
        if message.exit_code is not None:
            self._on_fatal(message.exit_code, message.reason)

    def _hear_out(self, child: str, incarnation: int) -> None:
        """Have `MailboxDrained` stand behind all that this life told, which is over."""
        self.actor_ref.tell(MailboxDrained(child=child, incarnation=incarnation))

    def _heard_out(self, message: MailboxDrained) -> None:
        """What a dead child told stood before this, however far we were behind."""
        child = self._children.living(message.child, message.incarnation)
        if child is not None:
            child.heard_out = True

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
        if self._children.listens(child, report.epoch):
            self._chronicle.opened(child, self._time)
        if report.state == LISTENING:
            child.backoff.succeeded(self._time.now)
        self._health.connection_reported(report, at=self._time.now)
        self._watch.reported(report)

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

    # ----------------------------------------------------------- questions

    def _stop_listening(self, _: StopListening) -> None:
        """End every connection in good order; nobody is born again."""
        self._stopping = True
        self._health.stopping()
        for child in list(self._children.by_id.values()):
            if not child.spec.vital:
                self._children.part_from(child.spec.id, Retire(reason="stopped", at_once=True))

    def _get_listening(self, _: GetListening) -> int:
        """Count who still lives. While we stop there are no Ticks, so the dead are buried here."""
        if self._stopping:
            self._bury_the_dead()
            self._backlog.write()
        return sum(
            child.ref is not None and child.ref.is_alive()
            for child in self._children.by_id.values()
            if not child.spec.vital
        )

    def _get_health(self, _: GetHealth) -> Health:
        if not self._time.wall_ns:
            raise TimeoutError("time has not begun")
        return self._reporting.document(self._time)


def _who(child: Child) -> dict[str, Any]:
    return {"child": child.spec.id, "incarnation": child.incarnation}
