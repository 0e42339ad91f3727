"""Promise: no ten seconds have more requests than the rate limit, whatever is asked for."""

from hypothesis import given
from hypothesis import strategies as st

from actors.polymarket import sources
from actors.polymarket.sources import WINDOW_S, RateLimit


def test_a_request_is_free_again_ten_seconds_after_the_tick_that_followed_each_request() -> None:
    one = RateLimit(2)
    one.spend(0.0)
    assert one.ready(0.5)
    one.spend(4.0)
    assert not one.ready(4.5)
    assert not one.ready(10.4)
    assert one.ready(10.5)
    one.spend(10.5)
    assert not one.ready(14.4)
    assert (one.recent(14.4), one.spent) == (2, 3)
    assert one.ready(14.5)


@given(st.lists(st.floats(0, 3), max_size=200), st.integers(1, 20))
def test_no_ten_seconds_have_more_than_the_rate_limit(pauses: list[float], most: int) -> None:
    one, now, sent = RateLimit(most), 0.0, []
    for pause in pauses:
        now += pause
        if one.ready(now):
            one.spend(now)
            sent.append(now)
    for end in sent:
        assert sum(end - WINDOW_S < at <= end for at in sent) <= most


@given(st.lists(st.tuples(st.floats(0.1, 6), st.floats(0, 1)), max_size=100), st.integers(1, 20))
def test_a_request_may_be_made_at_any_time_before_the_next_tick(
    ticks: list[tuple[float, float]], most: int
) -> None:
    one, now, sent = RateLimit(most), 0.0, []
    for pause, share in ticks:
        while one.ready(now):
            one.spend(now)
            sent.append(now + share * pause)
        now += pause
    for end in sent:
        assert sum(end - WINDOW_S < at <= end for at in sent) <= most


def test_both_shares_of_gamma_are_below_what_it_documents() -> None:
    restarted = sources.GAMMA_LISTINGS * 2 + sources.GAMMA_OUTCOMES
    assert restarted < 300
    assert sources.DATA < 800
    assert sources.CLOB < 9_000
