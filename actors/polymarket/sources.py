"""The HTTP sources as the actors see them: what they are asked, how much at once and how often.

`app/factory.py` hands in `polymarket/client.py`; tests hand in fakes. A call takes 20 s
at most. Every call raises `SourceUnavailable` when there is no usable answer, and
`PayloadRejected` when the answer has another shape. Who is given a source closes it.

A source is asked none too often, and not soon after it failed. The documented limits are sliding
windows of ten seconds: Gamma 300 for `/markets`, CLOB 9,000, Data API 800 (docs of 2026-04 and
2026-09). Ours are well below, since others may share our address. Seconds are monotonic and
passed in.

They hold for all trackers of a host together, which have one address: each takes an equal part
while the others are there (`RateLimit.share`). Nothing passes between them but how many there
are, so none depends on another to go on, and one that hangs holds back no more than its part.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from actors.backoff import Backoff
from actors.errors import PayloadRejected, SourceUnavailable
from actors.model.market import Source
from actors.model.trade import ConditionId
from actors.polymarket.contract.chain import ChainFacts
from actors.polymarket.pagination import Params, Route, is_answer

MAX_GAMMA_IDS = 100
"""Condition ids in one request to Gamma."""
MAX_GAMMA_MARKETS = MAX_GAMMA_IDS // 2
"""Markets in one request to Gamma: some are asked for in two spellings."""
MAX_DATA_IDS = 10
"""Condition ids in one request to the Data API: the most that both of its routes document."""
MAX_CHAIN_CONDITIONS = 20
"""Conditions in one call of the chain: 80 calls of contracts at most; nodes document no limit."""
MAX_RECEIPTS = 10
"""Transactions in one call of the chain."""
WINDOW_S = 10.0
NOTICE_S = 2.0
"""After so long all trackers of a host know that another one has come or gone."""
GAMMA_LISTINGS = 100
"""For the catalog. With a restart within ten seconds it may be used up twice."""
GAMMA_OUTCOMES = 80
CLOB = 1_000
DATA = 200
"""Each asks two routes, so that twice as many calls leave."""
AUDIT = 10
"""Pages of trades of the Data API, beside `DATA`: whoever audits is asked for last."""
CHAIN = 10
"""Calls about up to 20 conditions. A node that takes large batches gets two requests for each."""
CHAIN_REQUESTS = 20
"""To nodes of one's own, of outcomes and audits together; the client waits when a node takes small
batches."""
CHAIN_PUBLIC = 3
"""Calls when public nodes are asked: each makes up to four requests, one a second in all."""
MOST = {
    Source.GAMMA: GAMMA_OUTCOMES,
    Source.CLOB: CLOB,
    Source.DATA: DATA,
    Source.CHAIN: CHAIN,
}
"""Requests of the resolution actor in any ten seconds."""
ERROR_CHARS = 200
MOST_BAD = 8
"""So many requests in a row may be rejected before the source itself counts as failing: one bad
market is found among 50 by six halves."""


class Page(Protocol):
    """One page of a listing."""

    @property
    def markets(self) -> tuple[bytes, ...]:
        """Return the markets, each as its own JSON."""

    @property
    def next_cursor(self) -> str | None:
        """Return where the next page begins, as the server says; None when it says nothing."""


class Closable(Protocol):
    """Something that holds connections to a server."""

    def close(self) -> None:
        """Close the idle connections."""


class Gamma(Closable, Protocol):
    """The listings of Gamma."""

    @property
    def clock_offset_s(self) -> float:
        """Return the clock of the servers minus ours in seconds; 0 while it is not known."""

    @property
    def age_s(self) -> float:
        """Return how old the last answer was when it arrived, as caches tell, in seconds."""

    def take_clock_errors(self) -> int:
        """Return how many answers since the last call showed that our clock is wrong."""

    def take_old_answers(self) -> int:
        """Return how many answers since the last call came out of a cache, a second old or more."""

    def markets_page(
        self, params: Params, cursor: str | None, *, route: Route = Route.KEYSET
    ) -> Page:
        """Return one page of at most 100 markets."""

    def markets_by_condition(
        self, ids: Sequence[ConditionId], *, closed: bool
    ) -> tuple[bytes, ...]:
        """Return those of at most 100 markets that are listed as closed, or as open."""

    def try_list_form(self) -> None:
        """Ask for one market in the list form, to see whether it still answers."""


class Sources(Gamma, Protocol):
    """Gamma, CLOB and Data API."""

    @property
    def is_clock_known(self) -> bool:
        """Return whether enough answers have told the clock of the servers."""

    @property
    def max_age_s(self) -> float:
        """Return for how long caches may keep answers, in seconds; 0 while none says so."""

    def take_age_s(self) -> float:
        """Return how old the oldest answer since the last call was, in seconds."""

    def clob_market(self, condition_id: ConditionId) -> bytes | None:
        """Return a market of the CLOB, or None when the CLOB does not know it."""

    def resolutions(self, ids: Sequence[ConditionId]) -> tuple[bytes, ...]:
        """Return the rows of both routes of the Data API about at most ten markets."""


class Chain(Closable, Protocol):
    """The contracts that have the outcomes."""

    @property
    def is_public(self) -> bool:
        """Return whether its nodes are for everybody: to be asked only where it matters."""

    @property
    def at_once(self) -> int:
        """Return how many conditions to name in one call, at most 20."""

    def share(self, trackers: int) -> None:
        """Leave equal parts of the requests to the other trackers of this host."""

    def payouts(self, condition_ids: Sequence[ConditionId]) -> tuple[ChainFacts, ...]:
        """Return the facts about each of at most 20 conditions, in their order."""


# ------------------------------------------------------------------ how often


class RateLimit:
    """The requests of the last ten seconds, of which there are never more than `most`.

    The caller knows only the time of its last tick. A request made at `now` may have
    been sent at any moment before the next, later `now`, so it is dated with that one.

    Attributes:
        spent: Requests since the start.
    """

    def __init__(self, most: int) -> None:
        self.spent = 0
        self._most = most
        self._times: deque[float] = deque()
        self._undated = 0
        self._now = float("-inf")
        self._begins_at = float("-inf")
        # (when, how many trackers), as far back as requests of one that has gone still count.
        self._trackers: deque[tuple[float, int]] = deque()

    def ready(self, now: float, *, share: float = 1.0) -> bool:
        """Return whether one more request may be made, of this share of all that are allowed."""
        return now >= self._begins_at and self.recent(now) < self._part * share

    def exhaust(self, now: float) -> None:
        """Allow nothing for ten seconds: an earlier incarnation may have made all requests."""
        self._begins_at = max(self._begins_at, now + WINDOW_S)

    def share(self, trackers: int, now: float) -> None:
        """Leave equal parts to the other trackers of this host; called with every Tick.

        One that comes asks nothing before the others have kept to their smaller parts for ten
        seconds; the part of one that has gone is free when its last requests count no more.
        """
        if not self._trackers and trackers > 1:
            self._begins_at = max(self._begins_at, now + NOTICE_S + WINDOW_S)
        self._trackers.append((now, trackers))
        while now - self._trackers[0][0] >= NOTICE_S + WINDOW_S:
            self._trackers.popleft()

    @property
    def _part(self) -> int:
        most = max((count for _, count in self._trackers), default=1)
        return max(1, self._most // most)

    def spend(self, now: float) -> None:
        """Count a request."""
        self._advance(now)
        self.spent += 1
        self._undated += 1

    def recent(self, now: float) -> int:
        """Return the requests of the last ten seconds."""
        self._advance(now)
        return len(self._times) + self._undated

    def _advance(self, now: float) -> None:
        if now > self._now:
            self._times.extend([now] * self._undated)
            self._undated, self._now = 0, now
        while self._times and now - self._times[0] >= WINDOW_S:
            self._times.popleft()


class SourceBackoff:
    """The backoff of one source, and its last error.

    Each source has one client that makes one request at a time, so the delays need
    no jitter, and one answer is enough to end the failures.

    Attributes:
        error: What went wrong last, at most 200 characters; empty when it answers.
    """

    def __init__(self) -> None:
        self.error = ""
        self._failing = self._answered = False
        self._ready_at = 0.0
        self._backoff = Backoff()

    def ready(self, now: float) -> bool:
        """Return whether the source may be asked."""
        return not self._failing or now >= self._ready_at

    def failed(
        self,
        now: float,
        failure: SourceUnavailable | PayloadRejected,
        *,
        expected: bool = False,
    ) -> float:
        """Record a failure and return the seconds to wait: 1, 2, 4 … 60, or what it asks for.

        Args:
            now: Monotonic seconds.
            failure: What went wrong.
            expected: Whether the server is known to answer other requests. Then there is no wait,
                unless the source asks for one, and the waits after it are no longer.
        """
        asked_s = failure.retry_after_s if isinstance(failure, SourceUnavailable) else None
        quick = expected and asked_s is None
        wait_s = 0.0 if quick else self._backoff.delay_s(retry_after_s=asked_s)
        self._failing = True
        self.error = str(failure)[:ERROR_CHARS]
        self._ready_at = now + wait_s
        return wait_s

    def succeeded(self) -> None:
        """Forget the failures."""
        self.error = ""
        self._answered = True
        self._failing = False
        self._backoff.reset()

    @property
    def state(self) -> str:
        """Return `unknown` before the first answer, then `ok`, or the last error."""
        if self._failing:
            return self.error or "failing"
        return "ok" if self._answered else "unknown"


class SourceGates:
    """Backoff and rate limit of each source that the resolution actor uses.

    Args:
        sources: That it asks.
        public_nodes: Whether the chain is asked through nodes for everybody.
    """

    def __init__(self, sources: Iterable[Source], *, public_nodes: bool = False) -> None:
        most = {**MOST, Source.CHAIN: CHAIN_PUBLIC} if public_nodes else MOST
        self._backoffs = {source: SourceBackoff() for source in sources}
        self._limits = {source: RateLimit(most[source]) for source in self._backoffs}
        self._bad = Counter[Source]()  # failures since the last answer
        self._failures = Counter[Source]()

    def begin(self, now: float) -> None:
        """Allow no request for ten seconds: those of an earlier incarnation count, too."""
        for each in self._limits.values():
            each.exhaust(now)

    def share(self, trackers: int, now: float) -> None:
        """Leave equal parts to the other trackers of this host; called with every Tick."""
        for each in self._limits.values():
            each.share(trackers, now)

    def able(self, source: Source, now: float) -> bool:
        """Return whether the source answers, as far as is known."""
        return self._backoffs[source].ready(now)

    def affords(self, source: Source, now: float, *, share: float = 1.0) -> bool:
        """Return whether this share of the rate limit of the source allows one more request."""
        return self._limits[source].ready(now, share=share)

    def open(self, source: Source, now: float, *, share: float = 1.0) -> bool:
        """Return whether the source answers and may be asked, within this share of its limit."""
        return self.able(source, now) and self.affords(source, now, share=share)

    def asked(self, source: Source, now: float) -> None:
        """Count a request."""
        self._limits[source].spend(now)

    def answered(self, source: Source) -> None:
        """Record that the source answered."""
        self._bad[source] = 0
        self._backoffs[source].succeeded()

    def failed(
        self, source: Source, now: float, failure: SourceUnavailable | PayloadRejected
    ) -> float:
        """Record that the source failed and return for how many seconds it is left alone.

        It is not, at first, when the server rejected what was asked: that may be about one market.
        """
        self._bad[source] += 1
        self._failures[source] += 1
        expected = is_answer(failure) and self._bad[source] <= MOST_BAD
        return self._backoffs[source].failed(now, failure, expected=expected)

    def states(self) -> tuple[tuple[str, str], ...]:
        """Return (source, `unknown`, `ok` or its last error)."""
        return tuple((source.value, each.state) for source, each in self._backoffs.items())

    def requests(self, now: float) -> tuple[tuple[str, int, int, int], ...]:
        """Return (source, requests since the start, of the last ten seconds, failures)."""
        return tuple(
            (source.value, each.spent, each.recent(now), self._failures[source])
            for source, each in self._limits.items()
        )
