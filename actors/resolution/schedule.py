"""When each market is polled.

A market is polled first when its trading is planned to end, or at once when it is
reported as closed or resolved. From then on every `poll_s`, and after ten minutes
without a change at intervals of a tenth of the time without a change, one hour at
most. Markets without a planned end: every hour. The next poll is set when one
begins, however long its answers take. All times are wall clock milliseconds since
1970, passed in; a clock that is set back delays polls and loses none.

Memory: 220,000 markets wait here, so of each only what a decision needs is kept,
in one object that the garbage collector need not visit, and its strings are those
of the message that brought it: measured at 260 bytes a market without, at 630 with
its strings.
"""

import heapq
from collections import Counter

import msgspec

from actors.model.market import Asset, Market
from actors.model.trade import ConditionId, TokenId

AGE_DIVISOR = 10
LONGEST_MS = 3_600_000
NO_END_MS = 3_600_000
NOT_ENDED = "not ended"
UNKNOWN, NO_ANSWER = "no source knows it", "sources do not answer"
NOTHING_KNOWN = (NOT_ENDED, UNKNOWN, NO_ANSWER)
MAX_OUTCOMES = 20_000
NEWS_MS = 600_000
"""So long after its planned end the first poll of a market is urgent."""
LONGEST_SLUG = 200
"""Characters of a slug that are kept, for the log; anybody may write one of any length."""
_UNSET = -1


class _Entry(msgspec.Struct, gc=False):
    """One market.

    Attributes:
        end_ms: Planned end; 0: unknown.
        changed_ms: When a source last changed; 0: never.
        regular_ms: When it is due by its interval.
        next_ms: When it is due: then, or before, when that is known to help.
        urgent: Whether its next poll is about something new; None: it is its first.
        reason: What it waits for.
    """

    tokens: tuple[TokenId, ...]
    outcomes: tuple[str, ...]
    slug: str
    version: str
    end_ms: int
    changed_ms: int
    regular_ms: int
    next_ms: int
    urgent: bool | None
    reason: str


class Schedule:
    """The markets that wait for their outcome, and those whose resolution is checked again."""

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

    # --------------------------------------------------------------- markets

    def add(self, market: Market, now_ms: int) -> None:
        """Add a market; for a known one take over a new planned end, or that it closed."""
        end_ms = 0 if market.end_at is None else int(market.end_at.timestamp() * 1000)
        entry = self._entries.get(market.condition_id)
        if entry is None:
            entry = self._entries[market.condition_id] = self._entry(market, end_ms)
            self._reasons[entry.reason] += 1
            first_ms = max(end_ms, now_ms) if end_ms else now_ms + NO_END_MS
            self._set_regular(market.condition_id, entry, first_ms)
        elif end_ms != entry.end_ms:
            entry.end_ms = end_ms
            if end_ms and entry.reason in NOTHING_KNOWN:
                self._set_regular(market.condition_id, entry, max(end_ms, now_ms))
        if market.closed and entry.reason in NOTHING_KNOWN:
            self.make_due(market.condition_id, now_ms)

    def remove(self, condition_id: ConditionId) -> None:
        """Forget this market."""
        entry = self._entries.pop(condition_id, None)
        if entry is not None:
            self._uncount(entry.reason)

    def market(self, condition_id: ConditionId) -> Market | None:
        """Return what is kept of a market: id, slug, tokens, outcomes and version."""
        entry = self._entries.get(condition_id)
        if entry is None:
            return None
        pairs = zip(entry.tokens, entry.outcomes, strict=True)
        return Market(
            condition_id=condition_id,
            question="",
            slug=entry.slug,
            version=entry.version,
            assets=tuple(
                Asset(token_id=token, outcome=outcome, outcome_index=index)
                for index, (token, outcome) in enumerate(pairs)
            ),
        )

    def ended(self, condition_id: ConditionId, now_ms: int) -> bool:
        """Return whether the planned end of this market is over."""
        return self.end_ms(condition_id, now_ms) is not None

    def end_ms(self, condition_id: ConditionId, now_ms: int) -> int | None:
        """Return the planned end of this market if it is over; else None."""
        entry = self._entries.get(condition_id)
        return entry.end_ms if entry is not None and 0 < entry.end_ms <= now_ms else None

    # --------------------------------------------------------------- reasons

    def wait_for(self, condition_id: ConditionId, reason: str) -> None:
        """Record what a market waits for."""
        entry = self._entries.get(condition_id)
        if entry is not None and entry.reason != reason:
            self._uncount(entry.reason)
            entry.reason = reason
            self._reasons[reason] += 1

    def pending(self, limit: int) -> tuple[tuple[str, int], ...]:
        """Return (reason, markets that wait for it), the most frequent first."""
        return tuple(self._reasons.most_common(limit))

    # ------------------------------------------------------------- due times

    def has_due(self, now_ms: int) -> bool:
        """Return whether a market is due."""
        self._drop_stale()
        return bool(self._heap) and self._heap[0][0] <= now_ms

    def take(self, now_ms: int) -> tuple[tuple[ConditionId, bool], ...]:
        """Return the markets that are due, the longest waiting first, and whether each is urgent.

        Each is due again after its interval, unless something changes.
        """
        taken: list[tuple[ConditionId, bool]] = []
        while self.has_due(now_ms):
            condition_id = heapq.heappop(self._heap)[1]
            entry = self._entries[condition_id]
            # One that ended long ago was polled by a process before this one.
            is_new = entry.end_ms > now_ms - NEWS_MS
            taken.append((condition_id, is_new if entry.urgent is None else entry.urgent))
            entry.urgent, entry.next_ms = False, _UNSET
            self._set_regular(condition_id, entry, now_ms + self._interval_ms(entry, now_ms))
        return tuple(taken)

    def make_due(self, condition_id: ConditionId, now_ms: int) -> bool:
        """Make a market due now; False when it is not here."""
        entry = self._entries.get(condition_id)
        if entry is None:
            return False
        entry.changed_ms = now_ms
        entry.urgent = True
        # Also while it is polled: the answers under way may be older than what made it due.
        self._set_regular(condition_id, entry, min(now_ms, entry.next_ms))
        return True

    def set_due(self, condition_id: ConditionId, at_ms: int) -> None:
        """Make this market due at this time and not before."""
        entry = self._entries.get(condition_id)
        if entry is not None:
            self._set_regular(condition_id, entry, at_ms)

    def put_off(self, condition_id: ConditionId, now_ms: int) -> None:
        """Make this market due after its interval and not before."""
        entry = self._entries.get(condition_id)
        if entry is not None:
            self._set_regular(condition_id, entry, now_ms + self._interval_ms(entry, now_ms))

    def note_change(self, condition_id: ConditionId, now_ms: int) -> None:
        """Record that a source changed what it reports: the intervals become short again."""
        entry = self._entries.get(condition_id)
        if entry is not None:
            entry.changed_ms = now_ms
            entry.urgent = True
            entry.regular_ms = min(entry.regular_ms, now_ms + self._poll_ms)
            self._set_next(condition_id, entry, min(entry.next_ms, entry.regular_ms))

    def expect(self, condition_id: ConditionId, at_ms: int | None, now_ms: int) -> None:
        """Set when polling is known to help, which may be before its interval is over.

        Args:
            condition_id: Of the market.
            at_ms: A time in the past means after the shortest interval; None means that
                nothing is known, whatever was before.
            now_ms: Wall clock.
        """
        entry = self._entries.get(condition_id)
        if entry is None:
            return
        next_ms = entry.regular_ms
        if at_ms is not None:
            entry.urgent = True
            next_ms = min(next_ms, at_ms if at_ms > now_ms else now_ms + self._poll_ms)
        self._set_next(condition_id, entry, next_ms)

    def expect_soon(self, condition_id: ConditionId, now_ms: int) -> None:
        """Make this market due after the shortest interval at the latest."""
        entry = self._entries.get(condition_id)
        if entry is not None:
            self._set_next(condition_id, entry, min(entry.next_ms, now_ms + self._poll_ms))

    def clock_set(self, now_ms: int) -> None:
        """Bring forward what is due later than after its interval: the clock was ahead when set."""
        for condition_id, entry in self._entries.items():
            entry.changed_ms = min(entry.changed_ms, now_ms)
            if entry.reason != NOT_ENDED:
                latest_ms = now_ms + self._interval_ms(entry, now_ms)
                if entry.next_ms > latest_ms:
                    self._set_regular(condition_id, entry, latest_ms)

    def _interval_ms(self, entry: _Entry, now_ms: int) -> int:
        ended_ms = entry.end_ms if entry.end_ms <= now_ms else 0
        since_ms = max(entry.changed_ms, ended_ms)
        if not since_ms:
            return entry.end_ms - now_ms if entry.end_ms else NO_END_MS
        longest_ms = LONGEST_MS if entry.end_ms else NO_END_MS
        return max(self._poll_ms, min((now_ms - since_ms) // AGE_DIVISOR, longest_ms))

    def _set_regular(self, condition_id: ConditionId, entry: _Entry, at_ms: int) -> None:
        entry.regular_ms = at_ms
        self._set_next(condition_id, entry, at_ms)

    def _set_next(self, condition_id: ConditionId, entry: _Entry, at_ms: int) -> None:
        if entry.next_ms != at_ms:
            entry.next_ms = at_ms
            # The entry with the old time stays in the heap, where finding it would take a search;
            # `_drop_stale` drops it when it comes to the front.
            heapq.heappush(self._heap, (at_ms, condition_id))

    def _drop_stale(self) -> None:
        """Drop the heads of the heap whose market has another time now."""
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
        if len(self._outcomes) < MAX_OUTCOMES:  # nearly all of them are Yes and No: share one tuple
            outcomes = self._outcomes.setdefault(outcomes, outcomes)
        return _Entry(
            tokens=market.token_ids,
            outcomes=outcomes,
            slug=market.slug[:LONGEST_SLUG],
            version=market.version,
            end_ms=end_ms,
            changed_ms=0,
            regular_ms=_UNSET,
            next_ms=_UNSET,
            urgent=None,
            reason=NOT_ENDED,
        )
