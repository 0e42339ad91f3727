import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import PayloadRejected
from actors.polymarket import fields

NOW_NS = 1_790_000_000_000_000_000


@given(st.decimals(min_value="0.000000000001", max_value=10**19, places=12))
def test_an_amount_is_never_rounded(value: Decimal) -> None:
    assert fields.amount(format(value, "f"), "size") == value


@given(st.text(max_size=30))
def test_what_is_taken_as_an_amount_is_plain_and_above_zero(text: str) -> None:
    try:
        value = fields.amount(text, "price")
    except PayloadRejected:
        return
    assert set(text) <= set("0123456789.")
    assert value == Decimal(text) > 0


@given(st.text(max_size=80) | st.from_regex(r"\d{1,80}", fullmatch=True))
def test_a_token_is_ascii_digits(text: str) -> None:
    good = text.isascii() and text.isdigit() and len(text) <= 78
    try:
        assert fields.token(text) == text
        assert good
    except PayloadRejected:
        assert not good


def test_a_day_ahead_is_the_last_time_in_range() -> None:
    last_ms = NOW_NS // 1_000_000 + 86_400_000
    assert fields.latest_moment(NOW_NS) == last_ms
    assert fields.moment(str(last_ms), last_ms) == last_ms
    with pytest.raises(PayloadRejected, match="timestamp out of range"):
        fields.moment(last_ms + 1, last_ms)


@pytest.mark.parametrize("value", ["", "0", "0100", 7, None])
def test_a_fee_is_whole_or_absent(value: str | int | None) -> None:
    assert fields.fee(value) == {"": None, "0": 0, "0100": 100, 7: 7, None: None}[value]


@pytest.mark.parametrize("value", ["1.5", "-1", " 1", "1" * 10])
def test_no_other_fee_is_made_up(value: str) -> None:
    with pytest.raises(PayloadRejected, match="fee_rate_bps is not a whole number"):
        fields.fee(value)


def test_no_hash_and_an_empty_hash_are_the_same() -> None:
    assert fields.transaction_hash(None) is None
    assert fields.transaction_hash("") is None


HASHES = st.from_regex(r"0x[0-9a-fA-F]{0,132}", fullmatch=True) | st.text(
    "0x9aF_ \u0661\n", max_size=8
)


@given(HASHES.filter(bool))
def test_a_hash_is_whole_bytes_in_hexadecimal(text: str) -> None:
    good = re.fullmatch("0x([0-9a-fA-F]{2}){1,64}", text)
    try:
        assert fields.transaction_hash(text) == text.lower()
        assert good
    except PayloadRejected:
        assert not good


@given(
    st.text("0159_ +-\u0661\u00b2\n", max_size=20) | st.from_regex(r"[0-9]{0,20}", fullmatch=True)
)
def test_a_moment_is_up_to_eighteen_ascii_digits(text: str) -> None:
    phrase = "out of range" if re.fullmatch("[0-9]{1,18}", text) else "is not milliseconds"
    with pytest.raises(PayloadRejected, match=phrase):
        fields.moment(text, 0)


# -------------------------------------------------------------------- columns

SIZES = st.sampled_from(("1", "0.5", ".25", "1.10", "0", "1e5", "", "1.", "x", "1" * 21, "\u0661"))
LATEST_MS = fields.latest_moment(NOW_NS)
MOMENTS = st.sampled_from(
    (NOW_NS // 1_000_000, str(NOW_NS // 1_000_000), "", "\u0661", "5", None, True, "1" * 5_000)
)
SPOKEN_HASHES = st.sampled_from(
    ("0x" + "aB" * 32, "0x" + "cd" * 32, "0x" + "ef" * 31, None, "", "0x" + "g" * 64, "0" * 66)
)


def one_by_one(check: Callable[[Any], Any], values: Sequence[object]) -> object:
    try:
        return [check(value) for value in values]
    except PayloadRejected as rejected:
        return str(rejected)


def at_once(check: Callable[[Any], Any], values: Sequence[object]) -> object:
    try:
        return check(values)
    except PayloadRejected as rejected:
        return str(rejected)


@given(st.lists(SIZES, max_size=5))
def test_a_column_of_sizes_is_what_each_is(texts: list[str]) -> None:
    each = one_by_one(lambda text: fields.amount(text, "size"), texts)
    assert at_once(fields.sizes, texts) == each


@given(st.lists(MOMENTS, max_size=5))
def test_a_column_of_moments_is_what_each_is(values: list[object]) -> None:
    each = one_by_one(lambda value: fields.moment(value, LATEST_MS), values)
    assert at_once(lambda column: fields.moments(column, LATEST_MS), values) == each


@given(st.lists(SPOKEN_HASHES, max_size=5))
def test_a_column_of_hashes_is_what_each_is(texts: list[str | None]) -> None:
    each = one_by_one(fields.transaction_hash, texts)
    assert at_once(fields.transaction_hashes, texts) == each
