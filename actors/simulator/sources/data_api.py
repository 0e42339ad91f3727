"""The Data API (v2): resolutions of markets of both versions, and their tokens."""

import re
from typing import Any

from actors.simulator.market import Market
from actors.simulator.market_ids import hex_id
from actors.simulator.markets import Markets
from actors.simulator.sources.oddities import apply_data_oddity, shown_numerators

MAX_IDS = 20
"""Conditions in one request for resolutions."""
UNSET = "69"
"""What the Data API shows for a price that is not set."""
_CONDITION = re.compile(r"0x[0-9a-f]{64}")
Answer = tuple[int, Any]
"""HTTP status and JSON body."""


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
