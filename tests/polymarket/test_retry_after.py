"""`Retry-After` as a date, as HTTP sources and the feed may send it.

A server that sends a `Date` is read by its own clock, any other by ours. Faults: an error
that ends the actor, a wait below 0, a wait of years, a date without a zone read as local time.
"""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from freezegun import freeze_time

from actors.backoff import read_retry_after_s
from tests.clocks import DAY_S, clocks

NOW = datetime(2028, 2, 29, 23, 59, 50, tzinfo=UTC)
DATES = [
    pytest.param("Tue, 29 Feb 2028 23:59:50 GMT", 0.0, id="now"),
    pytest.param("Wed, 01 Mar 2028 00:00:00 GMT", 10.0, id="over midnight of leap day"),
    pytest.param("Wed, 01 Mar 2028 00:04:50 GMT", 300.0, id="as long as may be"),
    pytest.param("Wed, 01 Mar 2028 00:04:51 GMT", 300.0, id="beyond the cap"),
    pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 300.0, id="the last year"),
    pytest.param("Tue, 29 Feb 2028 23:59:49 GMT", 0.0, id="a second ago"),
    pytest.param("Thu, 01 Jan 1970 00:00:00 GMT", 0.0, id="1970"),
    pytest.param("Wed, 01 Mar 2028 01:00:00 +0100", 10.0, id="another zone"),
    pytest.param("Wednesday, 01-Mar-28 00:00:00 GMT", 10.0, id="RFC 850"),
    pytest.param("Wed Mar  1 00:00:00 2028", 10.0, id="asctime"),
    pytest.param("Wed, 01 Mar 2028 00:00:00 -0000", 10.0, id="zone unknown"),
    pytest.param("Wed, 01 Mar 2028 00:00:00", 10.0, id="no zone"),
    pytest.param("Wed, 30 Feb 2028 00:00:00 GMT", None, id="no such day"),
    pytest.param("Tue, 29 Feb 2028 23:59:60 GMT", None, id="leap second"),
    pytest.param("Wed, 01 Mar 2028 24:00:00 GMT", None, id="hour 24"),
    pytest.param(f"Wed, 01 Mar {'9' * 20} 00:00:00 GMT", None, id="year beyond integers"),
    pytest.param(f"Wed, 01 Mar 2028 00:00:00 +{'9' * 20}", None, id="zone beyond integers"),
    pytest.param("Wed, 01 Mar 2028 00:00:00 +9999", None, id="zone of four days"),
    pytest.param("2028-03-01T00:00:00Z", None, id="ISO 8601"),
    pytest.param("tomorrow", None, id="words"),
    pytest.param(",", None, id="comma"),
    pytest.param("\x00", None, id="NUL"),
]


def by_server(value: str, date: str = format_datetime(NOW, usegmt=True)) -> float | None:
    return read_retry_after_s(value, date=date, wall_s=time.time())


def by_us(value: str) -> float | None:
    return read_retry_after_s(value, date=None, wall_s=time.time())


@pytest.mark.parametrize(("value", "seconds"), DATES)
@pytest.mark.parametrize("offset_h", [0, 5, -11])
def test_a_date_is_a_wait_within_bounds_in_whatever_zone_we_are(
    value: str, seconds: float | None, offset_h: int
) -> None:
    with freeze_time(NOW, tz_offset=timedelta(hours=offset_h)):
        assert (by_server(value), by_us(value)) == (seconds, seconds)


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -3600.0, 3600.0, 400 * DAY_S])
def test_of_a_server_that_sends_its_date_only_its_own_clock_counts(step_s: float) -> None:
    with clocks(NOW) as held:
        held.step(step_s)
        assert by_server("Wed, 01 Mar 2028 00:00:00 GMT") == 10.0


@pytest.mark.parametrize(
    "date", ["", "yesterday", f"Wed, 01 Mar {'9' * 20} 00:00:00 GMT", "Wed Mar  1 00:00:60 2028"]
)
def test_without_a_readable_date_of_the_server_our_clock_counts(date: str) -> None:
    with freeze_time(NOW):
        assert by_server("Wed, 01 Mar 2028 00:00:05 GMT", date) == 15.0


@pytest.mark.parametrize(
    ("step_s", "seconds"), [(-400 * DAY_S, 300.0), (-5.0, 15.0), (5.0, 5.0), (400 * DAY_S, 0.0)]
)
def test_a_clock_that_is_off_delays_us_by_the_cap_at_most(step_s: float, seconds: float) -> None:
    with clocks(NOW) as held:
        held.step(step_s)
        assert by_us("Wed, 01 Mar 2028 00:00:00 GMT") == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), (" 7 ", 7.0), ("86400", 300.0), ("9" * 5_000, 300.0), ("0", 0.0)]
    + [(each, None) for each in ("-5", "1.5", "soon", "\u0663", "\u00b2", "")],
)
def test_seconds_are_ascii_digits(value: str, seconds: float | None) -> None:
    assert (by_server(value), by_us(value)) == (seconds, seconds)


def test_without_the_header_nothing_was_asked_for() -> None:
    assert read_retry_after_s(None, date=None, wall_s=0.0) is None
