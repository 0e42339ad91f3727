"""Gamma: its market object. Arrays are JSON inside strings; it shows the past by Gamma's lag."""

import json
from typing import Any

from actors.simulator.market import Market, gamma_condition_id
from actors.simulator.market_ids import hex_id
from actors.simulator.sources.event import FEES, event_of, group_id, group_title
from actors.simulator.sources.oddities import apply_gamma_oddity, shown_winner
from actors.simulator.sources.orders import listed_orders
from actors.simulator.sources.times import iso, spaced

ORACLE = "0x65070BE91477460D8A7AeEb94ef92fe056C2f2A7"


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


def uma_status(market: Market, at: int, broken: frozenset[str] = frozenset()) -> str:
    """Return the UMA status that Gamma shows of the state at a time, empty for none."""
    if market.v2 or market.fate == "no_status" or "no_uma_status" in broken:
        return ""
    return market.lifetime.stage_at(at)[0]


def v2_status(market: Market, at: int, broken: frozenset[str] = frozenset()) -> str:
    """Return the `resolutionStatus`, which V2 markets have instead; empty for none."""
    if not market.v2 or market.fate == "no_status" or "no_uma_status" in broken:
        return ""
    status = market.lifetime.stage_at(at)[0]
    return {"": "inactive", "resolved": "resolved"}.get(status, "active")


def gamma_market(
    market: Market, now: int, *, lie: bool = False, broken: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return the market object, without tags.

    Args:
        market: Which.
        now: Wall clock, milliseconds; the lag of Gamma is subtracted here.
        lie: Show the other side as winner (a fault).
        broken: Names of `beliefs.BREAKS` that are in force.
    """
    at = market.view("gamma", now)
    closed = market.lifetime.closed <= at
    row = _row_of_every_market(market, now, closed=closed)
    row.update(_lists(market, at, broken, lie=lie))
    if market.last_price[0]:
        row["lastTradePrice"] = float(market.last_price[0])
    if market.neg_risk:
        row["negRiskMarketID"] = group_id(market)
        row["negRiskRequestID"] = hex_id("request", market.condition)
    if "sports" in market.tags:
        row["gameStartTime"] = spaced(market.begun)
        row.update(feesEnabled=True, feeType="sports_fees_v2", feeSchedule=FEES)
    if closed:
        row["closedTime"] = spaced(market.lifetime.closed)
        row["automaticallyResolved"] = True
    _add_resolution(row, market, at, broken, closed=closed)
    return apply_gamma_oddity(row, market, closed=closed)


def _lists(market: Market, at: int, broken: frozenset[str], *, lie: bool) -> dict[str, Any]:
    """Return the lists of a market, which Gamma means to stand side by side."""
    ids, names = listed_orders(market, at, broken)
    shown = prices(market, at, lie=lie)
    tokens = [market.tokens[side] for side in ids]
    lists: dict[str, Any] = {
        "outcomes": json.dumps([market.outcomes[side] for side in names], ensure_ascii=False),
        "outcomePrices": json.dumps([shown[side] for side in names]),
        "clobTokenIds": None if market.v2 else json.dumps(tokens),
    }
    if market.v2:
        lists["positionIds"] = tokens
    return lists


def _row_of_every_market(market: Market, now: int, *, closed: bool) -> dict[str, Any]:
    start = market.begun
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
        "groupItemTitle": group_title(market),
        "questionID": hex_id("question", market.condition),
        "enableOrderBook": True,
        "orderPriceMinTickSize": 1 / market.ticks,
        "orderMinSize": 5,
        "endDateIso": iso(ends)[:10],
        "startDateIso": iso(start)[:10],
        "hasReviewedDates": True,
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
        "events": [event_of(market, closed=closed)],
    }


def _add_resolution(
    row: dict[str, Any], market: Market, at: int, broken: frozenset[str], *, closed: bool
) -> None:
    of_v2 = v2_status(market, at, broken)
    if of_v2:
        row["resolutionStatus"] = of_v2
    status = uma_status(market, at, broken)
    if status:
        row["umaResolutionStatus"] = status
        row["umaResolutionStatuses"] = json.dumps(_history(market, at))
        row["resolvedBy"] = ORACLE
        row["umaEndDate"] = iso(market.lifetime.reported if status == "resolved" else at)
    elif closed:
        row["resolvedBy"] = ORACLE
        row["acceptingOrders"] = not of_v2


def _history(market: Market, at: int) -> list[str]:
    """Return the UMA statuses so far; for half of the markets the last `resolved` is left out."""
    statuses = list(market.lifetime.statuses(at))
    if statuses[-1] == "resolved" and market.index % 2:
        statuses.pop()
    return statuses
