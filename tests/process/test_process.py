import ctypes
import os
import platform
import subprocess
import sys
import threading
import time

import pytest

from actors.process.runtime import age_s, pin_to_one_cpu, use_one_malloc_arena


def test_the_age_of_a_process_counts_from_before_its_interpreter() -> None:
    code = (
        "import sys; from actors.process.runtime import age_s; import time;"
        "before = age_s(); time.sleep(0.2); print(before, age_s())"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    took_s = time.monotonic() - began
    before, after = map(float, done.stdout.split())
    assert 0.0 < before < after <= took_s + 0.02  # the kernel counts in hundredths
    assert after - before >= 0.2


def test_the_age_of_this_process_is_known() -> None:
    assert age_s() > 0


@pytest.mark.parametrize(("number", "chosen"), [(1, 5), (2, 3), (3, 0), (4, 5)])
def test_each_of_several_trackers_has_a_processor_of_its_own(
    monkeypatch: pytest.MonkeyPatch, number: int, chosen: int
) -> None:
    asked: dict[int, set[int]] = {}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5})
    monkeypatch.setattr(os, "sched_setaffinity", asked.__setitem__)
    pin_to_one_cpu(number)
    assert asked[os.getpid()] == {chosen}
    assert {thread.native_id for thread in threading.enumerate()} <= set(asked)
    assert all(cpus == {chosen} for cpus in asked.values())


def test_a_kernel_that_does_not_let_us_choose_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def reject(*_: object) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(os, "sched_setaffinity", reject)
    pin_to_one_cpu(1)


_HEAPS = """
import sys, threading
from pathlib import Path
from actors.process.runtime import use_one_malloc_arena

if sys.argv[1] == "together":
    use_one_malloc_arena()
HEAP = 64 << 20
kept, ready = [], threading.Barrier(9)

def work():
    kept.append([bytes(1000) for _ in range(100)])  # too large for Python's own heap
    ready.wait()
    ready.wait()

threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
for each in threads:
    each.start()
ready.wait()
lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
maps = [(*(int(end, 16) for end in each[0].split("-")), each[1]) for each in lines]
print(sum(
    used == "rw-p" and rest == "---p" and begin % HEAP == 0 and end == begin + HEAP
    for (begin, _, used), (_, end, rest) in zip(maps, maps[1:])
))
"""
"""Counts the heaps of threads: 64 MiB from a multiple of that on, in use and then reserved.

Another mapping begins at such an address by chance now and then.
"""


def heaps(how: str) -> int:
    code = [sys.executable, "-c", _HEAPS, how]
    return int(subprocess.run(code, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heaps are those of glibc")
def test_threads_share_one_heap_once_set() -> None:
    assert heaps("apart") > 1
    assert heaps("together") == 0


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    use_one_malloc_arena()
