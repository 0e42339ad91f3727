import sys
import unicodedata
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.health.document import headline, state_line
from actors.model.conversion import terminal_safe
from actors.process.logs import Scrubber
from tests.health.health_samples import START, document, well


def test_a_healthy_tracker_is_one_line_of_figures() -> None:
    line = headline(document(well(), START + 2))
    assert line.startswith("healthy | ")
    for figure in (" trades, ", " last minute | ", " connections live | ", " resolutions"):
        assert figure in line


def test_what_is_wrong_comes_first_and_cannot_drive_the_terminal() -> None:
    wrong = msgspec.structs.replace(
        document(well(), START + 2), state="degraded", reasons=("all is red \x1b[31m", "and late")
    )
    assert state_line(wrong) == "degraded: all is red ?[31m; and late"
    assert headline(wrong).startswith(f"{state_line(wrong)} | ")


def test_what_only_needs_attention_is_marked_in_a_worse_state() -> None:
    found = document(well(), START + 2)
    shown = {"reasons": ("red", "odd"), "codes": ("a", "b"), "levels": ("degraded", "attention")}
    both = msgspec.structs.replace(found, state="degraded", **shown)
    assert state_line(both) == "degraded: red; attention: odd"
    odd = {"reasons": ("odd",), "codes": ("b",), "levels": ("attention",)}
    alone = msgspec.structs.replace(found, state="attention", **odd)
    assert state_line(alone) == "attention: odd"


def invisible() -> Iterator[str]:
    """Yield each character that drives a terminal, reorders or hides text, or is of no width."""
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            yield chr(code)
    # Letters and marks in name alone (DerivedCoreProperties.txt, Default_Ignorable_Code_Point).
    yield from "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2065\u3164\uffa0\U000e0100"
    yield "\U000e0fff"


def test_no_character_that_hides_or_reorders_passes_a_filter() -> None:
    scrubber = Scrubber()
    for each in invisible():
        for shown in (terminal_safe(each), scrubber.text(each), scrubber.trace(each)):
            assert each not in shown or (each == "\n" and shown == scrubber.trace(each)), ascii(
                each
            )


@pytest.mark.parametrize(
    "text", ["Überraschung — 冠军 “ja”?", "🏳️‍🌈".replace("\u200d", ""), "❤️ é à", "العربية"]
)
def test_what_people_write_is_left_as_it_is(text: str) -> None:
    assert terminal_safe(text) == Scrubber().text(text) == text


def test_line_ends_and_colours_are_replaced() -> None:
    assert terminal_safe("a\nb\u202ec\ud800\x1b[31m") == "a?b?c??[31m"


@given(st.text())
def test_no_control_character_is_left_and_no_letter_is_lost(text: str) -> None:
    plain = terminal_safe(text)
    assert len(plain) == len(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in plain)
