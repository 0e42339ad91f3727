from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from actors.model.market import (
    RECHECKS_MS,
    Asset,
    Market,
    Observation,
    Recheck,
    Resolution,
    Source,
    StoredEvidence,
)
from actors.model.trade import ConditionId, TokenId
from actors.resolution.cases import CONTRADICTED, TO_BE_STORED, CaseBook
from actors.resolution.queues import Urgency
from actors.resolution.rechecks import HINTS_MS

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


def seen(source: Source, yes: str | None, at_ms: int) -> Observation:
    return Observation(
        condition_id=ONE,
        source=source,
        observed_at_ms=at_ms,
        payouts=None if yes is None else ((YES, Decimal(yes)), (NO, 1 - Decimal(yes))),
        reason="open" if yes is None else "",
        payload="",
    )


def case_book(hold_ms: int = HOLD_MS) -> CaseBook:
    cases = CaseBook(poll_s=60.0, hold_s=hold_ms / 1000)
    cases.add([MARKET], T0)
    return cases


def agreed(cases: CaseBook, at_ms: int) -> None:
    """Have Gamma and the Data API report Yes."""
    for source in (Source.GAMMA, Source.DATA):
        cases.observe(seen(source, "1", at_ms), MARKET, at_ms)


def test_the_poll_that_ends_the_hold_is_set_and_brings_the_resolution() -> None:
    cases = case_book()
    cases.schedule.take(T0)
    agreed(cases, T0)
    cases.end_poll(ONE, T0)
    cases.schedule.take(T0 + 60_000)
    agreed(cases, T0 + 60_000)
    cases.end_poll(ONE, T0 + 60_000)
    assert not cases.schedule.has_due(T0 + HOLD_MS - 1)
    assert cases.schedule.has_due(T0 + HOLD_MS)  # not only at the next poll
    cases.observe(seen(Source.GAMMA, "1", T0 + HOLD_MS), MARKET, T0 + HOLD_MS)
    findings = cases.observe(seen(Source.DATA, "1", T0 + HOLD_MS), MARKET, T0 + HOLD_MS)
    assert findings.resolution is not None
    assert findings.resolution.winning_token_id == YES
    assert cases.pending(5) == ((TO_BE_STORED, 1),)


def test_a_hold_that_broke_is_not_waited_for() -> None:
    cases = case_book(hold_ms=30_000)
    cases.schedule.take(T0)
    agreed(cases, T0)
    cases.observe(seen(Source.DATA, None, T0 + 1), MARKET, T0 + 1)
    cases.end_poll(ONE, T0 + 1)
    assert dict(cases.pending(5)) == {"only gamma is final": 1}
    assert not cases.schedule.has_due(T0 + 30_000)
    assert cases.schedule.has_due(T0 + 60_001)


def test_a_source_that_changes_brings_the_polls_of_an_old_market_closer() -> None:
    cases, now = case_book(), T0 + 30 * 86_400_000
    cases.schedule.take(now)
    cases.observe(seen(Source.GAMMA, None, now), MARKET, now)
    cases.end_poll(ONE, now)
    assert not cases.schedule.has_due(now + 3_599_999)
    cases.schedule.take(now + 3_600_000)
    proposed = msgspec.structs.replace(seen(Source.GAMMA, None, now + 1), reason="proposed")
    cases.observe(proposed, MARKET, now + 3_600_000)
    cases.end_poll(ONE, now + 3_600_000)
    assert cases.schedule.has_due(now + 3_660_000)


def test_one_final_observation_of_an_old_market_brings_its_polls_closer() -> None:
    cases, now = case_book(), T0 + 30 * 86_400_000
    cases.schedule.take(now)
    cases.observe(seen(Source.GAMMA, "1", now), MARKET, now)
    cases.end_poll(ONE, now)
    assert cases.schedule.has_due(now + 60_000)


def test_a_market_that_is_stuck_with_one_final_source_is_polled_less_and_less() -> None:
    cases, now = case_book(), T0
    polls = []
    while now < T0 + 6 * 3_600_000:
        if cases.schedule.take(now):
            polls.append(now)
            cases.observe(seen(Source.GAMMA, "1", now), MARKET, now)
            cases.observe(seen(Source.DATA, None, now), MARKET, now)
            cases.end_poll(ONE, now)
        now += 10_000
    assert polls[1] - polls[0] == 60_000
    # Six hours: ten polls in the first ten minutes, then each a tenth of the time later.
    assert len(polls) < 60
    assert polls[-1] - polls[-2] > 20 * 60_000
    # What changes is news again.
    cases.observe(seen(Source.DATA, "1", now), MARKET, now)
    assert cases.schedule.has_due(now + 60_000)


def test_an_observation_is_to_be_stored_when_it_is_new() -> None:
    cases = case_book()
    first = seen(Source.GAMMA, None, T0)
    assert cases.observe(first, MARKET, T0).observation == first
    assert cases.observe(seen(Source.GAMMA, None, T0 + 1), MARKET, T0 + 1).observation is None


def test_sources_that_contradict_are_reported_and_waited_for() -> None:
    cases = case_book()
    cases.observe(seen(Source.GAMMA, "1", T0), MARKET, T0)
    findings = cases.observe(seen(Source.DATA, "0", T0), MARKET, T0)
    (found,) = findings.contradictions
    assert (found.recorded, found.observed) == (f"winner {YES}", f"winner {NO}")
    again = cases.observe(seen(Source.CLOB, "1", T0), MARKET, T0)
    assert again.contradictions == ()
    assert findings.resolution is None
    assert cases.pending(5) == ((CONTRADICTED, 1),)


def decided() -> CaseBook:
    cases = case_book()
    agreed(cases, T0)
    agreed(cases, T0 + HOLD_MS)
    return cases


def test_a_resolution_is_given_once() -> None:
    cases = decided()
    later = seen(Source.CLOB, "1", T0 + HOLD_MS)
    assert cases.observe(later, MARKET, T0 + HOLD_MS).resolution is None


def test_a_market_that_is_added_again_is_named_when_its_resolution_is_stored() -> None:
    cases = decided()
    assert cases.add([MARKET], T0) == ()
    cases.stored(ONE)
    assert cases.add([MARKET], T0) == (ONE,)
    assert cases.pending(5) == ()


def test_a_hint_about_a_resolution_brings_one_check_a_minute() -> None:
    cases = decided()
    now = T0 + HOLD_MS
    for after_ms, due in ((0, True), (200, False), (HINTS_MS - 1, False), (HINTS_MS, True)):
        cases.hinted(ONE, now + after_ms)
        assert [each.urgency for each in cases.take_due(now + after_ms)] == [
            Urgency.RECHECK for _ in range(due)
        ]


def test_a_hint_counts_though_the_clock_was_set_back() -> None:
    cases = decided()
    cases.hinted(ONE, T0 + HOLD_MS)
    cases.take_due(T0 + HOLD_MS)
    cases.hinted(ONE, T0)
    assert len(cases.take_due(T0)) == 1


def test_what_a_listing_shows_is_evidence_and_makes_a_market_due_when_it_is_news() -> None:
    cases = case_book()
    cases.take_due(T0)
    first = cases.observe_listed(seen(Source.GAMMA, "1", T0), MARKET, T0)
    assert first.observation is not None
    assert [each.urgency for each in cases.take_due(T0)] == [Urgency.NEW]
    again = cases.observe_listed(seen(Source.GAMMA, "1", T0 + 1), MARKET, T0 + 1)
    assert again.observation is None
    assert cases.take_due(T0 + 1) == ()


def test_a_listing_makes_a_resolution_due_only_when_it_contradicts() -> None:
    cases = decided()
    now = T0 + HOLD_MS
    cases.observe_listed(seen(Source.GAMMA, "1", now), MARKET, now)
    assert cases.take_due(now) == ()
    findings = cases.observe_listed(seen(Source.GAMMA, "0", now + 1), MARKET, now + 1)
    assert len(findings.contradictions) == 1
    assert [each.urgency for each in cases.take_due(now + 1)] == [Urgency.RECHECK]
    cases.observe_listed(seen(Source.GAMMA, "0", now + 2), MARKET, now + 2)
    assert cases.take_due(now + 2) == ()


def test_a_resolution_is_due_at_its_first_recheck_and_not_by_the_interval_of_its_market() -> None:
    cases = decided()
    first_ms = T0 + HOLD_MS + RECHECKS_MS[0]
    assert cases.take_due(first_ms - 1) == ()
    (due,) = cases.take_due(first_ms)
    assert (due.urgency, due.clob) == (Urgency.RECHECK, Urgency.RECHECK)


def test_the_clob_is_asked_about_what_is_final_and_idly_about_what_ended() -> None:
    later = msgspec.structs.replace(MARKET, end_at=datetime.fromtimestamp(T0 // 1000 + 60, UTC))
    cases = CaseBook(poll_s=60.0, hold_s=90.0)
    cases.add([later], T0)
    cases.hinted(ONE, T0)
    assert [each.clob for each in cases.take_due(T0)] == [None]
    assert [each.clob for each in cases.take_due(T0 + 60_000)] == [Urgency.IDLE]
    cases.observe(seen(Source.CLOB, "1", T0 + 60_000), later, T0 + 60_000)
    assert [each.clob for each in cases.take_due(T0 + 120_000)] == [Urgency.IDLE]
    cases.observe(seen(Source.DATA, "1", T0 + 120_000), later, T0 + 120_000)
    assert [each.clob for each in cases.take_due(T0 + 180_000)] == [Urgency.NEW]


def test_the_clob_is_not_asked_about_a_resolution_that_was_checked() -> None:
    cases, now = CaseBook(poll_s=60.0, hold_s=0.0), T0 + RECHECKS_MS[1]
    recheck = Recheck(resolution=WON, market=MARKET, recorded_at_ms=T0, due_at_ms=now)
    cases.restore_rechecks([recheck], now - 1)
    assert [each.clob for each in cases.take_due(now)] == [None]
    assert not cases.may_ask_clob(ONE, now)


def test_states_are_judged_at_the_end_of_a_poll_and_a_missed_one_is_soon_repeated() -> None:
    cases, now = case_book(), T0 + 30 * 86_400_000
    cases.take_due(now)
    cases.observe(seen(Source.GAMMA, None, now), MARKET, now)
    transition = cases.end_poll(ONE, now)
    assert transition is not None
    assert (transition.before, transition.after) == ("open", "ended")
    assert cases.end_poll(ONE, now, missed=True) is None
    assert cases.schedule.has_due(now + 60_000)


def test_a_resolution_that_no_source_answered_for_is_still_to_be_checked() -> None:
    cases = decided()
    cases.stored(ONE)
    first_ms = T0 + HOLD_MS + RECHECKS_MS[0]
    cases.take_due(first_ms)
    cases.end_poll(ONE, first_ms, missed=True)
    assert [each.urgency for each in cases.take_due(first_ms + 60_000)] == [Urgency.RECHECK]
    cases.end_poll(ONE, first_ms + 60_000)
    assert ONE not in cases.schedule


def test_a_market_that_is_not_there_has_no_state() -> None:
    cases = CaseBook(poll_s=60.0, hold_s=0.0)
    assert cases.judge(ONE, T0) is None
    assert cases.end_poll(ONE, T0, missed=True) is None


def test_a_market_is_removed_after_its_first_recheck_once_it_is_stored() -> None:
    cases = decided()
    end = T0 + HOLD_MS + RECHECKS_MS[0]
    cases.end_poll(ONE, end)
    assert ONE in cases.schedule
    cases.stored(ONE)
    cases.end_poll(ONE, end)
    assert ONE not in cases.schedule


WON = Resolution(
    condition_id=ONE,
    kind="winner",
    winning_token_id=YES,
    winning_outcome="Yes",
    payouts=(Decimal(1), Decimal(0)),
    resolved_at_ms=T0,
    sources=(Source.DATA, Source.GAMMA),
)


def test_of_a_restored_resolution_nothing_is_stored_twice_and_each_change_is() -> None:
    cases, now = CaseBook(poll_s=60.0, hold_s=0.0), T0 + 60_000
    stored = tuple(seen(source, "1", T0) for source in (Source.GAMMA, Source.DATA))
    cases.restore(StoredEvidence(observations=stored), now)
    due_ms = T0 + RECHECKS_MS[0]
    recheck = Recheck(resolution=WON, market=MARKET, recorded_at_ms=T0, due_at_ms=due_ms)
    cases.restore_rechecks([recheck], now)

    # A cache answers with what the source reported before, then it reports what is stored.
    old = cases.observe(seen(Source.GAMMA, None, now), MARKET, now)
    again = cases.observe(seen(Source.DATA, "1", now), MARKET, now)
    new = cases.observe(seen(Source.GAMMA, "1", now + 1), MARKET, now + 1)

    assert old.observation is not None
    assert again.observation is None
    assert new.observation is not None


def test_of_a_resolution_that_cannot_be_checked_no_evidence_is_kept() -> None:
    cases, now = CaseBook(poll_s=60.0, hold_s=0.0), T0 + 60_000
    cases.restore(StoredEvidence(observations=(seen(Source.GAMMA, "1", T0),)), now)
    bare = msgspec.structs.replace(MARKET, assets=())
    recheck = Recheck(resolution=WON, market=bare, recorded_at_ms=T0, due_at_ms=now)
    cases.restore_rechecks([recheck], now)

    assert cases.observe(seen(Source.GAMMA, "1", now), MARKET, now).observation is not None


def test_of_closed_markets_a_bounded_number_stays_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.resolution.cases.MOST_CLOSED", 1)
    cases = case_book()
    other = msgspec.structs.replace(MARKET, condition_id=ConditionId("0x" + "2" * 64))
    cases.add([other], T0)
    cases.closed(ONE, T0 - 1, T0)
    cases.end_poll(ONE, T0)
    assert ONE in cases.schedule
    cases.closed(other.condition_id, T0 - 1, T0)
    cases.end_poll(ONE, T0)
    assert ONE not in cases.schedule
    cases.end_poll(other.condition_id, T0)
    assert other.condition_id in cases.schedule


def test_evidence_that_is_read_again_does_not_begin_the_hold_again() -> None:
    """The passes through the unresolved markets bring it once an hour."""
    cases = case_book()
    agreed(cases, T0)
    stored = StoredEvidence(contradicted=(ONE,))
    cases.restore(stored, T0 + HOLD_MS - 1)
    at_ms = T0 + HOLD_MS
    cases.observe(seen(Source.GAMMA, "1", at_ms), MARKET, at_ms)
    assert cases.observe(seen(Source.DATA, "1", at_ms), MARKET, at_ms).resolution is not None
