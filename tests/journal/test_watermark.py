import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.watermark import Watermark

RANGES = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))),
    max_size=30,
)


def test_the_watermark_waits_for_the_range_that_is_missing() -> None:
    watermark = Watermark(1)
    assert watermark.done(2, 5) == 1
    assert watermark.done(7, 9) == 1
    assert watermark.done(1, 1) == 6
    assert watermark.done(6, 6) == 10


def test_what_is_done_twice_changes_nothing() -> None:
    watermark = Watermark(5)
    watermark.done(7, 8)
    assert watermark.done(7, 8) == 5
    assert watermark.done(1, 4) == 5
    assert watermark.done(3, 6) == 9
    assert watermark.done(3, 6) == 9


def test_neighbours_become_one_range() -> None:
    watermark = Watermark(1)
    for seq in (10, 12, 14, 11, 13):
        watermark.done(seq, seq)
    assert watermark.covers(10, 14)
    assert not watermark.covers(9, 14)
    assert not watermark.covers(10, 15)


def test_one_long_range_swallows_the_short_ones_within() -> None:
    watermark = Watermark(1)
    for seq in range(10, 50, 2):
        watermark.done(seq, seq)
    watermark.done(5, 60)
    assert watermark.covers(5, 60)
    assert watermark.seq == 1
    assert watermark.done(1, 4) == 61


def test_a_long_range_costs_no_more_than_a_short_one() -> None:
    watermark = Watermark(1)
    watermark.done(2, 1_000_000_000_000)
    assert watermark.done(1, 1) == 1_000_000_000_001


def test_a_range_that_ends_before_it_begins_is_rejected() -> None:
    with pytest.raises(ValueError, match="cannot end"):
        Watermark(1).done(3, 2)


@given(start=st.integers(1, 20), ranges=RANGES)
def test_a_watermark_agrees_with_a_set(start: int, ranges: list[tuple[int, int]]) -> None:
    watermark = Watermark(start)
    done = set(range(start))
    for first, last in ranges:
        done.update(range(first, last + 1))
        seq = watermark.done(first, last)
        assert seq == next(seq for seq in range(start, 200) if seq not in done)
        assert seq == watermark.seq
        assert all(watermark.covers(seq, seq) == (seq in done) for seq in range(1, 80))
        for begin, end in ((seq, seq + 5), (first, last), (first - 1, last), (first, last + 1)):
            assert watermark.covers(begin, end) == done.issuperset(range(begin, end + 1))


def test_a_range_is_covered_when_none_of_it_is_missing() -> None:
    watermark = Watermark(10)
    watermark.done(15, 20)

    assert watermark.covers(1, 9)
    assert watermark.covers(15, 20)
    assert watermark.covers(16, 16)
    assert not watermark.covers(1, 10)
    assert not watermark.covers(14, 15)
    assert not watermark.covers(15, 21)
    watermark.done(10, 14)
    assert watermark.covers(1, 20)
