"""The writer actor as the memory of outcomes: what it gives back, and what it keeps."""

from decimal import Decimal

from actors.messages import (
    EvidenceRestored,
    MarketsRestored,
    MarketStateChanged,
    RechecksRestored,
    RequestMarkets,
    RequestRechecks,
    TicketsStored,
)
from actors.model.outcome import (
    MarketState,
    Observation,
    Recheck,
    Resolution,
    Source,
    StoredEvidence,
    TimeWindow,
    Transition,
)
from tests.writer.test_actor import CONDITION, MARKET, House

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
    house = House()
    house.store.unresolved = (MARKET,)
    house.store.evidence = StoredEvidence(observations=(WORD,))
    house.open()
    kinds = (EvidenceRestored, MarketsRestored)
    told = [message for message in house.resolution.received if isinstance(message, kinds)]

    assert [type(message) for message in told] == [EvidenceRestored, MarketsRestored]
    assert house.resolution.last(EvidenceRestored).evidence.observations == (WORD,)
    assert not house.catalog.of(EvidenceRestored)
    house.tell(RequestMarkets())
    assert len(house.resolution.of(EvidenceRestored)) == 2


def test_rechecks_that_fall_due_are_sent_and_then_that_they_were_all() -> None:
    house = House().open()
    house.store.rechecks = (RECHECK,)
    house.tell(RequestRechecks(window=STRETCH))
    first, last = house.resolution.of(RechecksRestored)

    assert house.store.windows == [STRETCH]
    assert (first.rechecks, first.until_ms) == ((RECHECK,), None)
    assert (last.rechecks, last.until_ms) == ((), STRETCH.until_ms)


def test_while_the_database_is_away_no_answer_pretends_that_nothing_falls_due() -> None:
    house = House()
    house.store.away = True
    house.open()
    house.tell(RequestRechecks(window=STRETCH))

    assert not house.resolution.of(RechecksRestored)


def test_a_database_that_goes_away_over_the_question_is_noticed() -> None:
    house = House().open()
    house.store.away = True
    house.tell(RequestRechecks(window=STRETCH))

    assert not house.resolution.of(RechecksRestored)
    assert house.store.closed


def test_a_transition_of_a_market_is_stored_and_its_ticket_confirmed() -> None:
    house = House().open()
    step = Transition(
        condition_id=CONDITION,
        at_ms=1,
        before=MarketState.OPEN,
        after=MarketState.ENDED,
        reason="open",
    )
    house.tell(MarketStateChanged(ticket=9, transition=step))
    house.flush()

    assert [each for batch in house.store.batches for each in batch.transitions] == [step]
    assert house.resolution.last(TicketsStored).tickets == (9,)
