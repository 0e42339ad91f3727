"""What a page that takes long leaves to the other threads."""

import pytest

from actors.catalog.rest import REST, SHORT_S, Rest


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def rested(*, worked_s: float) -> tuple[Rest, Clock]:
    clock = Clock()
    rest = Rest(clock)
    rest.begin()
    clock.now += worked_s
    rest.end()
    return rest, clock


def test_pages_of_real_markets_follow_each_other_at_once() -> None:
    rest, clock = rested(worked_s=SHORT_S)
    assert rest.is_over(clock.now)


@pytest.mark.parametrize("worked_s", [0.2, 3.0])
def test_after_a_page_that_took_long_three_times_as_long_is_left_to_others(worked_s: float) -> None:
    rest, clock = rested(worked_s=worked_s)
    assert not rest.is_over(clock.now + REST * worked_s - 0.01)
    assert rest.is_over(clock.now + REST * worked_s + 0.01)


def test_a_request_without_an_answer_is_no_work() -> None:
    rest, clock = rested(worked_s=0.0)
    clock.now += 20.0
    rest.end()
    assert rest.is_over(clock.now)
