"""The three sources of outcomes beside Gamma: chain, CLOB and Data API.

The chain answers JSON-RPC `eth_call` to the conditional tokens contract, alone or in batches;
errors come with HTTP 200; V2 markets are not on this contract: no outcome slots, no payout. The
CLOB returns one market by condition, with winner flags; a split has none. The Data API (v2)
returns resolutions of markets of both versions. What was recorded of them, and of Gamma, answers
first.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from math import floor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from actors.simulator import recorded
from actors.simulator.events import LevelPool, book
from actors.simulator.gamma import iso
from actors.simulator.market import (
    Market,
    apply_clob_oddity,
    apply_data_oddity,
    hex_id,
    shown_numerators,
    shown_winner,
)
from actors.simulator.markets import Markets

CONTRACT = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
DENOMINATOR, NUMERATOR, SLOTS = "0xdd34de67", "0x0504c814", "0xd42dc0c2"
"""Selectors of payoutDenominator, payoutNumerators and getOutcomeSlotCount."""
MAX_IDS = 20
"""Conditions in one request to the Data API."""
MAX_BOOKS = 500
"""Tokens in one request for books."""
UNSET = "69"
"""What the Data API shows for a price that is not set."""
_CONDITION = re.compile(r"0x[0-9a-f]{64}")

Answer = tuple[int, Any]
"""HTTP status and JSON body."""


def chain_answer(markets: Markets, request: Any, now: int, *, lie: bool = False) -> Any:
    """Answer one JSON-RPC request or a batch; an invalid request gets an error object."""
    if isinstance(request, list):
        if not request:
            return _error(None, -32600, "empty batch")
        return [chain_result(markets, item, now, lie=lie) for item in request]
    return chain_result(markets, request, now, lie=lie)


def chain_result(markets: Markets, request: Any, now: int, *, lie: bool) -> dict[str, Any]:
    """Answer one JSON-RPC request."""
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return _error(None, -32600, "invalid request")
    number, method = request.get("id"), request["method"]
    simple = {"eth_chainId": "0x89", "eth_blockNumber": hex(now // 2000)}
    if method in simple:
        return _result(number, simple[method])
    if method != "eth_call":
        return _error(number, -32601, f"the method {method} does not exist/is not available")
    return _eth_call(markets, request, now, lie=lie)


def _eth_call(markets: Markets, request: dict[str, Any], now: int, *, lie: bool) -> dict[str, Any]:
    number = request.get("id")
    try:
        call = request["params"][0]
        to, data = str(call["to"]).lower(), str(call.get("data") or call["input"]).lower()
    except (KeyError, IndexError, TypeError, AttributeError):
        return _error(number, -32602, "invalid argument")
    if to != CONTRACT:
        return _result(number, "0x")
    value = _call(markets, data, now, lie=lie)
    if value is None:
        return _error(number, 3, "execution reverted")
    return _result(number, f"0x{value:064x}")


def _call(markets: Markets, data: str, now: int, *, lie: bool) -> int | None:
    """Return the result of a contract call, or None when it reverts."""
    selector, condition, rest = data[:10], f"0x{data[10:74]}", data[74:]
    market = markets.by_condition.get(condition)
    known = market is not None and not market.v2
    if selector == SLOTS:
        return 2 if known else 0
    numerators = _payouts(market, now, lie=lie) if market is not None and known else (0, 0)
    if selector == DENOMINATOR:
        return sum(numerators)
    if selector == NUMERATOR and len(rest) == 64:
        side = int(rest, 16)
        return numerators[side] if known and side < 2 else None
    return None


def _payouts(market: Market, now: int, *, lie: bool) -> tuple[int, int]:
    if market.lifetime.reported > market.view("chain", now):
        return (0, 0)
    first, second = shown_numerators(market, "chain", lie=lie)
    unit = max(
        min(first or second, second or first), 1
    )  # 1 and 0, or 1 and 1, as the oracle reports
    return (first // unit, second // unit) if market.odd != "scalar" else (first, second)


def _result(number: Any, value: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": value}


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


def clob_answer(markets: Markets, condition: str, now: int, *, lie: bool = False) -> Answer:
    """Answer `/markets/{condition_id}`; a market too new for the CLOB is not found."""
    market = markets.by_condition.get(condition)
    if market is None or market.lifetime.announced > market.view("clob", now):
        return 404, {"error": "market not found"}
    return 200, market.recorded.get("clob") or clob_market(market, now, lie=lie)


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
    return apply_clob_oddity(row, market)


def data_answer(
    markets: Markets, text: str, now: int, *, lie: bool = False, with_payouts: bool = True
) -> Answer:
    """Answer `/v2/resolutions?condition=a,b`: a row for each known condition.

    Ids must have 64 digits; a request has at most 20.
    """
    ids = [part for part in text.split(",") if part]
    if not ids or len(ids) > MAX_IDS or not all(map(_CONDITION.fullmatch, ids)):
        return 400, {
            "error": "condition must be 1 to 20 ids of 0x and 64 hexadecimal digits",
            "code": "invalid_request",
            "retryable": False,
            "trace_id": hex_id("trace", text, size=8)[2:],
        }
    known = (markets.by_condition.get(condition) for condition in dict.fromkeys(ids))
    rows = [
        market.recorded.get("data")
        or data_row(market, now, lie=lie, with_payouts=with_payouts or market.v2)
        for market in known
        if market is not None and market.lifetime.announced <= market.view("data", now)
    ]
    return 200, {"data": rows}


def data_row(
    market: Market, now: int, *, lie: bool = False, with_payouts: bool = True
) -> dict[str, Any]:
    """Return the row of a market, with its payouts or only the price of UMA.

    `now` is milliseconds.
    """
    at = market.view("data", now)
    lifetime = market.lifetime
    statuses = lifetime.statuses(at)
    final = lifetime.reported <= at
    payouts = [1000 * share for share in shown_numerators(market, "data", lie=lie)]
    row: dict[str, Any] = {
        "question_id": hex_id("question", market.condition),
        "condition_id": market.condition,
        "status": _data_status(statuses),
        "payouts": payouts if final and with_payouts else None,
        "resolution_source": "chainlink" if market.v2 else "uma",
        "was_disputed": "disputed" in statuses,
        "extended_review": False,
        "proposed_price": UNSET,
        "reproposed_price": UNSET,
        "price": UNSET,
        "transaction_hash": hex_id("resolved", market.condition) if final else None,
        "log_index": "170" if final else None,
        "resolved_block": 80_000_000 + lifetime.reported // 2000 % 10_000_000 if final else None,
        "resolved_at": lifetime.reported // 1000 if final else None,
        "last_update_timestamp": str(
            max([when for when, _, _ in lifetime.stages if when <= at] or [lifetime.trades]) // 1000
        ),
    }
    if final:
        row["price"] = _UMA_PRICES.get(tuple(payouts), UNSET)
    if market.v2:
        row["market_type"], row["reporter"] = "v2", hex_id("reporter", size=20)
    return apply_data_oddity(row, market)


_UMA_PRICES: dict[tuple[int, ...], str] = {
    (1_000_000, 0): "1000000000000000000",
    (0, 1_000_000): "0",
    (500_000, 500_000): "500000000000000000",
}


def _data_status(statuses: tuple[str, ...]) -> str:
    if not statuses:
        return "initialized"
    last = statuses[-1]
    return "reproposed" if last == "proposed" and statuses.count("proposed") > 1 else last


# ------------------------------------------------------------- recorded answers


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswer:
    """What to answer; without a status the connection is cut."""

    status: int | None
    headers: dict[str, str]
    body: bytes


_OTHERS = frozenset({"age", "cache-control", "cf-cache-status", "x-cache", "retry-after"})
"""Headers that are served as they were."""
_Asked = tuple[str, str, str, tuple[tuple[str, str], ...], bytes]


class RecordedCalls:
    """HTTP calls that were recorded (`recorded.py`), and their answers.

    Args:
        calls: In their order.
    """

    def __init__(self, calls: Iterable[recorded.Http]) -> None:
        self._calls: defaultdict[_Asked, deque[recorded.Http]] = defaultdict(deque)
        self._routes: defaultdict[tuple[str, str, str, bool], list[recorded.Http]] = defaultdict(
            list
        )
        for call in calls:
            asked = _asked(
                call.side, call.method, call.target, recorded.as_bytes(call.sent, call.sent_base64)
            )
            self._calls[asked].append(call)
            self._routes[_route(asked)].append(call)

    def answer(
        self, side: str, method: str, target: str, sent: bytes, now_s: float
    ) -> RecordedAnswer | None:
        """Return the recorded answer, or None for a question whose answer is not known.

        Args:
            side: Name of the source.
            method: Of HTTP.
            target: Path and query behind the address of the source.
            sent: The body of the request.
            now_s: Seconds since 1970.
        """
        asked = _asked(side, method, target, sent)
        known = self._calls.get(asked)
        if known:
            # In turn, and then from the first again: another look asks the same.
            call = known[0]
            known.rotate(-1)
            return _as_now(call, now_s)
        alike = self._routes.get(_route(asked), [])
        if alike and all(call.status != 200 for call in alike):
            return _as_now(alike[-1], now_s)
        return None


def _asked(side: str, method: str, target: str, sent: bytes) -> _Asked:
    parts = urlsplit(target)
    query = tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))
    return side, method, parts.path, query, sent


def _route(asked: _Asked) -> tuple[str, str, str, bool]:
    """Return what a question is one of: a route, with or without an order."""
    side, method, path, query, _ = asked
    is_one = side == "clob" and path.startswith("/markets/")
    return side, method, "/markets/*" if is_one else path, "order" in dict(query)


def _as_now(call: recorded.Http, now_s: float) -> RecordedAnswer:
    lost = call.status == 200 and bool(call.error)  # the rest of its body is not there
    headers = {name: text for name, text in call.headers.items() if name in _OTHERS}
    headers["content-type"] = call.headers.get("content-type", "application/json")
    made_s = _date_s(call.headers.get("date", ""))
    if made_s is not None:
        # A `Date` has whole seconds: it was made in the second that it names, and so is this one.
        received_s = call.at + call.seconds
        ahead_s = made_s - received_s if made_s > received_s else min(0.0, made_s + 1 - call.at)
        headers["date"] = formatdate(floor(now_s + ahead_s), usegmt=True)
    return RecordedAnswer(status=None if lost else call.status, headers=headers, body=call.answer)


def _date_s(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
