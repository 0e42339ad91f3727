"""Both clocks in the hands of a test: the wall clock may step, the monotonic one never does.

`freezegun` alone moves them together, which would hide an age that mixes them. Default
arguments such as `wall_ns=time.time_ns` were bound before and keep the real clock. Nothing
here is for tests with threads: what a thread reads directly stays real.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

LEAP_DAY = datetime(2028, 2, 29, 12, tzinfo=UTC)
DAY_S = 86_400.0
HOUR_S = 3_600.0


class Clocks:
    """A wall clock and a monotonic clock that move only when a test says so.

    Attributes:
        now: What `time.monotonic` gives, in seconds.
    """

    def __init__(self, wall: FrozenDateTimeFactory) -> None:
        self._wall = wall
        self.now = 1_000.0

    def run(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.now += seconds
        self.step(seconds)

    def step(self, seconds: float) -> None:
        """Set the wall clock forward, or back when `seconds` is negative."""
        self._wall.tick(timedelta(seconds=seconds))


@contextmanager
def clocks(at: datetime = LEAP_DAY) -> Iterator[Clocks]:
    """Hold both clocks; the wall clock stands at `at`."""
    with freeze_time(at) as wall, pytest.MonkeyPatch.context() as patch:
        held = Clocks(cast("FrozenDateTimeFactory", wall))
        patch.setattr(time, "monotonic", lambda: held.now)
        yield held
