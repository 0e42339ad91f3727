"""Heartbeats: who must never stand still, and what systemd is told of them.

The main thread and the supervisor beat here, each in its own thread; reactor,
journal and status socket keep their own time. Trouble of the database or the
exchange is nobody's fault, so it withholds nothing.
"""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from actors.health.document import Health
from actors.health.text import headline
from actors.process.systemd import Notifier, Watchdog

log = logging.getLogger(__name__)


class Beating(Protocol):
    """Who writes down when it last moved, monotonic seconds."""

    @property
    def alive_at(self) -> float:
        """Return when it last moved."""


class Syncing(Protocol):
    """A journal with a thread that syncs it."""

    @property
    def sync_alive_at(self) -> float:
        """Return when that thread last moved."""


class Heartbeats:
    """What the watchdog looks at, each under the name of its thread.

    Args:
        notifier: Where pings and the line for `systemctl status` go.
        health: Gives the health document, in the watchdog's thread; may raise TimeoutError.
    """

    def __init__(self, notifier: Notifier, health: Callable[[], Health]) -> None:
        self._notifier = notifier
        self._health = health
        self._watchdog: Watchdog | None = None
        self._main_at = self._supervisor_at = time.monotonic()

    def main(self) -> None:
        """The main thread has come round."""
        self._main_at = time.monotonic()

    def supervisor(self) -> None:
        """The supervisor has handled a Tick."""
        self._supervisor_at = time.monotonic()

    def watch(self, *, reactor: Beating, journal: Syncing, status: Beating) -> None:
        """Begin to watch the threads without which nothing works."""
        self.main()
        self.supervisor()
        beats: dict[str, Callable[[], float]] = {
            "MainThread": lambda: self._main_at,
            "supervisor": lambda: self._supervisor_at,
            "reactor": lambda: reactor.alive_at,
            "journal-sync": lambda: journal.sync_alive_at,
            "status": lambda: status.alive_at,
        }
        self._watchdog = Watchdog(
            self._notifier,
            {name: _age(beat) for name, beat in beats.items()},
            _stuck,
            status=self._line,
        )
        self._watchdog.start()

    def forgive(self) -> None:
        """Everyone may stop now; systemd is to wait."""
        if self._watchdog is not None:
            self._watchdog.forgive()

    def stop(self) -> None:
        """Watch no longer."""
        if self._watchdog is not None:
            self._watchdog.stop()

    def _line(self) -> str:
        try:
            return headline(self._health())
        except TimeoutError:
            return "the supervisor is busy"


def _age(beat: Callable[[], float]) -> Callable[[], float]:
    return lambda: time.monotonic() - beat()


def _stuck(name: str, stacks: str) -> None:
    log.critical("stuck", extra={"stuck_thread": name, "stacks": stacks})
