"""The Data API (v2): resolutions of markets of both versions, and their tokens with their slots.

Both routes show the past by the same lag, and a lie of the one is a lie of the other.
"""

import re
from typing import Any

from actors.simulator.market import Market
from actors.simulator.market_ids import hex_id, number_in_event
from actors.simulator.markets import Markets
from actors.simulator.sources.event import group_id
from actors.simulator.sources.oddities import apply_data_oddity, shown_numerators
from actors.simulator.sources.orders import by_slot, slot_of

MAX_IDS = 20
"""Conditions in one request for resolutions."""
UNSET = "69"
"""What the Data API shows for a price that is not set."""
MAX_TOKENS, MAX_TOKEN_CONDITIONS = 50, 10
"""Distinct tokens, and conditions, in one request for tokens."""
_CONDITION = re.compile(r"0x[0-9a-f]{64}")
_SHORT_OR_LONG = re.compile(r"0x[0-9a-f]{62}([0-9a-f]{2})?")
_TOKEN = re.compile(r"[0-9]{1,78}")
Answer = tuple[int, Any]
"""HTTP status and JSON body."""


def data_answer(markets: Markets, text: str, now: int, *, lie: bool = False) -> Answer:
    """Answer `/v2/resolutions?condition=a,b`: a row for each known condition.

    Ids must have 64 digits; a request has at most 20.
    """
    if "data_gone" in markets.broken:
        return _error(404, "route not found", text)
    ids = [part for part in text.split(",") if part]
    if not ids or len(ids) > MAX_IDS or not all(map(_CONDITION.fullmatch, ids)):
        what = "condition must be 1 to 20 ids of 0x and 64 hexadecimal digits"
        return _error(400, what, text)
    with_payouts = "uma_rows_without_payouts" not in markets.broken
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
    shares = by_slot(market, shown_numerators(market, "data", lie=lie))
    payouts = [1000 * share for share in shares]
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


def tokens_answer(
    markets: Markets, tokens: str, conditions: str, now: int, *, lie: bool = False
) -> Answer:
    """Answer `/v2/tokens?token_id=a,b` or `?condition=a,b`: a row for each known token.

    Args:
        markets: All of them.
        tokens: What `token_id` says; empty where it is absent.
        conditions: The same of `condition`; one of the two is needed.
        now: Wall clock, milliseconds.
        lie: Name the other side as winner (a fault).
    """
    asked = tokens or conditions
    if "data_tokens_gone" in markets.broken:
        return _error(410, "route not found", asked)
    if (not tokens and not conditions) or (tokens and conditions):
        return _error(400, "either token_id or condition is needed", asked)
    ids = list(dict.fromkeys(part for part in asked.split(",") if part))
    shape, most = (_TOKEN, MAX_TOKENS) if tokens else (_SHORT_OR_LONG, MAX_TOKEN_CONDITIONS)
    if not ids or len(ids) > most or not all(map(shape.fullmatch, ids)):
        name = "token_id" if tokens else "condition"
        return _error(400, f"{name} must be 1 to {most} ids", asked)
    wanted = _sides_of_tokens(markets, ids) if tokens else _sides_of_conditions(markets, ids)
    seen: dict[str, int] = {}
    rows = []
    for market, side in wanted:
        # One look at each market, so that its two rows show the same time.
        if market.condition not in seen:
            seen[market.condition] = market.view("data", now)
        at = seen[market.condition]
        if market.lifetime.announced <= at:
            rows.append(token_row(market, side, at, lie=lie))
    return 200, {"data": rows}


def _sides_of_tokens(markets: Markets, ids: list[str]) -> list[tuple[Market, int]]:
    return [markets.by_token[token] for token in ids if token in markets.by_token]


def _sides_of_conditions(markets: Markets, ids: list[str]) -> list[tuple[Market, int]]:
    """Return the sides of markets in the order of their slots; 62 digits are an id of V2."""
    full = [condition.ljust(66, "0") for condition in ids]
    found = (markets.by_condition.get(condition) for condition in dict.fromkeys(full))
    return [
        (market, side) for market in found if market is not None for side in by_slot(market, (0, 1))
    ]


def token_row(market: Market, side: int, at: int, *, lie: bool = False) -> dict[str, Any]:
    """Return the row of a token as it was at a time (milliseconds); all fields are always there."""
    shares = shown_numerators(market, "data", lie=lie)
    # Nothing was paid out for one that is priced 0/0.
    resolved = market.lifetime.reported <= at and sum(shares) > 0
    price = shares[side] / 1000 if resolved else None
    return {
        "token_id": market.tokens[side],
        "condition_id": market.condition,
        "structural_condition_id": market.condition[:64] if market.v2 else None,
        "module": _module(market),
        "outcome_index": slot_of(market, side),
        "clob_index": side,
        "outcome": market.outcomes[side],
        "opposite_token_id": market.tokens[1 - side],
        "resolved": resolved,
        "final_price": str(price) if market.odd == "texts" and resolved else price,
        "title": market.question,
        "market_slug": market.slug,
        "closed": market.lifetime.closed <= at,
        "neg_risk": market.neg_risk,
        "neg_risk_market_id": group_id(market) or None,
        "question_index": _question_index(market),
        "event_id": f"9{market.gamma_id}",
        "event_slug": market.slug,
    }


def _module(market: Market) -> str:
    if not market.v2:
        return "v1_ctf"
    return "neg_risk" if market.neg_risk else "binary"


def _question_index(market: Market) -> int | None:
    if not market.neg_risk:
        return None
    return number_in_event(market.condition) if market.v2 else 0


def _error(status: int, text: str, asked: str) -> Answer:
    return status, {
        "error": text,
        "code": "invalid_request" if status == 400 else "not_found",
        "retryable": False,
        "trace_id": hex_id("trace", asked, size=8)[2:],
    }
