"""The cases: from what the sources say to what is told, and when the market is heard again.

All times are wall clock milliseconds since 1970, passed in.
"""

from collections.abc import Container, Iterable
from enum import Enum

import msgspec

from actors.model.market import Market
from actors.model.outcome import (
    DISPUTED,
    PROPOSED,
    Contradiction,
    MarketState,
    Observation,
    Recheck,
    Resolution,
    StoredEvidence,
    Transition,
)
from actors.model.trade import ConditionId
from actors.resolution import recheck
from actors.resolution.quorum import (
    CONFIRMING,
    HOLDING,
    Conflict,
    Decision,
    NotYet,
    SourceRecord,
    Split,
    Winner,
    judge,
    settle,
)
from actors.resolution.recheck import RecordedResolutions
from actors.resolution.schedule import Schedule

CONTRADICTED = "sources contradict each other"
TO_BE_STORED = "verdict to be stored"
RECORDED = "recorded"


# MERGED: where a market stands on its way to a verdict, and each step of
# that way. open → ended → proposed ⇄ disputed → agreed-holding → recorded, with conflict beside
# all of them. Steps may be left out, and a source that takes its word back leads back. The
# table stands in docs/explanation/resolutions.md.
CLOSED = frozenset({"closed without status", "prices not final", "no winner flag"})


# MERGED: What the sources have said of the markets that wait, and what follows from it.
# Times are wall clock milliseconds since 1970, passed in.


OLDEST_MS = 1_577_836_800_000  # 2020-01-01: nothing resolved before


class Novelty(Enum):
    """Whether a source says something that it has not said last."""

    NONE = 0
    FIRST = 1
    CHANGED = 2


class EvidenceBook:
    """The record about each market that was looked at."""

    def __init__(self, hold_s: float) -> None:
        self._hold_ms = int(hold_s * 1000)
        self._records: dict[ConditionId, SourceRecord] = {}
        self._closed_ms: dict[ConditionId, int] = {}
        self._clashes: dict[ConditionId, str] = {}

    def hear(self, observation: Observation) -> Novelty:
        """Take in what a source says; tell whether it has said so before."""
        condition_id = observation.condition_id
        known = self._records.get(condition_id) or SourceRecord(condition_id=condition_id)
        self._records[condition_id] = known.hear(observation)
        said = [word for word in known.words if word.source is observation.source]
        if not said:
            return Novelty.FIRST
        payouts = None if observation.payouts is None else frozenset(observation.payouts)
        same = (said[0].payouts, said[0].reason) == (payouts, observation.reason)
        return Novelty.NONE if same else Novelty.CHANGED

    def remember(self, observation: Observation) -> None:
        """Take in what a source said last to an earlier life."""
        condition_id = observation.condition_id
        known = self._records.get(condition_id) or SourceRecord(condition_id=condition_id)
        self._records[condition_id] = known.recall(observation)

    def clashed(self, condition_id: ConditionId, now_ms: int) -> None:
        """Note that sources contradicted each other in an earlier life: the hold starts anew."""
        known = self._records.get(condition_id) or SourceRecord(condition_id=condition_id)
        clash_ms = max(known.clash_ms, now_ms)
        self._records[condition_id] = msgspec.structs.replace(known, clash_ms=clash_ms)

    def record(self, condition_id: ConditionId) -> SourceRecord | None:
        """Return what was said of this market, or None when nobody was asked."""
        return self._records.get(condition_id)

    def dated(self, condition_id: ConditionId, closed_ms: int | None, now_ms: int) -> None:
        """Note when a market closed as a source tells it; an impossible time is not believed."""
        if closed_ms is not None and OLDEST_MS <= closed_ms <= now_ms:
            self._closed_ms[condition_id] = closed_ms

    def verdict(self, market: Market, now_ms: int) -> Decision:
        """Return the verdict as it stands."""
        record = self._records.get(market.condition_id)
        if record is None:
            return NotYet(reason="no source knows it")
        return judge(record, market, now_ms=now_ms, hold_ms=self._hold_ms)

    def resolution(self, verdict: Winner | Split, market: Market) -> Resolution:
        """Return what is to be recorded, dated by Gamma or by the first final word."""
        told_ms = self._closed_ms.get(market.condition_id)
        if told_ms is None:
            words = self._records[market.condition_id].words
            told_ms = min(word.since_ms for word in words if word.payouts is not None)
        return settle(verdict, market, resolved_at_ms=told_ms)

    def clash(self, conflict: Conflict, observation: Observation) -> Contradiction | None:
        """Return the contradiction between the last speaker and the others, once for each."""
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
        self._records.pop(condition_id, None)
        self._closed_ms.pop(condition_id, None)
        self._clashes.pop(condition_id, None)


def stands(verdict: Decision, record: SourceRecord | None, *, ended: bool) -> MarketState:
    """Return where a market stands by what is said of it.

    Args:
        verdict: As it is now.
        record: What it rests on; None when nobody was asked.
        ended: The planned end of trading is over.
    """
    if isinstance(verdict, Conflict):
        return MarketState.CONFLICT
    if not isinstance(verdict, NotYet):
        return MarketState.RECORDED
    if verdict.reason in (HOLDING, CONFIRMING):
        return MarketState.HOLDING
    words = record.words if record else ()
    reasons = {word.reason for word in words}
    if reasons & DISPUTED:
        return MarketState.DISPUTED
    if reasons & PROPOSED:
        return MarketState.PROPOSED
    told = any(word.payouts is not None for word in words) or bool(reasons & CLOSED)
    return MarketState.ENDED if ended or told else MarketState.OPEN


class MarketStates:
    """Where each market stood last. Those that are open need no room."""

    def __init__(self) -> None:
        self._last: dict[ConditionId, tuple[MarketState, int]] = {}

    def of(self, condition_id: ConditionId) -> MarketState:
        """Return where a market stands."""
        return self._last.get(condition_id, (MarketState.OPEN, 0))[0]

    def remember(self, condition_id: ConditionId, standing: MarketState, at_ms: int) -> None:
        """Take over from an earlier life; what was seen in this one counts more."""
        self._last.setdefault(condition_id, (standing, at_ms))

    def move(
        self, condition_id: ConditionId, standing: MarketState, reason: str, now_ms: int
    ) -> Transition | None:
        """Note where a market stands now; give the transition if that is elsewhere."""
        before, last_ms = self._last.get(condition_id, (MarketState.OPEN, 0))
        if standing is before:
            return None
        at_ms = max(now_ms, last_ms + 1)  # two steps may fall into one millisecond
        self._last[condition_id] = (standing, at_ms)
        return Transition(
            condition_id=condition_id,
            at_ms=at_ms,
            before=before,
            standing=standing,
            reason=reason,
        )

    def forget(self, condition_id: ConditionId) -> None:
        """Let go of a market."""
        self._last.pop(condition_id, None)


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from one observation.

    Attributes:
        evidence: The observation, when its source did not say the same before.
        resolution: The verdict, when this observation brought it.
        contradiction: When the source contradicts another one or the verdict.
        transition: When the market was decided by it, or contradicted after that.
    """

    evidence: Observation | None = None
    resolution: Resolution | None = None
    contradiction: Contradiction | None = None
    transition: Transition | None = None


class CaseBook:
    """The markets without a verdict, and those with one that are looked at again soon.

    Attributes:
        schedule: When each of them is due.
        horizon_ms: Until when it is known which verdicts fall due for another look.
    """

    def __init__(self, *, poll_s: float, hold_s: float) -> None:
        self.schedule = Schedule(poll_s)
        self._evidence = EvidenceBook(hold_s)
        self._archive = RecordedResolutions()
        self._standings = MarketStates()
        self._look_at: dict[ConditionId, int] = {}
        self.horizon_ms = 0

    def remember(self, said: StoredEvidence, now_ms: int) -> None:
        """Take over what earlier lives heard last, so that no hold begins anew for a restart.

        Words that are dated later than now come from a clock that was wrong, and
        are left out. Where sources once contradicted each other, the hold does
        begin anew: when that ended is not known.
        """
        for word in said.observations:
            if word.observed_at_ms <= now_ms and word.condition_id not in self._archive:
                self._evidence.remember(word)
        for condition_id, standing, at_ms in said.standings:
            self._standings.remember(condition_id, standing, at_ms)
        for condition_id in said.contradicted:
            if condition_id not in self._archive:
                self._evidence.clashed(condition_id, now_ms)

    def recheck(self, verdicts: Iterable[Recheck], now_ms: int) -> None:
        """Take back verdicts of which another look falls due."""
        for each in verdicts:
            condition_id = each.resolution.condition_id
            if condition_id in self._archive or not each.market.assets:
                continue
            self.schedule.add(each.market, now_ms)
            self._archive.remember(each.resolution, each.recorded_at_ms, frozenset(each.told))
            self._standings.remember(condition_id, MarketState.RECORDED, each.recorded_at_ms)
            self.schedule.wait_for(condition_id, RECORDED)
            self.schedule.postpone(condition_id, recheck.when(each, now_ms))

    def checked(self, condition_ids: Iterable[ConditionId], now_ms: int) -> frozenset[ConditionId]:
        """Return those of which the verdict has been looked at before."""
        return frozenset(each for each in condition_ids if self._archive.is_old(each, now_ms))

    def admit(self, markets: Iterable[Market], now_ms: int) -> tuple[ConditionId, ...]:
        """Wait for these markets; give those whose verdict is stored already."""
        known = []
        for market in markets:
            if self._archive.is_stored(market.condition_id):
                known.append(market.condition_id)
            else:
                self.schedule.add(market, now_ms)
        return tuple(known)

    def call(self, condition_id: ConditionId, now_ms: int) -> None:
        """Hear this market now, because the feed says that it resolved."""
        self.schedule.hint(condition_id, now_ms)

    def call_unresolved(self, condition_id: ConditionId, now_ms: int) -> None:
        """Hear this market now, unless it has its verdict."""
        if condition_id not in self._archive:
            self.schedule.hint(condition_id, now_ms)

    def date(self, condition_id: ConditionId, closed_ms: int | None, now_ms: int) -> None:
        """Note when this market closed, as Gamma tells it."""
        self._evidence.dated(condition_id, closed_ms, now_ms)

    def hear(self, observation: Observation, market: Market, now_ms: int) -> Heard:
        """Hear a source; give what is to be told."""
        novelty = self._evidence.hear(observation)
        evidence = None if novelty is Novelty.NONE else observation
        if novelty is Novelty.CHANGED or observation.payouts is not None:
            self.schedule.news(market.condition_id, now_ms)
        if market.condition_id in self._archive:
            return self._hear_again(observation, now_ms, news=novelty is Novelty.CHANGED)
        verdict = self._evidence.verdict(market, now_ms)
        self._look_at.pop(market.condition_id, None)
        if isinstance(verdict, NotYet):
            self._adjourn(market.condition_id, verdict)
            return Heard(evidence=evidence)
        if isinstance(verdict, Conflict):
            self.schedule.wait_for(market.condition_id, CONTRADICTED)
            clash = self._evidence.clash(verdict, observation)
            return Heard(evidence=evidence, contradiction=clash)
        resolution = self._evidence.resolution(verdict, market)
        self._archive.record(resolution, now_ms)
        self.schedule.wait_for(market.condition_id, TO_BE_STORED)
        agreed = f"{' and '.join(resolution.sources)} agree"
        step = self._standings.move(market.condition_id, MarketState.RECORDED, agreed, now_ms)
        return Heard(evidence=evidence, resolution=resolution, transition=step)

    def _hear_again(self, observation: Observation, now_ms: int, *, news: bool) -> Heard:
        """Hear a source of a recorded verdict: only what is new since, or contradicts, is kept."""
        found = self._archive.check(observation)
        step = None
        if found is not None:
            reason = f"{found.source} says {found.observed}"
            step = self._standings.move(found.condition_id, MarketState.CONFLICT, reason, now_ms)
        evidence = observation if news or found is not None else None
        return Heard(evidence=evidence, contradiction=found, transition=step)

    def rise(
        self,
        markets: Iterable[Market],
        now_ms: int,
        *,
        missed: Container[ConditionId] = (),
    ) -> tuple[Transition, ...]:
        """End a look at these markets: set when each is due again, those that were missed soon.

        Gives the markets that stand elsewhere than before it.
        """
        steps = []
        for market in markets:
            condition_id = market.condition_id
            if condition_id in self._archive:
                self._watch(condition_id, now_ms)
                continue
            look_at_ms = self._look_at.pop(condition_id, None)
            if condition_id in missed:
                look_at_ms = now_ms
            self.schedule.later(condition_id, now_ms, look_at_ms=look_at_ms)
            steps.append(self._step(market, now_ms))
        return tuple(step for step in steps if step is not None)

    def _step(self, market: Market, now_ms: int) -> Transition | None:
        verdict = self._evidence.verdict(market, now_ms)
        standing = stands(
            verdict,
            self._evidence.record(market.condition_id),
            ended=self.schedule.ended(market.condition_id, now_ms),
        )
        if standing is MarketState.RECORDED:
            return None  # the next look tells the verdict
        reason = verdict.reason if isinstance(verdict, NotYet | Conflict) else ""
        return self._standings.move(market.condition_id, standing, reason, now_ms)

    def stored(self, condition_id: ConditionId) -> None:
        """Note that the database has this verdict."""
        self._archive.stored(condition_id)
        self.schedule.wait_for(condition_id, RECORDED)

    def pending(self, limit: int) -> tuple[tuple[str, int], ...]:
        """Return (reason, markets without a stored verdict that wait for it)."""
        counts = self.schedule.pending(limit + 1)
        return tuple(count for count in counts if count[0] != RECORDED)[:limit]

    def _adjourn(self, condition_id: ConditionId, verdict: NotYet) -> None:
        self.schedule.wait_for(condition_id, verdict.reason)
        if verdict.look_at_ms is not None:
            self._look_at[condition_id] = verdict.look_at_ms

    def _watch(self, condition_id: ConditionId, now_ms: int) -> None:
        """Set the next look at a verdict; the last one lets the market go."""
        next_ms = self._archive.looked(condition_id, now_ms, self.horizon_ms)
        if next_ms is not None:
            self.schedule.postpone(condition_id, next_ms)
        elif self._archive.is_stored(condition_id):
            self.schedule.drop(condition_id)
            self._evidence.forget(condition_id)
            self._archive.forget(condition_id)
            self._standings.forget(condition_id)
        else:
            self.schedule.later(condition_id, now_ms)
