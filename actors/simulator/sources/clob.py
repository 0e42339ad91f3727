"""The CLOB: one market by condition, with winner flags or in compact form, and books.

A split has no winner flag.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from actors.simulator.events import LevelPool, book
from actors.simulator.market import Market
from actors.simulator.market_ids import hex_id
from actors.simulator.markets import Markets
from actors.simulator.sources.event import group_id
from actors.simulator.sources.finality import clob_knows
from actors.simulator.sources.oddities import apply_clob_oddity, apply_compact_oddity, shown_winner
from actors.simulator.sources.times import iso

MAX_BOOKS = 500
"""Tokens in one request for books."""
Answer = tuple[int, Any]
"""HTTP status and JSON body."""


NOT_FOUND: Answer = (404, {"error": "market not found"})


def clob_answer(markets: Markets, condition: str, now: int, *, lie: bool = False) -> Answer:
    """Answer `/markets/{condition_id}`; a market too new for the CLOB is not found."""
    market = markets.by_condition.get(condition)
    if market is None or not clob_knows(market, markets.broken):
        return NOT_FOUND
    if market.lifetime.announced > market.view("clob", now):
        return NOT_FOUND
    return 200, market.recorded.get("clob") or clob_market(market, now, lie=lie)


def compact_answer(markets: Markets, condition: str, now: int) -> Answer:
    """Answer `/clob-markets/{condition_id}`, which knows every market and no winner."""
    market = markets.by_condition.get(condition)
    if market is None:
        return NOT_FOUND
    at = market.view("clob", now)
    if market.lifetime.announced > at:
        return NOT_FOUND
    row = {
        "c": market.condition,
        "t": [
            {"t": token, "o": outcome}
            for token, outcome in zip(market.tokens, market.outcomes, strict=True)
        ],
        "mts": 1 / market.ticks,
        "mos": 5,
        "ao": market.lifetime.closed > at,
    }
    return 200, apply_compact_oddity(row, market)


def books_answer(markets: Markets, tokens: Sequence[str], now: int, pool: LevelPool) -> Answer:
    """Answer `POST /books`; tokens that are unknown or settled are left out.

    The timestamp of a book is that of its last change.
    """
    if len(tokens) > MAX_BOOKS:
        return 400, {"error": "Payload exceeds the limit"}
    found = [markets.by_token[token] for token in tokens if token in markets.by_token]
    books = [
        book(market, side, market.changed_at(side, now), pool)
        for market, side in found
        if not market.settled
    ]
    return 200, [msgspec.Raw(one) for one in books]


def clob_market(market: Market, now: int, *, lie: bool = False) -> dict[str, Any]:
    """Return the market object; `now` is milliseconds."""
    at = market.view("clob", now)
    lifetime = market.lifetime
    final = lifetime.reported <= at
    winner = shown_winner(market, "clob", lie=lie) if final else None
    closed = lifetime.closed <= at
    prices = [market.price / market.ticks, 1 - market.price / market.ticks]
    if final:
        prices = [0.5, 0.5] if winner is None else [float(winner == 0), float(winner == 1)]
    row = {
        "accepting_order_timestamp": iso(lifetime.trades),
        "accepting_orders": not closed,
        "active": True,
        "archived": False,
        "closed": closed,
        "condition_id": market.condition,
        "description": f"Simulated: {market.question}",
        "enable_order_book": not closed,
        "end_date_iso": iso(lifetime.ends),
        "fpmm": "",
        "game_start_time": iso(lifetime.trades) if "sports" in market.tags else None,
        "icon": "",
        "image": "",
        "is_50_50_outcome": False,
        "maker_base_fee": 0,
        "market_slug": market.slug,
        "minimum_order_size": 5,
        "minimum_tick_size": 1 / market.ticks,
        "neg_risk": market.neg_risk,
        "neg_risk_market_id": group_id(market),
        "neg_risk_request_id": hex_id("request", market.condition) if market.neg_risk else "",
        "notifications_enabled": True,
        "question": market.question,
        "question_id": hex_id("question", market.condition),
        "rewards": {"max_spread": 4.5, "min_size": 50, "rates": None},
        "seconds_delay": 0,
        "tags": [tag.title() for tag in market.tags],
        "taker_base_fee": 0,
        "tokens": [
            {
                "outcome": outcome,
                "price": round(price, 4),
                "token_id": token,
                "winner": winner == side,
            }
            for side, (outcome, token, price) in enumerate(
                zip(market.outcomes, market.tokens, prices, strict=True)
            )
        ],
    }
    return apply_clob_oddity(row, market)
