import pytest

from actors.errors import JournalFailed
from actors.journal.recorder import FACT_TOKENS, MOST_FACTS, FactQueue, Recorder
from actors.messages import FactSeen
from actors.model import facts
from actors.model.trade import TokenId
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


def test_tokens_that_were_overlooked_since_one_time_share_their_facts() -> None:
    setup = Setup()
    tokens = [TokenId(str(number)) for number in range(FACT_TOKENS + 2)]
    pairs = [(5, (first, second)) for first, second in zip(tokens[::2], tokens[1::2], strict=True)]
    setup.queue.add_overlooked([*pairs, (6, (TokenId("x"),))])
    setup.queue.write()

    wanted = [fact for fact in setup.written() if isinstance(fact, facts.TokensWanted)]
    assert [(fact.at_ns, len(fact.tokens)) for fact in wanted] == [(5, FACT_TOKENS), (5, 2), (6, 1)]
    assert [token for fact in wanted[:2] for token in fact.tokens] == tokens
    parts = [wanted[0].tokens, wanted[1].tokens, wanted[2].tokens]
    found = setup.written()
    confirmed = [fact for fact in found if isinstance(fact, facts.TokensConfirmed)]
    released = [fact for fact in found if isinstance(fact, facts.TokensReleased)]
    assert [fact.tokens for fact in confirmed] == [fact.tokens for fact in released] == parts
    assert {fact.cause for fact in released} == {"not_discovered"}
