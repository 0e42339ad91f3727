"""The gate: while the journal has no room, every connection ends and none is born."""

from actors.messages import Retire, Tick
from actors.supervision.admission import Reporting
from actors.supervision.children import Children

DISK_FULL = "disk_full"


class Gate:
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
