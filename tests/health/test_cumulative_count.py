from hypothesis import given
from hypothesis import strategies as st

from actors.health.counters import CumulativeCount


def test_a_life_counts_on_and_the_next_begins_anew() -> None:
    lives = CumulativeCount()
    assert [lives.counted(1, count) for count in (2, 2, 5)] == [2, 0, 3]
    assert [lives.counted(2, count) for count in (0, 7)] == [0, 7]
    assert lives.total == 12


def test_a_count_that_falls_within_one_life_is_not_believed() -> None:
    lives = CumulativeCount()
    assert [lives.counted(1, count) for count in (5, 3, 6)] == [5, 0, 1]
    assert lives.total == 6


@given(st.lists(st.lists(st.integers(0, 9))))
def test_the_total_is_the_sum_of_what_every_life_had_counted(steps: list[list[int]]) -> None:
    lives = CumulativeCount()
    fresh = 0
    for life, counts in enumerate(steps):
        said = 0
        for step in counts:
            said += step
            fresh += lives.counted(life, said)
    assert lives.total == fresh == sum(map(sum, steps))
