"""Judge what is stored by token, `resolution_payouts`, against the plans of the simulator."""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import psycopg

from actors.simulator.market import NEVER, UNDECIDED, Market

Row = tuple[str, str, str | None, Decimal]
"""Condition, token, name of the outcome or None, share of a dollar."""
PAYOUTS = ("payouts_wrong", "names_wrong")
SHARES = {"win": Decimal(1), "lose": Decimal(0), "split": Decimal("0.5")}


def stored_payouts(base: psycopg.Connection[Any]) -> list[Row]:
    """Return all rows by token; none where the database has no such table."""
    ((there,),) = base.execute("select to_regclass('resolution_payouts') is not null").fetchall()
    if not there:
        return []
    return base.execute(
        "select condition_id, token_id, outcome, payout from resolution_payouts"
    ).fetchall()


def judge_payouts(rows: Iterable[Row], markets: Mapping[str, Market]) -> Counter[str]:
    """Count the rows, those with the payout of another token, and those with its name.

    The order of the tokens does not matter, nor which source named them. A row without a name is
    not wrong: nothing proved one.
    """
    counts: Counter[str] = Counter()
    for condition, token, name, payout in rows:
        counts["payouts"] += 1
        market = markets[condition]
        counts["payouts_wrong"] += payout != _true_share(market, token)
        counts["names_wrong"] += name not in (None, _true_name(market, token))
    return counts


def _true_share(market: Market, token: str) -> Decimal | None:
    """Return what a token is paid; None where it is no token of this market, or nothing is paid."""
    unpaid = market.lifetime.reported == NEVER or market.odd in UNDECIDED
    if unpaid or token not in market.tokens:
        return None
    if market.winner is None:
        return SHARES["split"]
    return SHARES["win" if market.tokens[market.winner] == token else "lose"]


def _true_name(market: Market, token: str) -> str | None:
    return dict(zip(market.tokens, market.outcomes, strict=True)).get(token)
