"""Promise: what is remembered gives the same verdict as all that was said, and one liar none."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from actors.model.outcome import Observation, Source
from actors.model.trade import ConditionId
from actors.resolution.quorum import Conflict, Decision, NotYet, Split, Winner, decide, judge
from actors.resolution.quorum import SourceRecord as Heard
from tests.resolution.recorded_answers import CONDITION, MARKET, NO, YES, Payouts, pays, says

HOLD = 120
Y, N, HALVES = pays("1", "0"), pays("0", "1"), pays("0.5", "0.5")
GAMMA = Source.GAMMA


def rule(*said: Observation, now_ms: int) -> Decision:
    return decide(said, MARKET, now_ms=now_ms, hold_ms=HOLD)


def test_a_late_word_breaks_a_run_but_never_lengthens_one() -> None:
    record = Heard(condition_id=CONDITION)
    for each in (says(GAMMA, 50, Y), says(GAMMA, 90, Y), says(GAMMA, 10, Y), says(GAMMA, 5, N)):
        record = record.hear(each)
    assert [(word.since_ms, word.heard_ms) for word in record.words] == [(50, 90)]
    record = record.hear(says(GAMMA, 70, None, "disputed"))
    assert [(word.since_ms, word.heard_ms) for word in record.words] == [(90, 90)]


def test_a_word_of_an_earlier_life_lengthens_the_run_of_the_same_word_only() -> None:
    record = Heard(condition_id=CONDITION).recall(says(GAMMA, 50, Y))
    assert [(word.since_ms, word.heard_ms) for word in record.words] == [(50, 50)]
    record = record.hear(says(GAMMA, 90, Y)).recall(says(GAMMA, 20, Y))
    assert [(word.since_ms, word.heard_ms) for word in record.words] == [(20, 90)]
    assert record.recall(says(GAMMA, 10, N)) == record
    assert record.recall(says(GAMMA, 60, Y)) == record
    other = Heard(condition_id=ConditionId("0x" + "ab" * 32))
    assert other.recall(says(GAMMA, 20, Y)) == other


SOURCES = st.sampled_from(list(Source))
TIMES = st.integers(0, 400)
WORDS = st.sampled_from([Y, N, HALVES, pays("0.999", "0.001"), None])
HISTORIES = st.lists(st.builds(says, SOURCES, TIMES, WORDS), max_size=7)


@given(
    HISTORIES.flatmap(lambda said: st.tuples(st.just(said), st.permutations(said))),
    st.integers(0, 600),
)
def test_the_order_of_arrival_does_not_matter(
    both: tuple[list[Observation], list[Observation]], now_ms: int
) -> None:
    told, shuffled = both
    assert rule(*shuffled, now_ms=now_ms) == rule(*told, now_ms=now_ms)


@given(HISTORIES, st.integers(0, 600))
def test_a_record_told_in_time_gives_the_same_verdict(said: list[Observation], now_ms: int) -> None:
    said = list({(each.source, each.observed_at_ms): each for each in said}.values())
    record = Heard(condition_id=CONDITION)
    for each in sorted(said, key=lambda each: each.observed_at_ms):
        record = record.hear(each)
    found = judge(record, MARKET, now_ms=now_ms, hold_ms=HOLD)
    assert found == rule(*said, now_ms=now_ms)


@given(
    honest=st.lists(st.tuples(SOURCES, TIMES, st.booleans()), max_size=12),
    liar=SOURCES,
    lies=st.lists(st.tuples(TIMES, st.sampled_from([N, HALVES, None])), max_size=6),
    now_ms=st.integers(0, 600),
)
def test_one_source_that_lies_or_lags_never_makes_a_wrong_verdict(
    honest: list[tuple[Source, int, bool]],
    liar: Source,
    lies: list[tuple[int, Payouts | None]],
    now_ms: int,
) -> None:
    said = [says(who, at, Y if final else None) for who, at, final in honest if who != liar]
    said += [says(liar, at, lie) for at, lie in lies]
    for steps in (said, list(itertools.chain(said, reversed(said)))):
        found = rule(*steps, now_ms=now_ms)
        assert not isinstance(found, Split)
        assert not isinstance(found, Winner) or found.token_id == YES


@given(HISTORIES, st.integers(0, 600))
def test_every_verdict_rests_on_two_words_that_stood_and_nobody_final_contradicts(
    said: list[Observation], now_ms: int
) -> None:
    said = list({(each.source, each.observed_at_ms): each for each in said}.values())
    found = rule(*said, now_ms=now_ms)
    if isinstance(found, NotYet | Conflict):
        return
    told = tuple(zip((YES, NO), found.payouts, strict=True))
    runs = {source: _run(source, said) for source in Source}
    finals = {source: run for source, run in runs.items() if run and is_final(run[-1].payouts)}
    assert {run[-1].payouts for run in finals.values()} == {told}
    assert tuple(sorted(finals)) == found.sources
    spans = [run[-1].observed_at_ms - run[0].observed_at_ms for run in finals.values()]
    assert sum(span >= HOLD for span in spans) >= 2


def is_final(payouts: Payouts | None) -> bool:
    return payouts in (Y, N, HALVES)


def _run(source: Source, said: list[Observation]) -> list[Observation]:
    """Return the latest observations of a source that say the same, oldest first."""
    words = sorted(
        (each for each in said if each.source == source),
        key=lambda each: each.observed_at_ms,
        reverse=True,
    )
    same = itertools.takewhile(lambda each: each.payouts == words[0].payouts, words)
    return list(same)[::-1]
