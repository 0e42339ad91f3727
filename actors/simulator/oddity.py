"""Oddities: how sources were seen, or must be feared, to tell of a market strangely.

stale           every third answer of a source shows what was true a second lag ago
reordered       the CLOB names the tokens in the other order
texts           numbers as strings where they are numbers elsewhere, lists not inside strings
wrong_echo      the CLOB answers with another market
wrong_hint      `market_resolved` names the loser
no_prices       Gamma is final and tells no prices
empty_tokens    Gamma forgets the tokens of a market that closed
three_outcomes  Gamma tells of a third outcome once it closed
scalar          paid out in parts: neither a winner nor a split
zero            closed and priced 0/0, never paid out
contradicted_…  that source, once final, names the other side for ever
"""

import json
import random
from typing import Any

from actors.simulator.identity import hex_id
from actors.simulator.market import Market

CONTRADICTED = "contradicted_"
ODDITIES = (
    "stale",
    "reordered",
    "texts",
    "wrong_echo",
    "wrong_hint",
    "no_prices",
    "empty_tokens",
    "three_outcomes",
    "scalar",
    "zero",
    "contradicted_gamma",
    "contradicted_clob",
    "contradicted_data",
    "contradicted_chain",
)
SCALAR = ("0.584", "0.416")


def draw_oddity(rng: random.Random, share: float) -> str:
    """Return an oddity to a share (0..1) of the markets, and nothing to the others."""
    return rng.choice(ODDITIES) if rng.random() < share else ""


def odd_winner(market: Market, source: str, *, lie: bool) -> int | None:
    """Return the side that wins as a source tells it; None is a split."""
    flipped = lie != (market.odd == CONTRADICTED + source)
    if not flipped:
        return market.winner
    return 0 if market.winner is None else 1 - market.winner


def odd_numerators(market: Market, source: str, *, lie: bool) -> tuple[int, int]:
    """Return what each side pays, as a source tells it, in thousandths: 1,000 in all, or 0."""
    if market.odd == "scalar":
        return (584, 416)
    if market.odd == "zero":
        return (0, 0)
    side = odd_winner(market, source, lie=lie)
    return (500, 500) if side is None else (1000 * (side == 0), 1000 * (side == 1))


def odd_gamma(row: dict[str, Any], market: Market, *, closed: bool) -> dict[str, Any]:
    """Return Gamma's object as it is told of an odd market."""
    odd = market.odd
    if odd == "texts":
        for name in ("outcomes", "outcomePrices", "clobTokenIds"):
            row[name] = row[name] if row[name] is None else json.loads(row[name])
    if not closed:
        return row
    if odd == "no_prices":
        del row["outcomePrices"]
    elif odd == "empty_tokens":
        row["clobTokenIds"], row["positionIds"] = "[]", []
    elif odd == "three_outcomes":
        row["outcomes"] = json.dumps([*market.outcomes, "Other"])
        row["outcomePrices"] = json.dumps([*json.loads(row["outcomePrices"]), "0"])
    elif odd in {"scalar", "zero"}:
        row["outcomePrices"] = json.dumps(SCALAR if odd == "scalar" else ("0", "0"))
    return row


def odd_clob(row: dict[str, Any], market: Market) -> dict[str, Any]:
    """Return the CLOB's object as it is told of an odd market."""
    if market.odd == "reordered":
        row["tokens"].reverse()
    elif market.odd == "wrong_echo":
        row["condition_id"] = hex_id("elsewhere", market.condition)
    elif market.odd == "texts":
        for side in row["tokens"]:
            side["price"] = str(side["price"])
    elif market.odd in {"scalar", "zero"}:
        for side in row["tokens"]:
            side["winner"] = False
    return row


def odd_data(row: dict[str, Any], market: Market) -> dict[str, Any]:
    """Return the row of the Data API as it is told of an odd market."""
    if market.odd == "texts" and row["payouts"] is not None:
        row["payouts"] = [str(share) for share in row["payouts"]]
    elif market.odd == "zero":
        row["payouts"] = None
    return row
