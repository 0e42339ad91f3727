"""What the supervisor does with its connections when the journal has no space."""

from actors.messages import Retire
from actors.model import facts
from tests.actor_harness import SLOT, SupervisorHarness


def full_journal() -> SupervisorHarness:
    harness = SupervisorHarness().begin(1)
    harness.journal.full = True
    return harness


def test_without_space_every_connection_is_asked_to_end() -> None:
    harness = full_journal().tick()

    for name in ("lifecycle", SLOT):
        assert harness.ref(name).last(Retire) == Retire(reason="disk_full", at_once=True)
    assert not harness.ref("writer").of(Retire)
    assert harness.health().journal.full
    assert not harness.journal.reserve


def test_only_vital_children_start_while_there_is_none() -> None:
    harness = full_journal().tick()
    for name in ("lifecycle", SLOT):
        harness.end(name, "disk_full")
    harness.crash("writer")
    harness.ticks(300)

    assert harness.started().count("writer") == 2
    assert harness.started().count(SLOT) == harness.started().count("lifecycle") == 1


def test_connections_restart_when_there_is_ample_space() -> None:
    harness = full_journal().tick()
    for name in ("lifecycle", SLOT):
        harness.end(name, "disk_full")
    harness.ticks(100)
    harness.journal.full, harness.journal.plentiful = False, False
    harness.ticks(100)
    assert harness.started().count(SLOT) == 1

    harness.journal.plentiful = True
    harness.ticks(5)
    assert harness.started().count(SLOT) == 2
    assert harness.journal.reserve
    assert not harness.health().journal.full


def test_the_coverage_of_one_that_ended_without_space_is_closed_once_there_is_some() -> None:
    harness = full_journal()
    epoch = harness.epoch(SLOT)
    harness.end(SLOT, "disk_full")
    harness.ticks(3)
    assert not harness.facts(facts.ListeningClosed)

    harness.journal.full = False
    harness.tick()
    (closed,) = harness.facts(facts.ListeningClosed)
    assert (closed.epoch, closed.until_ns, closed.reason) == (epoch, None, "disk_full")
