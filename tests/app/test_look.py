"""One look at Polymarket: each assumption that holds is `ok`, each that does not is named."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from actors.app.look import as_text, needs
from actors.app.look_feed import FIRST_TOKENS, LATER_TOKENS, Arrival, FeedLook
from actors.app.look_sources import CachedAnswers, Choice, Finding, SourcesLook, Urls
from actors.catalog.universe import Filters
from actors.config.load import load
from actors.errors import FeedLost, SourceUnavailable
from actors.model.trade import TokenId
from actors.polymarket.date_clock import DateClock
from actors.polymarket.pagination import PAGE_SIZE
from tests.fakes import FakeDialler, FakeSocket
from tests.fakes_http import WALL_MS, FakeMarket
from tests.polymarket.feed_samples import CONDITION, RECEIVED_MS, RECEIVED_NS, encoded, framed

URLS = Urls("gamma", "clob", "data")
TOKENS = [TokenId(str(10**70 + number)) for number in range(FIRST_TOKENS + LATER_TOKENS)]


class FakeHttp:
    """Gamma with 150 markets, CLOB and Data API; a test replaces the answer to a route."""

    def __init__(self) -> None:
        self.markets = [FakeMarket(number, volume=str(number)) for number in range(150)]
        self.answers: dict[str, bytes | Exception] = {}

    def get(self, url: str, params: Sequence[tuple[str, str]] = ()) -> bytes:
        wanted = dict(params)
        route = "clob" if url.startswith("clob") else url
        answer = self.answers.get(route) or self._answer(route, wanted)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _answer(self, route: str, wanted: dict[str, str]) -> bytes:
        if route == "gamma/markets/keyset":
            at = int(wanted.get("after_cursor", "0"))
            rows = [json.loads(each.gamma()) for each in self.markets[at : at + PAGE_SIZE]]
            more = (
                {"next_cursor": str(at + PAGE_SIZE)} if at + PAGE_SIZE < len(self.markets) else {}
            )
            return json.dumps({"markets": rows, **more}).encode()
        found = [each for each in self.markets if each.condition_id == wanted.get("condition_ids")]
        if route == "gamma/markets":
            return json.dumps([json.loads(each.gamma()) for each in found]).encode()
        return self.markets[0].clob() if route == "clob" else b'{"data": []}'


def asked(http: FakeHttp, clock: DateClock | None = None) -> dict[str, str]:
    cached = CachedAnswers()
    cached.add({})
    return dict(SourcesLook(http, clock or DateClock(), URLS, cached=cached).findings())


def known(offset_s: float) -> DateClock:
    clock = DateClock()
    for _ in range(3):
        clock.add(
            {"Date": "Sat, 03 Oct 2026 04:00:00 GMT"},
            sent_s=WALL_MS / 1e3 - offset_s,
            received_s=WALL_MS / 1e3 - offset_s,
        )
    return clock


def test_sources_that_are_as_assumed_are_all_right() -> None:
    found = asked(FakeHttp(), known(0.0))
    assert list(found) == [
        "keyset", "clean_pages", "gamma_list", "clob", "data", "clock", "fresh_answers",
    ]  # fmt: skip
    assert set(found.values()) == {"ok"}


def test_the_busiest_markets_are_asked_for_and_each_is_known_once() -> None:
    http = FakeHttp()
    http.markets[3].volume = "1000000"
    sources = SourcesLook(http, DateClock(), URLS, cached=CachedAnswers())
    list(sources.findings())
    assert sources.markets[0].condition_id == http.markets[3].condition_id
    assert len(sources.markets) == 150


GONE = SourceUnavailable("gamma/markets: HTTP 404")


@pytest.mark.parametrize(
    ("route", "answer", "name", "judgement"),
    [
        ("gamma/markets", GONE, "gamma_list", "differs: gamma/markets: HTTP 404"),
        ("gamma/markets", b"[]", "gamma_list", "differs: it does not know a market that is listed"),
        ("gamma/markets/keyset", GONE, "keyset", "differs: gamma/markets: HTTP 404"),
        ("gamma/markets/keyset", b"<html>", "keyset", "differs: not JSON"),
        ("gamma/markets/keyset", b'{"markets": []}', "keyset", "differs: 0 markets and no cursor"),
        ("gamma/markets/keyset", GONE, "clob", "not seen: no market was listed"),
        ("clob", SourceUnavailable("HTTP 404"), "clob", "differs: HTTP 404"),
        ("clob", b"{}", "clob", "differs: a market without tokens"),
        ("data/v2/resolutions", b"[]", "data", "differs: unexpected shape"),
    ],
)
def test_a_route_that_differs_is_named(
    route: str, answer: bytes | Exception, name: str, judgement: str
) -> None:
    http = FakeHttp()
    http.answers[route] = answer
    assert asked(http)[name] == judgement


def test_a_cursor_that_is_ignored_is_noticed_though_a_few_markets_have_moved() -> None:
    http = FakeHttp()
    plain, moved = http._answer, count()

    def first_page(route: str, wanted: dict[str, str]) -> bytes:
        return plain(route, {**wanted, "after_cursor": str(5 * next(moved))})

    http._answer = first_page  # type: ignore[method-assign]
    assert asked(http)["keyset"] == "differs: the cursor brings the first page again"


def test_fewer_markets_than_a_page_need_no_cursor() -> None:
    http = FakeHttp()
    http.markets = http.markets[:99]
    assert asked(http)["keyset"] == "ok"
    http.answers["gamma/markets/keyset"] = json.dumps(
        {"markets": [json.loads(FakeMarket(number).gamma()) for number in range(100)]}
    ).encode()
    assert asked(http)["keyset"] == "differs: 100 markets and no cursor"


def test_a_market_that_is_odd_is_counted_and_a_placeholder_is_not() -> None:
    http = FakeHttp()
    http.markets[1].tokenless = True
    assert asked(http)["clean_pages"] == "ok"
    pages = json.loads(http._answer("gamma/markets/keyset", {}))
    pages["markets"][2]["clobTokenIds"] = '["x", "y"]'
    http.answers["gamma/markets/keyset"] = json.dumps(pages).encode()
    found = asked(http)["clean_pages"]
    assert found == "differs: of 100 markets 1 times token id is no digits"


def test_a_clock_is_judged_when_three_answers_came_from_no_cache() -> None:
    # A `Date` has whole seconds, so one is in doubt.
    assert asked(FakeHttp())["clock"] == "not seen: too few answers that no cache gave"
    assert asked(FakeHttp(), known(-30.0))["clock"] == "differs: ours is +29.0 s from theirs"


def test_the_clock_is_judged_though_listings_come_from_a_cache() -> None:
    http, clock = FakeHttp(), DateClock()
    plain = http._answer

    def dated(route: str, wanted: dict[str, str]) -> bytes:
        cached = {"Age": "200"} if route.startswith("gamma") else {}
        headers = {"Date": "Sat, 03 Oct 2026 04:00:00 GMT", **cached}
        clock.add(headers, sent_s=WALL_MS / 1e3, received_s=WALL_MS / 1e3)
        return plain(route, wanted)

    http._answer = dated  # type: ignore[method-assign]
    assert asked(http, clock)["clock"] == "ok"


# ----------------------------------------------------------------------- feed


class Exchange:
    """Answers each message at once; it is the inbox and the clock, so no test waits.

    Attributes:
        answer: Returns the frames that answer a message.
        silent: Frames that come when nothing else does, once.
    """

    def __init__(self, answer: Callable[[dict[str, Any]], list[bytes]]) -> None:
        self.answer = answer
        self.silent: list[bytes] = []
        self.now = 100.0
        self.waiting: list[Arrival] = []
        self.dialler = FakeDialler()
        self._heard = 0

    def put(self, item: Arrival, /) -> None:
        self.waiting.append(item)

    def take(self, seconds: float) -> Arrival | None:
        (socket,) = self.dialler.sockets
        for text in socket.sent[self._heard :]:
            self._send(socket, self.answer(json.loads(text)))
        self._heard = len(socket.sent)
        if not self.waiting and self.silent:
            self._send(socket, self.silent)
            self.silent = []
        if self.waiting:
            return self.waiting.pop(0)
        self.now += seconds
        return None

    def _send(self, socket: FakeSocket, frames: list[bytes]) -> None:
        if frames:
            socket.on_frames(RECEIVED_NS, tuple(frames))

    def findings(self, until: float = 160.0) -> dict[str, str]:
        looked = FeedLook(self.dialler, TOKENS, inbox=self, until=until, monotonic=lambda: self.now)
        return dict(looked.findings())


def books(message: dict[str, Any]) -> list[bytes]:
    shared = {"event_type": "book", "market": CONDITION, "bids": [], "asks": [], "hash": "h"}
    at = str(RECEIVED_MS)
    return [
        encoded({**shared, "asset_id": token, "timestamp": at}) for token in message["assets_ids"]
    ]


def trades(*, late_ms: int = 0, **fields: object) -> list[bytes]:
    at = str(RECEIVED_MS - late_ms)
    return [framed(asset_id=token, timestamp=at, **fields) for token in TOKENS[:20]]


def test_a_feed_that_is_as_assumed_is_all_right() -> None:
    exchange = Exchange(books)
    exchange.silent = [frame for late_ms in range(5) for frame in trades(late_ms=late_ms)]
    assert exchange.findings() == dict.fromkeys(
        ["connection", "served", "dump_by_default", "repeated_book", "event_names", "spelling",
         "on_time", "sent_once"], "ok",
    )  # fmt: skip
    (socket,) = exchange.dialler.sockets
    assert socket.ended == ("close", "1000")
    assert exchange.now == 100.0


def test_a_connection_that_is_not_accepted_is_the_only_finding() -> None:
    exchange = Exchange(books)
    exchange.dialler.fail_next = FeedLost("dns", "no such name")
    found = exchange.findings()
    assert list(found) == ["connection"]
    assert found["connection"].startswith("differs: ")
    assert "no such name" in found["connection"]


def test_without_a_listed_market_only_the_connection_is_looked_at() -> None:
    exchange = Exchange(books)
    looked = FeedLook(exchange.dialler, [], inbox=exchange, until=160.0)
    assert list(looked.findings()) == [Finding("connection", "ok")]
    assert exchange.dialler.sockets[0].sent == []


def test_a_server_that_accepts_and_drops_does_not_serve() -> None:
    exchange = Exchange(lambda _: [])
    exchange.put("closed_1013 slow")
    found = exchange.findings()
    assert found["served"] == "differs: 0 of 20 books in 0 s, then it ended: closed_1013 slow"
    assert found["dump_by_default"] == found["repeated_book"] == "not seen"


def test_of_many_tokens_a_few_may_have_resolved_meanwhile() -> None:
    gone = {TOKENS[0], TOKENS[1], TOKENS[-1]}
    exchange = Exchange(
        lambda message: books({"assets_ids": [t for t in message["assets_ids"] if t not in gone]})
    )
    exchange.silent = trades()
    found = exchange.findings()
    assert set(found.values()) == {"ok"}


@pytest.mark.parametrize(
    ("answer", "judgement"),
    [
        ([b"NO NEW ASSETS"], "differs: the answer is 'NO NEW ASSETS'"),
        ([b"[]"], "differs: the answer is []"),
        ([], "differs: no answer in 5 s"),
    ],
)
def test_the_answer_to_a_repeated_subscription_is_told(answer: list[bytes], judgement: str) -> None:
    seen: set[str] = set()

    def once(message: dict[str, Any]) -> list[bytes]:
        again = set(message["assets_ids"]) <= seen
        seen.update(message["assets_ids"])
        return answer if again else books(message)

    assert Exchange(once).findings()["repeated_book"] == judgement


def test_a_dump_that_must_be_asked_for_is_noticed() -> None:
    found = Exchange(lambda message: books(message) if message.get("initial_dump") else [])
    assert found.findings()["dump_by_default"] == "differs: no book in 5 s"


def test_what_did_not_come_was_not_seen_and_the_look_ends_in_time() -> None:
    exchange = Exchange(books)
    found = exchange.findings()
    assert (found["spelling"], found["on_time"]) == ("not seen in 15 s", "not seen in 15 s")
    silent = Exchange(lambda _: [])
    silent.findings(until=112.0)
    assert silent.now == 112.0


def test_late_misspelled_and_unknown_events_are_told() -> None:
    exchange = Exchange(books)
    exchange.silent = [
        *trades(late_ms=3_000),
        *trades(price="much")[:2],
        encoded({"event_type": "last_trade", "asset_id": TOKENS[0]}),
    ]
    found = exchange.findings()
    assert found["on_time"] == "differs: 20 of 20 trades more than 1 s after their time"
    assert found["event_names"] == "differs: unknown: last_trade"
    assert found["spelling"].startswith("differs: 2 rejected: ")


def test_without_an_answer_of_gamma_nothing_is_said_of_what_hangs_on_it() -> None:
    http = FakeHttp()
    http.answers["gamma/markets/keyset"] = SourceUnavailable("gamma: no such name")
    sources = SourcesLook(http, DateClock(), URLS, cached=CachedAnswers())
    unlisted = "not seen: no market was listed"
    assert dict(sources.findings()) == {
        "keyset": "differs: gamma: no such name",
        "clean_pages": unlisted,
        "gamma_list": unlisted,
        "clob": unlisted,
        "data": unlisted,
        "clock": "not seen: too few answers that no cache gave",
        "fresh_answers": "not seen: no answer",
    }
    assert sources.chosen(Filters()) == "no market was listed"


def test_when_the_time_is_over_nothing_more_is_asked_and_nothing_made_up() -> None:
    times = count(step=6)
    sources = SourcesLook(
        FakeHttp(), known(0.0), URLS,
        cached=CachedAnswers(), until=10.0, monotonic=lambda: next(times),
    )  # fmt: skip
    found = dict(sources.findings())
    no_time = "not seen: no time was left"
    assert {name for name, said in found.items() if said == no_time} == {"clob", "data"}
    assert sources.chosen(Filters()) == Choice(0, Decimal(0), exact=False)


# -------------------------------------------------------------------- filters


def chosen(http: FakeHttp, filters: Filters, seconds: float = 0.0) -> Choice | str:
    times = count(step=seconds)
    sources = SourcesLook(
        http, DateClock(), URLS, cached=CachedAnswers(), monotonic=lambda: next(times)
    )
    list(sources.findings())
    return sources.chosen(filters)


def test_the_markets_that_the_filters_choose_are_counted_up_to_a_thousand() -> None:
    http = FakeHttp()
    assert chosen(http, Filters()) == Choice(150, Decimal(sum(range(150))), exact=True)
    http.markets = [FakeMarket(number) for number in range(1_001)]
    assert chosen(http, Filters()) == Choice(1_000, Decimal(100_000), exact=False)
    assert chosen(http, Filters(), 6.0) == Choice(100, Decimal(10_000), exact=False)


def test_a_limit_of_tokens_makes_the_count_exact() -> None:
    http = FakeHttp()
    http.markets = [FakeMarket(number, volume=str(number)) for number in range(1_001)]
    assert chosen(http, Filters(max_assets=5)) == Choice(2, Decimal(999 + 998), exact=True)


def test_only_what_a_filter_admits_is_counted() -> None:
    http = FakeHttp()
    http.markets[7].tags = ("sports",)
    assert chosen(http, Filters(tags=frozenset({"sports"}))) == Choice(1, Decimal(7), exact=True)
    assert chosen(http, Filters(min_volume=Decimal(148))) == Choice(2, Decimal(297), exact=True)


def test_names_of_filters_that_no_market_has_are_named() -> None:
    http = FakeHttp()
    http.markets[7].tags = ("sports",)
    config = load([], {}).config

    named_tags = Filters(tags=frozenset({"sports", "sprots"}))
    choice = chosen(http, named_tags)
    assert choice == Choice(1, Decimal(7), True, "no open market has the tag sprots")
    text = needs(config, choice, 0.0)
    assert text.startswith("differs: 1 market, 2 tokens, ")
    assert text.endswith("; no open market has the tag sprots")

    there = http.markets[3]
    named_markets = Filters(markets=frozenset({there.condition_id, "nosuchslug"}))
    choice = chosen(http, named_markets)
    assert isinstance(choice, Choice)
    assert (choice.markets, choice.unmatched) == (1, "no open market is named nosuchslug")


def test_of_a_tag_that_the_first_thousand_markets_do_not_have_that_is_told() -> None:
    http = FakeHttp()
    http.markets = [FakeMarket(number, volume=str(number)) for number in range(1_001)]
    choice = chosen(http, Filters(tags=frozenset({"sprots"})))
    missing = "among the first 1,000 markets no open market has the tag sprots"
    assert choice == Choice(0, Decimal(0), False, missing)


def test_filters_that_choose_nothing_differ() -> None:
    config = load([], {}).config
    text = needs(config, Choice(0, Decimal(0), exact=True), 0.0)
    assert text.startswith("differs: 0 markets, 0 tokens")


def test_what_is_needed_for_the_filters_is_told() -> None:
    config = load(["--assets-per-connection", "100"], {}).config
    exact = needs(config, Choice(150, Decimal(2_000), exact=True), 1.5)
    assert exact == "150 markets, 300 tokens, 7 connections, 175 descriptors, about 6 kB/s"
    least = needs(config, Choice(1_000, Decimal(0), exact=False), 0.0)
    assert least == "at least 1,000 markets, 2,000 tokens, 41 connections, 209 descriptors"
    assert needs(config, "HTTP 404", 0.0) == "not seen: HTTP 404"
    much = needs(config, Choice(10**8, Decimal(0), exact=True), 0.0)
    assert much.startswith("differs: 100,000,000 markets")
    assert "; this process may open " in much


def test_what_comes_from_outside_cannot_drive_the_terminal() -> None:
    (line,) = as_text([Finding("clob", "differs: \x1b[31m")])
    assert line == "clob             differs: ?[31m"
