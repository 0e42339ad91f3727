"""The writer actor as the memory of outcomes: what it gives back, and what it keeps."""

from collections.abc import Iterator
from decimal import Decimal

from actors.messages import (
    EvidenceRestored,
    MarketsRestored,
    MarketStateChanged,
    Open,
    RechecksRestored,
    RequestMarkets,
    RequestRechecks,
    RequestReview,
    TicketsStored,
)
from actors.model.market import (
    Market,
    MarketState,
    Observation,
    Recheck,
    Resolution,
    Source,
    StoredEvidence,
    TimeWindow,
    Transition,
)
from actors.model.trade import ConditionId
from tests.fakes import FakeStore
from tests.fakes_box import drain
from tests.writer.test_actor import CONDITION, MARKET, WriterHarness

STRETCH = TimeWindow(since_ms=None, until_ms=1_790_000_000_000)
WORD = Observation(
    condition_id=CONDITION,
    source=Source.GAMMA,
    observed_at_ms=1,
    payouts=None,
    reason="proposed",
    payload="",
)
RECHECK = Recheck(
    resolution=Resolution(
        condition_id=CONDITION,
        kind="winner",
        winning_token_id=MARKET.token_ids[0],
        winning_outcome="Yes",
        payouts=(Decimal(1), Decimal(0)),
        resolved_at_ms=1,
        sources=(Source.GAMMA, Source.DATA),
    ),
    market=MARKET,
    recorded_at_ms=1,
    due_at_ms=2,
)


def test_evidence_is_sent_before_the_markets_that_it_is_about() -> None:
    harness = WriterHarness()
    harness.store.unresolved = (MARKET,)
    harness.store.evidence = StoredEvidence(observations=(WORD,))
    harness.open()
    kinds = (EvidenceRestored, MarketsRestored)
    told = [message for message in harness.resolution.received if isinstance(message, kinds)]

    assert [type(message) for message in told] == [EvidenceRestored, MarketsRestored]
    assert harness.resolution.last(EvidenceRestored).evidence.observations == (WORD,)
    assert not harness.catalog.of(EvidenceRestored)
    harness.tell(RequestMarkets())
    assert len(harness.resolution.of(EvidenceRestored)) == 2


def test_of_many_markets_one_page_is_sent_at_a_time() -> None:
    class Paged(FakeStore):
        def open_markets(self) -> Iterator[tuple[Market, ...]]:
            yield self.unresolved
            yield ()
            yield self.unresolved

    store = Paged()
    store.unresolved = (MARKET,)
    harness = WriterHarness(store=store)
    harness.actor.on_receive(Open())
    assert len(harness.catalog.of(MarketsRestored)) == 1
    drain(harness.actor)
    assert len(harness.catalog.of(MarketsRestored)) == 2

    harness.actor.on_receive(RequestMarkets())
    store.away = True  # between two pages
    harness.actor.on_receive(RequestReview(after=ConditionId("")))
    drain(harness.actor)
    assert len(harness.catalog.of(MarketsRestored)) == 3


def test_rechecks_that_fall_due_are_sent_and_then_that_they_were_all() -> None:
    harness = WriterHarness().open()
    harness.store.rechecks = (RECHECK,)
    harness.tell(RequestRechecks(window=STRETCH))
    first, last = harness.resolution.of(RechecksRestored)

    assert harness.store.windows == [STRETCH]
    assert (first.rechecks, first.until_ms) == ((RECHECK,), None)
    assert (last.rechecks, last.until_ms) == ((), STRETCH.until_ms)


def test_rechecks_come_behind_the_evidence_on_their_markets() -> None:
    harness = WriterHarness().open()
    harness.store.rechecks = (RECHECK,)
    harness.store.evidence = StoredEvidence(observations=(WORD,))
    harness.tell(RequestRechecks(window=STRETCH))
    kinds = (EvidenceRestored, RechecksRestored)
    told = [message for message in harness.resolution.received if isinstance(message, kinds)]

    assert [type(message) for message in told[-3:]] == [
        EvidenceRestored,
        RechecksRestored,
        RechecksRestored,
    ]
    assert harness.resolution.last(EvidenceRestored).evidence.observations == (WORD,)


def test_of_a_long_time_only_the_first_part_is_answered() -> None:
    harness = WriterHarness().open()
    part = TimeWindow(STRETCH.until_ms - 5, STRETCH.until_ms - 3)
    harness.store.recheck_part = part
    harness.tell(RequestRechecks(window=STRETCH))

    assert harness.store.windows == [part]
    assert harness.resolution.last(RechecksRestored).until_ms == part.until_ms


def test_while_the_database_is_away_no_answer_pretends_that_nothing_falls_due() -> None:
    harness = WriterHarness()
    harness.store.away = True
    harness.open()
    harness.tell(RequestRechecks(window=STRETCH))

    assert not harness.resolution.of(RechecksRestored)


def test_a_database_that_goes_away_over_the_question_is_noticed() -> None:
    harness = WriterHarness().open()
    harness.store.away = True
    harness.tell(RequestRechecks(window=STRETCH))

    assert not harness.resolution.of(RechecksRestored)
    assert harness.store.closed


def test_a_transition_of_a_market_is_stored_and_its_ticket_confirmed() -> None:
    harness = WriterHarness().open()
    step = Transition(
        condition_id=CONDITION,
        at_ms=1,
        before=MarketState.OPEN,
        after=MarketState.ENDED,
        reason="open",
    )
    harness.tell(MarketStateChanged(ticket=9, transition=step))
    harness.flush()

    assert [each for batch in harness.store.batches for each in batch.transitions] == [step]
    assert harness.resolution.last(TicketsStored).tickets == (9,)
