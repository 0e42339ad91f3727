"""Values become parameters that the database can hold."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.database.columns import clean, outcome_text
from actors.model.trade import TokenId
from tests.database.samples import observation


@given(st.text(st.characters()))
def test_clean_text_can_always_be_stored_and_keeps_all_that_could_be(text: str) -> None:
    cleaned = clean(text)
    assert "\x00" not in cleaned
    cleaned.encode()
    if "\x00" not in text and not any(0xD800 <= ord(char) <= 0xDFFF for char in text):
        assert cleaned == text


@pytest.mark.parametrize(
    ("payouts", "text"),
    [
        (("0", "1"), "winner 8"),
        (("1.0", "0"), "winner 7"),
        (("0.5", "0.5"), "split"),
        (("0.3", "0.7"), "other payouts"),
        (None, "not final"),
    ],
)
def test_each_kind_of_payouts_has_one_text(payouts: tuple[str, str] | None, text: str) -> None:
    tokens = (TokenId("7"), TokenId("8"))
    paid = payouts and tuple(
        (token, Decimal(payout)) for token, payout in zip(tokens, payouts, strict=True)
    )
    assert outcome_text(observation(payouts=paid)) == text
