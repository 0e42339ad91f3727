"""Promise: public nodes are asked only where their word can decide or confirm something."""

from decimal import Decimal

import pytest

from actors.model.market import Observation, Resolution, Source
from actors.resolution.evidence import Evidence
from actors.resolution.polling import SHORT_MS, may_confirm, may_decide
from tests.resolution.recorded_answers import CONDITION, NO, YES

LATER = 10_000 + SHORT_MS
WON, LOST = (Decimal(1), Decimal(0)), (Decimal(0), Decimal(1))
Payouts = tuple[Decimal, Decimal] | None


def told(source: Source, payouts: Payouts, *mapped_by: Source, at_ms: int = 10_000) -> Observation:
    return Observation(
        condition_id=CONDITION,
        source=source,
        observed_at_ms=at_ms,
        payouts=None if payouts is None else tuple(zip((YES, NO), payouts, strict=True)),
        reason="" if payouts else "open",
        payload="{}",
        mapped_by=mapped_by,
    )


def evidence(*observations: Observation) -> Evidence:
    found = Evidence(condition_id=CONDITION)
    for each in observations:
        found = found.add(each)
    return found


@pytest.mark.parametrize(
    ("observations", "asked"),
    [
        ((), False),
        ((told(Source.GAMMA, None), told(Source.DATA, None)), False),
        ((told(Source.GAMMA, WON),), True),
        ((told(Source.GAMMA, WON), told(Source.DATA, None)), True),
        ((told(Source.GAMMA, WON), told(Source.CLOB, WON)), False),
        # One takes the other's word for which token is meant.
        ((told(Source.GAMMA, WON), told(Source.DATA, WON, Source.GAMMA)), True),
        ((told(Source.GAMMA, WON), told(Source.CLOB, LOST)), True),
        # What the chain says itself is to be confirmed, or to be asked again when others disagree.
        ((told(Source.CHAIN, WON),), False),
        ((told(Source.GAMMA, WON), told(Source.CHAIN, WON)), True),
        ((told(Source.GAMMA, WON), told(Source.CLOB, WON), told(Source.CHAIN, LOST)), True),
    ],
)
def test_the_chain_is_asked_where_one_more_answer_decides(
    observations: tuple[Observation, ...], *, asked: bool
) -> None:
    assert may_decide(evidence(*observations), now_ms=LATER) is asked


def test_a_service_that_is_a_little_late_is_waited_for() -> None:
    assert not may_decide(evidence(told(Source.GAMMA, WON)), now_ms=LATER - 1)
    assert not may_decide(None, now_ms=LATER)


def test_a_contradiction_is_not_waited_for() -> None:
    found = evidence(told(Source.GAMMA, WON), told(Source.CLOB, LOST))
    assert may_decide(found, now_ms=10_000)


@pytest.mark.parametrize(
    ("sources", "first", "asked"),
    [
        ((Source.DATA, Source.GAMMA), True, True),
        ((Source.DATA, Source.GAMMA), False, False),
        ((Source.CHAIN, Source.GAMMA), True, False),
    ],
)
def test_a_resolution_without_the_chain_is_confirmed_once(
    sources: tuple[Source, ...], *, first: bool, asked: bool
) -> None:
    resolution = Resolution(
        condition_id=CONDITION,
        kind="winner",
        winning_token_id=YES,
        winning_outcome="Yes",
        payouts=WON,
        resolved_at_ms=1,
        sources=sources,
    )
    assert may_confirm(resolution, first_recheck=first) is asked
