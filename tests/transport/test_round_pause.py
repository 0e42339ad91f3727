import pytest

from actors.transport.reactor import LONGEST_ROUND_S, UNPACED, round_pause_s


def test_a_few_lines_are_read_at_once() -> None:
    assert round_pause_s(connections=UNPACED, since_s=0.0) == 0.0


@pytest.mark.parametrize(
    ("lines", "since_s", "given_s"),
    [(600, 0.0, 0.08), (600, 0.02, 0.06), (1500, 0.02, 0.18), (30_000, 0.0, LONGEST_ROUND_S)],
)
def test_rounds_of_many_lines_are_as_long_as_they_are_many(
    lines: int, since_s: float, given_s: float
) -> None:
    assert round_pause_s(connections=lines, since_s=since_s) == pytest.approx(given_s)


def test_a_round_that_took_longer_is_followed_by_the_next_at_once() -> None:
    assert round_pause_s(connections=600, since_s=0.09) == 0.0
