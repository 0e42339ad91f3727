"""A watchdog for the calls of the database.

libpq can wait forever for a server that froze in the middle of an answer: the server's kernel
answers the keepalives, and the statement timeout is enforced by the frozen server itself. Only
another thread can end such a wait, by shutting down the socket. `QueryWatchdog` is that thread.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

MAX_WAIT_S = 30.0
"""Longest wait for one statement, one block of a COPY or the COMMIT. Less than the silence after
which the supervisor takes the writer for dead; more than the 20 s after which the server itself
cancels a statement."""
CHECK_EVERY_S = 1.0


class Abortable(Protocol):
    """A store, as the watchdog's thread uses it."""

    @property
    def busy_since(self) -> float | None:
        """Return the monotonic time since which a call has not moved, or None: no call runs."""

    def abort(self) -> None:
        """Make the waiting call raise at once."""


class QueryWatchdog:
    """Aborts the calls of stores that do not move; a thread of its own checks every second.

    A call that moves may take long. What it does is bounded by what a batch holds: so many trades,
    records and markets, each in a bounded number of statements; see `writer.WriterSettings`.
    A store is watched until its owner drops it.

    Args:
        on_abort: Called in the watchdog's thread with the time that the call had waited, in
            seconds.
        max_wait_s: Returns how long a call may stand still; called at each check.
        every_s: Time between checks.
        monotonic: The clock that `busy_since` refers to.
    """

    def __init__(
        self,
        on_abort: Callable[[float], None],
        *,
        max_wait_s: Callable[[], float] = lambda: MAX_WAIT_S,
        every_s: float = CHECK_EVERY_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_abort = on_abort
        self._max_wait_s = max_wait_s
        self._every_s = every_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._watched: WeakSet[Abortable] = WeakSet()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="query-watchdog", daemon=True)

    def watch(self, store: Abortable) -> None:
        """Check this store too. From any thread."""
        with self._lock:
            self._watched.add(store)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Stop the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def check(self) -> None:
        """Abort the calls that have waited longer than `max_wait_s`."""
        self.abort_calls(self._max_wait_s())

    def abort_calls(self, longer_than_s: float = 0.0) -> None:
        """Abort the calls that have waited longer than this. From any thread."""
        with self._lock:
            # A copy: the callbacks below must not hold the lock, and the set must not change
            # meanwhile.
            watched = tuple(self._watched)
        for store in watched:
            since = store.busy_since
            if since is None:
                continue
            waited_s = self._monotonic() - since
            if waited_s > longer_than_s:
                store.abort()
                self._on_abort(waited_s)

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            self.check()
