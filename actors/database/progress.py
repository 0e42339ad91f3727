"""How a long call to the database says that it goes on."""

from collections.abc import Callable

REPORT_EVERY_S = 5.0
"""How often a long call says that it goes on."""


class Progress:
    """Since when the call that runs has not moved.

    Written by the thread of the store; `since` is read by the watchdog's, without a lock.

    Args:
        monotonic: The clock.

    Attributes:
        now: The clock.
        since: When the call began, or moved last; None: no call runs.
        on_report: Called with the time while a call goes on, at most every 5 s.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.now = monotonic
        self._reported_at = 0.0
        self.since: float | None = None
        self.on_report: Callable[[float], None] = _ignore

    def begin(self) -> None:
        """Record that a call begins."""
        self.since = self._reported_at = self.now()

    def moved(self) -> None:
        """Record that the call moves, if one runs."""
        if self.since is None:
            return
        self.since = now = self.now()
        if now - self._reported_at >= REPORT_EVERY_S:
            self._reported_at = now
            self.on_report(now)

    def end(self) -> None:
        """Record that no call runs."""
        self.since = None


def _ignore(_now: float) -> None:
    """Report nothing."""
