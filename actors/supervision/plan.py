"""The subscription plan: which market is on which slot of each feed.

Every market is on one slot of each feed, both of its tokens together. A market that has
a slot keeps it: adding and removing markets never moves another one. Only `split`,
`compact` and `lower_capacity` move markets. `TokenCap` decides when the last is due, and
`raise_capacity`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
        self._per_connection = self._capacity = per_connection
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

    def lower_capacity(
        self, per_connection: int, unheard: Mapping[str, frozenset[TokenId]]
    ) -> PlanDiff:
        """Let slots have fewer tokens; what is listened to stays where it is.

        A market of which one token is listened to moves on one feed at a time.

        Args:
            per_connection: The most tokens on one connection from now on, 2 or more. Nothing
                changes when they may have fewer already.
            unheard: By slot: tokens that are not listened to there, which move.
        """
        diff = PlanDiffBuilder()
        if 2 <= per_connection <= self._capacity:
            self._capacity = per_connection
            moved: set[ConditionId] = set()
            for feed in self._feeds:
                moved |= feed.lower_capacity(per_connection, unheard, moved, diff)
        return diff.diff()

    def raise_capacity(self) -> None:
        """Let slots have as many tokens as at first; moves nothing."""
        self._capacity = self._per_connection
        for feed in self._feeds:
            feed.raise_capacity(self._capacity)

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
"""How long the token that is tried elsewhere may take to be confirmed there."""
RETRY_S: Final = 600.0
"""Time until the next try after one that failed; doubled each time, up to a day."""
ASKED_S: Final = 20.0
"""How long full connections may take for the `book` of the token that another one has."""
MOST_ASKED: Final = 5
"""So many slots are asked for it."""
MOVE_S: Final = 30.0
"""Time between two moves of what is not listened to off slots that have more than the cap."""
KEPT_S: Final = 21_600.0
"""A cap is kept for so long; doubled each time that it is learnt again, up to `MOST_KEPT_S`."""
MOST_KEPT_S: Final = 8 * KEPT_S


class _Seen(NamedTuple):
    """A connection of which some tokens were never confirmed, though asked for several times."""

    at: float
    confirmed: int
    unheard: tuple[TokenId, ...]


class _Try(NamedTuple):
    """A token that moved from a full slot to one of its own.

    Attributes:
        full: Slots of one feed that confirmed alike many, that of the token included.
        asked_at: When those were asked for it too; infinite before.
    """

    token: TokenId
    full: tuple[str, ...]
    slot: str = ""
    since: float = 0.0
    asked_at: float = float("inf")


class TokenCap:
    """Learns how many tokens of a connection the exchange takes, should it ignore the rest.

    Then several slots of one feed confirm alike many tokens, each others, and none confirms more.
    That is also so when the exchange does not know some tokens, or learns of them later. So one
    of these is tried on a connection of its own. Once it is confirmed there, the full ones are
    asked for it at that moment: one that has space gets it, since the exchange knows it by now.
    If most of them do not, there is a cap. With one slot on each feed none is learnt.
    It is kept for `KEPT_S`; then connections may have as many as before. Seconds are monotonic.

    Attributes:
        cap: The most tokens of one connection; 0: none is known.
    """

    def __init__(self) -> None:
        self.cap = 0
        self._confirmed: dict[str, int] = {}
        self._waiting: dict[str, frozenset[TokenId]] = {}
        self._seen: dict[str, _Seen] = {}
        self._try: _Try | None = None
        self._most = 0  # confirmed by a full one
        self._wait_s, self._not_before = RETRY_S, float("-inf")
        self._kept_s, self._kept_until, self._moved_at = KEPT_S, 0.0, 0.0

    def reported(
        self,
        name: str,
        now: float,
        *,
        confirmed: int,
        unheard: tuple[TokenId, ...],
        waiting: frozenset[TokenId],
    ) -> None:
        """Take the report of a connection that listens.

        Args:
            name: Of the connection.
            now: When it came.
            confirmed: How many of its tokens got a `book`.
            unheard: Those that got none though they were asked for again and again.
            waiting: All that got none.
        """
        self._confirmed[name], self._waiting[name] = confirmed, waiting
        # While most still wait for an answer it is not known what this one confirms. Some do always
        # where markets are added all the time.
        if unheard and 2 * len(unheard) >= len(waiting):
            self._seen[name] = _Seen(now, confirmed, unheard)
        else:
            self._seen.pop(name, None)

    def ended(self, name: str) -> None:
        """Take the end of a connection; what it confirmed last counts for a while."""
        self._confirmed.pop(name, None)
        self._waiting.pop(name, None)

    def to_try(self, now: float) -> tuple[str, TokenId] | None:
        """Return a slot and a token of it to try elsewhere; None when a cap is not likely."""
        self._seen = {name: each for name, each in self._seen.items() if now - each.at < SEEN_S}
        if self._try is not None and now - self._try.since >= TRY_S:
            self._fail(now)
        if self._try is not None or now < self._not_before or len(self._seen) < 2:
            return None
        self._most = max(each.confirmed for each in self._seen.values())
        alike = [n for n, each in self._seen.items() if each.confirmed >= ALIKE * self._most]
        most = max(self._confirmed.values(), default=0)
        if 2 * len(alike) < len(self._seen) or self._most < max(LEAST_TOKENS + 2, ALIKE * most):
            return None
        running = sorted(name for name in alike if name in self._confirmed)
        for name in running:
            # Two of one feed have no token in common; the feeds have all.
            of_feed = dict.fromkeys(slot_of(n) for n in running if _feed_of(n) == _feed_of(name))
            if len(of_feed) > 1:
                token = self._seen[name].unheard[0]
                self._try = _Try(token, tuple(of_feed)[:MOST_ASKED])
                return slot_of(name), token
        return None

    def trying(self, slot: str, now: float) -> None:
        """Record that the token of `to_try` moves to this slot."""
        if self._try is not None:
            self._try = self._try._replace(slot=slot, since=now)

    def to_ask(self, now: float) -> tuple[TokenId, tuple[str, ...]] | None:
        """Return, once, the token that was confirmed elsewhere, and the full slots to ask now."""
        tried = self._try
        if tried is None or tried.asked_at <= now or not self._has_it(tried.slot, tried.token):
            return None
        self._try = tried._replace(since=now, asked_at=now)
        return tried.token, tried.full

    def to_release(self, now: float) -> tuple[TokenId, tuple[str, ...]] | None:
        """Return, once, the token and the slots that were asked for it long enough; judge them."""
        tried = self._try
        if tried is None or now - tried.asked_at < ASKED_S:
            return None
        # One that ended meanwhile, or was not asked, speaks against a cap.
        without = {slot_of(n) for n, waits in self._waiting.items() if tried.token in waits}
        without.intersection_update(tried.full)
        most = max(self._most, *self._confirmed.values(), 0)
        still = self._has_it(tried.slot, tried.token)
        if still and 2 * len(without) > len(tried.full) and ALIKE * most <= self._most:
            self._learn(most, now)
        elif still and without:
            # A market may have ended there and left a place free: another token is tried.
            self._try, self._not_before = None, now + MOVE_S
        else:
            self._fail(now)
        return tried.token, tried.full

    def to_move(self, now: float) -> dict[str, frozenset[TokenId]]:
        """Return, every `MOVE_S` while there is a cap, what is not listened to on each slot."""
        if not self.cap or now - self._moved_at < MOVE_S:
            return {}
        self._moved_at = now
        slots = {slot_of(name) for name, waiting in self._waiting.items() if waiting}
        return {slot: self._unheard_on(slot) for slot in sorted(slots)}

    def expired(self, now: float) -> bool:
        """Return, once, whether the cap was kept for long enough: perhaps it is none any more."""
        if not self.cap or now < self._kept_until:
            return False
        self.cap = 0
        return True

    def _unheard_on(self, slot: str) -> frozenset[TokenId]:
        """Return what no connection of a slot has a `book` of; nothing when none listens."""
        found = [waiting for name, waiting in self._waiting.items() if slot_of(name) == slot]
        return frozenset.intersection(*found) if found else frozenset()

    def _has_it(self, slot: str, token: TokenId) -> bool:
        names = [name for name in self._waiting if slot_of(name) == slot]
        return any(self._confirmed[n] and token not in self._waiting[n] for n in names)

    def _fail(self, now: float) -> None:
        self._try, self._not_before = None, now + self._wait_s
        self._wait_s = min(2 * self._wait_s, 86_400.0)

    def _learn(self, most: int, now: float) -> None:
        # A pair less: the canary takes a place, and so does a token that is only announced.
        self.cap = (most - 2) // 2 * 2
        self._kept_until, self._moved_at = now + self._kept_s, float("-inf")
        self._kept_s = min(2 * self._kept_s, MOST_KEPT_S)
        # Until then connections may still report what they had before.
        self._try, self._wait_s, self._not_before = None, RETRY_S, now + TRY_S
        self._seen.clear()


def _feed_of(name: str) -> str:
    return name.partition("-")[0]
