import gc
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from actors.process.runtime import (
    GC_INTERVAL_S,
    GC_SHARE,
    GcSchedule,
    HostTrackers,
    limit_automatic_gc,
)

ROOT = Path(__file__).parents[2]


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


# ------------------------------------------------------ other trackers of the host


@pytest.fixture
def sources() -> str:
    """Return sources that no other test has."""
    return f"http://127.0.0.1/{uuid4()}"


def test_each_tracker_of_a_host_takes_the_lowest_number_that_is_free(sources: str) -> None:
    first, second, third = (HostTrackers(sources) for _ in range(3))
    assert (first.number, first.count()) == (0, 1)
    for each in (first, second):
        each.enter()
    assert (first.number, second.number) == (1, 2)
    assert first.count() == second.count() == 2
    assert third.count() == 3  # it counts itself, though it has no number yet
    first.leave()
    assert (first.number, second.count()) == (0, 1)
    third.enter()
    assert third.number == 1
    for each in (second, third):
        each.leave()


def test_trackers_of_other_sources_are_none(sources: str) -> None:
    one, other = HostTrackers(sources), HostTrackers(f"{sources}/other")
    one.enter()
    other.enter()
    assert (one.number, one.count(), other.number, other.count()) == (1, 1, 1, 1)
    one.leave()
    other.leave()


def test_when_all_numbers_are_taken_there_is_no_number_and_all_are_counted(sources: str) -> None:
    held = [HostTrackers(sources, most=2) for _ in range(3)]
    for each in held:
        each.enter()
    assert [each.number for each in held] == [1, 2, 0]
    assert [each.count() for each in held] == [2, 2, 3]
    for each in held:
        each.leave()


def test_while_no_descriptor_is_left_as_many_are_counted_as_before(sources: str) -> None:
    held = [HostTrackers(sources) for _ in range(2)]
    for each in held:
        each.enter()
    assert held[0].count() == 2
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        assert held[0].count() == 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for each in held:
        each.leave()


@pytest.mark.live
def test_a_process_that_is_killed_gives_its_number_back(sources: str) -> None:
    code = (
        "import sys; from actors.process.runtime import HostTrackers as H; h = H(sys.argv[1]);"
        "h.enter(); print(h.number, flush=True); sys.stdin.read()"
    )
    ours = HostTrackers(sources)
    ours.enter()
    with subprocess.Popen(
        [sys.executable, "-c", code, sources],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "2\n"
        assert ours.count() == 2
        other.kill()
    assert ours.count() == 1
    ours.leave()


MOST = 40
WINDOW_S = 1.0


class Asking:
    """A process of `asks_as_it_may.py`."""

    def __init__(self, sources: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.process.asks_as_it_may", sources, str(MOST)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "in\n"

    def end(self, *, kill: bool = False) -> list[float]:
        """End it and return when it asked."""
        if kill:
            self.process.kill()
        said, _ = self.process.communicate(timeout=10)
        return [float(line) for line in said.splitlines()]


@pytest.mark.live
def test_two_processes_together_ask_no_more_than_one_alone(sources: str) -> None:
    pause = threading.Event()
    first = Asking(sources)
    pause.wait(1.5)
    came = time.monotonic()
    second = Asking(sources)
    pause.wait(3.5)
    of_second = second.end(kill=True)
    went = time.monotonic()
    pause.wait(2.5)
    of_first = first.end()
    sent = sorted(of_first + of_second)

    def most(since: float, until: float, times: list[float]) -> int:
        ends = [end for end in times if since <= end - WINDOW_S and end <= until]
        return max((sum(end - WINDOW_S < at <= end for at in times) for end in ends), default=0)

    assert most(0, went + 9, sent) <= MOST
    assert MOST // 2 < most(0, came, of_first) <= MOST
    # Half each, once both know of it, and no more than that.
    assert 0 < most(came + 1.3, went, of_first) <= MOST // 2
    assert 0 < most(came, went, of_second) <= MOST // 2
    assert MOST // 2 < most(went, went + 9, of_first) <= MOST
