"""Verdicts that were reached in this life, watched for a day for sources that change their mind.

A recorded verdict never changes; a source that contradicts it later is shown,
once for each thing it says. Times are wall clock milliseconds.
"""

import msgspec

from actors.logic.evidence import Observation, Source
from actors.logic.outcome import Contradiction, Resolution, check
from actors.logic.trade import ConditionId

RECHECKS_MS = (600_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000)


class _Recorded(msgspec.Struct):
    resolution: Resolution
    at_ms: int
    stored: bool = False
    looks: int = 0
    told: frozenset[tuple[Source, str]] = frozenset()


class Archive:
    """The verdicts of the last day. Bounded by the markets that resolve in one."""

    def __init__(self) -> None:
        self._recorded: dict[ConditionId, _Recorded] = {}

    def __len__(self) -> int:
        return len(self._recorded)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._recorded

    def record(self, resolution: Resolution, now_ms: int) -> int:
        """Keep a verdict; give when it is to be looked at again."""
        self._recorded[resolution.condition_id] = _Recorded(resolution, now_ms)
        return now_ms + RECHECKS_MS[0]

    def stored(self, condition_id: ConditionId) -> None:
        """Note that the database has this verdict."""
        if condition_id in self._recorded:
            self._recorded[condition_id].stored = True

    def is_stored(self, condition_id: ConditionId) -> bool:
        """Say whether this verdict was reached in this life and the database has it."""
        recorded = self._recorded.get(condition_id)
        return recorded is not None and recorded.stored

    def looked(self, condition_id: ConditionId, now_ms: int) -> int | None:
        """Give when to look again after this look; None when that was the last."""
        recorded = self._recorded[condition_id]
        while recorded.looks < len(RECHECKS_MS):
            next_ms = recorded.at_ms + RECHECKS_MS[recorded.looks]
            if next_ms > now_ms:  # a hint may have brought this look before its time
                return next_ms
            recorded.looks += 1
        return None

    def forget(self, condition_id: ConditionId) -> None:
        """Watch this verdict no longer."""
        self._recorded.pop(condition_id, None)

    def check(self, observation: Observation) -> Contradiction | None:
        """Give the contradiction in this observation, unless its source said the same before."""
        recorded = self._recorded.get(observation.condition_id)
        if recorded is None:
            return None
        found = check(recorded.resolution, observation)
        if found is None or (found.source, found.observed) in recorded.told:
            return None
        recorded.told |= {(found.source, found.observed)}
        return found
