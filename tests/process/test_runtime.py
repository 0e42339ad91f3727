import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from actors.process.runtime import GC_INTERVAL_S, GC_SHARE, GcSchedule, limit_automatic_gc


class Machine:
    """A clock, and a collector that takes its time."""

    def __init__(self, takes_s: float) -> None:
        self.now = 1000.0
        self.takes_s = takes_s
        self.began: list[float] = []
        self.schedule = GcSchedule(collect=self.collect, monotonic=lambda: self.now)

    def collect(self) -> None:
        self.began.append(self.now)
        self.now += self.takes_s

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.5
            self.schedule.collect_if_due()


def test_a_quick_look_is_taken_every_minute() -> None:
    machine = Machine(takes_s=0.01)
    machine.run(10 * GC_INTERVAL_S)
    gaps = [b - a for a, b in zip(machine.began, machine.began[1:], strict=False)]
    assert machine.began[0] == 1000.0 + GC_INTERVAL_S
    assert len(machine.began) >= 9
    assert all(GC_INTERVAL_S <= gap <= GC_INTERVAL_S + 1 for gap in gaps)


def test_a_long_look_is_taken_so_seldom_that_it_costs_a_thousandth() -> None:
    machine = Machine(takes_s=0.6)
    machine.run(20_000.0)
    assert len(machine.began) * 0.6 <= 20_000.0 * GC_SHARE * 1.05
    assert len(machine.began) >= 30


@pytest.fixture
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("thresholds")
def test_by_itself_the_collector_looks_at_what_is_young() -> None:
    limit_automatic_gc(10_000)
    assert gc.get_threshold()[0] == 10_000
    assert gc.get_threshold()[2] > 100_000


def test_the_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    code = (
        "import resource as r; from actors.process.runtime import raise_descriptor_limit as up;"
        "r.setrlimit(r.RLIMIT_NOFILE, (50, 300)); print(up(), r.getrlimit(r.RLIMIT_NOFILE))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split(maxsplit=1) == ["300", "(300, 300)\n"]
