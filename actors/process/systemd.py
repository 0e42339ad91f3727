"""Tell systemd how the process is, as long as every thread that must never stand still moves.

READY, STATUS, WATCHDOG and STOPPING go to $NOTIFY_SOCKET; without it nothing is sent. The
watchdog has a thread of its own, so it cannot hang together with another thread. It pings only
while all threads that must never stop are alive. The database and the exchange are not among
them: a restart because of them would only add a gap.
"""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Final, Protocol

log = logging.getLogger(__name__)

LONGEST_STATUS: Final = 400
LONGEST_STACKS: Final = 16_000
PING_S: Final = 5.0
STALE_S: Final = 15.0


class Notifier:
    """Sends notifications to the service manager. From any thread.

    Args:
        address: Path of its datagram socket, `@name` in the abstract namespace,
            or None to send nothing.
        watchdog_s: How long it waits for a ping, in seconds, or None.
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address and address[0] == "@" else address
        self.watchdog_s = watchdog_s

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Notifier":
        """Return a notifier for the service manager that started this very process, if one did."""
        usec = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        seconds = int(usec) / 1e6 if ours and usec.isdecimal() else 0.0
        return cls(environ.get("NOTIFY_SOCKET") or None, seconds or None)

    def ready(self) -> None:
        """Report that the service has started."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Report the state of the service in one line, for `systemctl status`."""
        line = " ".join(text.split())
        self._send(f"STATUS={line[:LONGEST_STATUS]}")

    def watchdog(self) -> None:
        """Ping the manager's watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Report that the service has begun to stop."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if self._address is None:
            return
        # A ping that does not arrive counts as a missing one, and then the manager acts.
        with contextlib.suppress(OSError), _datagram_socket() as sender:
            sender.settimeout(1.0)
            sender.sendto(text.encode(errors="replace"), self._address)


class Watchdog:
    """Pings while all heartbeats are fresh; otherwise sends no ping and reports who is stuck.

    Args:
        notifier: Sends the pings. Its `watchdog_s` shortens the interval if need be.
        heartbeats: Name → callable that returns the age of the last heartbeat in
            seconds. If a thread has the same name, its stack is reported when it is stuck.
        on_stuck: Called once each time a heartbeat becomes too old: name and stacks.
        status: Returns the line for `systemctl status`; None: send none. Called after a
            ping, in the watchdog's thread; it must return within seconds.
        interval_s: Seconds between checks.
        stale_s: The age that is too old.
    """

    def __init__(
        self,
        notifier: Notifier,
        heartbeats: Mapping[str, Callable[[], float]],
        on_stuck: Callable[[str, str], None],
        *,
        status: Callable[[], str] | None = None,
        interval_s: float = PING_S,
        stale_s: float = STALE_S,
    ) -> None:
        self._notifier = notifier
        self._heartbeats = dict(heartbeats)
        self._on_stuck = on_stuck
        self._status = status
        # Four pings in the time of the service manager, so that one may be lost.
        self._interval_s = min(interval_s, (notifier.watchdog_s or interval_s * 4) / 4)
        self._stale_s = stale_s
        self._stuck: set[str] = set()
        self._stop = threading.Event()
        self._ping_always = False
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Stop the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def ping_always(self) -> None:
        """Ping from now on, even if a thread is stuck: the process ends, with its own deadline."""
        self._ping_always = True

    def check(self) -> bool:
        """Return whether all heartbeats are fresh; ping if so, otherwise report who is stuck."""
        if self._ping_always:
            self._notifier.watchdog()
            return True
        stuck = {name for name, age in self._heartbeats.items() if age() > self._stale_s}
        for name in sorted(stuck - self._stuck):
            self._on_stuck(name, stacks(name))
        self._stuck = stuck
        if stuck:
            self._notifier.status(f"stuck: {', '.join(sorted(stuck))}")
            return False
        self._notifier.watchdog()
        if self._status is not None:
            self._notifier.status(self._status())
        return True

    def _run(self) -> None:
        while True:
            self.check()
            if self._stop.wait(self._interval_s):
                return


def stacks(name: str) -> str:
    """Return the stack of the thread of this name, or of all threads when there is none."""
    frames = sys._current_frames()  # noqa: SLF001 - documented: "for debugging deadlocks"
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    wanted = [ident for ident in frames if names.get(ident) == name] or list(frames)
    found = [
        f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frames[ident]))}"
        for ident in wanted
    ]
    return "\n".join(found)[:LONGEST_STACKS]


def _datagram_socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)


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

    The main thread and the supervisor record a beat here, each in its own thread; reactor, journal
    and status socket record the time themselves.

    Args:
        notifier: Sends pings and the line for `systemctl status`.
        status: Returns that line, in the watchdog's thread; may raise TimeoutError.
    """

    def __init__(self, notifier: Notifier, status: Callable[[], str]) -> None:
        self._notifier = notifier
        self._status = status
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
            return self._status()
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
