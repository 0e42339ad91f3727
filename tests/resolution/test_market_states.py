"""Promise: where a market stands follows from what is said of it, and each step is told once."""

import pytest

from actors.model.outcome import MarketState, Observation, Source
from actors.resolution.cases import MarketStates, stands
from actors.resolution.quorum import SourceRecord as Heard
from actors.resolution.quorum import decide
from tests.resolution.recorded_answers import CONDITION, MARKET, pays, says

G, C, D = Source.GAMMA, Source.CLOB, Source.DATA
YES, NO = pays("1", "0"), pays("0", "1")
HOLD = 120


def where(*said: Observation, ended: bool = False, now_ms: int = 0) -> str:
    record = Heard(condition_id=CONDITION)
    for word in said:
        record = record.hear(word)
    verdict = decide(said, MARKET, now_ms=now_ms, hold_ms=HOLD)
    return stands(verdict, record if said else None, ended=ended)


@pytest.mark.parametrize(
    ("said", "ended", "standing"),
    [
        ((), False, "open"),
        ((), True, "ended"),
        ((says(G, 0, None, "open"),), False, "open"),
        ((says(G, 0, None, "open"),), True, "ended"),
        ((says(G, 0, None, "closed without status"),), False, "ended"),
        ((says(G, 0, YES),), False, "ended"),
        ((says(G, 0, None, "proposed"),), False, "proposed"),
        ((says(G, 0, None, "open"), says(D, 0, None, "reproposed")), True, "proposed"),
        ((says(G, 0, None, "proposed"), says(D, 0, None, "disputed")), True, "disputed"),
        ((says(D, 0, None, "challenged"),), True, "disputed"),
        ((says(D, 0, None, "arbitration"), says(C, 0, YES)), True, "disputed"),
        ((says(G, 0, YES), says(D, 0, YES)), True, "agreed-holding"),
        ((says(G, 0, YES), says(D, 0, YES), says(C, 0, None, "disputed")), True, "agreed-holding"),
        ((says(G, 0, YES), says(D, 0, NO)), True, "conflict"),
    ],
)
def test_a_market_stands_where_the_words_put_it(
    said: tuple[Observation, ...], *, ended: bool, standing: str
) -> None:
    assert where(*said, ended=ended) == standing


def test_a_market_is_recorded_when_the_hold_is_over() -> None:
    said = [says(each, at, YES) for at in (0, HOLD) for each in (G, D)]
    assert where(*said, now_ms=HOLD) == "recorded"
    assert where(*said[:2], now_ms=HOLD) == "agreed-holding"  # to be confirmed


def test_a_step_is_told_once_and_leads_from_where_the_market_stood() -> None:
    known = MarketStates()
    assert known.move(CONDITION, MarketState.OPEN, "", 5) is None
    step = known.move(CONDITION, MarketState.ENDED, "open", 5)
    assert step is not None
    assert (step.before, step.standing, step.at_ms, step.reason) == ("open", "ended", 5, "open")
    assert known.move(CONDITION, MarketState.ENDED, "other words", 6) is None
    back = known.move(CONDITION, MarketState.OPEN, "open", 7)
    assert back is not None
    assert back.before == "ended"


def test_two_steps_in_one_millisecond_have_different_times() -> None:
    known = MarketStates()
    steps = [
        known.move(CONDITION, each, "", 5) for each in (MarketState.ENDED, MarketState.PROPOSED)
    ]
    assert [step.at_ms for step in steps if step] == [5, 6]


def test_what_an_earlier_life_told_is_not_told_again() -> None:
    known = MarketStates()
    known.remember(CONDITION, MarketState.PROPOSED, 9)
    assert known.move(CONDITION, MarketState.PROPOSED, "proposed", 20) is None
    step = known.move(CONDITION, MarketState.DISPUTED, "disputed", 3)  # a clock that was set back
    assert step is not None
    assert step.at_ms == 10


def test_what_was_seen_in_this_life_counts_more_than_what_is_remembered() -> None:
    known = MarketStates()
    known.move(CONDITION, MarketState.PROPOSED, "proposed", 20)
    known.remember(CONDITION, MarketState.ENDED, 9)
    assert known.of(CONDITION) is MarketState.PROPOSED
    known.forget(CONDITION)
    assert known.of(CONDITION) is MarketState.OPEN
