"""What the catalogue asks Gamma next, most urgent first.

1. Markets that the feed announced and that are due for a look.
2. Markets that began since the last poll, every `discovery_s`.
3. Markets that the last sweep did not list: have they closed?
4. The next page of the sweep through everything, at start and every 30 minutes.

Times are monotonic seconds, but for the watermark, which is wall clock.
"""

import heapq
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from actors.catalog.universe import Filters
from actors.model.market import Market
from actors.model.trade import ConditionId
from actors.polymarket.pagination import OVERLAP, Pagination, Watermark, everything, named, newest

SWEEP_S = 1800.0
STARVED_SWEEP_S = 300.0
RECALL_S = 15.0
RECALLED_S = 1.0
LOOKUP_S = 1.0
LOOKUP_IDS = 50


# MERGED: Markets that the feed announced and Gamma does not list yet. Gamma lags
# behind the feed by seconds to minutes, so a look-up is repeated at growing intervals and given
# up after about five minutes: the next poll or sweep finds the market anyway. Seconds are
# monotonic.


DELAYS_S = (0.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0, 60.0, 60.0, 60.0)
MAX_WAITING = 10_000


class PendingLookups:
    """What is still to be looked up, and when. At most 10,000; more are left to the sweep."""

    def __init__(self) -> None:
        self._tries: dict[ConditionId, int] = {}
        self._next: dict[ConditionId, float] = {}
        self._heap: list[tuple[float, ConditionId]] = []

    def __len__(self) -> int:
        return len(self._tries)

    def add(self, condition_id: ConditionId, now: float) -> bool:
        """Look for this market from now on; False when it waits already or there is no room."""
        if condition_id in self._tries or len(self._tries) >= MAX_WAITING:
            return False
        self._tries[condition_id] = 0
        self._set_next(condition_id, now)
        return True

    def due(self, now: float) -> bool:
        """Return whether a look-up is due."""
        return bool(self._heap) and self._heap[0][0] <= now

    def peek(self, now: float, limit: int) -> tuple[ConditionId, ...]:
        """Return those that are due, the longest waiting first; they stay due until `tried`."""
        due: list[tuple[float, ConditionId]] = []
        while self.due(now) and len(due) < limit:
            at, condition_id = heapq.heappop(self._heap)
            if self._next.get(condition_id) == at:  # else it was found or tried meanwhile
                due.append((at, condition_id))
        for entry in due:
            heapq.heappush(self._heap, entry)
        return tuple(condition_id for _, condition_id in due)

    def found(self, condition_ids: Iterable[ConditionId]) -> None:
        """Stop looking for these."""
        for condition_id in condition_ids:
            self._tries.pop(condition_id, None)
            self._next.pop(condition_id, None)
        self._drop_stale()

    def tried(self, condition_ids: Iterable[ConditionId], now: float) -> None:
        """Set the next look of those that were not found; the last try forgets them."""
        for condition_id in condition_ids:
            if condition_id not in self._tries:
                continue
            self._tries[condition_id] += 1
            if self._tries[condition_id] >= len(DELAYS_S):
                self.found((condition_id,))
            else:
                self._set_next(condition_id, now)
        self._drop_stale()

    def _set_next(self, condition_id: ConditionId, now: float) -> None:
        at = now + DELAYS_S[self._tries[condition_id]]
        self._next[condition_id] = at
        heapq.heappush(self._heap, (at, condition_id))

    def _drop_stale(self) -> None:
        while self._heap and self._next.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)


class Lookup(msgspec.Struct, frozen=True):
    """Ask for these markets by name, among the closed or the open ones."""

    ids: tuple[ConditionId, ...]
    closed: bool


class Turn(msgspec.Struct, frozen=True):
    """Ask for the next page of this walk."""

    walk: Pagination
    sweep: bool


Question = Lookup | Turn


class Discovery:
    """What is to be asked and when.

    Attributes:
        announced: What the feed announced.
        swept_at: When the last sweep ended, or None before the first.
    """

    def __init__(self, filters: Filters, discovery_s: float) -> None:
        self._filters = filters
        self._tags = bool(filters.tags)
        self._discovery_s = discovery_s
        self._now = 0.0
        self._watermark = Watermark(datetime.fromtimestamp(0, UTC))
        self._wall = self._watermark.at
        self._newest: Pagination | None = None
        self._newest_at = self._sweep_at = self._lookup_at = 0.0
        self._walks: deque[Pagination] = deque()
        self._vanished: deque[ConditionId] = deque()
        self.announced = PendingLookups()
        self.swept_at: float | None = None

    def begin(self, now: float, wall: datetime) -> None:
        """Set the clocks: everything that began before now is left to the first sweep."""
        self._now, self._wall = now, wall
        self._watermark = Watermark(wall)
        self._newest_at = now + self._discovery_s
        # With a limit, markets chosen in an earlier life come first: wait for
        # them, but not for a database that is away.
        self._sweep_at = now + (RECALL_S if self._filters.max_assets else 0.0)

    def tick(self, now: float, wall: datetime) -> bool:
        """Note the time and begin what is due; True when a sweep begins."""
        self._now, self._wall = now, wall
        if self._newest is None and not self._filters.markets and now >= self._newest_at:
            # A clock that was ahead and is set back has left the mark in the future.
            since = min(self._watermark.since, wall - OVERLAP)
            self._newest = newest(since, tags=self._tags)
            self._newest_at = now + self._discovery_s
        if self._walks or now < self._sweep_at:
            return False
        self._walks = deque(self._sweep_walks())
        return True

    def next(self) -> Question | None:
        """Return the most urgent question. Nothing changes until it is answered."""
        if self._now >= self._lookup_at and self.announced.due(self._now):
            return Lookup(self.announced.peek(self._now, LOOKUP_IDS), closed=False)
        if self._newest is not None:
            return Turn(self._newest, sweep=False)
        if self._vanished:
            return Lookup(tuple(self._vanished)[:LOOKUP_IDS], closed=True)
        return Turn(self._walks[0], sweep=True) if self._walks else None

    # --------------------------------------------------------------- answers

    def looked_up(self, lookup: Lookup, found: Iterable[Market]) -> None:
        """A look-up was answered; the announced that were not found are asked for again."""
        if lookup.closed:
            for _ in lookup.ids:
                self._vanished.popleft()
            return
        self._lookup_at = self._now + LOOKUP_S
        self.announced.found(market.condition_id for market in found)
        self.announced.tried(lookup.ids, self._now)

    def failed(self, question: Question) -> None:
        """A question was not answered: leave it for later, so that it cannot block the others."""
        if isinstance(question, Turn):
            question.walk.failed()
            if not question.sweep:
                self._newest = None
        else:
            self.looked_up(question, ())

    def polled(self, markets: Iterable[Market]) -> None:
        """A page of the latest markets was read."""
        self._watermark.raise_to((market.started_at for market in markets), self._wall)
        if self._newest is not None and self._newest.finished:
            self._newest = None

    def swept(self, *, sated: bool) -> bool:
        """A page of the sweep was read; True when the sweep is over, `sated` ends it early."""
        if sated:
            self._walks.clear()
        elif self._walks and self._walks[0].finished:
            self._walks.popleft()
        return not self._walks

    def sweep_ended(self, vanished: Iterable[ConditionId], *, starved: bool) -> None:
        """Set the next sweep; `starved` ones, with free places, come sooner."""
        self._vanished = deque(vanished)
        self.swept_at = self._now
        pause_s = STARVED_SWEEP_S if starved else SWEEP_S
        self._sweep_at = self._now + (self._discovery_s if self._filters.markets else pause_s)

    def sweep_soon(self) -> None:
        """Sweep at the next tick."""
        self._sweep_at = self._now

    def recalled(self, chosen: Iterable[ConditionId] = ()) -> None:
        """The database has spoken: a first sweep that waited for it begins soon.

        What it made us choose after that sweep was not listed in it: has it closed?
        """
        if self.swept_at is None:
            self._sweep_at = min(self._sweep_at, self._now + RECALLED_S)
        else:
            self._vanished.extend(chosen)

    def _sweep_walks(self) -> tuple[Pagination, ...]:
        filters = self._filters
        if filters.markets:
            return named(sorted(filters.markets), tags=self._tags)
        limited = filters.max_assets > 0
        return (everything(min_volume=filters.min_volume, by_volume=limited, tags=self._tags),)
