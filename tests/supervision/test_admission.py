"""What the supervisor does with its connections when the journal has no room."""

from actors.messages import Retire
from actors.model import facts
from tests.actor_harness import SLOT, House


def full_house() -> House:
    house = House().begin(1)
    house.journal.full = True
    return house


def test_without_room_every_connection_is_told_to_end() -> None:
    house = full_house().tick()

    for name in ("lifecycle", SLOT):
        assert house.ref(name).last(Retire) == Retire(reason="disk_full", at_once=True)
    assert not house.ref("writer").of(Retire)
    assert house.health().journal.full
    assert not house.journal.reserve


def test_nobody_but_the_vital_is_born_while_there_is_none() -> None:
    house = full_house().tick()
    for name in ("lifecycle", SLOT):
        house.end(name, "disk_full")
    house.crash("writer")
    house.ticks(300)

    assert house.born().count("writer") == 2
    assert house.born().count(SLOT) == house.born().count("lifecycle") == 1


def test_connections_are_born_again_when_there_is_plenty() -> None:
    house = full_house().tick()
    for name in ("lifecycle", SLOT):
        house.end(name, "disk_full")
    house.ticks(100)
    house.journal.full, house.journal.plentiful = False, False
    house.ticks(100)
    assert house.born().count(SLOT) == 1

    house.journal.plentiful = True
    house.ticks(5)
    assert house.born().count(SLOT) == 2
    assert house.journal.reserve
    assert not house.health().journal.full


def test_an_end_for_want_of_room_is_closed_once_there_is_some() -> None:
    house = full_house()
    epoch = house.epoch(SLOT)
    house.end(SLOT, "disk_full")
    house.ticks(3)
    assert not house.facts(facts.ListeningClosed)

    house.journal.full = False
    house.tick()
    (closed,) = house.facts(facts.ListeningClosed)
    assert (closed.epoch, closed.until_ns, closed.reason) == (epoch, None, "disk_full")
