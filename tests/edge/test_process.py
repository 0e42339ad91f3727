import os
import subprocess
import sys
import threading
import time

import pytest

from actors.edge.process import age_s, stay_on_one_cpu


def test_the_age_of_a_process_counts_from_before_its_interpreter() -> None:
    code = (
        "import sys; from actors.edge.process import age_s; import time;"
        "before = age_s(); time.sleep(0.2); print(before, age_s())"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    took_s = time.monotonic() - began
    before, after = map(float, done.stdout.split())
    assert 0.0 < before < after <= took_s + 0.02  # the kernel counts in hundredths
    assert after - before >= 0.2


def test_a_process_that_is_older_says_so() -> None:
    assert age_s() > 0


@pytest.mark.parametrize(("place", "chosen"), [(1, 5), (2, 3), (3, 0), (4, 5)])
def test_each_of_several_trackers_has_a_processor_of_its_own(
    monkeypatch: pytest.MonkeyPatch, place: int, chosen: int
) -> None:
    asked: dict[int, set[int]] = {}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5})
    monkeypatch.setattr(os, "sched_setaffinity", asked.__setitem__)
    stay_on_one_cpu(place)
    assert asked[os.getpid()] == {chosen}
    assert {thread.native_id for thread in threading.enumerate()} <= set(asked)
    assert all(cpus == {chosen} for cpus in asked.values())


def test_a_kernel_that_does_not_let_us_choose_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    stay_on_one_cpu(1)
