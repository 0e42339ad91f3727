"""What to ask the sources: rounds of requests about due markets, and the closings.

`PollRound` gives the requests about some due markets, one at a time, and takes in
what they brought. `RecentlyClosed` names further markets to poll, from Gamma's
listing of closed markets. `send` and `read_answer` translate a request into a
call of its source and the answer into observations.
"""

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import msgspec

from actors.errors import PayloadRejected, SourceUnavailable
from actors.model.conversion import chunks
from actors.model.market import Market, Observation, Source
from actors.model.trade import ConditionId
from actors.polymarket import chain, clob, data_api, gamma
from actors.polymarket.listings import closings, spellings
from actors.polymarket.pagination import Pagination, Route, is_answer
from actors.polymarket.sources import (
    MAX_CHAIN_CONDITIONS,
    MAX_DATA_IDS,
    MAX_GAMMA_MARKETS,
    Chain,
    Sources,
)

ROUND_MARKETS = 100
CLOB_EXTRA = 5
"""Markets of a round that have ended, of which the CLOB is asked though no source is final."""
OVERLAP_MS = 600_000
"""How far behind the latest known closing the listing of closings is read."""


class Request(msgspec.Struct, frozen=True):
    """One request to a source about these markets.

    Attributes:
        closed: Gamma only: ask for closed markets instead of open ones.
    """

    source: Source
    ids: tuple[ConditionId, ...]
    closed: bool = False


Answer = Sequence[bytes | chain.ChainFacts]
"""Objects as the source sent them; from the chain, the facts about each id."""


def send(request: Request, sources: Sources, contract: Chain | None) -> Answer:
    """Send a request to its source and return the answer. Blocks until it arrives.

    Raises:
        SourceUnavailable: No usable answer.
        PayloadRejected: The answer has another shape.
    """
    if request.source is Source.GAMMA:
        return sources.markets_by_condition(spellings(request.ids), closed=request.closed)
    if request.source is Source.DATA:
        return sources.resolutions(request.ids)
    if request.source is Source.CHAIN and contract is not None:
        return contract.payouts(request.ids)
    found = sources.clob_market(request.ids[0])
    return () if found is None else (found,)


def read_answer(
    request: Request,
    answer: Answer,
    markets: Mapping[ConditionId, Market],
    at_ms: int,
    *,
    age_ms: int = 0,
) -> tuple[Observation, ...]:
    """Return the observations of an answer; what it holds on other markets is ignored.

    Args:
        request: That was answered.
        answer: That the source sent.
        markets: Those of the request, by condition id.
        at_ms: Wall clock, milliseconds since 1970.
        age_ms: How old the answer was when it arrived, in milliseconds; 0 without a cache.
    """
    found = _observations(request, answer, markets, at_ms)
    if not age_ms:
        return found
    made_at_ms = at_ms - age_ms
    return tuple(msgspec.structs.replace(each, generated_at_ms=made_at_ms) for each in found)


def _observations(
    request: Request, answer: Answer, markets: Mapping[ConditionId, Market], at_ms: int
) -> tuple[Observation, ...]:
    if request.source is Source.CHAIN:
        facts = (each for each in answer if isinstance(each, chain.ChainFacts))
        return tuple(
            chain.observe(found, markets[each], at_ms)
            for each, found in zip(request.ids, facts, strict=False)
        )
    objects = _json_objects(answer)
    if request.source is Source.DATA:
        return data_api.observe(objects, markets, at_ms)
    if request.source is Source.GAMMA:
        named = ((gamma.condition_of(raw), raw) for raw in objects)
        return tuple(
            gamma.observe(raw, market, at_ms)
            for each, raw in named
            if each is not None and (market := markets.get(each)) is not None
        )
    return tuple(
        clob.observe(raw, markets[each], at_ms)
        for each, raw in zip(request.ids, objects, strict=False)
    )


def closing_times(request: Request, answer: Answer) -> tuple[tuple[ConditionId, int | None], ...]:
    """Return (condition id, closing time in ms) that Gamma reports of closed markets."""
    if request.source is not Source.GAMMA or not request.closed:
        return ()
    named = ((gamma.condition_of(raw), raw) for raw in _json_objects(answer))
    asked = set(request.ids)
    return tuple(
        (each, gamma.resolved_at_ms(raw))
        for each, raw in named
        if each is not None and each in asked
    )


def _json_objects(answer: Answer) -> tuple[bytes, ...]:
    return tuple(each for each in answer if isinstance(each, bytes))


class PollRound:
    """The requests about some due markets: each source is asked about each of them.

    Gamma is asked first, for the closed markets and then for those that it did not
    find among them; then the Data API, the chain, and the CLOB. The CLOB takes one
    market a request, so it is asked about every market that another source calls
    final, and about a few of the others that have ended.

    Attributes:
        markets: Those of this round, by condition id.

    Args:
        markets: Those of this round.
        ended: Those of them whose planned end is over.
        with_chain: Whether the chain is asked.
        without_clob: Those about which the CLOB is not asked.
    """

    def __init__(
        self,
        markets: Iterable[Market],
        *,
        ended: Sequence[ConditionId],
        with_chain: bool,
        without_clob: Container[ConditionId] = (),
    ) -> None:
        self.markets = {market.condition_id: market for market in markets}
        ids = tuple(self.markets)
        v1_ids = tuple(each for each in ids if self.markets[each].version == "v1")
        self._ended = ended
        self._without_clob = without_clob
        self._final: dict[ConditionId, None] = {}
        self._observed: set[ConditionId] = set()
        self._unanswered: set[ConditionId] = set()
        self._clob_planned = False
        # Closed ones first: Gamma lists either open or closed markets, and open ones when it is not
        # told (since April 2026, for look-ups by id too).
        self._requests: deque[Request] = deque(
            Request(Source.GAMMA, chunk, closed=True) for chunk in chunks(ids, MAX_GAMMA_MARKETS)
        )
        self._requests.extend(Request(Source.DATA, chunk) for chunk in chunks(ids, MAX_DATA_IDS))
        if with_chain:  # V2 markets are not on that contract
            self._requests.extend(
                Request(Source.CHAIN, chunk) for chunk in chunks(v1_ids, MAX_CHAIN_CONDITIONS)
            )

    def next(self, is_able: Callable[[Source], bool]) -> Request | None:
        """Return the next request to a source that is able to answer; None ends the round."""
        while True:
            if not self._requests and not self._clob_planned:
                self._clob_planned = True
                self._requests.extend(Request(Source.CLOB, (each,)) for each in self._for_clob())
            if not self._requests:
                return None
            request = self._requests.popleft()
            if is_able(request.source):
                return request
            self.unanswered(request)

    @property
    def next_source(self) -> Source | None:
        """Return the source of the next request, or None when that is not known yet."""
        return self._requests[0].source if self._requests else None

    def answered(self, request: Request, observations: Iterable[Observation]) -> None:
        """Take in an answer: which markets are final, and which Gamma did not find."""
        found = set()
        for observation in observations:
            self._observed.add(observation.condition_id)
            found.add(observation.condition_id)
            if observation.payouts is not None:
                self._final[observation.condition_id] = None
        if request.source is Source.GAMMA and request.closed:
            rest = tuple(each for each in request.ids if each not in found)
            if rest:
                self._requests.appendleft(Request(Source.GAMMA, rest))

    def failed(self, request: Request, failure: SourceUnavailable | PayloadRejected) -> None:
        """Record that a request failed; ask for each half next when one market may be why."""
        if len(request.ids) == 1 or not is_answer(failure):
            self.unanswered(request)
            return
        middle = len(request.ids) // 2
        for ids in (request.ids[middle:], request.ids[:middle]):
            self._requests.appendleft(msgspec.structs.replace(request, ids=ids))

    def unanswered(self, request: Request) -> None:
        """Record that a request was not answered."""
        self._unanswered.update(request.ids)

    @property
    def missed(self) -> frozenset[ConditionId]:
        """Return the markets without any observation because a source did not answer."""
        return frozenset(self._unanswered - self._observed)

    def _for_clob(self) -> tuple[ConditionId, ...]:
        others = [each for each in self._ended if each not in self._final]
        asked = (*self._final, *others[:CLOB_EXTRA])
        return tuple(each for each in asked if each not in self._without_clob)


class RecentlyClosed:
    """The pass through Gamma's listing of closed markets, from the latest closing back.

    Gamma has no filter `closed since`, so each pass reads back to where the listing
    is known. It only names markets to poll: a market that closed long before it
    resolved is further back in the listing, and is found by its own schedule.

    Old markets have no closing time. Should they come first, and hide the others, only those that
    UMA has resolved are listed from then on: these have one.

    Attributes:
        listing: The pass that is under way, or None.

    Args:
        poll_s: Seconds between two passes.
    """

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._due_at = 0.0
        self._avoid: tuple[Route, ...] = ()
        self._passes = 0
        self._resolved_only = False
        self._known_ms: int | None = None
        self._latest_ms = 0
        self.listing: Pagination | None = None

    def tick(self, now: float, wall_ms: int) -> None:
        """Begin a pass when one is due. What closed before the first is left to the schedule.

        Args:
            now: Monotonic seconds.
            wall_ms: Wall clock, milliseconds since 1970.
        """
        if self._known_ms is None:
            self._known_ms = self._latest_ms = wall_ms
        if self.listing is None and now >= self._due_at:
            self.listing = closings(
                turn=self._passes, avoid=self._avoid, resolved_only=self._resolved_only
            )
            self._passes += 1
            self._due_at = now + self._poll_s

    def add_page(
        self, rows: Iterable[tuple[ConditionId | None, int | None]], wall_ms: int
    ) -> tuple[ConditionId, ...]:
        """Take in a page as (condition id, closing time in ms); return the markets to poll."""
        page = tuple(rows)
        times_ms = [closed_ms for _, closed_ms in page if closed_ms is not None]
        past_ms = [closed_ms for closed_ms in times_ms if closed_ms <= wall_ms]
        self._resolved_only |= bool(page) and not times_ms
        # A clock that was ahead and is set back has left both in the future.
        self._latest_ms = max([min(self._latest_ms, wall_ms), *past_ms])
        known_ms = min(self._known_ms or 0, wall_ms) - OVERLAP_MS
        if self.listing is not None and (
            self.listing.finished or not times_ms or min(times_ms) < known_ms
        ):
            self.listing = None
            # Only at the end of a pass: one that failed has read the newest pages
            # and nothing behind them.
            self._known_ms = self._latest_ms
        return tuple(
            condition_id
            for condition_id, closed_ms in page
            if condition_id is not None and (closed_ms is None or closed_ms >= known_ms)
        )

    def failed(self) -> None:
        """Abandon this pass; the next one reads as far back, by the other route."""
        if self.listing is not None:
            self._avoid = (self.listing.route,)
        self.listing = None
