"""The evidence on each market that was polled, and what is new in an observation.

All times are wall clock milliseconds since 1970, passed in.
"""

from enum import Enum

import msgspec

from actors.model.market import (
    Clearance,
    Confirmation,
    Contradiction,
    Market,
    Observation,
    Resolution,
    Transition,
)
from actors.model.trade import ConditionId
from actors.resolution.evidence import Evidence
from actors.resolution.quorum import Decision, NotYet, Split, Winner, decide, resolution_of
from actors.resolution.schedule import UNKNOWN

CLOSED_REASONS = frozenset({"closed without status", "prices not final", "no winner flag"})
OLDEST_MS = 1_577_836_800_000  # 2020-01-01: nothing resolved before


class Novelty(Enum):
    """How an observation differs from the one before of the same source."""

    NONE = 0
    FIRST = 1
    CHANGED = 2


class EvidenceBook:
    """The evidence on each market that was polled."""

    def __init__(self, hold_s: float) -> None:
        self._hold_ms = int(hold_s * 1000)
        self._evidence: dict[ConditionId, Evidence] = {}
        self._closed_ms: dict[ConditionId, int] = {}

    def of(self, condition_id: ConditionId) -> Evidence | None:
        """Return the evidence on this market, or None when no source was asked."""
        return self._evidence.get(condition_id)

    def add(self, observation: Observation, market: Market) -> Novelty:
        """Add an observation; return whether its source reports something new."""
        evidence = self._known(observation.condition_id).of_listing(market)
        self._evidence[observation.condition_id] = evidence.add(observation)
        before = evidence.statement(observation.source)
        if before is None:
            return Novelty.FIRST
        # Out of a cache, made before what is known: that is how it was, not what changed. (With a
        # clock that was set back it is observed before that, too.)
        if observation.made_at_ms < before.last_ms <= observation.observed_at_ms:
            return Novelty.NONE
        payouts = None if observation.payouts is None else frozenset(observation.payouts)
        known = (before.payouts, before.reason, before.naming, before.mapped_by)
        told = (payouts, observation.reason, observation.naming, observation.mapped_by)
        same = known == told and observation.names in ((), before.names)
        return Novelty.NONE if same else Novelty.CHANGED

    def restore(self, observation: Observation) -> None:
        """Add the last observation of a source that the database has."""
        evidence = self._known(observation.condition_id)
        self._evidence[observation.condition_id] = evidence.add_stored(observation)

    def contradicted(self, condition_id: ConditionId, now_ms: int) -> None:
        """Record that sources contradicted each other until now at most: the hold starts again."""
        evidence = self._known(condition_id)
        until_ms = max(evidence.contradicted_until_ms, now_ms)
        self._evidence[condition_id] = msgspec.structs.replace(
            evidence, contradicted_until_ms=until_ms
        )

    def hold_for(self, hold_s: float) -> None:
        """Set for how long sources must agree, in seconds."""
        self._hold_ms = int(hold_s * 1000)

    def clock_set(self, now_ms: int) -> None:
        """Date everything from now on: what is known was dated by a wrong clock."""
        self._evidence = {
            condition_id: evidence.from_now(now_ms)
            for condition_id, evidence in self._evidence.items()
        }

    def closed(self, condition_id: ConditionId, closed_ms: int | None, now_ms: int) -> None:
        """Record when a market closed, as Gamma reports it; ignore an impossible time."""
        if closed_ms is not None and OLDEST_MS <= closed_ms <= now_ms:
            self._closed_ms[condition_id] = closed_ms

    def is_closed(self, condition_id: ConditionId) -> bool:
        """Return whether a source reports that trading ended."""
        if condition_id in self._closed_ms:
            return True
        evidence = self._evidence.get(condition_id)
        return evidence is not None and any(
            each.reason in CLOSED_REASONS for each in evidence.statements
        )

    def too_many_closed(self, condition_id: ConditionId, most: int) -> bool:
        """Return whether this market is closed and more than so many closed ones are here."""
        return len(self._closed_ms) > most and condition_id in self._closed_ms

    def decision(self, market: Market, now_ms: int) -> Decision:
        """Return the present decision on a market."""
        evidence = self._evidence.get(market.condition_id)
        if evidence is None:
            return NotYet(reason=UNKNOWN)
        return decide(evidence, market, now_ms=now_ms, hold_ms=self._hold_ms)

    def resolution(self, decision: Winner | Split, market: Market) -> Resolution:
        """Return the resolution to record, dated by Gamma or by the first final observation."""
        evidence = self._evidence[market.condition_id]
        resolved_ms = self._closed_ms.get(market.condition_id)
        if resolved_ms is None:
            final = (each for each in evidence.statements if each.payouts is not None)
            resolved_ms = min(each.since_ms for each in final)
        return resolution_of(decision, market, evidence, resolved_at_ms=resolved_ms)

    def counts(self, observation: Observation) -> bool:
        """Return whether its source names the tokens of its final outcome as nobody disputes."""
        evidence = self._evidence.get(observation.condition_id)
        if evidence is None or observation.payouts is None:
            return True
        return any(each.source is observation.source for each in evidence.final)

    def stands_undisputed(self, condition_id: ConditionId, now_ms: int) -> bool:
        """Return whether no source has contradicted another one for the length of the hold."""
        evidence = self._evidence.get(condition_id)
        return evidence is None or now_ms >= evidence.contradicted_until_ms + self._hold_ms

    def remove(self, condition_id: ConditionId) -> None:
        """Forget the evidence on this market."""
        self._evidence.pop(condition_id, None)
        self._closed_ms.pop(condition_id, None)

    def _known(self, condition_id: ConditionId) -> Evidence:
        return self._evidence.get(condition_id) or Evidence(condition_id=condition_id)


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from one observation.

    Attributes:
        observation: The observation itself, when it is new and has to be stored.
        resolution: The outcome, when this observation decided it.
        contradictions: When it contradicts other sources or the recorded resolution.
        clearances: When it ends contradictions.
        confirmation: When it agrees with a resolution that was decided without its source.
        transition: When the market was decided by it, or contradicted after that.
        slug: The end of the market's web address, for the log; empty when it is not known.
    """

    observation: Observation | None = None
    resolution: Resolution | None = None
    contradictions: tuple[Contradiction, ...] = ()
    clearances: tuple[Clearance, ...] = ()
    confirmation: Confirmation | None = None
    transition: Transition | None = None
    slug: str = ""
