"""Markets that the feed announced: watched at once, completed or counted when Gamma was asked."""

from decimal import Decimal

import msgspec
import pytest

from actors.catalog.universe import MAX_FEED_ONLY, Filters, Universe
from actors.messages import (
    MarketsRestored,
    MarketsSeen,
    MarketsSettled,
    NewMarketSeen,
    UniverseChanged,
)
from actors.model.assumptions import Assumption
from actors.model.market import Market, Shard, without_details
from actors.polymarket.gamma import parse_market
from tests.catalog.test_actor import CLOSED_S, Harness, watching, web_of
from tests.catalog.test_universe import market
from tests.fakes_box import drain
from tests.fakes_http import FakeMarket


def of_event(number: int, **fields: object) -> Market:
    return market(number, active=False, volume=None, **fields)


def announce(harness: Harness, seen: Market) -> None:
    harness.actor.on_receive(NewMarketSeen(condition_id=seen.condition_id, market=seen))
    drain(harness.actor)


def begun() -> Harness:
    harness = watching(web_of(1))
    harness.tick()
    return harness


def test_an_announced_market_is_watched_and_stored_from_its_event() -> None:
    harness = begun()
    announce(harness, of_event(60))

    assert harness.supervisor.last(UniverseChanged).added == (of_event(60),)
    assert harness.resolution.last(UniverseChanged).added == (of_event(60),)
    assert harness.writer.last(MarketsSeen).markets == (of_event(60),)


def test_it_is_completed_and_called_active_when_gamma_lists_it() -> None:
    harness = begun()
    late = harness.web.add(FakeMarket(60, listed=False))
    event = msgspec.structs.replace(late_market(late), active=False, question="short")
    announce(harness, event)
    late.listed = True
    for _ in range(5):
        harness.tick()

    assert harness.supervisor.last(UniverseChanged).added == without_details((late_market(late),))
    assert harness.writer.last(MarketsSeen).markets == (late_market(late),)
    told = len(harness.supervisor.of(UniverseChanged))
    harness.tick(1_800)
    harness.tick()
    assert len(harness.supervisor.of(UniverseChanged)) == told
    assert not dict(harness.report().violations).get(Assumption.LISTED)


def late_market(late: FakeMarket) -> Market:
    return parse_market(late.gamma())


def test_what_gamma_does_not_list_stays_watched_and_is_counted() -> None:
    harness = begun()
    announce(harness, of_event(60))
    for _ in range(100):
        harness.tick()
    assert Assumption.LISTED not in dict(harness.report().violations)
    for _ in range(30):
        harness.tick()

    assert of_event(60).condition_id in harness.watched()
    assert dict(harness.report().violations)[Assumption.LISTED] == 1
    for _ in range(900):
        harness.tick()
    assert dict(harness.report().violations)[Assumption.LISTED] == 1


def test_an_announcement_without_clear_tokens_waits_for_gamma() -> None:
    harness = begun()
    harness.actor.on_receive(NewMarketSeen(condition_id=market(60).condition_id))
    drain(harness.actor)

    assert market(60).condition_id not in harness.watched()


@pytest.mark.parametrize(
    ("filters", "fields", "watched"),
    [
        (Filters(), {}, True),
        (Filters(tags=frozenset({"nba"})), {"tags": ("nba",)}, True),
        (Filters(tags=frozenset({"nba"})), {}, False),
        (Filters(markets=frozenset({"market-60"})), {}, True),
        (Filters(markets=frozenset({"market-61"})), {}, False),
        (Filters(min_volume=Decimal(1)), {}, False),
        (Filters(shard=Shard(1, 3)), {}, False),
        (Filters(shard=Shard(2, 3)), {}, False),
        (Filters(shard=Shard(3, 3)), {}, True),
        (Filters(max_assets=10), {}, False),  # no sweep has shown that places are free
    ],
)
def test_filters_apply_to_what_the_event_says(
    filters: Filters, fields: dict[str, object], watched: bool
) -> None:
    universe = Universe(filters)
    assert bool(universe.announce(of_event(60, **fields)).added) is watched
    assert (market(60).condition_id in universe) is watched


def test_places_that_are_free_are_taken() -> None:
    universe = Universe(Filters(max_assets=4))
    universe.end_sweep(complete=True)
    assert universe.announce(of_event(60)).added
    assert universe.announce(of_event(61)).added
    assert not universe.announce(of_event(62)).added


def test_what_is_known_or_settled_is_not_announced_again() -> None:
    universe = Universe(Filters())
    universe.update((market(1),))
    universe.settle((market(2).condition_id,))
    assert not universe.announce(of_event(1)).added
    assert not universe.announce(of_event(2)).added


def test_a_closed_one_is_not_called_active_and_leaves_with_the_closed() -> None:
    universe = Universe(Filters(), closed_s=10)
    universe.release_closed(0)
    universe.announce(of_event(60))
    diff = universe.update((market(60, closed=True),))
    assert (len(diff.changed), diff.listed) == (1, ())
    assert universe.release_closed(10) == (market(60).condition_id,)
    assert universe.feed_only((market(60).condition_id,)) == 0


def test_their_number_is_bounded() -> None:
    universe = Universe(Filters())
    for number in range(MAX_FEED_ONLY):
        universe.announce(of_event(number))
    assert not universe.announce(of_event(MAX_FEED_ONLY)).added
    universe.settle((market(0).condition_id,))
    assert universe.announce(of_event(MAX_FEED_ONLY)).added


def test_after_a_restart_it_is_still_known_from_the_feed_alone() -> None:
    harness = watching(web_of(1))
    listed = FakeMarket(60)
    known = msgspec.structs.replace(late_market(listed), active=False, details=None)
    harness.actor.on_receive(MarketsRestored(markets=(known,)))
    harness.tick()
    assert harness.supervisor.of(UniverseChanged)[0].added == (known,)

    harness.web.add(listed)
    harness.tick(CLOSED_S)
    harness.tick()
    assert harness.supervisor.last(UniverseChanged).added == without_details((late_market(listed),))


def test_one_that_resolves_unlisted_is_let_go() -> None:
    harness = begun()
    announce(harness, of_event(60))
    harness.actor.on_receive(MarketsSettled(condition_ids=(of_event(60).condition_id,)))

    assert of_event(60).condition_id not in harness.watched()
