"""The open cases: evidence, state and schedule of every market that waits for its outcome.

A market passes through the states open → ended → proposed ⇄ disputed → agreed-holding → recorded,
with conflict beside all of them. States may be left out, and a source that withdraws what it
reported leads back; the table is in docs/explanation/resolutions.md.

`CaseBook.observe` leads from one observation to its findings: what is to be stored
and reported. `CaseBook.end_round` sets when each market is polled again. Nothing
here asks a source or writes: the resolution actor does.

All times are wall clock milliseconds since 1970, passed in.
"""

from collections.abc import Container, Iterable
from enum import Enum

import msgspec

from actors.model.market import (
    Contradiction,
    Market,
    MarketState,
    Observation,
    Recheck,
    Resolution,
    StoredEvidence,
    Transition,
)
from actors.model.trade import ConditionId
from actors.resolution.quorum import (
    CONFIRMING,
    HOLDING,
    Conflict,
    Decision,
    Evidence,
    NotYet,
    Split,
    Winner,
    decide,
    resolution_of,
)
from actors.resolution.schedule import RecordedResolutions, Schedule, due_ms

CONTRADICTED = "sources contradict each other"
TO_BE_STORED = "resolution to be stored"
RECORDED = "recorded"
OLDEST_MS = 1_577_836_800_000  # 2020-01-01: nothing resolved before
CLOSED_REASONS = frozenset({"closed without status", "prices not final", "no winner flag"})
PROPOSED_REASONS = frozenset({"proposed", "reproposed"})
DISPUTED_REASONS = frozenset({"disputed", "challenged", "arbitration"})


def state_of(decision: Decision, evidence: Evidence | None, *, ended: bool) -> MarketState:
    """Return the state of a market.

    Args:
        decision: The present one.
        evidence: That it rests on; None when no source was asked.
        ended: The planned end of trading is over.
    """
    if isinstance(decision, Conflict):
        return MarketState.CONFLICT
    if not isinstance(decision, NotYet):
        return MarketState.RECORDED
    if decision.reason in (HOLDING, CONFIRMING):
        return MarketState.HOLDING
    statements = evidence.statements if evidence else ()
    reasons = {each.reason for each in statements}
    # The most doubtful report counts, from whichever source it comes.
    if reasons & DISPUTED_REASONS:
        return MarketState.DISPUTED
    if reasons & PROPOSED_REASONS:
        return MarketState.PROPOSED
    final = any(each.payouts is not None for each in statements)
    closed = final or bool(reasons & CLOSED_REASONS)
    return MarketState.ENDED if ended or closed else MarketState.OPEN


class MarketStates:
    """The last state of each market. Open ones take no memory."""

    def __init__(self) -> None:
        self._last: dict[ConditionId, tuple[MarketState, int]] = {}

    def of(self, condition_id: ConditionId) -> MarketState:
        """Return the last state of a market."""
        return self._last.get(condition_id, (MarketState.OPEN, 0))[0]

    def restore(self, condition_id: ConditionId, state: MarketState, at_ms: int) -> None:
        """Take over a stored state, unless this process has set one already."""
        self._last.setdefault(condition_id, (state, at_ms))

    def move(
        self, condition_id: ConditionId, state: MarketState, reason: str, now_ms: int
    ) -> Transition | None:
        """Set the state of a market; return the transition, or None when it had that state."""
        before, last_ms = self._last.get(condition_id, (MarketState.OPEN, 0))
        if state is before:
            return None
        at_ms = max(now_ms, last_ms + 1)  # two transitions may fall into one millisecond
        self._last[condition_id] = (state, at_ms)
        return Transition(
            condition_id=condition_id,
            at_ms=at_ms,
            before=before,
            after=state,
            reason=reason,
        )

    def remove(self, condition_id: ConditionId) -> None:
        """Forget a market."""
        self._last.pop(condition_id, None)


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
        self._conflicts: dict[ConditionId, str] = {}

    def of(self, condition_id: ConditionId) -> Evidence | None:
        """Return the evidence on this market, or None when no source was asked."""
        return self._evidence.get(condition_id)

    def add(self, observation: Observation) -> Novelty:
        """Add an observation; return whether its source reports something new."""
        evidence = self._known(observation.condition_id)
        self._evidence[observation.condition_id] = evidence.add(observation)
        before = evidence.statement(observation.source)
        if before is None:
            return Novelty.FIRST
        # Out of a cache, made before what is known: that is how it was, not what changed. (With a
        # clock that was set back it is observed before that, too.)
        if observation.made_at_ms < before.last_ms <= observation.observed_at_ms:
            return Novelty.NONE
        payouts = None if observation.payouts is None else frozenset(observation.payouts)
        known = (before.payouts, before.reason, before.mapped_by)
        same = known == (payouts, observation.reason, observation.mapped_by)
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

    def closed(self, condition_id: ConditionId, closed_ms: int | None, now_ms: int) -> None:
        """Record when a market closed, as Gamma reports it; ignore an impossible time."""
        if closed_ms is not None and OLDEST_MS <= closed_ms <= now_ms:
            self._closed_ms[condition_id] = closed_ms

    def decision(self, market: Market, now_ms: int) -> Decision:
        """Return the present decision on a market."""
        evidence = self._evidence.get(market.condition_id)
        if evidence is None:
            return NotYet(reason="no source knows it")
        return decide(evidence, market, now_ms=now_ms, hold_ms=self._hold_ms)

    def resolution(self, decision: Winner | Split, market: Market) -> Resolution:
        """Return the resolution to record, dated by Gamma or by the first final observation."""
        resolved_ms = self._closed_ms.get(market.condition_id)
        if resolved_ms is None:
            statements = self._evidence[market.condition_id].statements
            resolved_ms = min(each.since_ms for each in statements if each.payouts is not None)
        return resolution_of(decision, market, resolved_at_ms=resolved_ms)

    def contradiction(self, conflict: Conflict, observation: Observation) -> Contradiction | None:
        """Return the contradiction between this observation and the other sources.

        None when its source takes no part in the conflict, or when the same
        conflict was returned before.
        """
        prefix = f"{observation.source} says "
        # The text of `quorum.decide`: one part for each final source.
        parts = conflict.reason.split("; ")
        known = self._conflicts.get(observation.condition_id) == conflict.reason
        if known or not any(each.startswith(prefix) for each in parts):
            return None
        self._conflicts[observation.condition_id] = conflict.reason
        own = "; ".join(each for each in parts if each.startswith(prefix))
        return Contradiction(
            condition_id=observation.condition_id,
            detected_at_ms=observation.observed_at_ms,
            recorded="; ".join(each for each in parts if not each.startswith(prefix)),
            observed=own.removeprefix(prefix),
            source=observation.source,
        )

    def remove(self, condition_id: ConditionId) -> None:
        """Forget the evidence on this market."""
        self._evidence.pop(condition_id, None)
        self._closed_ms.pop(condition_id, None)
        self._conflicts.pop(condition_id, None)

    def _known(self, condition_id: ConditionId) -> Evidence:
        return self._evidence.get(condition_id) or Evidence(condition_id=condition_id)


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from one observation.

    Attributes:
        observation: The observation itself, when it is new and has to be stored.
        resolution: The outcome, when this observation decided it.
        contradiction: When it contradicts another source or the recorded resolution.
        transition: When the market was decided by it, or contradicted after that.
    """

    observation: Observation | None = None
    resolution: Resolution | None = None
    contradiction: Contradiction | None = None
    transition: Transition | None = None


class CaseBook:
    """The markets without a resolution, and those whose resolution is checked again soon.

    Attributes:
        schedule: When each of them is polled.
        horizon_ms: Until when it is known which rechecks fall due.
    """

    def __init__(self, *, poll_s: float, hold_s: float) -> None:
        self.schedule = Schedule(poll_s)
        self.horizon_ms = 0
        self._evidence = EvidenceBook(hold_s)
        self._states = MarketStates()
        self._recorded = RecordedResolutions()
        self._poll_at: dict[ConditionId, int] = {}

    # --------------------------------------------------------------- markets

    def add(self, markets: Iterable[Market], now_ms: int) -> tuple[ConditionId, ...]:
        """Wait for the outcome of these markets; return those whose resolution is stored."""
        settled = []
        for market in markets:
            if self._recorded.is_stored(market.condition_id):
                settled.append(market.condition_id)
            else:
                self.schedule.add(market, now_ms)
        return tuple(settled)

    def poll_now(self, condition_id: ConditionId, now_ms: int) -> None:
        """Make this market due now, because the feed reports that it resolved."""
        self.schedule.make_due(condition_id, now_ms)

    def poll_unresolved(self, condition_id: ConditionId, now_ms: int) -> None:
        """Make this market due now, unless it has a resolution."""
        if condition_id not in self._recorded:
            self.schedule.make_due(condition_id, now_ms)

    def pending(self, limit: int) -> tuple[tuple[str, int], ...]:
        """Return (reason, markets without a stored resolution that wait for it)."""
        counts = self.schedule.pending(limit + 1)
        return tuple(count for count in counts if count[0] != RECORDED)[:limit]

    def past_first_recheck(
        self, condition_ids: Iterable[ConditionId], now_ms: int
    ) -> frozenset[ConditionId]:
        """Return those whose resolution has been checked again before."""
        return frozenset(
            each for each in condition_ids if self._recorded.is_past_first_recheck(each, now_ms)
        )

    # --------------------------------------------------------------- restart

    def restore(self, stored: StoredEvidence, now_ms: int) -> None:
        """Take over the stored evidence, so that a restart does not start the hold again.

        Observations dated later than now come from a clock that was wrong, and are
        left out. Where sources once contradicted each other the hold does start
        again: when that ended is not known.
        """
        for observation in stored.observations:
            known = observation.condition_id in self._recorded
            if observation.observed_at_ms <= now_ms and not known:
                self._evidence.restore(observation)
        for condition_id, state, at_ms in stored.states:
            self._states.restore(condition_id, state, at_ms)
        for condition_id in stored.contradicted:
            if condition_id not in self._recorded:
                self._evidence.contradicted(condition_id, now_ms)

    def restore_rechecks(self, rechecks: Iterable[Recheck], now_ms: int) -> None:
        """Take over stored resolutions whose recheck falls due."""
        for recheck in rechecks:
            condition_id = recheck.resolution.condition_id
            if condition_id in self._recorded:
                continue
            # Without its tokens no observation of the market could be read.
            if not recheck.market.assets:
                self._evidence.remove(condition_id)
                continue
            self.schedule.add(recheck.market, now_ms)
            self._recorded.restore(recheck)
            self._states.restore(condition_id, MarketState.RECORDED, recheck.recorded_at_ms)
            self.schedule.wait_for(condition_id, RECORDED)
            self.schedule.set_due(condition_id, due_ms(recheck, now_ms))

    # ---------------------------------------------------------- observations

    def closed(self, condition_id: ConditionId, closed_ms: int | None, now_ms: int) -> None:
        """Record when this market closed, as Gamma reports it."""
        self._evidence.closed(condition_id, closed_ms, now_ms)

    def observe(self, observation: Observation, market: Market, now_ms: int) -> Findings:
        """Take in an observation; return what follows from it."""
        condition_id = market.condition_id
        novelty = self._evidence.add(observation)
        new = None if novelty is Novelty.NONE else observation
        # What a source repeats is no news, final or not: a market may be stuck for years.
        final = observation.payouts is not None
        if novelty is Novelty.CHANGED or (novelty is Novelty.FIRST and final):
            self.schedule.note_change(condition_id, now_ms)
        if condition_id in self._recorded:
            return self._check(observation, now_ms, changed=novelty is Novelty.CHANGED)
        decision = self._evidence.decision(market, now_ms)
        self._poll_at.pop(condition_id, None)
        if isinstance(decision, NotYet):
            self._wait(condition_id, decision)
            return Findings(observation=new)
        if isinstance(decision, Conflict):
            self.schedule.wait_for(condition_id, CONTRADICTED)
            contradiction = self._evidence.contradiction(decision, observation)
            return Findings(observation=new, contradiction=contradiction)
        resolution = self._evidence.resolution(decision, market)
        # Before the database has it: the next observation must not decide the market once more.
        self._recorded.record(resolution, now_ms)
        self.schedule.wait_for(condition_id, TO_BE_STORED)
        agreed = f"{' and '.join(resolution.sources)} agree"
        transition = self._states.move(condition_id, MarketState.RECORDED, agreed, now_ms)
        return Findings(observation=new, resolution=resolution, transition=transition)

    def _check(self, observation: Observation, now_ms: int, *, changed: bool) -> Findings:
        """Compare an observation with the recorded resolution.

        It is stored only when its source changed or contradicts.
        """
        found = self._recorded.check(observation)
        transition = None
        if found is not None:
            reason = f"{found.source} says {found.observed}"
            transition = self._states.move(found.condition_id, MarketState.CONFLICT, reason, now_ms)
        new = observation if changed or found is not None else None
        return Findings(observation=new, contradiction=found, transition=transition)

    def _wait(self, condition_id: ConditionId, decision: NotYet) -> None:
        self.schedule.wait_for(condition_id, decision.reason)
        if decision.poll_at_ms is not None:
            self._poll_at[condition_id] = decision.poll_at_ms

    def stored(self, condition_id: ConditionId) -> None:
        """Record that the database has the resolution of this market."""
        self._recorded.mark_stored(condition_id)
        self.schedule.wait_for(condition_id, RECORDED)

    # ------------------------------------------------------- end of a round

    def end_round(
        self,
        markets: Iterable[Market],
        now_ms: int,
        *,
        missed: Container[ConditionId] = (),
    ) -> tuple[Transition, ...]:
        """Set when each of the polled markets is due again; return the changes of state.

        Args:
            markets: Those of the round.
            now_ms: Wall clock.
            missed: Those about which no source answered: they are due again soon.
        """
        transitions = []
        for market in markets:
            condition_id = market.condition_id
            if condition_id in self._recorded:
                self._set_next_recheck(condition_id, now_ms)
                continue
            poll_at_ms = self._poll_at.pop(condition_id, None)
            # A time that is over means: after the shortest interval, see `Schedule.put_back`.
            if condition_id in missed:
                poll_at_ms = now_ms
            self.schedule.put_back(condition_id, now_ms, poll_at_ms=poll_at_ms)
            transitions.append(self._transition(market, now_ms))
        return tuple(each for each in transitions if each is not None)

    def _transition(self, market: Market, now_ms: int) -> Transition | None:
        decision = self._evidence.decision(market, now_ms)
        state = state_of(
            decision,
            self._evidence.of(market.condition_id),
            ended=self.schedule.ended(market.condition_id, now_ms),
        )
        if state is MarketState.RECORDED:
            return None  # the next observation records the resolution, with its transition
        reason = decision.reason if isinstance(decision, NotYet | Conflict) else ""
        return self._states.move(market.condition_id, state, reason, now_ms)

    def _set_next_recheck(self, condition_id: ConditionId, now_ms: int) -> None:
        """Set when a resolution is checked again; after the last time forget its market."""
        next_ms = self._recorded.next_recheck_ms(condition_id, now_ms, self.horizon_ms)
        if next_ms is not None:
            self.schedule.set_due(condition_id, next_ms)
        elif self._recorded.is_stored(condition_id):
            self.schedule.remove(condition_id)
            self._evidence.remove(condition_id)
            self._recorded.remove(condition_id)
            self._states.remove(condition_id)
        else:
            # Not stored yet, so the database could not bring it back for its next recheck.
            self.schedule.put_back(condition_id, now_ms)
