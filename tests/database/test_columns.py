"""Values become parameters that the database can hold."""

from hypothesis import given
from hypothesis import strategies as st

from actors.database.columns import clean


@given(st.text(st.characters()))
def test_clean_text_can_always_be_stored_and_keeps_all_that_could_be(text: str) -> None:
    cleaned = clean(text)
    assert "\x00" not in cleaned
    cleaned.encode()
    if "\x00" not in text and not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        assert cleaned == text
