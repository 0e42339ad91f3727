"""Requests reach the right call of their source; answers are read for what still waits."""

from actors.model.market import Market, Source
from actors.model.trade import ConditionId
from actors.polymarket.gamma import parse_market
from actors.polymarket.pagination import Route
from actors.resolution.polling import (
    MOST_MARKETS,
    PageRequest,
    RecentlyClosed,
    Request,
    closing_times,
    read_answer,
    read_page,
    send,
)
from tests.fakes_http import WALL_MS, FakeMarket, FakePolymarket, condition

AT_MS = WALL_MS + 5_000


def polymarket(*numbers: int) -> tuple[FakePolymarket, dict[ConditionId, Market]]:
    """Return the sources with these markets, resolved, and the markets as they are kept."""
    web = FakePolymarket()
    for number in numbers:
        web.add(FakeMarket(number)).resolve(0)
    markets = (parse_market(web.markets[condition(number)].gamma()) for number in numbers)
    return web, {each.condition_id: each for each in markets}


def test_each_request_is_sent_to_its_source_and_read_from_its_answer() -> None:
    web, markets = polymarket(1)
    for source in (Source.GAMMA, Source.DATA, Source.CLOB):
        request = Request(source, (condition(1),), closed=source is Source.GAMMA)
        (observation,) = read_answer(request, send(request, web), markets, AT_MS)
        assert (observation.source, observation.observed_at_ms) == (source, AT_MS)
        assert observation.payouts is not None
    request = Request(Source.CHAIN, (condition(1),))
    (observation,) = read_answer(request, web.payouts(request.ids), markets, AT_MS)
    assert observation.source is Source.CHAIN
    assert [name for name, _ in web.asked] == ["lookup", "data", "clob", "chain"]


def test_what_no_longer_waits_is_left_out_of_every_answer() -> None:
    web, markets = polymarket(1, 2)
    settled = markets.pop(condition(1))
    ids = (settled.condition_id, condition(2))
    for source in (Source.GAMMA, Source.DATA):
        request = Request(source, ids, closed=True)
        found = read_answer(request, send(request, web), markets, AT_MS)
        assert [each.condition_id for each in found] == [condition(2)]
    chain = Request(Source.CHAIN, ids)
    (observation,) = read_answer(chain, web.payouts(ids), markets, AT_MS)
    assert observation.condition_id == condition(2)
    clob = Request(Source.CLOB, (settled.condition_id,))
    assert read_answer(clob, send(clob, web), markets, AT_MS) == ()


def test_a_market_that_the_clob_does_not_know_brings_nothing() -> None:
    web, markets = polymarket(1)
    request = Request(Source.CLOB, (condition(9),))
    assert read_answer(request, send(request, web), markets, AT_MS) == ()


def test_an_answer_out_of_a_cache_was_made_before_it_was_asked_for() -> None:
    web, markets = polymarket(1)
    request = Request(Source.DATA, (condition(1),))
    (observation,) = read_answer(request, send(request, web), markets, AT_MS, age_ms=700)
    assert (observation.observed_at_ms, observation.made_at_ms) == (AT_MS, AT_MS - 700)


def test_a_page_of_the_listing_is_evidence_on_the_markets_that_wait() -> None:
    web, markets = polymarket(1, 2)
    del markets[condition(2)]
    page = web.markets_page((("closed", "true"), ("limit", "100")), None)
    (observation,) = read_page(page, markets, AT_MS, age_ms=700)
    assert observation.condition_id == condition(1)
    assert observation.source is Source.GAMMA
    assert observation.payouts is not None
    assert (observation.observed_at_ms, observation.made_at_ms) == (AT_MS, AT_MS - 700)


def test_closing_times_are_those_of_closed_markets_that_were_asked_for() -> None:
    web, _ = polymarket(1, 2)
    request = Request(Source.GAMMA, (condition(1),), closed=True)
    answer = (*send(request, web), web.markets[condition(2)].gamma(), b"<html>")
    assert closing_times(request, answer) == ((condition(1), WALL_MS),)
    assert closing_times(Request(Source.GAMMA, (condition(1),)), answer) == ()
    assert closing_times(Request(Source.DATA, (condition(1),)), answer) == ()


def test_every_source_has_a_batch() -> None:
    assert set(MOST_MARKETS) == set(Source)
    assert MOST_MARKETS[Source.CLOB] == 1


def test_the_pass_under_way_says_which_page_is_next() -> None:
    closed = RecentlyClosed(60.0)
    requests = [closed.request]
    closed.tick(0.0, WALL_MS)
    assert closed.listing is not None
    requests.append(closed.request)
    closed.listing.advance("next", count=100)
    requests.append(closed.request)
    params = closed.listing.params
    assert requests == [
        None,
        PageRequest(params=params, cursor=None, route=Route.KEYSET),
        PageRequest(params=params, cursor="next", route=Route.KEYSET),
    ]
