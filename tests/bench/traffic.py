"""Frames as the market channel sends them, for benchmarks: 2 % trades, 96 % noise, 2 % books.

Shapes and lengths follow recordings of 2026; ids and numbers come from a seed.
"""

import json
import random
import struct
from typing import Any

LAST_SIZE = "424242.42"
"""The size of the trade after which nothing follows."""


def frame(payload: bytes) -> bytes:
    """Return the unmasked text frame with this payload."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


class Traffic:
    """Generates the events of a few markets of two tokens each."""

    def __init__(self, seed: int, *, markets: int = 100) -> None:
        self._rng = random.Random(f"traffic:{seed}")
        rng = self._rng
        self._markets = [
            (f"0x{rng.getrandbits(256):064x}", (self._token(), self._token()))
            for _ in range(markets)
        ]

    @property
    def tokens(self) -> tuple[str, ...]:
        """Return the ids of all tokens."""
        return tuple(token for _, pair in self._markets for token in pair)

    def mix(self, count: int, *, trades: float = 0.02, books: float = 0.02) -> list[bytes]:
        """Return so many frames in the realistic mix, books of every token first."""
        kinds = self._rng.choices(
            (self.trade, self.book, self.price_change),
            weights=(trades, books, 1 - trades - books),
            k=count,
        )
        return [frame(_bytes(make())) for make in kinds]

    def trade(self, size: str = "") -> dict[str, Any]:
        """Return a trade."""
        market, token = self._any()
        rng = self._rng
        return {
            "market": market,
            "asset_id": token,
            "price": f"{rng.randrange(1, 1000) / 1000:.3f}",
            "size": size or f"{rng.uniform(1, 900):.6f}",
            "fee_rate_bps": "0",
            "side": rng.choice(("BUY", "SELL")),
            "timestamp": self._now(),
            "event_type": "last_trade_price",
            "transaction_hash": f"0x{rng.getrandbits(256):064x}",
        }

    def last(self) -> bytes:
        """Return the frame after which nothing follows."""
        return frame(_bytes(self.trade(LAST_SIZE)))

    def price_change(self) -> dict[str, Any]:
        """Return a moved level of a market, on both tokens."""
        rng = self._rng
        market, pair = rng.choice(self._markets)
        cents = rng.randrange(2, 98)
        size = f"{rng.uniform(0, 9000):.{rng.choice((0, 2, 6))}f}"
        changes = [
            {
                "asset_id": token,
                "price": f"0.{price:02}",
                "size": size,
                "side": side,
                "hash": f"{rng.getrandbits(160):040x}",
                "best_bid": f"0.{price - 1:02}",
                "best_ask": f"0.{price + 1:02}",
            }
            for token, price, side in zip(pair, (cents, 100 - cents), ("BUY", "SELL"), strict=True)
        ]
        return {
            "market": market,
            "price_changes": changes,
            "timestamp": self._now(),
            "event_type": "price_change",
        }

    def book(self) -> dict[str, Any]:
        """Return a whole book, 10 to 80 levels on each side."""
        market, token = self._any()
        rng = self._rng
        depth = rng.randrange(10, 80)
        return {
            "market": market,
            "asset_id": token,
            "timestamp": self._now(),
            "hash": f"{rng.getrandbits(160):040x}",
            "bids": self._levels(range(1, depth)),
            "asks": self._levels(range(999, 999 - depth, -1)),
            "event_type": "book",
        }

    def _levels(self, steps: range) -> list[dict[str, str]]:
        rng = self._rng
        return [
            {"price": f"{step / 1000:.3f}", "size": f"{rng.uniform(1, 9000):.2f}"} for step in steps
        ]

    def _any(self) -> tuple[str, str]:
        market, pair = self._rng.choice(self._markets)
        return market, self._rng.choice(pair)

    def _token(self) -> str:
        return str(10**76 + self._rng.randrange(9 * 10**76))

    def _now(self) -> str:
        return str(1_785_000_000_000 + self._rng.randrange(10**9))


def _bytes(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()
