"""The chronicle: what happened to connections, told to the writer and the log."""

import logging

from actors.actor import Mailbox
from actors.journal.recorder import FactQueue
from actors.messages import ConnectionNoted, Tick
from actors.model import facts
from actors.model.connection import DISK_FULL, gap_cause
from actors.supervision.children import Child, Death

log = logging.getLogger(__name__)


class ConnectionLog:
    """Writes `connection_events`, and closes what the dead could not close.

    Events: `connected` the first time, `reconnected` with the reason of the end
    before, `disconnected`, and `failed` for a life that never came to listen: once
    for each reason in a row, so that an outage of days leaves few rows.
    """

    def __init__(self, writer: Mailbox, backlog: FactQueue) -> None:
        self._writer = writer
        self._backlog = backlog

    def opened(self, child: Child, time: Tick) -> None:
        """A connection has come to listen."""
        child.failing = ""
        extra = {"child": child.spec.id, "incarnation": child.incarnation}
        if child.openings == 1:
            self._note(child, "connected", "", time)
            log.info("connection_opened", extra=extra)
        else:
            self._note(child, "reconnected", child.last_reason, time)
            log.info("connection_reopened", extra={**extra, "reason": child.last_reason})

    def ended(self, death: Death, time: Tick) -> None:
        """A connection is over.

        Raises:
            JournalFailed: See `FactQueue.add`.
        """
        child = death.child
        # One that ended for want of room may not have found any for its own last word;
        # if it did, the second changes nothing.
        if child.epoch and (not death.expected or death.reason == DISK_FULL):
            closed = facts.ListeningClosed(
                epoch=child.epoch,
                at_ns=time.wall_ns,
                until_ns=None,
                reason=gap_cause(death.reason if death.expected else "crashed"),
            )
            self._backlog.add(closed)
        if child.epoch:
            self._note(child, "disconnected", death.reason, time)
        elif child.failing != death.reason:
            child.failing = death.reason
            self._note(child, "failed", death.reason, time)
        extra = {"child": child.spec.id, "incarnation": child.incarnation, "reason": death.reason}
        log.info("connection_ended", extra=extra)

    def _note(self, child: Child, event: str, reason: str, time: Tick) -> None:
        self._writer.tell(
            ConnectionNoted(
                at_ns=time.wall_ns, connection=child.spec.id, event=event, reason=reason
            )
        )
