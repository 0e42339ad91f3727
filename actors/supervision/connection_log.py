"""Records what happened to connections: for `connection_events`, the log and the journal."""

import logging

from actors.actor import Mailbox
from actors.journal.recorder import FactQueue
from actors.messages import ConnectionNoted, Tick
from actors.model import facts
from actors.model.connection import DISK_FULL, gap_cause
from actors.supervision.children import Child, Death

log = logging.getLogger(__name__)


class ConnectionLog:
    """Writes `connection_events`, and ends the coverage that a dead connection could not end.

    Events: `connected` the first time, `reconnected` with the reason of the end before,
    `disconnected`, and `failed` for an incarnation that never listened: once for each
    reason in a row, so that an outage of days leaves few rows.
    """

    def __init__(self, writer: Mailbox, fact_queue: FactQueue) -> None:
        self._writer = writer
        self._fact_queue = fact_queue

    def opened(self, child: Child, time: Tick) -> None:
        """Record that a connection listens."""
        child.failing = ""
        extra = {"child": child.spec.id, "incarnation": child.incarnation}
        if child.listened == 1:
            self._record(child, "connected", "", time)
            log.info("connection_opened", extra=extra)
        else:
            self._record(child, "reconnected", child.last_reason, time)
            log.info("connection_reopened", extra={**extra, "reason": child.last_reason})

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
        if child.epoch:
            self._record(child, "disconnected", death.reason, time)
        elif child.failing != death.reason:
            child.failing = death.reason
            self._record(child, "failed", death.reason, time)
        extra = {"child": child.spec.id, "incarnation": child.incarnation, "reason": death.reason}
        log.info("connection_ended", extra=extra)

    def _record(self, child: Child, event: str, reason: str, time: Tick) -> None:
        self._writer.tell(
            ConnectionNoted(
                at_ns=time.wall_ns, connection=child.spec.id, event=event, reason=reason
            )
        )
