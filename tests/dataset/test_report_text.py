"""Numbers, times and texts of a report, as people read them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from actors.dataset.report.text import NONE, clock, lasting, moment, named, share, short, told, usdc
from tests.dataset.report_samples import SPAN, hour


@pytest.mark.parametrize(
    ("text", "width", "said"),
    [
        ("plain", 10, "plain"),
        ("0123456789", 10, "0123456789"),
        ("0123456789a", 10, "0123456789…"),
        ("cut at a space", 6, "cut at…"),
        ("大阪で雨が", 10, "大阪で雨が"),
        ("大阪で雨が降", 10, "大阪で雨が…"),
        ("e\u0301\u0301\u0301\u0301x", 10, "e\u0301\u0301x"),
        ("a\u202eb\x00c\nd", 10, "a?b?c?d"),
        ("", 10, ""),
    ],
)
def test_a_text_of_strangers_is_short_and_hides_nothing(text: str, width: int, said: str) -> None:
    assert short(text, width) == said


def test_a_text_of_strangers_is_cut_before_it_becomes_html() -> None:
    assert told("<" * 300, 3) == "&lt;&lt;&lt;…"
    assert (told(None), told("")) == (NONE, NONE)


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (1, 1, "100 %"),
        (0.99999, 1, "99.99 %"),
        (2, 3, "66.66 %"),
        (0, 5, "0.00 %"),
        (1, 1e9, "under 0.01 %"),
        (0, 0, NONE),
    ],
)
def test_a_share_is_rounded_down(part: float, whole: float, said: str) -> None:
    assert share(part, whole) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"), (9.96, "10.0 s"), (59.4, "59 s"), (59.6, "1 min"), (61, "1 min 01 s"),
        (3_600, "1 h"), (3_660, "1 h 01 min"), (86_399, "23 h 59 min"), (90_000, "1 d 01 h"),
    ],
)  # fmt: skip
def test_a_length_of_time_has_two_units_at_most(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [("0", "0"), ("999.5", "1,000"), ("1234567", "1.23 M"), ("98765432100", "98.77 G")],
)
def test_an_amount_is_told_in_whole_usdc(amount: str, said: str) -> None:
    assert usdc(Decimal(amount)) == said


def test_a_time_has_its_date_where_it_could_be_another_day() -> None:
    assert clock(hour(9.5), *SPAN) == "09:30:00"
    assert clock(hour(25), *SPAN) == "2026-03-02 01:00:00"
    assert clock(hour(25), SPAN.start, hour(72)) == "2 Mar 01:00:00"
    assert clock(hour(25), SPAN.start, SPAN.start + timedelta(days=999)) == "2026-03-02 01:00:00"
    assert clock(None, *SPAN) == moment(None) == NONE


def test_a_token_is_told_by_its_outcome() -> None:
    token = "1234" + "0" * 69 + "9876"
    assert named(f"winner {token}", {token: "Yes"}) == "winner Yes (1234…9876)"
    assert named(f"winner {token}", {}) == "winner 1234…9876"
    assert named("not final", {token: "Yes"}) == "not final"
