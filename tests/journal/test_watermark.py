import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.watermark import Watermark

STRETCHES = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))),
    max_size=30,
)


def test_a_mark_waits_for_the_stretch_that_is_missing() -> None:
    acks = Watermark(mark=1)
    assert acks.done(2, 5) == 1
    assert acks.done(7, 9) == 1
    assert acks.done(1, 1) == 6
    assert acks.done(6, 6) == 10
    assert acks.stretches == 0


def test_what_is_done_twice_changes_nothing() -> None:
    acks = Watermark(mark=5)
    acks.done(7, 8)
    assert acks.done(7, 8) == 5
    assert acks.done(1, 4) == 5
    assert acks.done(3, 6) == 9
    assert acks.done(3, 6) == 9


def test_neighbours_become_one_stretch() -> None:
    acks = Watermark(mark=1)
    for seq in (10, 12, 14, 11, 13):
        acks.done(seq, seq)
    assert acks.stretches == 1
    assert acks.ahead == 5


def test_one_long_stretch_swallows_the_short_ones_within() -> None:
    acks = Watermark(mark=1)
    for seq in range(10, 50, 2):
        acks.done(seq, seq)
    acks.done(5, 60)
    assert (acks.stretches, acks.ahead, acks.mark) == (1, 56, 1)


def test_memory_is_stretches_not_numbers() -> None:
    acks = Watermark(mark=1)
    acks.done(2, 1_000_000_000)
    assert acks.stretches == 1
    assert acks.done(1, 1) == 1_000_000_001


def test_a_stretch_that_ends_before_it_begins_is_rejected() -> None:
    with pytest.raises(ValueError, match="cannot end"):
        Watermark(mark=1).done(3, 2)


@given(start=st.integers(1, 20), stretches=STRETCHES)
def test_acks_agree_with_a_set(start: int, stretches: list[tuple[int, int]]) -> None:
    acks = Watermark(mark=start)
    done = set(range(start))
    for first, last in stretches:
        done.update(range(first, last + 1))
        mark = acks.done(first, last)
        assert mark == next(seq for seq in range(start, 200) if seq not in done)
        assert mark == acks.mark
        above = sorted(seq for seq in done if seq > mark)
        assert acks.ahead == len(above)
        runs = sum(1 for seq in above if seq - 1 not in done)
        assert acks.stretches == runs
        assert all((seq in acks) == (seq in done) for seq in range(1, 80))


def test_a_stretch_is_covered_when_none_of_it_is_missing() -> None:
    acks = Watermark(10)
    acks.done(15, 20)

    assert acks.covers(1, 9)
    assert acks.covers(15, 20)
    assert acks.covers(16, 16)
    assert not acks.covers(1, 10)
    assert not acks.covers(14, 15)
    assert not acks.covers(15, 21)
    acks.done(10, 14)
    assert acks.covers(1, 20)
