from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.trade import canonical_decimal
from tests.polymarket.feed_samples import HASH, sample_trade, trade_hash

AMOUNTS = st.decimals(min_value=0, max_value=10**12, places=6)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.330", "0.33"),
        (".48", "0.48"),
        ("1.000", "1"),
        ("100", "100"),
        ("1E+2", "100"),
        ("1E-7", "0.0000001"),
        ("0.00", "0"),
        ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
    ],
)
def test_a_decimal_has_one_spelling(value: str, text: str) -> None:
    assert canonical_decimal(Decimal(value)) == text


@given(AMOUNTS, AMOUNTS)
def test_two_decimals_are_spelt_alike_only_when_they_are_equal(one: Decimal, two: Decimal) -> None:
    assert (canonical_decimal(one) == canonical_decimal(two)) == (one == two)
    assert Decimal(canonical_decimal(one)) == one


def test_the_hash_of_a_trade_stays_what_the_database_holds() -> None:
    assert trade_hash(sample_trade()) == -4_993_043_325_675_036_224


def test_the_hash_fits_a_bigint() -> None:
    hashes = [trade_hash(sample_trade(occurrence=n)) for n in range(1, 200)]
    assert all(-(2**63) <= value < 2**63 for value in hashes)
    assert min(hashes) < 0 < max(hashes)
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize(
    "change",
    [
        {"price": Decimal("0.457")},
        {"size": Decimal("219.217768")},
        {"side": "SELL"},
        {"transaction_hash": None},
        {"transaction_hash": HASH[:-1] + "e"},
        {"occurrence": 2},
    ],
)
def test_whatever_identifies_a_trade_changes_its_hash(change: dict[str, object]) -> None:
    assert trade_hash(sample_trade(**change)) != trade_hash(sample_trade())


@pytest.mark.parametrize(
    "change",
    [
        {"price": Decimal("0.4560")},
        {"size": Decimal("0219.217767000")},
        {"received_at_ns": 1},
        {"fee_rate_bps": None},
        {"extra": "{}"},
    ],
)
def test_nothing_else_changes_it(change: dict[str, object]) -> None:
    assert trade_hash(sample_trade(**change)) == trade_hash(sample_trade())
