"""Gamma: its market object. Arrays are JSON inside strings; it shows the past by Gamma's lag."""

import json
from datetime import UTC, datetime
from typing import Any

from actors.simulator.market import Market, gamma_condition_id
from actors.simulator.market_ids import hex_id
from actors.simulator.sources.oddities import apply_gamma_oddity, shown_winner

ORACLE = "0x65070BE91477460D8A7AeEb94ef92fe056C2f2A7"


def iso(ms: int) -> str:
    """Return a time such as `2026-02-27T23:34:28.752Z`."""
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def spaced(ms: int) -> str:
    """Return a time such as `2026-03-19 23:20:15+00`, the other format of the same API."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def prices(market: Market, at: int, *, lie: bool = False) -> tuple[str, str]:
    """Return the outcome prices that Gamma shows of the state at a time."""
    lifetime = market.lifetime
    status, side = lifetime.stage_at(at)
    if at >= min(lifetime.closed, lifetime.reported):
        side = shown_winner(market, "gamma", lie=lie)
        if side is None:
            return ("0.5", "0.5")
        return ("1", "0") if side == 0 else ("0", "1")
    if status == "proposed":
        if side is None:
            return ("0.5", "0.5")
        return ("0.9995", "0.0005") if side == 0 else ("0.0005", "0.9995")
    return (market.text_price(0), market.text_price(1))


def gamma_tags(market: Market) -> list[dict[str, str]]:
    """Return the tags, which a listing has only with `include_tag`."""
    return [
        {"id": str(100 + place), "label": tag.title(), "slug": tag}
        for place, tag in enumerate(market.tags)
    ]


def gamma_status(market: Market, at: int) -> str:
    """Return the UMA status that Gamma shows of the state at a time, empty for none."""
    status, _ = market.lifetime.stage_at(at)
    return "" if market.v2 or market.fate == "no_status" else status


def gamma_market(market: Market, now: int, *, lie: bool = False) -> dict[str, Any]:
    """Return the market object, without tags.

    Args:
        market: Which.
        now: Wall clock, milliseconds; the lag of Gamma is subtracted here.
        lie: Show the other side as winner (a fault).
    """
    at = market.view("gamma", now)
    closed = market.lifetime.closed <= at
    shown = prices(market, at, lie=lie)
    row = _row_of_every_market(market, now, shown, closed=closed)
    if market.last_price[0]:
        row["lastTradePrice"] = float(market.last_price[0])
    if market.v2:
        row["positionIds"] = list(market.tokens)
    if market.neg_risk:
        row["negRiskMarketID"] = hex_id("negrisk", market.condition)
        row["negRiskRequestID"] = hex_id("request", market.condition)
    if "sports" in market.tags:
        row["gameStartTime"] = spaced(begun(market))
    if closed:
        row["closedTime"] = spaced(market.lifetime.closed)
        row["automaticallyResolved"] = True
    _add_resolution(row, market, at, closed=closed)
    return apply_gamma_oddity(row, market, closed=closed)


def _row_of_every_market(
    market: Market, now: int, shown: tuple[str, str], *, closed: bool
) -> dict[str, Any]:
    start = begun(market)
    ends = market.lifetime.ends
    return {
        "id": market.gamma_id,
        "question": market.question,
        "conditionId": gamma_condition_id(market),
        "slug": market.slug,
        "resolutionSource": "",
        "endDate": iso(ends),
        "startDate": iso(start),
        "description": f"Simulated: {market.question}",
        "outcomes": json.dumps(market.outcomes, ensure_ascii=False),
        "outcomePrices": json.dumps(shown),
        "volume": f"{market.volume:.6f}",
        "volumeNum": round(market.volume, 6),
        "active": True,
        "closed": closed,
        "archived": False,
        "createdAt": iso(start),
        "updatedAt": iso(now),
        "new": False,
        "featured": False,
        "restricted": True,
        "groupItemTitle": "",
        "questionID": hex_id("question", market.condition),
        "enableOrderBook": True,
        "orderPriceMinTickSize": 1 / market.ticks,
        "orderMinSize": 5,
        "endDateIso": iso(ends)[:10],
        "startDateIso": iso(start)[:10],
        "hasReviewedDates": True,
        "clobTokenIds": None if market.v2 else json.dumps(market.tokens),
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


def _add_resolution(row: dict[str, Any], market: Market, at: int, *, closed: bool) -> None:
    status = gamma_status(market, at)
    if status:
        row["umaResolutionStatus"] = status
        row["umaResolutionStatuses"] = json.dumps(_history(market, at))
        row["resolvedBy"] = ORACLE
        row["umaEndDate"] = iso(market.lifetime.reported if status == "resolved" else at)
    elif closed:
        row["resolvedBy"] = ORACLE
        row["acceptingOrders"] = True


def begun(market: Market) -> int:
    """Return when a market was announced, or where it was not, when it began to trade."""
    return market.lifetime.announced or market.lifetime.trades


def _history(market: Market, at: int) -> list[str]:
    """Return the UMA statuses so far; for half of the markets the last `resolved` is left out."""
    statuses = list(market.lifetime.statuses(at))
    if statuses[-1] == "resolved" and market.index % 2:
        statuses.pop()
    return statuses
