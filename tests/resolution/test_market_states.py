"""Promise: the state of a market follows from its evidence; each transition is given once."""

import pytest

from actors.model.market import MarketState, Observation, Source
from actors.resolution.quorum import decide
from actors.resolution.states import MarketStates, state_of
from tests.resolution.recorded_answers import CONDITION, MARKET, evidence_of, pays, seen

G, C, D = Source.GAMMA, Source.CLOB, Source.DATA
YES, NO = pays("1", "0"), pays("0", "1")
HOLD = 120


def state(*observations: Observation, ended: bool = False, now_ms: int = 0) -> str:
    evidence = evidence_of(observations)
    decision = decide(evidence, MARKET, now_ms=now_ms, hold_ms=HOLD)
    return state_of(decision, evidence if observations else None, ended=ended)


@pytest.mark.parametrize(
    ("observations", "ended", "expected"),
    [
        ((), False, "open"),
        ((), True, "ended"),
        ((seen(G, 0, None, "open"),), False, "open"),
        ((seen(G, 0, None, "open"),), True, "ended"),
        ((seen(G, 0, None, "closed without status"),), False, "ended"),
        ((seen(G, 0, YES),), False, "ended"),
        ((seen(G, 0, None, "proposed"),), False, "proposed"),
        ((seen(G, 0, None, "open"), seen(D, 0, None, "reproposed")), True, "proposed"),
        ((seen(G, 0, None, "proposed"), seen(D, 0, None, "disputed")), True, "disputed"),
        ((seen(D, 0, None, "challenged"),), True, "disputed"),
        ((seen(D, 0, None, "arbitration"), seen(C, 0, YES)), True, "disputed"),
        ((seen(G, 0, YES), seen(D, 0, YES)), True, "agreed-holding"),
        ((seen(G, 0, YES), seen(D, 0, YES), seen(C, 0, None, "disputed")), True, "agreed-holding"),
        ((seen(G, 0, YES), seen(D, 0, NO)), True, "conflict"),
    ],
)
def test_the_state_of_a_market_follows_from_its_evidence(
    observations: tuple[Observation, ...], *, ended: bool, expected: str
) -> None:
    assert state(*observations, ended=ended) == expected


def test_a_market_is_recorded_when_the_hold_is_over() -> None:
    observations = [seen(each, at, YES) for at in (0, HOLD) for each in (G, D)]
    assert state(*observations, now_ms=HOLD) == "recorded"
    assert state(*observations[:2], now_ms=HOLD) == "agreed-holding"  # to be confirmed


def test_a_transition_is_given_once_and_leads_from_the_state_before() -> None:
    states = MarketStates()
    assert states.move(CONDITION, MarketState.OPEN, "", 5) is None
    transition = states.move(CONDITION, MarketState.ENDED, "open", 5)
    assert transition is not None
    assert (transition.before, transition.after, transition.at_ms, transition.reason) == (
        "open",
        "ended",
        5,
        "open",
    )
    assert states.move(CONDITION, MarketState.ENDED, "other reason", 6) is None
    back = states.move(CONDITION, MarketState.OPEN, "open", 7)
    assert back is not None
    assert back.before == "ended"


def test_two_transitions_in_one_millisecond_have_different_times() -> None:
    states = MarketStates()
    transitions = [
        states.move(CONDITION, each, "", 5) for each in (MarketState.ENDED, MarketState.PROPOSED)
    ]
    assert [transition.at_ms for transition in transitions if transition] == [5, 6]


def test_a_stored_state_gives_no_transition_again() -> None:
    states = MarketStates()
    states.restore(CONDITION, MarketState.PROPOSED, 9)
    assert states.move(CONDITION, MarketState.PROPOSED, "proposed", 20) is None
    transition = states.move(
        CONDITION, MarketState.DISPUTED, "disputed", 3
    )  # a clock that was set back
    assert transition is not None
    assert transition.at_ms == 10


def test_a_state_of_this_process_counts_more_than_a_stored_one() -> None:
    states = MarketStates()
    states.move(CONDITION, MarketState.PROPOSED, "proposed", 20)
    states.restore(CONDITION, MarketState.ENDED, 9)
    assert states.of(CONDITION) is MarketState.PROPOSED
    states.remove(CONDITION)
    assert states.of(CONDITION) is MarketState.OPEN
