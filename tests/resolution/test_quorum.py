"""Promise: an outcome is right or absent: one source that lies or lags never causes a wrong one."""

from decimal import Decimal

import msgspec
import pytest

from actors.model.market import Asset, Market, Observation, Source, is_outcome
from actors.model.trade import ConditionId, TokenId
from actors.resolution.evidence import Evidence
from actors.resolution.quorum import (
    DEPENDENT,
    HOLDING,
    Conflict,
    Decision,
    NotYet,
    Split,
    Winner,
    contradiction_of,
    decide,
    resolution_of,
)
from tests.resolution.recorded_answers import (
    CONDITION,
    MARKET,
    NO,
    YES,
    Payouts,
    evidence_of,
    pays,
    seen,
)

GAMMA, CLOB, DATA, CHAIN = Source.GAMMA, Source.CLOB, Source.DATA, Source.CHAIN
HOLD = 120
NOTHING_TOLD = Evidence(condition_id=CONDITION)
Y, N, HALVES = pays("1", "0"), pays("0", "1"), pays("0.5", "0.5")


def rule(*observations: Observation, now_ms: int = 10**6, hold_ms: int = HOLD) -> Decision:
    return decide(evidence_of(observations), MARKET, now_ms=now_ms, hold_ms=hold_ms)


def twice(payouts: Payouts, *sources: Source, at: int = 0) -> list[Observation]:
    """Return observations of these sources at a time, and again when the hold is over."""
    return [seen(each, at + dt, payouts) for dt in (0, HOLD) for each in sources]


def test_two_sources_that_agree_through_the_hold_make_a_winner() -> None:
    assert rule(*twice(N, GAMMA, DATA, at=7)) == Winner(
        token_id=NO,
        outcome=None,  # no two sources told its name
        payouts=(Decimal(0), Decimal(1)),
        sources=(DATA, GAMMA),
        since_ms=7,
    )


def test_two_sources_that_agree_on_halves_make_a_split() -> None:
    half = Decimal("0.5")
    assert rule(*twice(HALVES, CHAIN, CLOB)) == Split(
        payouts=(half, half), sources=(CHAIN, CLOB), since_ms=0
    )


@pytest.mark.parametrize("source", list(Source))
def test_one_source_is_never_enough_not_even_the_chain(source: Source) -> None:
    assert rule(*twice(Y, source)) == NotYet(reason=f"only {source} is final")


def test_the_same_source_twice_is_one_source() -> None:
    assert rule(*twice(Y, GAMMA), *twice(Y, GAMMA, at=1)) == NotYet(reason="only gamma is final")


def test_before_the_hold_ends_there_is_no_outcome() -> None:
    observations = [seen(GAMMA, 10, Y), seen(DATA, 50, Y), seen(GAMMA, 169, Y), seen(DATA, 169, Y)]
    assert rule(*observations, now_ms=169) == NotYet(reason="on hold", poll_at_ms=170)


def test_the_hold_counts_from_the_second_source() -> None:
    observations = [seen(GAMMA, 10, Y), seen(DATA, 50, Y), seen(GAMMA, 170, Y), seen(DATA, 170, Y)]
    found = rule(*observations, now_ms=170)
    assert isinstance(found, Winner)
    assert found.since_ms == 50


def test_time_alone_does_not_confirm_what_was_not_asked_again() -> None:
    observations = [seen(GAMMA, 0, Y), seen(DATA, 0, Y)]
    assert rule(*observations) == NotYet(reason="to be confirmed", poll_at_ms=HOLD)
    assert rule(*observations, seen(GAMMA, HOLD, Y)) == NotYet(
        reason="to be confirmed", poll_at_ms=HOLD
    )
    assert isinstance(rule(*observations, seen(GAMMA, HOLD, Y), seen(DATA, HOLD, Y)), Winner)


def test_a_third_source_that_is_late_neither_delays_nor_has_to_agree_first() -> None:
    observations = [*twice(Y, GAMMA, DATA), seen(CLOB, 119, Y)]
    found = rule(*observations, now_ms=HOLD)
    assert isinstance(found, Winner)
    assert found.sources == (CLOB, DATA, GAMMA)


@pytest.mark.parametrize("late_reason", ["open", "proposed", "disputed"])
def test_a_source_that_is_not_final_contradicts_nobody(late_reason: str) -> None:
    observations = [*twice(Y, CLOB, DATA), seen(GAMMA, HOLD, None, late_reason)]
    assert isinstance(rule(*observations), Winner)


def test_a_break_in_a_run_starts_the_hold_again() -> None:
    observations = [*twice(Y, GAMMA, DATA), seen(GAMMA, 60, None, "disputed")]
    assert rule(*observations, now_ms=HOLD) == NotYet(reason="on hold", poll_at_ms=2 * HOLD)


def test_an_outcome_that_flips_and_comes_back_starts_the_hold_again() -> None:
    observations = [*twice(Y, GAMMA, DATA), seen(GAMMA, 60, N)]
    assert rule(*observations, now_ms=HOLD) == NotYet(reason="on hold", poll_at_ms=2 * HOLD)


def test_a_source_that_withdraws_its_outcome_leaves_the_other_alone() -> None:
    observations = [*twice(Y, GAMMA, DATA), seen(GAMMA, 130, None, "open")]
    assert rule(*observations) == NotYet(reason="only data is final")


def test_two_sources_against_one_are_a_conflict() -> None:
    found = rule(*twice(Y, GAMMA, DATA), seen(CLOB, 0, N))
    assert isinstance(found, Conflict)
    assert f"clob says winner {NO}" in found.reason
    assert f"gamma says winner {YES}" in found.reason


def test_a_split_against_a_winner_is_a_conflict() -> None:
    assert isinstance(rule(*twice(HALVES, DATA), *twice(Y, GAMMA)), Conflict)


def test_after_a_contradiction_the_hold_starts_again() -> None:
    observations = [*twice(Y, GAMMA, DATA), seen(CLOB, 30, N), seen(CLOB, 100, None, "open")]
    assert rule(*observations, now_ms=HOLD) == NotYet(reason="on hold", poll_at_ms=100 + HOLD)


def test_a_contradiction_lasts_until_its_end_is_observed() -> None:
    observations = [*twice(Y, GAMMA, DATA), seen(CLOB, 0, N), seen(CLOB, HOLD, Y)]
    assert rule(*observations, now_ms=HOLD) == NotYet(reason="on hold", poll_at_ms=2 * HOLD)


def test_a_statement_from_before_a_contradiction_is_confirmed_after_its_hold() -> None:
    observations = [*twice(Y, GAMMA, DATA), seen(CLOB, 30, N), seen(CLOB, 31, None, "open")]
    assert rule(*observations, now_ms=151) == NotYet(reason="to be confirmed", poll_at_ms=151)
    again = [seen(GAMMA, 151, Y), seen(DATA, 151, Y)]
    assert isinstance(rule(*observations, *again, now_ms=151), Winner)


def test_of_two_observations_in_one_millisecond_the_one_that_is_not_final_breaks_the_run() -> None:
    observations = [*twice(Y, DATA), seen(GAMMA, 0, Y)]
    both = [seen(GAMMA, HOLD, Y), seen(GAMMA, HOLD, None, "disputed")]
    assert rule(*observations, *both) == NotYet(reason="only data is final")
    assert rule(*observations, *both[::-1]) == NotYet(reason="to be confirmed", poll_at_ms=2 * HOLD)


def test_payouts_are_assigned_by_token_id_whatever_the_order() -> None:
    observations = [seen(GAMMA, t, N) for t in (0, HOLD)] + [
        seen(DATA, t, N[::-1]) for t in (0, HOLD)
    ]
    found = rule(*observations)
    assert isinstance(found, Winner)
    assert found.token_id == NO


@pytest.mark.parametrize(
    "payouts",
    [
        pays("1", "1"),
        pays("0", "0"),
        pays("0.999", "0.001"),
        pays("0.584", "0.416"),
        ((YES, Decimal(1)),),
        (*Y, (TokenId("5"), Decimal(0))),
        ((YES, Decimal(1)), (TokenId("5"), Decimal(0))),
        ((YES, Decimal(1)), (YES, Decimal(0))),
    ],
)
def test_payouts_that_are_no_outcome_of_these_tokens_decide_nothing(payouts: Payouts) -> None:
    assert rule(*twice(payouts, GAMMA, DATA)) == NotYet(reason="unusual payouts")


def test_only_markets_of_two_different_tokens_get_an_outcome() -> None:
    extra = Asset(token_id=TokenId("5"), outcome="Maybe", outcome_index=2)
    same = (MARKET.assets[0], msgspec.structs.replace(MARKET.assets[0], outcome_index=1))
    for assets in ((), MARKET.assets[:1], (*MARKET.assets, extra), same):
        market = Market(condition_id=CONDITION, question="", slug="", assets=assets)
        evidence = evidence_of(twice(Y, GAMMA, DATA))
        found = decide(evidence, market, now_ms=10**6, hold_ms=HOLD)
        assert found == NotYet(reason="not two tokens")


def test_observations_of_another_market_count_for_nothing() -> None:
    other = msgspec.structs.replace(MARKET, condition_id=ConditionId("0x" + "ab" * 32))
    evidence = evidence_of(twice(Y, GAMMA, DATA), other.condition_id)
    found = decide(evidence, other, now_ms=10**6, hold_ms=HOLD)
    assert found == NotYet(reason="not asked")
    evidence = evidence_of(twice(Y, GAMMA, DATA))
    found = decide(evidence, other, now_ms=10**6, hold_ms=HOLD)
    assert found == NotYet(reason="another market")


def test_the_reason_is_gammas_before_the_others() -> None:
    assert rule() == NotYet(reason="not asked")
    assert rule(seen(CLOB, 0, None, "no winner flag")) == NotYet(reason="no winner flag")
    observations = [seen(CLOB, 0, None, "no winner flag"), seen(GAMMA, 0, None, "disputed")]
    assert rule(*observations) == NotYet(reason="disputed")


def test_a_source_that_stopped_answering_is_replaced_by_one_that_stood_as_long() -> None:
    observations = [
        seen(GAMMA, 0, Y),
        *twice(Y, DATA, at=10),
        seen(CLOB, 125, Y),
        seen(CLOB, 130, Y),
    ]
    assert rule(*observations, now_ms=130) == NotYet(reason="to be confirmed", poll_at_ms=130)
    found = rule(*observations, seen(CLOB, 245, Y), now_ms=245)
    assert isinstance(found, Winner)
    assert found.sources == (CLOB, DATA, GAMMA)


def test_without_hold_two_observations_are_enough() -> None:
    assert isinstance(rule(seen(GAMMA, 5, Y), seen(DATA, 6, Y), hold_ms=0, now_ms=6), Winner)


def test_a_decision_becomes_the_resolution_to_record() -> None:
    won = rule(*twice(N, GAMMA, DATA, at=7))
    assert isinstance(won, Winner)
    recorded = resolution_of(won, MARKET, NOTHING_TOLD, resolved_at_ms=5)
    assert (recorded.kind, recorded.winning_token_id, recorded.winning_outcome) == (
        "winner",
        NO,
        None,
    )
    assert (recorded.payouts, recorded.resolved_at_ms) == ((Decimal(0), Decimal(1)), 5)
    half = rule(*twice(HALVES, GAMMA, DATA, at=7))
    assert isinstance(half, Split)
    void = resolution_of(half, MARKET, NOTHING_TOLD)
    assert (void.kind, void.winning_token_id, void.winning_outcome) == ("split", None, None)
    assert (void.resolved_at_ms, void.sources) == (7, (DATA, GAMMA))


def test_only_a_final_observation_that_differs_contradicts_what_is_recorded() -> None:
    won = rule(*twice(Y, GAMMA, DATA))
    assert isinstance(won, Winner)
    recorded = resolution_of(won, MARKET, NOTHING_TOLD)
    assert contradiction_of(recorded, seen(CLOB, 9, Y[::-1])) is None
    assert contradiction_of(recorded, seen(CLOB, 9, None, "disputed")) is None
    found = contradiction_of(recorded, seen(CLOB, 9, N))
    assert found is not None
    assert (found.recorded, found.observed) == (f"winner {YES}", f"winner {NO}")
    assert (found.source, found.detected_at_ms, found.condition_id) == (CLOB, 9, CONDITION)
    split = contradiction_of(recorded, seen(CHAIN, 9, HALVES))
    assert split is not None
    assert split.observed == "split"
    elsewhere = msgspec.structs.replace(
        seen(CLOB, 9, N), condition_id=ConditionId("0x" + "ab" * 32)
    )
    assert contradiction_of(recorded, elsewhere) is None
    odd = contradiction_of(recorded, seen(CHAIN, 9, pays("0.3", "0.7")))
    assert odd is not None
    assert "pays 0.7" in odd.observed


def test_a_recorded_split_is_contradicted_by_a_winner_only() -> None:
    half = rule(*twice(HALVES, GAMMA, DATA))
    assert isinstance(half, Split)
    assert (
        contradiction_of(resolution_of(half, MARKET, NOTHING_TOLD), seen(CHAIN, 9, HALVES)) is None
    )
    assert (
        contradiction_of(resolution_of(half, MARKET, NOTHING_TOLD), seen(CHAIN, 9, Y)) is not None
    )


def test_an_outcome_is_a_winner_or_a_split() -> None:
    one, half = Decimal(1), Decimal("0.5")
    assert is_outcome((one, 0 * one))
    assert is_outcome([half, half])
    assert not is_outcome((one,))
    assert not is_outcome((one, one))
    assert not is_outcome(())
    assert not is_outcome((half, half, 0 * one))


def mapped(observations: list[Observation], *by: Source) -> list[Observation]:
    """Return the observations as resting on what these say of the tokens."""
    return [msgspec.structs.replace(each, mapped_by=by) for each in observations]


def test_a_source_that_takes_the_word_of_another_does_not_confirm_it() -> None:
    dependent = mapped(twice(Y, DATA), GAMMA)
    assert rule(*twice(Y, GAMMA), *dependent) == NotYet(reason=DEPENDENT)
    by_both = rule(*dependent, *mapped(twice(Y, CHAIN), GAMMA))
    assert by_both == NotYet(reason=DEPENDENT)
    found = rule(*dependent, *twice(Y, CLOB))
    assert isinstance(found, Winner)
    assert found.sources == (CLOB, DATA)
    assert isinstance(rule(*twice(Y, GAMMA), *dependent, *twice(Y, CLOB)), Winner)


def test_a_dependent_source_that_contradicts_is_a_conflict() -> None:
    assert isinstance(rule(*twice(Y, GAMMA, CLOB), *mapped(twice(N, DATA), GAMMA)), Conflict)


def test_the_hold_begins_when_two_independent_sources_agree() -> None:
    early = [*twice(Y, GAMMA, at=0), *mapped(twice(Y, DATA, at=0), GAMMA)]
    late = twice(Y, CLOB, at=50)
    found = rule(*early, seen(GAMMA, 50 + HOLD, Y), *late)
    assert isinstance(found, Winner)
    assert found.since_ms == 50
    on_hold = rule(*early, seen(CLOB, 50, Y), now_ms=60)
    assert on_hold == NotYet(reason=HOLDING, poll_at_ms=50 + HOLD)


def test_an_answer_out_of_a_cache_ends_no_hold_and_overrides_nothing() -> None:
    first = [*twice(Y, GAMMA), seen(DATA, 0, Y)]
    cached = msgspec.structs.replace(seen(DATA, HOLD, Y), generated_at_ms=HOLD - 1)
    assert isinstance(rule(*first, cached), NotYet)
    fresh = msgspec.structs.replace(seen(DATA, HOLD + 5, Y), generated_at_ms=HOLD)
    assert isinstance(rule(*first, fresh), Winner)
    # What it said before comes once more: the newer answer counts, and the run is broken.
    old = msgspec.structs.replace(seen(DATA, HOLD + 6, None), generated_at_ms=HOLD - 2)
    evidence = evidence_of([*first, fresh, old])
    statement = evidence.statement(DATA)
    assert statement is not None
    assert statement.payouts is not None
    assert statement.since_ms == HOLD
