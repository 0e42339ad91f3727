"""When Python looks for rubbish among all that there is.

Most of what is let go is freed at once. What holds itself in a circle, such as an actor
that ended, waits until the collector looks at everything, which stops all threads for as
long as that takes. Left alone it does so when a quarter more than last time has gathered:
seldom, at any moment, and until then memory grows. Here it is done by the clock.
"""

import contextlib
import ctypes
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

SHARE = 0.001
"""At most so much of the time is spent on it."""
LEAST_S = 60.0
_NEVER = 1_000_000


class GcSchedule:
    """Looks at everything now and then: every minute, or more seldom when it takes long.

    Args:
        collect: Does it.
        monotonic: Tells how long it took, in seconds.
    """

    def __init__(
        self,
        *,
        collect: Callable[[], object] = gc.collect,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collect = collect
        self._monotonic = monotonic
        self._due_at = monotonic() + LEAST_S

    def turn(self) -> None:
        """Do it if it is due. Stops all threads of the process meanwhile."""
        began = self._monotonic()
        if began >= self._due_at:
            self._collect()
            ended = self._monotonic()
            self._due_at = ended + max(LEAST_S, (ended - began) / SHARE)


def look_seldom(young_objects: int) -> None:
    """Have the collector look by itself only at what is young.

    Args:
        young_objects: So many new ones wait for it.
    """
    gc.set_threshold(young_objects, 10, _NEVER)


# MERGED: SIGTERM and SIGINT, taken where they can do no harm. Python runs a signal's
# handler in the middle of whatever the main thread does, so a handler that sets an Event hangs
# for ever when the main thread, or an earlier signal's handler, holds the lock of that Event.
# Here the handler only leaves a mark (`SimpleQueue.put` may be entered again, says its
# documentation) and a thread acts on it.
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_signals(act: Callable[[], None]) -> Iterator[None]:
    """While entered, have `act` called once for each SIGTERM or SIGINT, in one thread.

    From the exit on these signals are ignored: Python gives them back to the kernel when
    it winds up, and one more of them would then turn the exit code of a good end into -15.
    """
    marks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
    listener = threading.Thread(target=_listen, args=(marks,), name="signals", daemon=True)
    listener.start()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: marks.put(act))
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        marks.put(None)
        listener.join()


def _listen(marks: "SimpleQueue[Callable[[], None] | None]") -> None:
    while (act := marks.get()) is not None:
        act()


# MERGED: The process as the kernel and the C library know it.


_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h of glibc
_LARGE_BYTES = 256 << 10


def stay_on_one_cpu(place: int) -> None:
    """Have all threads, and those that they start from now on, run on one processor.

    Where the kernel does not allow it, they run where they did. Processes that were
    started before keep what they have.

    Args:
        place: Which of those that are allowed, 1 being the last; of several trackers
            on one machine each has its own.
    """
    allowed = sorted(os.sched_getaffinity(0))
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # not allowed, or that thread has ended
            os.sched_setaffinity(int(thread.name), {allowed[-place % len(allowed)]})


def keep_memory_together() -> None:
    """Have all threads take memory from one heap of the C library; before they are started.

    glibc gives threads up to eight heaps for each processor, so that they need not wait
    for each other, and each keeps what it once had. Ours wait for the interpreter anyway.
    Large pieces come from the kernel and go back to it. Another C library does as it likes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def age_s() -> float:
    """Return the seconds since this process was made, its interpreter's start included.

    0 where the kernel does not say.
    """
    try:
        # The name, in brackets, may hold anything; the start is the 20th field after it.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        made_at = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - made_at)
    except (OSError, ValueError, IndexError):
        return 0.0
