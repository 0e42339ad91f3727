"""Gamma: the listing of markets, with its odd formats and its defaults.

Arrays are JSON inside strings, `closed` is false unless asked for (also when
asked by id), the next page is asked by `after_cursor`, and what it shows lags.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from actors.simulator.identity import hex_id
from actors.simulator.life import NEVER
from actors.simulator.market import Market
from actors.simulator.universe import Universe

ORACLE = "0x65070BE91477460D8A7AeEb94ef92fe056C2f2A7"
LISTED = 100
Query = Mapping[str, Sequence[str]]
Answer = tuple[int, Any]


def iso(ms: int) -> str:
    """Give `2026-02-27T23:34:28.752Z`."""
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def spaced(ms: int) -> str:
    """Give `2026-03-19 23:20:15+00`, the other format of the same API."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def prices(market: Market, at: int) -> tuple[str, str]:
    """Give the outcome prices as Gamma shows them of a market's state at a time."""
    life = market.life
    word, side = life.stage(at)
    if at >= min(life.closed, life.reported):
        if market.winner is None:
            return ("0.5", "0.5")
        return ("1", "0") if market.winner == 0 else ("0", "1")
    if word == "proposed":
        if side is None:
            return ("0.5", "0.5")
        return ("0.9995", "0.0005") if side == 0 else ("0.0005", "0.9995")
    return (market.text_price(0), market.text_price(1))


def show(market: Market, now: int, *, lie: bool = False) -> dict[str, Any]:
    """Give the market object.

    Args:
        market: Which.
        now: Wall clock, milliseconds; the source's lag is taken off here.
        lie: Show the other side as winner (a fault).
    """
    at = market.view("gamma", now)
    life = market.life
    closed = life.closed <= at
    word, _ = life.stage(at)
    shown = prices(market, at)
    if lie and market.winner is not None:
        shown = (shown[1], shown[0])
    tokens = list(market.tokens)
    begun = life.announced or life.trades
    row: dict[str, Any] = {
        "id": market.gamma_id,
        "question": market.question,
        "conditionId": market.condition,
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
        "tags": [
            {"id": str(100 + place), "label": tag.title(), "slug": tag}
            for place, tag in enumerate(market.tags)
        ],
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
    if word and not market.v2 and market.fate != "no_status":
        row["umaResolutionStatus"] = word
        row["umaResolutionStatuses"] = json.dumps(_history(market, at))
        row["resolvedBy"] = ORACLE
        row["umaEndDate"] = iso(life.reported if word == "resolved" else at)
    elif closed:
        row["resolvedBy"] = ORACLE
        row["acceptingOrders"] = True
    return row


def _history(market: Market, at: int) -> list[str]:
    """Give the words told so far; half of the markets leave the last `resolved` out."""
    words = list(market.life.words(at))
    if words[-1] == "resolved" and market.index % 2:
        words.pop()
    return words


def listed(market: Market, now: int) -> bool:
    """Say whether Gamma knows a market yet."""
    return market.life.announced <= market.view("gamma", now)


def one(universe: Universe, gamma_id: str, now: int, *, lie: bool = False) -> Answer:
    """Answer `/markets/{id}`."""
    market = universe.by_gamma.get(gamma_id)
    if market is None or not listed(market, now):
        return 404, {"type": "not found error", "error": "market not found"}
    return 200, show(market, now, lie=lie)


def some(universe: Universe, query: Query, now: int, *, lie: bool = False) -> Answer:
    """Answer `/markets`: a bare array, by ids or by offset."""
    found = _matching(universe, query, now)
    if isinstance(found, str):
        return _refused(found)
    limit, offset = _whole(query, "limit", 20), _whole(query, "offset", 0)
    if limit is None or offset is None or offset > 10_000:
        return _refused("invalid limit or offset")
    page = found[offset : offset + min(limit, LISTED)]
    return 200, [show(market, now, lie=lie) for market in page]


def keyset(universe: Universe, query: Query, now: int, *, lie: bool = False) -> Answer:
    """Answer `/markets/keyset`: a page and, unless it is the last, the cursor to the next."""
    if "offset" in query:
        return _refused("offset is not supported with keyset pagination")
    found = _matching(universe, query, now)
    limit = _whole(query, "limit", 20)
    if isinstance(found, str) or limit is None or not 1 <= limit <= LISTED:
        return _refused(found if isinstance(found, str) else "invalid limit")
    start = 0
    if cursor := query.get("after_cursor", ("",))[0]:
        try:
            last = base64.b64decode(cursor, validate=True).decode()
            start = 1 + [market.gamma_id for market in found].index(last)
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return _refused("invalid cursor")
    page = found[start : start + limit]
    answer: dict[str, Any] = {"markets": [show(market, now, lie=lie) for market in page]}
    if start + limit < len(found):
        answer["next_cursor"] = base64.b64encode(page[-1].gamma_id.encode()).decode()
    return 200, answer


def _refused(error: str) -> Answer:
    return 422, {"type": "validation error", "error": error}


def _whole(query: Query, name: str, default: int) -> int | None:
    text = query.get(name, (str(default),))[0]
    return int(text) if text.isascii() and text.isdigit() else None


ORDERS: dict[str, Callable[[Market], Any]] = {
    "id": lambda market: int(market.gamma_id),
    "startDate": lambda market: market.life.announced or market.life.trades,
    "createdAt": lambda market: market.life.announced or market.life.trades,
    "endDate": lambda market: market.life.ends,
    "closedTime": lambda market: 0 if market.life.closed == NEVER else market.life.closed,
    "volumeNum": lambda market: market.volume,
}


def _matching(universe: Universe, query: Query, now: int) -> list[Market] | str:
    """Give what a query asks for in its order, or what is wrong with it."""
    ids = {name: query.get(name, ()) for name in ("condition_ids", "clob_token_ids", "id", "slug")}
    for name, values in ids.items():
        if any("," in value for value in values) or len(values) > LISTED:
            return f"invalid {name.replace('_', ' ')}"
    closed = query.get("closed", ("false",))[0] == "true"
    found = [
        market
        for market in universe
        if listed(market, now)
        and (market.life.closed <= market.view("gamma", now)) == closed
        and _named(market, ids)
        and _dated(market, query)
    ]
    word = query.get("uma_resolution_status", ("",))[0]
    if word:
        found = [m for m in found if show(m, now).get("umaResolutionStatus") == word]
    descending = "order" in query and query.get("ascending", ("true",))[0] == "false"
    for name in reversed(query.get("order", ("id",))[0].split(",")):
        if name not in ORDERS:
            return f"order field {name} is not valid"
        found.sort(key=ORDERS[name], reverse=descending)
    return found


def _named(market: Market, ids: Mapping[str, Sequence[str]]) -> bool:
    return (
        (not ids["condition_ids"] or market.condition in ids["condition_ids"])
        and (not ids["id"] or market.gamma_id in ids["id"])
        and (not ids["slug"] or market.slug in ids["slug"])
        and (
            not ids["clob_token_ids"]
            or (not market.v2 and any(token in ids["clob_token_ids"] for token in market.tokens))
        )
    )


def _dated(market: Market, query: Query) -> bool:
    begun = iso(market.life.announced or market.life.trades)
    ends = iso(market.life.ends)
    return (
        begun >= query.get("start_date_min", ("",))[0]
        and begun <= query.get("start_date_max", ("~",))[0]
        and ends >= query.get("end_date_min", ("",))[0]
        and ends <= query.get("end_date_max", ("~",))[0]
    )
