"""Which names of the filters no market has: most likely somebody mistyped them."""

from collections.abc import Collection, Iterable

from actors.model.market import Market

MOST_NAMED = 5
"""So many names are told; of more, their number."""


class Unmatched:
    """The named markets and tags of which no market was seen so far.

    Args:
        markets: Condition ids or slugs.
        tags: Tag slugs.
        by_volume: Only markets of some volume are listed.
    """

    def __init__(self, markets: Iterable[str], tags: Iterable[str], *, by_volume: bool) -> None:
        self._markets = set(markets)
        self._tags = set(tags)
        self._which = "open market of that volume" if by_volume else "open market"

    def note(self, markets: Iterable[Market]) -> None:
        """Take in markets that exist, watched or not."""
        if not self._markets and not self._tags:
            return
        for market in markets:
            self._markets -= {market.condition_id, market.slug}
            self._tags.difference_update(market.tags)

    def sentence(self) -> str:
        """Return what was not seen, for when all that is open was listed; empty: all was seen."""
        found = [f"no open market is named {_some(self._markets)}"] if self._markets else []
        found += [f"no {self._which} has the tag {_some(self._tags)}"] if self._tags else []
        return "; ".join(found)


def _some(names: Collection[str]) -> str:
    first = sorted(names)[:MOST_NAMED]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
