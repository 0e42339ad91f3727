"""The recorded resolutions, which are compared with the sources again for seven days.

They are compared at growing intervals (`RECHECKS_MS`). They
never change; a source that contradicts one later is reported, once for each outcome that it
reports. A resolution is kept here until its first recheck only. After that the database knows
when the next one falls due, and is asked ten minutes ahead. So memory does not grow with the
resolutions of a week, and a restart leaves none out: a new process begins a little before the
last evidence of the one before. Except after an absence: a process that ends while it makes up for
overdue ones takes the rest with it, since evidence that repeats itself is not stored.

All times are wall clock milliseconds since 1970, passed in.
"""

import msgspec

from actors.model.market import (
    RECHECKS_MS,
    Confirmation,
    Contradiction,
    Observation,
    Recheck,
    Resolution,
    Source,
    TimeWindow,
)
from actors.model.trade import ConditionId
from actors.resolution.quorum import contradiction_of

AHEAD_MS = 600_000
"""How far ahead the database is asked."""
MARGIN_MS = 180_000
"""It is asked again when what is known reaches less far."""
RETRY_MS = 60_000
SPREAD_MS = 600_000
HINTS_MS = 60_000
"""After a hint about a recorded resolution, others are ignored for so long: each feed sends one."""
MAX_DONE = 5_000


class RecheckHorizon:
    """Until when the rechecks that fall due are known.

    Attributes:
        until_ms: 0 before the database has answered once.
    """

    def __init__(self) -> None:
        self.until_ms = 0
        self._asked_ms = 0
        self._wanted_ms = 0

    def tick(self, now_ms: int) -> TimeWindow | None:
        """Return the time to ask the database about now, if any; repeat what it did not answer."""
        # Also the part just ahead of now: of what was resolved a moment before a restart, nothing
        # is known until the whole of it has arrived.
        known = self.until_ms >= self._wanted_ms and self.until_ms > now_ms + MARGIN_MS
        if known or now_ms < self._asked_ms + RETRY_MS:
            return None
        self._asked_ms, self._wanted_ms = now_ms, now_ms + AHEAD_MS
        return TimeWindow(self.until_ms or None, self._wanted_ms)

    def ask_soon(self) -> None:
        """Ask at the next tick, since the database answers again."""
        self._asked_ms = 0

    def answered(self, until_ms: int) -> None:
        """Record that what falls due until then has arrived; ask on at the next tick."""
        if until_ms > self.until_ms:
            self.until_ms, self._asked_ms = until_ms, 0


def due_ms(recheck: Recheck, now_ms: int) -> int:
    """Return when to poll the market; overdue ones are spread over ten minutes."""
    if recheck.due_at_ms > now_ms:
        return recheck.due_at_ms
    # Ids of V1 markets are hashes, so their digits spread the polls evenly.
    return now_ms + int(recheck.resolution.condition_id[2:10], 16) % SPREAD_MS


class _Recorded(msgspec.Struct):
    resolution: Resolution
    at_ms: int
    stored: bool = False
    hinted_ms: int | None = None
    contradicting: frozenset[Source] = frozenset()
    confirmed_by: frozenset[Source] = frozenset()


class RecordedResolutions:
    """The resolutions whose recheck is due soon.

    Bounded by those that are recorded in ten minutes and those that fall due in
    the next ten; of others only the last 5,000 ids are kept.
    """

    def __init__(self) -> None:
        self._recorded: dict[ConditionId, _Recorded] = {}
        self._done: dict[ConditionId, None] = {}

    def __len__(self) -> int:
        return len(self._recorded)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._recorded

    def record(self, resolution: Resolution, now_ms: int) -> int:
        """Keep a new resolution; return when its first recheck falls due."""
        self._recorded[resolution.condition_id] = _Recorded(resolution, now_ms)
        return now_ms + RECHECKS_MS[0]

    def restore(self, recheck: Recheck) -> None:
        """Keep a stored resolution, with the contradictions that are stored already."""
        self._recorded[recheck.resolution.condition_id] = _Recorded(
            recheck.resolution,
            recheck.recorded_at_ms,
            stored=True,
            contradicting=frozenset(source for source, _ in recheck.contradicted_by),
        )

    def resolution(self, condition_id: ConditionId) -> Resolution | None:
        """Return the recorded resolution of a market, if it is kept here."""
        recorded = self._recorded.get(condition_id)
        return None if recorded is None else recorded.resolution

    def mark_stored(self, condition_id: ConditionId) -> None:
        """Record that the database has this resolution."""
        if condition_id in self._recorded:
            self._recorded[condition_id].stored = True

    def is_stored(self, condition_id: ConditionId) -> bool:
        """Return whether the database is known to have the resolution of this market."""
        recorded = self._recorded.get(condition_id)
        return recorded.stored if recorded else condition_id in self._done

    def take_hint(self, condition_id: ConditionId, now_ms: int) -> bool:
        """Return whether a hint about this resolution brings a check; it does once a minute."""
        recorded = self._recorded[condition_id]
        before_ms = recorded.hinted_ms
        # A clock that was set back may show a hint in the future.
        if before_ms is not None and before_ms <= now_ms < before_ms + HINTS_MS:
            return False
        recorded.hinted_ms = now_ms
        return True

    def is_past_first_recheck(self, condition_id: ConditionId, now_ms: int) -> bool:
        """Return whether the first recheck of this resolution is over."""
        recorded = self._recorded.get(condition_id)
        # At this age the second recheck falls due, so the first is over.
        return recorded is not None and now_ms - recorded.at_ms >= RECHECKS_MS[1]

    def next_recheck_ms(
        self, condition_id: ConditionId, now_ms: int, horizon_ms: int
    ) -> int | None:
        """Return when to check again after a check; None: the database will bring it back.

        Args:
            condition_id: Of a resolution that is kept here.
            now_ms: When the check ended; a hint may have brought it before its time.
            horizon_ms: Until when the rechecks that fall due are known. Later ones
                are read from the database in time.
        """
        recorded = self._recorded[condition_id]
        first, *others = (recorded.at_ms + each for each in RECHECKS_MS)
        if now_ms < first:
            return first
        return next((at_ms for at_ms in others if now_ms < at_ms <= horizon_ms), None)

    def discard(self, condition_id: ConditionId) -> None:
        """Forget a resolution that the database did not record."""
        self._recorded.pop(condition_id, None)

    def remove(self, condition_id: ConditionId) -> None:
        """Stop checking this resolution; for a while it stays known that there is one."""
        if self._recorded.pop(condition_id, None) is not None:
            # The catalog may still send this market, and has to learn that it is settled.
            self._done[condition_id] = None
            while len(self._done) > MAX_DONE:
                del self._done[next(iter(self._done))]

    def check(self, observation: Observation) -> Contradiction | None:
        """Return the contradiction between an observation and the recorded resolution, if any."""
        recorded = self._recorded.get(observation.condition_id)
        if recorded is None:
            return None
        found = contradiction_of(recorded.resolution, observation)
        if found is None:
            recorded.contradicting -= {observation.source}
        else:
            recorded.contradicting |= {observation.source}
        return found

    def is_contradicted(self, condition_id: ConditionId) -> bool:
        """Return whether what some source reported last contradicts the recorded resolution."""
        recorded = self._recorded.get(condition_id)
        return recorded is not None and bool(recorded.contradicting)

    def confirm(self, observation: Observation) -> Confirmation | None:
        """Return the confirmation by a source that took no part in the decision, once each."""
        recorded = self._recorded.get(observation.condition_id)
        if recorded is None or observation.payouts is None:
            return None
        known = recorded.confirmed_by.union(recorded.resolution.sources)
        if observation.source in known or contradiction_of(recorded.resolution, observation):
            return None
        recorded.confirmed_by |= {observation.source}
        return Confirmation(
            condition_id=observation.condition_id,
            source=observation.source,
            confirmed_at_ms=observation.observed_at_ms,
        )
