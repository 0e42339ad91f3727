"""What to ask the sources, and what their answers mean: look-ups of markets, and the closings.

`send` and `read_answer` translate a request into a call of its source and the answer into
observations. `RecentlyClosed` reads Gamma's listing of closed markets, which names markets to
poll and is evidence itself. `queues.py` says which request is next.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import msgspec

from actors.model.market import Market, Observation, Resolution, Source
from actors.model.trade import ConditionId
from actors.polymarket import clob, data_api, gamma
from actors.polymarket.contract import chain
from actors.polymarket.listings import closings, spellings
from actors.polymarket.pagination import Pagination, Params, Route
from actors.polymarket.sources import (
    MAX_CHAIN_CONDITIONS,
    MAX_DATA_IDS,
    MAX_GAMMA_MARKETS,
    Page,
    Sources,
)
from actors.resolution.evidence import Evidence

MOST_MARKETS = {
    Source.GAMMA: MAX_GAMMA_MARKETS,
    Source.CLOB: 1,
    Source.DATA: MAX_DATA_IDS,
    Source.CHAIN: MAX_CHAIN_CONDITIONS,
}
"""Markets in one request."""
OVERLAP_MS = 600_000
"""How far behind the latest known closing the listing of closings is read."""


class Request(msgspec.Struct, frozen=True):
    """One request to a source about these markets.

    Attributes:
        closed: Gamma only: ask for closed markets instead of open ones.
        idle: It is made because the source has nothing else to do.
    """

    source: Source
    ids: tuple[ConditionId, ...]
    closed: bool = False
    idle: bool = False


class PageRequest(msgspec.Struct, frozen=True):
    """A request for one page of Gamma's listing of closings."""

    params: Params
    cursor: str | None
    route: Route
    source: Source = Source.GAMMA


Answer = Sequence[bytes | chain.ChainFacts]
"""Objects as the source sent them; from the chain, the facts about each id."""


def send(request: Request, sources: Sources) -> Answer:
    """Send a request to its source, which is not the chain; return the answer when it arrives.

    Raises:
        SourceUnavailable: No usable answer.
        PayloadRejected: The answer has another shape.
    """
    if request.source is Source.GAMMA:
        return sources.markets_by_condition(spellings(request.ids), closed=request.closed)
    if request.source is Source.DATA:
        return sources.resolutions(request.ids)
    found = sources.clob_market(request.ids[0])
    return () if found is None else (found,)


def read_page(
    page: Page, markets: Mapping[ConditionId, Market], at_ms: int, *, age_ms: int = 0
) -> tuple[Observation, ...]:
    """Return the observations of Gamma on a page of its listing; arguments as of `read_answer`."""
    return _aged(_of_gamma(page.markets, markets, at_ms), age_ms)


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
        markets: Those of the request that still wait, by condition id.
        at_ms: Wall clock when it was asked, milliseconds since 1970.
        age_ms: How old the answer was when it arrived, in milliseconds; 0 without a cache.
    """
    return _aged(_observations(request, answer, markets, at_ms), age_ms)


def _aged(found: tuple[Observation, ...], age_ms: int) -> tuple[Observation, ...]:
    if not age_ms:
        return found
    return tuple(
        msgspec.structs.replace(each, generated_at_ms=each.observed_at_ms - age_ms)
        for each in found
    )


def _observations(
    request: Request, answer: Answer, markets: Mapping[ConditionId, Market], at_ms: int
) -> tuple[Observation, ...]:
    if request.source is Source.CHAIN:
        facts = (each for each in answer if isinstance(each, chain.ChainFacts))
        return tuple(
            chain.observe(found, markets[each], at_ms)
            for each, found in zip(request.ids, facts, strict=False)
            if each in markets
        )
    objects = _json_objects(answer)
    if request.source is Source.DATA:
        return data_api.observe(objects, markets, at_ms)
    if request.source is Source.GAMMA:
        return _of_gamma(objects, markets, at_ms)
    return tuple(
        clob.observe(raw, markets[each], at_ms)
        for each, raw in zip(request.ids, objects, strict=False)
        if each in markets
    )


def _of_gamma(
    objects: Iterable[bytes], markets: Mapping[ConditionId, Market], at_ms: int
) -> tuple[Observation, ...]:
    named = ((gamma.condition_of(raw), raw) for raw in objects)
    return tuple(
        gamma.observe(raw, market, at_ms)
        for each, raw in named
        if each is not None and (market := markets.get(each)) is not None
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


class RecentlyClosed:
    """The pass through Gamma's listing of closed markets, from the latest closing back.

    Gamma has no filter `closed since`, so each pass reads back to where the listing
    is known. A market that closed long before it resolved is further back in the
    listing, and is found by its own schedule.

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

    @property
    def request(self) -> PageRequest | None:
        """Return the request for the next page of the pass that is under way."""
        listing = self.listing
        if listing is None:
            return None
        return PageRequest(params=listing.params, cursor=listing.cursor, route=listing.route)

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
        """Take in a page as (condition id, closing time in ms); return the recent ones."""
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


# ------------------------------------------------------------------ public nodes

# They serve everybody, and allow one request a second in all. So they are not asked about every
# market, but where one final answer more would decide, where final answers contradict each other,
# and once about a resolution that was recorded without the chain.
SHORT_MS = 600_000
"""So long an answer may be the only final one before the chain is asked. Most services are late by
less, and need no help."""


def may_decide(evidence: Evidence | None, *, now_ms: int) -> bool:
    """Return whether the chain is to be asked about a market that has no resolution.

    Where nothing is final yet it is not: alone, it decides nothing either.

    Args:
        evidence: On this market; None when no source has reported anything.
        now_ms: Wall clock, milliseconds since 1970.
    """
    statements = evidence.statements if evidence is not None else ()
    # What the chain itself said counts here: it may be what was wrong, and has to be asked again.
    if len({each.payouts for each in statements if each.payouts is not None}) > 1:
        return True
    final = [
        each for each in statements if each.payouts is not None and each.source is not Source.CHAIN
    ]
    if any(one.is_independent_of(other) for one, other in combinations(final, 2)):
        return False
    return any(now_ms - each.since_ms >= SHORT_MS for each in final)


def may_confirm(resolution: Resolution, *, first_recheck: bool) -> bool:
    """Return whether the chain is to be asked about a recorded resolution that is checked again."""
    return first_recheck and Source.CHAIN not in resolution.sources
