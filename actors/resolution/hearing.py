"""What the sources have said of the markets that wait, and what follows from it.

Times are wall clock milliseconds since 1970, passed in.
"""

from enum import Enum

import msgspec

from actors.model.market import Market
from actors.model.trade import ConditionId
from actors.resolution.evidence import Observation, Testimony
from actors.resolution.quorum import (
    Conflict,
    Contradiction,
    NotYet,
    Resolution,
    Split,
    Verdict,
    Winner,
    judge,
    settle,
)

OLDEST_MS = 1_577_836_800_000  # 2020-01-01: nothing resolved before


class Novelty(Enum):
    """Whether a source says something that it has not said last."""

    NONE = 0
    FIRST = 1
    CHANGED = 2


class Hearing:
    """The testimony about each market that was looked at."""

    def __init__(self, hold_s: float) -> None:
        self._hold_ms = int(hold_s * 1000)
        self._testimonies: dict[ConditionId, Testimony] = {}
        self._closed_ms: dict[ConditionId, int] = {}
        self._clashes: dict[ConditionId, str] = {}

    def hear(self, observation: Observation) -> Novelty:
        """Take in what a source says; tell whether it has said so before."""
        condition_id = observation.condition_id
        known = self._testimonies.get(condition_id) or Testimony(condition_id=condition_id)
        self._testimonies[condition_id] = known.hear(observation)
        said = [word for word in known.words if word.source is observation.source]
        if not said:
            return Novelty.FIRST
        payouts = None if observation.payouts is None else frozenset(observation.payouts)
        same = (said[0].payouts, said[0].reason) == (payouts, observation.reason)
        return Novelty.NONE if same else Novelty.CHANGED

    def remember(self, observation: Observation) -> None:
        """Take in what a source said last to an earlier life."""
        condition_id = observation.condition_id
        known = self._testimonies.get(condition_id) or Testimony(condition_id=condition_id)
        self._testimonies[condition_id] = known.recall(observation)

    def clashed(self, condition_id: ConditionId, now_ms: int) -> None:
        """Note that sources contradicted each other in an earlier life: the hold starts anew."""
        known = self._testimonies.get(condition_id) or Testimony(condition_id=condition_id)
        clash_ms = max(known.clash_ms, now_ms)
        self._testimonies[condition_id] = msgspec.structs.replace(known, clash_ms=clash_ms)

    def testimony(self, condition_id: ConditionId) -> Testimony | None:
        """Give what was said of this market, or None when nobody was asked."""
        return self._testimonies.get(condition_id)

    def dated(self, condition_id: ConditionId, closed_ms: int | None, now_ms: int) -> None:
        """Note when a market closed as a source tells it; an impossible time is not believed."""
        if closed_ms is not None and OLDEST_MS <= closed_ms <= now_ms:
            self._closed_ms[condition_id] = closed_ms

    def verdict(self, market: Market, now_ms: int) -> Verdict:
        """Give the verdict as it stands."""
        testimony = self._testimonies.get(market.condition_id)
        if testimony is None:
            return NotYet(reason="no source knows it")
        return judge(testimony, market, now_ms=now_ms, hold_ms=self._hold_ms)

    def resolution(self, verdict: Winner | Split, market: Market) -> Resolution:
        """Give what is to be recorded, dated by Gamma or by the first final word."""
        told_ms = self._closed_ms.get(market.condition_id)
        if told_ms is None:
            words = self._testimonies[market.condition_id].words
            told_ms = min(word.since_ms for word in words if word.payouts is not None)
        return settle(verdict, market, resolved_at_ms=told_ms)

    def clash(self, conflict: Conflict, observation: Observation) -> Contradiction | None:
        """Give the contradiction between the last speaker and the others, once for each."""
        mark = f"{observation.source} says "
        said = conflict.reason.split("; ")
        known = self._clashes.get(observation.condition_id) == conflict.reason
        if known or not any(each.startswith(mark) for each in said):
            return None
        self._clashes[observation.condition_id] = conflict.reason
        return Contradiction(
            condition_id=observation.condition_id,
            detected_at_ms=observation.observed_at_ms,
            recorded="; ".join(each for each in said if not each.startswith(mark)),
            observed="; ".join(each for each in said if each.startswith(mark)).removeprefix(mark),
            source=observation.source,
        )

    def forget(self, condition_id: ConditionId) -> None:
        """Let go of all that was said of this market."""
        self._testimonies.pop(condition_id, None)
        self._closed_ms.pop(condition_id, None)
        self._clashes.pop(condition_id, None)
