"""What markets belong to: their event, and the group of those of which at most one resolves Yes.

Groups are told as Gamma tells them. Their outcomes are drawn one by one, so two of a group may
resolve Yes here.
"""

from typing import Any

from actors.simulator.market import Market
from actors.simulator.market_ids import hex_id
from actors.simulator.sources.times import iso

SIBLINGS = 3
"""So many markets in a row are of one group, those of them that are `negRisk`."""
FEES = {"exponent": 1, "rate": 0.03, "rebateRate": 0.25, "takerOnly": True}
"""The schedule that was recorded of a market on a game."""


def group_id(market: Market) -> str:
    """Return the id of the group of a `negRisk` market, empty for other markets."""
    if not market.neg_risk:
        return ""
    return hex_id("negrisk", market.run, market.index // SIBLINGS)


def group_title(market: Market) -> str:
    """Return the name of a market within its group, empty for other markets."""
    return f"Option {market.index % SIBLINGS + 1}" if market.neg_risk else ""


def event_of(market: Market, *, closed: bool) -> dict[str, Any]:
    """Return the event as Gamma lists it with a market."""
    number, slug, title = f"9{market.gamma_id}", market.slug, market.question
    if market.neg_risk:
        group = market.index // SIBLINGS
        number, slug, title = f"8{market.run}{group:06}", f"group-{group}", f"Group {group}"
    event: dict[str, Any] = {
        "id": number,
        "ticker": slug,
        "slug": slug,
        "title": title,
        "description": f"Simulated: {title}",
        "startDate": iso(market.begun),
        "endDate": iso(market.lifetime.ends),
        "startTime": iso(market.lifetime.trades),
        "active": True,
        "closed": closed,
        "negRisk": market.neg_risk,
        "enableNegRisk": market.neg_risk,
        "negRiskAugmented": False,
        "seriesSlug": "-".join(("simulated", *market.tags[:1])),
    }
    if market.neg_risk:
        event["negRiskMarketID"] = group_id(market)
        # What differs from market to market is no date of a group.
        del event["startDate"], event["endDate"], event["startTime"]
    return event
