"""Data API v2: the state of data_answer, for markets of both versions."""

import re
from typing import Any

from actors.simulator.identity import hex_id
from actors.simulator.market import Market
from actors.simulator.oddity import odd_data, odd_numerators
from actors.simulator.universe import Markets

Answer = tuple[int, Any]
ASKED = 20
_CONDITION = re.compile(r"0x[0-9a-f]{64}")
UNSET = "69"


def data_answer(universe: Markets, text: str, now: int, *, lie: bool = False) -> Answer:
    """Answer `/v2/resolutions?condition=a,b`: a row for each condition that is known.

    Only 64-digit ids are taken, at most 20 of them.
    """
    ids = [part for part in text.split(",") if part]
    if not ids or len(ids) > ASKED or not all(map(_CONDITION.fullmatch, ids)):
        return 400, {
            "error": "condition must be 1 to 20 ids of 0x and 64 hexadecimal digits",
            "code": "invalid_request",
            "retryable": False,
            "trace_id": hex_id("trace", text, size=8)[2:],
        }
    markets = (universe.by_condition.get(condition) for condition in dict.fromkeys(ids))
    rows = [
        market.recorded.get("data") or data_row(market, now, lie=lie)
        for market in markets
        if market is not None and market.life.announced <= market.view("data", now)
    ]
    return 200, {"data": rows}


def data_row(market: Market, now: int, *, lie: bool = False) -> dict[str, Any]:
    """Return the row of a market at a time (milliseconds)."""
    at = market.view("data", now)
    life = market.life
    words = life.words(at)
    final = life.reported <= at
    payouts = [1000 * share for share in odd_numerators(market, "data", lie=lie)]
    row: dict[str, Any] = {
        "question_id": hex_id("question", market.condition),
        "condition_id": market.condition,
        "status": _data_status(words),
        "payouts": payouts if final else None,
        "resolution_source": "chainlink" if market.v2 else "uma",
        "was_disputed": "disputed" in words,
        "extended_review": False,
        "proposed_price": UNSET,
        "reproposed_price": UNSET,
        "price": UNSET,
        "transaction_hash": hex_id("resolved", market.condition) if final else None,
        "log_index": "170" if final else None,
        "resolved_block": 80_000_000 + life.reported // 2000 % 10_000_000 if final else None,
        "resolved_at": life.reported // 1000 if final else None,
        "last_update_timestamp": str(
            max([when for when, _, _ in life.stages if when <= at] or [life.trades]) // 1000
        ),
    }
    if final:
        row["price"] = {500_000: "0.5", 0: "0"}.get(payouts[0], "1")
    if market.v2:
        row["market_type"], row["reporter"] = "v2", hex_id("reporter", size=20)
    return odd_data(row, market)


def _data_status(words: tuple[str, ...]) -> str:
    if not words:
        return "initialized"
    return "reproposed" if words.count("proposed") > 1 and words[-1] == "proposed" else words[-1]
