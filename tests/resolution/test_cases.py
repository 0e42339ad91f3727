from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from actors.model.market import Asset, Market
from actors.model.outcome import RECHECKS_MS, Observation, Source
from actors.model.trade import ConditionId, TokenId
from actors.resolution.cases import CONTRADICTED, TO_BE_STORED, CaseBook

T0 = 1_791_000_000_000
HOLD_MS = 90_000
YES, NO = TokenId("11"), TokenId("22")
MARKET = Market(
    condition_id=ConditionId("0x" + "1" * 64),
    question="",
    slug="",
    end_at=datetime.fromtimestamp(T0 // 1000, UTC),
    assets=(
        Asset(token_id=YES, outcome="Yes", outcome_index=0),
        Asset(token_id=NO, outcome="No", outcome_index=1),
    ),
)
ONE = MARKET.condition_id


def says(source: Source, yes: str | None, at_ms: int) -> Observation:
    return Observation(
        condition_id=ONE,
        source=source,
        observed_at_ms=at_ms,
        payouts=None if yes is None else ((YES, Decimal(yes)), (NO, 1 - Decimal(yes))),
        reason="open" if yes is None else "",
        payload="",
    )


def cases(hold_ms: int = HOLD_MS) -> CaseBook:
    made = CaseBook(poll_s=60.0, hold_s=hold_ms / 1000)
    made.admit([MARKET], T0)
    return made


def agreed(made: CaseBook, at_ms: int) -> None:
    """Have Gamma and the Data API say Yes."""
    for source in (Source.GAMMA, Source.DATA):
        made.hear(says(source, "1", at_ms), MARKET, at_ms)


def test_the_look_that_ends_the_hold_is_set_and_brings_the_verdict() -> None:
    made = cases()
    made.schedule.take(T0, 1)
    agreed(made, T0)
    made.rise([MARKET], T0)
    made.schedule.take(T0 + 60_000, 1)
    agreed(made, T0 + 60_000)
    made.rise([MARKET], T0 + 60_000)
    assert not made.schedule.due(T0 + HOLD_MS - 1)
    assert made.schedule.due(T0 + HOLD_MS)  # not only at the next poll
    made.hear(says(Source.GAMMA, "1", T0 + HOLD_MS), MARKET, T0 + HOLD_MS)
    heard = made.hear(says(Source.DATA, "1", T0 + HOLD_MS), MARKET, T0 + HOLD_MS)
    assert heard.resolution is not None
    assert heard.resolution.winning_token_id == YES
    assert made.pending(5) == ((TO_BE_STORED, 1),)


def test_a_hold_that_broke_is_not_waited_for() -> None:
    made = cases(hold_ms=30_000)
    made.schedule.take(T0, 1)
    agreed(made, T0)
    made.hear(says(Source.DATA, None, T0 + 1), MARKET, T0 + 1)
    made.rise([MARKET], T0 + 1)
    assert dict(made.pending(5)) == {"only gamma is final": 1}
    assert not made.schedule.due(T0 + 30_000)
    assert made.schedule.due(T0 + 60_001)


def test_a_source_that_changes_its_word_brings_the_looks_of_an_old_market_closer() -> None:
    made, now = cases(), T0 + 30 * 86_400_000
    made.schedule.take(now, 1)
    made.hear(says(Source.GAMMA, None, now), MARKET, now)
    made.rise([MARKET], now)
    assert not made.schedule.due(now + 3_599_999)
    made.schedule.take(now + 3_600_000, 1)
    proposed = msgspec.structs.replace(says(Source.GAMMA, None, now + 1), reason="proposed")
    made.hear(proposed, MARKET, now + 3_600_000)
    made.rise([MARKET], now + 3_600_000)
    assert made.schedule.due(now + 3_660_000)


def test_one_final_word_about_an_old_market_brings_its_looks_closer() -> None:
    made, now = cases(), T0 + 30 * 86_400_000
    made.schedule.take(now, 1)
    made.hear(says(Source.GAMMA, "1", now), MARKET, now)
    made.rise([MARKET], now)
    assert made.schedule.due(now + 60_000)


def test_evidence_is_given_when_it_is_new() -> None:
    made = cases()
    first = says(Source.GAMMA, None, T0)
    assert made.hear(first, MARKET, T0).evidence == first
    assert made.hear(says(Source.GAMMA, None, T0 + 1), MARKET, T0 + 1).evidence is None


def test_sources_that_contradict_are_shown_and_waited_for() -> None:
    made = cases()
    made.hear(says(Source.GAMMA, "1", T0), MARKET, T0)
    heard = made.hear(says(Source.DATA, "0", T0), MARKET, T0)
    assert heard.contradiction is not None
    assert heard.resolution is None
    assert made.pending(5) == ((CONTRADICTED, 1),)


def decided() -> CaseBook:
    made = cases()
    agreed(made, T0)
    agreed(made, T0 + HOLD_MS)
    return made


def test_a_verdict_is_given_once() -> None:
    made = decided()
    later = says(Source.CLOB, "1", T0 + HOLD_MS)
    assert made.hear(later, MARKET, T0 + HOLD_MS).resolution is None


def test_a_stored_verdict_is_named_to_whoever_brings_its_market_again() -> None:
    made = decided()
    assert made.admit([MARKET], T0) == ()
    made.stored(ONE)
    assert made.admit([MARKET], T0) == (ONE,)
    assert made.pending(5) == ()


def test_a_listing_does_not_call_a_market_with_a_verdict_but_the_feed_does() -> None:
    made = decided()
    now = T0 + HOLD_MS
    made.schedule.take(now, 1)
    made.rise([MARKET], now)
    made.call_unresolved(ONE, now)
    assert not made.schedule.due(now)
    made.call(ONE, now)
    assert made.schedule.due(now)


def test_a_market_is_let_go_after_its_first_recheck_once_it_is_stored() -> None:
    made = decided()
    end = T0 + HOLD_MS + RECHECKS_MS[0]
    made.rise([MARKET], end)
    assert ONE in made.schedule
    made.stored(ONE)
    made.rise([MARKET], end)
    assert ONE not in made.schedule
