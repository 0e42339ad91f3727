"""A listing without end, of markets that nobody trades: each page has others, and another cursor.

They look like markets that are open. One in a hundred has texts of 100,000 characters, another one
thousands of tags; a page of a thousand stays below 5 MB, so that clients read it.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import msgspec

from actors.simulator.market import Pace
from actors.simulator.market_ids import digest, gamma_id
from actors.simulator.markets import Markets, MarketSpec
from actors.simulator.sources.gamma import gamma_market, gamma_tags

OF_NO_RUN = 900
"""The number in the ids of invented markets: no simulator has so many runs."""
HOUR_MS = 3_600_000
ODD_ONES = 100
LONG_TEXT = "без конца, without end " * 5_000
LONG_TEXT_CHARS, MANY_TAGS = 100_000, 2_000
_NAMES = frozenset({"condition_ids", "clob_token_ids", "position_ids", "id", "slug"})


class EndlessListing:
    """Invents the pages of a listing.

    Args:
        seed: With it all invented ids differ.
        pace: Of the simulation; no invented market lives to see it.
    """

    def __init__(self, seed: int, pace: Pace) -> None:
        self._seed = seed
        self._pace = pace
        self._pages = count(1)
        self._made = count()
        many = [{"id": str(n), "label": f"Tag {n}", "slug": f"tag-{n}"} for n in range(MANY_TAGS)]
        self._many_tags = msgspec.Raw(msgspec.json.encode(many))

    def page(self, now: int, size: int) -> tuple[list[dict[str, Any]], str]:
        """Return so many markets that were never shown before, and the cursor to the next page.

        Args:
            now: Wall clock, milliseconds.
            size: How many.
        """
        model = self._model(now)
        rows = [self._market(model, next(self._made)) for _ in range(size)]
        return rows, f"endless-{next(self._pages)}"

    def _model(self, now: int) -> dict[str, Any]:
        """Return the object of a market that opened a moment ago."""
        markets = Markets(self._seed, OF_NO_RUN, self._pace)
        spec = MarketSpec(
            announced=0,
            trades=now - HOUR_MS,
            ends=now + 1000 * HOUR_MS,
            fate="long",
            winner=0,
            v2=False,
            odd="",
        )
        market = markets.make(spec)
        return {**gamma_market(market, now), "tags": gamma_tags(market)}

    def _market(self, model: dict[str, Any], number: int) -> dict[str, Any]:
        drawn = digest("endless", self._seed, number)
        first, second = (int.from_bytes(digest(drawn, side)) for side in (0, 1))
        slug, title = f"endless-{number}", f"Endless {number}?"
        row = {
            **model,
            "id": gamma_id(OF_NO_RUN, number),
            "conditionId": f"0x{drawn.hex()}",
            "questionID": f"0x{drawn[::-1].hex()}",
            "slug": slug,
            "question": title,
            "clobTokenIds": f'["{first}", "{second}"]',
        }
        event = {**model["events"][0], "id": f"9{row['id']}", "slug": slug, "ticker": slug}
        if number % ODD_ONES == 1:
            long = LONG_TEXT[:LONG_TEXT_CHARS]
            place = ("description", "question", "slug")[number // ODD_ONES % 3]
            row.update({place: long})
            event["title"] = title
        if number % ODD_ONES == 2:
            row["tags"] = self._many_tags
        row["events"] = [event]
        return row


def asks_for_names(query: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a query asks for certain markets, which is no walk through all of them."""
    return not _NAMES.isdisjoint(query)
