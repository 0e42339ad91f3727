"""Values become parameters that the database can hold."""

from decimal import Decimal

import pytest

from actors.database.columns import outcome_text
from actors.model.trade import TokenId
from tests.database.samples import observation


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
