"""Oddities and damage: how one source describes one market wrongly."""

import json
import random
from typing import Any

import msgspec

from actors.simulator.market import CONTRADICTED, ODDITIES, Market
from actors.simulator.market_ids import hex_id

SCALAR = ("0.584", "0.416")
POISONED_EACH, FAILING_EACH = 40, 75
"""Of so many markets one is damaged, or fails, while such a break is in force."""
_POISON = (b'"half of an emoji \\ud83d"', b'"a raw\ttab"', b"NaN")


def draw_oddity(rng: random.Random, share: float) -> str:
    """Return an oddity for a share (0..1) of the markets, an empty text for the others."""
    return rng.choice(ODDITIES) if rng.random() < share else ""


def shown_winner(market: Market, source: str, *, lie: bool) -> int | None:
    """Return the side that a source shows as winner; None is a split."""
    flipped = lie != (market.odd == CONTRADICTED + source)
    if not flipped:
        return market.winner
    return 0 if market.winner is None else 1 - market.winner


def shown_numerators(market: Market, source: str, *, lie: bool) -> tuple[int, int]:
    """Return what a source shows as payout of each side in thousandths; the sum is 1,000 or 0."""
    if market.odd == "scalar":
        return (584, 416)
    if market.odd == "zero":
        return (0, 0)
    side = shown_winner(market, source, lie=lie)
    return (500, 500) if side is None else (1000 * (side == 0), 1000 * (side == 1))


def apply_gamma_oddity(row: dict[str, Any], market: Market, *, closed: bool) -> dict[str, Any]:
    """Change Gamma's object as the oddity of its market demands, and return it."""
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
        row["outcomes"] = json.dumps([*json.loads(row["outcomes"]), "Other"])
        row["outcomePrices"] = json.dumps([*json.loads(row["outcomePrices"]), "0"])
    elif odd in {"scalar", "zero"}:
        row["outcomePrices"] = json.dumps(SCALAR if odd == "scalar" else ("0", "0"))
    return row


def apply_clob_oddity(row: dict[str, Any], market: Market) -> dict[str, Any]:
    """Change the CLOB's object as the oddity of its market demands, and return it."""
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


def apply_compact_oddity(row: dict[str, Any], market: Market) -> dict[str, Any]:
    """Change the CLOB's compact object as the oddity of its market demands, and return it."""
    if market.odd == "reordered":
        row["t"].reverse()
    elif market.odd == "wrong_echo":
        row["c"] = hex_id("elsewhere", market.condition)
    return row


def apply_data_oddity(row: dict[str, Any], market: Market) -> dict[str, Any]:
    """Change the row of the Data API as the oddity of its market demands, and return it."""
    if market.odd == "texts" and row["payouts"] is not None:
        row["payouts"] = [str(share) for share in row["payouts"]]
    elif market.odd == "zero":
        row["payouts"] = None
    return row


def gamma_fails(market: Market, broken: frozenset[str]) -> bool:
    """Return whether every answer that holds this market is 500."""
    return "market_500" in broken and market.index % FAILING_EACH == 7


def is_poisoned(market: Market, broken: frozenset[str]) -> bool:
    """Return whether this market makes every answer that holds it no clean JSON."""
    return "poisoned_market" in broken and market.index % POISONED_EACH == 11


def damage_gamma(row: dict[str, Any], market: Market, broken: frozenset[str]) -> Any:
    """Return the object of a market as the breaks in force make it."""
    if "field_types" in broken:
        _change_types(row)
    if is_poisoned(market, broken):
        kind = market.index // POISONED_EACH % len(_POISON)
        rest = msgspec.json.encode({name: row[name] for name in row if name != "description"})
        return msgspec.Raw(b'{"description":' + _POISON[kind] + b"," + rest[1:])
    return row


def _change_types(row: dict[str, Any]) -> None:
    row["negRisk"] = str(row["negRisk"]).lower()
    row["active"] = int(row["active"])
    row["outcomes"] = msgspec.json.decode(row["outcomes"])
    row["gameStartTime"] = 0
    row["volume"] = [row["volume"]]
    if "umaResolutionStatus" not in row:
        row["umaResolutionStatus"] = 5
