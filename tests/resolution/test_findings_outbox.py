"""Promise: findings are sent in order, again until they are stored, and counted once."""

import logging
from decimal import Decimal

import msgspec
import pytest

from actors.actor import KEEP_STORED_S
from actors.messages import (
    MarketResolved,
    MarketStateChanged,
    ResolutionConflict,
    ResolutionObserved,
)
from actors.model.market import (
    Asset,
    Contradiction,
    Market,
    MarketState,
    Observation,
    Resolution,
    Source,
    Transition,
)
from actors.model.trade import ConditionId, TokenId
from actors.resolution.evidence_book import Findings
from actors.resolution.outbox import KEPT_MAX, OUTBOX_MAX, FindingsOutbox
from tests.fakes_box import Box

ONE = ConditionId("0x" + "1" * 64)
TRANSITION = Transition(
    condition_id=ONE,
    at_ms=1,
    before=MarketState.HOLDING,
    after=MarketState.RECORDED,
    reason="data and gamma agree",
)
OBSERVATION = Observation(
    condition_id=ONE,
    source=Source.DATA,
    observed_at_ms=1,
    payouts=((TokenId("1"), Decimal(1)), (TokenId("2"), Decimal(0))),
    reason="",
    payload="{}",
)
RESOLUTION = Resolution(
    condition_id=ONE,
    kind="winner",
    winning_token_id=TokenId("1"),
    winning_outcome="Yes",
    payouts=(Decimal(1), Decimal(0)),
    resolved_at_ms=1,
    sources=(Source.DATA, Source.GAMMA),
)
MARKET = Market(
    condition_id=ONE,
    question="Rain?",
    slug="rain",
    assets=(Asset(token_id=TokenId("1"), outcome="Yes", outcome_index=0),),
)
CONTRADICTION = Contradiction(
    condition_id=ONE, detected_at_ms=2, recorded="winner 1", observed="split", source=Source.CLOB
)


def test_the_observation_comes_first_then_the_transition_then_the_resolution() -> None:
    box = Box()
    found = Findings(observation=OBSERVATION, transition=TRANSITION, resolution=RESOLUTION)
    FindingsOutbox(box, incarnation=1).add(found)
    assert [type(each) for each in box.received] == [
        ResolutionObserved,
        MarketStateChanged,
        MarketResolved,
    ]


def test_without_findings_nothing_is_sent() -> None:
    box = Box()
    FindingsOutbox(box, incarnation=1).add(Findings())
    assert box.received == []


def test_what_is_not_stored_is_sent_again_and_a_resolution_counts_once() -> None:
    box = Box()
    outbox = FindingsOutbox(box, incarnation=1)
    outbox.add(Findings(observation=OBSERVATION, resolution=RESOLUTION))
    sent = list(box.received)
    outbox.resend()
    assert box.received == sent * 2
    tickets = tuple(m.ticket for m in sent if isinstance(m, ResolutionObserved | MarketResolved))
    assert outbox.stored(tickets) == (ONE,)
    assert outbox.stored(tickets) == ()
    assert (outbox.recorded_total, len(outbox)) == (1, 0)


def test_a_resolution_is_logged_with_who_decided_it_and_how_long_after_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = msgspec.structs.replace(OBSERVATION, observed_at_ms=2_501)
    resolution = msgspec.structs.replace(RESOLUTION, evidence=(OBSERVATION, seen))
    with caplog.at_level(logging.INFO):
        FindingsOutbox(Box(), incarnation=1).add(
            Findings(resolution=resolution, slug="rain-in-june")
        )
    (line,) = map(vars, caplog.records)
    assert (line["message"], line["condition_id"]) == ("market_resolved", ONE)
    assert (line["kind"], line["winner"]) == ("winner", "Yes")
    assert line["slug"] == "rain-in-june"
    assert (line["sources"], line["after_s"]) == (["data", "gamma"], 2.5)


def test_a_contradiction_is_an_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    box = Box()
    outbox = FindingsOutbox(box, incarnation=1)
    with caplog.at_level(logging.ERROR):
        outbox.add(Findings(contradictions=(CONTRADICTION,)), MARKET)
    (line,) = map(vars, caplog.records)
    assert (line["slug"], line["recorded"], line["observed"]) == ("rain", "winner Yes (1)", "split")
    assert [record.message for record in caplog.records] == ["resolution_conflict"]
    assert outbox.conflicts_total == 1
    assert box.last(ResolutionConflict).contradiction == CONTRADICTION


def test_with_too_much_waiting_the_outbox_is_full() -> None:
    outbox = FindingsOutbox(Box(), incarnation=1)
    for _ in range(OUTBOX_MAX):
        assert not outbox.is_full
        outbox.add_transition(TRANSITION)
    assert outbox.is_full


def test_what_is_stored_is_sent_again_in_order_until_it_is_old() -> None:
    box = Box()
    outbox = FindingsOutbox(box, incarnation=1)
    outbox.tick(1_000.0)
    outbox.add(Findings(observation=OBSERVATION, resolution=RESOLUTION))
    sent = list(box.received)
    tickets = tuple(m.ticket for m in sent if isinstance(m, ResolutionObserved | MarketResolved))
    outbox.stored(tickets)
    outbox.add_transition(TRANSITION)
    last = box.last(MarketStateChanged)
    box.clear()
    outbox.resend()
    assert box.received == [*sent, last]

    outbox.tick(1_000.0 + KEEP_STORED_S)
    outbox.stored((last.ticket,))
    box.clear()
    outbox.resend()
    assert box.received == [last]
    assert outbox.recorded_total == 1


def test_of_what_is_stored_a_bounded_number_is_kept() -> None:
    box = Box()
    outbox = FindingsOutbox(box, incarnation=1)
    for _ in range(KEPT_MAX + 5):
        outbox.add_transition(TRANSITION)
    outbox.stored(tuple(message.ticket for message in box.of(MarketStateChanged)))
    box.clear()
    outbox.resend()
    assert len(box.received) == KEPT_MAX
