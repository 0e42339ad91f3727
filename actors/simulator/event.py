"""JSON text of each event of the market channel, as bytes, with the field order of the feed.

Shapes: the exchange's AsyncAPI page and recorded frames of 2026. Built by hand
because a run has to make tens of thousands of them a second; `new_market` and
`market_resolved` are rare and carry text, so those are encoded.
"""

import json
import random

from actors.simulator.identity import digest
from actors.simulator.market import CENT, MIL, Market

DEPTH = 6
PRICES = {
    CENT: tuple(f"{step / CENT:.2f}" for step in range(CENT + 1)),
    MIL: tuple(f"{step / MIL:.3f}" for step in range(MIL + 1)),
}
"""Steps a dollar → the text of every price, since formatting floats is what costs most."""
CHURN = 512


class Churn:
    """Ready-made sizes and hashes, so that noise costs no digest each.

    Args:
        seed: What decides them.
    """

    def __init__(self, seed: int) -> None:
        rng = random.Random(f"churn:{seed}")
        self.sizes = [f"{rng.uniform(1, 9000):.{rng.choice((0, 1, 2, 6))}f}" for _ in range(CHURN)]
        self.hashes = [digest("book", seed, number, size=20).hex() for number in range(CHURN)]
        self._at = 0

    def turn(self) -> int:
        """Return the next place in both lists."""
        self._at = (self._at + 1) % CHURN
        return self._at


def _levels(steps: range, ticks: int, churn: Churn) -> str:
    prices, at = PRICES[ticks], churn.turn()
    return ",".join(
        f'{{"price":"{prices[step]}","size":"{churn.sizes[(at + step) % CHURN]}"}}'
        for step in steps
    )


def book(market: Market, side: int, ts: int, churn: Churn, *, first: bool = False) -> bytes:
    """Return a book; bids rise and asks fall, so the best is the last of each.

    Args:
        market: Whose book.
        side: 0 or 1, the token.
        ts: Exchange time, milliseconds.
        churn: Sizes and hashes.
        first: As it comes after a subscription, with tick size and last price.
    """
    here = market.price if side == 0 else market.ticks - market.price
    bids = _levels(range(max(1, here - DEPTH), here), market.ticks, churn)
    asks = _levels(range(min(market.ticks - 1, here + DEPTH), here, -1), market.ticks, churn)
    more = ""
    if first:
        more = (
            f',"tick_size":"{1 / market.ticks:g}"'
            f',"last_trade_price":"{market.last_price[side]}"'
            + (',"version":"v2"' if market.v2 else "")
        )
    return (
        f'{{"market":"{market.condition}","asset_id":"{market.tokens[side]}","timestamp":"{ts}"'
        f',"hash":"{churn.hashes[churn.turn()]}","bids":[{bids}],"asks":[{asks}]{more}'
        f',"event_type":"book"}}'
    ).encode()


def price_change(
    market: Market, ts: int, offset: int, churn: Churn, *, gone: bool = False
) -> bytes:
    """Return a change of one price level on both tokens, mirrored.

    Args:
        market: Whose books.
        ts: Exchange time, milliseconds.
        offset: Distance of the level from the price, in steps, not 0.
        churn: Sizes and hashes.
        gone: The level is removed (`"size":"0"`).
    """
    ticks, prices = market.ticks, PRICES[market.ticks]
    level = min(max(market.price + offset, 1), ticks - 1)
    at = churn.turn()
    size = "0" if gone else churn.sizes[at]
    bid, ask = max(market.price - 1, 0), min(market.price + 1, ticks)
    one, two = ("BUY", "SELL") if offset < 0 else ("SELL", "BUY")
    return (
        f'{{"market":"{market.condition}","price_changes":[{{"asset_id":"{market.tokens[0]}"'
        f',"price":"{prices[level]}","size":"{size}","side":"{one}"'
        f',"hash":"{churn.hashes[at]}","best_bid":"{prices[bid]}"'
        f',"best_ask":"{prices[ask]}"}},{{"asset_id":"{market.tokens[1]}"'
        f',"price":"{prices[ticks - level]}","size":"{size}","side":"{two}"'
        f',"hash":"{churn.hashes[at - 1]}","best_bid":"{prices[ticks - ask]}"'
        f',"best_ask":"{prices[ticks - bid]}"}}],"timestamp":"{ts}","event_type":"price_change"}}'
    ).encode()


def best_bid_ask(market: Market, side: int, ts: int) -> bytes:
    """Return the best prices of one token; the spread is two steps."""
    here = market.price if side == 0 else market.ticks - market.price
    prices = PRICES[market.ticks]
    return (
        f'{{"market":"{market.condition}","asset_id":"{market.tokens[side]}"'
        f',"best_bid":"{prices[here - 1]}"'
        f',"best_ask":"{prices[here + 1]}"'
        f',"spread":"{prices[2]}","timestamp":"{ts}"'
        f',"event_type":"best_bid_ask"}}'
    ).encode()


def tick_size_change(market: Market, side: int, ts: int, old: int) -> bytes:
    """Return a change of the price step of one token, from `old` steps a dollar to the present."""
    return (
        f'{{"market":"{market.condition}","asset_id":"{market.tokens[side]}"'
        f',"old_tick_size":"{1 / old:g}","new_tick_size":"{1 / market.ticks:g}"'
        f',"timestamp":"{ts}","event_type":"tick_size_change"}}'
    ).encode()


def new_market(market: Market, ts: int) -> bytes:
    """Return the broadcast of a new market; `game_start_time` is a string, often empty."""
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
    """Return the resolution event; both winner fields are empty for a split (never recorded)."""
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
