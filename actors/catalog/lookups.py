"""Which markets are looked up by their ids, and when. Seconds are monotonic.

Those that the feed announced, placeholders that may be traded some day, and those of which the
database has trades or tokens and no market.
"""

import heapq
from collections.abc import Container, Iterable
from itertools import islice
from typing import Final

from actors.model.market import Market
from actors.model.trade import ConditionId

LOOKUP_DELAYS_S: Final = (0.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0, 60.0, 60.0, 60.0)
OVERDUE_TRIES: Final = 7
"""After so many look-ups, two minutes after its announcement, a market counts as not listed."""
MAX_LOOKUPS: Final = 10_000
STALE_S: Final = 2.0
"""The shortest wait after an answer that is older than the question is of use."""
MAX_PLACEHOLDERS: Final = 2_000
FIRST_S: Final = 30.0
PAGE_S: Final = 2.0
ANSWER_S: Final = 60.0
"""The writer answers when it has nothing else to do; after so long it is asked again."""
CYCLE_S: Final = 3_600.0
MAX_UNKNOWN: Final = 100_000


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
        self._since: dict[ConditionId, float] = {}
        self._heap: list[tuple[float, ConditionId]] = []

    def __len__(self) -> int:
        return len(self._tries)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._tries

    def add(self, condition_id: ConditionId, now: float) -> bool:
        """Add a market that is due now; False when it is pending already or too many are."""
        if condition_id in self._tries or len(self._tries) >= MAX_LOOKUPS:
            return False
        self._tries[condition_id] = 0
        self._since[condition_id] = now
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
            self._since.pop(condition_id, None)
        self._drop_stale()

    def tried(
        self, condition_ids: Iterable[ConditionId], now: float, *, age_s: float = 0.0
    ) -> tuple[ConditionId, ...]:
        """Set the next look-up of those that were not found; after the last one remove them.

        Args:
            condition_ids: That were asked for.
            now: Monotonic seconds.
            age_s: Of the answer. One that was made before a market was added says nothing of it.

        Returns:
            Those that have been missing for too long now, each once: after its seventh look-up.
        """
        overdue: list[ConditionId] = []
        for condition_id in condition_ids:
            if condition_id not in self._tries:
                continue
            if now - age_s < self._since[condition_id]:
                self._set_next(condition_id, now, least_s=STALE_S)
                continue
            self._tries[condition_id] += 1
            if self._tries[condition_id] == OVERDUE_TRIES:
                overdue.append(condition_id)
            if self._tries[condition_id] >= len(LOOKUP_DELAYS_S):
                self.remove((condition_id,))
            else:
                self._set_next(condition_id, now)
        self._drop_stale()
        return tuple(overdue)

    def _set_next(self, condition_id: ConditionId, now: float, *, least_s: float = 0.0) -> None:
        at = now + max(least_s, LOOKUP_DELAYS_S[self._tries[condition_id]])
        self._next[condition_id] = at
        heapq.heappush(self._heap, (at, condition_id))

    def _drop_stale(self) -> None:
        """Drop the heads of the heap whose market has another time now, or is gone."""
        while self._heap and self._next.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)


class Placeholders:
    """Markets that Gamma shows and that cannot be traded yet: without tokens, or not active.

    Or markets that have closed and may open again, of which no other listing would tell soon.
    As often as new markets are looked for, as many may be looked up as fit into one request,
    those first that were looked up longest ago. At most 2,000; others are left to the sweep.

    Args:
        keep_latest: Whether of too many the latest are kept, since some never leave; otherwise
            the first.
    """

    def __init__(self, *, keep_latest: bool = False) -> None:
        self._keep_latest = keep_latest
        self._ids: dict[ConditionId, None] = {}  # the one looked up longest ago comes first
        # The same, and since when; the one known longest comes first.
        self._noted: dict[ConditionId, float] = {}
        self._allowed = 0

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._ids

    def note(self, condition_ids: Iterable[ConditionId], now: float = 0.0) -> None:
        """Add markets that are placeholders now (monotonic seconds)."""
        for condition_id in condition_ids:
            if condition_id in self._ids:
                continue
            if len(self._ids) >= MAX_PLACEHOLDERS:
                if not self._keep_latest:
                    return
                self.remove((next(iter(self._noted)),))
            self._ids[condition_id], self._noted[condition_id] = None, now

    def is_older(self, condition_id: ConditionId, made_at: float) -> bool:
        """Return whether an answer of this time was made before the market was noted."""
        return made_at < self._noted.get(condition_id, made_at)

    def remove(self, condition_ids: Iterable[ConditionId]) -> None:
        """Forget markets that need no look-up any more."""
        for condition_id in condition_ids:
            self._ids.pop(condition_id, None)
            self._noted.pop(condition_id, None)
        self._allowed = min(self._allowed, len(self._ids))

    def allow(self, count: int) -> None:
        """Let so many be looked up, or each once."""
        self._allowed = min(count, len(self._ids))

    def peek(self, limit: int) -> tuple[ConditionId, ...]:
        """Return those that are due; they stay due until `tried`."""
        return tuple(islice(self._ids, min(limit, self._allowed)))

    def tried(self, condition_ids: Iterable[ConditionId], still: Container[ConditionId]) -> None:
        """Put those that are placeholders still behind the others; forget the rest."""
        for condition_id in condition_ids:
            if condition_id not in self._ids:
                continue
            self._allowed = max(0, self._allowed - 1)
            del self._ids[condition_id]
            if condition_id in still:
                self._ids[condition_id] = None
            else:
                del self._noted[condition_id]


class Review:
    """When the catalog asks the database of which markets it has trades and nothing else.

    What was not stored (the database was away, and the process was killed) is in no listing once
    it has closed. So the conditions whose tokens have no name are gone through in ranges, each
    answered quickly, some time after the start and once an hour.

    Attributes:
        unknown: The conditions that are asked for at Gamma.
    """

    def __init__(self) -> None:
        self._after: ConditionId = ConditionId("")
        self._at: float | None = None
        self.unknown: set[ConditionId] = set()

    def due(self, now: float) -> ConditionId | None:
        """Return behind which condition id a range is to be asked for now; counts as asked."""
        if self._at is None:
            self._at = now + FIRST_S
        if now < self._at:
            return None
        self._at = now + ANSWER_S
        return self._after

    def answered(
        self, now: float, unknown: tuple[ConditionId, ...], until: ConditionId | None
    ) -> None:
        """Take in a range; its unknown conditions replace those of the range before.

        Args:
            now: Monotonic seconds.
            unknown: Conditions without a market.
            until: The last condition of the range; None: it was the last range.
        """
        if not self._after:
            self.unknown.clear()
        self.unknown.update(unknown[: max(0, MAX_UNKNOWN - len(self.unknown))])
        self._after = until or ConditionId("")
        self._at = now + (CYCLE_S if until is None else PAGE_S + len(unknown) / 10)

    def take(self, found: Iterable[Market]) -> tuple[Market, ...]:
        """Return the markets that were unknown, and forget that they were."""
        new = tuple(market for market in found if market.condition_id in self.unknown)
        self.unknown.difference_update(market.condition_id for market in new)
        return new
