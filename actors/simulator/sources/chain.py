"""The chain: JSON-RPC `eth_call` to the contracts that have the outcomes, alone or in batches.

Receipts and blocks are in `receipts.py`.

V1 markets are on the conditional tokens contract, V2 markets on the module that their condition id
names; each contract has no payout for the markets of another one. Errors come with HTTP 200. Free
nodes take few calls at once, and know nothing about conditions that were never prepared.
"""

from typing import Any

from actors.simulator.market import Market
from actors.simulator.market_ids import BINARY, NEG_RISK, module_of
from actors.simulator.markets import Markets
from actors.simulator.sources.oddities import shown_numerators
from actors.simulator.sources.orders import by_slot
from actors.simulator.sources.receipts import LOOKUPS, looked_up
from actors.simulator.sources.trades import Tape

CONTRACT = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
DENOMINATOR, NUMERATOR, SLOTS = "0xdd34de67", "0x0504c814", "0xd42dc0c2"
"""Selectors of payoutDenominator, payoutNumerators and getOutcomeSlotCount."""
MODULES = {
    "0x1000008dd9001b968442c1000017eae6e0da00ba": BINARY,
    "0x200000900045e3b6259600682756002200028933": NEG_RISK,
}
RESULT = "0xe4939c77"
"""Selector of getResult(bytes31), which the modules have."""

FREE_CALLS = 3
"""Calls in a batch that a free node takes."""
BLOCK_MS = 2_000


def chain_answer(
    markets: Markets, request: Any, now: int, *, lie: bool = False, tape: Tape | None = None
) -> Any:
    """Answer one JSON-RPC request or a batch; an invalid request gets an error object.

    Args:
        markets: All of them.
        request: Decoded JSON.
        now: Milliseconds since 1970.
        lie: Whether outcomes are wrong.
        tape: What was settled; without it no transaction is known.
    """
    if isinstance(request, list):
        if not request:
            return _error(None, -32600, "empty batch")
        if len(request) > FREE_CALLS and "free_nodes" in markets.broken:
            error = _error(None, -32600, f"a batch of more than {FREE_CALLS} calls is not served")
            # Which of the two a node sends is not known.
            return [error] if now // BLOCK_MS % 2 else error
        return [chain_result(markets, item, now, lie=lie, tape=tape) for item in request]
    return chain_result(markets, request, now, lie=lie, tape=tape)


def chain_result(
    markets: Markets, request: Any, now: int, *, lie: bool, tape: Tape | None = None
) -> dict[str, Any]:
    """Answer one JSON-RPC request."""
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return _error(None, -32600, "invalid request")
    number, method = request.get("id"), request["method"]
    simple = {"eth_chainId": "0x89", "eth_blockNumber": hex(now // BLOCK_MS)}
    if method in simple:
        return _result(number, simple[method])
    if method in LOOKUPS and tape is not None:
        return looked_up(markets, tape, request, now)
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
    words: tuple[int, ...] | None
    if to == CONTRACT:
        value = _call(markets, data, now, lie=lie)
        words = None if value is None else (value,)
    elif to in MODULES:
        words = _module_call(markets, MODULES[to], data, now, lie=lie)
    else:
        words = ()  # there is no contract
    if words is None:
        return _error(number, 3, "execution reverted")
    return _result(number, "0x" + "".join(f"{word:064x}" for word in words))


def _call(markets: Markets, data: str, now: int, *, lie: bool) -> int | None:
    """Return the result of a call to the contract of V1 markets, or None when it reverts."""
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


def _module_call(
    markets: Markets, module: int, data: str, now: int, *, lie: bool
) -> tuple[int, ...] | None:
    """Return what a module of V2 answers, or None when it reverts.

    The answer is a list of numbers as the ABI encodes it: where it begins, its length, the numbers.
    """
    argument = data[10:74]
    # The padding behind 31 bytes must be zero, or the ABI decoder reverts.
    if data[:10] != RESULT or len(argument) != 64 or argument[62:] != "00":
        return None
    market = markets.by_condition.get(f"0x{argument}")
    known = market is not None and market.v2 and module_of(market.condition) == module
    if not known and "free_nodes" in markets.broken:
        return None
    thousandths = _numerators(market, now, lie=lie) if market is not None and known else (0, 0)
    if not any(thousandths):
        return (32, 0)
    return (32, 2, *(1_000 * each for each in thousandths))


def _numerators(market: Market, now: int, *, lie: bool) -> tuple[int, int]:
    """Return the payout of each slot in thousandths; zeros before there is one."""
    if market.lifetime.reported > market.view("chain", now):
        return (0, 0)
    return by_slot(market, shown_numerators(market, "chain", lie=lie))


def _payouts(market: Market, now: int, *, lie: bool) -> tuple[int, int]:
    """Return the payout of each slot of a V1 market as its oracle reports it."""
    first, second = _numerators(market, now, lie=lie)
    unit = max(
        min(first or second, second or first), 1
    )  # 1 and 0, or 1 and 1, as the oracle reports
    return (first // unit, second // unit) if market.odd != "scalar" else (first, second)


def _result(number: Any, value: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": value}


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
