"""Promise: whatever one source says, in whatever order, no wrong winner comes of it."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.model.outcome import Observation, Resolution, Source
from actors.polymarket import gamma
from actors.resolution.cases import CaseBook
from actors.resolution.quorum import Conflict, Decision, NotYet, Split, Winner, decide, judge
from actors.resolution.quorum import SourceRecord as Heard
from tests.resolution.recorded_answers import (
    AT_MS,
    CONDITION,
    MARKET,
    Payouts,
    changed,
    pays,
    says,
    state,
)

HOLD = 120
NO_STATUS = "closed at 1/0, no status, still accepting orders"
WORDS: tuple[Payouts | None, ...] = (None, pays("1", "0"), pays("0", "1"), pays("0.5", "0.5"))
TRUTHS = st.sampled_from(WORDS[1:])
SOURCES = st.sampled_from(list(Source))
TIMES = st.integers(0, 6 * HOLD)
Moment = tuple[int, Source]


@st.composite
def histories(draw: st.DrawFn) -> tuple[Payouts, list[Observation]]:
    """Return a truth and what is heard: one source says anything, the others it, or nothing yet.

    A source that lags says that it is not final; one that tells stale pages
    says so again after it was final.
    """
    truth = draw(TRUTHS)
    assert truth is not None
    liar = draw(SOURCES)
    said = []
    for at_ms, source in draw(st.lists(st.tuples(TIMES, SOURCES), max_size=40)):
        words = WORDS if source is liar else (None, truth)
        word = draw(st.sampled_from(words))
        said.append(says(source, at_ms, word, draw(st.sampled_from(("open", "proposed")))))
    return truth, said


def outcome(verdict: Decision) -> frozenset[object] | None:
    """Return (token, payout) pairs of a verdict, or None where there is none."""
    if isinstance(verdict, NotYet | Conflict):
        return None
    return frozenset(zip(MARKET.token_ids, verdict.payouts, strict=True))


@given(histories(), TIMES)
@settings(max_examples=200)
def test_a_wrong_outcome_is_never_reached_while_one_source_lies_or_lags(
    history: tuple[Payouts, list[Observation]], now_ms: int
) -> None:
    truth, said = history
    found = outcome(decide(said, MARKET, now_ms=now_ms, hold_ms=HOLD))
    assert found in (None, frozenset(truth))


@given(histories())
@settings(max_examples=150)
def test_a_wrong_outcome_is_never_recorded_at_any_moment_of_a_history(
    history: tuple[Payouts, list[Observation]],
) -> None:
    truth, said = history
    cases = CaseBook(poll_s=0.06, hold_s=HOLD / 1000)
    cases.admit([MARKET], 0)
    recorded: list[Resolution] = []
    for word in sorted(said, key=lambda each: each.observed_at_ms):
        heard = cases.hear(word, MARKET, word.observed_at_ms)
        recorded += [heard.resolution] if heard.resolution else []
    assert len(recorded) <= 1
    shares = dict(truth)
    expected = tuple(shares[token] for token in MARKET.token_ids)
    assert [each.payouts for each in recorded] in ([], [expected])


@given(histories(), st.randoms(use_true_random=False), TIMES)
@settings(max_examples=150)
def test_the_order_of_arrival_does_not_change_the_verdict(
    history: tuple[Payouts, list[Observation]], rng: object, now_ms: int
) -> None:
    _, said = history
    mixed = list(said)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    one = decide(said, MARKET, now_ms=now_ms, hold_ms=HOLD)
    other = decide(mixed, MARKET, now_ms=now_ms, hold_ms=HOLD)
    assert one == other


@given(st.lists(st.builds(says, SOURCES, TIMES, st.sampled_from(WORDS)), max_size=30))
@settings(max_examples=150)
def test_the_rule_answers_whatever_was_said(said: list[Observation]) -> None:
    found = decide(said, MARKET, now_ms=6 * HOLD, hold_ms=HOLD)
    assert isinstance(found, Winner | Split | NotYet | Conflict)
    if isinstance(found, Winner | Split):
        final = {each.source for each in said if each.payouts is not None}
        assert len(set(found.sources) & final) >= 2


@given(
    st.sampled_from(["active", "proposed, open at 1/0", NO_STATUS]),
    st.lists(st.sampled_from(["0", "1", "0.5", "0.9995", "0.0005", "0.999", "1.0"]), max_size=3),
    st.sampled_from(
        [None, "proposed", "disputed", "requested", "settled", "Resolved", "resolved "]
    ),
    st.booleans(),
)
def test_no_price_alone_ever_is_a_final_word(
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
    st.lists(st.tuples(TIMES, st.sampled_from(WORDS)), min_size=1, max_size=12),
    st.integers(0, 11),
)
def test_what_a_new_life_remembers_never_makes_a_run_longer_than_it_was(
    words: list[tuple[int, Payouts | None]], cut: int
) -> None:
    """A life that goes on with the last stored change says no more than one that heard it all."""
    said = sorted(
        (says(Source.GAMMA, at, word) for at, word in words), key=lambda w: w.observed_at_ms
    )
    before, after = said[: cut % len(said)], said[cut % len(said) :]
    whole, reborn = Heard(condition_id=CONDITION), Heard(condition_id=CONDITION)
    changes: list[Observation] = []
    for word in before:
        known = whole.words[0].payouts if whole.words else "nothing"
        whole = whole.hear(word)
        if whole.words[0].payouts != known:
            changes.append(word)
    if changes:
        reborn = reborn.recall(changes[-1])
    for word in after:
        whole, reborn = whole.hear(word), reborn.hear(word)
    assert reborn.words[0].payouts == whole.words[0].payouts
    assert reborn.words[0].since_ms >= whole.words[0].since_ms


@given(histories(), TIMES)
@settings(max_examples=100)
def test_less_evidence_never_brings_another_winner(
    history: tuple[Payouts, list[Observation]], cut_ms: int
) -> None:
    _, said = history
    whole = Heard(condition_id=CONDITION)
    part = Heard(condition_id=CONDITION)
    for word in sorted(said, key=lambda each: each.observed_at_ms):
        whole = whole.hear(word)
        if word.observed_at_ms >= cut_ms:
            part = part.hear(word)
    found = [outcome(judge(each, MARKET, now_ms=6 * HOLD, hold_ms=HOLD)) for each in (whole, part)]
    assert len(set(found) - {None}) <= 1
