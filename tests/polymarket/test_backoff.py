import pytest

from actors.errors import PayloadRejected, SourceUnavailable
from actors.polymarket.ratelimit import Patience


def test_the_waits_double_to_a_minute() -> None:
    patience = Patience()
    waits = [patience.failed(0.0, SourceUnavailable("x")) for _ in range(9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(("wish_s", "wait_s"), [(40.0, 40.0), (0.1, 1.0), (86_400.0, 300.0)])
def test_the_wish_of_the_server_is_honoured_up_to_five_minutes(
    wish_s: float, wait_s: float
) -> None:
    assert Patience().failed(0.0, SourceUnavailable("x", retry_after_s=wish_s)) == wait_s


def test_a_source_is_ready_when_its_wait_is_over() -> None:
    patience = Patience()
    assert patience.ready(0.0)
    patience.failed(10.0, PayloadRejected("not JSON"))
    assert not patience.ready(10.9)
    assert patience.ready(11.0)
    assert patience.state == "not JSON"


def test_an_answer_ends_the_failures() -> None:
    patience = Patience()
    patience.failed(0.0, SourceUnavailable("x" * 500))
    assert len(patience.error) == 200
    patience.succeeded()
    assert (patience.state, patience.failures) == ("ok", 0)
    assert patience.failed(0.0, SourceUnavailable("x")) == 1.0
