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

import msgspec

from actors.model.market import (
    Clearance,
    Confirmation,
    Contradiction,
    ContradictionKind,
    Market,
    MarketState,
    Observation,
    Recheck,
    Resolution,
    StoredEvidence,
    Transition,
)
from actors.model.trade import ConditionId
from actors.resolution.conflicts import (
    OpenConflicts,
    mapping_contradiction,
    outcome_contradictions,
)
from actors.resolution.evidence import Evidence
from actors.resolution.evidence_book import EvidenceBook, Novelty
from actors.resolution.quorum import (
    CONFIRMING,
    HOLDING,
    Conflict,
    Decision,
    NotYet,
    recorded_text,
)
from actors.resolution.schedule import RecordedResolutions, Schedule, due_ms

OUTCOME, MAPPING = ContradictionKind.OUTCOME, ContradictionKind.MAPPING
AGREE_AGAIN = "the sources contradict each other no more"
NAMED_ALIKE = "two sources name the tokens alike"
CONTRADICTED = "sources contradict each other"
TO_BE_STORED = "resolution to be stored"
RECORDED = "recorded"
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


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from one observation.

    Attributes:
        observation: The observation itself, when it is new and has to be stored.
        resolution: The outcome, when this observation decided it.
        contradictions: When it contradicts other sources or the recorded resolution.
        clearances: When it ends contradictions.
        confirmation: When it agrees with a resolution that was decided without its source.
        transition: When the market was decided by it, or contradicted after that.
    """

    observation: Observation | None = None
    resolution: Resolution | None = None
    contradictions: tuple[Contradiction, ...] = ()
    clearances: tuple[Clearance, ...] = ()
    confirmation: Confirmation | None = None
    transition: Transition | None = None


class CaseBook:
    """The markets without a resolution, and those whose resolution is checked again soon.

    Attributes:
        schedule: When each of them is polled.
        horizon_ms: Until when it is known which rechecks fall due.
        conflicts: The contradictions about them that are open.
    """

    def __init__(self, *, poll_s: float, hold_s: float) -> None:
        self.schedule = Schedule(poll_s)
        self.horizon_ms = 0
        self.conflicts = OpenConflicts()
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
            for _, observed in recheck.contradicted_by:
                pair = frozenset((recorded_text(recheck.resolution), observed))
                self.conflicts.restore(condition_id, OUTCOME, pair)
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
        novelty = self._evidence.add(observation, market)
        new = None if novelty is Novelty.NONE else observation
        # What a source repeats is no news, final or not: a market may be stuck for years.
        final = observation.payouts is not None
        if novelty is Novelty.CHANGED or (novelty is Novelty.FIRST and final):
            self.schedule.note_change(condition_id, now_ms)
        if condition_id in self._recorded:
            return self._check(observation, now_ms, changed=novelty is Novelty.CHANGED)
        decision = self._evidence.decision(market, now_ms)
        self._poll_at.pop(condition_id, None)
        opened, cleared = self._mapping(observation, now_ms)
        if isinstance(decision, Conflict):
            self.schedule.wait_for(condition_id, CONTRADICTED)
            for found in outcome_contradictions(decision, observation):
                opened += self.conflicts.open(found)
            return Findings(observation=new, contradictions=opened, clearances=cleared)
        if self._evidence.stands_undisputed(condition_id, now_ms):
            cleared += self.conflicts.clear(condition_id, OUTCOME, now_ms, AGREE_AGAIN)
        if isinstance(decision, NotYet):
            self._wait(condition_id, decision)
            return Findings(observation=new, contradictions=opened, clearances=cleared)
        resolution = self._evidence.resolution(decision, market)
        # Before the database has it: the next observation must not decide the market once more.
        self._recorded.record(resolution, now_ms)
        self.schedule.wait_for(condition_id, TO_BE_STORED)
        agreed = f"{' and '.join(resolution.sources)} agree"
        transition = self._states.move(condition_id, MarketState.RECORDED, agreed, now_ms)
        return Findings(
            observation=new,
            resolution=resolution,
            contradictions=opened,
            clearances=cleared,
            transition=transition,
        )

    def _mapping(
        self, observation: Observation, now_ms: int
    ) -> tuple[tuple[Contradiction, ...], tuple[Clearance, ...]]:
        """Return the contradictions about names of tokens that an observation opens and clears."""
        condition_id = observation.condition_id
        evidence = self._evidence.of(condition_id)
        if evidence is None or not observation.names:
            return (), ()
        opened: tuple[Contradiction, ...] = ()
        for found in mapping_contradiction(evidence, observation):
            opened += self.conflicts.open(found)
        if evidence.namings.proven or not evidence.namings.is_contested:
            return opened, self.conflicts.clear(condition_id, MAPPING, now_ms, NAMED_ALIKE)
        return opened, ()

    def _check(self, observation: Observation, now_ms: int, *, changed: bool) -> Findings:
        """Compare an observation with the recorded resolution.

        It is stored only when its source changed, contradicts or confirms.
        """
        condition_id = observation.condition_id
        opened, cleared = self._mapping(observation, now_ms)
        counts = self._evidence.counts(observation)
        found = self._recorded.check(observation) if counts else None
        transition = None
        if found is not None:
            reason = f"{found.source} says {found.observed}"
            transition = self._states.move(condition_id, MarketState.CONFLICT, reason, now_ms)
            opened += self.conflicts.open(found)
        elif not self._recorded.is_contradicted(condition_id):
            cleared += self.conflicts.clear(condition_id, OUTCOME, now_ms, AGREE_AGAIN)
            if self._states.of(condition_id) is MarketState.CONFLICT:
                transition = self._states.move(
                    condition_id, MarketState.RECORDED, AGREE_AGAIN, now_ms
                )
        confirmation = self._recorded.confirm(observation) if counts else None
        worth_storing = changed or opened or confirmation is not None
        return Findings(
            observation=observation if worth_storing else None,
            contradictions=opened,
            clearances=cleared,
            confirmation=confirmation,
            transition=transition,
        )

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
        if self._recorded.is_contradicted(condition_id):
            # Until its sources agree again, or it is plain that they do not.
            self.schedule.put_back(condition_id, now_ms, poll_at_ms=next_ms)
        elif next_ms is not None:
            self.schedule.set_due(condition_id, next_ms)
        elif self._recorded.is_stored(condition_id):
            self.schedule.remove(condition_id)
            self._evidence.remove(condition_id)
            self._recorded.remove(condition_id)
            self._states.remove(condition_id)
        else:
            # Not stored yet, so the database could not bring it back for its next recheck.
            self.schedule.put_back(condition_id, now_ms)
