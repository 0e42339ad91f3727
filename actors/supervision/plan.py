"""The subscription plan: which market is on which slot of each feed.

Every market is on one slot of each feed, both of its tokens together. A market that has
a slot keeps it: adding and removing markets never moves another one. Only `split`,
`compact` and `lower_capacity` move markets. `TokenCap` decides when the last is due.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from actors.model.connection import slot_of
from actors.model.market import Market
from actors.model.trade import ConditionId, TokenId
from actors.supervision.allocation import (
    Feed,
    Placement,
    PlanDiff,
    PlanDiffBuilder,
    Slot,
    SlotLoad,
)
from actors.supervision.canary import CanaryPicker

MarketTokens = tuple[ConditionId, tuple[TokenId, ...]]


class Plan:
    """All slots of all feeds.

    Args:
        redundancy: Number of feeds; each token is on that many connections.
        per_connection: The most tokens on one connection, 2 or more.
        seed: Decides how feeds other than the first group the markets.
    """

    def __init__(self, *, redundancy: int, per_connection: int, seed: int) -> None:
        if redundancy < 1 or per_connection < 2:
            raise ValueError("a plan needs one feed and space for the two tokens of a market")
        self._capacity = per_connection
        self._feeds = tuple(
            Feed(feed, capacity=per_connection, seed=seed) for feed in range(redundancy)
        )
        self._placements: dict[ConditionId, Placement] = {}
        self._canaries = CanaryPicker(self._placements)
        self._token_count = 0

    @property
    def redundancy(self) -> int:
        """Return how many connections listen to each token."""
        return len(self._feeds)

    @property
    def token_count(self) -> int:
        """Return the number of tokens in the plan, each counted once."""
        return self._token_count

    # --------------------------------------------------------------- changes

    def add(self, markets: Sequence[MarketTokens]) -> PlanDiff:
        """Add markets; one that is in the plan with the same tokens stays as it is.

        Raises:
            ValueError: A market has no token, or more than fit on a connection.
        """
        diff = PlanDiffBuilder()
        placements: dict[ConditionId, Placement] = {}
        for condition_id, tokens in markets:
            if not 1 <= len(tokens) <= self._capacity:
                raise ValueError(f"{condition_id} has {len(tokens)} tokens")
            placements[condition_id] = Placement(condition_id, tokens)
        new = [placement for placement in placements.values() if not self._has(placement)]
        for placement in new:
            self._remove(placement.condition_id, diff)  # the same market with other tokens
            self._placements[placement.condition_id] = placement
            self._token_count += len(placement.tokens)
            diff.want(placement.tokens)
        for feed in self._feeds:
            feed.prepare(new, diff)
            for placement in new:
                feed.place(placement, diff)
            feed.close_empty(diff)
        return diff.diff()

    def remove(self, condition_ids: Iterable[ConditionId]) -> PlanDiff:
        """Remove markets; a slot that becomes empty closes."""
        diff = PlanDiffBuilder()
        for condition_id in condition_ids:
            self._remove(condition_id, diff)
        return diff.diff()

    def split(self, slot_id: str, condition_id: ConditionId) -> PlanDiff:
        """Move one market to a slot of its own, which takes no other market.

        Changes nothing when the market is not on this slot, or alone on it.
        """
        diff = PlanDiffBuilder()
        feed, load = self._find(slot_id)
        placement = load.placements.get(condition_id) if load else None
        if feed and load and placement and len(load.placements) > 1:
            feed.unassign(placement, diff)
            feed.assign(placement, feed.open(diff, reserved=True), diff)
        return diff.diff()

    def compact(self, limit: int) -> PlanDiff:
        """Empty up to `limit` surplus slots of one feed, those with the fewest tokens first.

        Only the feed with the largest surplus is changed: no market moves on two feeds
        at the same time.
        """
        diff = PlanDiffBuilder()
        max(self._feeds, key=Feed.surplus).shrink(limit, diff)
        return diff.diff()

    def lower_capacity(self, per_connection: int, unheard: frozenset[TokenId]) -> PlanDiff:
        """Let slots have fewer tokens; changes nothing when they have so few already.

        Args:
            per_connection: The most tokens on one connection from now on, 2 or more.
            unheard: Tokens that are not listened to where they are, so that they move first.
        """
        diff = PlanDiffBuilder()
        if 2 <= per_connection < self._capacity:
            self._capacity = per_connection
            for feed in self._feeds:
                feed.lower_capacity(per_connection, unheard, diff)
        return diff.diff()

    # --------------------------------------------------------------- queries

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
        return next(
            (
                placement.condition_id
                for placement in self._on(slot_id)
                if token in placement.tokens
            ),
            None,
        )

    def sharing(self, slot_id: str) -> frozenset[str]:
        """Return the slots of other feeds that have a market in common with this one."""
        sharing = (load.slot.id for placement in self._on(slot_id) for load in placement.slots)
        return frozenset(sharing) - {slot_id}

    def tokens_of(self, slot_id: str) -> tuple[TokenId, ...]:
        """Return the tokens on a slot, market by market; none when there is no such slot."""
        return tuple(token for placement in self._on(slot_id) for token in placement.tokens)

    def canary(self, slot_id: str, activity: Callable[[TokenId], int]) -> TokenId | None:
        """Return a moderately busy token that is not on this slot; None when there is none."""
        return self._canaries.choose(slot_id, activity)

    def any_token(self) -> TokenId | None:
        """Return some token of the plan; None when it is empty."""
        return next((placement.tokens[0] for placement in self._placements.values()), None)

    def _on(self, slot_id: str) -> Iterable[Placement]:
        _, load = self._find(slot_id)
        return load.placements.values() if load else ()

    def _has(self, placement: Placement) -> bool:
        known = self._placements.get(placement.condition_id)
        return known is not None and known.tokens == placement.tokens

    def _find(self, slot_id: str) -> tuple[Feed, SlotLoad] | tuple[None, None]:
        for feed in self._feeds:
            load = feed.loads.get(slot_id)
            if load is not None:
                return feed, load
        return None, None

    def _remove(self, condition_id: ConditionId, diff: PlanDiffBuilder) -> None:
        placement = self._placements.pop(condition_id, None)
        if placement is None:
            return
        for feed in self._feeds:
            feed.unassign(placement, diff)
        placement.slots = ()
        self._token_count -= len(placement.tokens)
        diff.unwant(placement.tokens)


class AnnouncedMarkets:
    """The markets of the plan that are known from the feed's announcement alone.

    Their tokens are subscribed, and nothing is demanded of them: they are not wanted (so they
    leave no gap) and not unconfirmed. That ends with their first `book`, or when Gamma says that
    they trade. Owned by the supervisor.
    """

    def __init__(self) -> None:
        self._tokens: dict[ConditionId, tuple[TokenId, ...]] = {}
        self._conditions: dict[TokenId, ConditionId] = {}

    def __len__(self) -> int:
        """Return how many tokens they have."""
        return len(self._conditions)

    def add(self, market: Market) -> None:
        """Add a market."""
        self._tokens[market.condition_id] = market.token_ids
        self._conditions.update(dict.fromkeys(market.token_ids, market.condition_id))

    def remove(self, condition_id: ConditionId) -> tuple[TokenId, ...]:
        """Remove a market that is more than announced, or gone; return its tokens."""
        tokens = self._tokens.pop(condition_id, ())
        for token in tokens:
            self._conditions.pop(token, None)
        return tokens

    def of(self, tokens: Iterable[TokenId]) -> tuple[ConditionId, ...]:
        """Return those that these tokens belong to, each once."""
        found = (self._conditions.get(token) for token in tokens)
        return tuple(dict.fromkeys(each for each in found if each is not None))

    def split(self, tokens: Iterable[TokenId]) -> tuple[tuple[TokenId, ...], tuple[TokenId, ...]]:
        """Return the tokens that are not theirs, and those that are."""
        given = tuple(tokens)
        if not self._conditions:
            return given, ()
        theirs = tuple(token for token in given if token in self._conditions)
        return tuple(token for token in given if token not in self._conditions), theirs


LEAST_TOKENS: Final = 10
"""A lower cap than this is not learnt: it would need too many connections."""
ALIKE: Final = 0.9
"""Connections confirm alike that have this share of the most that one of them confirmed."""
SEEN_S: Final = 600.0
"""For so long counts what a connection confirmed, also after its end."""
TRY_S: Final = 120.0
"""How long the market that is tried elsewhere may take to be confirmed there."""
RETRY_S: Final = 600.0
"""Time until the next try after one that failed; doubled each time, up to a day."""


class _Seen(NamedTuple):
    """A connection of which some tokens were never confirmed, though asked for several times."""

    at: float
    confirmed: int
    unheard: tuple[TokenId, ...]


class TokenCap:
    """Learns how many tokens of a connection the exchange takes, should it ignore the rest.

    Then connections with more tokens confirm alike many and none confirms more. That may also be
    so because the exchange does not know some tokens; those are confirmed nowhere. So one market
    of them is tried on a connection of its own, and what is confirmed there proves the cap.
    Seconds are monotonic.
    """

    def __init__(self) -> None:
        self._confirmed: dict[str, int] = {}
        self._seen: dict[str, _Seen] = {}
        self._tried: tuple[str, float] | None = None  # (slot, since)
        self._wait_s, self._not_before = RETRY_S, float("-inf")
        self._cap = 0  # the one that is tried
        self._learnt: tuple[int, frozenset[TokenId]] | None = None

    def reported(
        self, name: str, now: float, *, tokens: int, confirmed: int, unheard: tuple[TokenId, ...]
    ) -> None:
        """Take the report of a connection that listens.

        Args:
            name: Of the connection.
            now: When it came.
            tokens: How many it asked for.
            confirmed: How many of them got a `book`.
            unheard: Those that got none though they were asked for again and again.
        """
        self._confirmed[name] = confirmed
        # While others still wait for an answer it is not known what this one confirms.
        if unheard and confirmed + len(unheard) >= tokens:
            self._seen[name] = _Seen(now, confirmed, unheard)
        else:
            self._seen.pop(name, None)
        if self._tried is not None and slot_of(name) == self._tried[0] and confirmed:
            self._learn(now)

    def ended(self, name: str) -> None:
        """Take the end of a connection; what it confirmed last counts for a while."""
        self._confirmed.pop(name, None)

    def to_try(self, now: float) -> tuple[str, TokenId] | None:
        """Return a connection and a token of it to try elsewhere; None when a cap is not likely."""
        self._seen = {name: each for name, each in self._seen.items() if now - each.at < SEEN_S}
        if self._tried is not None and now - self._tried[1] >= TRY_S:
            self._tried, self._not_before = None, now + self._wait_s
            self._wait_s = min(2 * self._wait_s, 86_400.0)
        if self._tried is not None or now < self._not_before or len(self._seen) < 2:
            return None
        self._cap = max(each.confirmed for each in self._seen.values())
        alike = [name for name, each in self._seen.items() if each.confirmed >= ALIKE * self._cap]
        most = max(self._confirmed.values(), default=0)
        few = len(alike) < 2 or 2 * len(alike) < len(self._seen)
        if few or most > self._cap or self._cap < LEAST_TOKENS + 2:
            return None
        running = (name for name in sorted(alike) if name in self._confirmed)
        return next(((name, self._seen[name].unheard[0]) for name in running), None)

    def trying(self, slot: str, now: float) -> None:
        """Record that a token of `to_try` moves to this slot."""
        self._tried = (slot, now)

    def take_learnt(self) -> tuple[int, frozenset[TokenId]] | None:
        """Return, once, how many tokens a connection may have, and those to move first."""
        found, self._learnt = self._learnt, None
        return found

    def _learn(self, now: float) -> None:
        unheard = frozenset(token for each in self._seen.values() for token in each.unheard)
        # A pair less: the canary takes a place, and so does a token that is only announced.
        self._learnt = ((self._cap - 2) // 2 * 2, unheard)
        # Until then connections may still report what they had before.
        self._tried, self._wait_s, self._not_before = None, RETRY_S, now + TRY_S
        self._seen.clear()
