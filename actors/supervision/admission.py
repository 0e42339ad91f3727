"""The journal's own account of itself, in the shape that health reads."""

import logging
from typing import Protocol

from actors.health.state import Health, HealthState
from actors.messages import Retire, Tick
from actors.model.connection import DISK_FULL
from actors.model.journal_stats import JournalStats
from actors.supervision.children import Children

# MERGED: Whether the journal has room to listen: shut when there is none, open again
# when there is plenty. The reserve is freed when reading stops, so that the last words of
# connections and the signs of life after them find room, and built again before reading
# resumes.


log = logging.getLogger(__name__)


class Spacious(Protocol):
    """A journal that knows how much room it has, from any thread."""

    @property
    def headroom_bytes(self) -> int:
        """What cap and disk leave beside the reserve."""

    def room(self) -> bool:
        """Return whether more can be written without touching the reserve."""

    def plenty(self) -> bool:
        """Return whether there is so much room that reading would not stop again at once."""

    def free_reserve(self) -> None:
        """Return the reserve's space to the last records."""

    def rebuild_reserve(self) -> bool:
        """Set the reserve aside again; give False when there is no room for it."""


class DiskSpace:
    """Looks at the journal's room and remembers what follows from it."""

    def __init__(self, journal: Spacious) -> None:
        self._journal = journal
        self.shut = False

    def look(self) -> None:
        """Shut or open, and see to the reserve.

        Raises:
            JournalFailed: The disk fails.
        """
        if not self.shut and not self._journal.room():
            self.shut = True
            log.error("reading_stopped", extra={"headroom_bytes": self._journal.headroom_bytes})
            self._journal.free_reserve()
        elif self.shut and self._journal.plenty() and self._journal.rebuild_reserve():
            self.shut = False
            log.info("reading_resumed", extra={"headroom_bytes": self._journal.headroom_bytes})


class MeasuredJournal(Spacious, Protocol):
    """A journal that can be asked how it is, from any thread."""

    def stats(self) -> JournalStats:
        """Return the figures of this moment."""


class Reporting:
    """Health and the journal side by side: what the supervisor answers with."""

    def __init__(self, health: HealthState, journal: MeasuredJournal) -> None:
        self.health = health
        self.headroom = DiskSpace(journal)
        self._journal = journal

    def sample(self, tick: Tick) -> None:
        """Look at the journal and at what is listened to.

        Raises:
            JournalFailed: The disk fails.
        """
        self.headroom.look()
        self.health.time_passed(tick.now, tick.wall_ns)
        stats = self._journal.stats()
        oldest_ns = stats.oldest_ns or tick.wall_ns
        self.health.journal_sampled(
            stats,
            full=self.headroom.shut,
            oldest_s=max(0.0, (tick.wall_ns - oldest_ns) / 1e9),
        )

    def document(self, tick: Tick) -> Health:
        """Return the state of this moment, the journal's figures included."""
        self.sample(tick)
        return self.health.document(now=tick.now, wall_ns=tick.wall_ns)


# MERGED: The gate: while the journal has no room, every connection ends and none is born.


class DiskAdmission:
    """Keeps connections out for as long as nothing can be written down."""

    def __init__(self, children: Children, reporting: Reporting) -> None:
        self._children = children
        self._reporting = reporting

    def mind(self, tick: Tick) -> None:
        """Look at the journal, and let connections in or out accordingly.

        Raises:
            JournalFailed: The disk fails.
        """
        self._reporting.sample(tick)
        shut = self._reporting.headroom.shut
        self._children.vital_only = shut
        if shut:
            # Again at each look: one may have been born, or have dialled, meanwhile.
            self._children.tell_connections(Retire(reason=DISK_FULL, at_once=True))
