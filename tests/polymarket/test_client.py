"""Promise: the documented requests are sent, and each market comes back as its own bytes."""

import json
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, urlsplit

import pytest

from actors.errors import PayloadRejected, SourceUnavailable
from actors.model.trade import ConditionId
from actors.polymarket.client import Page, Polymarket
from tests.polymarket.http_peer import Peer, Script, answering

IDS = tuple(ConditionId(f"0x{number:064x}") for number in range(1, 102))


def client(peer: Peer) -> Polymarket:
    return Polymarket(
        gamma_url=f"{peer.url}/gamma/",
        clob_url=f"{peer.url}/clob",
        data_url=f"{peer.url}/data",
        user_agent="tracker/1",
        deadline_s=5,
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


@pytest.mark.parametrize("cursor", ['"same"', '""', "null"])
def test_a_cursor_that_comes_back_or_is_empty_ends_the_listing(cursor: str) -> None:
    body = f'{{"markets":[],"next_cursor":{cursor}}}'.encode()
    with Peer(answering(body)) as peer:
        assert client(peer).markets_page((), "same").next_cursor is None


@pytest.mark.parametrize("closed", [True, False])
def test_markets_are_looked_up_with_the_key_repeated(closed: bool) -> None:
    with Peer(answering(b'[{"id":"1"}, {"id":"2"}]')) as peer:
        found = client(peer).markets_by_condition(IDS[:2], closed=closed)
        assert found == (b'{"id":"1"}', b'{"id":"2"}')
        assert asked(peer) == (
            "/gamma/markets",
            [
                ("condition_ids", IDS[0]),
                ("condition_ids", IDS[1]),
                ("closed", str(closed).lower()),
                ("limit", "2"),
            ],
        )


def test_a_clob_market_is_given_or_not_known() -> None:
    def script(request: str, _ended: object) -> Iterable[bytes]:
        status = "200 OK" if IDS[0] in request else "404 Not Found"
        yield f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}".encode()

    with Peer(script) as peer:
        assert client(peer).clob_market(IDS[0]) == b"{}"
        assert client(peer).clob_market(IDS[1]) is None
        assert peer.paths == [f"/clob/markets/{IDS[0]}", f"/clob/markets/{IDS[1]}"]


def test_rows_of_resolutions_are_requested_in_one_list() -> None:
    with Peer(answering(b'{"data":[{"status":"posed"}]}')) as peer:
        assert client(peer).resolutions(IDS[:2]) == (b'{"status":"posed"}',)
        assert asked(peer) == ("/data/v2/resolutions", [("condition", f"{IDS[0]},{IDS[1]}")])


def test_ids_that_the_data_api_rejects_are_left_out() -> None:
    bare = ConditionId("0x" + "a" * 62)
    with Peer(answering(b'{"data":[]}')) as peer:
        assert client(peer).resolutions((bare, IDS[0])) == ()
        assert asked(peer)[1] == [("condition", IDS[0])]
        assert client(peer).resolutions((bare,)) == ()
        assert len(peer.requests) == 1


def test_no_ids_make_no_request_and_too_many_are_a_callers_mistake() -> None:
    with Peer(answering(b"[]")) as peer:
        assert client(peer).markets_by_condition((), closed=True) == ()
        assert client(peer).resolutions(()) == ()
        with pytest.raises(ValueError, match="101 ids"):
            client(peer).markets_by_condition(IDS, closed=True)
        with pytest.raises(ValueError, match="21 ids"):
            client(peer).resolutions(IDS[:21])
        assert peer.requests == []


def test_a_hundred_ids_fit_into_one_request() -> None:
    with Peer(answering(b"[]")) as peer:
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
