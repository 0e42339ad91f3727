"""The chain: JSON-RPC `eth_call` to the conditional tokens contract, alone or in batches.

Errors come with HTTP 200. V2 markets are not on this contract: no outcome slots, no payout. Free
nodes take few calls at once, and know nothing about conditions that were never prepared.
"""

from typing import Any

from actors.simulator.market import Market
from actors.simulator.markets import Markets
from actors.simulator.sources.oddities import shown_numerators
from actors.simulator.sources.orders import by_slot

CONTRACT = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
DENOMINATOR, NUMERATOR, SLOTS = "0xdd34de67", "0x0504c814", "0xd42dc0c2"
"""Selectors of payoutDenominator, payoutNumerators and getOutcomeSlotCount."""

FREE_CALLS = 3
"""Calls in a batch that a free node takes."""
BLOCK_MS = 2_000


def chain_answer(markets: Markets, request: Any, now: int, *, lie: bool = False) -> Any:
    """Answer one JSON-RPC request or a batch; an invalid request gets an error object."""
    if isinstance(request, list):
        if not request:
            return _error(None, -32600, "empty batch")
        if len(request) > FREE_CALLS and "free_nodes" in markets.broken:
            error = _error(None, -32600, f"a batch of more than {FREE_CALLS} calls is not served")
            # Which of the two a node sends is not known.
            return [error] if now // BLOCK_MS % 2 else error
        return [chain_result(markets, item, now, lie=lie) for item in request]
    return chain_result(markets, request, now, lie=lie)


def chain_result(markets: Markets, request: Any, now: int, *, lie: bool) -> dict[str, Any]:
    """Answer one JSON-RPC request."""
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return _error(None, -32600, "invalid request")
    number, method = request.get("id"), request["method"]
    simple = {"eth_chainId": "0x89", "eth_blockNumber": hex(now // BLOCK_MS)}
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
    if not known and "free_nodes" in markets.broken:
        return None
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
    first, second = by_slot(market, shown_numerators(market, "chain", lie=lie))
    unit = max(
        min(first or second, second or first), 1
    )  # 1 and 0, or 1 and 1, as the oracle reports
    return (first // unit, second // unit) if market.odd != "scalar" else (first, second)


def _result(number: Any, value: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": value}


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
