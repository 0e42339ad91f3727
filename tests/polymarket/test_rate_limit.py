"""Promise: no ten seconds have more requests than the rate limit, whatever is asked for."""

from random import Random

import pytest
from hypothesis import given, settings
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


def test_while_another_tracker_is_there_each_takes_half_and_all_again_when_it_is_gone() -> None:
    one = RateLimit(10)
    one.share(1, 0.0)
    for _ in range(8):
        one.spend(0.5)
    one.share(2, 1.0)
    assert not one.ready(1.0)  # 8 of 5
    for now in range(2, 30):
        one.share(2, float(now))
    assert (one.recent(29.0), one.ready(29.0)) == (0, True)
    for _ in range(5):
        one.spend(29.0)
    assert not one.ready(29.0)
    # What the other asked before it ended still counts for ten seconds.
    for now in range(30, 41):
        one.share(1, float(now))
        assert one._part == 5
    one.share(1, 41.0)
    assert one._part == 10


def test_one_that_comes_waits_until_the_others_have_kept_to_their_parts() -> None:
    one = RateLimit(10)
    one.share(2, 100.0)
    assert not one.ready(111.9)
    one.share(2, 112.0)
    assert one.ready(112.0)
    alone = RateLimit(10)
    alone.share(1, 100.0)
    assert alone.ready(100.0)
    alone.share(2, 101.0)  # the other one comes later and waits, not this one
    assert alone.ready(101.0)


def test_of_many_trackers_each_may_still_ask() -> None:
    one = RateLimit(10)
    one.share(1, 0.0)
    one.share(16, 1.0)
    assert one.ready(1.0)


class Peer:
    """A tracker that asks as often as it may, and learns late that another one has come."""

    def __init__(self, most: int, comes: float, stays: float, sees_after: float) -> None:
        self.limit = RateLimit(most)
        self.comes, self.goes, self.sees_after = comes, comes + stays, sees_after
        self.sent: list[float] = []

    def is_there(self, now: float) -> bool:
        return self.comes <= now < self.goes

    def sees(self, other: "Peer", now: float) -> bool:
        late = self.sees_after if self.comes < other.comes else 0.0
        return other.is_there(now) and now >= other.comes + late

    def tick(self, now: float, trackers: int, burst: int) -> None:
        self.limit.share(trackers, now)
        for _ in range(burst):
            if self.limit.ready(now):
                self.limit.spend(now)
                self.sent.append(now)


STAYS = st.tuples(st.integers(0, 60), st.integers(1, 60), st.floats(0, 1.25))


@pytest.mark.no_cover  # see CONTRIBUTING.md
@settings(max_examples=30)
@given(
    st.lists(STAYS, min_size=1, max_size=3),
    st.integers(4, 24),
    st.randoms(use_true_random=False),
)
def test_all_trackers_of_a_host_together_ask_no_more_than_one_alone(
    others: list[tuple[int, int, float]], most: int, rng: Random
) -> None:
    peers = [Peer(most, *each) for each in [(0, 1_000, 1.0), *others]]
    for step in range(4 * 130):
        now = step / 4
        for peer in [peer for peer in peers if peer.is_there(now)]:
            seen = sum(peer.sees(other, now) for other in peers)
            peer.tick(now, seen, rng.choice([0, 0, 0, 1, most]))
    sent = [at for peer in peers for at in peer.sent]
    for end in set(sent):
        assert sum(end - WINDOW_S < at <= end for at in sent) <= most


def test_both_shares_of_gamma_are_below_what_it_documents() -> None:
    restarted = sources.GAMMA_LISTINGS * 2 + sources.GAMMA_OUTCOMES
    assert restarted < 300
    assert sources.DATA < 800
    assert sources.CLOB < 9_000
