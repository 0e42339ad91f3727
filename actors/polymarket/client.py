"""The client of the HTTP sources Gamma, CLOB and Data API. The chain has its own, in `nodes.py`.

Source: docs.polymarket.com as of 2026-10. `Polymarket` returns each market as its own bytes;
`gamma.py`, `clob.py` and `data_api.py` read them. Each actor owns and closes its clients.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Annotated
from urllib.parse import quote

import msgspec

from actors.errors import PayloadRejected, SourceUnavailable
from actors.model.conversion import chunks
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import strict_json
from actors.polymarket.http import DEADLINE_S, Http, OnCall
from actors.polymarket.pagination import Route, is_answer
from actors.polymarket.sources import MAX_DATA_IDS, MAX_GAMMA_IDS

log = logging.getLogger(__name__)

MARKETS_OF_EVENT = 5
"""So many fewer events than markets are asked for at once."""
TRIED_LIMITS = 5
"""So many limits are used in turn for the tries of the list form."""
SMALLEST_CAP = 20
"""A page of the list form with fewer markets is taken for the last one."""
LIST_LOOKUPS = 50
"""Look-ups that go by the list form before the keyset is tried again."""
FAILED_REST, GONE_REST = 5, 50
"""Requests to the Data API that leave out a route after it did not answer, or is not there."""
# All cursors of a pass are remembered, and each is sent. Those of 2026 have 100 characters at most.
_Cursor = Annotated[str, msgspec.Meta(max_length=1024)] | None
_GONE = (404, 405, 410)
_CONDITION = re.compile(r"0x[0-9a-f]{64}")
_ANY_CONDITION = re.compile(r"0x[0-9a-f]{62}([0-9a-f]{2})?")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of markets, each verbatim; no `next_cursor` on the last one."""

    markets: tuple[bytes, ...]
    next_cursor: str | None


class _Keyset(msgspec.Struct, frozen=True):
    markets: list[msgspec.Raw]
    next_cursor: _Cursor = None


class _Rows(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]


_keyset = msgspec.json.Decoder(_Keyset)
_rows = msgspec.json.Decoder(_Rows)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_cursor = msgspec.json.Decoder(_Cursor)


class _LookupRoute:
    """The route of look-ups by id: the keyset, or the list form for a while after it answered.

    Without a lock: when two threads call at once, a request more takes the other route.
    """

    def __init__(self) -> None:
        self._by_list = 0

    def next(self) -> Route:
        """Return the route to ask first."""
        if self._by_list <= 0:
            return Route.KEYSET
        self._by_list -= 1
        return Route.LIST

    def answered(self, route: Route) -> None:
        """Record that this route answered where the other did not."""
        self._by_list = LIST_LOOKUPS if route is Route.LIST else 0


class _DataRoute:
    """A route of the Data API, left alone for some requests after it did not answer.

    Without a lock, as `_LookupRoute`.

    Attributes:
        path: Behind the address of the Data API.
        takes: Whether it takes this condition id.
    """

    def __init__(self, path: str, takes: Callable[[str], object]) -> None:
        self.path = path
        self.takes = takes
        self._rests = 0

    def is_due(self) -> bool:
        """Return whether to ask it now; each call that returns False brings that nearer."""
        self._rests -= 1
        return self._rests < 0

    def failed(self, failure: SourceUnavailable | PayloadRejected) -> bool:
        """Record a failure; return whether it may be about one of the markets asked for."""
        if isinstance(failure, SourceUnavailable) and failure.status in _GONE:
            self._rests = GONE_REST
        elif not is_answer(failure):
            self._rests = FAILED_REST
        else:
            return True
        return False


class Polymarket:
    """The public read interfaces. Any thread may call.

    All methods raise `SourceUnavailable` when there is no good answer in time,
    and `PayloadRejected` when a 200 has an unexpected body.
    """

    def __init__(  # noqa: PLR0913 -- called once, with keywords
        self,
        *,
        gamma_url: str,
        clob_url: str,
        data_url: str,
        user_agent: str,
        deadline_s: float = DEADLINE_S,
        stop: threading.Event | None = None,
        on_call: OnCall | None = None,
        first_asked: int | None = None,  # by default the time: caches keep what was asked before
    ) -> None:
        urls = (each.rstrip("/") for each in (gamma_url, clob_url, data_url))
        self._gamma_url, self._clob_url, self._data_url = urls
        self._http = Http(user_agent, deadline_s=deadline_s, stop=stop, on_call=on_call)
        self._lookups = _LookupRoute()
        self._data_routes = (
            _DataRoute("/v2/resolutions", _CONDITION.fullmatch),
            _DataRoute("/v2/tokens", _ANY_CONDITION.fullmatch),
        )
        self._asked = count(int(time.time()) if first_asked is None else first_asked)

    def markets_page(
        self,
        params: Sequence[tuple[str, str]],
        cursor: str | None,
        *,
        route: Route = Route.KEYSET,
    ) -> Page:
        """Return one page of a listing of Gamma.

        A page with a market that is no JSON is taken apart, so that it hides no other.

        Args:
            params: Filters and order, without the cursor.
            cursor: `next_cursor` of the page before, or None for the first.
            route: By which the listing is read; a cursor belongs to its route.
        """
        if route is Route.LIST:
            return self._list_page(params, int(cursor or 0))
        # Gamma sends `next_cursor`, and ignores a parameter `cursor`: page 1 would come for ever.
        query = [*params, ("after_cursor", cursor)] if cursor else list(params)
        if route is Route.EVENTS:
            return events_page(
                self._http.get(f"{self._gamma_url}/events/keyset", _about_events(query))
            )
        return keyset_page(self._http.get(f"{self._gamma_url}/markets/keyset", query))

    def markets_by_condition(
        self, ids: Sequence[ConditionId], *, closed: bool
    ) -> tuple[bytes, ...]:
        """Return Gamma's markets of at most 100 conditions, either the open or the closed ones.

        The keyset is asked first, or the list form while that is what answered last. The limit
        differs from time to time, since a cache answers the same question with an old answer.
        """
        _check_count(ids, MAX_GAMMA_IDS)
        if not ids:
            return ()
        # The key is repeated: a list with commas is answered with 422. `closed` must be given:
        # since 2026-04-09 it is false by default, also where ids are named.
        params = [("condition_ids", str(condition_id)) for condition_id in ids]
        limit = MAX_GAMMA_IDS - next(self._asked) % (MAX_GAMMA_IDS - len(ids) + 1)
        params += [("closed", "true" if closed else "false"), ("limit", str(limit))]
        first = self._lookups.next()
        try:
            return self._all_pages(params, len(ids), first)
        except (SourceUnavailable, PayloadRejected) as failure:
            if not is_answer(failure):
                raise
            second = Route.LIST if first is Route.KEYSET else Route.KEYSET
            try:
                markets = self._all_pages(params, len(ids), second)
            except (SourceUnavailable, PayloadRejected):
                # Both fail, so it may be one of these ids: what the usual route says is told.
                raise failure from None
            self._lookups.answered(second)
        return markets

    def _all_pages(
        self, params: Sequence[tuple[str, str]], most: int, route: Route
    ) -> tuple[bytes, ...]:
        """Return at most so many markets, which a server may hold on several pages."""
        page = self.markets_page(params, None, route=route)
        markets = page.markets
        while page.next_cursor and len(markets) < most and len(page.markets) >= SMALLEST_CAP:
            page = self.markets_page(params, page.next_cursor, route=route)
            markets += page.markets
        return markets

    def try_list_form(self) -> None:
        """Ask for a market or some in the list form, to see whether it still answers."""
        limit = 1 + next(self._asked) % TRIED_LIMITS
        self._list_page((("closed", "false"), ("limit", str(limit))), 0)

    def _list_page(self, params: Sequence[tuple[str, str]], offset: int) -> Page:
        query = [*params, ("offset", str(offset))] if offset else list(params)
        markets = elements(self._http.get(f"{self._gamma_url}/markets", query))
        behind = str(offset + len(markets)) if markets else None
        return Page(markets=markets, next_cursor=behind)

    def clob_market(self, condition_id: ConditionId) -> bytes | None:
        """Return the CLOB's market, by the route that names its tokens where the other has none.

        None when the CLOB does not know the condition.
        """
        name = quote(condition_id, safe="")
        found = self._http.find(f"{self._clob_url}/markets/{name}")
        return found or self._http.find(f"{self._clob_url}/clob-markets/{name}")

    def resolutions(self, ids: Sequence[ConditionId]) -> tuple[bytes, ...]:
        """Return the rows of both routes of the Data API on at most ten conditions.

        One that does not answer is left alone for a while, and what the other has is returned.
        """
        _check_count(ids, MAX_DATA_IDS)
        rows: tuple[bytes, ...] = ()
        failures: list[SourceUnavailable | PayloadRejected] = []
        routes = [each for each in self._data_routes if each.is_due()] or self._data_routes
        for route in routes:
            # Ids that it would reject (31 bytes) are left out of the request.
            known = [each for each in ids if route.takes(each)]
            if not known:
                continue
            try:
                rows += self._data_rows(route.path, known)
            except (SourceUnavailable, PayloadRejected) as failure:
                # It may be about one of these: who asks, asks again about fewer.
                if route.failed(failure) and len(known) > 1:
                    raise
                failures.append(failure)
        if len(failures) == len(routes):
            raise failures[0]
        return rows

    def _data_rows(self, path: str, ids: Sequence[str]) -> tuple[bytes, ...]:
        raw = self._http.get(f"{self._data_url}{path}", [("condition", ",".join(ids))])
        return _copies(strict_json.read(raw, _rows).data)

    @property
    def clock_offset_s(self) -> float:
        """Return the clock of the servers minus ours in seconds; 0 while it is not known."""
        return self._http.clock.offset_s

    @property
    def age_s(self) -> float:
        """Return how old the last answer was when it arrived, as caches tell, in seconds.

        For who makes one call at a time.
        """
        return self._http.clock.age_s

    @property
    def is_clock_known(self) -> bool:
        """Return whether enough answers have told the clock of the servers."""
        return self._http.clock.is_known

    @property
    def max_age_s(self) -> float:
        """Return for how long caches may keep answers, as the last one that says so says."""
        return self._http.clock.max_age_s

    def take_age_s(self) -> float:
        """Return how old the oldest answer since the last call was, in seconds."""
        return self._http.clock.take_age_s()

    def take_clock_errors(self) -> int:
        """Return how many answers since the last call showed that our clock is wrong."""
        return self._http.clock.take_errors()

    def take_old_answers(self) -> int:
        """Return how many answers since the last call came out of a cache, a second old or more."""
        return self._http.clock.take_old()

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()


def keyset_page(raw: bytes) -> Page:
    """Return a page of the keyset, whatever its markets hold."""
    try:
        page = strict_json.read(raw, _keyset)
    except PayloadRejected as rejection:
        if str(rejection) != "not JSON":
            raise
    else:
        return Page(markets=_copies(page.markets), next_cursor=page.next_cursor or None)
    members = dict(strict_json.parts(raw))
    if not members.get(b'"markets"', b"").startswith(b"["):
        raise PayloadRejected("unexpected shape")
    cursor = strict_json.read(members.get(b'"next_cursor"', b"null"), _cursor)
    return Page(markets=elements(members[b'"markets"']), next_cursor=cursor or None)


def events_page(raw: bytes) -> Page:
    """Return the markets of a page of events, whatever they hold, with the tags of the event."""
    members = dict(strict_json.parts(raw))
    if not members.get(b'"events"', b"").startswith(b"["):
        raise PayloadRejected("unexpected shape")
    cursor = strict_json.read(members.get(b'"next_cursor"', b"null"), _cursor)
    markets: list[bytes] = []
    for event in elements(members[b'"events"']):
        inner = dict(strict_json.parts(event))
        told = inner.get(b'"tags"', b"null")
        tags = b'"tags":' + (told if len(told) <= strict_json.MAX_TAGS_BYTES else b'"too many"')
        for market in elements(inner.get(b'"markets"', b"[]")):
            own = market.strip()
            # In front, so that tags of its own come last and count.
            tagged = own.startswith(b"{") and not own[1:].lstrip().startswith(b"}")
            markets.append(b"{" + tags + b"," + own[1:] if tagged else own)
    return Page(markets=tuple(markets), next_cursor=cursor or None)


def _about_events(query: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return a query of markets as one of events, which have many markets each."""
    spelled = {"volumeNum": "volume", "volume_num_min": "volume_min"}
    return [
        ("limit", str(max(1, int(value) // MARKETS_OF_EVENT)))
        if key == "limit"
        else (spelled.get(key, key), spelled.get(value, value))
        for key, value in query
        if key not in ("include_tag", "uma_resolution_status")
    ]


def elements(raw: bytes) -> tuple[bytes, ...]:
    """Return the elements of a list, whatever they hold."""
    try:
        return _copies(strict_json.read(raw, _list))
    except PayloadRejected as rejection:
        if str(rejection) != "not JSON" or not raw.lstrip().startswith(b"["):
            raise
    return tuple(element for _, element in strict_json.parts(raw))


def _copies(raws: list[msgspec.Raw]) -> tuple[bytes, ...]:
    # A Raw keeps the whole answer alive.
    return tuple(bytes(raw) for raw in raws)


def _check_count(condition_ids: Sequence[ConditionId], most: int) -> None:
    if len(condition_ids) > most:
        raise ValueError(f"{len(condition_ids)} ids, at most {most} are allowed")


# ---------------------------------------------------------------------- books

BOOKS_AT_ONCE = 100
"""Tokens of one call: a book has 3 to 17 kB, and an answer may have 5 MB."""
BOOKS_DEADLINE_S = 5.0
FIRST_REST_S, LONGEST_REST_S = 10.0, 300.0
"""How long nothing is asked after a call that failed, doubled from the first to the longest."""


class _Book(msgspec.Struct, frozen=True):
    asset_id: str
    timestamp: str | int


_book_list = msgspec.json.Decoder(list[_Book])


class BookTimes:
    """Asks the CLOB when books changed last, one call at a time for all connections. Any thread.

    Documented: up to 500 tokens a call, 500 calls in 10 s; tokens without a book are left out;
    the timestamp of a book is that of its last change.

    Args:
        clob_url: Of the CLOB.
        user_agent: See `Http`.
        stop: When set, calls under way are cut.
        on_call: See `Http`.
        monotonic: Seconds.
    """

    def __init__(
        self,
        clob_url: str,
        *,
        user_agent: str,
        stop: threading.Event | None = None,
        on_call: OnCall | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = f"{clob_url.rstrip('/')}/books"
        self._http = Http(user_agent, deadline_s=BOOKS_DEADLINE_S, stop=stop, on_call=on_call)
        self._monotonic = monotonic
        self._turn = threading.Lock()
        self._not_before = float("-inf")
        self._rest_s = FIRST_REST_S

    def last_changes(self, tokens: Sequence[TokenId]) -> Mapping[TokenId, int] | None:
        """Return the exchange time of the last change of each book, milliseconds.

        Nothing while there is no answer to be had; None while another thread asks.
        """
        # Never waited for: thousands of connections may want to know at the same time.
        if not self._turn.acquire(blocking=False):
            return None
        try:
            if self._monotonic() < self._not_before:
                return {}
            return self._ask(tokens)
        finally:
            self._turn.release()

    def _ask(self, tokens: Sequence[TokenId]) -> dict[TokenId, int]:
        found: dict[TokenId, int] = {}
        asked = frozenset(tokens)
        try:
            for some in chunks(tokens, BOOKS_AT_ONCE):
                body = msgspec.json.encode([{"token_id": token} for token in some])
                for each in strict_json.read(self._http.post(self._url, body), _book_list):
                    token, text = TokenId(each.asset_id), str(each.timestamp)
                    if token in asked and text.isascii() and text.isdigit():
                        found[token] = int(text)
        except (SourceUnavailable, PayloadRejected) as failure:
            self._not_before = self._monotonic() + self._rest_s
            self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
            log.info("books_failed", extra={"error": str(failure)})
            return {}
        self._rest_s = FIRST_REST_S
        return found
