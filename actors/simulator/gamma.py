"""Gamma: its market object and its listings, with the real service's defaults and rejections.

In the market object arrays are JSON inside strings. Listings are by page, by name and by id:
`closed` is false unless it is asked for, also by id; the next page is asked for by
`after_cursor`; a comma in a list of ids is rejected; what is shown lags behind the exchange.
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

from actors.simulator.market import NEVER, Market, hex_id, odd_gamma, odd_winner
from actors.simulator.markets import Markets

PAGE = 100
FARTHEST = 10_000
WALK_MS = 60_000
WALKS = 16
Query = Mapping[str, Sequence[str]]
Answer = tuple[int, Any]
Place = tuple[float, ...]


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


class _Rejected(ValueError):
    """The query cannot be answered; becomes 422."""


def _begun(market: Market) -> int:
    return market.life.announced or market.life.trades


ORDERS: dict[str, Callable[[Market], float]] = {
    "id": lambda market: int(market.gamma_id),
    "startDate": _begun,
    "createdAt": _begun,
    "endDate": lambda market: market.life.ends,
    "closedTime": lambda market: 0 if market.life.closed == NEVER else market.life.closed,
    "volumeNum": lambda market: market.volume,
}
_SPANS: dict[str, Callable[[Market], float]] = {
    "start_date": _begun,
    "end_date": lambda market: market.life.ends,
    "volume_num": lambda market: market.volume,
}
_NAMES = ("condition_ids", "clob_token_ids", "position_ids", "id", "slug")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A checked query."""

    closed: bool
    names: dict[str, frozenset[str]]
    spans: tuple[tuple[Callable[[Market], float], float, float], ...]
    status: str
    order: tuple[str, ...]
    descending: bool
    tags: bool

    def place(self, market: Market) -> Place:
        """Return where a market stands in the order asked for."""
        sign = -1 if self.descending else 1
        return tuple(sign * ORDERS[name](market) for name in (*self.order, "id"))


class Listing:
    """Gamma's answers.

    Args:
        universe: The markets.
    """

    def __init__(self, universe: Markets) -> None:
        self._universe = universe
        # What a walk over many pages is about: when, and the markets with their
        # places then. Sorting all of them for each of a thousand pages would stop
        # the feed meanwhile, and volumes that move would make the walk skip some.
        self._walks: dict[str, tuple[int, list[tuple[Place, Market]]]] = {}

    def one(self, gamma_id: str, now: int, *, lie: bool = False) -> Answer:
        """Answer `/markets/{id}`."""
        market = self._universe.by_gamma.get(gamma_id)
        if market is None or not _listed(market, now):
            return 404, {"type": "not found error", "error": "market not found"}
        return 200, _row(market, now, lie=lie, tags=True)

    def some(self, query: Query, now: int, *, lie: bool = False) -> Answer:
        """Answer `/markets`: a bare array, by names or by offset."""
        try:
            asked = _read(query)
            limit = _whole(query, "limit", 20, 0, FARTHEST)
            offset = _whole(query, "offset", 0, 0, FARTHEST)
        except _Rejected as exc:
            return _rejection(exc)
        found = islice(_matching(self._universe, asked, now), offset, offset + min(limit, PAGE))
        return 200, [_row(market, now, lie=lie, tags=asked.tags) for market in found]

    def keyset(self, query: Query, now: int, *, lie: bool = False) -> Answer:
        """Answer `/markets/keyset`: a page and, unless it is the last, the cursor to the next."""
        try:
            _without_offset(query)
            asked, limit = _read(query), _whole(query, "limit", 20, 1, PAGE)
            keys = _keys(_first(query, "after_cursor", ""))
        except _Rejected as exc:
            return _rejection(exc)
        walk = self._walk(query, asked, now, first=keys is None)
        start = 0 if keys is None else bisect_right(walk, keys, key=lambda step: step[0])
        page = [market for _, market in walk[start : start + limit]]
        answer: dict[str, Any] = {
            "markets": [_row(market, now, lie=lie, tags=asked.tags) for market in page]
        }
        if start + limit < len(walk):
            answer["next_cursor"] = _cursor(walk[start + limit - 1][0])
        return 200, answer

    def _walk(
        self, query: Query, asked: _Asked, now: int, *, first: bool
    ) -> list[tuple[Place, Market]]:
        """Return places and markets of a walk: looked up at its first page, kept for a while."""
        name = repr(sorted((key, query[key]) for key in query if key != "after_cursor"))
        kept = self._walks.get(name)
        if first or kept is None or now - kept[0] > WALK_MS:
            if len(self._walks) >= WALKS:
                self._walks.clear()
            found = _matching(self._universe, asked, now)
            kept = self._walks[name] = (now, [(asked.place(each), each) for each in found])
        return kept[1]


def _cursor(place: Place) -> str:
    """Name a place by its sort keys, so that it survives the removal of its market."""
    return base64.b64encode(msgspec.json.encode(place)).decode()


def _keys(cursor: str) -> Place | None:
    """Read a cursor; None when there is none."""
    if not cursor:
        return None
    try:
        return msgspec.json.decode(base64.b64decode(cursor, validate=True), type=Place)
    except (binascii.Error, msgspec.DecodeError) as exc:
        raise _Rejected("invalid cursor") from exc


def _row(market: Market, now: int, *, lie: bool, tags: bool) -> Any:
    """Return a market as recorded, or as it is made up; tags only on request."""
    recorded = market.recorded.get("gamma")
    if recorded is not None:
        return recorded
    row = gamma_market(market, now, lie=lie)
    if tags:
        row["tags"] = gamma_tags(market)
    return row


def _rejection(exc: _Rejected) -> Answer:
    return 422, {"type": "validation error", "error": str(exc)}


def _listed(market: Market, now: int) -> bool:
    return market.life.announced <= market.view("gamma", now)


def _matching(universe: Markets, asked: _Asked, now: int) -> list[Market]:
    """Return what is asked for, in its order; equal keys are ordered by id."""
    some = _named_so(universe, asked.names)
    found = [market for market in some if _listed(market, now) and _fits(market, asked, now)]
    found.sort(key=asked.place)
    return found


def _named_so(universe: Markets, names: Mapping[str, frozenset[str]]) -> Iterable[Market]:
    """Return the markets with one of the names, if they are names that markets are found by."""
    if conditions := names.get("condition_ids"):
        # Gamma leaves out the zeros at the end of the ids of V2.
        spellings = [text for each in conditions for text in (each, f"{each}00")]
        return [universe.by_condition[each] for each in spellings if each in universe.by_condition]
    if ids := names.get("id"):
        return [universe.by_gamma[each] for each in ids if each in universe.by_gamma]
    return universe


def _fits(market: Market, asked: _Asked, now: int) -> bool:
    at = market.view("gamma", now)
    if (market.life.closed <= at) != asked.closed or not _named(market, asked.names):
        return False
    if any(not low <= key(market) <= high for key, low, high in asked.spans):
        return False
    return not asked.status or gamma_status(market, at) == asked.status


def _named(market: Market, names: Mapping[str, frozenset[str]]) -> bool:
    if not names:
        return True
    tokens = "position_ids" if market.v2 else "clob_token_ids"
    own = {
        "condition_ids": {spelled(market)},
        "id": {market.gamma_id},
        "slug": {market.slug},
        tokens: set(market.tokens),
    }
    return all(own.get(name, set()) & wanted for name, wanted in names.items())


def _read(query: Query) -> _Asked:
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
    return _Asked(
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


def _without_offset(query: Query) -> None:
    if "offset" in query:
        raise _Rejected("offset is not supported with keyset pagination")


def _whole(query: Query, name: str, default: int, low: int, high: int) -> int:
    text = _first(query, name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise _Rejected(f"{name} must be between {low} and {high}")
    return int(text)


def _bound(query: Query, name: str, default: float) -> float:
    """Read a bound: a date becomes milliseconds, anything else is a number."""
    text = _first(query, name, "")
    if not text:
        return default
    try:
        if "date" in name:
            return datetime.fromisoformat(text).timestamp() * 1000
        return float(text)
    except ValueError as exc:
        raise _Rejected(f"invalid {name}") from exc
