"""The catalogue actor, unstarted: told by hand, drained, looked at through its neighbours."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from actors.actor import Addresses, Incarnation
from actors.catalog.actor import OUTBOX_MAX, CatalogActor, CatalogSettings
from actors.catalog.universe import Filters
from actors.errors import PayloadRejected, SourceUnavailable
from actors.messages import (
    CatalogReport,
    MarketsRestored,
    MarketsSeen,
    MarketsSettled,
    NewMarketSeen,
    RequestMarkets,
    StoreOpened,
    Tick,
    TicketsStored,
    UniverseChanged,
)
from actors.model.trade import ConditionId
from actors.polymarket.gamma import parse_market
from actors.polymarket.ratelimit import GAMMA_LISTINGS
from tests.clocks import DAY_S, HOUR_S, Clocks, clocks
from tests.fakes_box import Box, drain, step, waiting
from tests.fakes_http import WALL_MS, FakeMarket, FakePolymarket, condition

DISCOVERY_S = 30.0
CLOSED_S = 10_000.0


class House:
    """A catalogue with its neighbours and a clock."""

    def __init__(self, web: FakePolymarket, filters: Filters, incarnation: int = 1) -> None:
        self.web = web
        self.supervisor, self.writer, self.resolution = Box(), Box(), Box()
        self.now = 1000.0
        self.actor = CatalogActor(
            Incarnation("catalog", incarnation, Tick(now=self.now, wall_ns=WALL_MS * 1_000_000)),
            to=Addresses(
                supervisor=self.supervisor, writer=self.writer, resolution=self.resolution
            ),
            gamma=web,
            settings=CatalogSettings(filters=filters, discovery_s=DISCOVERY_S, closed_s=CLOSED_S),
        )

    def tick(self, after_s: float = 1.0, *, drained: bool = True) -> None:
        self.now += after_s
        wall_ns = WALL_MS * 1_000_000 + int((self.now - 1000.0) * 1e9)
        self.actor.on_receive(Tick(now=self.now, wall_ns=wall_ns))
        if drained:
            drain(self.actor)

    def watched(self) -> set[ConditionId]:
        """What the supervisor watches after all it was told."""
        watched: set[ConditionId] = set()
        for change in self.supervisor.of(UniverseChanged):
            watched |= {market.condition_id for market in change.added}
            watched -= set(change.removed)
        return watched

    def written(self) -> list[ConditionId]:
        seen = self.writer.of(MarketsSeen)
        return [market.condition_id for message in seen for market in message.markets]

    def store_all(self) -> None:
        tickets = tuple(message.ticket for message in self.writer.of(MarketsSeen))
        self.actor.on_receive(TicketsStored(tickets=tickets))

    def report(self) -> CatalogReport:
        return self.supervisor.last(CatalogReport)


def web_of(count: int, **kinds: object) -> FakePolymarket:
    web = FakePolymarket()
    for number in range(count):
        web.add(FakeMarket(number, **kinds))  # type: ignore[arg-type]
    return web


def house(web: FakePolymarket, incarnation: int = 1, **filters: object) -> House:
    return House(web, Filters(**filters), incarnation)  # type: ignore[arg-type]


def ids(numbers: Iterable[int]) -> set[ConditionId]:
    return {condition(number) for number in numbers}


# ------------------------------------------------------------------- sweeping


def test_the_first_sweep_watches_and_writes_down_every_open_market() -> None:
    web = web_of(250)
    web.add(FakeMarket(900)).closed = True
    home = house(web)
    home.tick()
    assert home.watched() == ids(range(250))
    assert sorted(home.written()) == sorted(ids(range(250)))
    assert home.report().markets == 0  # the report of this tick was told before the answers
    home.tick()
    assert home.report().markets == 250
    assert home.report().last_sweep_at == 1001.0


def test_messages_stay_within_their_bounds() -> None:
    home = house(web_of(250))
    home.tick()
    assert max(len(m.markets) for m in home.writer.of(MarketsSeen)) <= 500
    assert max(len(m.added) for m in home.supervisor.of(UniverseChanged)) <= 1_000


def test_one_poll_asks_one_question() -> None:
    home = house(web_of(250))
    home.tick(drained=False)
    assert home.web.times("page") == 0
    step(home.actor)
    assert home.web.times("page") == 1
    step(home.actor)
    assert home.web.times("page") == 2


def test_ticks_during_a_sweep_do_not_multiply_the_polls() -> None:
    home = house(web_of(250))
    for _ in range(5):
        home.tick(0.1, drained=False)
    assert waiting(home.actor) == 1


def test_a_second_sweep_says_nothing_about_what_is_known() -> None:
    home = house(web_of(20))
    home.tick()
    home.supervisor.clear()
    home.writer.clear()
    home.tick(1801.0)
    assert home.web.times("page") >= 2
    assert home.supervisor.of(UniverseChanged) == []
    assert home.writer.of(MarketsSeen) == []


def test_a_sweep_tells_resolution_of_every_market_again() -> None:
    home = house(web_of(20))
    home.tick()
    home.resolution.clear()
    home.tick(1801.0)
    told = {m.condition_id for c in home.resolution.of(UniverseChanged) for m in c.added}
    assert told == ids(range(20))


def test_a_changed_market_is_written_down_again_but_a_new_volume_is_no_change() -> None:
    web = web_of(2)
    home = house(web)
    home.tick()
    home.writer.clear()
    web.markets[condition(0)].end_ms = WALL_MS + 9_000_000
    web.markets[condition(1)].volume = "999"
    home.tick(1801.0)
    assert home.written() == [condition(0)]


def test_a_sweep_that_gets_a_cursor_twice_ends() -> None:
    web = web_of(150)
    web.loops = True
    home = house(web)
    home.tick()
    assert home.watched() == ids(range(150))
    home.tick()
    assert home.report().last_sweep_at is not None


def test_a_market_that_cannot_be_read_does_not_hide_the_others() -> None:
    web = web_of(3)
    web.markets[condition(1)].tokenless = True
    home = house(web)
    home.tick()
    assert home.watched() == ids([0, 2])


def test_v2_markets_are_watched_under_their_padded_id() -> None:
    web = FakePolymarket()
    market = web.add(FakeMarket(5, v2=True))
    home = house(web)
    home.tick()
    assert home.watched() == {market.condition_id}
    assert len(market.condition_id) == 66


# --------------------------------------------------------------------- errors


@pytest.mark.parametrize("failure", [SourceUnavailable("HTTP 502"), PayloadRejected("not JSON")])
def test_a_failed_page_is_asked_for_again_with_growing_delay(failure: Exception) -> None:
    home = house(web_of(3))
    home.web.dead["gamma"] = failure
    home.tick()
    for _ in range(10):
        home.tick()
    assert 3 <= home.web.times("page") <= 5  # after 1, 2, 4 s, not at every tick
    assert home.report().last_error == str(failure)
    home.web.dead.clear()
    for _ in range(10):
        home.tick()
    assert home.watched() == ids(range(3))
    assert home.report().last_error == ""


def test_a_page_that_fails_in_the_middle_loses_no_market() -> None:
    home = house(web_of(250))
    home.tick(drained=False)
    step(home.actor)
    home.web.dead["gamma"] = SourceUnavailable("reset")
    step(home.actor)
    home.web.dead.clear()
    home.tick(2.0)
    assert home.watched() == ids(range(250))


def test_the_server_is_left_alone_as_long_as_it_asks() -> None:
    home = house(web_of(1))
    home.web.dead["gamma"] = SourceUnavailable("HTTP 429", retry_after_s=40.0)
    home.tick()
    home.web.dead.clear()
    home.tick(39.0)
    assert home.watched() == set()
    home.tick(2.0)
    assert home.watched() == ids([0])


def test_a_cursor_that_is_rejected_for_ever_is_walked_around() -> None:
    web = web_of(250)
    web.stuck_cursor = "100:100"
    home = house(web)
    for _ in range(40):
        home.tick(2.0)
    assert home.watched() == ids(range(250))


def test_a_poll_that_always_fails_does_not_stop_the_sweep() -> None:
    web = web_of(250)
    home = house(web)
    home.tick(drained=False)
    home.tick(DISCOVERY_S + 1, drained=False)
    web.dead["gamma"] = SourceUnavailable("HTTP 403")
    step(home.actor)  # the poll for the latest fails
    web.dead.clear()
    home.tick(2.0)
    assert home.watched() == ids(range(250))


# ------------------------------------------------------------------ discovery


def test_a_new_market_is_found_by_the_next_poll() -> None:
    web = web_of(3)
    home = house(web)
    home.tick()
    web.add(FakeMarket(50, start_ms=WALL_MS + 5_000))
    home.tick(DISCOVERY_S)
    assert condition(50) in home.watched()
    asked = [dict(what[0]) for name, what in web.asked if name == "page"][-1]
    assert asked["order"] == "startDate"
    assert asked["start_date_min"] == "2026-10-03T03:58:01Z"  # two minutes before the mark


def test_a_market_dated_in_the_future_does_not_hide_later_listings() -> None:
    web = web_of(1)
    home = house(web)
    home.tick()
    web.add(FakeMarket(50, start_ms=WALL_MS + 86_400_000))
    home.tick(DISCOVERY_S)
    web.add(FakeMarket(51, start_ms=WALL_MS + 40_000))
    home.tick(DISCOVERY_S)
    assert ids([50, 51]) <= home.watched()


def test_an_announced_market_is_looked_up_at_once() -> None:
    web = web_of(1)
    home = house(web)
    home.tick()
    web.add(FakeMarket(60))
    home.actor.on_receive(NewMarketSeen(condition_id=condition(60)))
    drain(home.actor)
    assert condition(60) in home.watched()


def test_an_announced_market_that_gamma_lists_late_is_found() -> None:
    web = web_of(1)
    home = house(web)
    home.tick()
    late = web.add(FakeMarket(60, listed=False))
    home.actor.on_receive(NewMarketSeen(condition_id=late.condition_id))
    drain(home.actor)
    for _ in range(20):
        home.tick()
    late.listed = True
    for _ in range(35):
        home.tick()
    assert late.condition_id in home.watched()


def test_an_announced_market_that_never_comes_is_given_up() -> None:
    home = house(web_of(1))
    home.tick()
    home.actor.on_receive(NewMarketSeen(condition_id=condition(60)))
    for _ in range(900):
        home.tick()
    asked = home.web.times("lookup")
    assert asked == 10
    for _ in range(200):
        home.tick()
    assert home.web.times("lookup") == asked


def test_an_announced_market_that_is_watched_costs_no_question() -> None:
    home = house(web_of(1))
    home.tick()
    home.actor.on_receive(NewMarketSeen(condition_id=condition(0)))
    drain(home.actor)
    assert home.web.times("lookup") == 0


def test_an_announced_v2_market_is_looked_up_in_both_spellings() -> None:
    web = web_of(1)
    home = house(web)
    home.tick()
    market = web.add(FakeMarket(61, v2=True))
    home.actor.on_receive(NewMarketSeen(condition_id=market.condition_id))
    drain(home.actor)
    assert market.condition_id in home.watched()


def test_a_placeholder_that_does_not_trade_is_not_watched_until_it_does() -> None:
    web = web_of(1)
    home = house(web)
    home.tick()
    market = web.add(FakeMarket(62, active=False))
    home.actor.on_receive(NewMarketSeen(condition_id=market.condition_id))
    drain(home.actor)
    assert market.condition_id not in home.watched()
    market.active = True
    for _ in range(5):
        home.tick()
    assert market.condition_id in home.watched()


# ---------------------------------------------------------------- restart, DB


def test_what_is_not_stored_is_told_again_when_the_database_opens() -> None:
    home = house(web_of(3))
    home.tick()
    first = home.writer.of(MarketsSeen)
    home.writer.clear()
    home.actor.on_receive(StoreOpened(server="x"))
    assert home.writer.of(MarketsSeen) == first
    home.actor.on_receive(TicketsStored(tickets=tuple(m.ticket for m in first)))
    home.writer.clear()
    home.actor.on_receive(StoreOpened(server="x"))
    assert home.writer.of(MarketsSeen) == []


def test_tickets_of_a_former_life_are_not_taken_for_own_ones() -> None:
    first, second = house(web_of(3)), house(web_of(3), incarnation=2)
    first.tick()
    second.tick()
    old = tuple(message.ticket for message in first.writer.of(MarketsSeen))
    second.actor.on_receive(TicketsStored(tickets=old))
    second.tick()
    assert second.report().waiting == 1


def test_only_a_later_life_asks_what_is_remembered() -> None:
    first, second = house(web_of(1)), house(web_of(1), incarnation=2)
    first.tick()
    second.tick()
    assert first.writer.of(RequestMarkets) == []
    assert len(second.writer.of(RequestMarkets)) == 1


def test_while_the_database_is_away_memory_is_bounded_and_everything_is_watched() -> None:
    web = web_of(OUTBOX_MAX * 2 + 10)
    web.page_size = 2
    home = house(web)
    for _ in range(5):  # so many pages take more than one share of Gamma's budget
        home.tick(10.0)
    assert len(home.watched()) == OUTBOX_MAX * 2 + 10
    home.tick()
    assert home.report().waiting == OUTBOX_MAX
    home.actor.on_receive(StoreOpened(server="x"))
    home.store_all()
    home.writer.clear()
    for _ in range(6):
        home.tick(10.0)
    assert sorted(home.written()) == sorted(ids(range(OUTBOX_MAX * 2, OUTBOX_MAX * 2 + 10)))


def test_gamma_is_not_asked_more_often_than_its_budget_allows() -> None:
    web = web_of(GAMMA_LISTINGS * 2 + 10)
    web.page_size = 1
    home = house(web)
    home.tick()
    assert len(web.asked) == GAMMA_LISTINGS
    home.tick(1.0)  # until here they may have been on their way
    home.tick(9.0)
    assert len(web.asked) == GAMMA_LISTINGS
    for _ in range(5):
        home.tick(10.0)
    assert len(home.watched()) == GAMMA_LISTINGS * 2 + 10


def remembered(*markets: FakeMarket) -> MarketsRestored:
    return MarketsRestored(markets=tuple(parse_market(market.gamma()) for market in markets))


def test_remembered_markets_are_watched_again() -> None:
    web = web_of(1)
    home = house(web)
    home.actor.on_receive(remembered(FakeMarket(70)))
    home.tick()
    assert home.watched() == ids([0, 70])
    assert condition(70) not in home.written()  # the database has told us itself


def test_remembered_markets_that_closed_are_listened_to_no_more_and_decided_yet() -> None:
    home = house(web_of(1))
    past = FakeMarket(70)
    past.closed = True
    home.actor.on_receive(remembered(past))
    home.tick()
    assert home.watched() == ids([0])
    (change,) = [each for each in home.supervisor.of(UniverseChanged) if each.removed]
    assert change.removed == (condition(70),)
    assert len(change.unwanted) == 2
    told = home.resolution.of(UniverseChanged)
    assert [m.condition_id for each in told for m in each.added] == [condition(70), condition(0)]
    assert not any(each.removed for each in told)


def test_markets_that_are_remembered_after_the_sweep_that_lacked_them_are_looked_up() -> None:
    web = web_of(1)
    home = house(web)
    home.tick()
    past = FakeMarket(70)
    web.add(past)
    home.actor.on_receive(remembered(past))
    assert home.watched() == ids([0, 70])
    past.closed = True
    home.tick()
    home.tick()

    assert home.watched() == ids([0])
    assert ("lookup", ((condition(70),), True)) in web.asked


def test_remembered_markets_that_the_filters_exclude_are_let_go_with_their_tokens() -> None:
    home = house(web_of(1, tags=("crypto",)), tags=frozenset({"crypto"}))
    home.actor.on_receive(remembered(FakeMarket(70, tags=("sports",))))
    change = home.supervisor.of(UniverseChanged)[0]
    assert change.added == ()
    assert change.removed == (condition(70),)
    assert len(change.unwanted) == 2


# ------------------------------------------------------------------- settling


def test_a_settled_market_is_let_go_and_not_taken_back_while_gamma_still_lists_it() -> None:
    home = house(web_of(3))
    home.tick()
    home.actor.on_receive(MarketsSettled(condition_ids=(condition(1),)))
    assert home.watched() == ids([0, 2])
    assert home.resolution.last(UniverseChanged).removed == (condition(1),)
    home.tick(1801.0)
    home.actor.on_receive(NewMarketSeen(condition_id=condition(1)))
    drain(home.actor)
    assert home.watched() == ids([0, 2])


def test_a_market_settled_before_this_life_is_let_go_too() -> None:
    home = house(web_of(1), incarnation=2)
    home.tick()
    home.actor.on_receive(MarketsSettled(condition_ids=(condition(44),)))
    assert home.supervisor.last(UniverseChanged).removed == (condition(44),)


def test_a_market_is_let_go_once() -> None:
    home = house(web_of(2))
    home.tick()
    for _ in range(2):
        home.actor.on_receive(MarketsSettled(condition_ids=(condition(1),)))
    assert sum(condition(1) in c.removed for c in home.supervisor.of(UniverseChanged)) == 1


def test_a_closed_market_stays_until_it_settles_and_resolution_learns_that_it_closed() -> None:
    web = web_of(3)
    home = house(web)
    home.tick()
    web.markets[condition(1)].closed = True
    home.resolution.clear()
    home.writer.clear()
    home.tick(1801.0)
    assert condition(1) in home.watched()
    closed = [
        market.condition_id
        for change in home.resolution.of(UniverseChanged)
        for market in change.added
        if market.closed
    ]
    assert closed == [condition(1)]
    assert home.written() == [condition(1)]


def test_what_closed_long_ago_is_listened_to_no_more_but_its_verdict_is_waited_for() -> None:
    web = web_of(3)
    home = house(web)
    home.tick()
    web.markets[condition(1)].closed = True
    home.tick(1801.0)
    assert condition(1) in home.watched()
    home.resolution.clear()
    home.tick(CLOSED_S)
    home.tick(1.0)

    assert home.watched() == ids([0, 2])
    assert not any(change.removed for change in home.resolution.of(UniverseChanged))


# -------------------------------------------------------------------- filters


def test_small_markets_are_not_watched() -> None:
    web = web_of(1, volume="10")
    web.add(FakeMarket(5, volume="2500.5"))
    home = house(web, min_volume=Decimal(1000))
    home.tick()
    assert home.watched() == ids([5])
    assert home.written() == [condition(5)]


def test_only_markets_with_a_wanted_tag_are_watched_and_tags_are_asked_for() -> None:
    web = web_of(2, tags=("sports", "nba"))
    web.add(FakeMarket(5, tags=("crypto",)))
    web.add(FakeMarket(6))
    home = house(web, tags=frozenset({"crypto", "nba"}))
    home.tick()
    assert home.watched() == ids([0, 1, 5])
    assert ("include_tag", "true") in web.asked[0][1][0]


def test_named_markets_are_asked_for_by_name_instead_of_sweeping_everything() -> None:
    web = web_of(500)
    home = house(web, markets=frozenset({"market-7", condition(9)}))
    home.tick()
    assert home.watched() == ids([7, 9])
    assert web.times("page") == 2


def test_a_named_market_that_does_not_exist_yet_is_found_later() -> None:
    web = web_of(1)
    home = house(web, markets=frozenset({"market-7"}))
    home.tick()
    web.add(FakeMarket(7))
    home.tick(DISCOVERY_S)
    assert home.watched() == ids([7])


def test_the_largest_markets_are_chosen_up_to_the_limit() -> None:
    web = FakePolymarket()
    for number in range(300):
        web.add(FakeMarket(number, volume=str(number)))
    home = house(web, max_assets=20)
    home.actor.on_receive(StoreOpened(server="x"))
    for _ in range(3):
        home.tick(drained=True)
    for _ in range(15):
        home.tick()
    assert home.watched() == ids(range(290, 300))
    assert web.times("page") == 1  # the listing falls by volume, so the rest is not read


def test_the_largest_are_found_although_the_server_ignores_the_order() -> None:
    class Unordered(FakePolymarket):
        def _listing(self, params: tuple[tuple[str, str], ...]) -> list[FakeMarket]:
            rest = tuple(pair for pair in params if pair[0] != "order")
            return super()._listing(rest)

    web = Unordered()
    for number in range(300):
        web.add(FakeMarket(number, volume=str(number)))
    home = house(web, max_assets=20)
    for _ in range(20):
        home.tick()
    assert home.watched() == ids(range(290, 300))


def test_a_chosen_market_keeps_its_place_when_a_larger_one_appears() -> None:
    web = web_of(2, volume="5")
    home = house(web, max_assets=4)
    for _ in range(20):
        home.tick()
    web.add(FakeMarket(9, volume="1000000"))
    home.tick(1801.0)
    home.tick(1801.0)
    assert home.watched() == ids([0, 1])


def test_a_place_that_becomes_free_goes_to_the_largest_that_waits() -> None:
    web = web_of(2, volume="50")
    web.add(FakeMarket(7, volume="1"))
    web.add(FakeMarket(8, volume="20"))
    home = house(web, max_assets=4)
    for _ in range(20):
        home.tick()
    assert home.watched() == ids([0, 1])
    home.actor.on_receive(MarketsSettled(condition_ids=(condition(0),)))
    web.add(FakeMarket(9, volume="0", start_ms=WALL_MS + 30_000))  # newer, smaller
    home.tick(DISCOVERY_S + 1)
    assert condition(9) not in home.watched()
    home.tick(1801.0)
    assert home.watched() == ids([1, 8])


def test_with_a_limit_remembered_markets_come_before_larger_ones() -> None:
    web = web_of(5, volume="1000")
    home = house(web, max_assets=4)
    home.tick()
    home.actor.on_receive(remembered(FakeMarket(70, volume="1")))
    for _ in range(20):
        home.tick()
    assert condition(70) in home.watched()
    assert len(home.watched()) == 2


@pytest.mark.parametrize(
    "news", [StoreOpened(server="x"), MarketsRestored(markets=())], ids=["opened", "remembered"]
)
def test_with_a_limit_the_first_sweep_begins_when_the_database_has_spoken(
    news: StoreOpened | MarketsRestored,
) -> None:
    home = house(web_of(5), max_assets=4)
    home.tick()
    assert home.watched() == set()
    home.actor.on_receive(news)
    home.tick()
    assert len(home.watched()) == 2


def test_with_a_limit_a_database_that_is_away_does_not_hold_up_the_first_sweep_for_ever() -> None:
    home = house(web_of(5), max_assets=4)
    for _ in range(20):
        home.tick()
    assert len(home.watched()) == 2


def test_with_room_to_spare_new_markets_are_taken_at_once() -> None:
    web = web_of(2)
    home = house(web, max_assets=20)
    for _ in range(20):
        home.tick()
    web.add(FakeMarket(9, volume="0"))
    home.actor.on_receive(NewMarketSeen(condition_id=condition(9)))
    drain(home.actor)
    assert home.watched() == ids([0, 1, 9])


# ------------------------------------------------------------ a clock that steps

# Faults: a poll that asks for what begins tomorrow, and finds nothing until then; a poll or a
# sweep that waits for the wall clock; a crash on a time that the calendar does not have.


class Stepping(House):
    """A catalogue whose clocks a test holds."""

    def __init__(self, held: Clocks, web: FakePolymarket) -> None:
        super().__init__(web, Filters())
        self._held = held

    def tick(self, after_s: float = 1.0, *, drained: bool = True) -> None:
        self._held.run(after_s)
        self.actor.on_receive(Tick(now=self._held.now, wall_ns=time.time_ns()))
        if drained:
            drain(self.actor)

    def began_now(self, number: int) -> None:
        """List a market that begins at this moment; the exchange knows the right time."""
        self.web.add(FakeMarket(number, start_ms=WALL_MS + int((self._held.now - 1000.0) * 1000)))


def right() -> datetime:
    return datetime.fromtimestamp(WALL_MS / 1000, UTC)


@pytest.mark.parametrize("off_s", [-HOUR_S, HOUR_S, DAY_S, 400 * DAY_S])
def test_a_clock_that_was_off_at_the_start_hides_no_new_market_once_it_is_right(
    off_s: float,
) -> None:
    with clocks(right()) as held:
        home = Stepping(held, web_of(3))
        held.step(off_s)
        home.tick()
        home.tick(DISCOVERY_S)
        held.step(-off_s)
        home.began_now(50)
        home.tick(DISCOVERY_S)
        assert condition(50) in home.watched()


@pytest.mark.parametrize("off_s", [-400 * DAY_S, -DAY_S, -HOUR_S, HOUR_S, DAY_S])
def test_one_look_at_a_wrong_clock_hides_no_new_market(off_s: float) -> None:
    with clocks(right()) as held:
        home = Stepping(held, web_of(3))
        home.tick()
        held.step(off_s)
        home.tick(DISCOVERY_S)
        held.step(-off_s)
        for number in (50, 51):
            home.began_now(number)
            home.tick(DISCOVERY_S)
        assert ids([50, 51]) <= home.watched()


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -HOUR_S, HOUR_S, 400 * DAY_S])
def test_polls_and_sweeps_come_by_the_monotonic_clock(step_s: float) -> None:
    with clocks(right()) as held:
        home = Stepping(held, web_of(3))
        home.tick()
        asked = home.web.times("page")
        held.step(step_s)
        home.tick()
        assert home.web.times("page") == asked
        home.tick(DISCOVERY_S)
        assert home.web.times("page") == asked + 1
        home.tick(1_800.0)
        assert home.report().last_sweep_at == held.now - 1_831.0
        home.tick()
        assert home.report().last_sweep_at == held.now - 1.0


@pytest.mark.parametrize(
    ("at", "since"),
    [
        (datetime(2028, 3, 1, 0, 0, 59, 999_600, tzinfo=UTC), "2028-02-29T23:58:59Z"),
        (datetime(2027, 3, 1, 0, 1, tzinfo=UTC), "2027-02-28T23:59:00Z"),
        (datetime(2027, 1, 1, 0, 1, tzinfo=UTC), "2026-12-31T23:59:00Z"),
        (datetime(1970, 1, 1, tzinfo=UTC), "1969-12-31T23:58:00Z"),
    ],
    ids=["leap day", "no leap day", "year end", "clock never set"],
)
def test_two_minutes_before_the_mark_may_be_another_day_or_year(at: datetime, since: str) -> None:
    with clocks(at) as held:
        home = Stepping(held, FakePolymarket())
        held.step(-1.0 if at.year > 1970 else 0.0)
        home.tick(1.0 if at.year > 1970 else 0.0)
        home.tick(DISCOVERY_S)
        asked = [dict(what[0]) for name, what in home.web.asked if name == "page"][-1]
    assert asked["start_date_min"] == since


# ------------------------------------------------------------------ end


def test_its_session_is_closed_when_it_stops() -> None:
    home = House(FakePolymarket(), Filters())
    home.actor.on_stop()
    assert home.web.closed == 1


def test_its_session_is_closed_when_it_dies() -> None:
    home = House(FakePolymarket(), Filters())
    home.actor.on_failure(ValueError, ValueError("fault"), None)
    assert home.web.closed == 1
