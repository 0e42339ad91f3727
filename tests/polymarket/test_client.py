"""Promise: the documented requests are sent, and each market comes back as its own bytes."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, urlsplit

import pytest

from actors.errors import PayloadRejected, SourceUnavailable
from actors.model.trade import ConditionId
from actors.polymarket.client import (
    FAILED_REST,
    GONE_REST,
    LIST_LOOKUPS,
    Page,
    Polymarket,
)
from actors.polymarket.pagination import Route
from tests.polymarket.http_peer import Peer, Script, answering

IDS = tuple(ConditionId(f"0x{number:064x}") for number in range(1, 102))


def client(peer: Peer, first_asked: int | None = 0) -> Polymarket:
    return Polymarket(
        gamma_url=f"{peer.url}/gamma/",
        clob_url=f"{peer.url}/clob",
        data_url=f"{peer.url}/data",
        user_agent="tracker/1",
        deadline_s=5,
        first_asked=first_asked,
    )


def asked(peer: Peer, number: int = -1) -> tuple[str, list[tuple[str, str]]]:
    parts = urlsplit(peer.paths[number])
    return parts.path, parse_qsl(parts.query)


def test_a_page_gives_each_market_verbatim_and_the_cursor_behind_it() -> None:
    body = b'{"markets":[{"a": 1.10},{"b":"\\u00e9"}],"next_cursor":"c2","$schema":"x"}'
    with Peer(answering(body)) as peer:
        page = client(peer).markets_page((("closed", "false"), ("limit", "100")), None)
        assert page == Page(markets=(b'{"a": 1.10}', b'{"b":"\\u00e9"}'), next_cursor="c2")
        assert asked(peer) == ("/gamma/markets/keyset", [("closed", "false"), ("limit", "100")])


def test_a_cursor_goes_back_as_after_cursor() -> None:
    with Peer(answering(b'{"markets":[]}')) as peer:
        page = client(peer).markets_page((("limit", "100"),), "a+b/c==")
        assert page == Page(markets=(), next_cursor=None)
        assert asked(peer)[1] == [("limit", "100"), ("after_cursor", "a+b/c==")]


@pytest.mark.parametrize("cursor", ['""', "null"])
def test_an_empty_cursor_is_none(cursor: str) -> None:
    body = f'{{"markets":[],"next_cursor":{cursor}}}'.encode()
    with Peer(answering(body)) as peer:
        assert client(peer).markets_page((), "same").next_cursor is None


@pytest.mark.parametrize("route", [Route.KEYSET, Route.EVENTS])
@pytest.mark.parametrize("damaged", [b"", b'{"a":nul}'])
def test_a_cursor_that_would_fill_the_memory_is_rejected(route: Route, damaged: bytes) -> None:
    key = b"markets" if route is Route.KEYSET else b"events"
    body = b'{"%b":[%b],"next_cursor":"%b"}' % (key, damaged, b"x" * 1025)
    with Peer(answering(body)) as peer, pytest.raises(PayloadRejected, match="unexpected shape"):
        client(peer).markets_page((), None, route=route)


def test_a_cursor_that_comes_back_is_left_to_the_caller_to_judge() -> None:
    with Peer(answering(b'{"markets":[],"next_cursor":"same"}')) as peer:
        assert client(peer).markets_page((), "same").next_cursor == "same"


DAMAGED = [
    b'{"id":"2","question":"\\ud83d half"}',
    b'{"id":"2","question":"a\tb"}',
    b'{"id":"2","volumeNum":NaN}',
    b'{"id":"2","question":"\\q]},{"}',
]


@pytest.mark.parametrize("bad", DAMAGED)
@pytest.mark.parametrize("route", [Route.KEYSET, Route.LIST])
def test_a_damaged_market_hides_no_other_of_its_page(bad: bytes, route: Route) -> None:
    listed = b'[{"id":"1"}, ' + bad + b' ,{"id":"3"}]'
    whole = b'{"next_cursor":"c2", "markets" :' + listed + b"}"
    with Peer(answering(listed if route is Route.LIST else whole)) as peer:
        page = client(peer).markets_page((("limit", "3"),), None, route=route)
    assert page.markets == (b'{"id":"1"}', bad, b'{"id":"3"}')
    assert page.next_cursor == ("3" if route is Route.LIST else "c2")


def test_the_list_form_goes_by_offset_and_ends_with_an_empty_page() -> None:
    with Peer(
        lambda request, _: answering(b"[]" if "offset=2" in request else b"[1,2]")("", _)
    ) as (peer):
        source = client(peer)
        first = source.markets_page((("limit", "2"),), None, route=Route.LIST)
        last = source.markets_page((("limit", "2"),), first.next_cursor, route=Route.LIST)
        assert (first.next_cursor, last.next_cursor) == ("2", None)
        assert peer.paths == ["/gamma/markets?limit=2", "/gamma/markets?limit=2&offset=2"]
        source.try_list_form()
        assert asked(peer) == ("/gamma/markets", [("closed", "false"), ("limit", "1")])
        source.try_list_form()
        assert asked(peer) == ("/gamma/markets", [("closed", "false"), ("limit", "2")])


@pytest.mark.parametrize("closed", [True, False])
def test_markets_are_looked_up_with_the_key_repeated(closed: bool) -> None:
    with Peer(answering(b'{"markets":[{"id":"1"}, {"id":"2"}]}')) as peer:
        found = client(peer).markets_by_condition(IDS[:2], closed=closed)
        assert found == (b'{"id":"1"}', b'{"id":"2"}')
        assert asked(peer) == (
            "/gamma/markets/keyset",
            [
                ("condition_ids", IDS[0]),
                ("condition_ids", IDS[1]),
                ("closed", str(closed).lower()),
                ("limit", "100"),
            ],
        )


def test_a_look_up_that_is_repeated_is_another_question_to_a_cache() -> None:
    with Peer(answering(b'{"markets":[]}')) as peer:
        source = client(peer)
        for _ in range(60):
            source.markets_by_condition(IDS[:40], closed=False)
        limits = [int(path.rpartition("limit=")[2]) for path in peer.paths]
    assert len(set(limits)) == 60
    assert all(40 <= limit <= 100 for limit in limits)


@pytest.mark.parametrize("route", [Route.KEYSET, Route.LIST])
@pytest.mark.parametrize("listed", [0, 3, 20, 39, 40])
def test_a_look_up_reads_on_when_a_page_holds_less_than_was_asked_for(
    route: Route, listed: int
) -> None:
    numbers = [str(number).encode() for number in range(listed)]

    def script(request: str, ended: threading.Event) -> Iterable[bytes]:
        if ("/keyset" in request) is (route is Route.LIST):
            return answering(b"{}", "404 Not Found")(request, ended)
        found = re.search(r"(?:after_cursor|offset)=(\d+)", request)
        at = int(found[1]) if found else 0
        page = b",".join(numbers[at : at + 20])
        if route is Route.LIST:
            return answering(b"[" + page + b"]")(request, ended)
        more = b',"next_cursor":"%d"' % (at + 20) if at + 20 < listed else b""
        return answering(b'{"markets":[' + page + b"]" + more + b"}")(request, ended)

    with Peer(script) as peer:
        found = client(peer).markets_by_condition(IDS[:40], closed=False)
    assert found == tuple(numbers)


def test_events_are_read_for_their_markets_which_have_the_tags_of_their_event() -> None:
    body = (
        b'{"events":[{"id":"9","tags":[{"slug":"sports"}],"markets":[{"id":"1"},{}]},'
        b'{"id":"8","markets":[{"id":"2","tags":[]}, {"id":"3","question":"a\tb"}]},{"id":"7"}],'
        b'"next_cursor":"c2"}'
    )
    query = (("closed", "false"), ("order", "volumeNum"), ("limit", "100"), ("include_tag", "true"))
    with Peer(answering(body)) as peer:
        page = client(peer).markets_page(query, "c1", route=Route.EVENTS)
        assert asked(peer) == (
            "/gamma/events/keyset",
            [("closed", "false"), ("order", "volume"), ("limit", "20"), ("after_cursor", "c1")],
        )
    assert page.next_cursor == "c2"
    assert page.markets == (
        b'{"tags":[{"slug":"sports"}],"id":"1"}',
        b"{}",
        b'{"tags":null,"id":"2","tags":[]}',
        b'{"tags":null,"id":"3","question":"a\tb"}',
    )


@pytest.mark.parametrize("body", [b"[]", b'{"markets":[]}', b'{"events":{}}'])
def test_events_of_another_shape_are_rejected(body: bytes) -> None:
    with Peer(answering(body)) as peer, pytest.raises(PayloadRejected):
        client(peer).markets_page((("limit", "100"),), None, route=Route.EVENTS)


def test_old_answers_are_counted() -> None:
    old = b"HTTP/1.1 200 OK\r\nAge: 219\r\nContent-Length: 14\r\n\r\n" + b'{"markets":[]}'
    with Peer(lambda _, __: [old]) as peer:
        source = client(peer)
        source.markets_by_condition(IDS[:2], closed=False)
        assert (source.age_s, source.take_old_answers(), source.take_old_answers()) == (219.0, 1, 0)


def routes(**statuses: str) -> Script:
    """Answer look-ups on both routes, each with its status."""
    good = {"keyset": b'{"markets":[{"id":"k"}]}', "list": b'[{"id":"l"}]'}

    def script(request: str, ended: threading.Event) -> Iterable[bytes]:
        route = "keyset" if "/keyset" in request else "list"
        status = statuses.get(route, "200 OK")
        return answering(good[route] if status == "200 OK" else b"{}", status)(request, ended)

    return script


def test_a_list_form_that_is_gone_is_not_missed_by_look_ups() -> None:
    with Peer(routes(list="404 Not Found")) as peer:
        assert client(peer).markets_by_condition(IDS[:1], closed=False) == (b'{"id":"k"}',)
        assert len(peer.requests) == 1


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone", "422 No", "500 Oops"])
def test_look_ups_go_by_the_list_form_while_the_keyset_does_not_answer(status: str) -> None:
    with Peer(routes(keyset=status)) as peer:
        source = client(peer)
        for _ in range(LIST_LOOKUPS + 1):
            assert source.markets_by_condition(IDS[:1], closed=False) == (b'{"id":"l"}',)
        assert len(peer.requests) == LIST_LOOKUPS + 2  # the keyset was asked once
        source.markets_by_condition(IDS[:1], closed=False)
        assert [("keyset" in path) for path in peer.paths[-2:]] == [True, False]
        peer.script = routes(list="404 Not Found")
        for _ in range(3):
            assert source.markets_by_condition(IDS[:1], closed=False) == (b'{"id":"k"}',)
        assert len(peer.requests) == LIST_LOOKUPS + 8


@pytest.mark.parametrize("status", ["429 Many", "503 Busy"])
def test_a_server_that_is_overloaded_is_not_asked_a_second_time(status: str) -> None:
    with Peer(routes(keyset=status)) as peer, pytest.raises(SourceUnavailable, match=status[:3]):
        client(peer).markets_by_condition(IDS[:1], closed=False)
    assert len(peer.requests) == 1


def test_a_look_up_that_fails_on_both_routes_tells_what_the_first_said() -> None:
    with (
        Peer(routes(keyset="500 Oops", list="404 Not Found")) as peer,
        pytest.raises(SourceUnavailable) as caught,
    ):
        client(peer).markets_by_condition(IDS[:1], closed=False)
    assert caught.value.status == 500


def test_a_clob_market_is_given_or_not_known() -> None:
    def script(request: str, _ended: object) -> Iterable[bytes]:
        status = "200 OK" if IDS[0] in request else "404 Not Found"
        yield f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}".encode()

    with Peer(script) as peer:
        assert client(peer).clob_market(IDS[0]) == b"{}"
        assert client(peer).clob_market(IDS[1]) is None
        assert peer.paths == [
            f"/clob/markets/{IDS[0]}",
            f"/clob/markets/{IDS[1]}",
            f"/clob/clob-markets/{IDS[1]}",
        ]


def test_what_the_first_route_of_the_clob_does_not_know_the_second_names() -> None:
    def script(request: str, _ended: object) -> Iterable[bytes]:
        status = "200 OK" if "/clob-markets/" in request else "404 Not Found"
        yield f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}".encode()

    with Peer(script) as peer:
        assert client(peer).clob_market(IDS[0]) == b"{}"


def test_rows_of_both_routes_of_the_data_api_are_requested_in_one_list_each() -> None:
    with Peer(answering(b'{"data":[{"status":"posed"}]}')) as peer:
        assert client(peer).resolutions(IDS[:2]) == (b'{"status":"posed"}',) * 2
        assert peer.paths == [
            f"/data/v2/{name}?condition={IDS[0]}%2C{IDS[1]}" for name in ("resolutions", "tokens")
        ]


def test_ids_that_a_route_of_the_data_api_rejects_are_left_out_there() -> None:
    bare = ConditionId("0x" + "a" * 62)
    with Peer(answering(b'{"data":[]}')) as peer:
        assert client(peer).resolutions((bare, IDS[0])) == ()
        assert peer.paths == [
            f"/data/v2/resolutions?condition={IDS[0]}",
            f"/data/v2/tokens?condition={bare}%2C{IDS[0]}",
        ]


def data_api(**statuses: str) -> Script:
    """Return a Data API of whose routes these answer with another status than 200."""

    def script(request: str, _ended: object) -> Iterable[bytes]:
        name = "tokens" if "/tokens" in request else "resolutions"
        body = f'{{"data":[{{"of":"{name}"}}]}}'.encode()
        status = statuses.get(name, "200 OK")
        yield f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    return script


@pytest.mark.parametrize("gone", ["resolutions", "tokens"])
def test_a_route_of_the_data_api_that_is_gone_is_hardly_asked_and_the_other_one_is(
    gone: str,
) -> None:
    other = "tokens" if gone == "resolutions" else "resolutions"
    with Peer(data_api(**{gone: "404 Not Found"})) as peer:
        source = client(peer)
        for _ in range(GONE_REST + 2):
            assert source.resolutions(IDS[:2]) == (f'{{"of":"{other}"}}'.encode(),)
        assert sum(f"/{gone}" in path for path in peer.paths) == 2


def test_a_batch_that_one_route_rejects_fails_and_a_single_market_does_not() -> None:
    with Peer(data_api(resolutions="400 Bad Request")) as peer:
        source = client(peer)
        with pytest.raises(SourceUnavailable, match="400"):
            source.resolutions(IDS[:2])
        assert source.resolutions(IDS[:1]) == (b'{"of":"tokens"}',)


def test_a_route_of_the_data_api_that_is_overloaded_does_not_hide_the_other_one() -> None:
    with Peer(data_api(resolutions="503 Busy")) as peer:
        source = client(peer)
        for _ in range(FAILED_REST + 2):
            assert source.resolutions(IDS[:2]) == (b'{"of":"tokens"}',)
        assert sum("/resolutions" in path for path in peer.paths) == 2


def test_a_data_api_without_any_route_fails_and_is_asked_again() -> None:
    with Peer(data_api(resolutions="404 Not Found", tokens="503 Busy")) as peer:
        source = client(peer)
        for _ in range(3):
            with pytest.raises(SourceUnavailable, match="404"):
                source.resolutions(IDS[:2])
        assert len(peer.paths) == 6


def test_no_ids_make_no_request_and_too_many_are_a_callers_mistake() -> None:
    with Peer(answering(b"[]")) as peer:
        assert client(peer).markets_by_condition((), closed=True) == ()
        assert client(peer).resolutions(()) == ()
        with pytest.raises(ValueError, match="101 ids"):
            client(peer).markets_by_condition(IDS, closed=True)
        with pytest.raises(ValueError, match="11 ids"):
            client(peer).resolutions(IDS[:11])
        assert peer.requests == []


def test_a_hundred_ids_fit_into_one_request() -> None:
    with Peer(answering(b'{"markets":[]}')) as peer:
        client(peer).markets_by_condition(IDS[:100], closed=False)
        assert [value for key, value in asked(peer)[1] if key == "condition_ids"] == [*IDS[:100]]


Call = Callable[[Polymarket], object]
LISTS: list[Call] = [
    lambda source: source.markets_page((), None),
    lambda source: source.markets_by_condition(IDS[:1], closed=True),
    lambda source: source.resolutions(IDS[:1]),
]
ALL: list[Call] = [*LISTS, lambda source: source.clob_market(IDS[0])]


@pytest.mark.parametrize("call", LISTS)
@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b'{"error":"x"}', b"[1", b"", b"null", b'{"markets":null}']
)
def test_a_200_without_the_promised_shape_is_rejected(call: Call, body: bytes) -> None:
    with Peer(answering(body)) as peer, pytest.raises(PayloadRejected):
        call(client(peer))


@pytest.mark.parametrize("status", ["403 Forbidden", "422 Unprocessable", "500 Oops", "302 Found"])
def test_every_other_status_is_an_unavailable_source(status: str) -> None:
    script: Script = answering(json.dumps({"error": "x"}).encode(), status)
    with Peer(script) as peer:
        for call in ALL:
            with pytest.raises(SourceUnavailable, match=status[:3]):
                call(client(peer))


def test_a_process_looks_up_by_another_address_than_the_one_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cache between would answer what the market was for that one."""
    with Peer(answering(b'{"markets": [], "next_cursor": null}')) as peer:
        for start in (1_000.0, 1_115.0):
            monkeypatch.setattr(time, "time", lambda now=start: now)
            client(peer, None).markets_by_condition(IDS[:1], closed=True)
        assert len(set(peer.paths)) == len(peer.paths) == 2
