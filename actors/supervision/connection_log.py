"""Records what happened to connections: for `connection_events`, the log and the journal."""

import logging
from typing import Final

from actors.actor import Mailbox
from actors.journal.recorder import FactQueue
from actors.messages import ConnectionNoted, Tick
from actors.model import facts
from actors.model.connection import ALL_RESOLVED, DISK_FULL, gap_cause
from actors.model.log_digest import LogDigest
from actors.supervision.children import Child, Death

log = logging.getLogger(__name__)


LOG_S: Final = 60.0
"""Least time between two log lines that sum up ends of connections, in seconds."""
MOST_ENDS: Final = 20
"""So many ends in `LOG_S` have a line of their own; the others are summed up."""
PLANNED: Final = frozenset({"released", "replaced", "abandoned", "stopped", ALL_RESOLVED})
"""Reasons of ends that nobody needs to look at."""


class ConnectionLog:
    """Writes `connection_events`, and ends the coverage that a dead connection could not end.

    Events: `connected` the first time, `reconnected` with the reason of the end before,
    `disconnected`, and `failed` for an incarnation that was never served: once for each
    reason in a row, so that an outage of days leaves few rows. In the log, failures of all
    connections are summed up, and ends when there are many.
    """

    def __init__(self, writer: Mailbox, fact_queue: FactQueue) -> None:
        self._writer = writer
        self._fact_queue = fact_queue
        self._failures, self._ends = LogDigest(every_s=LOG_S), LogDigest(every_s=LOG_S)
        self._ends_logged = 0
        self._ends_since = float("-inf")
        self._last_failure = ("", "")
        self._logged: set[str] = set()  # reasons of the failures logged in the last minute
        self._new_reason = False

    def opened(self, child: Child, time: Tick) -> None:
        """Record that a connection receives data."""
        child.failing = ""
        extra = {"connection": child.spec.id, "incarnation": child.incarnation}
        if child.listened == 1:
            self._record(child, "connected", "", time)
            log.info("connection_opened", extra=extra)
        else:
            self._record(child, "reconnected", child.last_reason, time)
            away = {"reason": child.last_reason, "down_s": round(time.now - child.ended_at, 1)}
            log.info("connection_reopened", extra={**extra, **away})

    def ended(self, death: Death, time: Tick) -> None:
        """Record that an incarnation of a connection ended.

        Raises:
            JournalFailed: See `FactQueue.add`.
        """
        child = death.child
        # A connection that ended because the disk was full may not have been able to write
        # its own end; if it did, a second one changes nothing.
        if child.epoch and (not death.expected or death.reason == DISK_FULL):
            closed = facts.ListeningClosed(
                epoch=child.epoch,
                at_ns=time.wall_ns,
                until_ns=None,
                reason=gap_cause(death.reason if death.expected else "crashed"),
            )
            self._fact_queue.add(closed)
        if death.failed:
            self._failed(death, time)
            return
        if child.served:
            self._record(child, "disconnected", death.reason, time)
        if not self._may_log(time.now):
            self._ends.count([death.reason])
            return
        extra = {
            "connection": child.spec.id,
            "incarnation": child.incarnation,
            "reason": death.reason,
            "tokens": child.tokens,
            "trades": child.trades,
            "seconds": round(time.now - child.started_at, 1),
        }
        planned = child.retiring or death.reason in PLANNED
        log.log(logging.INFO if planned else logging.WARNING, "connection_ended", extra=extra)

    def _may_log(self, now: float) -> bool:
        """Return whether one more end may have a line of its own."""
        if now - self._ends_since >= LOG_S:
            self._ends_since, self._ends_logged = now, 0
        self._ends_logged += 1
        return self._ends_logged <= MOST_ENDS

    def _failed(self, death: Death, time: Tick) -> None:
        child = death.child
        if child.failing != death.reason:
            child.failing = death.reason
            self._record(child, "failed", death.reason, time)
        self._failures.count([death.reason])
        self._new_reason |= death.reason not in self._logged
        self._last_failure = (child.spec.id, child.end_detail)

    def summarise(self, now: float) -> None:
        """Log how many connections failed, or ended, since the last line, when a line is due.

        A reason of a failure that is in no line of the last minute is logged at once.
        """
        ends = self._ends.take(now)
        if ends:
            log.warning("connections_ended", extra={"ended": sum(ends.values()), "reasons": ends})
        reasons = self._failures.take(now)
        if reasons:
            self._logged.clear()
        elif self._new_reason:
            reasons = self._failures.take(now, at_once=True)
        self._logged.update(reasons)
        self._new_reason = False
        if reasons:
            child, detail = self._last_failure
            extra = {"failed": sum(reasons.values()), "reasons": reasons, "connection": child}
            log.warning("connections_failed", extra={**extra, "detail": detail})

    def _record(self, child: Child, event: str, reason: str, time: Tick) -> None:
        self._writer.tell(
            ConnectionNoted(
                at_ns=time.wall_ns, connection=child.spec.id, event=event, reason=reason
            )
        )
