from hypothesis import given
from hypothesis import strategies as st

from actors.logic.inflight import InFlight


def test_nothing_is_crowded_at_first() -> None:
    assert not InFlight(10).crowded(1)


def test_what_is_stored_is_in_flight_no_more() -> None:
    flight = InFlight(10)
    flight.appended(7, 10)
    assert not flight.crowded(7)
    flight.appended(8, 1)
    assert flight.crowded(7)
    assert not flight.crowded(8)


def test_one_record_that_holds_more_than_the_bound_is_a_crowd_until_it_is_stored() -> None:
    flight = InFlight(10)
    flight.appended(7, 11)
    assert flight.crowded(7)
    assert not flight.crowded(8)


def test_what_an_earlier_process_left_is_not_in_flight() -> None:
    flight = InFlight(10)
    flight.appended(700, 1)
    assert not flight.crowded(1)


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 12), st.data())
def test_it_is_crowded_when_more_than_the_bound_stands_from_the_mark_on(
    weights: list[int], most: int, data: st.DataObject
) -> None:
    flight = InFlight(most)
    for seq, weight in enumerate(weights, 1):
        flight.appended(seq, weight)
    mark = data.draw(st.integers(1, len(weights) + 1))
    beyond = sum(weights[mark - 1 :]) > most
    assert flight.crowded(mark) == beyond
