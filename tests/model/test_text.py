"""Text from outside can be stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.conversion import shortened, storable_text


@given(st.text(st.characters()))
def test_text_can_always_be_stored_and_keeps_all_that_could_be(text: str) -> None:
    storable = storable_text(text)
    assert "\x00" not in storable
    storable.encode()
    if "\x00" not in text and not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        assert storable == text


@pytest.mark.parametrize(
    ("text", "most", "said"),
    [
        ("as it is", 8, "as it is"),
        ("one two three four five six", 21, "one two … six"),
        ("x" * 30, 12, "xxxxxx … xxx"),
        ("a " + "x" * 30 + " b", 12, "a xxxx … x b"),
    ],
)
def test_a_text_that_is_too_long_loses_its_middle(text: str, most: int, said: str) -> None:
    assert shortened(text, most) == said
    assert len(said) <= most
