"""What the catalog asks Gamma next, most urgent first.

1. Markets that the feed announced and that are due for a look-up.
2. Markets that began since the last poll, every `discovery_s`.
3. Markets that the last sweep did not list: have they closed?
4. The next page of the sweep through everything, at start and every 30 minutes.

Times are monotonic seconds, except for the latest start of the polls, which is wall clock.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from actors.catalog.universe import Filters
from actors.model.market import Market
from actors.model.trade import ConditionId
from actors.polymarket.pagination import OVERLAP, LatestStart, Pagination, everything, named, newest
from actors.polymarket.ports import MAX_GAMMA_MARKETS

SWEEP_S = 1800.0
FREE_PLACES_SWEEP_S = 300.0
RESTORE_WAIT_S = 15.0
"""With a limit, how long the first sweep waits for the stored markets."""
RESTORED_WAIT_S = 1.0
"""How long it still waits once the database has sent some."""
LOOKUP_S = 1.0
LOOKUP_DELAYS_S = (0.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0, 60.0, 60.0, 60.0)
MAX_LOOKUPS = 10_000


class Lookup(msgspec.Struct, frozen=True):
    """A request for these markets by id, among the closed or the open ones."""

    ids: tuple[ConditionId, ...]
    closed: bool


class NextPage(msgspec.Struct, frozen=True):
    """A request for the next page of a listing.

    Attributes:
        sweep: Whether the listing is part of a sweep, not of a poll for new markets.
    """

    listing: Pagination
    sweep: bool


Request = Lookup | NextPage


class Discovery:
    """What to ask Gamma, and when. Owned by the catalog actor.

    Attributes:
        announced: The look-ups of markets that the feed announced.
        swept_at: When the last sweep ended, or None before the first.
    """

    def __init__(self, filters: Filters, discovery_s: float) -> None:
        self._filters = filters
        self._tags = bool(filters.tags)
        self._discovery_s = discovery_s
        self._now = 0.0
        self._latest_start = LatestStart(datetime.fromtimestamp(0, UTC))
        self._wall = self._latest_start.at
        self._newest: Pagination | None = None
        self._newest_at = self._sweep_at = self._lookup_at = 0.0
        self._sweep: deque[Pagination] = deque()
        self._missing: deque[ConditionId] = deque()
        self.announced = PendingLookups()
        self.swept_at: float | None = None

    def start(self, now: float, wall: datetime) -> None:
        """Set the clocks: everything that began before now is left to the first sweep."""
        self._now, self._wall = now, wall
        self._latest_start = LatestStart(wall)
        self._newest_at = now + self._discovery_s
        # With a limit, markets that were chosen earlier keep their places: wait for them,
        # but not longer when the database is away.
        self._sweep_at = now + (RESTORE_WAIT_S if self._filters.max_assets else 0.0)

    def tick(self, now: float, wall: datetime) -> bool:
        """Record the time and start what is due; return whether a sweep starts."""
        self._now, self._wall = now, wall
        if self._newest is None and not self._filters.markets and now >= self._newest_at:
            # A clock that was ahead and is set back has left the latest start in the future.
            since = min(self._latest_start.since, wall - OVERLAP)
            self._newest = newest(since, tags=self._tags)
            self._newest_at = now + self._discovery_s
        if self._sweep or now < self._sweep_at:
            return False
        self._sweep = deque(self._sweep_listings())
        return True

    def next(self) -> Request | None:
        """Return the most urgent request. Nothing changes until it is answered."""
        if self._now >= self._lookup_at and self.announced.has_due(self._now):
            return Lookup(self.announced.peek(self._now, MAX_GAMMA_MARKETS), closed=False)
        if self._newest is not None:
            return NextPage(self._newest, sweep=False)
        if self._missing:
            return Lookup(tuple(self._missing)[:MAX_GAMMA_MARKETS], closed=True)
        return NextPage(self._sweep[0], sweep=True) if self._sweep else None

    # --------------------------------------------------------------- answers

    def looked_up(self, lookup: Lookup, found: Iterable[Market]) -> None:
        """Take in the answer to a look-up; announced markets that were not found stay pending."""
        if lookup.closed:
            # Found or not: what is still missing after the next sweep is looked up again then.
            for _ in lookup.ids:
                self._missing.popleft()
            return
        self._lookup_at = self._now + LOOKUP_S
        self.announced.remove(market.condition_id for market in found)
        self.announced.tried(lookup.ids, self._now)

    def failed(self, request: Request) -> None:
        """Leave a request that was not answered for later, so that it cannot block the others."""
        if isinstance(request, NextPage):
            request.listing.failed()
            if not request.sweep:
                self._newest = None
        else:
            self.looked_up(request, ())

    def newest_read(self, markets: Iterable[Market]) -> None:
        """Take in a page of the newest markets."""
        self._latest_start.raise_to((market.started_at for market in markets), self._wall)
        if self._newest is not None and self._newest.finished:
            self._newest = None

    def page_swept(self, *, end: bool) -> bool:
        """Record that a page of the sweep was read; return whether the sweep is over.

        Args:
            end: Whether to end the sweep here.
        """
        if end:
            self._sweep.clear()
        elif self._sweep and self._sweep[0].finished:
            self._sweep.popleft()
        return not self._sweep

    def sweep_ended(self, missing: Iterable[ConditionId], *, free_places: bool) -> None:
        """Set the next sweep, which comes sooner while places are free.

        Args:
            missing: Markets that the sweep did not list.
            free_places: Whether places are free although candidates were left out.
        """
        self._missing = deque(missing)
        self.swept_at = self._now
        pause_s = FREE_PLACES_SWEEP_S if free_places else SWEEP_S
        # Named markets take a request or two, so they are listed as often as
        # new ones are looked for.
        self._sweep_at = self._now + (self._discovery_s if self._filters.markets else pause_s)

    def sweep_soon(self) -> None:
        """Start a sweep at the next tick."""
        self._sweep_at = self._now

    def restored(self, chosen: Iterable[ConditionId] = ()) -> None:
        """Record that the database answered: a first sweep that waited for it starts soon.

        Args:
            chosen: Stored markets that are watched again. When the first sweep is
                over already, it did not list them: have they closed?
        """
        if self.swept_at is None:
            self._sweep_at = min(self._sweep_at, self._now + RESTORED_WAIT_S)
        else:
            self._missing.extend(chosen)

    def _sweep_listings(self) -> tuple[Pagination, ...]:
        filters = self._filters
        if filters.markets:
            return named(sorted(filters.markets), tags=self._tags)
        limited = filters.max_assets > 0
        return (everything(min_volume=filters.min_volume, by_volume=limited, tags=self._tags),)


class PendingLookups:
    """Markets that the feed announced and Gamma does not list yet, and when to look them up.

    Gamma lags behind the feed by seconds to minutes, so a look-up is repeated at
    growing intervals and given up after about five minutes: the next poll or sweep
    finds the market anyway. At most 10,000; more are left to the sweep. Seconds are
    monotonic.
    """

    def __init__(self) -> None:
        self._tries: dict[ConditionId, int] = {}
        self._next: dict[ConditionId, float] = {}
        self._heap: list[tuple[float, ConditionId]] = []

    def __len__(self) -> int:
        return len(self._tries)

    def add(self, condition_id: ConditionId, now: float) -> bool:
        """Add a market that is due now; False when it is pending already or too many are."""
        if condition_id in self._tries or len(self._tries) >= MAX_LOOKUPS:
            return False
        self._tries[condition_id] = 0
        self._set_next(condition_id, now)
        return True

    def has_due(self, now: float) -> bool:
        """Return whether a look-up is due."""
        return bool(self._heap) and self._heap[0][0] <= now

    def peek(self, now: float, limit: int) -> tuple[ConditionId, ...]:
        """Return those that are due, the longest waiting first; they stay due until `tried`."""
        due: list[tuple[float, ConditionId]] = []
        while self.has_due(now) and len(due) < limit:
            at, condition_id = heapq.heappop(self._heap)
            if self._next.get(condition_id) == at:  # else it was found or tried meanwhile
                due.append((at, condition_id))
        for entry in due:
            heapq.heappush(self._heap, entry)
        return tuple(condition_id for _, condition_id in due)

    def remove(self, condition_ids: Iterable[ConditionId]) -> None:
        """Remove markets that need no look-up any more."""
        for condition_id in condition_ids:
            self._tries.pop(condition_id, None)
            self._next.pop(condition_id, None)
        self._drop_stale()

    def tried(self, condition_ids: Iterable[ConditionId], now: float) -> None:
        """Set the next look-up of those that were not found; after the last one remove them."""
        for condition_id in condition_ids:
            if condition_id not in self._tries:
                continue
            self._tries[condition_id] += 1
            if self._tries[condition_id] >= len(LOOKUP_DELAYS_S):
                self.remove((condition_id,))
            else:
                self._set_next(condition_id, now)
        self._drop_stale()

    def _set_next(self, condition_id: ConditionId, now: float) -> None:
        at = now + LOOKUP_DELAYS_S[self._tries[condition_id]]
        self._next[condition_id] = at
        heapq.heappush(self._heap, (at, condition_id))

    def _drop_stale(self) -> None:
        """Drop the heads of the heap whose market has another time now, or is gone."""
        while self._heap and self._next.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
