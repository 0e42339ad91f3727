"""The last trades and resolutions that the writer sends for people to see."""

import msgspec

from actors.messages import LatestStored, MarketResolved
from actors.model.market import Resolution, Source
from actors.model.storage import Batch, Committed, RecordedOutcome, TokenName
from actors.model.trade import TokenId
from actors.writer.latest import MOST_COPIES
from tests.fakes import FakeStore
from tests.writer.test_actor import CONDITION, NS, WriterHarness

NAME = TokenName(token_id=TokenId("71"), slug="will-it-rain", question="Will it?", outcome="Yes")
OUTCOME = RecordedOutcome(
    condition_id=CONDITION,
    slug="will-it-rain",
    question="Will it?",
    winner="Yes",
    resolved_at_ms=1,
    recorded_at_ms=2,
)
RESOLUTION = Resolution(
    condition_id=CONDITION,
    kind="split",
    winning_token_id=None,
    winning_outcome=None,
    payouts=(),
    resolved_at_ms=1,
    sources=(Source.GAMMA, Source.CLOB),
)


class OneRowRejected(FakeStore):
    """Cannot hold one trade of each batch."""

    def commit(self, batch: Batch) -> Committed:
        committed = super().commit(batch)
        return msgspec.structs.replace(
            committed, stored=committed.stored - 1, rejected=committed.rejected + 1
        )


def sent(harness: WriterHarness) -> list[LatestStored]:
    return harness.supervisor.of(LatestStored)


def test_what_was_committed_is_sent_with_the_next_tick_and_once() -> None:
    harness = WriterHarness().open()
    harness.tell(harness.journal_trade(1), harness.journal_trade(2))
    harness.tick()
    assert sent(harness) == []  # received, and not committed
    harness.flush()
    assert sent(harness) == []
    harness.tick()
    harness.tick()
    (message,) = sent(harness)
    assert list(message.trades) == harness.stored()
    assert message.resolutions == ()


def test_the_database_names_tokens_and_is_asked_once_for_each_of_them() -> None:
    harness = WriterHarness().open()
    harness.tell(*(harness.journal_trade(number) for number in range(30)))
    harness.flush()
    token = harness.stored()[0].token_id
    harness.store.names = (msgspec.structs.replace(NAME, token_id=token),)
    harness.tick()
    (message,) = sent(harness)
    assert [each.slug for each in message.names] == ["will-it-rain"]
    assert harness.store.asked_names == [((token,), ())]


def test_of_many_trades_only_the_last_few_are_sent() -> None:
    harness = WriterHarness().open()
    harness.tell(*(harness.journal_trade(number) for number in range(3 * MOST_COPIES)))
    harness.flush()
    harness.tick()
    (message,) = sent(harness)
    assert list(message.trades) == harness.stored()[-MOST_COPIES:]


def test_a_resolution_is_sent_as_the_database_has_it() -> None:
    harness = WriterHarness().open()
    harness.store.outcomes = (OUTCOME,)
    harness.tell(MarketResolved(ticket=1, resolution=RESOLUTION))
    harness.flush()
    harness.tick()
    (message,) = sent(harness)
    assert (message.trades, message.resolutions) == ((), (OUTCOME,))


def test_a_resolution_that_was_not_recorded_is_not_sent() -> None:
    harness = WriterHarness().open()
    harness.tell(MarketResolved(ticket=1, resolution=RESOLUTION))
    harness.flush()
    harness.tick()
    assert [message.resolutions for message in sent(harness)] == [()]


def test_trades_among_which_one_was_rejected_are_not_shown_as_stored() -> None:
    harness = WriterHarness(store=OneRowRejected()).open()
    harness.tell(harness.journal_trade(1), harness.journal_trade(2))
    harness.flush()
    harness.tick()
    assert sent(harness) == []


def test_what_the_database_could_not_commit_is_not_sent() -> None:
    harness = WriterHarness().open()
    harness.tell(harness.journal_trade(1))
    harness.store.away = True
    harness.flush()
    harness.tick()
    assert sent(harness) == []


def test_a_database_that_goes_away_over_the_names_is_reported_and_they_are_asked_again() -> None:
    harness = WriterHarness().open()
    harness.tell(harness.journal_trade(1))
    harness.flush()
    harness.store.away = True
    harness.tick()
    assert sent(harness) == []
    harness.store.away = False
    harness.tick(5.0)
    harness.tick()
    assert [len(message.trades) for message in sent(harness)] == [1]
    assert NS > 0
