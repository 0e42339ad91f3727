"""Receipts as nodes answer with them, made for tests."""

import json
from typing import Any

from actors.polymarket.contract.receipts import EXCHANGES, FILLED, FIRST, MATCHED

V1 = "0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E"
V2 = "0xE111180000d2663C0091e4f400237545B87B996B"
HASH = "0x" + "cd" * 32
YES, NO = 11, 22
BUY, SELL = 0, 1


def word(number: int) -> str:
    return f"{number:064x}"


def topic(number: int) -> str:
    return f"0x{number:064x}"


def _order(form: int, side: int, token: int, gives: int, takes: int) -> str:
    assets = ((0, token) if side == BUY else (token, 0)) if form == FIRST else (side, token)
    return "".join(map(word, (*assets, gives, takes)))


def filled(
    exchange: str,
    side: int,
    token: int,
    amounts: tuple[int, int],
    *,
    taker: int | None = 7,
) -> dict[str, Any]:
    """Return the log of one order; `amounts` is what it gives and what it takes, in millionths.

    Without a taker it is that of the taker's order.
    """
    form = EXCHANGES[exchange.lower()]
    rest = word(0) * (1 if form == FIRST else 3)
    other = int(exchange, 16) if taker is None else taker
    return {
        "address": exchange,
        "topics": [FILLED[form], topic(1), topic(2), topic(other)],
        "data": "0x" + _order(form, side, token, *amounts) + rest,
    }


def matched(exchange: str, side: int, token: int, amounts: tuple[int, int]) -> dict[str, Any]:
    """Return the log of a taker's total."""
    form = EXCHANGES[exchange.lower()]
    return {
        "address": exchange,
        "topics": [MATCHED[form], topic(1), topic(7)],
        "data": "0x" + _order(form, side, token, *amounts),
    }


def bought(
    exchange: str, shares: int, *, token: int = YES, makers: int = 1, cents: int = 50
) -> list[dict[str, Any]]:
    """Return the logs of a taker who buys so many millionths of a share of those who sell."""
    part = shares // makers
    sizes = [part] * (makers - 1) + [shares - part * (makers - 1)]
    made = [filled(exchange, SELL, token, (each, each * cents // 100)) for each in sizes]
    amounts = (shares * cents // 100, shares)
    return [
        *made,
        filled(exchange, BUY, token, amounts, taker=None),
        matched(exchange, BUY, token, amounts),
    ]


def receipt(*logs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a receipt with these logs."""
    place = {"transactionHash": HASH, "blockNumber": "0x10", "removed": False}
    numbered = [{**place, "logIndex": hex(at), **log} for at, log in enumerate(logs)]
    found = {"transactionHash": HASH, "blockNumber": "0x10", "status": "0x1", "logs": numbered}
    return {**found, **changes}


def text(found: Any) -> str:
    return json.dumps(found)
