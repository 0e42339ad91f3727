"""Gamma's market object, with its odd formats: arrays are JSON inside strings."""

import json
from datetime import UTC, datetime
from typing import Any

from actors.simulator.identity import hex_id
from actors.simulator.market import Market
from actors.simulator.oddity import odd_gamma, odd_winner

ORACLE = "0x65070BE91477460D8A7AeEb94ef92fe056C2f2A7"


def iso(ms: int) -> str:
    """Return `2026-02-27T23:34:28.752Z`."""
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def spaced(ms: int) -> str:
    """Return `2026-03-19 23:20:15+00`, the other format of the same API."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def prices(market: Market, at: int, *, lie: bool = False) -> tuple[str, str]:
    """Return the outcome prices as Gamma shows them of a market's state at a time."""
    life = market.life
    word, side = life.stage(at)
    if at >= min(life.closed, life.reported):
        side = odd_winner(market, "gamma", lie=lie)
        if side is None:
            return ("0.5", "0.5")
        return ("1", "0") if side == 0 else ("0", "1")
    if word == "proposed":
        if side is None:
            return ("0.5", "0.5")
        return ("0.9995", "0.0005") if side == 0 else ("0.0005", "0.9995")
    return (market.text_price(0), market.text_price(1))


def gamma_tags(market: Market) -> list[dict[str, str]]:
    """Return the gamma_tags, which a listing shows only when it is asked to."""
    return [
        {"id": str(100 + place), "label": tag.title(), "slug": tag}
        for place, tag in enumerate(market.tags)
    ]


def gamma_status(market: Market, at: int) -> str:
    """Return the UMA status as Gamma tells it of a market's state at a time; empty: none."""
    word, _ = market.life.stage(at)
    return "" if market.v2 or market.fate == "no_status" else word


def spelled(market: Market) -> str:
    """Return the condition id as Gamma has it: the 31-byte ids of V2 stand bare."""
    return market.condition[:64] if market.v2 else market.condition


def gamma_market(market: Market, now: int, *, lie: bool = False) -> dict[str, Any]:
    """Return the market object, without gamma_tags.

    Args:
        market: Which.
        now: Wall clock, milliseconds; the source's lag is taken off here.
        lie: Show the other side as winner (a fault).
    """
    at = market.view("gamma", now)
    life = market.life
    closed = life.closed <= at
    word = gamma_status(market, at)
    shown = prices(market, at, lie=lie)
    tokens = list(market.tokens)
    begun = life.announced or life.trades
    row: dict[str, Any] = {
        "id": market.gamma_id,
        "question": market.question,
        "conditionId": spelled(market),
        "slug": market.slug,
        "resolutionSource": "",
        "endDate": iso(life.ends),
        "startDate": iso(begun),
        "description": f"Simulated: {market.question}",
        "outcomes": json.dumps(market.outcomes, ensure_ascii=False),
        "outcomePrices": json.dumps(shown),
        "volume": f"{market.volume:.6f}",
        "volumeNum": round(market.volume, 6),
        "active": True,
        "closed": closed,
        "archived": False,
        "createdAt": iso(begun),
        "updatedAt": iso(now),
        "new": False,
        "featured": False,
        "restricted": True,
        "groupItemTitle": "",
        "questionID": hex_id("question", market.condition),
        "enableOrderBook": True,
        "orderPriceMinTickSize": 1 / market.ticks,
        "orderMinSize": 5,
        "endDateIso": iso(life.ends)[:10],
        "startDateIso": iso(begun)[:10],
        "hasReviewedDates": True,
        "clobTokenIds": None if market.v2 else json.dumps(tokens),
        "version": "v2" if market.v2 else "v1",
        "acceptingOrders": not closed,
        "negRisk": market.neg_risk,
        "negRiskOther": False,
        "ready": False,
        "funded": False,
        "cyom": False,
        "approved": True,
        "bestBid": max(market.price - 1, 0) / market.ticks,
        "bestAsk": min(market.price + 1, market.ticks) / market.ticks,
        "spread": 2 / market.ticks,
        "umaResolutionStatuses": "[]",
        "feesEnabled": False,
        "events": [{"id": f"9{market.gamma_id}", "slug": market.slug, "title": market.question}],
    }
    if market.last_price[0]:
        row["lastTradePrice"] = float(market.last_price[0])
    if market.v2:
        row["positionIds"] = tokens
    if market.neg_risk:
        row["negRiskMarketID"] = hex_id("negrisk", market.condition)
        row["negRiskRequestID"] = hex_id("request", market.condition)
    if "sports" in market.tags:
        row["gameStartTime"] = spaced(begun)
    if closed:
        row["closedTime"] = spaced(life.closed)
        row["automaticallyResolved"] = True
    if word:
        row["umaResolutionStatus"] = word
        row["umaResolutionStatuses"] = json.dumps(_history(market, at))
        row["resolvedBy"] = ORACLE
        row["umaEndDate"] = iso(life.reported if word == "resolved" else at)
    elif closed:
        row["resolvedBy"] = ORACLE
        row["acceptingOrders"] = True
    return odd_gamma(row, market, closed=closed)


def _history(market: Market, at: int) -> list[str]:
    """Return the words told so far; half of the markets leave the last `resolved` out."""
    words = list(market.life.words(at))
    if words[-1] == "resolved" and market.index % 2:
        words.pop()
    return words
