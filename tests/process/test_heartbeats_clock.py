"""Heartbeats while the wall clock steps.

Fault: ages taken from the wall clock; one step forward would pass for a hang of every thread
and end the process, one step back would hide a real hang.
"""

import time
from dataclasses import dataclass

import pytest

from actors.process import systemd
from actors.process.systemd import STALE_S, Notifier, Watchdog
from tests.clocks import DAY_S, HOUR_S, Clocks, clocks


class Unstarted(Watchdog):
    """A watchdog that checks when a test says so, and not in a thread of its own."""

    def start(self) -> None:
        """Leave the checks to the test."""


@dataclass
class Beating:
    """Threads that record when they last moved."""

    alive_at: float
    sync_alive_at: float


class Beats:
    """Heartbeats, all of them fresh, and the threads that beat."""

    def __init__(self, held: Clocks) -> None:
        self._held = held
        self.beats = systemd.Heartbeats(Notifier(), lambda: "healthy")
        self.others = Beating(held.now, held.now)
        self.beats.watch(reactor=self.others, journal=self.others, status=self.others)

    def beat(self) -> None:
        self.beats.main()
        self.beats.supervisor()
        self.others.alive_at = self.others.sync_alive_at = time.monotonic()

    def well(self) -> bool:
        watchdog = self.beats._watchdog
        assert watchdog is not None
        return watchdog.check()


@pytest.fixture(autouse=True)
def _without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "Watchdog", Unstarted)


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -HOUR_S, HOUR_S, 400 * DAY_S])
def test_a_step_of_the_wall_clock_makes_no_thread_stuck(step_s: float) -> None:
    with clocks() as held:
        watched = Beats(held)
        held.run(1.0)
        held.step(step_s)
        assert watched.well()
        watched.beat()
        held.run(STALE_S - 1)
        assert watched.well()


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -HOUR_S, 0.0])
def test_a_clock_that_is_set_back_hides_no_stuck_thread(step_s: float) -> None:
    with clocks() as held:
        watched = Beats(held)
        held.step(step_s)
        held.run(STALE_S + 1)
        assert not watched.well()
        watched.beat()
        assert watched.well()
