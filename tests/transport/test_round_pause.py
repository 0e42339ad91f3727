import pytest

from actors.transport.reactor import LONGEST_ROUND_S, UNPACED, round_pause_s


def test_there_is_no_pause_with_few_connections() -> None:
    assert round_pause_s(connections=UNPACED, since_s=0.0) == 0.0


@pytest.mark.parametrize(
    ("connections", "since_s", "expected_s"),
    [(600, 0.0, 0.08), (600, 0.02, 0.06), (1500, 0.02, 0.18), (30_000, 0.0, LONGEST_ROUND_S)],
)
def test_a_round_is_longer_the_more_connections_there_are(
    connections: int, since_s: float, expected_s: float
) -> None:
    assert round_pause_s(connections=connections, since_s=since_s) == pytest.approx(expected_s)


def test_there_is_no_pause_after_a_round_that_took_longer() -> None:
    assert round_pause_s(connections=600, since_s=0.09) == 0.0
