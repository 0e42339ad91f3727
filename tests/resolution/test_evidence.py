"""Promise: the statements decide as the history does; one wrong source decides nothing."""

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from actors.model.market import Observation, Source
from actors.model.trade import ConditionId
from actors.resolution.evidence import Evidence
from actors.resolution.quorum import Conflict, Decision, NotYet, Split, Winner, decide
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

HOLD = 120
Y, N, HALVES = pays("1", "0"), pays("0", "1"), pays("0.5", "0.5")
GAMMA = Source.GAMMA


def rule(*observations: Observation, now_ms: int) -> Decision:
    return decide(evidence_of(observations), MARKET, now_ms=now_ms, hold_ms=HOLD)


def runs(evidence: Evidence) -> list[tuple[int, int]]:
    return [(each.since_ms, each.last_ms) for each in evidence.statements]


def test_a_late_observation_breaks_a_run_but_never_lengthens_one() -> None:
    evidence = Evidence(condition_id=CONDITION)
    for at_ms, payouts in ((50, Y), (90, Y), (10, Y), (5, N)):
        evidence = evidence.add(seen(GAMMA, at_ms, payouts))
    assert runs(evidence) == [(50, 90)]
    evidence = evidence.add(seen(GAMMA, 70, None, "disputed"))
    assert runs(evidence) == [(90, 90)]


def test_a_stored_observation_lengthens_the_run_of_the_same_payouts_only() -> None:
    evidence = Evidence(condition_id=CONDITION).add_stored(seen(GAMMA, 50, Y))
    assert runs(evidence) == [(50, 50)]
    evidence = evidence.add(seen(GAMMA, 90, Y)).add_stored(seen(GAMMA, 20, Y))
    assert runs(evidence) == [(20, 90)]
    assert evidence.add_stored(seen(GAMMA, 10, N)) == evidence
    assert evidence.add_stored(seen(GAMMA, 60, Y)) == evidence
    other = Evidence(condition_id=ConditionId("0x" + "ab" * 32))
    assert other.add_stored(seen(GAMMA, 20, Y)) == other


SOURCES = st.sampled_from(list(Source))
TIMES = st.integers(0, 400)
REPORTS = st.sampled_from([Y, N, HALVES, pays("0.999", "0.001"), None])
HISTORIES = st.lists(
    st.builds(seen, SOURCES, TIMES, REPORTS),
    max_size=7,
    unique_by=lambda each: (each.source, each.observed_at_ms),
)


@given(HISTORIES.flatmap(lambda each: st.tuples(st.just(each), st.permutations(each))))
def test_the_order_of_arrival_changes_no_outcome_and_makes_no_run_longer(
    both: tuple[list[Observation], list[Observation]],
) -> None:
    in_time, shuffled = evidence_of(both[0]), Evidence(condition_id=CONDITION)
    for observation in both[1]:
        shuffled = shuffled.add(observation)
    for one, other in zip(in_time.statements, shuffled.statements, strict=True):
        assert (one.source, one.payouts, one.last_ms) == (
            other.source,
            other.payouts,
            other.last_ms,
        )
        assert one.since_ms <= other.since_ms


LIES = st.lists(st.tuples(TIMES, st.sampled_from([N, HALVES, None])), max_size=6)
STEADY_LIES = st.builds(
    lambda payouts, times: [(at, payouts) for at in times],
    st.sampled_from([N, HALVES]),
    st.lists(TIMES, min_size=2, max_size=6),
)


@given(
    honest=st.lists(st.tuples(SOURCES, TIMES, st.booleans()), max_size=12),
    liar=SOURCES,
    lies=LIES | STEADY_LIES,
    now_ms=st.integers(0, 600),
)
@example(honest=[], liar=Source.GAMMA, lies=[(0, N), (HOLD, N), (2 * HOLD, N)], now_ms=3 * HOLD)
@example(
    honest=[(Source.CLOB, 0, False)], liar=Source.DATA, lies=[(0, N), (HOLD, N)], now_ms=2 * HOLD
)
@example(honest=[], liar=Source.CHAIN, lies=[(0, HALVES), (HOLD, HALVES)], now_ms=2 * HOLD)
def test_one_source_that_lies_or_lags_never_causes_a_wrong_outcome(
    honest: list[tuple[Source, int, bool]],
    liar: Source,
    lies: list[tuple[int, Payouts | None]],
    now_ms: int,
) -> None:
    observations = [seen(who, at, Y if final else None) for who, at, final in honest if who != liar]
    observations += [seen(liar, at, lie) for at, lie in lies]
    for steps in (observations, [*observations, *reversed(observations)]):
        found = rule(*steps, now_ms=now_ms)
        assert not isinstance(found, Split)
        assert not isinstance(found, Winner) or found.token_id == YES


@given(HISTORIES, st.integers(0, 600))
def test_every_outcome_rests_on_two_statements_that_stood_and_no_final_one_contradicts(
    observations: list[Observation], now_ms: int
) -> None:
    found = rule(*observations, now_ms=now_ms)
    if isinstance(found, NotYet | Conflict):
        return
    agreed = tuple(zip((YES, NO), found.payouts, strict=True))
    latest = {source: _latest_run(source, observations) for source in Source}
    final = {source: run for source, run in latest.items() if run and is_final(run[-1].payouts)}
    assert {run[-1].payouts for run in final.values()} == {agreed}
    assert tuple(sorted(final)) == found.sources
    spans = [run[-1].observed_at_ms - run[0].observed_at_ms for run in final.values()]
    assert sum(span >= HOLD for span in spans) >= 2


def is_final(payouts: Payouts | None) -> bool:
    return payouts in (Y, N, HALVES)


def _latest_run(source: Source, observations: list[Observation]) -> list[Observation]:
    """Return the latest observations of a source that report the same, oldest first."""
    latest_first = sorted(
        (each for each in observations if each.source == source),
        key=lambda each: each.observed_at_ms,
        reverse=True,
    )
    same = itertools.takewhile(lambda each: each.payouts == latest_first[0].payouts, latest_first)
    return list(same)[::-1]
