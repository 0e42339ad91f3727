"""When reading stops because the journal has no space, and when it resumes."""

from random import Random

import pytest

from actors.health.state import HealthState
from actors.messages import Tick
from actors.model.storage import JournalStats
from actors.supervision.children import Children
from actors.supervision.monitor import DiskAdmission
from actors.supervision.pacing import Escalation
from tests.actor_harness import START, START_NS
from tests.fakes import journal_stats

TICK = Tick(now=START, wall_ns=START_NS)


class Volume:
    """A journal whose space a test decides; `has_ample_space` asks for more than `has_space`."""

    def __init__(self) -> None:
        self.available_bytes = 100
        self.reserved = True
        self.rebuilds = True

    def has_space(self) -> bool:
        return self.available_bytes >= 10

    def has_ample_space(self) -> bool:
        return self.available_bytes >= 50

    def free_reserve(self) -> None:
        self.reserved = False

    def rebuild_reserve(self) -> bool:
        self.reserved = self.rebuilds
        return self.rebuilds

    def stats(self) -> JournalStats:
        return journal_stats(next_seq=1, durable_seq=0)


def admission_of(volume: Volume) -> DiskAdmission:
    health = HealthState(version="1", host="h", pid=1, now=START, wall_ns=START_NS)
    return DiskAdmission(volume, health, Children(rng=Random(1), escalation=Escalation()))


def full(admission: DiskAdmission) -> bool:
    admission.measure(TICK)
    return admission.full


def test_reading_goes_on_while_there_is_space() -> None:
    volume = Volume()
    admission = admission_of(volume)
    for left in (100, 50, 10):
        volume.available_bytes = left
        assert not full(admission)
    assert volume.reserved


def test_without_space_reading_stops_and_the_reserve_is_freed_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    volume = Volume()
    admission = admission_of(volume)
    volume.available_bytes = 9
    assert full(admission)
    assert full(admission)

    assert not volume.reserved
    assert [line.msg for line in caplog.records] == ["reading_stopped"]


def test_a_little_space_is_not_enough_to_resume() -> None:
    volume = Volume()
    admission = admission_of(volume)
    volume.available_bytes = 9
    assert full(admission)
    volume.available_bytes = 49
    assert full(admission)

    volume.available_bytes = 50
    assert not full(admission)
    assert volume.reserved


def test_reading_resumes_only_when_the_reserve_is_built_again() -> None:
    volume = Volume()
    admission = admission_of(volume)
    volume.available_bytes = 9
    assert full(admission)
    volume.available_bytes, volume.rebuilds = 100, False
    assert full(admission)

    volume.rebuilds = True
    assert not full(admission)
