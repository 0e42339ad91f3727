"""The supervisor actor: children, the subscription plan, health.

Owns: all other actors as data, the subscription plan, the health state.
Receives: Tick, DatabaseServerEnded, GetConnections, GetListening and StopListening from the main
thread; GetHealth from the status, metrics and watchdog threads; UniverseChanged and CatalogReport
from the catalog; ResolutionReport from resolution; AuditReport from the audit; StreamReport from
the stream; AnnouncedConfirmed, ConnectionReport and ConnectionEnded from connections; Report,
WriterReport, BatchWritten, LatestStored, TradesMissed, StoreOpened, DayRestored, CoverageForgotten
and StoreLost from the writer; ChildDied from all children; MailboxDrained from itself.
Sends: Tick to all children; Subscribe, Unsubscribe, ChangeCanary, HeardElsewhere, Renew,
RenewEpoch, RecheckCoverage and Retire to connections; ConnectionNoted and coverage facts to the
writer.
Ends when: it must not; if it does, the main thread ends the process.
Restarted: by systemd, with the process.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from actors.actor import Address, Addresses, BaseActor, BatchingMailbox, Handler, Incarnation
from actors.errors import EXIT_INTERNAL, Fatal
from actors.health.parts import because
from actors.health.state import Health, HealthState
from actors.journal.recorder import FactQueue, Recorder
from actors.messages import (
    AnnouncedConfirmed,
    AuditReport,
    BatchWritten,
    CatalogReport,
    ChildDied,
    ConnectionEnded,
    ConnectionReport,
    CoverageForgotten,
    DatabaseServerEnded,
    DayRestored,
    GetConnections,
    GetHealth,
    GetListening,
    LatestStored,
    MailboxDrained,
    Message,
    RenewEpoch,
    Report,
    ResolutionReport,
    Retire,
    StopListening,
    StoreLost,
    StoreOpened,
    StreamReport,
    Tick,
    TradesMissed,
    UniverseChanged,
    WriterReport,
)
from actors.model.connection import LISTENING, slot_of
from actors.model.facts import ProcessStarted
from actors.model.histogram import Histogram
from actors.supervision.canary import Activity
from actors.supervision.children import Child, Children, ConnectionPolicy, Death, Start
from actors.supervision.connection_log import ConnectionLog
from actors.supervision.connections import PlanExecutor
from actors.supervision.monitor import (
    ConnectionMonitor,
    DiskAdmission,
    MeasuredJournal,
    SilenceDetector,
)
from actors.supervision.pacing import ChildSpec
from actors.supervision.plan import Plan
from actors.supervision.wishes import Wishes

log = logging.getLogger(__name__)

CHECK_S: Final = 1.0
"""How often connections and the journal are checked; Ticks arrive more often."""
ALIVE_S: Final = 5.0
"""How often `ProcessAlive` is journalled."""


class VitalChild(msgspec.Struct, frozen=True, kw_only=True):
    """A child of which there is exactly one: the writer, the catalog, resolution, audit, stream."""

    spec: ChildSpec
    start: Start
    address: Address


class ChildSpecs(msgspec.Struct, frozen=True, kw_only=True):
    """All children that the supervisor starts.

    Attributes:
        data_silence_s: How long the exchange may send nothing to a connection.
    """

    vital: tuple[VitalChild, ...]
    connections: ConnectionPolicy
    data_silence_s: float = 60.0


class SupervisorActor(BaseActor):
    """The parent of all other actors.

    Args:
        incarnation: This incarnation.
        to: The other actors; it sends to the writer.
        specs: All children that it starts.
        children: Starts, watches and restarts them.
        plan: Which connection has which tokens.
        recorder: Appends facts to the journal.
        health: What the status shows.
        journal: Reports how much space is left.
        request_times: Returns how long HTTP requests took, by source.
        on_fatal: Called with exit code and reason when the process must end.
        beat: Called at the end of each Tick, for the watchdog.
        started: The first record of this process; it waits until the journal has space for it.
    """

    handled_errors = (Fatal,)

    @staticmethod
    def _create_actor_inbox() -> BatchingMailbox:
        # Thousands of connections report; a report has no effect before the next Tick or question.
        return BatchingMailbox({ConnectionReport})

    def __init__(  # noqa: PLR0913 -- called once, with keywords
        self,
        incarnation: Incarnation,
        *,
        to: Addresses,
        specs: ChildSpecs,
        children: Children,
        plan: Plan,
        recorder: Recorder,
        health: HealthState,
        journal: MeasuredJournal,
        request_times: Callable[[], Mapping[str, Histogram]] = dict,
        on_fatal: Callable[[int, str], None],
        beat: Callable[[], None],
        started: ProcessStarted,
    ) -> None:
        super().__init__(incarnation, Address())  # nothing supervises it
        self._vital = specs.vital
        self._started = started
        self._writer = to.writer
        self._children = children
        children.request_drain = self._request_drain
        self._health = health
        health.markets_known(lambda name, token: plan.market_of(slot_of(name), token))
        self._fact_queue = FactQueue(recorder)
        self._fact_queue.add(started)
        self._wishes = Wishes(self._fact_queue)
        self._connection_log = ConnectionLog(to.writer, self._fact_queue)
        activity = Activity()
        self._executor = PlanExecutor(
            plan,
            children,
            wishes=self._wishes,
            health=health,
            policy=specs.connections,
            activity=activity,
        )
        silence = SilenceDetector(silence_s=specs.data_silence_s)
        self._monitor = ConnectionMonitor(
            self._executor, children=children, activity=activity, silence=silence, health=health
        )
        self._admission = DiskAdmission(journal, health, children)
        self._request_times = request_times
        self._on_fatal = on_fatal
        self._beat = beat
        self._time = Tick(now=0.0, wall_ns=0)
        self._checked_at = self._alive_at = float("-inf")
        self._stopping = False
        self.handlers = self._table()

    def _table(self) -> dict[type[Message], Handler]:
        return {
            Tick: self._tick,
            UniverseChanged: self._universe_changed,
            AnnouncedConfirmed: self._announced_confirmed,
            ConnectionReport: self._connection_reported,
            ConnectionEnded: self._connection_ended,
            Report: lambda report: self._reporting(report.child, report.incarnation),
            WriterReport: self._writer_reported,
            CatalogReport: self._catalog_reported,
            ResolutionReport: self._resolution_reported,
            AuditReport: self._audit_reported,
            StreamReport: self._stream_reported,
            BatchWritten: self._batch_written,
            LatestStored: self._health.latest.stored,
            TradesMissed: self._monitor.trades_missed,
            StoreOpened: self._health.store_opened,
            DayRestored: lambda restored: self._health.day.restored(restored.found),
            DatabaseServerEnded: lambda ended: self._health.database_server_ended(
                reason=ended.reason, at=self._time.now
            ),
            CoverageForgotten: self._coverage_forgotten,
            StoreLost: lambda lost: self._health.store_lost(reason=lost.reason, at=self._time.now),
            ChildDied: self._child_died,
            MailboxDrained: self._mailbox_drained,
            StopListening: self._stop_listening,
            GetListening: self._get_listening,
            GetConnections: self._get_connections,
            GetHealth: self._get_health,
        }

    def on_handled_error(self, error: Any) -> None:
        """End the process, with the exit code of the error.

        The supervisor itself continues until then, so that connections end in good order.
        """
        self._on_fatal(error.exit_code, str(error))

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        """End the process: nothing restarts the other actors any more."""
        super().on_failure(exception_type, exception_value, traceback)
        reason = f"the supervisor died: {exception_type.__name__}: {exception_value}"
        self._on_fatal(EXIT_INTERNAL, reason[:500])

    # ---------------------------------------------------------------- time

    def _tick(self, tick: Tick) -> None:
        """Reap the dead, start the children that are due, send the time on; then beat."""
        first, self._time = not self._time.wall_ns, tick
        if first:
            self._add_children(tick)
        self._reap()
        if tick.now - self._alive_at >= ALIVE_S:
            self._alive_at = tick.now
            self._fact_queue.alive(tick.wall_ns, self._health.day.to_journal())
        written = self._fact_queue.write()
        if first or self._admission.start_waits:
            # The writer starts all the same: reading the journal is what makes space.
            self._admission.start_waits = not written
        if first:
            self._admission.enforce(tick)
        if not self._stopping:
            for child in self._children.start_due(tick):
                log.debug("child_started", extra=_names(child))
        if tick.now - self._checked_at >= CHECK_S:
            self._checked_at = tick.now
            # While stopping nothing is judged: connections end one by one, and
            # their silence means nothing.
            self._children.tick_vital(tick if self._stopping else self._monitor.check(tick))
            self._admission.enforce(tick)
            self._connection_log.summarise(tick.now)
        self._children.tick_connections(tick)
        reason = self._children.give_up_reason(tick.now)
        if reason:
            self._on_fatal(EXIT_INTERNAL, reason)
        # Last: a supervisor that fails at every Tick must not count as alive.
        self._beat()

    def _add_children(self, tick: Tick) -> None:
        """Add the children that always exist."""
        for vital in self._vital:
            self._children.add(vital.spec, vital.start, now=tick.now, address=vital.address)
        self._executor.open_lifecycle(tick)

    def _universe_changed(self, message: UniverseChanged) -> None:
        """Bring the connections in line with the new universe."""
        if not self._stopping:
            self._executor.change(message, self._time)

    def _announced_confirmed(self, message: AnnouncedConfirmed) -> None:
        """Want what the feed announced and the exchange knows now."""
        if not self._stopping:
            self._executor.confirmed(message, self._time)

    def _coverage_forgotten(self, message: CoverageForgotten) -> None:
        """Journal again what the database lacks: that we run, what is wanted, what is heard."""
        if self._stopping:
            return
        at_ns = self._time.wall_ns
        # What the database may still hold of our epochs ends with this start.
        self._fact_queue.add(msgspec.structs.replace(self._started, at_ns=at_ns))
        since_ns = message.since_ns or at_ns
        for tokens in self._executor.wanted():
            if message.is_earlier:
                self._wishes.lost_earlier(tokens, since_ns, at_ns)
            else:
                self._wishes.want(tokens, since_ns)
        if message.is_earlier:
            self._wishes.expect(since_ns)
        self._fact_queue.write()
        self._children.send_connections(RenewEpoch())

    # -------------------------------------------------------------- deaths

    def _reap(self) -> None:
        for death in self._children.reap(self._time.now):
            self._child_ended(death)

    def _child_ended(self, death: Death) -> None:
        """Log the end of a child, and close what it could not close itself."""
        child = death.child
        if not death.expected:
            level = logging.INFO if self._stopping else logging.ERROR
            extra = {**_names(child), "reason": death.reason, "traceback": death.traceback}
            log.log(level, "child_died", extra=extra)
            self._health.child_died(
                child.spec.id,
                death.reason,
                at=self._time.now,
                writer=child.address is self._writer,
            )
        if not child.spec.vital:
            self._health.connection_ended(
                child.spec.id,
                reason=death.reason,
                at=self._time.now,
                failure=because(death.reason, child.end_detail) if death.failed else "",
            )
            self._connection_log.ended(death, self._time)
            if not self._stopping:
                self._monitor.ended(death, self._time)

    def _connection_ended(self, message: ConnectionEnded) -> None:
        """Record why a connection is about to end."""
        child = self._children.current(message.child, message.incarnation)
        if child is not None:
            child.end_reason = message.reason
            child.end_detail = message.detail
            child.retry_after_s = message.retry_after_s

    def _child_died(self, message: ChildDied) -> None:
        """Record the error that ended a child.

        An error with an exit code would end every incarnation, so it also counts when it
        comes from one that is over.
        """
        child = self._children.current(message.child, message.incarnation)
        if child is not None:
            child.crash = (message.reason, message.traceback)
        if message.exit_code is not None:
            self._on_fatal(message.exit_code, message.reason)

    def _request_drain(self, child: str, incarnation: int) -> None:
        """Put `MailboxDrained` behind all messages that a dead incarnation sent."""
        self.actor_ref.tell(MailboxDrained(child=child, incarnation=incarnation))

    def _mailbox_drained(self, message: MailboxDrained) -> None:
        """Record that all messages of a dead child have been handled."""
        child = self._children.current(message.child, message.incarnation)
        if child is not None:
            child.drained = True

    # ------------------------------------------------------------- reports

    def _reporting(self, child: str, incarnation: int) -> Child | None:
        """Return the child that reports, and record the time; None if it is not current."""
        found = self._children.current(child, incarnation)
        if found is not None:
            # Our time, not that of the report: one that waited in the mailbox
            # must not look like silence.
            found.reported_at = self._time.now
        return found

    def _connection_reported(self, report: ConnectionReport) -> None:
        child = self._reporting(report.child, report.incarnation)
        if child is None:
            return
        child.epoch = report.epoch or child.epoch
        child.tokens, child.trades = report.tokens, report.trades_total
        if _is_served(report) and self._children.served(child):
            self._connection_log.opened(child, self._time)
        if report.state == LISTENING:
            child.backoff.succeeded(self._time.now)
        self._health.connection_reported(report, at=self._time.now)
        self._monitor.reported(report)

    def _writer_reported(self, report: WriterReport) -> None:
        if self._reporting(report.child, report.incarnation):
            self._health.writer_reported(report, at=self._time.now)

    def _catalog_reported(self, report: CatalogReport) -> None:
        if self._reporting(report.child, report.incarnation):
            self._health.catalog_reported(report, at=self._time.now)

    def _resolution_reported(self, report: ResolutionReport) -> None:
        if self._reporting(report.child, report.incarnation):
            self._health.resolution_reported(report, at=self._time.now)

    def _audit_reported(self, report: AuditReport) -> None:
        if self._reporting(report.child, report.incarnation):
            self._health.audits.reported(report)

    def _stream_reported(self, report: StreamReport) -> None:
        if self._reporting(report.child, report.incarnation):
            self._health.audits.stream_reported(report)

    def _batch_written(self, message: BatchWritten) -> None:
        self._health.batch_written(message, at=self._time.now, wall_ns=self._time.wall_ns)

    # ----------------------------------------------------------- questions

    def _stop_listening(self, _: StopListening) -> None:
        """End every connection in good order, and start no more children."""
        self._stopping = True
        self._health.stopping()
        # A copy, since `retire` removes a child that is not running.
        for child in list(self._children.by_id.values()):
            if not child.spec.vital:
                self._children.retire(child.spec.id, Retire(reason="stopped", at_once=True))

    def _get_listening(self, _: GetListening) -> int:
        """Return how many connections still run."""
        if self._stopping:  # there are no Ticks now, so the dead are reaped here
            self._reap()
            self._fact_queue.write()
        return sum(
            child.ref is not None and child.ref.is_alive()
            for child in self._children.by_id.values()
            if not child.spec.vital
        )

    def _get_connections(self, _: GetConnections) -> tuple[tuple[str, Address], ...]:
        """Return those that have an epoch: one that is being opened would not answer for long."""
        children = self._children.by_id.values()
        open_ = [each for each in children if each.epoch and each.ref is not None]
        return tuple([(each.spec.id, each.address) for each in open_])

    def _get_health(self, _: GetHealth) -> Health:
        if not self._time.wall_ns:
            # This goes to the asker: an error during `ask` does not end an actor.
            raise TimeoutError("the first Tick has not arrived")
        self._admission.measure(self._time)
        self._health.requests_timed(self._request_times())
        return self._health.document(now=self._time.now, wall_ns=self._time.wall_ns)


def _is_served(report: ConnectionReport) -> bool:
    """Return whether the exchange does more for a connection than accept it.

    One without tokens may wait long for the news of a market: any frame will do.
    """
    return report.last_data_at > 0 or (report.tokens == 0 and report.frames_total > 0)


def _names(child: Child) -> dict[str, Any]:
    return {"child": child.spec.id, "incarnation": child.incarnation}
