"""The court: from what the sources say to what is told, and when the market is heard again.

All times are wall clock milliseconds since 1970, passed in.
"""

from collections.abc import Container, Iterable

import msgspec

from actors.model.market import Market
from actors.model.trade import ConditionId
from actors.resolution import rechecks
from actors.resolution.evidence import Observation
from actors.resolution.hearing import Hearing, Novelty
from actors.resolution.quorum import Conflict, Contradiction, NotYet, Resolution
from actors.resolution.recheck import Archive
from actors.resolution.rechecks import Recheck
from actors.resolution.schedule import Docket
from actors.resolution.standing import LastWords, Standing, Standings, Transition, stands

CONTRADICTED = "sources contradict each other"
TO_BE_STORED = "verdict to be stored"
RECORDED = "recorded"


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


class Court:
    """The markets without a verdict, and those with one that are looked at again soon.

    Attributes:
        docket: When each of them is due.
        horizon_ms: Until when it is known which verdicts fall due for another look.
    """

    def __init__(self, *, poll_s: float, hold_s: float) -> None:
        self.docket = Docket(poll_s)
        self._hearing = Hearing(hold_s)
        self._archive = Archive()
        self._standings = Standings()
        self._look_at: dict[ConditionId, int] = {}
        self.horizon_ms = 0

    def remember(self, said: LastWords, now_ms: int) -> None:
        """Take over what earlier lives heard last, so that no hold begins anew for a restart.

        Words that are dated later than now come from a clock that was wrong, and
        are left out. Where sources once contradicted each other, the hold does
        begin anew: when that ended is not known.
        """
        for word in said.observations:
            if word.observed_at_ms <= now_ms and word.condition_id not in self._archive:
                self._hearing.remember(word)
        for condition_id, standing, at_ms in said.standings:
            self._standings.remember(condition_id, standing, at_ms)
        for condition_id in said.contradicted:
            if condition_id not in self._archive:
                self._hearing.clashed(condition_id, now_ms)

    def recheck(self, verdicts: Iterable[Recheck], now_ms: int) -> None:
        """Take back verdicts of which another look falls due."""
        for each in verdicts:
            condition_id = each.resolution.condition_id
            if condition_id in self._archive or not each.market.assets:
                continue
            self.docket.add(each.market, now_ms)
            self._archive.remember(each.resolution, each.recorded_at_ms, frozenset(each.told))
            self._standings.remember(condition_id, Standing.RECORDED, each.recorded_at_ms)
            self.docket.wait_for(condition_id, RECORDED)
            self.docket.postpone(condition_id, rechecks.when(each, now_ms))

    def checked(self, condition_ids: Iterable[ConditionId], now_ms: int) -> frozenset[ConditionId]:
        """Give those of which the verdict has been looked at before."""
        return frozenset(each for each in condition_ids if self._archive.is_old(each, now_ms))

    def admit(self, markets: Iterable[Market], now_ms: int) -> tuple[ConditionId, ...]:
        """Wait for these markets; give those whose verdict is stored already."""
        known = []
        for market in markets:
            if self._archive.is_stored(market.condition_id):
                known.append(market.condition_id)
            else:
                self.docket.add(market, now_ms)
        return tuple(known)

    def call(self, condition_id: ConditionId, now_ms: int) -> None:
        """Hear this market now, because the feed says that it resolved."""
        self.docket.hint(condition_id, now_ms)

    def call_unresolved(self, condition_id: ConditionId, now_ms: int) -> None:
        """Hear this market now, unless it has its verdict."""
        if condition_id not in self._archive:
            self.docket.hint(condition_id, now_ms)

    def date(self, condition_id: ConditionId, closed_ms: int | None, now_ms: int) -> None:
        """Note when this market closed, as Gamma tells it."""
        self._hearing.dated(condition_id, closed_ms, now_ms)

    def hear(self, observation: Observation, market: Market, now_ms: int) -> Heard:
        """Hear a source; give what is to be told."""
        novelty = self._hearing.hear(observation)
        evidence = None if novelty is Novelty.NONE else observation
        if novelty is Novelty.CHANGED or observation.payouts is not None:
            self.docket.news(market.condition_id, now_ms)
        if market.condition_id in self._archive:
            return self._hear_again(observation, now_ms, news=novelty is Novelty.CHANGED)
        verdict = self._hearing.verdict(market, now_ms)
        self._look_at.pop(market.condition_id, None)
        if isinstance(verdict, NotYet):
            self._adjourn(market.condition_id, verdict)
            return Heard(evidence=evidence)
        if isinstance(verdict, Conflict):
            self.docket.wait_for(market.condition_id, CONTRADICTED)
            clash = self._hearing.clash(verdict, observation)
            return Heard(evidence=evidence, contradiction=clash)
        resolution = self._hearing.resolution(verdict, market)
        self._archive.record(resolution, now_ms)
        self.docket.wait_for(market.condition_id, TO_BE_STORED)
        agreed = f"{' and '.join(resolution.sources)} agree"
        step = self._standings.move(market.condition_id, Standing.RECORDED, agreed, now_ms)
        return Heard(evidence=evidence, resolution=resolution, transition=step)

    def _hear_again(self, observation: Observation, now_ms: int, *, news: bool) -> Heard:
        """Hear a source of a recorded verdict: only what is new since, or contradicts, is kept."""
        found = self._archive.check(observation)
        step = None
        if found is not None:
            reason = f"{found.source} says {found.observed}"
            step = self._standings.move(found.condition_id, Standing.CONFLICT, reason, now_ms)
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
            self.docket.later(condition_id, now_ms, look_at_ms=look_at_ms)
            steps.append(self._step(market, now_ms))
        return tuple(step for step in steps if step is not None)

    def _step(self, market: Market, now_ms: int) -> Transition | None:
        verdict = self._hearing.verdict(market, now_ms)
        standing = stands(
            verdict,
            self._hearing.testimony(market.condition_id),
            ended=self.docket.ended(market.condition_id, now_ms),
        )
        if standing is Standing.RECORDED:
            return None  # the next look tells the verdict
        reason = verdict.reason if isinstance(verdict, NotYet | Conflict) else ""
        return self._standings.move(market.condition_id, standing, reason, now_ms)

    def stored(self, condition_id: ConditionId) -> None:
        """Note that the database has this verdict."""
        self._archive.stored(condition_id)
        self.docket.wait_for(condition_id, RECORDED)

    def pending(self, limit: int) -> tuple[tuple[str, int], ...]:
        """Give (reason, markets without a stored verdict that wait for it)."""
        counts = self.docket.pending(limit + 1)
        return tuple(count for count in counts if count[0] != RECORDED)[:limit]

    def _adjourn(self, condition_id: ConditionId, verdict: NotYet) -> None:
        self.docket.wait_for(condition_id, verdict.reason)
        if verdict.look_at_ms is not None:
            self._look_at[condition_id] = verdict.look_at_ms

    def _watch(self, condition_id: ConditionId, now_ms: int) -> None:
        """Set the next look at a verdict; the last one lets the market go."""
        next_ms = self._archive.looked(condition_id, now_ms, self.horizon_ms)
        if next_ms is not None:
            self.docket.postpone(condition_id, next_ms)
        elif self._archive.is_stored(condition_id):
            self.docket.drop(condition_id)
            self._hearing.forget(condition_id)
            self._archive.forget(condition_id)
            self._standings.forget(condition_id)
        else:
            self.docket.later(condition_id, now_ms)
