"""systemd: says READY, STATUS, WATCHDOG and STOPPING over $NOTIFY_SOCKET, and watches heartbeats.

Without $NOTIFY_SOCKET every notice is a no-op. The watchdog has a thread of its
own: whoever hangs, it does not hang with them. It pings only while everyone who
must never stop is alive; database and feed are not among them (a restart would
only add a gap).
"""

import contextlib
import os
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping

LONGEST_STATUS = 400
LONGEST_STACKS = 16_000
PING_S = 5.0
STALE_S = 15.0


class Notifier:
    """Sends notices to the service manager.

    Args:
        address: Path of its datagram socket, `@name` in the abstract namespace,
            or None to send nothing.
        watchdog_s: How long it waits for a ping, seconds, or None.
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address and address[0] == "@" else address
        self.watchdog_s = watchdog_s

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Notifier":
        """Return the notifier of the service manager that started this very process, if one did."""
        usec = environ.get("WATCHDOG_USEC", "")
        meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        seconds = int(usec) / 1e6 if meant and usec.isdecimal() else 0.0
        return cls(environ.get("NOTIFY_SOCKET") or None, seconds or None)

    def ready(self) -> None:
        """The service is up."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Say in one line how it goes, for `systemctl status`."""
        line = " ".join(text.split())
        self._send(f"STATUS={line[:LONGEST_STATUS]}")

    def watchdog(self) -> None:
        """We are alive."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The service is on its way out."""
        self._send("STOPPING=1")

    def extend(self, seconds: float) -> None:
        """Starting or stopping takes this much longer from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def _send(self, text: str) -> None:
        if self._address is None:
            return
        # A notice that does not get through is as good as none: then the manager acts.
        with contextlib.suppress(OSError), _datagram() as peer:
            peer.settimeout(1.0)
            peer.sendto(text.encode(errors="replace"), self._address)


class Watchdog:
    """Pings while every heartbeat is fresh, else withholds the ping and says who is stuck.

    Args:
        notifier: Where pings go. Its `watchdog_s` shortens the interval if need be.
        heartbeats: Name → callable that gives the age of the last sign of life in
            seconds. A name that is also a thread's gets that thread's stack told.
        on_stale: Told once for each time that someone gets stuck: name and stacks.
        status: Gives the line for `systemctl status`, or None for none. Called after a
            ping, in the watchdog's thread; it must come back within seconds.
        interval_s: Seconds between looks.
        stale_s: The age that is too old.
    """

    def __init__(
        self,
        notifier: Notifier,
        heartbeats: Mapping[str, Callable[[], float]],
        on_stale: Callable[[str, str], None],
        *,
        status: Callable[[], str] | None = None,
        interval_s: float = PING_S,
        stale_s: float = STALE_S,
    ) -> None:
        self._notifier = notifier
        self._heartbeats = dict(heartbeats)
        self._on_stale = on_stale
        self._status = status
        self._interval_s = min(interval_s, (notifier.watchdog_s or interval_s * 4) / 4)
        self._stale_s = stale_s
        self._stuck: set[str] = set()
        self._stop = threading.Event()
        self._forgiving = False
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Watch no longer."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def forgive(self) -> None:
        """Ping from now on, whoever is stuck: the process ends, and that has its own deadline."""
        self._forgiving = True

    def look(self) -> bool:
        """Ping if all are fresh, say who is stuck otherwise. Gives whether all are fresh."""
        if self._forgiving:
            self._notifier.watchdog()
            return True
        stuck = {name for name, age in self._heartbeats.items() if age() > self._stale_s}
        for name in sorted(stuck - self._stuck):
            self._on_stale(name, stacks(name))
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
            self.look()
            if self._stop.wait(self._interval_s):
                return


def stacks(name: str) -> str:
    """Return the stack of the thread of this name, or of all threads when there is none."""
    frames = sys._current_frames()  # noqa: SLF001 - documented: "for debugging deadlocks"
    named = {thread.ident: thread.name for thread in threading.enumerate()}
    wanted = [ident for ident in frames if named.get(ident) == name] or list(frames)
    told = [
        f"thread {named.get(ident, ident)}:\n{''.join(traceback.format_stack(frames[ident]))}"
        for ident in wanted
    ]
    return "\n".join(told)[:LONGEST_STACKS]


def _datagram() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
