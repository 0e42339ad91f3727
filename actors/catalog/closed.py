"""Closed: which chosen markets a listing called closed, and which of them to let go now.

A closed market is kept for a while, in case it opens again. One that an earlier life
chose, and that had closed before this life saw it open, is let go at once.
"""

from itertools import takewhile

from actors.model.market import Market
from actors.model.trade import ConditionId


class Closed:
    """Of the chosen markets alone: whoever lets one go says so by `forget`.

    Args:
        keep_s: How long a closed market is kept, in seconds.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._now: float | None = None
        self._since: dict[ConditionId, float] = {}  # the earliest first
        self._recalled: set[ConditionId] = set()  # not seen open in this life
        self._past: dict[ConditionId, None] = {}  # of these, those that had closed

    def __contains__(self, condition_id: object) -> bool:
        """Say whether a listing of this life called it closed after it was open."""
        return condition_id in self._since

    def recall(self, condition_id: ConditionId) -> None:
        """Note that an earlier life chose this one."""
        self._recalled.add(condition_id)

    def note(self, market: Market) -> None:
        """Take in what a listing says of a chosen market."""
        condition_id = market.condition_id
        recalled = condition_id in self._recalled
        self._recalled.discard(condition_id)
        if not market.closed:
            self._since.pop(condition_id, None)
            self._past.pop(condition_id, None)
        elif recalled:
            self._past[condition_id] = None
        else:
            self._since.setdefault(condition_id, self._now or 0.0)

    def forget(self, condition_id: ConditionId) -> None:
        """Note that this one is chosen no more."""
        self._since.pop(condition_id, None)
        self._recalled.discard(condition_id)
        self._past.pop(condition_id, None)

    def due(self, now: float) -> tuple[ConditionId, ...]:
        """Give those to let go, and forget them.

        Args:
            now: Seconds of a clock that never goes back.
        """
        if self._now is None:  # what closed before time began closed now
            self._since = dict.fromkeys(self._since, now)
        self._now = now
        old = takewhile(lambda each: now - self._since[each] >= self._keep_s, self._since)
        gone = (*self._past, *old)
        for condition_id in gone:
            self.forget(condition_id)
        return gone
