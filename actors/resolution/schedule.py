"""Which markets are due for a look at their outcome, and when they are due again.

A market is looked at when its trading is planned to end, or at once when
somebody says that it closed or resolved. From then on every `poll_s`, and after
ten minutes without news at intervals of a tenth of the time without news, an
hour at most. Markets without a planned end: every six hours. All times are wall
clock milliseconds since 1970, passed in; a clock that is set back delays looks
and loses none.

Memory: 220,000 markets wait here, so of each only what a verdict needs is kept,
in one object that the garbage collector need not visit, and its strings are
those of the message that brought it: measured at 260 bytes a market without, at
630 with its strings.
"""

import heapq
from collections import Counter

import msgspec

from actors.model.market import Asset, Market
from actors.model.trade import ConditionId, TokenId

AGE_DIVISOR = 10
LONGEST_MS = 3_600_000
NO_END_MS = 6 * 3_600_000
NOT_ENDED = "not ended"
MAX_OUTCOMES = 20_000
_TAKEN = -1


class _Entry(msgspec.Struct, gc=False):
    """One market. `end_ms`, `news_ms`: 0 = unknown, none; `next_ms`: -1 while it is looked at."""

    tokens: tuple[TokenId, ...]
    outcomes: tuple[str, ...]
    version: str
    end_ms: int
    news_ms: int
    next_ms: int
    reason: str


class Schedule:
    """The markets that wait for a verdict, and those whose verdict is watched for a while."""

    def __init__(self, poll_s: float) -> None:
        self._poll_ms = max(int(poll_s * 1000), 1)
        self._entries: dict[ConditionId, _Entry] = {}
        self._heap: list[tuple[int, ConditionId]] = []
        self._reasons: Counter[str] = Counter()
        self._outcomes: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._entries

    def add(self, market: Market, now_ms: int) -> None:
        """Wait for this market; one that waits already may tell a new end or that it closed."""
        end_ms = 0 if market.end_at is None else int(market.end_at.timestamp() * 1000)
        entry = self._entries.get(market.condition_id)
        if entry is None:
            entry = self._entries[market.condition_id] = self._entry(market, end_ms)
            self._reasons[entry.reason] += 1
            first_ms = max(end_ms, now_ms) if end_ms else now_ms + NO_END_MS
            self._set_due(market.condition_id, entry, first_ms)
        elif end_ms != entry.end_ms:
            entry.end_ms = end_ms
            if end_ms and entry.reason == NOT_ENDED:
                self._set_due(market.condition_id, entry, max(end_ms, now_ms))
        if market.closed and entry.reason == NOT_ENDED:
            self.hint(market.condition_id, now_ms)

    def hint(self, condition_id: ConditionId, now_ms: int) -> bool:
        """Make a market due now; False when it does not wait here."""
        entry = self._entries.get(condition_id)
        if entry is None:
            return False
        entry.news_ms = now_ms
        if entry.next_ms > now_ms or entry.next_ms == _TAKEN:
            self._set_due(condition_id, entry, now_ms)
        return True

    def due(self, now_ms: int) -> bool:
        """Return whether a market is due."""
        self._drop_stale()
        return bool(self._heap) and self._heap[0][0] <= now_ms

    def take(self, now_ms: int, limit: int) -> tuple[ConditionId, ...]:
        """Return markets that are due, the longest waiting first; `later` brings them back."""
        taken: list[ConditionId] = []
        while len(taken) < limit and self.due(now_ms):
            condition_id = heapq.heappop(self._heap)[1]
            self._entries[condition_id].next_ms = _TAKEN
            taken.append(condition_id)
        return tuple(taken)

    def later(
        self, condition_id: ConditionId, now_ms: int, *, look_at_ms: int | None = None
    ) -> None:
        """Set the next look at a market that was taken: when it is due again, or earlier.

        `look_at_ms` in the past asks for a look after the shortest interval.
        """
        entry = self._entries.get(condition_id)
        if entry is None:
            return
        next_ms = now_ms + self._pause_ms(entry, now_ms)
        if look_at_ms is not None:
            next_ms = min(next_ms, look_at_ms if look_at_ms > now_ms else now_ms + self._poll_ms)
        if entry.next_ms == _TAKEN or next_ms < entry.next_ms:
            self._set_due(condition_id, entry, next_ms)

    def postpone(self, condition_id: ConditionId, at_ms: int) -> None:
        """Look at this market at this time and not before."""
        entry = self._entries.get(condition_id)
        if entry is not None:
            self._set_due(condition_id, entry, at_ms)

    def news(self, condition_id: ConditionId, now_ms: int) -> None:
        """Note that a source changed its word: looks come often again."""
        entry = self._entries.get(condition_id)
        if entry is not None:
            entry.news_ms = now_ms

    def wait_for(self, condition_id: ConditionId, reason: str) -> None:
        """Note what a market waits for."""
        entry = self._entries.get(condition_id)
        if entry is not None and entry.reason != reason:
            self._uncount(entry.reason)
            entry.reason = reason
            self._reasons[reason] += 1

    def drop(self, condition_id: ConditionId) -> None:
        """Wait for this market no longer."""
        entry = self._entries.pop(condition_id, None)
        if entry is not None:
            self._uncount(entry.reason)

    def market(self, condition_id: ConditionId) -> Market | None:
        """Return what is kept of a market: id, tokens, outcomes and version."""
        entry = self._entries.get(condition_id)
        if entry is None:
            return None
        pairs = zip(entry.tokens, entry.outcomes, strict=True)
        return Market(
            condition_id=condition_id,
            question="",
            slug="",
            version=entry.version,
            assets=tuple(
                Asset(token_id=token, outcome=outcome, outcome_index=index)
                for index, (token, outcome) in enumerate(pairs)
            ),
        )

    def ended(self, condition_id: ConditionId, now_ms: int) -> bool:
        """Return whether the planned end of this market is over."""
        entry = self._entries.get(condition_id)
        return entry is not None and 0 < entry.end_ms <= now_ms

    def pending(self, limit: int) -> tuple[tuple[str, int], ...]:
        """Return (reason, markets that wait for it), the most frequent first."""
        return tuple(self._reasons.most_common(limit))

    # ---------------------------------------------------------------- inside

    def _pause_ms(self, entry: _Entry, now_ms: int) -> int:
        ended_ms = entry.end_ms if entry.end_ms <= now_ms else 0
        since_ms = max(entry.news_ms, ended_ms)
        if not since_ms:
            return entry.end_ms - now_ms if entry.end_ms else NO_END_MS
        longest_ms = LONGEST_MS if entry.end_ms else NO_END_MS
        return max(self._poll_ms, min((now_ms - since_ms) // AGE_DIVISOR, longest_ms))

    def _set_due(self, condition_id: ConditionId, entry: _Entry, at_ms: int) -> None:
        if entry.next_ms != at_ms:
            entry.next_ms = at_ms
            heapq.heappush(self._heap, (at_ms, condition_id))

    def _drop_stale(self) -> None:
        """Forget the heads that were replaced by another time."""
        while self._heap:
            at_ms, condition_id = self._heap[0]
            entry = self._entries.get(condition_id)
            if entry is not None and entry.next_ms == at_ms:
                return
            heapq.heappop(self._heap)

    def _uncount(self, reason: str) -> None:
        self._reasons[reason] -= 1
        if not self._reasons[reason]:
            del self._reasons[reason]

    def _entry(self, market: Market, end_ms: int) -> _Entry:
        outcomes = tuple(asset.outcome for asset in market.assets)
        if len(self._outcomes) < MAX_OUTCOMES:  # nearly all of them are Yes and No
            outcomes = self._outcomes.setdefault(outcomes, outcomes)
        return _Entry(
            tokens=market.token_ids,
            outcomes=outcomes,
            version=market.version,
            end_ms=end_ms,
            news_ms=0,
            next_ms=_TAKEN,
            reason=NOT_ENDED,
        )
