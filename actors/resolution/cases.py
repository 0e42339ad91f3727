"""The open cases: evidence, state and schedule of every market that waits for its outcome.

`CaseBook.observe` leads from one observation to its findings: what is to be stored
and reported. `CaseBook.take_due` says which markets are to be polled, and `CaseBook.end_poll`
judges the state of one when its sources have answered. Nothing here asks a source or writes: the
resolution actor does.

All times are wall clock milliseconds since 1970, passed in.
"""

from collections.abc import Iterable

from actors.model.market import (
    Clearance,
    Contradiction,
    ContradictionKind,
    Market,
    MarketState,
    Observation,
    Recheck,
    Source,
    StoredEvidence,
    Transition,
)
from actors.model.trade import ConditionId
from actors.polymarket.contract.chain import is_on_chain
from actors.resolution.absence import MuteSources, OverdueLabels, expected_of
from actors.resolution.conflicts import (
    OpenConflicts,
    mapping_contradiction,
    outcome_contradictions,
)
from actors.resolution.evidence_book import EvidenceBook, Findings, Novelty
from actors.resolution.polling import may_confirm, may_decide
from actors.resolution.queues import DueMarket, Urgency
from actors.resolution.quorum import (
    CONFIRMING,
    Conflict,
    NotYet,
    recorded_text,
)
from actors.resolution.rechecks import RecordedResolutions, due_ms
from actors.resolution.schedule import LONGEST_MS, NO_ANSWER, UNKNOWN, Schedule
from actors.resolution.states import MarketStates, state_of

OUTCOME, MAPPING = ContradictionKind.OUTCOME, ContradictionKind.MAPPING
AGREE_AGAIN = "the sources contradict each other no more"
NAMED_ALIKE = "two sources name the tokens alike"
CONTRADICTED = "sources contradict each other"
TO_BE_STORED = "resolution to be stored"
RECORDED = "recorded"
MOST_CLOSED = 100_000
"""Markets that closed and have no resolution, kept in memory; the database has any number."""


class CaseBook:
    """The markets without a resolution, and those whose resolution is checked again soon.

    Attributes:
        schedule: When each of them is polled.
        horizon_ms: Until when it is known which rechecks fall due.
        conflicts: The contradictions about them that are open.
        overdue: Of the markets that ended, those that nobody calls final.
        mute: The sources that never call a market final.

    Args:
        poll_s, hold_s: See `ResolutionSettings`.
        public_nodes: Whether the nodes of the chain are public ones, which are asked seldom.
    """

    def __init__(self, *, poll_s: float, hold_s: float, public_nodes: bool = False) -> None:
        self._public_nodes = public_nodes
        self.schedule = Schedule(poll_s)
        self.horizon_ms = 0
        self.conflicts = OpenConflicts()
        self.overdue = OverdueLabels()
        self.mute = MuteSources(poll_s)
        self._evidence = EvidenceBook(hold_s)
        self._states = MarketStates()
        self._recorded = RecordedResolutions()

    def tick(self, now: float, now_ms: int) -> None:
        """Record the time; `now` is in monotonic seconds."""
        self.overdue.tick(now, now_ms)
        self.mute.tick(now)

    # --------------------------------------------------------------- markets

    def add(self, markets: Iterable[Market], now_ms: int) -> tuple[ConditionId, ...]:
        """Wait for the outcome of these markets; return those whose resolution is stored."""
        settled = []
        for market in markets:
            if self._recorded.is_stored(market.condition_id):
                settled.append(market.condition_id)
                continue
            self.schedule.add(market, now_ms)
            if not market.closed and not self.schedule.ended(market.condition_id, now_ms):
                self.overdue.goes_on(market.condition_id)
        return tuple(settled)

    def hinted(self, condition_id: ConditionId, now_ms: int) -> None:
        """Make this market due now, because the feed reports that it resolved.

        The feed reports that of every market, so a market with a resolution is due once for the
        hints of all connections.
        """
        if condition_id not in self._recorded:
            if self.schedule.make_due(condition_id, now_ms):
                self._note_end(condition_id, now_ms)
        elif self._recorded.take_hint(condition_id, now_ms):
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
        self._note_end(condition_id, self.schedule.end_ms(condition_id, now_ms))
        urgency = Urgency.NEW if urgent else Urgency.AGAIN
        if condition_id in self._recorded:
            urgency = Urgency.RECHECK
            next_ms = self._recorded.next_recheck_ms(condition_id, now_ms, self.horizon_ms)
            # Without another one it stays until the poll ends, see `_set_next_recheck`.
            self.schedule.set_due(condition_id, next_ms or now_ms + LONGEST_MS)
        return DueMarket(
            condition_id=condition_id,
            urgency=urgency,
            on_chain=self._is_for_chain(condition_id, now_ms),
            clob=self._clob_urgency(condition_id, urgency, now_ms),
        )

    def _is_for_chain(self, condition_id: ConditionId, now_ms: int) -> bool:
        """Return whether the chain is asked about this market."""
        market = self.schedule.market(condition_id)
        if market is None or not is_on_chain(market):
            return False
        if not self._public_nodes:
            return True
        resolution = self._recorded.resolution(condition_id)
        if resolution is None:
            return may_decide(self._evidence.of(condition_id), now_ms=now_ms)
        first = not self._recorded.is_past_first_recheck(condition_id, now_ms)
        return may_confirm(resolution, first_recheck=first)

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
        ended = self.schedule.ended(condition_id, now_ms) or self._evidence.is_closed(condition_id)
        return Urgency.IDLE if ended else None

    def may_ask_clob(self, condition_id: ConditionId, now_ms: int) -> bool:
        """Return whether the CLOB is asked about this market: of a resolution at first only."""
        is_open = self.conflicts.is_open(condition_id, OUTCOME)
        return is_open or not self._recorded.is_past_first_recheck(condition_id, now_ms)

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
        if self._evidence.of(condition_id) is None:
            self.schedule.wait_for(condition_id, NO_ANSWER if missed else UNKNOWN)
        transition = self.judge(condition_id, now_ms)
        # The database brings it back with its next pass, see `memory.py`.
        recorded = condition_id in self._recorded
        if not recorded and self._evidence.too_many_closed(condition_id, MOST_CLOSED):
            self._forget(condition_id)
        return transition

    # ------------------------------------------------------------------ time

    def hold_for(self, hold_s: float) -> None:
        """Set for how long sources must agree."""
        self._evidence.hold_for(hold_s)

    def clock_set(self, now_ms: int) -> None:
        """Let every hold begin again: what was observed so far is dated by a wrong clock."""
        self._evidence.clock_set(now_ms)
        self.schedule.clock_set(now_ms)

    # --------------------------------------------------------------- restart

    def restore(self, stored: StoredEvidence, now_ms: int) -> None:
        """Take over the stored evidence, so that a restart does not start the hold again.

        Observations dated later than now come from a clock that was wrong, and are
        left out. Where sources once contradicted each other the hold does start
        again: when that ended is not known.
        """
        # Of what this process has observed itself it knows better when a contradiction ended.
        ours = {each for each in stored.contradicted if self._evidence.of(each) is not None}
        for observation in stored.observations:
            known = observation.condition_id in self._recorded
            if observation.observed_at_ms <= now_ms and not known:
                self._evidence.restore(observation)
        for condition_id, state, at_ms in stored.states:
            self._states.restore(condition_id, state, at_ms)
        for condition_id, kind, pair in stored.acknowledged:
            self.conflicts.restore(condition_id, kind, (pair,))
        for condition_id in stored.contradicted:
            if condition_id not in self._recorded and condition_id not in ours:
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
            recorded = recorded_text(recheck.resolution)
            pairs = (frozenset((recorded, observed)) for _, observed in recheck.contradicted_by)
            self.conflicts.restore(condition_id, OUTCOME, pairs)
            self._states.restore(condition_id, MarketState.RECORDED, recheck.recorded_at_ms)
            self.schedule.wait_for(condition_id, RECORDED)
            self.schedule.set_due(condition_id, due_ms(recheck, now_ms))

    # ---------------------------------------------------------- observations

    def closed(self, condition_id: ConditionId, closed_ms: int | None, now_ms: int) -> None:
        """Record when this market closed, as Gamma reports it."""
        self._evidence.closed(condition_id, closed_ms, now_ms)
        if condition_id in self.schedule:
            self._note_end(condition_id, closed_ms)

    def observe(self, observation: Observation, market: Market, now_ms: int) -> Findings:
        """Take in an observation; return what follows from it."""
        condition_id = market.condition_id
        novelty = self._evidence.add(observation, market)
        new = None if novelty is Novelty.NONE else observation
        # What a source repeats is no news, final or not: a market may be stuck for years.
        final = observation.payouts is not None
        if condition_id in self._recorded:
            self._note_final(observation)
            return self._check(observation, now_ms, changed=novelty is Novelty.CHANGED)
        if final and new is not None:
            self._note_new_final(observation, market, now_ms)
        self._note_final(observation)
        if novelty is Novelty.CHANGED or (novelty is Novelty.FIRST and final):
            self.schedule.note_change(condition_id, now_ms)
        decision = self._evidence.decision(market, now_ms)
        poll_at_ms = decision.poll_at_ms if isinstance(decision, NotYet) else None
        self.schedule.expect(condition_id, poll_at_ms, now_ms)
        opened, cleared = self._mapping(observation, now_ms)
        if isinstance(decision, Conflict):
            self.schedule.wait_for(condition_id, CONTRADICTED)
            for found in outcome_contradictions(decision, observation):
                opened += self.conflicts.open(found)
            return Findings(observation=new, contradictions=opened, clearances=cleared)
        if self._evidence.stands_undisputed(condition_id, now_ms):
            cleared += self.conflicts.clear(condition_id, OUTCOME, now_ms, AGREE_AGAIN)
        if isinstance(decision, NotYet):
            self.schedule.wait_for(condition_id, decision.reason)
            return Findings(observation=new, contradictions=opened, clearances=cleared)
        resolution = self._evidence.resolution(decision, market)
        # Before the database has it: the next observation must not decide the market once more.
        self.schedule.set_due(condition_id, self._recorded.record(resolution, now_ms))
        self.schedule.wait_for(condition_id, TO_BE_STORED)
        agreed = f"{' and '.join(resolution.sources)} agree"
        transition = self._states.move(condition_id, MarketState.RECORDED, agreed, now_ms)
        return Findings(
            observation=new,
            resolution=resolution,
            slug=market.slug,
            contradictions=opened,
            clearances=cleared,
            transition=transition,
        )

    def _note_final(self, observation: Observation) -> None:
        """Let the counts of what is absent know that it is there, if it is."""
        if observation.payouts is not None:
            self.overdue.called_final(observation.condition_id, observation.source)
            self.mute.called_final(observation.condition_id, observation.source)

    def _note_new_final(self, observation: Observation, market: Market, now_ms: int) -> None:
        """Begin to count a market that a source calls final now, and did not before."""
        condition_id = market.condition_id
        self._note_end(condition_id, now_ms)
        if not self.mute.knows(condition_id):
            before = self._final(condition_id) - {observation.source}
            expected = expected_of(observation, market, public_nodes=self._public_nodes)
            self.mute.add(condition_id, expected, before)

    def _note_end(self, condition_id: ConditionId, end_ms: int | None) -> None:
        """Count that a market ended, if that is new."""
        if end_ms is not None and self.overdue.is_new(condition_id, end_ms):
            self.overdue.ended(condition_id, self._final(condition_id))

    def _final(self, condition_id: ConditionId) -> frozenset[Source]:
        """Return the sources that call this market final."""
        evidence = self._evidence.of(condition_id)
        statements = evidence.statements if evidence is not None else ()
        resolution = self._recorded.resolution(condition_id)
        sources = {each.source for each in statements if each.payouts is not None}
        return frozenset(sources.union(resolution.sources if resolution is not None else ()))

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

    def observe_listed(self, observation: Observation, market: Market, now_ms: int) -> Findings:
        """Take in what a listing shows of a market; make it due when that is news.

        One with a resolution is due when the listing contradicts it.
        """
        findings = self.observe(observation, market, now_ms)
        recorded = market.condition_id in self._recorded
        if findings.contradictions if recorded else findings.observation is not None:
            self.schedule.make_due(market.condition_id, now_ms)
        return findings

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

    def unproven(self, condition_id: ConditionId, now_ms: int) -> None:
        """Collect the evidence on a market again: the database has not all of what decided it."""
        self._recorded.discard(condition_id)
        self._evidence.remove(condition_id)
        self._states.remove(condition_id)
        self.schedule.wait_for(condition_id, CONFIRMING)
        self.schedule.make_due(condition_id, now_ms)

    def stored(self, condition_id: ConditionId) -> None:
        """Record that the database has the resolution of this market."""
        self._recorded.mark_stored(condition_id)
        self.schedule.wait_for(condition_id, RECORDED)

    def _forget(self, condition_id: ConditionId) -> None:
        self.schedule.remove(condition_id)
        self._evidence.remove(condition_id)
        self._states.remove(condition_id)
        self.conflicts.remove(condition_id)

    def _set_next_recheck(self, condition_id: ConditionId, now_ms: int) -> None:
        """Set when a resolution is checked again; after the last time forget its market."""
        next_ms = self._recorded.next_recheck_ms(condition_id, now_ms, self.horizon_ms)
        if self.conflicts.is_open(condition_id, OUTCOME):
            # Until its sources agree again, or it is plain that they do not.
            self.schedule.put_off(condition_id, now_ms)
            self.schedule.expect(condition_id, next_ms, now_ms)
        elif next_ms is not None:
            self.schedule.set_due(condition_id, next_ms)
        elif self._recorded.is_stored(condition_id):
            self._forget(condition_id)
            self._recorded.remove(condition_id)
        else:
            # Not stored yet, so the database could not bring it back for its next recheck.
            self.schedule.put_off(condition_id, now_ms)
