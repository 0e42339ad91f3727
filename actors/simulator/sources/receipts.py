"""Receipts of the chain: what the exchange's contracts wrote when trades were settled.

A transaction settles all trades that name it. Each is one match: an `OrderFilled` for each maker,
one for the taker, then `OrdersMatched`. In one match of five the makers trade the other token:
shares are minted or merged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from Crypto.Hash import keccak

from actors.simulator.events import Trade
from actors.simulator.market_ids import hex_id
from actors.simulator.markets import Markets
from actors.simulator.sources.trades import Tape, block_s, is_touched, parts

LOOKUPS = frozenset({"eth_getTransactionReceipt", "eth_getBlockByNumber"})
BLOCK_S = 2
LATE_S = 900
"""A late receipt comes so long after its block."""
MINTED = 5
"""One match in so many mints or merges."""
OLD, OLD_NEG_RISK = (
    "0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e",
    "0xc5d563a36ae78145c45a50134d48a1215220f80a",
)
NEW, NEW_NEG_RISK, POSITIONS = (
    "0xe111180000d2663c0091e4f400237545b87b996b",
    "0xe2222d279d744050d28e00520010520000310f59",
    "0xe3333700ca9d93003f00f0f71f8515005f6c00aa",
)
ELSEWHERE = "0x00000000000000000000000000000000000e15e4"


def _topic(signature: str) -> str:
    return "0x" + keccak.new(digest_bits=256, data=signature.encode()).hexdigest()


NUMBERS = "uint256,uint256,uint256,uint256"
FILLED_OLD = _topic(f"OrderFilled(bytes32,address,address,{NUMBERS},uint256)")
MATCHED_OLD = _topic(f"OrdersMatched(bytes32,address,{NUMBERS})")
FILLED = _topic(f"OrderFilled(bytes32,address,address,uint8,{NUMBERS},bytes32,bytes32)")
MATCHED = _topic("OrdersMatched(bytes32,address,uint8,uint256,uint256,uint256)")
TRANSFERRED = _topic("TransferSingle(address,address,address,uint256,uint256)")


def looked_up(markets: Markets, tape: Tape, request: dict[str, Any], now: int) -> dict[str, Any]:
    """Answer a request for a receipt or a block."""
    number, params = request.get("id"), request.get("params")
    first = params[0] if isinstance(params, list) and params else None
    if not isinstance(first, str):
        error = {"code": -32602, "message": "invalid argument"}
        return {"jsonrpc": "2.0", "id": number, "error": error}
    of_block = request["method"] == "eth_getBlockByNumber"
    found = _block(markets, first, now) if of_block else _receipt(markets, tape, first, now)
    return {"jsonrpc": "2.0", "id": number, "result": found}


def _block(markets: Markets, name: str, now: int) -> dict[str, Any] | None:
    try:
        number = int(name, 16)
    except ValueError:
        return None
    if "blocks_gone" in markets.broken or number * BLOCK_S * 1_000 > now:
        return None
    return {"number": hex(number), "timestamp": hex(number * BLOCK_S), "transactions": []}


def _receipt(markets: Markets, tape: Tape, name: str, now: int) -> dict[str, Any] | None:
    trades = tape.settled(name.lower())
    broken = markets.broken
    if not trades:
        return None
    block = min(block_s(each) for each in trades) // BLOCK_S
    late_s = LATE_S if "receipts_late" in broken else 0
    lost = "receipts_null" in broken and is_touched(trades[0])
    if lost or (block * BLOCK_S + late_s) * 1_000 > now:
        return None
    settled = [each for each in trades if not tape.is_ghost(each)]
    if not settled and "ghosts_failed" not in broken:
        return None
    logs = [log for each in settled for log in _match(markets, each)]
    if "receipts_empty" in broken:
        logs = []
    place = {"blockNumber": hex(block), "transactionHash": name, "removed": False}
    return {
        "transactionHash": name,
        "blockNumber": hex(block),
        "status": "0x1" if settled else "0x0",
        "logs": [{**log, **place, "logIndex": hex(at)} for at, log in enumerate(logs)],
    }


@dataclass(frozen=True, slots=True)
class _Order:
    """One order as a log shows it.

    Attributes:
        paid: What a buyer pays stands in place of his shares.
    """

    buys: bool
    token: str
    size: Decimal
    price: Decimal
    paid: bool = False

    def words(self, *, old: bool) -> str:
        """Return what both logs have: side or assets, then what is given and taken."""
        shares, money = int(self.size * 1_000_000), int(self.size * self.price * 1_000_000)
        if self.buys:
            gives, takes = money, money if self.paid else shares
        else:
            gives, takes = shares, money
        if old:
            first, second = (0, int(self.token)) if self.buys else (int(self.token), 0)
        else:
            first, second = int(not self.buys), int(self.token)
        return "".join(f"{word:064x}" for word in (first, second, gives, takes))


def _match(markets: Markets, trade: Trade) -> Iterator[dict[str, Any]]:
    """Yield the logs by which a trade is settled."""
    market, broken = markets.by_condition[trade.condition], markets.broken
    old = "receipts_first_form" in broken
    names = (OLD, OLD_NEG_RISK) if old else (NEW, NEW_NEG_RISK)
    address = POSITIONS if market.v2 and not old else names[trade.n % 4 == 0]
    shown = ELSEWHERE if "receipts_elsewhere" in broken else address
    taker, buys = _person(trade.n), trade.side == "BUY"
    price = Decimal(trade.price)
    paid = buys and "receipts_taker_paid" in broken
    yield {"address": shown, "topics": [TRANSFERRED, *[_word(0)] * 3], "data": "0x" + "0" * 128}
    for number, size in enumerate(parts(trade)):
        made = _Order(not buys, trade.token, size, price)
        if trade.n % MINTED == 0:
            other = next(token for token in market.tokens if token != trade.token)
            made = _Order(buys, other, size, 1 - price)
        topics = [hex_id("order", trade.n, number), _person(trade.n + number + 1), taker]
        yield _filled(shown, topics, made, old=old)
    order = _Order(buys, trade.token, Decimal(trade.size), price, paid)
    topics = [hex_id("order", trade.n), taker]
    yield _filled(shown, [*topics, _word(int(address, 16))], order, old=old)
    topics = [MATCHED_OLD if old else MATCHED, *topics]
    yield {"address": shown, "topics": topics, "data": f"0x{order.words(old=old)}"}


def _filled(address: str, topics: list[str], order: _Order, *, old: bool) -> dict[str, Any]:
    data = order.words(old=old) + "0" * (64 if old else 192)
    topics = [FILLED_OLD if old else FILLED, *topics]
    return {"address": address, "topics": topics, "data": f"0x{data}"}


def _person(number: int) -> str:
    return "0x" + "0" * 24 + hex_id("wallet", str(number % 500), size=20)[2:]


def _word(number: int) -> str:
    return f"0x{number:064x}"
