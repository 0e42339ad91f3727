"""Stops reading while the journal has no space, and gives the journal's figures to health.

The reserve of the journal is freed when reading stops, so that the last records of
connections, and the `ProcessAlive` records after them, find space. It is built again before
reading resumes.
"""

import logging
from typing import Protocol

from actors.health.state import HealthState
from actors.messages import Retire, Tick
from actors.model.connection import DISK_FULL
from actors.model.storage import JournalStats
from actors.supervision.children import Children

log = logging.getLogger(__name__)


class MeasuredJournal(Protocol):
    """What is asked of the journal; see `journal.Journal`. From any thread."""

    @property
    def available_bytes(self) -> int:
        """Return the bytes that cap and disk leave beside the reserve."""

    def has_space(self) -> bool:
        """Return whether more can be written without touching the reserve."""

    def has_ample_space(self) -> bool:
        """Return whether there is so much space that reading would not stop again at once."""

    def free_reserve(self) -> None:
        """Free the space of the reserve for the last records."""

    def rebuild_reserve(self) -> bool:
        """Build the reserve again; return False when there is no space for it."""

    def stats(self) -> JournalStats:
        """Return the current figures."""


class DiskAdmission:
    """Lets connections run only while the journal has space. In the supervisor's thread.

    Attributes:
        full: Reading has stopped. It resumes when there is clearly more space than at the stop.
    """

    def __init__(self, journal: MeasuredJournal, health: HealthState, children: Children) -> None:
        self._journal = journal
        self._health = health
        self._children = children
        self.full = False

    def enforce(self, tick: Tick) -> None:
        """Measure the journal; while it is full, end all connections and start none.

        Raises:
            JournalFailed: The disk fails.
        """
        self.measure(tick)
        self._children.vital_only = self.full
        if self.full:
            # At every call: one may have started, or may have been connecting, meanwhile.
            self._children.send_connections(Retire(reason=DISK_FULL, at_once=True))

    def measure(self, tick: Tick) -> None:
        """Decide whether the journal is full, and give its figures to health.

        Raises:
            JournalFailed: The disk fails.
        """
        self._check_space()
        self._health.time_passed(tick.now, tick.wall_ns)
        stats = self._journal.stats()
        oldest_ns = stats.oldest_ns or tick.wall_ns
        self._health.journal_sampled(
            stats, full=self.full, oldest_s=max(0.0, (tick.wall_ns - oldest_ns) / 1e9)
        )

    def _check_space(self) -> None:
        if not self.full and not self._journal.has_space():
            self.full = True
            log.error("reading_stopped", extra={"available_bytes": self._journal.available_bytes})
            self._journal.free_reserve()
        # A higher limit than that of the stop, or reading would stop and resume again and again.
        elif self.full and self._journal.has_ample_space() and self._journal.rebuild_reserve():
            self.full = False
            log.info("reading_resumed", extra={"available_bytes": self._journal.available_bytes})
