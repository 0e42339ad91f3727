"""Promise: a contradiction is opened once, and ends when the sources contradict no more."""

from actors.model.market import (
    ContradictionKind,
    MarketState,
    Recheck,
    Resolution,
    Source,
)
from actors.resolution.cases import AGREE_AGAIN, CaseBook
from actors.resolution.evidence_book import Findings
from tests.resolution.recorded_answers import CONDITION, MARKET, NO, YES, Payouts, pays, seen

GAMMA, CLOB, DATA, CHAIN = Source.GAMMA, Source.CLOB, Source.DATA, Source.CHAIN
Y, N = pays("1", "0"), pays("0", "1")
HOLD_S = 120
HOLD_MS = HOLD_S * 1000
OUTCOME = ContradictionKind.OUTCOME


def case_book() -> CaseBook:
    cases = CaseBook(poll_s=60, hold_s=HOLD_S)
    cases.add([MARKET], 0)
    return cases


def report(cases: CaseBook, source: Source, payouts: Payouts | None, at_ms: int) -> Findings:
    return cases.observe(seen(source, at_ms, payouts), MARKET, at_ms)


def recorded() -> CaseBook:
    """Return a book in which YES is recorded by Gamma and the Data API."""
    cases = case_book()
    for at_ms in (0, HOLD_MS):
        report(cases, GAMMA, Y, at_ms)
        findings = report(cases, DATA, Y, at_ms)
    assert findings.resolution is not None
    return cases


def test_one_lie_is_one_contradiction_whichever_sources_repeat_it() -> None:
    cases = case_book()
    opened = [
        found
        for source, payouts in ((CLOB, Y), (GAMMA, N), (DATA, Y), (CHAIN, Y), (GAMMA, N))
        for found in report(cases, source, payouts, 1).contradictions
    ]
    assert [(each.source, each.recorded, each.observed) for each in opened] == [
        (GAMMA, f"winner {YES}", f"winner {NO}")
    ]


def test_what_is_open_is_counted_by_the_source_whose_answer_shows_it() -> None:
    cases = case_book()
    assert cases.conflicts.by_source() == ()
    report(cases, CLOB, Y, 1)
    report(cases, GAMMA, N, 1)
    assert cases.conflicts.by_source() == (("gamma", 1),)
    for at_ms in (2, 2 + HOLD_MS):
        report(cases, GAMMA, Y, at_ms)
        report(cases, DATA, Y, at_ms)
    assert cases.conflicts.by_source() == ()


def test_three_outcomes_are_a_contradiction_for_each_two() -> None:
    cases = case_book()
    report(cases, CLOB, Y, 1)
    report(cases, GAMMA, N, 1)
    found = report(cases, DATA, pays("0.5", "0.5"), 1).contradictions
    assert {each.recorded for each in found} == {f"winner {YES}", f"winner {NO}"}


def test_it_is_cleared_when_the_sources_have_not_contradicted_each_other_for_the_hold() -> None:
    cases = case_book()
    report(cases, CLOB, Y, 0)
    report(cases, GAMMA, N, 1_000)
    assert report(cases, GAMMA, None, 11_000).clearances == ()
    assert report(cases, GAMMA, None, 11_000 + HOLD_MS - 1).clearances == ()
    (cleared,) = report(cases, GAMMA, None, 11_000 + HOLD_MS).clearances
    assert (cleared.condition_id, cleared.kind, cleared.reason) == (CONDITION, OUTCOME, AGREE_AGAIN)
    assert report(cases, GAMMA, Y, 11_001 + HOLD_MS).clearances == ()
    assert len(report(cases, GAMMA, N, 11_002 + HOLD_MS).contradictions) == 1


def test_a_recorded_resolution_is_contradicted_until_its_source_agrees_again() -> None:
    cases = recorded()
    findings = report(cases, CLOB, N, HOLD_MS + 1)
    assert [each.recorded for each in findings.contradictions] == [f"winner {YES}"]
    assert findings.transition is not None
    assert findings.transition.after is MarketState.CONFLICT
    assert report(cases, CHAIN, N, HOLD_MS + 2).contradictions == ()
    assert report(cases, CLOB, Y, HOLD_MS + 3).clearances == ()
    findings = report(cases, CHAIN, Y, HOLD_MS + 4)
    assert [each.kind for each in findings.clearances] == [OUTCOME]
    assert findings.transition is not None
    assert findings.transition.after is MarketState.RECORDED


def test_a_contradicted_resolution_is_polled_until_that_ends() -> None:
    cases = recorded()
    report(cases, CLOB, N, HOLD_MS + 1)
    now_ms = 8 * 86_400_000
    for _ in range(3):
        cases.schedule.make_due(CONDITION, now_ms)
        assert [each.condition_id for each in cases.take_due(now_ms)] == [CONDITION]
        cases.end_poll(CONDITION, now_ms)
        assert cases.schedule.has_due(now_ms + 3_600_000)
        now_ms += 86_400_000
    assert cases.may_ask_clob(CONDITION, now_ms)


def test_a_contradiction_that_the_database_has_is_not_opened_again_and_can_be_cleared() -> None:
    cases = CaseBook(poll_s=60, hold_s=HOLD_S)
    resolution = Resolution(
        condition_id=CONDITION,
        kind="winner",
        winning_token_id=YES,
        winning_outcome="Yes",
        payouts=tuple(share for _, share in Y),
        resolved_at_ms=0,
        sources=(DATA, GAMMA),
    )
    recheck = Recheck(
        resolution=resolution,
        market=MARKET,
        recorded_at_ms=0,
        due_at_ms=10,
        contradicted_by=((CLOB, f"winner {NO}"),),
    )
    cases.restore_rechecks([recheck], 10)
    cases.conflicts.restore_open(before=[], now=[(CONDITION, OUTCOME)])
    assert report(cases, CLOB, N, 20).contradictions == ()
    assert report(cases, GAMMA, Y, 20).clearances == ()
    assert len(report(cases, CLOB, Y, 30).clearances) == 1


def test_a_source_that_comes_later_confirms_the_resolution() -> None:
    cases = recorded()
    found = report(cases, CHAIN, Y, HOLD_MS + 1).confirmation
    assert found is not None
    assert (found.source, found.confirmed_at_ms) == (CHAIN, HOLD_MS + 1)
    assert report(cases, CHAIN, Y, HOLD_MS + 2).confirmation is None
    assert report(cases, GAMMA, Y, HOLD_MS + 2).confirmation is None


def test_what_was_acknowledged_asks_for_attention_no_more() -> None:
    cases = case_book()
    report(cases, CLOB, Y, 0)
    report(cases, GAMMA, N, 1)
    assert cases.conflicts.is_open(CONDITION, OUTCOME)
    cases.conflicts.restore_open(before=[], now=[(CONDITION, OUTCOME)])
    cases.conflicts.restore_open(before=[(CONDITION, OUTCOME)], now=[])
    assert not cases.conflicts.is_open(CONDITION, OUTCOME)
    assert len(cases.conflicts) == 0
    assert report(cases, GAMMA, N, 2).contradictions == ()  # the same is known
    assert len(report(cases, GAMMA, pays("0.5", "0.5"), 3).contradictions) == 1
    assert len(cases.conflicts) == 1
