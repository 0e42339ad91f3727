"""A trade: one match between a taker and makers, as the exchange reports it.

The feed carries no trade id, so a trade is identified by its content: token, exchange time,
price, size, side, transaction hash, and its `occurrence`. The k-th identical trade on one
connection is the k-th on every other. So identical trades that both happened are both stored,
and a trade that was received on two connections, or replayed, is stored once.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from struct import unpack
from typing import NewType

import msgspec

TokenId = NewType("TokenId", str)
"""Decimal digits, 1 to 78 of them; never a number (77 digits do not fit a float)."""
ConditionId = NewType("ConditionId", str)
"""`0x` and 64 lower-case hexadecimal digits."""


class Trade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One trade as reported. `side` is the taker's: BUY or SELL.

    Attributes:
        traded_at_ms: Exchange time, milliseconds since 1970, UTC.
        received_at_ns: Our wall clock when the bytes arrived, nanoseconds since 1970.
        price: USDC per share, 0 < price <= 1, exact.
        size: Shares, > 0, exact.
        fee_rate_bps: As reported, or None when absent, empty or not a whole number.
        transaction_hash: `0x…` lower case, or None when the feed gave none.
        occurrence: 1 for the first such trade on its connection, 2 for the next identical one …
        trade_id: None until the feed carries one.
        extra: The fields that we do not know as the text of a JSON object, or None.
    """

    token_id: TokenId
    condition_id: ConditionId
    traded_at_ms: int
    received_at_ns: int
    price: Decimal
    size: Decimal
    side: str
    fee_rate_bps: int | None = None
    transaction_hash: str | None = None
    occurrence: int = 1
    trade_id: str | None = None
    extra: str | None = None


class Rejection(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message, or one event of it, that is not a valid trade, kept verbatim.

    Attributes:
        reason: One stable phrase, e.g. `price out of range`.
        payload: The bytes as received (the whole frame, or the one event).
        received_at_ns: Our wall clock when the bytes arrived, nanoseconds since 1970.
        occurrence: k for the k-th event with the same bytes on its connection. A trade that a
            later version finds in it has this occurrence.
    """

    reason: str
    payload: bytes
    received_at_ns: int
    occurrence: int = 1


TRADE_BYTES = 1_024
"""About what a trade takes in memory."""


def size_in_trades(rejections: Iterable[Rejection]) -> int:
    """Return as how many trades these count where memory or a transaction is bounded."""
    return sum([1 + len(each.payload) // TRADE_BYTES for each in rejections])


def canonical_decimal(value: Decimal) -> str:
    """Return the one spelling of a decimal: no exponent, no trailing zeros.

    >>> canonical_decimal(Decimal("0.330")), canonical_decimal(Decimal(".5E2"))
    ('0.33', '50')
    """
    text = str(value)
    if "E" in text:  # format() takes three times as long, and is rarely needed
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def trade_hashes(trades: Sequence[Trade]) -> tuple[int, ...]:
    """Return the `trade_hash` of each of these trades.

    It is the signed 64-bit digest of all that identifies a trade except token and time: BLAKE2b
    over `price|size|side|transaction_hash|occurrence` in canonical spelling. 64 bits are enough,
    because they tell apart only trades of one token in one millisecond.
    """
    texts = [
        f"{_price(trade.price)}|{canonical_decimal(trade.size)}|{trade.side}"
        f"|{trade.transaction_hash or ''}|{trade.occurrence}"
        for trade in trades
    ]
    digests = [blake2b(text.encode(), digest_size=8).digest() for text in texts]
    # Signed, as the column in the database is a bigint.
    return unpack(f">{len(digests)}q", b"".join(digests))


_price = lru_cache(maxsize=4_096)(
    canonical_decimal
)  # prices are multiples of the tick size, so few

Busiest = tuple[tuple[TokenId, int], ...]
"""(token, recent trades), busiest first."""


class MissedTrade(msgspec.Struct, frozen=True):
    """A trade that some slots did not report though they should have.

    Attributes:
        reported_by: The slots that reported it.
    """

    trade: Trade
    reported_by: tuple[str, ...]
