from decimal import Decimal

import pytest

from actors.polymarket.channel import Decoded
from tests.polymarket.feed_samples import (
    HASH,
    RECEIVED_MS,
    RECEIVED_NS,
    TRADE,
    decode,
    encoded,
    framed,
    sample_trade,
)


def reason_of(raw: bytes) -> str:
    decoded = decode(raw, RECEIVED_NS)
    assert not decoded.trades
    (rejection,) = decoded.rejections
    assert (rejection.payload, rejection.received_at_ns) == (raw, RECEIVED_NS)
    return rejection.reason


def test_a_trade_is_exact() -> None:
    assert decode(framed(), RECEIVED_NS) == Decoded(
        trades=(sample_trade(),), kept=(framed(),), exchange_ms=1_790_000_000_000
    )


def test_a_trade_of_2024_had_no_transaction_hash() -> None:
    assert decode(framed(transaction_hash=None), RECEIVED_NS).trades == (
        sample_trade(transaction_hash=None),
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"price": ".48"}, {"price": Decimal("0.48")}),
        ({"price": "1"}, {"price": Decimal(1)}),
        ({"price": "0.000000000001"}, {"price": Decimal("0.000000000001")}),
        ({"size": "12345678901234567890.5"}, {"size": Decimal("12345678901234567890.5")}),
        ({"side": "SELL"}, {"side": "SELL"}),
        ({"asset_id": "0"}, {"token_id": "0"}),
        ({"market": "0x" + "AB" * 31}, {"condition_id": "0x" + "ab" * 31 + "00"}),
        ({"timestamp": 1790000000000}, {}),
        ({"timestamp": str(RECEIVED_MS)}, {"traded_at_ms": RECEIVED_MS}),
        ({"transaction_hash": ""}, {"transaction_hash": None}),
        ({"transaction_hash": "0xABcd"}, {"transaction_hash": "0xabcd"}),
        ({"fee_rate_bps": ""}, {"fee_rate_bps": None}),
        ({"fee_rate_bps": None}, {"fee_rate_bps": None}),
        ({"fee_rate_bps": 1000}, {"fee_rate_bps": 1000}),
        ({"fee_rate_bps": "0.5"}, {"fee_rate_bps": None, "extra": '{"fee_rate_bps":"0.5"}'}),
        ({"fee_rate_bps": 32_767}, {"fee_rate_bps": 32_767}),
        ({"fee_rate_bps": "32768"}, {"fee_rate_bps": None, "extra": '{"fee_rate_bps":"32768"}'}),
        ({"fee_rate_bps": True}, {"fee_rate_bps": None, "extra": '{"fee_rate_bps":true}'}),
        (
            {"zebra": 1.10, "ant": ["\u00e9\\u0000", None]},
            {"extra": '{"ant":["\\u00e9\\\\u0000",null],"zebra":1.1}'},
        ),
    ],
)
def test_every_spelling_of_a_valid_trade_is_read(
    changes: dict[str, object], expected: dict[str, object]
) -> None:
    assert decode(framed(**changes), RECEIVED_NS).trades == (sample_trade(**expected),)


@pytest.mark.parametrize("empty", ["transaction_hash", "fee_rate_bps"])
def test_null_is_none(empty: str) -> None:
    raw = encoded({**TRADE, empty: None})
    assert decode(raw, RECEIVED_NS).trades == (sample_trade(**{empty: None}),)


def test_unknown_fields_are_kept_to_the_letter() -> None:
    raw = framed()[:-1] + b',"z":1.500,"big":' + b"9" * 77 + b"}"
    (trade,) = decode(raw, RECEIVED_NS).trades
    assert trade.extra == '{"big":' + "9" * 77 + ',"z":1.500}'


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price": None}, "price is missing"),
        ({"price": "0"}, "price out of range"),
        ({"price": "1.000000000001"}, "price out of range"),
        ({"price": "-0.5"}, "price is not a plain decimal"),
        ({"price": "0,5"}, "price is not a plain decimal"),
        ({"price": "\u0660.5"}, "price is not a plain decimal"),
        ({"price": "NaN"}, "price is not a plain decimal"),
        ({"price": ""}, "price is not a plain decimal"),
        ({"price": "."}, "price is not a plain decimal"),
        ({"price": "0." + "1" * 19}, "price has too many digits"),
        ({"size": "1." + "1" * 31}, "size has too many digits"),
        ({"size": "0.000"}, "size out of range"),
        ({"size": "Infinity"}, "size is not a plain decimal"),
        ({"size": "1" * 21}, "size has too many digits"),
        ({"side": None}, "side is missing"),
        ({"asset_id": "0x12"}, "token is malformed"),
        ({"asset_id": "1" * 79}, "token is malformed"),
        ({"asset_id": "12\x00"}, "token is malformed"),
        ({"asset_id": None}, "token is missing"),
        ({"market": "0x" + "a" * 61}, "condition is malformed"),
        ({"market": "0x" + "a" * 65}, "condition is malformed"),
        ({"market": "0x" + "g" * 64}, "condition is malformed"),
        ({"timestamp": None}, "timestamp is not milliseconds"),
        ({"timestamp": True}, "timestamp is not milliseconds"),
        ({"timestamp": "2026-10-01"}, "timestamp is not milliseconds"),
        ({"timestamp": "-1790000000000"}, "timestamp is not milliseconds"),
        ({"timestamp": "1577836799999"}, "timestamp out of range"),
        ({"timestamp": str(RECEIVED_MS + 86_400_001)}, "timestamp out of range"),
        ({"timestamp": 10**30}, "timestamp out of range"),
        ({"transaction_hash": "0x"}, "transaction_hash is malformed"),
        ({"transaction_hash": "0xabc"}, "transaction_hash is malformed"),
        ({"transaction_hash": "0x" + "ab" * 65}, "transaction_hash is malformed"),
        ({"transaction_hash": 5}, "transaction_hash is not a string"),
        ({"note": "a\x00b"}, "unknown field cannot be kept"),
        ({"no\x00te": "ab"}, "unknown field cannot be kept"),
        ({"event_type": None}, "event_type is missing"),
        ({"event_type": 3}, "event_type is missing"),
    ],
)
def test_what_is_wrong_with_a_trade_is_named_and_the_trade_is_kept(
    changes: dict[str, object], reason: str
) -> None:
    assert reason_of(framed(**changes)) == reason


@pytest.mark.parametrize(
    "value",
    [
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\xff"',
        b"[" * 65 + b"]" * 65,
        b"[" * 5000 + b"]" * 5000,
        b"1e9999",
        b"1e-99999",
        b"9" * 6000,
    ],
)
def test_what_a_database_cannot_hold_never_reaches_extra(value: bytes) -> None:
    raw = framed()[:-1] + b',"note":' + value + b"}"
    assert reason_of(raw) in {"unknown field cannot be kept", "nested too deeply", "not JSON"}


def test_a_hash_is_in_lower_case() -> None:
    assert decode(framed(transaction_hash=HASH.upper().replace("X", "x")), RECEIVED_NS).trades == (
        sample_trade(),
    )
