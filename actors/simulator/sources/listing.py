"""Gamma's listings, with the real service's defaults and rejections.

Listings are by page, by name and by id: `closed` defaults to false, even in a request by id;
`after_cursor` requests the next page; a comma in a list of ids is rejected.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from actors.simulator.beliefs import page_size
from actors.simulator.market import NEVER, Market, gamma_condition_id
from actors.simulator.markets import Markets
from actors.simulator.sources.gamma import gamma_market, gamma_tags, uma_status, v2_status
from actors.simulator.sources.oddities import damage_gamma, gamma_fails

Query = Mapping[str, Sequence[str]]
"""Parameter → its values."""
Answer = tuple[int, Any]
"""HTTP status and JSON body."""
SortKey = tuple[float, ...]

PAGE, MAX_OFFSET = 100, 10_000
GONE: Answer = (404, {"type": "not found error", "error": "route not found"})
WALK_MS, WALKS = 60_000, 16
"""How long, and how many, listings over several pages are kept."""


class _Rejected(ValueError):
    """The query is invalid; becomes 422."""


ORDERS: dict[str, Callable[[Market], float]] = {
    "id": lambda market: int(market.gamma_id),
    "startDate": lambda market: market.begun,
    "createdAt": lambda market: market.begun,
    "endDate": lambda market: market.lifetime.ends,
    "closedTime": lambda market: 0 if market.lifetime.closed == NEVER else market.lifetime.closed,
    "volumeNum": lambda market: market.volume,
}
_SPANS: dict[str, Callable[[Market], float]] = {
    "start_date": lambda market: market.begun,
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
        uma_status: UMA status, or empty for any.
        v2_status: The same of `resolutionStatus`.
        order: Names of ORDERS.
        tags: Whether tags are shown.
    """

    closed: bool
    names: dict[str, frozenset[str]]
    spans: tuple[tuple[Callable[[Market], float], float, float], ...]
    uma_status: str
    v2_status: str
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
        mute = "gamma_mute" in self._broken
        if market is None or mute or not self._lists(market, now):
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
            row = _row(market, now, self._broken, **show)
            rows.append(damage_gamma(row, market, self._broken))
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
        if wanted.names and "gamma_mute" in self._broken:
            return []
        candidates = _candidates(self._markets, wanted.names)
        found = [
            market
            for market in candidates
            if self._lists(market, now) and _fits(market, wanted, now, self._broken)
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


def _row(market: Market, now: int, broken: frozenset[str], *, lie: bool, tags: bool) -> Any:
    """Return a market as recorded, else as generated; tags only on request."""
    recorded = market.recorded.get("gamma")
    if recorded is not None:
        return recorded
    row = gamma_market(market, now, lie=lie, broken=broken)
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


def _fits(market: Market, wanted: _Filter, now: int, broken: frozenset[str]) -> bool:
    at = market.view("gamma", now)
    if (market.lifetime.closed <= at) != wanted.closed or not _named(market, wanted.names):
        return False
    if any(not low <= key(market) <= high for key, low, high in wanted.spans):
        return False
    if wanted.uma_status and uma_status(market, at, broken) != wanted.uma_status:
        return False
    return not wanted.v2_status or v2_status(market, at, broken) == wanted.v2_status


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
        uma_status=_first(query, "uma_resolution_status", ""),
        v2_status=_first(query, "resolution_status", ""),
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
