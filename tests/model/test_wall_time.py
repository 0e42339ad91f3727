"""Integers since 1970 become UTC datetimes and come back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.conversion import instant, instant_of_ms, milliseconds


def test_nanoseconds_are_cut_to_microseconds() -> None:
    told = instant(1_772_366_400_123_456_999)
    assert told == datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert instant(0) == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_time_beyond_the_calendar_is_an_overflow() -> None:
    with pytest.raises(OverflowError):
        instant(10**30)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999), st.integers(-23, 23))
def test_milliseconds_come_back_whatever_the_zone(ms: int, offset_h: int) -> None:
    at = instant_of_ms(ms)
    assert milliseconds(at) == ms
    assert milliseconds(at + timedelta(microseconds=999)) == ms
    if 0 < ms < 253_000_000_000_000:
        assert milliseconds(at.astimezone(timezone(timedelta(hours=offset_h)))) == ms
