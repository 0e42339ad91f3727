"""What the supervisor does with its connections when the journal has no space."""

from actors.messages import Retire
from actors.model import facts
from tests.actor_harness import SLOT, House


def full_journal() -> House:
    house = House().begin(1)
    house.journal.full = True
    return house


def test_without_space_every_connection_is_asked_to_end() -> None:
    house = full_journal().tick()

    for name in ("lifecycle", SLOT):
        assert house.ref(name).last(Retire) == Retire(reason="disk_full", at_once=True)
    assert not house.ref("writer").of(Retire)
    assert house.health().journal.full
    assert not house.journal.reserve


def test_only_vital_children_start_while_there_is_none() -> None:
    house = full_journal().tick()
    for name in ("lifecycle", SLOT):
        house.end(name, "disk_full")
    house.crash("writer")
    house.ticks(300)

    assert house.started().count("writer") == 2
    assert house.started().count(SLOT) == house.started().count("lifecycle") == 1


def test_connections_restart_when_there_is_ample_space() -> None:
    house = full_journal().tick()
    for name in ("lifecycle", SLOT):
        house.end(name, "disk_full")
    house.ticks(100)
    house.journal.full, house.journal.plentiful = False, False
    house.ticks(100)
    assert house.started().count(SLOT) == 1

    house.journal.plentiful = True
    house.ticks(5)
    assert house.started().count(SLOT) == 2
    assert house.journal.reserve
    assert not house.health().journal.full


def test_the_coverage_of_one_that_ended_without_space_is_closed_once_there_is_some() -> None:
    house = full_journal()
    epoch = house.epoch(SLOT)
    house.end(SLOT, "disk_full")
    house.ticks(3)
    assert not house.facts(facts.ListeningClosed)

    house.journal.full = False
    house.tick()
    (closed,) = house.facts(facts.ListeningClosed)
    assert (closed.epoch, closed.until_ns, closed.reason) == (epoch, None, "disk_full")
