"""The plan: which connection listens to which market.

Every market is on one slot (connection) of each feed, both of its tokens
together. What has a slot keeps it: wanting and dropping never move another
market. Only `split` and `compact`, asked for, move anything.
"""

from collections.abc import Callable, Iterable, Sequence

from actors.model.trade import ConditionId, TokenId
from actors.supervision.allocation import Changes, Feed, Placement, PlanDiff, Slot, SlotLoad
from actors.supervision.canary import CanaryPicker

__all__ = ["Changes", "Plan", "Slot"]

Market = tuple[ConditionId, tuple[TokenId, ...]]


class Plan:
    """All slots of all feeds.

    Args:
        redundancy: How many feeds; each token is on that many connections.
        per_connection: The most tokens on one connection, 2 or more.
        seed: Decides how the feeds beyond the first group the markets.
    """

    def __init__(self, *, redundancy: int, per_connection: int, seed: int) -> None:
        if redundancy < 1 or per_connection < 2:
            raise ValueError("a plan needs one feed and room for the two tokens of a market")
        self._capacity = per_connection
        self._feeds = tuple(
            Feed(feed, capacity=per_connection, seed=seed) for feed in range(redundancy)
        )
        self._placements: dict[ConditionId, Placement] = {}
        self._canaries = CanaryPicker(self._placements)
        self._token_count = 0

    @property
    def redundancy(self) -> int:
        """How many connections listen to each token."""
        return len(self._feeds)

    @property
    def token_count(self) -> int:
        """Tokens in the plan, each counted once."""
        return self._token_count

    def want(self, markets: Sequence[Market]) -> Changes:
        """Take markets in; one that is in with the same tokens stays as it is.

        Raises:
            ValueError: A market has no token, or more than fit on a connection.
        """
        difference = PlanDiff()
        placements: dict[ConditionId, Placement] = {}
        for condition_id, tokens in markets:
            if not 1 <= len(tokens) <= self._capacity:
                raise ValueError(f"{condition_id} has {len(tokens)} tokens")
            placements[condition_id] = Placement(condition_id, tokens)
        new = [placement for placement in placements.values() if not self._has(placement)]
        for placement in new:
            self._remove(placement.condition_id, difference)
            self._placements[placement.condition_id] = placement
            self._token_count += len(placement.tokens)
            difference.want(placement.tokens)
        for feed in self._feeds:
            feed.prepare(new, difference)
            for placement in new:
                feed.place(placement, difference)
            feed.tidy(difference)
        return difference.changes()

    def drop(self, condition_ids: Iterable[ConditionId]) -> Changes:
        """Let markets go; a slot that becomes empty closes."""
        difference = PlanDiff()
        for condition_id in condition_ids:
            self._remove(condition_id, difference)
        return difference.changes()

    def split(self, slot_id: str, hottest: ConditionId) -> Changes:
        """Move one market to a slot of its own, which no other market joins.

        Changes nothing when the market is not on this slot, or alone on it.
        """
        difference = PlanDiff()
        feed, load = self._find(slot_id)
        placement = load.placements.get(hottest) if load else None
        if feed and load and placement and len(load.placements) > 1:
            feed.unassign(placement, difference)
            feed.assign(placement, feed.open(difference, reserved=True), difference)
        return difference.changes()

    def compact(self, limit: int) -> Changes:
        """Empty up to `limit` slots, the emptiest first, of a feed that could do with fewer.

        Only the feed with the most slots too many is touched: no market moves on
        two feeds at once.
        """
        difference = PlanDiff()
        max(self._feeds, key=Feed.surplus).shrink(limit, difference)
        return difference.changes()

    def slots(self) -> tuple[Slot, ...]:
        """Return all slots, feed by feed, oldest first."""
        return tuple(load.slot for feed in self._feeds for load in feed.loads.values())

    def slots_of(self, condition_id: ConditionId) -> tuple[str, ...]:
        """Return the ids of the slots that a market is on, in order of the feeds."""
        placement = self._placements.get(condition_id)
        return tuple(load.slot.id for load in placement.slots) if placement else ()

    def feed_of(self, slot_id: str) -> int:
        """Return the feed of a slot; 0 when there is no such slot."""
        feed, _ = self._find(slot_id)
        return feed.feed if feed else 0

    def market_of(self, slot_id: str, token: TokenId) -> ConditionId | None:
        """Return the market of a token on this slot; None when it is not there."""
        _, load = self._find(slot_id)
        placements = load.placements.values() if load else ()
        return next(
            (placement.condition_id for placement in placements if token in placement.tokens), None
        )

    def sharing(self, slot_id: str) -> frozenset[str]:
        """Return the slots of other feeds that have a market in common with this one."""
        _, load = self._find(slot_id)
        placements = load.placements.values() if load else ()
        return frozenset(other.slot.id for placement in placements for other in placement.slots) - {
            slot_id
        }

    def tokens_of(self, slot_id: str) -> tuple[TokenId, ...]:
        """Return the tokens on a slot, market by market; none when there is no such slot."""
        _, load = self._find(slot_id)
        placements = load.placements.values() if load else ()
        return tuple(token for placement in placements for token in placement.tokens)

    def canary(self, slot_id: str, busy: Callable[[TokenId], int]) -> TokenId | None:
        """Return a moderately busy token that is not on this slot; None when there is none."""
        return self._canaries.choose(slot_id, busy)

    def _has(self, placement: Placement) -> bool:
        known = self._placements.get(placement.condition_id)
        return known is not None and known.tokens == placement.tokens

    def _find(self, slot_id: str) -> tuple[Feed, SlotLoad] | tuple[None, None]:
        for feed in self._feeds:
            load = feed.loads.get(slot_id)
            if load is not None:
                return feed, load
        return None, None

    def _remove(self, condition_id: ConditionId, difference: PlanDiff) -> None:
        placement = self._placements.pop(condition_id, None)
        if placement is None:
            return
        for feed in self._feeds:
            feed.unassign(placement, difference)
        placement.slots = ()
        self._token_count -= len(placement.tokens)
        difference.unwant(placement.tokens)
