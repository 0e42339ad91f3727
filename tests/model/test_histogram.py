"""Counts up to fixed bounds: what is counted where, and that counts can be added."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import histogram
from actors.model.histogram import Histogram, Stopwatch

BOUNDS = (0.5, 1, 2)


@pytest.mark.parametrize(
    ("seconds", "place"), [(-3, 0), (0, 0), (0.5, 0), (0.51, 1), (2, 2), (2.1, 3), (1e9, 3)]
)
def test_a_value_counts_up_to_the_bound_that_it_does_not_exceed(seconds: float, place: int) -> None:
    watch = Stopwatch(BOUNDS)
    watch.add(seconds)
    assert watch.histogram.counts.index(1) == place
    assert watch.histogram.sum_s == max(0, seconds)


def histogram_of(values: list[int]) -> Histogram:
    watch = Stopwatch(BOUNDS)
    for each in values:
        watch.add(each)
    return watch.histogram


@given(st.lists(st.lists(st.integers(0, 4))))
def test_parts_add_up_to_the_whole(parts: list[list[int]]) -> None:
    made = [histogram_of(part) for part in parts]
    whole = histogram_of([each for part in parts for each in part])
    assert sum(made, Histogram()) == (whole if parts else Histogram())
    for part in made:
        assert (whole - part) + part == whole


def test_nothing_changes_nothing() -> None:
    one = Histogram((1, 2), 3.0)
    assert one + Histogram() == Histogram() + one == one - Histogram() == one
    assert Histogram() - one == Histogram()


@pytest.mark.parametrize(
    "bounds",
    [
        histogram.COMMIT_S,
        histogram.SYNC_S,
        histogram.REQUEST_S,
        histogram.END_TO_END_S,
        histogram.LATENESS_S,
    ],
)
def test_the_bounds_ascend_and_are_few(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))
    assert bounds[0] > 0
    assert len(bounds) <= 14
