"""The guard: a thread that cuts off whoever has waited too long for the database.

libpq can wait for ever for a server that froze in mid-answer: keepalives are
answered by its kernel, and a statement timeout is the frozen server's own
affair. Only another thread can end that, by shutting the socket.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

PATIENCE_S = 30.0
"""Longest wait for one call of the store. Less than the silence at which its
actor counts as dead; more than the 20 s after which the server itself gives up."""

EVERY_S = 1.0


class Interruptible(Protocol):
    """A store as the guard sees it, from its own thread."""

    @property
    def busy_since(self) -> float | None:
        """Monotonic time since which the database is being waited for, or None."""

    def abort(self) -> None:
        """Have the waiting call raise at once."""


class Guard:
    """Looks at every store that is watched, for as long as its owner keeps it.

    Args:
        on_cut: Is told, in the guard's thread, how long was waited, in seconds.
        patience_s: Gives how long a call may take; asked at each look.
        every_s: Time between looks.
        monotonic: The clock that `busy_since` tells.
    """

    def __init__(
        self,
        on_cut: Callable[[float], None],
        *,
        patience_s: Callable[[], float] = lambda: PATIENCE_S,
        every_s: float = EVERY_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_cut = on_cut
        self._patience_s = patience_s
        self._every_s = every_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._watched: WeakSet[Interruptible] = WeakSet()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database-guard", daemon=True)

    def watch(self, store: Interruptible) -> None:
        """Look at this one too. From any thread."""
        with self._lock:
            self._watched.add(store)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Look no longer."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def look(self) -> None:
        """Cut off who has waited longer than we have patience."""
        self.cut(self._patience_s())

    def cut(self, waited_longer_than_s: float = 0.0) -> None:
        """Cut off who has waited longer than this. From any thread."""
        with self._lock:
            watched = tuple(self._watched)
        for store in watched:
            since = store.busy_since
            if since is None:
                continue
            waited_s = self._monotonic() - since
            if waited_s > waited_longer_than_s:
                store.abort()
                self._on_cut(waited_s)

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            self.look()
