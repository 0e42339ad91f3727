"""Verdicts that are recorded, looked at again for seven days, less and less often.

A recorded verdict never changes; a source that contradicts it later is shown,
once for each thing it says. A verdict is kept here until its first look; after
that the database is its memory, and `resolution/recheck.py` brings it back when
another look falls due, in whatever life of the tracker. Times are wall clock
milliseconds.
"""

import msgspec

from actors.model.outcome import (
    RECHECKS_MS,
    Contradiction,
    Observation,
    Recheck,
    Resolution,
    Source,
    TimeWindow,
)
from actors.model.trade import ConditionId
from actors.resolution.quorum import check

MAX_DONE = 5_000


# MERGED: of which verdicts another look falls due, asked of the database ten
# minutes ahead. So the memory that it takes does not grow with the verdicts of a week, and a
# restart forgets none: a new life begins a little before the last evidence of the life before.
# Times are wall clock milliseconds.


AHEAD_MS = 600_000
MARGIN_MS = 180_000
RETRY_MS = 60_000
SPREAD_MS = 600_000


class RecheckWindow:
    """How far ahead the looks that fall due are known.

    Attributes:
        horizon_ms: Until when; 0 before the database has answered once.
    """

    def __init__(self) -> None:
        self.horizon_ms = 0
        self._asked_ms = 0

    def tick(self, now_ms: int) -> TimeWindow | None:
        """Return the stretch to ask for now, if any; what is not answered is asked again."""
        if self.horizon_ms > now_ms + MARGIN_MS or now_ms < self._asked_ms + RETRY_MS:
            return None
        self._asked_ms = now_ms
        return TimeWindow(self.horizon_ms or None, now_ms + AHEAD_MS)

    def ask_soon(self) -> None:
        """Ask at the next tick: the database answers again."""
        self._asked_ms = 0

    def answered(self, until_ms: int) -> None:
        """Note that all that falls due until then was told."""
        self.horizon_ms = max(self.horizon_ms, until_ms)


def when(recheck: Recheck, now_ms: int) -> int:
    """Return when to look: what is overdue is spread over ten minutes, so that it delays nobody."""
    if recheck.due_at_ms > now_ms:
        return recheck.due_at_ms
    return now_ms + int(recheck.resolution.condition_id[2:10], 16) % SPREAD_MS


class _Recorded(msgspec.Struct):
    resolution: Resolution
    at_ms: int
    stored: bool = False
    told: frozenset[tuple[Source, str]] = frozenset()


class RecordedResolutions:
    """The verdicts of which a look is due soon.

    Bounded by those that are recorded in ten minutes and those that fall due in
    the next ten; of others only 5,000 ids are known.
    """

    def __init__(self) -> None:
        self._recorded: dict[ConditionId, _Recorded] = {}
        self._done: dict[ConditionId, None] = {}

    def __len__(self) -> int:
        return len(self._recorded)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._recorded

    def record(self, resolution: Resolution, now_ms: int) -> int:
        """Keep a verdict; give when it is to be looked at again."""
        self._recorded[resolution.condition_id] = _Recorded(resolution, now_ms)
        return now_ms + RECHECKS_MS[0]

    def remember(
        self, resolution: Resolution, at_ms: int, told: frozenset[tuple[Source, str]]
    ) -> None:
        """Take back a stored verdict, with the contradictions that are known already."""
        self._recorded[resolution.condition_id] = _Recorded(resolution, at_ms, True, told)

    def stored(self, condition_id: ConditionId) -> None:
        """Note that the database has this verdict."""
        if condition_id in self._recorded:
            self._recorded[condition_id].stored = True

    def is_stored(self, condition_id: ConditionId) -> bool:
        """Return whether the database is known to have a verdict on this market."""
        recorded = self._recorded.get(condition_id)
        return recorded.stored if recorded else condition_id in self._done

    def is_old(self, condition_id: ConditionId, now_ms: int) -> bool:
        """Return whether its first look is long over."""
        recorded = self._recorded.get(condition_id)
        return recorded is not None and now_ms - recorded.at_ms >= RECHECKS_MS[1]

    def looked(self, condition_id: ConditionId, now_ms: int, horizon_ms: int) -> int | None:
        """Return when to look again after this look; None when somebody else will say so.

        Args:
            condition_id: Of a verdict that is kept here.
            now_ms: When the look ended; a hint may have brought it before its time.
            horizon_ms: Until when the looks that fall due are known. Those of
                later are remembered in time.
        """
        recorded = self._recorded[condition_id]
        first, *others = (recorded.at_ms + each for each in RECHECKS_MS)
        if now_ms < first:
            return first
        return next((at_ms for at_ms in others if now_ms < at_ms <= horizon_ms), None)

    def forget(self, condition_id: ConditionId) -> None:
        """Watch this verdict no longer; that there is one is known for a while."""
        if self._recorded.pop(condition_id, None) is not None:
            self._done[condition_id] = None
            while len(self._done) > MAX_DONE:
                del self._done[next(iter(self._done))]

    def check(self, observation: Observation) -> Contradiction | None:
        """Return the contradiction in this observation, unless its source said the same before."""
        recorded = self._recorded.get(observation.condition_id)
        if recorded is None:
            return None
        found = check(recorded.resolution, observation)
        if found is None or (found.source, found.observed) in recorded.told:
            return None
        recorded.told |= {(found.source, found.observed)}
        return found
