from hypothesis import given
from hypothesis import strategies as st

from actors.journal.recorder import InFlight


def test_what_is_stored_is_in_flight_no_more() -> None:
    flight = InFlight(10)
    assert not flight.appended(7, 10, watermark=7)
    assert flight.appended(8, 1, watermark=7)
    assert not flight.appended(9, 9, watermark=8)
    assert not flight.appended(10, 1, watermark=10)


def test_one_record_that_holds_more_than_the_bound_is_too_much_until_it_is_stored() -> None:
    flight = InFlight(10)
    assert flight.appended(7, 11, watermark=1)
    assert flight.appended(8, 1, watermark=7)
    assert not flight.appended(9, 1, watermark=8)


def test_what_an_earlier_process_left_is_not_in_flight() -> None:
    assert not InFlight(10).appended(700, 1, watermark=1)


def test_nothing_is_remembered_of_what_is_stored_nor_of_more_than_the_bound() -> None:
    flight = InFlight(10)
    for seq in range(1, 100):
        flight.appended(seq, 1, watermark=seq - 2)
    assert len(flight) == 3
    for seq in range(100, 200):
        flight.appended(seq, 1, watermark=98)
    assert len(flight) == 10


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=40), st.integers(1, 12))
def test_it_is_too_much_when_more_than_the_bound_is_above_the_watermark(
    steps: list[tuple[int, int]], most: int
) -> None:
    flight, watermark, weights = InFlight(most), 1, []
    for seq, (weight, stored) in enumerate(steps, 1):
        weights.append(weight)
        watermark = min(watermark + stored, seq + 1)
        assert flight.appended(seq, weight, watermark) == (sum(weights[watermark - 1 :]) > most)
