import pytest

from actors.errors import JournalFailed
from actors.journal.recorder import MOST_FACTS, FactQueue, Recorder
from actors.messages import FactSeen
from actors.model import facts
from tests.fakes import FakeJournal
from tests.fakes_box import Box


class Setup:
    def __init__(self) -> None:
        self.journal, self.writer = FakeJournal(), Box()
        self.queue = FactQueue(Recorder(self.journal, self.writer, inflight_max=100_000))

    def written(self) -> list[facts.Record]:
        return [facts.decode(body) for body in self.journal.bodies.values()]


def closed(epoch: int) -> facts.ListeningClosed:
    return facts.ListeningClosed(epoch=epoch, at_ns=1, until_ns=None, reason="disconnected")


def test_what_is_written_is_sent_to_the_writer_in_order() -> None:
    setup = Setup()
    setup.queue.add(closed(1))
    setup.queue.add(closed(2))

    assert setup.queue.write()
    assert setup.written() == [closed(1), closed(2)]
    assert [seen.fact for seen in setup.writer.of(FactSeen)] == [closed(1), closed(2)]
    assert len(setup.queue) == 0


def test_nothing_is_sent_while_the_journal_is_full() -> None:
    setup = Setup()
    setup.journal.full = True
    setup.queue.add(closed(1))

    assert not setup.queue.write()
    assert setup.writer.received == []
    assert len(setup.queue) == 1


def test_that_the_process_is_alive_does_not_wait() -> None:
    setup = Setup()
    setup.journal.full = True
    setup.queue.alive(5)
    assert len(setup.queue) == 0

    setup.queue.add(closed(1))
    setup.queue.alive(6)
    setup.journal.full = False
    setup.queue.alive(7)

    assert setup.written() == [closed(1), facts.ProcessAlive(at_ns=7)]


def test_a_disk_that_stays_full_ends_the_process_before_memory_does() -> None:
    setup = Setup()
    setup.journal.full = True
    for epoch in range(MOST_FACTS):
        setup.queue.add(closed(epoch))

    with pytest.raises(JournalFailed, match="no space"):
        setup.queue.add(closed(0))
