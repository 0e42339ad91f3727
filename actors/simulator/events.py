"""The events of the market channel as JSON bytes, the frames around them, and generated trades.

Fields and their order are those of the exchange's AsyncAPI page and of frames recorded in 2026.
JSON is built by hand because a run sends tens of thousands of events a second; `new_market` and
`market_resolved` are rare and contain free text, so those are encoded. Frames from server to
client are never masked, so the bytes of one frame are built once for all subscribers.
"""

import json
import random
import struct
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

import msgspec

from actors.simulator.market import CENT, MIL, Market
from actors.simulator.market_ids import digest, hex_id

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes of others: no JSON, or JSON of another shape or too deep."""

TEXT = 0x1
CONTINUATION = 0x0
CLOSE = 0x8
PING = 0x9
PONG = 0xA

DEPTH = 6
"""Price levels on each side of a book."""
PRICES = {
    CENT: tuple(f"{step / CENT:.2f}" for step in range(CENT + 1)),
    MIL: tuple(f"{step / MIL:.3f}" for step in range(MIL + 1)),
}
"""Steps a dollar → the text of every price, since formatting floats costs most."""
POOL_SIZE = 512

SHARED_HASH = 0.05
"""Share of the trades that have the transaction hash of the trade before them."""
IDENTICAL = 0.001
"""Share of the trades that are followed by an identical one."""
LATE = 0.02
LATE_MS = 150
"""The share `LATE` of the trades carries a time that is up to so many milliseconds older."""
SPELLINGS = frozenset({"numbers", "lower_side", "seconds", "scientific", "renamed_event"})
"""The breaks that change how a trade is spelled."""
NEW_NAME = "trade_executed"
"""The event type of a trade after `renamed_event`."""
COUNTED, KEPT = 4096, 1024
"""Identical trades follow each other at once, so only the last keys are kept for counting."""


def frame(payload: bytes, opcode: int = TEXT, *, final: bool = True) -> bytes:
    """Return one whole frame (RFC 6455 section 5.2)."""
    first = (0x80 if final else 0) | opcode
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def frame_header(size: int) -> bytes:
    """Return only the header of a text frame of `size` bytes."""
    return struct.pack("!BBQ", 0x80 | TEXT, 127, size)


def fragments(payload: bytes, pieces: int) -> bytes:
    """Return one text message cut into `pieces` frames, even inside a character."""
    cuts = [len(payload) * piece // pieces for piece in range(pieces + 1)]
    return b"".join(
        frame(
            payload[start:end],
            TEXT if start == 0 else CONTINUATION,
            final=end == len(payload),
        )
        for start, end in pairwise(cuts)
        if end > start
    )


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame; only the first 123 bytes of the reason are sent."""
    return frame(struct.pack("!H", code) + reason.encode()[:123], CLOSE)


class LevelPool:
    """Sizes and hashes made in advance, so that a book event costs no digest.

    Args:
        seed: Decides them.
    """

    def __init__(self, seed: int) -> None:
        rng = random.Random(f"churn:{seed}")
        self.sizes = [
            f"{rng.uniform(1, 9000):.{rng.choice((0, 1, 2, 6))}f}" for _ in range(POOL_SIZE)
        ]
        self.hashes = [digest("book", seed, number, size=20).hex() for number in range(POOL_SIZE)]
        self._at = 0

    def advance(self) -> int:
        """Return the next index into both lists."""
        self._at = (self._at + 1) % POOL_SIZE
        return self._at


def _levels(steps: range, ticks: int, pool: LevelPool) -> str:
    prices, at = PRICES[ticks], pool.advance()
    return ",".join(
        f'{{"price":"{prices[step]}","size":"{pool.sizes[(at + step) % POOL_SIZE]}"}}'
        for step in steps
    )


def book(market: Market, side: int, ts: int, pool: LevelPool, *, first: bool = False) -> bytes:
    """Return a `book` event; bids rise and asks fall, so the best price of each is the last.

    Args:
        market: Whose book.
        side: 0 or 1, the token.
        ts: Exchange time, milliseconds.
        pool: Sizes and hashes.
        first: Add tick size and last price, as in the book after a subscription.
    """
    price = market.price if side == 0 else market.ticks - market.price
    bids = _levels(range(max(1, price - DEPTH), price), market.ticks, pool)
    asks = _levels(range(min(market.ticks - 1, price + DEPTH), price, -1), market.ticks, pool)
    extra = ""
    if first:
        extra = (
            f',"tick_size":"{1 / market.ticks:g}"'
            f',"last_trade_price":"{market.last_price[side]}"'
            + (',"version":"v2"' if market.v2 else "")
        )
    return (
        f'{{"market":"{market.condition}","asset_id":"{market.tokens[side]}","timestamp":"{ts}"'
        f',"hash":"{pool.hashes[pool.advance()]}","bids":[{bids}],"asks":[{asks}]{extra}'
        f',"event_type":"book"}}'
    ).encode()


def price_change(
    market: Market, ts: int, offset: int, pool: LevelPool, *, gone: bool = False
) -> bytes:
    """Return a `price_change` event: one price level, mirrored on both tokens.

    Args:
        market: Whose books.
        ts: Exchange time, milliseconds.
        offset: Distance of the level from the price in steps, not 0; below it when negative.
        pool: Sizes and hashes.
        gone: The level is removed (`"size":"0"`).
    """
    ticks, prices = market.ticks, PRICES[market.ticks]
    level = min(max(market.price + offset, 1), ticks - 1)
    at = pool.advance()
    size = "0" if gone else pool.sizes[at]
    bid, ask = max(market.price - 1, 0), min(market.price + 1, ticks)
    first, second = ("BUY", "SELL") if offset < 0 else ("SELL", "BUY")
    return (
        f'{{"market":"{market.condition}","price_changes":[{{"asset_id":"{market.tokens[0]}"'
        f',"price":"{prices[level]}","size":"{size}","side":"{first}"'
        f',"hash":"{pool.hashes[at]}","best_bid":"{prices[bid]}"'
        f',"best_ask":"{prices[ask]}"}},{{"asset_id":"{market.tokens[1]}"'
        f',"price":"{prices[ticks - level]}","size":"{size}","side":"{second}"'
        f',"hash":"{pool.hashes[at - 1]}","best_bid":"{prices[ticks - ask]}"'
        f',"best_ask":"{prices[ticks - bid]}"}}],"timestamp":"{ts}","event_type":"price_change"}}'
    ).encode()


def best_bid_ask(market: Market, side: int, ts: int) -> bytes:
    """Return a `best_bid_ask` event of one token; the spread is two steps."""
    price = market.price if side == 0 else market.ticks - market.price
    prices = PRICES[market.ticks]
    return (
        f'{{"market":"{market.condition}","asset_id":"{market.tokens[side]}"'
        f',"best_bid":"{prices[price - 1]}"'
        f',"best_ask":"{prices[price + 1]}"'
        f',"spread":"{prices[2]}","timestamp":"{ts}"'
        f',"event_type":"best_bid_ask"}}'
    ).encode()


def tick_size_change(market: Market, side: int, ts: int, old: int) -> bytes:
    """Return a `tick_size_change` event of one token; `old` is in steps a dollar."""
    return (
        f'{{"market":"{market.condition}","asset_id":"{market.tokens[side]}"'
        f',"old_tick_size":"{1 / old:g}","new_tick_size":"{1 / market.ticks:g}"'
        f',"timestamp":"{ts}","event_type":"tick_size_change"}}'
    ).encode()


def new_market(market: Market, ts: int) -> bytes:
    """Return a `new_market` event; `game_start_time` is a string, often empty."""
    return json.dumps(
        {
            "id": market.gamma_id,
            "question": market.question,
            "market": market.condition,
            "slug": market.slug,
            "description": f"Simulated: {market.question}",
            "assets_ids": list(market.tokens),
            "outcomes": list(market.outcomes),
            "event_message": {
                "id": f"9{market.gamma_id}",
                "ticker": market.slug,
                "slug": market.slug,
                "title": market.question,
                "description": "Simulated event",
            },
            "timestamp": str(ts),
            "tags": list(market.tags),
            "condition_id": market.condition,
            "active": True,
            "clob_token_ids": list(market.tokens),
            "sports_market_type": "",
            "line": "",
            "game_start_time": "2026-10-04 14:25:00+00" if "sports" in market.tags else "",
            "order_price_min_tick_size": f"{1 / market.ticks:g}",
            "group_item_title": "",
            "taker_base_fee": "0",
            "fees_enabled": False,
            "event_type": "new_market",
        },
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()


def market_resolved(market: Market, ts: int) -> bytes:
    """Return a `market_resolved` event.

    For a split both winner fields are empty: an assumption, no such event was recorded yet.
    """
    winner = market.winner
    if market.odd == "wrong_hint" and winner is not None:
        winner = 1 - winner
    return json.dumps(
        {
            "id": market.gamma_id,
            "market": market.condition,
            "assets_ids": list(market.tokens),
            "winning_asset_id": "" if winner is None else market.tokens[winner],
            "winning_outcome": "" if winner is None else market.outcomes[winner],
            "event_message": None,
            "timestamp": str(ts),
            "event_type": "market_resolved",
            "tags": list(market.tags),
        },
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One trade; `n` counts all trades of a run from 1, `occurrence` identical ones from 1."""

    n: int
    token: str
    condition: str
    price: str
    size: str
    side: str
    ts: int
    hash: str
    fee: str
    occurrence: int = 1

    @property
    def text(self) -> bytes:
        """Return the `last_trade_price` event."""
        return (
            f'{{"market":"{self.condition}","asset_id":"{self.token}","price":"{self.price}"'
            f',"size":"{self.size}","fee_rate_bps":"{self.fee}","side":"{self.side}"'
            f',"timestamp":"{self.ts}","event_type":"last_trade_price"'
            f',"transaction_hash":"{self.hash}"}}'
        ).encode()


def spelled(trade: Trade, broken: frozenset[str]) -> bytes:
    """Return the event of a trade as it is spelled with these breaks; what it says is the same."""
    if not broken & SPELLINGS:
        return trade.text
    price, size, ts = trade.price, trade.size, str(trade.ts)
    if "scientific" in broken:
        price, size = scientific(price), scientific(size)
    if "seconds" in broken:
        ts = str(trade.ts // 1000)
    side = trade.side.lower() if "lower_side" in broken else trade.side
    quote = "" if "numbers" in broken else '"'
    fee = f"{quote}{trade.fee}{quote}" if trade.fee else '""'
    kind = NEW_NAME if "renamed_event" in broken else "last_trade_price"
    return (
        f'{{"market":"{trade.condition}","asset_id":"{trade.token}","price":{quote}{price}{quote}'
        f',"size":{quote}{size}{quote},"fee_rate_bps":{fee},"side":"{side}"'
        f',"timestamp":{quote}{ts}{quote},"event_type":"{kind}"'
        f',"transaction_hash":"{trade.hash}"}}'
    ).encode()


def scientific(text: str) -> str:
    """Return a decimal with one digit before the point and an exponent, as 2.5e-2."""
    return f"{Decimal(text).normalize():e}"


class TradeGenerator:
    """Draws and numbers the trades of a run.

    Args:
        seed: Decides the hashes.
        run: Number of the run.
        rng: Source of chance.
        step_ms: Times of trades are multiples of so many milliseconds.

    Attributes:
        n: Number of the last trade; every number is used once.
    """

    def __init__(self, seed: int, run: int, rng: random.Random, *, step_ms: int = 1) -> None:
        self._seed = seed
        self.run = run
        self._step_ms = step_ms
        self._rng = rng
        self._last_hash = ""
        self._seen: dict[tuple[str, ...], int] = {}
        self.n = 0

    def draw(self, market: Market, side: int, now: int) -> tuple[Trade, ...]:
        """Draw one trade of a market, seldom followed by an identical one.

        Args:
            market: Its price may move by a step.
            side: 0 or 1, the token.
            now: Wall clock, milliseconds.
        """
        self._move_price(market)
        rng = self._rng
        ts = now - rng.randint(1, LATE_MS) if rng.random() < LATE else now
        first = self.create(
            market,
            side,
            ts=ts,
            price=market.text_price(side),
            size=self._size(),
            taker=rng.choice(("BUY", "SELL")),
        )
        if rng.random() >= IDENTICAL:
            return (first,)
        return (first, self.repeat(first))

    def create(
        self, market: Market, side: int, *, ts: int, price: str, size: str, taker: str
    ) -> Trade:
        """Return a trade with the next number; its time never goes back on its own token."""
        self.n += 1
        ts = max(ts - ts % self._step_ms, market.last_ts[side])
        market.last_ts[side] = ts
        market.last_price[side] = price
        market.volume += float(size)
        if not self._last_hash or self._rng.random() >= SHARED_HASH:
            self._last_hash = hex_id("tx", self._seed, self.run, self.n)
        trade = Trade(
            n=self.n,
            token=market.tokens[side],
            condition=market.condition,
            price=price,
            size=size,
            side=taker,
            ts=ts,
            hash=self._last_hash,
            fee="" if self.n % 20 == 0 else "0",
        )
        return replace(trade, occurrence=self._count(trade))

    def repeat(self, trade: Trade) -> Trade:
        """Return an identical trade with the next number."""
        self.n += 1
        return replace(trade, n=self.n, occurrence=self._count(trade))

    def _count(self, trade: Trade) -> int:
        """Return how many identical trades there were, with this one."""
        if len(self._seen) > COUNTED:
            self._seen = dict(list(self._seen.items())[-KEPT:])
        key = (trade.token, trade.price, trade.size, trade.side, str(trade.ts), trade.hash)
        self._seen[key] = self._seen.get(key, 0) + 1
        return self._seen[key]

    def _move_price(self, market: Market) -> None:
        step = self._rng.choice((-1, 0, 0, 0, 1))
        market.price = min(max(market.price + step, 2), market.ticks - 2)

    def _size(self) -> str:
        """Draw a size like those of the exchange: often 0.02, often whole, up to 6 decimals."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.16:
            return "0.02"
        if kind < 0.5:
            return str(rng.randint(1, 500))
        return f"{rng.uniform(0.1, 4000):.{rng.randint(1, 6)}f}"


def refine_tick(market: Market) -> int | None:
    """Make the price step finer near 0 and 1; return the old steps a dollar if it changed."""
    share = market.price / market.ticks
    if market.ticks == CENT and not 0.04 <= share <= 0.96:
        market.ticks, market.price = MIL, market.price * 10
        return CENT
    return None
