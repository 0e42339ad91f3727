"""An observation's word, as readers of the evidence see it."""

from decimal import Decimal

import pytest

from actors.model.batch import verdict
from actors.model.outcome import Observation, Source
from actors.model.trade import ConditionId, TokenId


@pytest.mark.parametrize(
    ("payouts", "word"),
    [
        (("0", "1"), "winner 8"),
        (("1.0", "0"), "winner 7"),
        (("0.5", "0.5"), "split"),
        (("0.3", "0.7"), "other payouts"),
        (None, "not final"),
    ],
)
def test_payouts_have_one_word(payouts: tuple[str, str] | None, word: str) -> None:
    tokens = (TokenId("7"), TokenId("8"))
    paid = payouts and tuple(
        (token, Decimal(payout)) for token, payout in zip(tokens, payouts, strict=True)
    )
    said = Observation(
        condition_id=ConditionId("0xaa"),
        source=Source.CHAIN,
        observed_at_ms=1,
        payouts=paid,
        reason="",
        payload="{}",
    )
    assert verdict(said) == word
