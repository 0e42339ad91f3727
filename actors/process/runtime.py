"""What the process sets up for itself: garbage collection, memory, processor, signals, age.

And how it knows the other trackers of its host.
"""

import contextlib
import ctypes
import errno
import gc
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from queue import SimpleQueue
from typing import Final

GC_SHARE: Final = 0.001
"""The largest share of time that is spent on full collections."""
GC_INTERVAL_S: Final = 60.0
"""Shortest time between two full collections."""
_NEVER: Final = 1_000_000

_PR_SET_DUMPABLE: Final = 4
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h of glibc
_LARGE_BYTES: Final = 256 << 10


# ----------------------------------------------------------------- collection


class GcSchedule:
    """Runs full garbage collections by the clock.

    Most objects are freed as soon as they are no longer used. Objects in reference
    cycles, such as an actor that ended, wait for a full collection, which stops all
    threads while it lasts. Python alone runs one when the number of objects has grown
    by a quarter: rarely, at any moment, and memory grows until then.

    Args:
        collect: Runs a full collection.
        monotonic: Returns the time, in seconds, to measure how long it takes.
    """

    def __init__(
        self,
        *,
        collect: Callable[[], object] = gc.collect,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collect = collect
        self._monotonic = monotonic
        self._due_at = monotonic() + GC_INTERVAL_S

    def collect_if_due(self) -> None:
        """Run a collection once a minute, or less often when it takes long. Stops all threads."""
        began = self._monotonic()
        if began >= self._due_at:
            self._collect()
            ended = self._monotonic()
            self._due_at = ended + max(GC_INTERVAL_S, (ended - began) / GC_SHARE)


def limit_automatic_gc(young_objects: int) -> None:
    """Limit Python's automatic collection to young objects.

    Args:
        young_objects: Number of new objects that starts such a collection.
    """
    gc.set_threshold(young_objects, 10, _NEVER)


# ------------------------------------------------------- memory and processor


def close_memory() -> None:
    """Let no core dump hold our memory, and no other process of our user read it.

    It holds the password of the database, and Python cannot overwrite a text. Root can still look
    into the process (py-spy, gdb, strace); a dump of the stacks (faulthandler) holds no values.
    """
    # A core that goes to a program, as with systemd-coredump, knows no limit (core(5)). That the
    # process cannot be dumped holds for those, too, and closes /proc/<pid> to our own user.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def use_one_malloc_arena() -> None:
    """Make all threads allocate from one heap of the C library; call before starting threads.

    glibc gives threads up to eight heaps for each processor, so that they need not wait for
    each other, and each heap keeps the memory that it once had. Our threads wait for the
    interpreter anyway. Large blocks are mapped and returned to the kernel. With another C
    library nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def pin_to_one_cpu(number: int) -> None:
    """Pin all threads, and those started later, to one processor.

    Where the kernel does not allow that, nothing changes; nor for child processes that
    were started before.

    Args:
        number: Which of the allowed processors, 1 being the last; so several trackers on
            one machine each have their own.
    """
    allowed = sorted(os.sched_getaffinity(0))
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # not allowed, or that thread has ended
            os.sched_setaffinity(int(thread.name), {allowed[-number % len(allowed)]})


def raise_descriptor_limit() -> int:
    """Raise the limit of open files as far as the process may; return the one in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Most systems start a process with 1,024 and allow many more: programs that use select(2) fail
    # with high descriptors (systemd.exec(5), LimitNOFILE). This one uses epoll and poll.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft


# ------------------------------------------------------ other trackers of the host


class HostTrackers:
    """The trackers of this host that ask the same sources: each holds a number from 1 on.

    A number is a Unix socket with a name in the kernel and without a file (unix(7), abstract). It
    needs no directory that all of them may write to, each user has the same names, and it is free
    at once when its process ends, however it ends. Another network namespace has names of its own.

    Args:
        sources: Only trackers with the same text know each other, such as the address of Gamma.
        most: The highest number.

    Attributes:
        number: Ours; 0 while there is none, since we have not entered or all are taken.
    """

    def __init__(self, sources: str, *, most: int = 16) -> None:
        digest = blake2b(sources.encode(), digest_size=8).hexdigest()
        self._names = [f"\0polymarket-tracker/{digest}/{number}" for number in range(1, most + 1)]
        self._socket: socket.socket | None = None
        self._counted = 1
        self.number = 0

    def enter(self) -> None:
        """Take the lowest number that is free."""
        try:
            held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        except OSError:
            return  # no descriptor is left; without a number of ours we count the others
        for number, name in enumerate(self._names, 1):
            with contextlib.suppress(OSError):  # taken
                held.bind(name)
                self._socket, self.number = held, number
                return
        held.close()

    def count(self) -> int:
        """Return how many there are, this one included; as before while no descriptor is left."""
        with contextlib.suppress(OSError):
            others = sum(self._is_taken(name) for name in self._names)
            self._counted = others if self.number else others + 1
        return self._counted

    def leave(self) -> None:
        """Free the number for another tracker."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self.number = None, 0

    @staticmethod
    def _is_taken(name: str) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            return probe.connect_ex(name) != errno.ECONNREFUSED


# ------------------------------------------------------------ signals and age


@contextmanager
def stop_signals(
    act: Callable[[], None], *, on_hangup: Callable[[], None] | None = None
) -> Iterator[None]:
    """Call `act` in a thread of its own for each SIGTERM or SIGINT, as long as this is entered.

    After the exit these signals are ignored: Python gives them back to the kernel when the
    interpreter ends, and another one would then change the exit code of an orderly end to -15.

    Args:
        act: Stops what runs.
        on_hangup: Called in its place for SIGHUP; None: that stops, too. One that is ignored from
            the start (nohup) stays so.
    """
    # Python runs a signal handler in the middle of whatever the main thread does. A handler
    # that sets an Event hangs for ever when the main thread, or the handler of an earlier
    # signal, holds the lock of that Event. So the handler only puts into a SimpleQueue, which
    # is documented to be reentrant, and a thread makes the call.
    received: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
    thread = threading.Thread(target=_act_on, args=(received,), name="signals", daemon=True)
    thread.start()
    calls = {signal.SIGTERM: act, signal.SIGINT: act}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        calls[signal.SIGHUP] = on_hangup or act
    for number in calls:
        signal.signal(number, lambda number, _: received.put(calls[signal.Signals(number)]))
    try:
        yield
    finally:
        for number in calls:
            signal.signal(number, signal.SIG_IGN)
        received.put(None)
        thread.join()


def _act_on(received: "SimpleQueue[Callable[[], None] | None]") -> None:
    while (act := received.get()) is not None:
        act()


def age_s() -> float:
    """Return the age of this process in seconds, the start of the interpreter included.

    0 where the kernel does not say.
    """
    try:
        # The name, in brackets, may hold anything; the start time is the 20th field after it.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started_at = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started_at)
    except (OSError, ValueError, IndexError):
        return 0.0
