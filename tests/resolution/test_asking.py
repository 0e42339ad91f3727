"""A call brings its answer or its failure, and how old the answer was; it never raises."""

import pytest

from actors.errors import SourceUnavailable
from actors.model.market import Source
from actors.polymarket.pagination import Route
from actors.resolution.asking import SourceAnswered, ThreadAsker, ask_polymarket, calls_of
from actors.resolution.polling import PageRequest, Request
from tests.fakes_http import FakeMarket, FakePolymarket, condition

ABOUT_ONE = (condition(1),)


def polymarket() -> FakePolymarket:
    web = FakePolymarket()
    web.add(FakeMarket(1))
    return web


def test_an_answer_comes_with_its_age_and_what_it_shows_of_clock_and_caches() -> None:
    web = polymarket()
    web.age_s, web.clock_errors, web.old_answers = 1.5, 2, 3
    request = Request(Source.DATA, ABOUT_ONE)
    assert ask_polymarket(web, request) == SourceAnswered(
        request=request,
        answer=(web.markets[condition(1)].data(), *web.markets[condition(1)].data_tokens()),
        age_ms=1_500,
        clock_offset_s=0.0,
        clock_errors=2,
        old_answers=3,
    )
    assert ask_polymarket(web, request).clock_errors == 0  # told once


def test_a_page_is_read_by_the_route_and_cursor_of_its_request() -> None:
    web = polymarket()
    params = (("closed", "false"), ("limit", "100"))
    found = ask_polymarket(web, PageRequest(params=params, cursor="0:0", route=Route.LIST))
    assert found.page is not None
    assert found.page.markets == (web.markets[condition(1)].gamma(),)
    assert web.asked == [("page", (params, "0:0"))]


@pytest.mark.parametrize("error", [SourceUnavailable("gone"), ZeroDivisionError("a fault")])
@pytest.mark.parametrize("source", [Source.DATA, Source.CHAIN])
def test_whatever_a_call_raises_is_told(source: Source, error: Exception) -> None:
    web = polymarket()
    web.dead[source.value] = error
    calls = calls_of({Source.DATA: web}, web)
    assert calls[source](Request(source, ABOUT_ONE)).failure is error


def test_the_chain_is_asked_for_facts_and_has_no_listings() -> None:
    web = polymarket()
    (call,) = calls_of({}, web).values()
    assert call(Request(Source.CHAIN, ABOUT_ONE)).answer == (web.markets[condition(1)].chain(),)
    page = PageRequest(params=(), cursor=None, route=Route.KEYSET)
    assert isinstance(call(page).failure, TypeError)


def test_what_is_not_configured_cannot_be_asked() -> None:
    assert set(calls_of({Source.DATA: polymarket()}, None)) == {Source.DATA}


def test_all_clients_are_closed_though_none_was_asked() -> None:
    clients = {each: FakePolymarket() for each in (Source.GAMMA, Source.DATA)}
    chain = FakePolymarket()
    asker = ThreadAsker(clients, chain)
    assert set(asker.sources) == {Source.GAMMA, Source.DATA, Source.CHAIN}
    asker.close()
    assert [each.closed for each in (*clients.values(), chain)] == [1, 1, 1]
