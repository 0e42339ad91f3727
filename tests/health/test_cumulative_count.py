from hypothesis import given
from hypothesis import strategies as st

from actors.health.counters import CumulativeCount


def test_an_incarnation_counts_on_and_the_next_starts_at_0() -> None:
    cumulative = CumulativeCount()
    assert [cumulative.counted(1, count) for count in (2, 2, 5)] == [2, 0, 3]
    assert [cumulative.counted(2, count) for count in (0, 7)] == [0, 7]
    assert cumulative.total == 12


def test_a_count_that_falls_within_one_incarnation_is_ignored() -> None:
    cumulative = CumulativeCount()
    assert [cumulative.counted(1, count) for count in (5, 3, 6)] == [5, 0, 1]
    assert cumulative.total == 6


@given(st.lists(st.lists(st.integers(0, 9))))
def test_the_total_is_the_sum_over_all_incarnations(steps: list[list[int]]) -> None:
    cumulative = CumulativeCount()
    fresh = 0
    for incarnation, counts in enumerate(steps):
        reported = 0
        for step in counts:
            reported += step
            fresh += cumulative.counted(incarnation, reported)
    assert cumulative.total == fresh == sum(map(sum, steps))
