import pytest

from actors.errors import JournalFailed
from actors.journal.recorder import MOST_FACTS, FactQueue, Recorder
from actors.messages import FactSeen
from actors.model import facts
from tests.fakes import FakeJournal
from tests.fakes_box import Box


class House:
    def __init__(self) -> None:
        self.journal, self.writer = FakeJournal(), Box()
        self.backlog = FactQueue(Recorder(self.journal, self.writer, inflight_max=100_000))

    def written(self) -> list[facts.Record]:
        return [facts.decode(body) for body in self.journal.bodies.values()]


def closed(epoch: int) -> facts.ListeningClosed:
    return facts.ListeningClosed(epoch=epoch, at_ns=1, until_ns=None, reason="disconnected")


def test_what_is_written_is_told_to_the_writer_in_order() -> None:
    house = House()
    house.backlog.add(closed(1))
    house.backlog.add(closed(2))

    assert house.backlog.write()
    assert house.written() == [closed(1), closed(2)]
    assert [seen.fact for seen in house.writer.of(FactSeen)] == [closed(1), closed(2)]
    assert len(house.backlog) == 0


def test_nothing_is_told_while_the_journal_is_full() -> None:
    house = House()
    house.journal.full = True
    house.backlog.add(closed(1))

    assert not house.backlog.write()
    assert house.writer.told == []
    assert len(house.backlog) == 1


def test_a_sign_of_life_does_not_wait() -> None:
    house = House()
    house.journal.full = True
    house.backlog.alive(5)
    assert len(house.backlog) == 0

    house.backlog.add(closed(1))
    house.backlog.alive(6)
    house.journal.full = False
    house.backlog.alive(7)

    assert house.written() == [closed(1), facts.ProcessAlive(at_ns=7)]


def test_a_disk_that_stays_full_ends_the_process_before_memory_does() -> None:
    house = House()
    house.journal.full = True
    for epoch in range(MOST_FACTS):
        house.backlog.add(closed(epoch))

    with pytest.raises(JournalFailed, match="no space"):
        house.backlog.add(closed(0))
