"""Trades and frames for the tests; the values are made up, the shapes are those of the feed."""

import json
from decimal import Decimal
from pathlib import Path

from actors.model.trade import ConditionId, TokenId, Trade, trade_hashes
from actors.polymarket import channel
from actors.polymarket.channel import Decoded

RECEIVED_MS = 1_790_000_000_500
RECEIVED_NS = RECEIVED_MS * 1_000_000
TOKEN = TokenId("7" + "1234567890" * 7 + "123456")
CONDITION = ConditionId("0x" + "ab" * 32)
HASH = "0x" + "cd" * 32
DATA = Path(__file__).parents[1] / "data" / "feed"

TRADE: dict[str, object] = {
    "market": CONDITION,
    "asset_id": TOKEN,
    "price": "0.456",
    "size": "219.217767",
    "fee_rate_bps": "0",
    "side": "BUY",
    "timestamp": "1790000000000",
    "event_type": "last_trade_price",
    "transaction_hash": HASH,
}


def decode(raw: bytes, received_at_ns: int) -> Decoded:
    """Return what one frame holds."""
    return channel.decode((raw,), received_at_ns)


def encoded(value: object) -> bytes:
    """Return the bytes of a frame."""
    return json.dumps(value, separators=(",", ":")).encode()


def framed(**changes: object) -> bytes:
    """Return the frame of a trade with these fields changed; None removes a field."""
    fields = {**TRADE, **changes}
    return encoded({name: value for name, value in fields.items() if value is not None})


def sample_trade(**changes: object) -> Trade:
    """Return what `TRADE` decodes to, with these fields changed."""
    fields: dict[str, object] = {
        "token_id": TOKEN,
        "condition_id": CONDITION,
        "traded_at_ms": 1_790_000_000_000,
        "received_at_ns": RECEIVED_NS,
        "price": Decimal("0.456"),
        "size": Decimal("219.217767"),
        "side": "BUY",
        "fee_rate_bps": 0,
        "transaction_hash": HASH,
    }
    return Trade(**{**fields, **changes})  # type: ignore[arg-type]  # the tests name the fields


def trade_hash(trade: Trade) -> int:
    """Return the `trade_hash` of one trade."""
    (digest,) = trade_hashes((trade,))
    return digest
