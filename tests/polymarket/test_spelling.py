"""Trades that are spelled otherwise than today: what has one meaning is stored exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.polymarket import channel
from tests.polymarket.feed_samples import (
    CONDITION,
    HASH,
    RECEIVED_NS,
    TOKEN,
    decode,
    encoded,
    framed,
    sample_trade,
    trade_hash,
)

MS = 1_790_000_000_000
RAW = framed(size="@", price="@@")


def spelled(size: str = '"219.217767"', price: str = '"0.456"') -> bytes:
    """Return a trade with these JSON values to the letter."""
    return RAW.replace(b'"@@"', price.encode()).replace(b'"@"', size.encode())


@pytest.mark.parametrize(
    ("size", "value"),
    [
        ("12.5", "12.5"),
        ("100", "100"),
        ("0.1000", "0.1"),
        ("1e-06", "0.000001"),
        ('"1e-06"', "0.000001"),
        ('"1.5E+2"', "150"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("12345678901234567890.123456789012", "12345678901234567890.123456789012"),
        ('"+12.5"', "12.5"),
        ('" 12.5\\n"', "12.5"),
        ('"12."', "12"),
        ('"0000000000000000000000000012.5"', "12.5"),
    ],
)
def test_an_amount_is_taken_from_its_own_text(size: str, value: str) -> None:
    decoded = decode(spelled(size=size), RECEIVED_NS)
    (trade,) = decoded.trades
    assert trade.size == Decimal(value)
    assert decoded.respelled == 1
    assert not decoded.rejections


@given(st.decimals(min_value="0.000000000001", max_value=10**12, places=12), st.integers(-9, 9))
def test_no_digit_of_a_number_passes_through_a_float(value: Decimal, shift: int) -> None:
    text = f"{format(value.scaleb(-shift), 'f')}e{shift}"
    (trade,) = decode(spelled(size=text), RECEIVED_NS).trades
    assert trade.size == value


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"price": 0.5}, {"price": Decimal("0.5")}),
        ({"price": "5e-1"}, {"price": Decimal("0.5")}),
        ({"side": "buy"}, {}),
        ({"side": "Sell"}, {"side": "SELL"}),
        ({"asset_id": 7}, {"token_id": "7"}),
        ({"asset_id": int(TOKEN)}, {}),
        ({"asset_id": f"0x{int(TOKEN):064x}"}, {}),
        ({"market": CONDITION[2:]}, {}),
        ({"market": "0X" + CONDITION[2:]}, {}),
        ({"transaction_hash": HASH[2:]}, {}),
        ({"transaction_hash": HASH.upper()}, {}),
        ({"timestamp": 1790000000}, {}),
        ({"timestamp": "1790000000"}, {}),
        ({"timestamp": "1790000000.25"}, {"traded_at_ms": MS + 250}),
        ({"timestamp": 1.79e12}, {}),
        ({"timestamp": f"{MS}000"}, {}),
        ({"timestamp": MS * 1_000_000}, {}),
        ({"timestamp": "2026-09-21T14:13:20Z"}, {}),
        ({"timestamp": "2026-09-21T14:13:20.25Z"}, {"traded_at_ms": MS + 250}),
        ({"timestamp": "2026-09-21 16:13:20.000+02:00"}, {}),
        ({"timestamp": "2026-09-21t14:13:20z"}, {}),
        ({"timestamp": "2026-09-21T14:13:20"}, {}),
        (
            {"timestamp": f"{MS}123"},
            {"extra": f'{{"timestamp":"{MS}123"}}'},
        ),
        (
            {"timestamp": "2026-09-21T14:13:20.0001234Z"},
            {"extra": '{"timestamp":"2026-09-21T14:13:20.0001234Z"}'},
        ),
    ],
)
def test_one_meaning_is_the_same_trade_as_in_the_spelling_of_today(
    changes: dict[str, object], expected: dict[str, object]
) -> None:
    decoded = decode(framed(**changes), RECEIVED_NS)
    assert decoded.trades == (sample_trade(**expected),)
    assert decoded.respelled == 1


def test_all_at_once_is_the_same_trade_and_has_the_same_identity() -> None:
    raw = encoded(
        {
            "event_type": "last_trade_price",
            "asset_id": int(TOKEN),
            "market": CONDITION[2:],
            "price": 0.456,
            "size": 219.217767,
            "side": "buy",
            "timestamp": "2026-09-21T14:13:20Z",
            "transaction_hash": HASH[2:],
            "fee_rate_bps": 0,
        }
    )
    (trade,) = decode(raw, RECEIVED_NS).trades
    assert trade == sample_trade()
    assert trade_hash(trade) == trade_hash(sample_trade())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size": "0,5"}, "size is not a plain decimal"),
        ({"size": "1,000.5"}, "size is not a plain decimal"),
        ({"size": "1_000"}, "size is not a plain decimal"),
        ({"size": "0x10"}, "size is not a plain decimal"),
        ({"size": "12.5 shares"}, "size is not a plain decimal"),
        ({"size": -12.5}, "size is not a plain decimal"),
        ({"size": "1e400"}, "size is not a plain decimal"),
        ({"size": "1e-99"}, "size has too many digits"),
        ({"size": True}, "size is not a string"),
        ({"size": [12.5]}, "size is not a string"),
        ({"price": 45.6}, "price out of range"),
        ({"side": 0}, "side is not BUY or SELL"),
        ({"side": "B"}, "side is not BUY or SELL"),
        ({"asset_id": int(float(TOKEN))}, "token has lost digits"),
        ({"asset_id": float(TOKEN)}, "token has lost digits"),
        ({"asset_id": TOKEN[:-1] + ".0"}, "token is malformed"),
        ({"market": "ab" * 30}, "condition is malformed"),
        ({"transaction_hash": "cd" * 20}, "transaction_hash is malformed"),
        ({"timestamp": "2026-09-21"}, "timestamp is not milliseconds"),
        ({"timestamp": "2026-09-21T18:13:20"}, "timestamp without a zone"),
        ({"timestamp": "2026-09-31T14:13:20Z"}, "timestamp is not milliseconds"),
        ({"timestamp": "21.09.2026 14:13:20"}, "timestamp is not milliseconds"),
        ({"timestamp": 179000000}, "timestamp out of range"),
    ],
)
def test_what_could_mean_two_things_is_kept_verbatim(
    changes: dict[str, object], reason: str
) -> None:
    raw = framed(**changes)
    decoded = decode(raw, RECEIVED_NS)
    assert decoded.trades == ()
    assert [(one.reason, one.payload) for one in decoded.rejections] == [(reason, raw)]
    assert decoded.respelled == 0


def test_an_unreadable_fee_is_kept_and_counted_as_another_spelling() -> None:
    decoded = decode(framed(fee_rate_bps="0.5"), RECEIVED_NS)
    assert [trade.extra for trade in decoded.trades] == ['{"fee_rate_bps":"0.5"}']
    assert decoded.respelled == 1


@pytest.mark.parametrize("changes", [{}, {"timestamp": MS}, {"fee_rate_bps": 7}, {"venue": "x"}])
def test_the_spelling_of_today_and_a_new_field_are_no_other_spelling(
    changes: dict[str, object],
) -> None:
    decoded = decode(framed(**changes), RECEIVED_NS)
    assert len(decoded.trades) == 1
    assert decoded.respelled == 0


def test_half_of_the_trades_in_another_spelling_are_all_stored_in_order() -> None:
    sizes = [Decimal(n) / 8 for n in range(1, 101)]
    frames = [spelled(size=str(size) if n % 2 else f'"{size}"') for n, size in enumerate(sizes)]
    decoded = channel.decode(frames, RECEIVED_NS)
    assert [trade.size for trade in decoded.trades] == sizes
    assert decoded.respelled == 50
    assert decoded.kept == tuple(frames)


@pytest.mark.parametrize("now", [1790000000, "2026-09-21T14:13:20Z", "1790000000"])
def test_the_now_of_other_events_is_read_in_other_spellings_too(now: object) -> None:
    raw = encoded({"event_type": "price_change", "timestamp": now})
    assert decode(raw, RECEIVED_NS).exchange_ms == MS
