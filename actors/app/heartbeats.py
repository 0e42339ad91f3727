"""Heartbeats: the threads that must never stand still, for the watchdog of systemd.

The main thread and the supervisor record a beat here, each in its own thread; reactor, journal
and status socket record the time themselves. The database and the exchange have no heartbeat: a
restart would not repair them.
"""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from actors.health.document import Health
from actors.health.rules import headline
from actors.process.systemd import Notifier, Watchdog

log = logging.getLogger(__name__)


class Beating(Protocol):
    """Something with a thread that records when it last moved."""

    @property
    def alive_at(self) -> float:
        """Return when it last moved, monotonic seconds."""


class Syncing(Protocol):
    """A journal with a thread that syncs it."""

    @property
    def sync_alive_at(self) -> float:
        """Return when that thread last moved, monotonic seconds."""


class Heartbeats:
    """The heartbeats that the watchdog checks, each under the name of its thread.

    Args:
        notifier: Sends pings and the line for `systemctl status`.
        health: Returns the health document, in the watchdog's thread; may raise TimeoutError.
    """

    def __init__(self, notifier: Notifier, health: Callable[[], Health]) -> None:
        self._notifier = notifier
        self._health = health
        self._watchdog: Watchdog | None = None
        self._main_at = self._supervisor_at = time.monotonic()

    def main(self) -> None:
        """Record a beat of the main thread."""
        self._main_at = time.monotonic()

    def supervisor(self) -> None:
        """Record a beat of the supervisor: it has handled a Tick."""
        self._supervisor_at = time.monotonic()

    def watch(self, *, reactor: Beating, journal: Syncing, status: Beating) -> None:
        """Start to watch the threads without which nothing works."""
        # The start may have taken long (a migration): the ages are counted from here on.
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
            status=self._status_line,
        )
        self._watchdog.start()

    @property
    def is_alive(self) -> bool:
        """Return whether the thread that watches runs."""
        return self._watchdog is not None and self._watchdog.is_alive

    def ping_always(self) -> None:
        """Ping from now on, even if a thread stands still: the process stops."""
        if self._watchdog is not None:
            self._watchdog.ping_always()

    def stop(self) -> None:
        """Stop the watchdog."""
        if self._watchdog is not None:
            self._watchdog.stop()

    def _status_line(self) -> str:
        try:
            return headline(self._health())
        except TimeoutError:
            return "the supervisor is busy"


class RequiredThreads:
    """The threads that are no actors and without which the process must not go on.

    A heartbeat alone is not enough: without a service manager nobody acts on it. Nothing restarts
    such a thread: its state is lost with it, and a new process starts from what is on disk.
    """

    def __init__(self) -> None:
        self._alive: dict[str, Callable[[], bool]] = {}

    def add(self, name: str, is_alive: Callable[[], bool]) -> None:
        """Require this thread, which runs already, from now on."""
        self._alive[name] = is_alive

    def ended(self) -> str:
        """Return the name of one that has ended; empty while all run."""
        return next((name for name, is_alive in self._alive.items() if not is_alive()), "")


def _age(beat: Callable[[], float]) -> Callable[[], float]:
    return lambda: time.monotonic() - beat()


def _stuck(name: str, stacks: str) -> None:
    log.critical("stuck", extra={"stuck_thread": name, "stacks": stacks})
