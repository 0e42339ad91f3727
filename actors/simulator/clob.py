"""CLOB REST: one market by condition, with its winner flags. A split has none."""

from typing import Any

from actors.simulator.gamma import iso
from actors.simulator.identity import hex_id
from actors.simulator.market import Market
from actors.simulator.oddity import odd_clob, odd_winner
from actors.simulator.universe import Markets

Answer = tuple[int, Any]


def clob_answer(universe: Markets, condition: str, now: int, *, lie: bool = False) -> Answer:
    """Answer `/markets/{condition_id}`; a market too new for the CLOB is not found."""
    market = universe.by_condition.get(condition)
    if market is None or market.life.announced > market.view("clob", now):
        return 404, {"error": "market not found"}
    return 200, market.recorded.get("clob") or clob_market(market, now, lie=lie)


def clob_market(market: Market, now: int, *, lie: bool = False) -> dict[str, Any]:
    """Return the market object of a time (milliseconds)."""
    at = market.view("clob", now)
    life = market.life
    final = life.reported <= at
    winner = odd_winner(market, "clob", lie=lie) if final else None
    closed = life.closed <= at
    prices = [market.price / market.ticks, 1 - market.price / market.ticks]
    if final:
        prices = [0.5, 0.5] if winner is None else [float(winner == 0), float(winner == 1)]
    row = {
        "accepting_order_timestamp": iso(life.trades),
        "accepting_orders": not closed,
        "active": True,
        "archived": False,
        "closed": closed,
        "condition_id": market.condition,
        "description": f"Simulated: {market.question}",
        "enable_order_book": not closed,
        "end_date_iso": iso(life.ends),
        "fpmm": "",
        "game_start_time": iso(life.trades) if "sports" in market.tags else None,
        "icon": "",
        "image": "",
        "is_50_50_outcome": False,
        "maker_base_fee": 0,
        "market_slug": market.slug,
        "minimum_order_size": 5,
        "minimum_tick_size": 1 / market.ticks,
        "neg_risk": market.neg_risk,
        "neg_risk_market_id": hex_id("negrisk", market.condition) if market.neg_risk else "",
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
    return odd_clob(row, market)
