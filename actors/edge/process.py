"""The process as the kernel knows it."""

import contextlib
import os
import time
from pathlib import Path


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
