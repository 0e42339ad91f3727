"""The Data API's list of trades, `/v2/trades`: what was settled on the chain, with its quirks.

Each trade is settled some seconds after it was made, in one to three fills. Which trades a quirk
touches follows from their numbers alone, so every page and every answer agrees.
"""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from actors.simulator.events import Trade
from actors.simulator.market_ids import hex_id
from actors.simulator.markets import Markets

KEPT = 100_000
"""So many of the latest trades are listed, over all markets."""
PAGE, MOST_ROWS, FEW_ROWS = 100, 1_000, 20
"""Rows of a page when nothing is said, at most, and where pages are small."""
LEAST = Decimal("0.01")
"""Shares: smaller fills are left out unless a smaller amount is asked for; 0 means the same."""
SHARE = 40
"""One trade in so many is touched by a quirk."""
VISIBLE_MS = 1_000
"""A block is listed so long after its time."""
Answer = tuple[int, Any]
"""HTTP status and JSON body."""


class Tape:
    """The latest trades, as they are settled.

    Args:
        markets: All of them; some of their breaks are quirks of this list.
    """

    def __init__(self, markets: Markets) -> None:
        self._markets = markets
        self._trades: deque[Trade] = deque()
        self._by_market: dict[str, deque[Trade]] = {}
        self._by_name: dict[str, list[Trade]] = {}

    def add(self, trade: Trade) -> None:
        """Take a trade that was made."""
        self._trades.append(trade)
        self._by_market.setdefault(trade.condition, deque()).append(trade)
        self._by_name.setdefault(self._settled_as(trade), []).append(trade)
        if len(self._trades) > KEPT:
            old = self._trades.popleft()
            self._by_market[old.condition].popleft()
            self._by_name.pop(self._settled_as(old), None)

    def settled(self, name: str) -> tuple[Trade, ...]:
        """Return the trades that a transaction settles, or would."""
        return tuple(self._by_name.get(name, ()))

    def is_ghost(self, trade: Trade) -> bool:
        """Return whether a trade is never settled."""
        return is_touched(trade) and "trades_ghosts" in self._markets.broken

    def _settled_as(self, trade: Trade) -> str:
        """Return the transaction that settles a trade."""
        resent = is_touched(trade) and "trades_resent" in self._markets.broken
        return hex_id("resent", trade.hash) if resent else trade.hash

    def answer(self, query: dict[str, list[str]], now: int) -> Answer:
        """Answer `/v2/trades?condition=…`; `now` is milliseconds."""
        broken = self._markets.broken
        if "data_trades_gone" in broken:
            return 404, _error("route not found")
        condition = query.get("condition", [""])[-1]
        if len(condition) != 66:
            return 400, _error("condition must be 0x and 64 hexadecimal digits")
        try:
            amount = Decimal(query.get("filter_amount", ["0"])[-1])
            limit = int(query.get("limit", [str(PAGE)])[-1])
            cursor = query.get("cursor", [""])[-1]
            after = tuple(int(part) for part in cursor.split("-")) if cursor else None
        except (InvalidOperation, ValueError):
            return 400, _error("a number was expected")
        if not 1 <= limit <= MOST_ROWS or (after is not None and len(after) != 4):
            return 400, _error("limit must be 1 to 1000, and the cursor one of ours")
        limit = after[3] if after is not None else limit
        limit = min(limit, FEW_ROWS) if "trades_page_20" in broken else limit
        least = max(amount, LEAST) if "trades_dust_filtered" in broken else amount or LEAST
        rows = sorted(self._rows(condition, now, least), key=lambda row: row[0], reverse=True)
        if after is not None:
            rows = [row for row in rows if row[0] < after[:3]]
        shown, more = rows[:limit], len(rows) > limit
        place = shown[-1][0] if shown else (0, 0, 0)
        return 200, {
            "data": [row for _, row in shown],
            "pagination": {
                "limit": limit,
                "has_more": more,
                "next_cursor": "-".join(map(str, (*place, limit))) if more else None,
            },
        }

    def _rows(
        self, condition: str, now: int, least: Decimal
    ) -> Iterator[tuple[tuple[int, int, int], dict[str, Any]]]:
        """Yield (place, row) of every fill that is listed; no two have one place."""
        broken = self._markets.broken
        for trade in self._by_market.get(condition, ()):
            block = block_s(trade)
            touched = is_touched(trade)
            if block * 1_000 > now - VISIBLE_MS or self.is_ghost(trade):
                continue
            name = self._settled_as(trade)
            twice = touched and "trades_twice" in broken
            for part, size in enumerate(parts(trade)):
                if size < least:
                    continue
                row = _row(trade, name, size, block)
                for copy in range(2 if twice else 1):
                    yield (block, trade.n, 4 * copy + part), row
            if touched and "trades_combos" in broken:
                combo = {**_row(trade, name, Decimal(trade.size), block), "token_id": "1" * 70}
                yield (block, trade.n, 9), combo


def is_touched(trade: Trade) -> bool:
    """Return whether a quirk touches a trade."""
    return trade.n % SHARE == 7


def block_s(trade: Trade) -> int:
    """Return the time of the block that settles a trade, in seconds."""
    return (trade.ts + 1_700 + trade.n * 7919 % 2_200) // 1_000


def parts(trade: Trade) -> list[Decimal]:
    """Return the sizes of the fills by which a trade is settled."""
    size = Decimal(trade.size)
    if size < 1:
        return [size]
    first = (size * Decimal("0.6")).quantize(Decimal("0.000001"))
    second = (size * Decimal("0.1")).quantize(Decimal("0.000001"))
    return [[size], [first, size - first], [first, second, size - first - second]][trade.n % 3]


def _row(trade: Trade, name: str, size: Decimal, block: int) -> dict[str, Any]:
    """Return a row as the Data API shows it: also with what is about persons."""
    return {
        "proxy_wallet": hex_id("wallet", str(trade.n % 500), size=20),
        "side": trade.side,
        "token_id": trade.token,
        "condition_id": trade.condition,
        "size": float(size),
        "price": float(trade.price),
        "timestamp": block,
        "title": "",
        "slug": "",
        "icon": "",
        "event_slug": "",
        "outcome": "",
        "outcome_index": 999,
        "name": f"Person {trade.n % 500}",
        "pseudonym": f"Quick-Otter-{trade.n % 500}",
        "bio": "",
        "profile_image": "https://example.org/face.png",
        "profile_image_optimized": "",
        "transaction_hash": name,
    }


def _error(text: str) -> dict[str, Any]:
    return {"error": text, "code": "invalid_request", "retryable": False, "trace_id": "0" * 16}
