"""What the query watchdog judges: since when a call of the database has not moved.

A call moves whenever a wait for the server begins or ends: one statement, one block of a COPY, the
COMMIT. So a transaction of many quick statements is left alone, and one that hangs is cut off.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")

REPORT_EVERY_S: Final = 5.0


def nothing() -> None:
    """Do nothing."""


def _ignore(_now: float) -> None:
    """Report nothing."""


class ReportingConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that reports each wait for the server.

    Attributes:
        on_moved: Called before and after each wait, in the thread that waits.
    """

    on_moved: Callable[[], None] = staticmethod(nothing)

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        """Wait for the server; all that cursors, transactions and COPY ask of it passes here."""
        self.on_moved()
        try:
            return super().wait(gen, *args, **kwargs)
        finally:
            self.on_moved()


class Progress:
    """Since when the call that runs has not moved.

    Written by the thread of the store; `since` is read by the watchdog's, without a lock.

    Args:
        monotonic: The clock.

    Attributes:
        since: When the call began, or moved last; None: no call runs.
        on_report: Called with the time while a call goes on, at most every 5 s.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._reported_at = 0.0
        self.since: float | None = None
        self.on_report: Callable[[float], None] = _ignore

    def begin(self) -> None:
        """Record that a call begins."""
        self.since = self._reported_at = self._monotonic()

    def moved(self) -> None:
        """Record that the call moves, if one runs."""
        if self.since is None:
            return
        self.since = now = self._monotonic()
        if now - self._reported_at >= REPORT_EVERY_S:
            self._reported_at = now
            self.on_report(now)

    def end(self) -> None:
        """Record that no call runs."""
        self.since = None
