"""The thread that syncs the journal, and how long that takes."""

import math
import threading
from collections import deque
from collections.abc import Callable

from actors.errors import JournalFailed

REMEMBERED = 512


class Syncer:
    """Calls `sync` every `interval_s`, in a thread of its own, until it is stopped.

    Args:
        sync: Gives whether there was anything to sync. Raises `JournalFailed` when
            there is nothing more to be done.
        on_fault: Is told of any other error, which ends the thread.

    Attributes:
        alive_at: Monotonic seconds when the thread last came round.
    """

    def __init__(
        self,
        sync: Callable[[], bool],
        on_fault: Callable[[Exception], object],
        *,
        interval_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._sync = sync
        self._on_fault = on_fault
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._stopping = threading.Event()
        self._times: deque[float] = deque(maxlen=REMEMBERED)
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self.alive_at = monotonic()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._interval_s):
                self.alive_at = began_at = self._monotonic()
                if self._sync():
                    self._times.append(self._monotonic() - began_at)
        except JournalFailed:
            return  # everyone who appends hears of it
        except Exception as exc:
            self._on_fault(exc)
            raise

    @property
    def p99_s(self) -> float:
        """Give what 99 of 100 of the last 512 syncs took at most; 0 before the first."""
        times = sorted(self._times.copy())
        return times[math.ceil(len(times) * 0.99) - 1] if times else 0.0

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
