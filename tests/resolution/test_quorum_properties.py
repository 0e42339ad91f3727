"""Promise: whatever one source reports, in whatever order, no wrong outcome is decided."""

import json
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.model.market import Observation, Resolution, Source
from actors.polymarket import gamma
from actors.resolution.cases import CaseBook
from actors.resolution.evidence import Evidence
from actors.resolution.quorum import Conflict, Decision, NotYet, Split, Winner, decide
from tests.resolution.recorded_answers import (
    AT_MS,
    CONDITION,
    MARKET,
    Payouts,
    changed,
    evidence_of,
    pays,
    seen,
    state,
)

HOLD = 120
NO_STATUS = "closed at 1/0, no status, still accepting orders"
REPORTS: tuple[Payouts | None, ...] = (None, pays("1", "0"), pays("0", "1"), pays("0.5", "0.5"))
TRUTHS = st.sampled_from(REPORTS[1:])
SOURCES = st.sampled_from(list(Source))
TIMES = st.integers(0, 6 * HOLD)
ROUNDS = st.integers(0, 6).map(lambda number: number * HOLD)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Payouts, list[Observation]]:
    """Return a true outcome and observations: one source reports anything, the others the truth.

    A source that lags reports that it is not final; one that serves stale pages
    does so again after it was final.
    """
    truth = draw(TRUTHS)
    assert truth is not None
    liar = draw(SOURCES)
    observations = []
    for at_ms, source in draw(st.lists(st.tuples(TIMES, SOURCES), max_size=40)):
        payouts = draw(st.sampled_from(REPORTS if source is liar else (None, truth)))
        reason = draw(st.sampled_from(("open", "proposed")))
        observations.append(seen(source, at_ms, payouts, reason))
    return truth, observations


def as_they_arrive(observations: Iterable[Observation]) -> Evidence:
    """Return the evidence after these observations, added in the order in which they are given."""
    evidence = Evidence(condition_id=CONDITION)
    for observation in observations:
        evidence = evidence.add(observation)
    return evidence


def outcome(decision: Decision) -> frozenset[object] | None:
    """Return (token, payout) pairs of a decision, or None where it has no outcome."""
    if isinstance(decision, NotYet | Conflict):
        return None
    return frozenset(zip(MARKET.token_ids, decision.payouts, strict=True))


@given(histories(), TIMES)
@settings(max_examples=200)
def test_a_wrong_outcome_is_never_reached_while_one_source_lies_or_lags(
    history: tuple[Payouts, list[Observation]], now_ms: int
) -> None:
    truth, observations = history
    for evidence in (evidence_of(observations), as_they_arrive(observations)):
        found = outcome(decide(evidence, MARKET, now_ms=now_ms, hold_ms=HOLD))
        assert found in (None, frozenset(truth))


@given(histories())
@settings(max_examples=150)
def test_a_wrong_outcome_is_never_recorded_at_any_moment_of_a_history(
    history: tuple[Payouts, list[Observation]],
) -> None:
    truth, observations = history
    cases = CaseBook(poll_s=0.06, hold_s=HOLD / 1000)
    cases.add([MARKET], 0)
    recorded: list[Resolution] = []
    for observation in sorted(observations, key=lambda each: each.observed_at_ms):
        findings = cases.observe(observation, MARKET, observation.observed_at_ms)
        recorded += [findings.resolution] if findings.resolution else []
    assert len(recorded) <= 1
    shares = dict(truth)
    expected = tuple(shares[token] for token in MARKET.token_ids)
    assert [each.payouts for each in recorded] in ([], [expected])


@given(
    st.lists(
        st.builds(seen, SOURCES, ROUNDS, st.sampled_from(REPORTS)),
        max_size=24,
        unique_by=lambda each: (each.source, each.observed_at_ms),
    ),
    st.randoms(use_true_random=False),
    ROUNDS,
)
@settings(max_examples=150)
def test_the_order_in_which_the_sources_answer_in_a_round_does_not_change_the_decision(
    observations: list[Observation], rng: object, now_ms: int
) -> None:
    mixed = list(observations)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    one = decide(evidence_of(observations), MARKET, now_ms=now_ms, hold_ms=HOLD)
    other = decide(evidence_of(mixed), MARKET, now_ms=now_ms, hold_ms=HOLD)
    assert one == other


@given(st.lists(st.builds(seen, SOURCES, TIMES, st.sampled_from(REPORTS)), max_size=30))
@settings(max_examples=150)
def test_the_rule_decides_whatever_was_observed(observations: list[Observation]) -> None:
    found = decide(evidence_of(observations), MARKET, now_ms=6 * HOLD, hold_ms=HOLD)
    assert isinstance(found, Winner | Split | NotYet | Conflict)
    if isinstance(found, Winner | Split):
        final = {each.source for each in observations if each.payouts is not None}
        assert len(set(found.sources) & final) >= 2


@given(
    st.sampled_from(["active", "proposed, open at 1/0", NO_STATUS]),
    st.lists(st.sampled_from(["0", "1", "0.5", "0.9995", "0.0005", "0.999", "1.0"]), max_size=3),
    st.sampled_from(
        [None, "proposed", "disputed", "requested", "settled", "Resolved", "resolved "]
    ),
    st.booleans(),
)
def test_no_price_alone_ever_is_final(
    base: str, prices: list[str], status: str | None, closed: bool
) -> None:
    raw = changed(
        state("gamma_states", base),
        outcomePrices=json.dumps(prices),
        umaResolutionStatus=status,
        closed=closed,
    )
    assert gamma.observe(raw, MARKET, AT_MS).payouts is None


@given(
    st.lists(st.tuples(TIMES, st.sampled_from(REPORTS)), min_size=1, max_size=12),
    st.integers(0, 11),
)
def test_stored_evidence_never_makes_a_run_longer_than_it_was(
    reports: list[tuple[int, Payouts | None]], cut: int
) -> None:
    """A process that continues from the last stored change knows no more than one that ran on."""
    observations = sorted(
        (seen(Source.GAMMA, at_ms, payouts) for at_ms, payouts in reports),
        key=lambda each: each.observed_at_ms,
    )
    cut %= len(observations)
    whole = restarted = Evidence(condition_id=CONDITION)
    changes: list[Observation] = []
    for observation in observations[:cut]:
        known = whole.statements[0].payouts if whole.statements else "nothing"
        whole = whole.add(observation)
        if whole.statements[0].payouts != known:
            changes.append(observation)
    if changes:
        restarted = restarted.add_stored(changes[-1])
    for observation in observations[cut:]:
        whole, restarted = whole.add(observation), restarted.add(observation)
    assert restarted.statements[0].payouts == whole.statements[0].payouts
    assert restarted.statements[0].since_ms >= whole.statements[0].since_ms


@given(histories(), TIMES)
@settings(max_examples=100)
def test_less_evidence_never_brings_another_outcome(
    history: tuple[Payouts, list[Observation]], cut_ms: int
) -> None:
    _, observations = history
    whole = evidence_of(observations)
    part = evidence_of(each for each in observations if each.observed_at_ms >= cut_ms)
    decisions = [decide(each, MARKET, now_ms=6 * HOLD, hold_ms=HOLD) for each in (whole, part)]
    assert len({outcome(each) for each in decisions} - {None}) <= 1
