"""The chain: JSON-RPC `eth_call` to the conditional tokens contract, alone or in batches.

Errors come as HTTP 200. V2 markets are not on this contract: no outcome slots,
no payout.
"""

from typing import Any

from actors.simulator.market import Market
from actors.simulator.oddity import odd_numerators
from actors.simulator.universe import Markets

CONTRACT = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
DENOMINATOR, NUMERATOR, SLOTS = "0xdd34de67", "0x0504c814", "0xd42dc0c2"


def chain_answer(universe: Markets, asked: Any, now: int, *, lie: bool = False) -> Any:
    """Answer one request or a batch; an unusable request gives an error object."""
    if isinstance(asked, list):
        if not asked:
            return _error(None, -32600, "empty batch")
        return [chain_answer_one(universe, item, now, lie=lie) for item in asked]
    return chain_answer_one(universe, asked, now, lie=lie)


def chain_answer_one(universe: Markets, asked: Any, now: int, *, lie: bool) -> dict[str, Any]:
    """Answer one request object."""
    if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
        return _error(None, -32600, "invalid request")
    number, method = asked.get("id"), asked["method"]
    simple = {"eth_chainId": "0x89", "eth_blockNumber": hex(now // 2000)}
    if method in simple:
        return _result(number, simple[method])
    if method != "eth_call":
        return _error(number, -32601, f"the method {method} does not exist/is not available")
    return _eth_call(universe, asked, now, lie=lie)


def _eth_call(universe: Markets, asked: dict[str, Any], now: int, *, lie: bool) -> dict[str, Any]:
    number = asked.get("id")
    try:
        call = asked["params"][0]
        to, data = str(call["to"]).lower(), str(call.get("data") or call["input"]).lower()
    except (KeyError, IndexError, TypeError, AttributeError):
        return _error(number, -32602, "invalid argument")
    if to != CONTRACT:
        return _result(number, "0x")
    value = _call(universe, data, now, lie=lie)
    if value is None:
        return _error(number, 3, "execution reverted")
    return _result(number, f"0x{value:064x}")


def _call(universe: Markets, data: str, now: int, *, lie: bool) -> int | None:
    """Return the number that a call returns, or None when it reverts."""
    selector, condition, rest = data[:10], f"0x{data[10:74]}", data[74:]
    market = universe.by_condition.get(condition)
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
    if market.life.reported > market.view("chain", now):
        return (0, 0)
    first, second = odd_numerators(market, "chain", lie=lie)
    unit = max(min(first or second, second or first), 1)  # small numbers, as the oracle reports
    return (first // unit, second // unit) if market.odd != "scalar" else (first, second)


def _result(number: Any, value: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": value}


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
