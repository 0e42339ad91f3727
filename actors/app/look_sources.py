"""A look at the HTTP sources of Polymarket: each route is asked once, or twice.

Where a route does not answer as assumed, the next way is tried, so that one thing that differs
hides as little as possible of the others.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec

from actors.catalog.universe import ASSETS_PER_MARKET, Filters
from actors.errors import PayloadRejected, SourceUnavailable
from actors.model.assumptions import Assumption
from actors.model.market import Market
from actors.model.trade import ConditionId
from actors.polymarket import gamma, strict_json
from actors.polymarket.client import Page, elements, keyset_page
from actors.polymarket.listings import OPEN, everything, named, spellings
from actors.polymarket.pagination import PAGE_SIZE, Pagination, Params, Route, Row, is_answer

SMALL_PAGE = 20
"""Markets of a page that is asked for where larger ones fail: one of them may be the cause."""
MOST_COUNTED = 1_000
"""Markets that are listed to count what the filters choose."""
COUNT_S = 10.0
"""Seconds that this may take."""
_YOUNG = "no tokens"
"""Why a market without tokens is rejected: it is a placeholder, which is nothing odd."""
_BUSIEST: Params = (("order", "volumeNum"), ("ascending", "false"))

Judgement = str
OK: Judgement = "ok"
DIFFERS = "differs: "
NO_TIME: Judgement = "not seen: no time was left"


class Finding(NamedTuple):
    """What was seen of one assumption."""

    name: str
    judgement: Judgement


class Http(Protocol):
    """What a look needs of `polymarket.http.Http`."""

    def get(self, url: str, params: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return the body of a 200."""


class Clock(Protocol):
    """What a look needs of `polymarket.date_clock.DateClock`."""

    @property
    def offset_s(self) -> float:
        """Return the servers' clock minus ours in seconds."""

    @property
    def is_known(self) -> bool:
        """Return whether there are enough answers to tell."""

    @property
    def is_wrong(self) -> bool:
        """Return whether our clock is wrong."""


class Urls(NamedTuple):
    """Where the sources are, without a slash at the end."""

    gamma: str
    clob: str
    data: str


class Choice(NamedTuple):
    """What the filters choose.

    Attributes:
        markets: How many.
        volume: Of all of them together, USDC.
        exact: Whether there are no more of them.
        unmatched: Which names of the filters no market has; empty: none.
    """

    markets: int
    volume: Decimal
    exact: bool
    unmatched: str = ""


class CachedAnswers:
    """Counts the answers that came out of a cache."""

    def __init__(self) -> None:
        self._answers = self._cached = 0
        self._oldest_s = 0

    def add(self, headers: Mapping[str, str]) -> None:
        """Take the headers of an answer; names in any case."""
        age = headers.get("Age", "")
        age_s = int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0
        self._answers += 1
        self._cached += age_s > 0 or headers.get("CF-Cache-Status", "").upper() == "HIT"
        self._oldest_s = max(self._oldest_s, age_s)

    def judgement(self) -> Judgement:
        """Return what was seen."""
        if not self._answers:
            return "not seen: no answer"
        if not self._cached:
            return OK
        count = f"{self._cached} of {self._answers} answers"
        old = f"up to {self._oldest_s} s old" if self._oldest_s else "less than a second old"
        return f"{DIFFERS}{count} came out of a cache, {old}"


class _Rows(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]


_rows = msgspec.json.Decoder(_Rows)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class SourcesLook:
    """Asks every route of the HTTP sources.

    Args:
        http: What asks; its answers are told to `clock` and `cached`.
        clock: Our clock against the servers'.
        urls: Where the sources are.
        cached: What came out of caches.
        until: Monotonic seconds; after them nothing more is asked.
        monotonic: Seconds.

    Attributes:
        markets: Open markets that were listed, the busiest first.
    """

    def __init__(
        self,
        http: Http,
        clock: Clock,
        urls: Urls,
        *,
        cached: CachedAnswers,
        until: float = float("inf"),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._until = until
        self._http = http
        self._clock = clock
        self._urls = urls
        self._cached = cached
        self._monotonic = monotonic
        self.markets: list[Market] = []

    def findings(self) -> Iterator[Finding]:
        """Ask, and yield what is seen of each assumption."""
        pages, judgement = self._pages()
        clean = self._parse(pages)
        looked_up = self._about_one(self._lookup)
        told = judgement if judgement != OK or looked_up == NO_TIME else looked_up
        yield Finding(Assumption.KEYSET, told)
        yield Finding(Assumption.CLEAN_PAGES, clean)
        yield Finding(Assumption.GAMMA_LIST, self._about_one(self._gamma_list))
        yield Finding("clob", self._about_one(self._clob))
        yield Finding("data", self._about_one(self._data))
        yield Finding(Assumption.CLOCK, self._clock_judged())
        yield Finding(Assumption.FRESH_ANSWERS, self._cached.judgement())

    # ------------------------------------------------------------------ pages

    def _pages(self) -> tuple[list[bytes], Judgement]:
        """Return the markets of two pages, and whether the second was another one."""
        judgement = ""
        for ask, order, limit in (
            (self._keyset, _BUSIEST, PAGE_SIZE),
            (self._keyset, (), PAGE_SIZE),
            (self._list, _BUSIEST, PAGE_SIZE),
            (self._keyset, _BUSIEST, SMALL_PAGE),
            (self._list, _BUSIEST, SMALL_PAGE),
        ):
            try:
                first = ask(*order, limit=limit)
            except (SourceUnavailable, PayloadRejected) as exc:
                judgement = judgement or f"{DIFFERS}{exc}"
                if not is_answer(exc):
                    return [], judgement
            else:
                second, other = self._second(first)
                if other == OK and first.next_cursor and len(first.markets) < limit:
                    other = f"{DIFFERS}a page of {len(first.markets)} where {limit} were asked for"
                return [*first.markets, *second], judgement or other
        return [], judgement

    def _second(self, first: Page) -> tuple[tuple[bytes, ...], Judgement]:
        """Return the markets behind a page of the keyset, and what is to be said of its cursor."""
        if not first.next_cursor:
            few = 0 < len(first.markets) < PAGE_SIZE
            return (), OK if few else f"{DIFFERS}{len(first.markets)} markets and no cursor"
        try:
            second = self._keyset(*_BUSIEST, ("after_cursor", first.next_cursor)).markets
        except (SourceUnavailable, PayloadRejected) as exc:
            return (), f"{DIFFERS}{exc}"
        # Trades between two pages move a few markets from one to the other, and most of them never.
        known = {gamma.name_of(market) for market in first.markets}
        again = sum(gamma.name_of(market) in known for market in second)
        if again * 2 > len(second):
            return (), f"{DIFFERS}the cursor brings the first page again"
        return second, OK

    def _keyset(self, *params: tuple[str, str], limit: int = PAGE_SIZE) -> Page:
        query = (*OPEN, ("limit", str(limit)), *params)
        return keyset_page(self._http.get(f"{self._urls.gamma}/markets/keyset", query))

    def _list(self, *params: tuple[str, str], limit: int = PAGE_SIZE) -> Page:
        query = (*OPEN, ("limit", str(limit)), *params)
        markets = elements(self._http.get(f"{self._urls.gamma}/markets", query))
        return Page(markets=markets, next_cursor=None)

    def _parse(self, raws: Sequence[bytes]) -> Judgement:
        reasons: Counter[str] = Counter()
        found: dict[ConditionId, Market] = {}
        for raw in raws:
            try:
                read = gamma.read_market(raw)
            except PayloadRejected as exc:
                reasons[str(exc)] += 1
            else:
                found[read.market.condition_id] = read.market
                reasons.update(read.drift)
        self.markets = sorted(found.values(), key=_volume, reverse=True)
        del reasons[_YOUNG]
        if not raws:
            return "not seen: no market was listed"
        most = reasons.most_common(3)
        odd = ", ".join(f"{count} times {reason}" for reason, count in most if count)
        return f"{DIFFERS}of {len(raws)} markets {odd}" if odd else OK

    # ------------------------------------------------------------- one market

    def _about_one(self, ask: Callable[[Market], Judgement]) -> Judgement:
        """Return what a route says of the busiest market."""
        if not self.markets:
            return "not seen: no market was listed"
        if self._monotonic() >= self._until:
            return NO_TIME
        try:
            return ask(self.markets[0])
        except (SourceUnavailable, PayloadRejected) as exc:
            return f"{DIFFERS}{exc}"

    def _lookup(self, market: Market) -> Judgement:
        # The same address twice in a moment: the second answer may come out of a cache.
        found = [self._keyset(*_names(market)).markets for _ in range(2)]
        return OK if all(found) else f"{DIFFERS}it does not find a market that it lists"

    def _gamma_list(self, market: Market) -> Judgement:
        found = self._list(*_names(market)).markets
        return OK if found else f"{DIFFERS}it does not know a market that is listed"

    def _clob(self, market: Market) -> Judgement:
        raw = self._http.get(f"{self._urls.clob}/markets/{market.condition_id}")
        there = "tokens" in strict_json.read(raw, _object)
        return OK if there else f"{DIFFERS}a market without tokens"

    def _data(self, market: Market) -> Judgement:
        params = [("condition", str(market.condition_id))]
        strict_json.read(self._http.get(f"{self._urls.data}/v2/resolutions", params), _rows)
        return OK

    def _clock_judged(self) -> Judgement:
        # Three answers are needed, and listings may all come from a cache.
        for _ in range(2):
            if not self._clock.is_known:
                self._about_one(self._data)
        if not self._clock.is_known:
            return "not seen: too few answers that no cache gave"
        wrong = f"{DIFFERS}ours is {-self._clock.offset_s:+.1f} s from theirs"
        return wrong if self._clock.is_wrong else OK

    # ---------------------------------------------------------------- filters

    def chosen(self, filters: Filters, turn: int = 0) -> Choice | str:
        """Return what these filters choose, or why that cannot be told.

        At most `MOST_COUNTED` markets are listed, within `COUNT_S`.

        Args:
            filters: What is wanted.
            turn: See `listings.newest`. With that of a tracker that is started next, it would get
                these answers out of a cache.
        """
        if not self.markets:
            return "no market was listed"
        tags = bool(filters.tags)
        # The largest are seen first: a tag that none of them has is most likely mistyped.
        by_volume = filters.max_assets > 0 or tags
        least = filters.min_volume
        passes = (
            named(sorted(filters.markets), tags=tags, turn=turn)
            if filters.markets
            else (everything(min_volume=least, by_volume=by_volume, tags=tags, turn=turn),)
        )
        found: dict[ConditionId, Market] = {}
        try:
            exact = all_listed = self._list_into(found, passes)
        except (SourceUnavailable, PayloadRejected) as exc:
            return str(exc)
        unmatched = filters.unmatched()
        unmatched.note(found.values())
        admitted = sorted(filter(filters.admits, found.values()), key=_volume, reverse=True)
        if filters.max_assets and len(admitted) * ASSETS_PER_MARKET >= filters.max_assets:
            admitted = admitted[: filters.max_assets // ASSETS_PER_MARKET]
            exact = True
        missing = unmatched.sentence()
        if missing and not all_listed:
            missing = f"among the first {len(found):,} markets {missing}"
        return Choice(len(admitted), sum(map(_volume, admitted), Decimal(0)), exact, missing)

    def _list_into(self, found: dict[ConditionId, Market], passes: Sequence[Pagination]) -> bool:
        """List markets, and return whether these are all."""
        until, listed = min(self._monotonic() + COUNT_S, self._until), 0
        for each in passes:
            while not each.finished:
                over = listed >= MOST_COUNTED or self._monotonic() >= until
                if over or each.route is not Route.KEYSET:
                    return False
                cursor = (("after_cursor", each.cursor),) if each.cursor else ()
                url = f"{self._urls.gamma}/markets/keyset"
                page = keyset_page(self._http.get(url, (*each.params, *cursor)))
                listed += len(page.markets)
                markets = list(_readable(page.markets))
                found.update((market.condition_id, market) for market in markets)
                rows = [Row(market.condition_id, market.started_at) for market in markets]
                each.advance(page.next_cursor, rows, count=len(page.markets))
        return True


def _names(market: Market) -> Params:
    return tuple(("condition_ids", str(name)) for name in spellings([market.condition_id]))


def _readable(raws: Sequence[bytes]) -> Iterator[Market]:
    for raw in raws:
        try:
            yield gamma.parse_market(raw)
        except PayloadRejected:
            continue  # `clean_pages` tells of such


def _volume(market: Market) -> Decimal:
    return market.volume or Decimal(0)
