from hypothesis import given
from hypothesis import strategies as st

from actors.health.text import clean


def test_lines_stay_lines_and_colours_stay_away() -> None:
    assert clean("a\nb\u202ec\ud800\x1b[31m") == "a?b?c??[31m"


@given(st.text())
def test_no_control_character_is_left_and_no_letter_is_lost(text: str) -> None:
    plain = clean(text)
    assert len(plain) == len(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in plain)
