from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from actors.health.counters import Ring, Windows

events = st.lists(st.tuples(st.floats(0, 400), st.integers(0, 9)), max_size=60)


@given(events, st.floats(0, 400))
def test_a_ring_counts_what_happened_within_its_buckets(
    told: Sequence[tuple[float, int]], wait: float
) -> None:
    ring = Ring(5, 12)
    now = 0.0
    happened: list[tuple[int, int]] = []
    for gap, count in told:
        now += gap / 10
        ring.add(now, count)
        happened.append((int(now // 5), count))
    now += wait
    newest = int(now // 5)
    assert ring.total(now) == sum(count for bucket, count in happened if bucket > newest - 12)


def test_an_earlier_time_counts_in_the_newest_bucket() -> None:
    ring = Ring(1, 3)
    ring.add(10.0, 1)
    ring.add(8.0, 1)
    assert (ring.total(12.5), ring.total(13.0)) == (2, 0)


def test_a_long_pause_empties_every_window_but_the_total() -> None:
    windows = Windows()
    windows.add(10.0, 4)
    week = 7 * 86400.0
    assert (windows.minute(week), windows.hour(week), windows.day(week)) == (0, 0, 0)
    assert windows.all == 4


def test_an_event_leaves_the_minute_then_the_hour_then_the_day() -> None:
    windows = Windows(fine=True)
    windows.add(0.0, 1)
    counts = [(windows.minute(t), windows.hour(t), windows.day(t)) for t in (59.0, 61.0, 3601.0)]
    assert counts == [(1, 1, 1), (0, 1, 1), (0, 0, 1)]
    assert windows.day(86_401.0) == 0


def test_a_counter_that_went_back_counts_nothing() -> None:
    windows = Windows()
    windows.add(1.0, -5)
    assert windows.all == windows.minute(1.0) == 0


def test_the_minutes_of_an_hour_are_in_order_oldest_first() -> None:
    windows = Windows(fine=True)
    windows.add(0.0, 7)
    windows.add(60.0, 2)
    windows.add(3599.0, 5)
    assert windows.minutes(3599.0) == (7, 2, *[0] * 57, 5)
    assert windows.minutes(3600.0) == (2, *[0] * 57, 5, 0)
    assert sum(windows.minutes(9999.0)) == 0
