"""A start whose journal has no space even for the record that the process started.

Faults: it ends, though the database is there and would make space; it listens before that record
is written, which then ends the new epochs; nobody sees for what it waits.
"""

import logging

import pytest

from actors.model import facts
from tests.actor_harness import START_NS, SupervisorHarness, added

VITAL = ["catalog", "resolution", "writer"]
STARTED = facts.ProcessStarted(at_ns=START_NS, host="h", version="1")


def full_harness() -> SupervisorHarness:
    harness = SupervisorHarness()
    harness.journal.full = True
    return harness


def first_record(harness: SupervisorHarness) -> facts.Record:
    return facts.decode(harness.journal.bodies[1])


def test_the_first_record_of_a_process_is_that_it_started() -> None:
    harness = SupervisorHarness().begin(1)
    assert first_record(harness) == STARTED
    assert harness.facts(facts.ProcessStarted) == [STARTED]


def test_without_space_the_vital_children_run_and_nothing_listens() -> None:
    harness = full_harness().tick().tell(added(1)).ticks(30)
    assert sorted(harness.started()) == VITAL
    assert harness.journal.bodies == {}
    assert harness.fatal == []
    assert harness.beats == 31


def test_when_there_is_space_the_start_is_recorded_first_and_then_it_listens() -> None:
    harness = full_harness().tick().tell(added(1)).ticks(300)
    harness.journal.full = False
    harness.ticks(3)
    assert first_record(harness) == STARTED
    wanted = [number for number, body in harness.journal.bodies.items() if b"want" in body]
    assert wanted
    assert "lifecycle" in harness.started()
    assert len(harness.started()) > len(VITAL) + 1


def test_the_start_may_use_the_reserve_and_reading_waits_for_more() -> None:
    harness = full_harness().tick()
    assert not harness.journal.reserve
    harness.journal.full, harness.journal.plentiful = False, False  # the reserve was some space
    harness.ticks(10)
    assert first_record(harness) == STARTED
    assert len(harness.facts(facts.ProcessAlive)) >= 1
    assert sorted(harness.started()) == VITAL
    harness.journal.plentiful = True
    harness.ticks(2)
    assert "lifecycle" in harness.started()


def test_a_quota_that_the_figures_of_the_disk_do_not_show_keeps_it_waiting_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harness = full_harness()
    monkeypatch.setattr(harness.journal, "has_space", lambda: True)
    monkeypatch.setattr(harness.journal, "has_ample_space", lambda: True)
    harness.tick().tell(added(1)).ticks(10)
    assert sorted(harness.started()) == VITAL
    assert harness.health().journal.full
    harness.journal.full = False
    harness.ticks(3)
    assert first_record(harness) == STARTED
    assert "lifecycle" in harness.started()


def test_it_is_seen_at_once_for_what_the_start_waits(caplog: pytest.LogCaptureFixture) -> None:
    harness = full_harness().tick()
    shown = harness.health()
    assert shown.state == "degraded"
    assert "journal_full" in shown.codes
    assert [line.msg for line in caplog.records] == ["reading_stopped"]


def test_a_start_with_space_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    assert SupervisorHarness().tick().health().state == "starting"
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
