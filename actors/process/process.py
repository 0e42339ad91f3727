"""The process as the kernel and the C library know it."""

import contextlib
import ctypes
import os
import time
from pathlib import Path

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
    """Give the seconds since this process was made, its interpreter's start included.

    0 where the kernel does not say.
    """
    try:
        # The name, in brackets, may hold anything; the start is the 20th field after it.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        made_at = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - made_at)
    except (OSError, ValueError, IndexError):
        return 0.0
