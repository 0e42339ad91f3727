"""Gamma: its market object and its listings, with the real service's defaults and rejections.

In the market object arrays are JSON inside strings. Listings are by page, by name and by id:
`closed` defaults to false, even in a request by id; `after_cursor` requests the next page; a
comma in a list of ids is rejected; answers show the past by Gamma's lag.
"""

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

from actors.simulator.beliefs import page_size
from actors.simulator.market import (
    NEVER,
    Market,
    apply_gamma_oddity,
    damage_gamma,
    gamma_condition_id,
    gamma_fails,
    hex_id,
    shown_winner,
)
from actors.simulator.markets import Markets

Query = Mapping[str, Sequence[str]]
"""Parameter → its values."""
Answer = tuple[int, Any]
"""HTTP status and JSON body."""
SortKey = tuple[float, ...]

PAGE, MAX_OFFSET = 100, 10_000
GONE: Answer = (404, {"type": "not found error", "error": "route not found"})
WALK_MS, WALKS = 60_000, 16
"""How long, and how many, listings over several pages are kept."""
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
        row["gameStartTime"] = spaced(_begun(market))
    if closed:
        row["closedTime"] = spaced(market.lifetime.closed)
        row["automaticallyResolved"] = True
    _add_resolution(row, market, at, closed=closed)
    return apply_gamma_oddity(row, market, closed=closed)


def _row_of_every_market(
    market: Market, now: int, shown: tuple[str, str], *, closed: bool
) -> dict[str, Any]:
    begun = _begun(market)
    ends = market.lifetime.ends
    return {
        "id": market.gamma_id,
        "question": market.question,
        "conditionId": gamma_condition_id(market),
        "slug": market.slug,
        "resolutionSource": "",
        "endDate": iso(ends),
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
        "endDateIso": iso(ends)[:10],
        "startDateIso": iso(begun)[:10],
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


def _begun(market: Market) -> int:
    return market.lifetime.announced or market.lifetime.trades


def _history(market: Market, at: int) -> list[str]:
    """Return the UMA statuses so far; for half of the markets the last `resolved` is left out."""
    statuses = list(market.lifetime.statuses(at))
    if statuses[-1] == "resolved" and market.index % 2:
        statuses.pop()
    return statuses


class _Rejected(ValueError):
    """The query is invalid; becomes 422."""


ORDERS: dict[str, Callable[[Market], float]] = {
    "id": lambda market: int(market.gamma_id),
    "startDate": _begun,
    "createdAt": _begun,
    "endDate": lambda market: market.lifetime.ends,
    "closedTime": lambda market: 0 if market.lifetime.closed == NEVER else market.lifetime.closed,
    "volumeNum": lambda market: market.volume,
}
_SPANS: dict[str, Callable[[Market], float]] = {
    "start_date": _begun,
    "end_date": lambda market: market.lifetime.ends,
    "volume_num": lambda market: market.volume,
}
_NAMES = ("condition_ids", "clob_token_ids", "position_ids", "id", "slug")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    """A checked query.

    Attributes:
        names: Parameter → the names that it lists; a market must have one of each.
        spans: (key, low, high) of the `_min` and `_max` parameters.
        status: UMA status, or empty for any.
        order: Names of ORDERS.
        tags: Whether tags are shown.
    """

    closed: bool
    names: dict[str, frozenset[str]]
    spans: tuple[tuple[Callable[[Market], float], float, float], ...]
    status: str
    order: tuple[str, ...]
    descending: bool
    tags: bool

    def sort_key(self, market: Market) -> SortKey:
        """Return the key of a market in the requested order; equal ones are ordered by id."""
        sign = -1 if self.descending else 1
        return tuple(sign * ORDERS[name](market) for name in (*self.order, "id"))


class Listing:
    """Answers the requests to Gamma; `lie` shows the other side as winner (a fault).

    Args:
        markets: The markets.
        broken: Names of `beliefs.BREAKS` that are in force.
    """

    def __init__(self, markets: Markets, broken: frozenset[str] = frozenset()) -> None:
        self._markets = markets
        self._broken = broken
        # Query → when its first page was requested, and its sorted markets then. Sorting
        # all of them for each of a thousand pages would delay the market channel, and
        # volumes that change meanwhile would make the listing skip markets.
        self._walks: dict[str, tuple[int, list[tuple[SortKey, Market]]]] = {}

    def by_id(self, gamma_id: str, now: int, *, lie: bool = False) -> Answer:
        """Answer `/markets/{id}`."""
        market = self._markets.by_gamma.get(gamma_id)
        if market is None or not self._lists(market, now):
            return 404, {"type": "not found error", "error": "market not found"}
        return self._rows([market], now, lambda rows: rows[0], lie=lie, tags=True)

    def page(self, query: Query, now: int, *, lie: bool = False) -> Answer:
        """Answer `/markets`: an array, by names or by offset."""
        if "gamma_list_gone" in self._broken:
            return GONE
        try:
            wanted = _read(query)
            limit = page_size(_whole(query, "limit", 20, 0, MAX_OFFSET), self._broken)
            offset = _whole(query, "offset", 0, 0, MAX_OFFSET)
        except _Rejected as exc:
            return _rejection(exc)
        found = islice(self._matching(wanted, now), offset, offset + min(limit, PAGE))
        return self._rows(found, now, lambda rows: rows, lie=lie, tags=wanted.tags)

    def keyset(self, query: Query, now: int, *, lie: bool = False) -> Answer:
        """Answer `/markets/keyset`: a page and, unless it is the last, the cursor to the next."""
        if "keyset_gone" in self._broken:
            return GONE
        try:
            _without(query, "offset", *(("order",) if "keyset_422" in self._broken else ()))
            wanted = _read(query)
            limit = page_size(_whole(query, "limit", 20, 1, PAGE), self._broken)
            cursor = "" if "cursor_ignored" in self._broken else _first(query, "after_cursor", "")
            key = _key_of(cursor)
        except _Rejected as exc:
            return _rejection(exc)
        walk = self._walk(query, wanted, now, first=key is None)
        start = 0 if key is None else bisect_right(walk, key, key=lambda step: step[0])
        page = [market for _, market in walk[start : start + limit]]
        more: dict[str, Any] = {}
        if start + limit < len(walk):
            more["next_cursor"] = _cursor(walk[start + limit - 1][0])
        return self._rows(
            page, now, lambda rows: {"markets": rows, **more}, lie=lie, tags=wanted.tags
        )

    def _rows(
        self, markets: Iterable[Market], now: int, body: Callable[[list[Any]], Any], **show: bool
    ) -> Answer:
        """Return the answer whose body is made of these markets."""
        rows = []
        for market in markets:
            if gamma_fails(market, self._broken):
                return 500, {"type": "internal error", "error": "internal server error"}
            rows.append(damage_gamma(_row(market, now, **show), market, self._broken))
        return 200, body(rows)

    def _walk(
        self, query: Query, wanted: _Filter, now: int, *, first: bool
    ) -> list[tuple[SortKey, Market]]:
        """Return the sorted markets of a query: found at its first page, kept for a while."""
        name = repr(sorted((key, query[key]) for key in query if key != "after_cursor"))
        kept = self._walks.get(name)
        if first or kept is None or now - kept[0] > WALK_MS:
            if len(self._walks) >= WALKS:
                self._walks.clear()
            found = self._matching(wanted, now)
            kept = self._walks[name] = (now, [(wanted.sort_key(each), each) for each in found])
        return kept[1]

    def _lists(self, market: Market, now: int) -> bool:
        if market.v2 and "v2_unlisted" in self._broken:
            return False
        return market.lifetime.announced <= market.view("gamma", now)

    def _matching(self, wanted: _Filter, now: int) -> list[Market]:
        """Return the listed markets that fit, in the requested order."""
        candidates = _candidates(self._markets, wanted.names)
        found = [
            market
            for market in candidates
            if self._lists(market, now) and _fits(market, wanted, now)
        ]
        found.sort(key=wanted.sort_key)
        return found


def _cursor(key: SortKey) -> str:
    """Return the cursor behind a sort key; it stays valid when its market is removed."""
    return base64.b64encode(msgspec.json.encode(key)).decode()


def _key_of(cursor: str) -> SortKey | None:
    """Return the sort key of a cursor, None when it is empty."""
    if not cursor:
        return None
    try:
        return msgspec.json.decode(base64.b64decode(cursor, validate=True), type=SortKey)
    except (binascii.Error, msgspec.DecodeError) as exc:
        raise _Rejected("invalid cursor") from exc


def _row(market: Market, now: int, *, lie: bool, tags: bool) -> Any:
    """Return a market as recorded, else as generated; tags only on request."""
    recorded = market.recorded.get("gamma")
    if recorded is not None:
        return recorded
    row = gamma_market(market, now, lie=lie)
    if tags:
        row["tags"] = gamma_tags(market)
    return row


def _rejection(exc: _Rejected) -> Answer:
    return 422, {"type": "validation error", "error": str(exc)}


def _candidates(markets: Markets, names: Mapping[str, frozenset[str]]) -> Iterable[Market]:
    """Return the markets with one of the names where an index finds them, else all."""
    if conditions := names.get("condition_ids"):
        # Gamma leaves out the zeros at the end of the ids of V2.
        spellings = [text for each in conditions for text in (each, f"{each}00")]
        return [markets.by_condition[each] for each in spellings if each in markets.by_condition]
    if ids := names.get("id"):
        return [markets.by_gamma[each] for each in ids if each in markets.by_gamma]
    return markets


def _fits(market: Market, wanted: _Filter, now: int) -> bool:
    at = market.view("gamma", now)
    if (market.lifetime.closed <= at) != wanted.closed or not _named(market, wanted.names):
        return False
    if any(not low <= key(market) <= high for key, low, high in wanted.spans):
        return False
    return not wanted.status or gamma_status(market, at) == wanted.status


def _named(market: Market, names: Mapping[str, frozenset[str]]) -> bool:
    if not names:
        return True
    tokens = "position_ids" if market.v2 else "clob_token_ids"
    own = {
        "condition_ids": {gamma_condition_id(market)},
        "id": {market.gamma_id},
        "slug": {market.slug},
        tokens: set(market.tokens),
    }
    return all(own.get(name, set()) & wanted for name, wanted in names.items())


def _read(query: Query) -> _Filter:
    names = {name: frozenset(query[name]) for name in _NAMES if name in query}
    for name, values in names.items():
        if len(values) > PAGE or any("," in value for value in values):
            raise _Rejected(f"invalid {name.replace('_', ' ')}")
    order = tuple(_first(query, "order", "id").split(","))
    if unknown := [name for name in order if name not in ORDERS]:
        raise _Rejected(f"order field {unknown[0]!r} is not valid")
    spans = tuple(
        (key, _bound(query, f"{name}_min", -1.0), _bound(query, f"{name}_max", 1e18))
        for name, key in _SPANS.items()
        if f"{name}_min" in query or f"{name}_max" in query
    )
    return _Filter(
        closed=_first(query, "closed", "false") == "true",
        names=names,
        spans=spans,
        status=_first(query, "uma_resolution_status", ""),
        order=order,
        descending="order" in query and _first(query, "ascending", "true") == "false",
        tags=_first(query, "include_tag", "false") == "true",
    )


def _first(query: Query, name: str, default: str) -> str:
    return query[name][0] if query.get(name) else default


def _without(query: Query, *names: str) -> None:
    for name in names:
        if name in query:
            raise _Rejected(f"{name} is not supported with keyset pagination")


def _whole(query: Query, name: str, default: int, low: int, high: int) -> int:
    text = _first(query, name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise _Rejected(f"{name} must be between {low} and {high}")
    return int(text)


def _bound(query: Query, name: str, default: float) -> float:
    """Return a bound; a date becomes milliseconds."""
    text = _first(query, name, "")
    if not text:
        return default
    try:
        if "date" in name:
            return datetime.fromisoformat(text).timestamp() * 1000
        return float(text)
    except ValueError as exc:
        raise _Rejected(f"invalid {name}") from exc
