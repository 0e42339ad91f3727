"""The open cases: evidence, state and schedule of every market that waits for its outcome.

`CaseBook.observe` leads from one observation to its findings: what is to be stored
and reported. `CaseBook.take_due` says which markets are to be polled, and `CaseBook.end_poll`
judges the state of one when its sources have answered. Nothing here asks a source or writes: the
resolution actor does.

All times are wall clock milliseconds since 1970, passed in.
"""

from collections.abc import Iterable
from enum import Enum

import msgspec

from actors.model.market import (
    Contradiction,
    Market,
    MarketState,
    Observation,
    Recheck,
    Resolution,
    Source,
    StoredEvidence,
    Transition,
)
from actors.model.trade import ConditionId
from actors.resolution.queues import DueMarket, Urgency
from actors.resolution.quorum import (
    Conflict,
    Decision,
    Evidence,
    NotYet,
    Split,
    Winner,
    decide,
    resolution_of,
)
from actors.resolution.schedule import LONGEST_MS, RecordedResolutions, Schedule, due_ms
from actors.resolution.states import MarketStates, state_of

CONTRADICTED = "sources contradict each other"
TO_BE_STORED = "resolution to be stored"
RECORDED = "recorded"
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

    def hinted(self, condition_id: ConditionId, now_ms: int) -> None:
        """Make this market due now, because the feed reports that it resolved.

        The feed reports that of every market, so a market with a resolution is due once for the
        hints of all connections.
        """
        if condition_id not in self._recorded or self._recorded.take_hint(condition_id, now_ms):
            self.schedule.make_due(condition_id, now_ms)

    def pending(self, limit: int) -> tuple[tuple[str, int], ...]:
        """Return (reason, markets without a stored resolution that wait for it)."""
        counts = self.schedule.pending(limit + 1)
        return tuple(count for count in counts if count[0] != RECORDED)[:limit]

    # ----------------------------------------------------------------- polls

    def take_due(self, now_ms: int) -> tuple[DueMarket, ...]:
        """Return the markets that are to be polled now."""
        taken = self.schedule.take(now_ms)
        return tuple(self._due(each, now_ms, urgent=urgent) for each, urgent in taken)

    def _due(self, condition_id: ConditionId, now_ms: int, *, urgent: bool) -> DueMarket:
        urgency = Urgency.NEW if urgent else Urgency.AGAIN
        if condition_id in self._recorded:
            urgency = Urgency.RECHECK
            next_ms = self._recorded.next_recheck_ms(condition_id, now_ms, self.horizon_ms)
            # Without another one it stays until the poll ends, see `_set_next_recheck`.
            self.schedule.set_due(condition_id, next_ms or now_ms + LONGEST_MS)
        return DueMarket(
            condition_id=condition_id,
            urgency=urgency,
            on_chain=self.schedule.is_v1(condition_id),
            clob=self._clob_urgency(condition_id, urgency, now_ms),
        )

    def _clob_urgency(
        self, condition_id: ConditionId, urgency: Urgency, now_ms: int
    ) -> Urgency | None:
        if not self.may_ask_clob(condition_id, now_ms):
            return None
        evidence = self._evidence.of(condition_id)
        final = evidence is not None and any(
            each.payouts is not None and each.source is not Source.CLOB
            for each in evidence.statements
        )
        if final or condition_id in self._recorded:
            return urgency
        return Urgency.IDLE if self.schedule.ended(condition_id, now_ms) else None

    def may_ask_clob(self, condition_id: ConditionId, now_ms: int) -> bool:
        """Return whether the CLOB is asked about this market: of a resolution at first only."""
        return not self._recorded.is_past_first_recheck(condition_id, now_ms)

    def judge(self, condition_id: ConditionId, now_ms: int) -> Transition | None:
        """Return the change of the state of a market, if its evidence changes it."""
        market = self.schedule.market(condition_id)
        if market is None or condition_id in self._recorded:
            return None  # what a resolution changes, `observe` returns at once
        decision = self._evidence.decision(market, now_ms)
        state = state_of(
            decision,
            self._evidence.of(condition_id),
            ended=self.schedule.ended(condition_id, now_ms),
        )
        if state is MarketState.RECORDED:
            return None  # the next observation records the resolution, with its transition
        reason = decision.reason if isinstance(decision, NotYet | Conflict) else ""
        return self._states.move(condition_id, state, reason, now_ms)

    def end_poll(
        self, condition_id: ConditionId, now_ms: int, *, missed: bool = False
    ) -> Transition | None:
        """Return what `judge` does; when a resolution was checked, set when it is again.

        Args:
            condition_id: Of the market.
            now_ms: Wall clock.
            missed: No source reported anything, since those that know it did not answer. Then it
                is due soon, and a resolution is still to be checked.
        """
        if missed:
            self.schedule.expect_soon(condition_id, now_ms)
        elif condition_id in self._recorded:
            self._set_next_recheck(condition_id, now_ms)
        return self.judge(condition_id, now_ms)

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
        if condition_id in self._recorded:
            return self._check(observation, now_ms, changed=novelty is Novelty.CHANGED)
        if novelty is Novelty.CHANGED or (novelty is Novelty.FIRST and final):
            self.schedule.note_change(condition_id, now_ms)
        decision = self._evidence.decision(market, now_ms)
        poll_at_ms = decision.poll_at_ms if isinstance(decision, NotYet) else None
        self.schedule.expect(condition_id, poll_at_ms, now_ms)
        if isinstance(decision, NotYet):
            self.schedule.wait_for(condition_id, decision.reason)
            return Findings(observation=new)
        if isinstance(decision, Conflict):
            self.schedule.wait_for(condition_id, CONTRADICTED)
            contradiction = self._evidence.contradiction(decision, observation)
            return Findings(observation=new, contradiction=contradiction)
        resolution = self._evidence.resolution(decision, market)
        # Before the database has it: the next observation must not decide the market once more.
        self.schedule.set_due(condition_id, self._recorded.record(resolution, now_ms))
        self.schedule.wait_for(condition_id, TO_BE_STORED)
        agreed = f"{' and '.join(resolution.sources)} agree"
        transition = self._states.move(condition_id, MarketState.RECORDED, agreed, now_ms)
        return Findings(observation=new, resolution=resolution, transition=transition)

    def observe_listed(self, observation: Observation, market: Market, now_ms: int) -> Findings:
        """Take in what a listing shows of a market; make it due when that is news.

        One with a resolution is due when the listing contradicts it.
        """
        findings = self.observe(observation, market, now_ms)
        recorded = market.condition_id in self._recorded
        if (findings.contradiction if recorded else findings.observation) is not None:
            self.schedule.make_due(market.condition_id, now_ms)
        return findings

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

    def stored(self, condition_id: ConditionId) -> None:
        """Record that the database has the resolution of this market."""
        self._recorded.mark_stored(condition_id)
        self.schedule.wait_for(condition_id, RECORDED)

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
            self.schedule.put_off(condition_id, now_ms)
