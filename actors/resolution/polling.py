"""One look at some due markets, at all sources, one question at a time.

Gamma is asked first, for the closed ones and then for the open ones, since it
gives only those it is asked for; then the Data API, the chain, and the CLOB,
which takes one market a question: it is asked about every market that another
source calls final, and about a few of the others that have ended. Of a verdict
that was looked at before it is not asked again.
"""

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import msgspec

from actors.model.chunks import chunks
from actors.model.market import Market
from actors.model.outcome import Observation, Source
from actors.model.trade import ConditionId
from actors.polymarket import chain, clob, data_api, gamma
from actors.polymarket.pagination import Pagination, resolved, spellings
from actors.polymarket.ports import Chain, Sources

LOOK_IDS = 100
GAMMA_IDS = 50
DATA_IDS = 20
CHAIN_IDS = 20
CLOB_EXTRA = 5


class Ask(msgspec.Struct, frozen=True):
    """Ask this source about these markets; `closed` is for Gamma alone."""

    source: Source
    ids: tuple[ConditionId, ...]
    closed: bool = False


Answer = Sequence[bytes | chain.Facts]
"""Objects as the source gave them; of the chain, the facts about each id asked."""


def read(
    ask: Ask, answer: Answer, markets: Mapping[ConditionId, Market], at_ms: int
) -> tuple[Observation, ...]:
    """Return what an answer says of the markets that were asked for; strangers say nothing.

    Args:
        ask: The question.
        answer: What the source answered.
        markets: Those that were asked for, by condition id.
        at_ms: Wall clock, milliseconds since 1970.
    """
    if ask.source is Source.CHAIN:
        facts = (each for each in answer if isinstance(each, chain.Facts))
        return tuple(
            chain.observe(found, markets[each], at_ms)
            for each, found in zip(ask.ids, facts, strict=False)
        )
    raws = _raws(answer)
    if ask.source is Source.DATA:
        return data_api.observe_all(raws, markets, at_ms)
    if ask.source is Source.GAMMA:
        named = ((gamma.condition_of(raw), raw) for raw in raws)
        return tuple(
            gamma.observe(raw, market, at_ms)
            for each, raw in named
            if each is not None and (market := markets.get(each)) is not None
        )
    return tuple(
        clob.observe(raw, markets[each], at_ms) for each, raw in zip(ask.ids, raws, strict=False)
    )


def _raws(answer: Answer) -> tuple[bytes, ...]:
    return tuple(each for each in answer if isinstance(each, bytes))


def closings(ask: Ask, answer: Answer) -> tuple[tuple[ConditionId, int | None], ...]:
    """Return (condition id, time of closing in ms) as Gamma tells it of closed markets."""
    if ask.source is not Source.GAMMA or not ask.closed:
        return ()
    named = ((gamma.condition_of(raw), raw) for raw in _raws(answer))
    asked = set(ask.ids)
    return tuple(
        (each, gamma.resolved_at_ms(raw))
        for each, raw in named
        if each is not None and each in asked
    )


class PollRound:
    """What is still to be asked in this look.

    Attributes:
        markets: Those that are looked at, by condition id.
    """

    def __init__(
        self,
        markets: Iterable[Market],
        *,
        ended: Sequence[ConditionId],
        with_chain: bool,
        checked: Container[ConditionId] = (),
    ) -> None:
        self.markets = {market.condition_id: market for market in markets}
        ids = tuple(self.markets)
        old = tuple(each for each in ids if self.markets[each].version == "v1")
        self._ended = ended
        self._checked = checked
        self._final: dict[ConditionId, None] = {}
        self._heard: set[ConditionId] = set()
        self._unanswered: set[ConditionId] = set()
        self._clob_asked = False
        self._asks: deque[Ask] = deque(
            Ask(Source.GAMMA, chunk, closed=True) for chunk in chunks(ids, GAMMA_IDS)
        )
        self._asks.extend(Ask(Source.DATA, chunk) for chunk in chunks(ids, DATA_IDS))
        if with_chain:  # V2 markets do not live on that contract
            self._asks.extend(Ask(Source.CHAIN, chunk) for chunk in chunks(old, CHAIN_IDS))

    def next(self, able: Callable[[Source], bool]) -> Ask | None:
        """Return the next question to a source that is able to answer; None ends the look."""
        while True:
            if not self._asks and not self._clob_asked:
                self._clob_asked = True
                self._asks.extend(Ask(Source.CLOB, (each,)) for each in self._for_clob())
            if not self._asks:
                return None
            ask = self._asks.popleft()
            if able(ask.source):
                return ask
            self.unanswered(ask)

    @property
    def head(self) -> Source | None:
        """Return the source of the next question, or None when that is not known yet."""
        return self._asks[0].source if self._asks else None

    def heard(self, ask: Ask, observations: Iterable[Observation]) -> None:
        """Take in the answer to a question: who is final, and whom Gamma did not find."""
        found = set()
        for observation in observations:
            self._heard.add(observation.condition_id)
            found.add(observation.condition_id)
            if observation.payouts is not None:
                self._final[observation.condition_id] = None
        if ask.source is Source.GAMMA and ask.closed:
            rest = tuple(each for each in ask.ids if each not in found)
            if rest:
                self._asks.appendleft(Ask(Source.GAMMA, rest))

    def unanswered(self, ask: Ask) -> None:
        """Note that a question was not answered."""
        self._unanswered.update(ask.ids)

    @property
    def missed(self) -> frozenset[ConditionId]:
        """Return the markets of which nothing was heard because a source did not answer."""
        return frozenset(self._unanswered - self._heard)

    def _for_clob(self) -> tuple[ConditionId, ...]:
        others = [each for each in self._ended if each not in self._final]
        asked = (*self._final, *others[:CLOB_EXTRA])
        return tuple(each for each in asked if each not in self._checked)


def ask_sources(ask: Ask, sources: Sources, chain: Chain | None) -> Answer:
    """Put a question to the source that it is for; give the answer. Blocks as long as that."""
    if ask.source is Source.GAMMA:
        return sources.markets_by_condition(spellings(ask.ids), closed=ask.closed)
    if ask.source is Source.DATA:
        return sources.resolutions(ask.ids)
    if ask.source is Source.CHAIN and chain is not None:
        return chain.payouts(ask.ids)
    found = sources.clob_market(ask.ids[0])
    return () if found is None else (found,)


# MERGED: Which markets resolved lately, read off Gamma's listing of resolved markets.
# Gamma has no `closed since` filter, so the listing is walked from the latest closing back to
# where it is known. It only names markets to look at: a market that closed long before it
# resolved stands further back, and is found by its own schedule. `now` is monotonic seconds,
# `*_ms` wall clock.


OVERLAP_MS = 600_000


class RecentlyResolved:
    """The walk through the latest closings.

    Attributes:
        walk: Under way, or None.
    """

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._due_at = 0.0
        self._known_ms: int | None = None
        self._latest_ms = 0
        self.walk: Pagination | None = None

    def tick(self, now: float, wall_ms: int) -> None:
        """Begin a walk when one is due. What closed before the first is left to the schedule."""
        if self._known_ms is None:
            self._known_ms = self._latest_ms = wall_ms
        if self.walk is None and now >= self._due_at:
            self.walk = resolved()
            self._due_at = now + self._poll_s

    def read(
        self, rows: Iterable[tuple[ConditionId | None, int | None]], wall_ms: int
    ) -> tuple[ConditionId, ...]:
        """Take in a page as (condition id, time of closing); give the markets to look at."""
        page = tuple(rows)
        closings = [closed_ms for _, closed_ms in page if closed_ms is not None]
        told = [closed_ms for closed_ms in closings if closed_ms <= wall_ms]
        # A clock that was ahead and is set back has left both in the future.
        self._latest_ms = max([min(self._latest_ms, wall_ms), *told])
        known_ms = min(self._known_ms or 0, wall_ms) - OVERLAP_MS
        if self.walk is not None and (
            self.walk.finished or not closings or min(closings) < known_ms
        ):
            self.walk = None
            self._known_ms = self._latest_ms
        return tuple(
            condition_id
            for condition_id, closed_ms in page
            if condition_id is not None and (closed_ms is None or closed_ms >= known_ms)
        )

    def failed(self) -> None:
        """Give this walk up; the next one begins from the same mark."""
        self.walk = None
