"""Whether the journal has room to listen: shut when there is none, open again when there is plenty.

The reserve is freed when reading stops, so that the last words of connections and
the signs of life after them find room, and built again before reading resumes.
"""

import logging
from typing import Protocol

log = logging.getLogger(__name__)


class Spacious(Protocol):
    """A journal that knows how much room it has, from any thread."""

    @property
    def headroom_bytes(self) -> int:
        """What cap and disk leave beside the reserve."""

    def room(self) -> bool:
        """Tell whether more can be written without touching the reserve."""

    def plenty(self) -> bool:
        """Tell whether there is so much room that reading would not stop again at once."""

    def free_reserve(self) -> None:
        """Give the reserve's space to the last records."""

    def rebuild_reserve(self) -> bool:
        """Set the reserve aside again; give False when there is no room for it."""


class Headroom:
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
