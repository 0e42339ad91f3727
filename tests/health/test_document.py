"""Times of day and ages, as the status document writes them.

Faults: a time that rounds up into a second, day or year that has not begun; local time; an
age below 0, because what it is counted from lies in the future.
"""

import time
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from actors.health.parts import span
from actors.model.conversion import iso
from tests.clocks import DAY_S, HOUR_S, clocks


@pytest.mark.parametrize(
    ("at", "text"),
    [
        pytest.param("2026-10-05 12:00:00", "2026-10-05T12:00:00.000Z", id="whole second"),
        pytest.param("2026-10-05 12:00:59.9996", "2026-10-05T12:00:59.999Z", id="minute's edge"),
        pytest.param("2028-02-29 23:59:59.9996", "2028-02-29T23:59:59.999Z", id="leap day"),
        pytest.param("2026-12-31 23:59:59.999999", "2026-12-31T23:59:59.999Z", id="year end"),
        pytest.param("1970-01-01 00:00:00", "1970-01-01T00:00:00.000Z", id="clock never set"),
        pytest.param("2261-12-31 23:59:59", "2261-12-31T23:59:59.000Z", id="near 63 bits"),
    ],
)
@pytest.mark.parametrize("offset_h", [0, 9, -9])
def test_a_time_of_day_is_utc_cut_to_milliseconds(at: str, text: str, offset_h: int) -> None:
    with freeze_time(at, tz_offset=timedelta(hours=offset_h)):
        assert iso(time.time_ns()) == text


def test_the_last_nanosecond_of_a_day_belongs_to_that_day() -> None:
    midnight_ns = int(datetime(2028, 3, 1, tzinfo=UTC).timestamp()) * 10**9
    assert iso(midnight_ns - 1) == "2028-02-29T23:59:59.999Z"
    assert iso(midnight_ns) == "2028-03-01T00:00:00.000Z"


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -HOUR_S, HOUR_S, 400 * DAY_S])
def test_a_span_is_of_the_monotonic_clock_and_never_below_0(step_s: float) -> None:
    with clocks() as held:
        began = time.monotonic()
        held.run(1.5)
        held.step(step_s)
        assert span(time.monotonic(), began) == 1.5
        assert span(began, time.monotonic()) == 0.0
