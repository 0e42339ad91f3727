"""Text from outside can be stored."""

from hypothesis import given
from hypothesis import strategies as st

from actors.model.conversion import storable_text


@given(st.text(st.characters()))
def test_text_can_always_be_stored_and_keeps_all_that_could_be(text: str) -> None:
    storable = storable_text(text)
    assert "\x00" not in storable
    storable.encode()
    if "\x00" not in text and not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        assert storable == text
