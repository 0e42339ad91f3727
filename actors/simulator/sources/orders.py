"""The three orders of the tokens of a market, which are not always the same.

- Gamma's list: ids, outcomes and prices side by side.
- The order book (`clob_index`): the order that `Market.tokens` and `Market.outcomes` have here.
- The slots of the contract (`outcome_index`): the order of payouts on the chain and in
  `/v2/resolutions`.

Half of the markets are concerned where one of the beliefs about them is broken. Which half follows
from the index of a market, for lists and slots in different ways, so that the two are independent.
"""

from typing import TypeVar

from actors.simulator.market import NEVER, Market

STRAIGHT, REVERSED = (0, 1), (1, 0)
Order = tuple[int, int]
"""Sides of a market in an order."""
CHANGE_MS, AFTERWARDS_MS = 120_000, 5_000
"""A list changes this long after the market was listed, at most, or after its resolution."""

_T = TypeVar("_T")


def is_swapped(index: int, broken: frozenset[str]) -> bool:
    """Return whether the slots of a new market are to have the other order."""
    return "slots_swapped" in broken and index // 2 % 2 == 0


def slot_of(market: Market, side: int) -> int:
    """Return the slot of the contract that a side has."""
    return 1 - side if market.swapped else side


def by_slot(market: Market, values: tuple[_T, _T]) -> tuple[_T, _T]:
    """Return the values of both sides in the order of the slots."""
    return (values[1], values[0]) if market.swapped else values


def listed_orders(market: Market, at: int, broken: frozenset[str]) -> tuple[Order, Order]:
    """Return the order of the ids, and that of outcomes and prices, in Gamma's list at a time."""
    if market.index % 2:
        return STRAIGHT, STRAIGHT
    if "ids_reversed" in broken:
        return REVERSED, STRAIGHT
    if at >= _changes_at(market):
        if "ids_reversed_later" in broken:
            return REVERSED, STRAIGHT
        if "lists_reversed_later" in broken:
            return REVERSED, REVERSED
    return STRAIGHT, STRAIGHT


def is_misnamed(market: Market, at: int, broken: frozenset[str]) -> bool:
    """Return whether Gamma gives each token the name and the price of the other at a time."""
    ids, outcomes = listed_orders(market, at, broken)
    return ids != outcomes


def _changes_at(market: Market) -> int:
    """Return when the list changes, where it does later: half of the times after the resolution."""
    lifetime = market.lifetime
    if market.index // 4 % 2:
        return min(NEVER, lifetime.reported + AFTERWARDS_MS)
    start = market.begun
    return start + min((lifetime.ends - start) // 2, CHANGE_MS)
