"""Values become parameters that the database can hold."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.database.columns import clean, instant


def test_nanoseconds_are_cut_to_microseconds() -> None:
    told = instant(1_772_366_400_123_456_999)
    assert told == datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert instant(0) == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_time_beyond_the_calendar_is_an_overflow() -> None:
    with pytest.raises(OverflowError):
        instant(10**30)


@given(st.text(st.characters()))
def test_clean_text_can_always_be_stored_and_keeps_all_that_could_be(text: str) -> None:
    cleaned = clean(text)
    assert "\x00" not in cleaned
    cleaned.encode()
    if "\x00" not in text and not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        assert cleaned == text
