"""Promise: a source that fails is left alone for longer and longer, until it answers."""

import pytest

from actors.errors import PayloadRejected, SourceUnavailable
from actors.polymarket.sources import SourceBackoff


def test_the_waits_double_to_a_minute() -> None:
    backoff = SourceBackoff()
    waits = [backoff.failed(0.0, SourceUnavailable("x")) for _ in range(9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(("asked_s", "wait_s"), [(40.0, 40.0), (0.1, 1.0), (86_400.0, 300.0)])
def test_what_the_server_asks_for_is_granted_up_to_five_minutes(
    asked_s: float, wait_s: float
) -> None:
    assert SourceBackoff().failed(0.0, SourceUnavailable("x", retry_after_s=asked_s)) == wait_s


def test_a_source_is_ready_when_its_wait_is_over() -> None:
    backoff = SourceBackoff()
    assert backoff.ready(0.0)
    backoff.failed(10.0, PayloadRejected("not JSON"))
    assert not backoff.ready(10.9)
    assert backoff.ready(11.0)
    assert backoff.state == "not JSON"


def test_an_answer_ends_the_failures() -> None:
    backoff = SourceBackoff()
    backoff.failed(0.0, SourceUnavailable("x" * 500))
    assert len(backoff.error) == 200
    backoff.succeeded()
    assert (backoff.state, backoff.error) == ("ok", "")
    assert backoff.failed(0.0, SourceUnavailable("x")) == 1.0
