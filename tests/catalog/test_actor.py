"""The catalog actor, not started: a test sends it messages and looks at what it sends."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from actors.actor import Addresses, Incarnation
from actors.catalog.actor import CatalogActor, CatalogSettings
from actors.catalog.outbox import DETAILED_MAX, OUTBOX_MAX
from actors.catalog.rest import Rest
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
from actors.model.assumptions import Assumption
from actors.model.market import without_details
from actors.model.trade import ConditionId
from actors.polymarket.gamma import parse_market
from actors.polymarket.pagination import Params, Route
from actors.polymarket.sources import GAMMA_LISTINGS
from tests.clocks import DAY_S, HOUR_S, Clocks, clocks
from tests.fakes_box import Box, drain, step, waiting
from tests.fakes_http import WALL_MS, FakeMarket, FakePage, FakePolymarket, condition

DISCOVERY_S = 30.0
CLOSED_S = 10_000.0


class Harness:
    """A catalog with boxes for the other actors and a clock."""

    def __init__(self, web: FakePolymarket, filters: Filters, incarnation: int = 1) -> None:
        self.web = web
        self.supervisor, self.writer, self.resolution = Box(), Box(), Box()
        self.now = 1000.0
        self.page_s = self._worked_s = 0.0
        self.actor = CatalogActor(
            Incarnation("catalog", incarnation, Tick(now=self.now, wall_ns=WALL_MS * 1_000_000)),
            to=Addresses(
                supervisor=self.supervisor, writer=self.writer, resolution=self.resolution
            ),
            gamma=web,
            settings=CatalogSettings(filters=filters, discovery_s=DISCOVERY_S, closed_s=CLOSED_S),
            rest=Rest(self._measured),
        )

    def _measured(self) -> float:
        """Return the time; from call to call the work on a page takes `page_s`."""
        self._worked_s += self.page_s
        return self.now + self._worked_s

    def tick(self, after_s: float = 1.0, *, drained: bool = True) -> None:
        self.now += after_s
        wall_ns = WALL_MS * 1_000_000 + int((self.now - 1000.0) * 1e9)
        self.actor.on_receive(Tick(now=self.now, wall_ns=wall_ns))
        if drained:
            drain(self.actor)

    def watched(self) -> set[ConditionId]:
        """Return what the supervisor watches after all changes."""
        watched: set[ConditionId] = set()
        for change in self.supervisor.of(UniverseChanged):
            watched |= {market.condition_id for market in change.added}
            watched -= set(change.removed)
        return watched

    def stored(self) -> list[ConditionId]:
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


def watching(web: FakePolymarket, incarnation: int = 1, **filters: object) -> Harness:
    return Harness(web, Filters(**filters), incarnation)  # type: ignore[arg-type]


def ids(numbers: Iterable[int]) -> set[ConditionId]:
    return {condition(number) for number in numbers}


# ------------------------------------------------------------------- sweeping


def test_the_first_sweep_watches_and_stores_every_open_market() -> None:
    web = web_of(250)
    web.add(FakeMarket(900)).closed = True
    harness = watching(web)
    harness.tick()
    assert harness.watched() == ids(range(250))
    assert sorted(harness.stored()) == sorted(ids(range(250)))
    assert harness.report().markets == 0  # the report of this tick was sent before the answers
    harness.tick()
    assert harness.report().markets == 250
    assert harness.report().last_sweep_at == 1001.0


def test_messages_stay_within_their_bounds() -> None:
    harness = watching(web_of(250))
    harness.tick()
    assert max(len(m.markets) for m in harness.writer.of(MarketsSeen)) <= 500
    assert max(len(m.added) for m in harness.supervisor.of(UniverseChanged)) <= 1_000


def test_one_poll_makes_one_request() -> None:
    harness = watching(web_of(250))
    harness.tick(drained=False)
    assert harness.web.times("page") == 0
    step(harness.actor)
    assert harness.web.times("page") == 1
    step(harness.actor)
    assert harness.web.times("page") == 2


def test_ticks_during_a_sweep_do_not_multiply_the_polls() -> None:
    harness = watching(web_of(250))
    for _ in range(5):
        harness.tick(0.1, drained=False)
    assert waiting(harness.actor) == 1


def test_after_a_page_that_took_long_others_work_first() -> None:
    harness = watching(web_of(250))
    harness.page_s = 1.0
    harness.tick()
    assert harness.web.times("page") == 1
    harness.tick(2.9 + 1.0)  # the clock of the work is two seconds ahead by then
    assert harness.web.times("page") == 1
    harness.tick(1.2)
    assert harness.web.times("page") == 2


def test_a_second_sweep_sends_nothing_about_what_is_known() -> None:
    harness = watching(web_of(20))
    harness.tick()
    harness.supervisor.clear()
    harness.writer.clear()
    harness.tick(1801.0)
    assert harness.web.times("page") >= 2
    assert harness.supervisor.of(UniverseChanged) == []
    assert harness.writer.of(MarketsSeen) == []


def test_a_sweep_sends_every_market_to_resolution_again() -> None:
    harness = watching(web_of(20))
    harness.tick()
    harness.resolution.clear()
    harness.tick(1801.0)
    sent = {m.condition_id for c in harness.resolution.of(UniverseChanged) for m in c.added}
    assert sent == ids(range(20))


def test_a_changed_market_is_stored_again_but_a_new_volume_is_no_change() -> None:
    web = web_of(2)
    harness = watching(web)
    harness.tick()
    harness.writer.clear()
    web.markets[condition(0)].end_ms = WALL_MS + 9_000_000
    web.markets[condition(1)].volume = "999"
    harness.tick(1801.0)
    assert harness.stored() == [condition(0)]


def test_a_sweep_that_gets_a_cursor_twice_ends() -> None:
    web = web_of(150)
    web.loops = True
    harness = watching(web)
    harness.tick()
    assert harness.watched() == ids(range(150))
    harness.tick()
    assert harness.report().last_sweep_at is not None


def test_a_market_that_cannot_be_read_does_not_hide_the_others() -> None:
    web = web_of(3)
    web.markets[condition(1)].tokenless = True
    harness = watching(web)
    harness.tick()
    assert harness.watched() == ids([0, 2])


def test_v2_markets_are_watched_under_their_padded_id() -> None:
    web = FakePolymarket()
    market = web.add(FakeMarket(5, v2=True))
    harness = watching(web)
    harness.tick()
    assert harness.watched() == {market.condition_id}
    assert len(market.condition_id) == 66


# --------------------------------------------------------------------- errors


@pytest.mark.parametrize("failure", [SourceUnavailable("HTTP 502"), PayloadRejected("not JSON")])
def test_a_failed_page_is_requested_again_with_growing_delay(failure: Exception) -> None:
    harness = watching(web_of(3))
    harness.web.dead["gamma"] = failure
    harness.tick()
    for _ in range(10):
        harness.tick()
    assert 3 <= harness.web.times("page") <= 5  # after 1, 2, 4 s, not at every tick
    assert harness.report().last_error == str(failure)
    harness.web.dead.clear()
    for _ in range(10):
        harness.tick()
    assert harness.watched() == ids(range(3))
    assert harness.report().last_error == ""


def test_a_page_that_fails_in_the_middle_loses_no_market() -> None:
    harness = watching(web_of(250))
    harness.tick(drained=False)
    step(harness.actor)
    harness.web.dead["gamma"] = SourceUnavailable("reset")
    step(harness.actor)
    harness.web.dead.clear()
    harness.tick(2.0)
    assert harness.watched() == ids(range(250))


def test_the_server_is_left_alone_for_as_long_as_it_wants() -> None:
    harness = watching(web_of(1))
    harness.web.dead["gamma"] = SourceUnavailable("HTTP 429", retry_after_s=40.0)
    harness.tick()
    harness.web.dead.clear()
    harness.tick(39.0)
    assert harness.watched() == set()
    harness.tick(2.0)
    assert harness.watched() == ids([0])


def test_a_cursor_that_is_always_rejected_is_avoided() -> None:
    web = web_of(250)
    web.stuck_cursor = "100:100"
    harness = watching(web)
    for _ in range(40):
        harness.tick(2.0)
    assert harness.watched() == ids(range(250))


def test_a_poll_that_always_fails_does_not_stop_the_sweep() -> None:
    web = web_of(250)
    harness = watching(web)
    harness.tick(drained=False)
    harness.tick(DISCOVERY_S + 1, drained=False)
    web.dead["gamma"] = SourceUnavailable("HTTP 403")
    step(harness.actor)  # the poll for the newest fails
    web.dead.clear()
    harness.tick(2.0)
    assert harness.watched() == ids(range(250))


# ------------------------------------------------------- a Gamma that has changed

# Each belief about Gamma is broken alone. Expected: every market that Gamma can be brought to
# name is watched, and the report tells what is wrong.

CONTINUED_S = 300


def run(harness: Harness, seconds: int = CONTINUED_S) -> None:
    for _ in range(seconds):
        harness.tick()


def violations(harness: Harness) -> dict[Assumption, int]:
    return dict(harness.report().violations)


def announce(harness: Harness, *numbers: int) -> None:
    for number in numbers:
        harness.actor.on_receive(NewMarketSeen(condition_id=condition(number)))


def test_look_ups_that_fail_hold_up_neither_the_sweep_nor_the_newest() -> None:
    class NoLookups(FakePolymarket):
        def markets_by_condition(
            self, ids: Sequence[ConditionId], *, closed: bool
        ) -> tuple[bytes, ...]:
            self.asked.append(("lookup", (tuple(ids), closed)))
            raise SourceUnavailable("HTTP 404", status=404)

    web = NoLookups()
    for number in range(385):
        web.add(FakeMarket(number))
    harness = watching(web)
    announce(harness, *range(1_000, 1_050))
    harness.tick()
    assert harness.watched() == ids(range(385))
    assert harness.report().last_error == ""
    web.add(FakeMarket(700, start_ms=WALL_MS + 20_000))
    harness.tick(DISCOVERY_S)
    harness.tick()
    assert condition(700) in harness.watched()
    assert dict(harness.report().requests)["lookup"] == "HTTP 404"
    assert dict(harness.report().requests)["sweep"] == "ok"
    assert harness.report().last_error == ""


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_without_the_keyset_everything_is_found_and_the_report_says_so() -> None:
    web = web_of(2_400)
    web.gone = {Route.KEYSET}
    harness = watching(web)
    run(harness)
    assert harness.watched() == ids(range(2_400))
    assert harness.report().keyset_error == "keyset: HTTP 404"
    assert harness.report().last_error == ""
    assert violations(harness)[Assumption.KEYSET] >= 1
    assert harness.report().last_sweep_at is not None
    web.gone.clear()
    run(harness, 120)
    assert harness.report().keyset_error == ""


def test_a_cursor_that_is_ignored_hides_no_market_and_the_report_says_so() -> None:
    web = web_of(400)
    web.ignoring = {Route.KEYSET}
    harness = watching(web)
    run(harness)
    assert harness.watched() == ids(range(400))
    assert "came again" in harness.report().keyset_error
    assert violations(harness)[Assumption.KEYSET] >= 1


def test_a_sweep_that_cannot_be_finished_is_not_called_finished(
    caplog: pytest.LogCaptureFixture,
) -> None:
    web = web_of(400)
    web.ignoring, web.orders = set(Route), False
    harness = watching(web)
    with caplog.at_level("INFO"):
        run(harness)
    assert harness.report().last_sweep_at is None
    events = [record.message for record in caplog.records]
    assert "sweep_incomplete" in events
    assert "sweep_finished" not in events
    assert web.times("lookup") == 0  # nothing is taken for closed because it was not listed


def test_a_market_that_closed_while_it_was_listed_is_not_watched_for_long() -> None:
    web = web_of(40)
    web.markets[condition(3)].end_ms = WALL_MS - 2_000
    harness = watching(web)
    run(harness, 1)
    assert condition(3) in harness.watched()  # Gamma lags
    web.markets[condition(3)].closed = True
    run(harness, 10)
    assert harness.watched() == ids(each for each in range(40) if each != 3)


def test_a_name_that_no_market_has_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    web = web_of(40)
    names = frozenset({condition(0), "no-such-slug"})
    harness = watching(web, markets=names)
    with caplog.at_level("INFO"):
        run(harness, 120)
    assert harness.watched() == ids([0])
    lines = [one for one in caplog.records if one.message == "filters_unmatched"]
    assert [vars(one)["reason"] for one in lines] == ["no open market is named no-such-slug"]
    assert dict(harness.report().requests)["filters"] == vars(lines[0])["reason"]


def test_an_order_that_is_rejected_is_left_out() -> None:
    web = web_of(400)
    web.orders = False
    harness = watching(web)
    run(harness, 60)
    assert harness.watched() == ids(range(400))
    assert violations(harness)[Assumption.KEYSET] >= 1
    assert harness.report().keyset_error == "keyset: order createdAt rejected, goes on without"
    web.add(FakeMarket(700, start_ms=WALL_MS + 60_000))
    run(harness, 60)
    assert condition(700) in harness.watched()
    web.orders = True
    run(harness, 60)
    assert harness.report().keyset_error == ""


class WithoutCreated(FakePolymarket):
    """A Gamma whose listings by `createdAt` fail."""

    status = 504

    def markets_page(
        self, params: Params, cursor: str | None, *, route: Route = Route.KEYSET
    ) -> FakePage:
        if ("order", "createdAt") in params and self.status:
            self.asked.append(("created", params))
            raise SourceUnavailable(f"HTTP {self.status}", status=self.status)
        return super().markets_page(params, cursor, route=route)


def test_polls_go_on_while_the_latest_made_are_not_answered() -> None:
    web = WithoutCreated()
    harness = watching(web)
    run(harness, 300)
    before, asked = web.times("page"), web.times("created")
    web.add(FakeMarket(700, start_ms=WALL_MS + 300_000))
    run(harness, 40)
    assert condition(700) in harness.watched()
    run(harness, 560)
    assert web.times("page") - before >= 19  # one in 30 s
    assert web.times("created") - asked < 30  # the sweep asks for it, too
    assert dict(harness.report().requests)["created"] == "HTTP 504"
    assert dict(harness.report().requests)["newest"] == "ok"
    web.status = 0
    run(harness, 70)
    assert dict(harness.report().requests)["created"] == "ok"


def test_an_order_that_alone_is_rejected_stays_a_fault_while_others_are_answered() -> None:
    web = WithoutCreated()
    web.status = 422
    harness = watching(web)
    told = set()
    run(harness, 60)
    for _ in range(200):
        harness.tick()
        told.add(harness.report().keyset_error)
    assert told == {"keyset: order createdAt rejected, goes on without"}
    web.status = 0
    run(harness, 40)
    assert harness.report().keyset_error == ""


def test_a_market_that_makes_its_page_fail_hides_no_other_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    web = FakePolymarket()
    for number in range(400):
        web.add(FakeMarket(number, start_ms=WALL_MS - 3_600_000 - number * 60_000))
    web.failing = {condition(255)}
    harness = watching(web)
    run(harness)
    assert harness.watched() == ids(set(range(400)) - {255})
    assert violations(harness)[Assumption.CLEAN_PAGES] >= 1
    (passed,) = [r for r in caplog.records if getattr(r, "trouble", "") == "passed over"]
    assert "between" in passed.__dict__["reason"]
    assert "catalog_request_failed" not in [record.message for record in caplog.records]
    assert harness.report().last_sweep_at is not None
    assert web.times("page") < 200


def test_markets_that_make_their_pages_fail_delay_no_other_by_much() -> None:
    web = web_of(150, start_ms=WALL_MS)  # new enough for the polls to meet those that fail
    web.failing = {condition(7), condition(82)}
    harness = watching(web)
    for _ in range(25):
        harness.tick()
    assert harness.watched() == ids(set(range(150)) - {7, 82})
    # One with an old start date is found among the latest made.
    for number, start_ms in ((700, WALL_MS + 25_000), (701, WALL_MS - 3_600_000)):
        web.add(FakeMarket(number, start_ms=start_ms))
        for _ in range(int(DISCOVERY_S) + 10):
            harness.tick()
        assert condition(number) in harness.watched()


def test_a_gamma_that_answers_nothing_but_500_is_asked_ever_more_seldom(
    caplog: pytest.LogCaptureFixture,
) -> None:
    web = web_of(150, start_ms=WALL_MS)
    web.failing = ids(range(150))
    harness = watching(web)
    run(harness, 10)
    assert "catalog_request_failed" in [record.message for record in caplog.records]
    run(harness, 110)
    asked = web.times("page")
    run(harness, 600)
    assert web.times("page") - asked < 60


def test_a_market_that_makes_its_look_up_fail_hides_no_other() -> None:
    web = FakePolymarket()
    harness = watching(web)
    harness.tick()
    for number in range(40):
        web.add(FakeMarket(number))
    web.failing = {condition(11)}
    announce(harness, *range(40))
    run(harness, 60)
    assert harness.watched() == ids(set(range(40)) - {11})


@pytest.mark.parametrize("value", [b'"\\ud83d half"', b'"a\tb"', b"NaN", b'"\xff"', b"5"])
def test_a_damaged_field_costs_no_market_and_is_counted_and_named_once(
    value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    web = web_of(400)
    web.damaged = {condition(256): value}
    harness = watching(web)
    harness.tick()
    harness.tick(1_801.0)
    harness.tick()
    assert harness.watched() == ids(range(400))
    assert violations(harness) == {Assumption.CLEAN_PAGES: 2}
    (named,) = [r for r in caplog.records if r.message == "market_unreadable"]
    assert named.__dict__["market"] == condition(256)
    assert named.__dict__["reason"] == "question"


def test_a_list_form_that_is_gone_is_noticed_though_nothing_needs_it() -> None:
    web = web_of(40)
    web.gone = {Route.LIST}
    harness = watching(web)
    run(harness, 180)
    assert harness.watched() == ids(range(40))
    assert dict(harness.report().requests)["list_form"] == "HTTP 404"
    assert violations(harness)[Assumption.GAMMA_LIST] >= 2
    assert (harness.report().last_error, harness.report().keyset_error) == ("", "")


def test_a_page_of_the_newest_that_fails_hides_none_until_the_next_sweep() -> None:
    web = web_of(3)
    harness = watching(web)
    harness.tick()
    for number in range(400):
        web.add(FakeMarket(500 + number, start_ms=WALL_MS + 20_000 - number * 10))
    harness.tick(DISCOVERY_S, drained=False)
    step(harness.actor)  # the first page
    web.dead["gamma"] = SourceUnavailable("HTTP 500", status=500)
    harness.tick()
    web.dead.clear()
    run(harness, 10)
    assert harness.watched() == ids([*range(3), *range(500, 900)])


# ------------------------------------------------------------------ discovery


def test_a_new_market_is_found_by_the_next_poll() -> None:
    web = web_of(3)
    harness = watching(web)
    harness.tick()
    web.add(FakeMarket(50, start_ms=WALL_MS + 5_000))
    harness.tick(DISCOVERY_S)
    assert condition(50) in harness.watched()
    asked = [dict(what[0]) for name, what in web.asked if name == "page"][-2]
    assert asked["order"] == "startDate"
    assert asked["start_date_min"] == "2026-10-03T03:58:01Z"  # two minutes before the watermark


def test_a_market_dated_in_the_future_does_not_hide_later_listings() -> None:
    web = web_of(1)
    harness = watching(web)
    harness.tick()
    web.add(FakeMarket(50, start_ms=WALL_MS + 86_400_000))
    harness.tick(DISCOVERY_S)
    web.add(FakeMarket(51, start_ms=WALL_MS + 40_000))
    harness.tick(DISCOVERY_S)
    assert ids([50, 51]) <= harness.watched()


def test_an_announced_market_is_looked_up_at_once() -> None:
    web = web_of(1)
    harness = watching(web)
    harness.tick()
    web.add(FakeMarket(60))
    harness.actor.on_receive(NewMarketSeen(condition_id=condition(60)))
    drain(harness.actor)
    assert condition(60) in harness.watched()


def test_an_announced_market_that_gamma_lists_late_is_found() -> None:
    web = web_of(1)
    harness = watching(web)
    harness.tick()
    late = web.add(FakeMarket(60, listed=False))
    harness.actor.on_receive(NewMarketSeen(condition_id=late.condition_id))
    drain(harness.actor)
    for _ in range(20):
        harness.tick()
    late.listed = True
    for _ in range(35):
        harness.tick()
    assert late.condition_id in harness.watched()


def test_an_announced_market_that_is_never_listed_is_given_up() -> None:
    harness = watching(web_of(1))
    harness.tick()
    harness.actor.on_receive(NewMarketSeen(condition_id=condition(60)))
    for _ in range(900):
        harness.tick()
    asked = harness.web.times("lookup")
    assert asked == 10
    for _ in range(200):
        harness.tick()
    assert harness.web.times("lookup") == asked


def test_an_announced_market_that_is_watched_costs_no_request() -> None:
    harness = watching(web_of(1))
    harness.tick()
    harness.actor.on_receive(NewMarketSeen(condition_id=condition(0)))
    drain(harness.actor)
    assert harness.web.times("lookup") == 0


def test_an_announced_v2_market_is_looked_up_in_both_spellings() -> None:
    web = web_of(1)
    harness = watching(web)
    harness.tick()
    market = web.add(FakeMarket(61, v2=True))
    harness.actor.on_receive(NewMarketSeen(condition_id=market.condition_id))
    drain(harness.actor)
    assert market.condition_id in harness.watched()


def test_a_placeholder_that_does_not_trade_is_not_watched_until_it_does() -> None:
    web = web_of(1)
    harness = watching(web)
    harness.tick()
    market = web.add(FakeMarket(62, active=False))
    harness.actor.on_receive(NewMarketSeen(condition_id=market.condition_id))
    drain(harness.actor)
    assert market.condition_id not in harness.watched()
    market.active = True
    for _ in range(5):
        harness.tick()
    assert market.condition_id in harness.watched()


# ---------------------------------------------------------------- restart, DB


def test_what_is_not_stored_is_sent_again_when_the_database_opens() -> None:
    harness = watching(web_of(3))
    harness.tick()
    first = harness.writer.of(MarketsSeen)
    harness.writer.clear()
    harness.actor.on_receive(StoreOpened(server="x"))
    again = [
        MarketsSeen(ticket=each.ticket, markets=without_details(each.markets)) for each in first
    ]
    assert harness.writer.of(MarketsSeen) == again
    harness.actor.on_receive(TicketsStored(tickets=tuple(m.ticket for m in first)))
    harness.tick()
    assert harness.report().waiting == 0
    harness.writer.clear()
    harness.actor.on_receive(StoreOpened(server="x"))
    assert harness.writer.of(MarketsSeen) == again  # it may have lost its last commits


def test_what_changed_since_is_sent_again_as_it_was_last() -> None:
    web = web_of(3)
    harness = watching(web)
    harness.tick()
    web.markets[condition(1)].end_ms = WALL_MS + 9_000_000
    harness.tick(1900)
    harness.store_all()
    harness.writer.clear()
    harness.actor.on_receive(StoreOpened(server="x"))
    sent = [each for message in harness.writer.of(MarketsSeen) for each in message.markets]

    assert {each.condition_id for each in sent} == ids(range(3))
    assert len(sent) == 3
    (changed,) = [each for each in sent if each.condition_id == condition(1)]
    assert changed.end_at == datetime.fromtimestamp(WALL_MS / 1000 + 9_000, UTC)


def test_tickets_of_an_earlier_incarnation_are_not_taken_for_own_ones() -> None:
    first, second = watching(web_of(3)), watching(web_of(3), incarnation=2)
    first.tick()
    second.tick()
    old = tuple(message.ticket for message in first.writer.of(MarketsSeen))
    second.actor.on_receive(TicketsStored(tickets=old))
    second.tick()
    assert second.report().waiting == 1


def test_only_a_later_incarnation_asks_for_the_stored_markets() -> None:
    first, second = watching(web_of(1)), watching(web_of(1), incarnation=2)
    first.tick()
    second.tick()
    assert first.writer.of(RequestMarkets) == []
    assert len(second.writer.of(RequestMarkets)) == 1


def test_while_the_database_is_away_memory_is_bounded_and_everything_is_watched() -> None:
    web = web_of(OUTBOX_MAX * 2 + 10)
    web.page_size = 2
    harness = watching(web)
    for _ in range(5):  # so many pages take longer than one window of the rate limit
        harness.tick(10.0)
    assert len(harness.watched()) == OUTBOX_MAX * 2 + 10
    harness.tick()
    assert harness.report().waiting == OUTBOX_MAX
    assert sum(has_details(message) for message in harness.writer.of(MarketsSeen)) == DETAILED_MAX
    harness.writer.clear()
    harness.actor.on_receive(StoreOpened(server="x"))
    assert not any(has_details(message) for message in harness.writer.of(MarketsSeen))
    harness.store_all()
    stored = harness.stored()
    harness.writer.clear()
    for _ in range(6):
        harness.tick(10.0)
        harness.store_all()
    # What had no place (the latest made are listed first), and once more all that was sent bare.
    everything = ids(range(OUTBOX_MAX * 2 + 10))
    assert everything - {*stored} == ids(range(10))
    assert sorted(harness.stored()) == sorted(everything)


def has_details(message: MarketsSeen) -> bool:
    return any(market.details is not None for market in message.markets)


def test_gamma_is_not_asked_more_often_than_its_rate_limit_allows() -> None:
    web = web_of(GAMMA_LISTINGS * 2 + 10)
    web.page_size = 1
    harness = watching(web)
    harness.tick()
    assert len(web.asked) == GAMMA_LISTINGS
    harness.tick(1.0)  # until here they may have been on their way
    harness.tick(9.0)
    assert len(web.asked) == GAMMA_LISTINGS
    for _ in range(5):
        harness.tick(10.0)
    assert len(harness.watched()) == GAMMA_LISTINGS * 2 + 10


def restored(*markets: FakeMarket) -> MarketsRestored:
    return MarketsRestored(markets=tuple(parse_market(market.gamma()) for market in markets))


def test_restored_markets_are_watched_again() -> None:
    web = web_of(1)
    harness = watching(web)
    harness.actor.on_receive(restored(FakeMarket(70)))
    harness.tick()
    assert harness.watched() == ids([0, 70])
    assert condition(70) not in harness.stored()  # the database has it


def test_restored_markets_that_closed_are_not_watched_but_their_outcome_is_waited_for() -> None:
    harness = watching(web_of(1))
    past = FakeMarket(70)
    past.closed = True
    harness.actor.on_receive(restored(past))
    harness.tick()
    assert harness.watched() == ids([0])
    (change,) = [each for each in harness.supervisor.of(UniverseChanged) if each.removed]
    assert change.removed == (condition(70),)
    assert len(change.unwanted) == 2
    sent = harness.resolution.of(UniverseChanged)
    assert [m.condition_id for each in sent for m in each.added] == [condition(70), condition(0)]
    assert not any(each.removed for each in sent)


def test_markets_that_are_restored_after_the_sweep_that_lacked_them_are_looked_up() -> None:
    web = web_of(1)
    harness = watching(web)
    harness.tick()
    past = FakeMarket(70)
    web.add(past)
    harness.actor.on_receive(restored(past))
    assert harness.watched() == ids([0, 70])
    past.closed = True
    harness.tick()
    harness.tick()

    assert harness.watched() == ids([0])
    assert ("lookup", ((condition(70),), True)) in web.asked


def test_restored_markets_that_the_filters_exclude_are_removed_with_their_tokens() -> None:
    harness = watching(web_of(1, tags=("crypto",)), tags=frozenset({"crypto"}))
    harness.actor.on_receive(restored(FakeMarket(70, tags=("sports",))))
    change = harness.supervisor.of(UniverseChanged)[0]
    assert change.added == ()
    assert change.removed == (condition(70),)
    assert len(change.unwanted) == 2


# ------------------------------------------------------------------- settling


def test_a_settled_market_is_removed_and_not_added_again_while_gamma_still_lists_it() -> None:
    harness = watching(web_of(3))
    harness.tick()
    harness.actor.on_receive(MarketsSettled(condition_ids=(condition(1),)))
    assert harness.watched() == ids([0, 2])
    assert harness.resolution.last(UniverseChanged).removed == (condition(1),)
    harness.tick(1801.0)
    harness.actor.on_receive(NewMarketSeen(condition_id=condition(1)))
    drain(harness.actor)
    assert harness.watched() == ids([0, 2])


def test_a_market_settled_before_this_incarnation_is_removed_too() -> None:
    harness = watching(web_of(1), incarnation=2)
    harness.tick()
    harness.actor.on_receive(MarketsSettled(condition_ids=(condition(44),)))
    assert harness.supervisor.last(UniverseChanged).removed == (condition(44),)


def test_a_market_is_removed_once() -> None:
    harness = watching(web_of(2))
    harness.tick()
    for _ in range(2):
        harness.actor.on_receive(MarketsSettled(condition_ids=(condition(1),)))
    assert sum(condition(1) in c.removed for c in harness.supervisor.of(UniverseChanged)) == 1


def test_a_closed_market_stays_until_it_settles_and_resolution_is_informed() -> None:
    web = web_of(3)
    harness = watching(web)
    harness.tick()
    web.markets[condition(1)].closed = True
    harness.resolution.clear()
    harness.writer.clear()
    harness.tick(1801.0)
    assert condition(1) in harness.watched()
    closed = [
        market.condition_id
        for change in harness.resolution.of(UniverseChanged)
        for market in change.added
        if market.closed
    ]
    assert closed == [condition(1)]
    assert harness.stored() == [condition(1)]


def test_what_closed_long_ago_is_not_watched_but_its_outcome_is_waited_for() -> None:
    web = web_of(3)
    harness = watching(web)
    harness.tick()
    web.markets[condition(1)].closed = True
    harness.tick(1801.0)
    assert condition(1) in harness.watched()
    harness.resolution.clear()
    harness.tick(CLOSED_S)
    harness.tick(1.0)

    assert harness.watched() == ids([0, 2])
    assert not any(change.removed for change in harness.resolution.of(UniverseChanged))


# -------------------------------------------------------------------- filters


def test_small_markets_are_not_watched() -> None:
    web = web_of(1, volume="10")
    web.add(FakeMarket(5, volume="2500.5"))
    harness = watching(web, min_volume=Decimal(1000))
    harness.tick()
    assert harness.watched() == ids([5])
    assert harness.stored() == [condition(5)]


def test_only_markets_with_a_wanted_tag_are_watched_and_tags_are_requested() -> None:
    web = web_of(2, tags=("sports", "nba"))
    web.add(FakeMarket(5, tags=("crypto",)))
    web.add(FakeMarket(6))
    harness = watching(web, tags=frozenset({"crypto", "nba"}))
    harness.tick()
    assert harness.watched() == ids([0, 1, 5])
    assert ("include_tag", "true") in web.asked[0][1][0]


def test_named_markets_are_requested_by_name_instead_of_sweeping_everything() -> None:
    web = web_of(500)
    harness = watching(web, markets=frozenset({"market-7", condition(9)}))
    harness.tick()
    assert harness.watched() == ids([7, 9])
    assert web.times("page") == 2


def test_a_named_market_that_does_not_exist_yet_is_found_later() -> None:
    web = web_of(1)
    harness = watching(web, markets=frozenset({"market-7"}))
    harness.tick()
    web.add(FakeMarket(7))
    harness.tick(DISCOVERY_S)
    assert harness.watched() == ids([7])


def test_the_largest_markets_are_chosen_up_to_the_limit() -> None:
    web = FakePolymarket()
    for number in range(300):
        web.add(FakeMarket(number, volume=str(number)))
    harness = watching(web, max_assets=20)
    harness.actor.on_receive(StoreOpened(server="x"))
    for _ in range(3):
        harness.tick(drained=True)
    for _ in range(15):
        harness.tick()
    assert harness.watched() == ids(range(290, 300))
    assert web.times("page") == 1  # the listing falls by volume, so the rest is not read


def test_the_largest_are_found_although_the_server_ignores_the_order() -> None:
    class Unordered(FakePolymarket):
        def _listing(self, params: tuple[tuple[str, str], ...]) -> list[FakeMarket]:
            rest = tuple(pair for pair in params if pair[0] != "order")
            return super()._listing(rest)

    web = Unordered()
    for number in range(300):
        web.add(FakeMarket(number, volume=str(number)))
    harness = watching(web, max_assets=20)
    for _ in range(20):
        harness.tick()
    assert harness.watched() == ids(range(290, 300))


def test_a_chosen_market_keeps_its_place_when_a_larger_one_appears() -> None:
    web = web_of(2, volume="5")
    harness = watching(web, max_assets=4)
    for _ in range(20):
        harness.tick()
    web.add(FakeMarket(9, volume="1000000"))
    harness.tick(1801.0)
    harness.tick(1801.0)
    assert harness.watched() == ids([0, 1])


def test_a_place_that_becomes_free_goes_to_the_largest_that_waits() -> None:
    web = web_of(2, volume="50")
    web.add(FakeMarket(7, volume="1"))
    web.add(FakeMarket(8, volume="20"))
    harness = watching(web, max_assets=4)
    for _ in range(20):
        harness.tick()
    assert harness.watched() == ids([0, 1])
    harness.actor.on_receive(MarketsSettled(condition_ids=(condition(0),)))
    web.add(FakeMarket(9, volume="0", start_ms=WALL_MS + 30_000))  # newer, smaller
    harness.tick(DISCOVERY_S + 1)
    assert condition(9) not in harness.watched()
    harness.tick(1801.0)
    assert harness.watched() == ids([1, 8])


def test_with_a_limit_restored_markets_come_before_larger_ones() -> None:
    web = web_of(5, volume="1000")
    harness = watching(web, max_assets=4)
    harness.tick()
    harness.actor.on_receive(restored(FakeMarket(70, volume="1")))
    for _ in range(20):
        harness.tick()
    assert condition(70) in harness.watched()
    assert len(harness.watched()) == 2


@pytest.mark.parametrize(
    "answer", [StoreOpened(server="x"), MarketsRestored(markets=())], ids=["opened", "restored"]
)
def test_with_a_limit_the_first_sweep_begins_when_the_database_has_answered(
    answer: StoreOpened | MarketsRestored,
) -> None:
    harness = watching(web_of(5), max_assets=4)
    harness.tick()
    assert harness.watched() == set()
    harness.actor.on_receive(answer)
    harness.tick()
    assert len(harness.watched()) == 2


def test_with_a_limit_a_database_that_is_away_does_not_hold_up_the_first_sweep_for_ever() -> None:
    harness = watching(web_of(5), max_assets=4)
    for _ in range(20):
        harness.tick()
    assert len(harness.watched()) == 2


def test_with_free_places_new_markets_are_taken_at_once() -> None:
    web = web_of(2)
    harness = watching(web, max_assets=20)
    for _ in range(20):
        harness.tick()
    web.add(FakeMarket(9, volume="0"))
    harness.actor.on_receive(NewMarketSeen(condition_id=condition(9)))
    drain(harness.actor)
    assert harness.watched() == ids([0, 1, 9])


# ------------------------------------------------------------ a clock that steps

# Faults: a poll that asks for what begins tomorrow, and finds nothing until then; a poll or a
# sweep that waits for the wall clock; a crash on a time that the calendar does not have.


class Stepping(Harness):
    """A catalog whose clocks a test controls."""

    def __init__(self, held: Clocks, web: FakePolymarket) -> None:
        super().__init__(web, Filters())
        self._held = held

    def tick(self, after_s: float = 1.0, *, drained: bool = True) -> None:
        self._held.run(after_s)
        self.actor.on_receive(Tick(now=self._held.now, wall_ns=time.time_ns()))
        if drained:
            drain(self.actor)

    def add_new(self, number: int) -> None:
        """List a market that begins now; the exchange knows the right time."""
        self.web.add(FakeMarket(number, start_ms=WALL_MS + int((self._held.now - 1000.0) * 1000)))


def right() -> datetime:
    return datetime.fromtimestamp(WALL_MS / 1000, UTC)


@pytest.mark.parametrize("off_s", [-HOUR_S, HOUR_S, DAY_S, 400 * DAY_S])
def test_a_clock_that_was_off_at_the_start_hides_no_new_market_once_it_is_right(
    off_s: float,
) -> None:
    with clocks(right()) as held:
        harness = Stepping(held, web_of(3))
        held.step(off_s)
        harness.tick()
        harness.tick(DISCOVERY_S)
        held.step(-off_s)
        harness.add_new(50)
        harness.tick(DISCOVERY_S)
        assert condition(50) in harness.watched()


@pytest.mark.parametrize("off_s", [-400 * DAY_S, -DAY_S, -HOUR_S, HOUR_S, DAY_S])
def test_one_reading_of_a_wrong_clock_hides_no_new_market(off_s: float) -> None:
    with clocks(right()) as held:
        harness = Stepping(held, web_of(3))
        harness.tick()
        held.step(off_s)
        harness.tick(DISCOVERY_S)
        held.step(-off_s)
        for number in (50, 51):
            harness.add_new(number)
            harness.tick(DISCOVERY_S)
        assert ids([50, 51]) <= harness.watched()


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -HOUR_S, HOUR_S, 400 * DAY_S])
def test_polls_and_sweeps_come_by_the_monotonic_clock(step_s: float) -> None:
    with clocks(right()) as held:
        harness = Stepping(held, web_of(3))
        harness.tick()
        asked = harness.web.times("page")
        held.step(step_s)
        harness.tick()
        assert harness.web.times("page") == asked
        harness.tick(DISCOVERY_S)
        assert harness.web.times("page") == asked + 2  # by start date, and by date of making
        harness.tick(1_800.0)
        assert harness.report().last_sweep_at == held.now - 1_831.0
        harness.tick()
        assert harness.report().last_sweep_at == held.now - 1.0


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
def test_two_minutes_before_the_watermark_may_be_another_day_or_year(
    at: datetime, since: str
) -> None:
    with clocks(at) as held:
        harness = Stepping(held, FakePolymarket())
        held.step(-1.0 if at.year > 1970 else 0.0)
        harness.tick(1.0 if at.year > 1970 else 0.0)
        harness.tick(DISCOVERY_S)
        asked = [dict(what[0]) for name, what in harness.web.asked if name == "page"][-2]
    assert asked["start_date_min"] == since


# ------------------------------------------------------------------ end


def test_its_session_is_closed_when_it_stops() -> None:
    harness = Harness(FakePolymarket(), Filters())
    harness.actor.on_stop()
    assert harness.web.closed == 1


def test_its_session_is_closed_when_it_fails() -> None:
    harness = Harness(FakePolymarket(), Filters())
    harness.actor.on_failure(ValueError, ValueError("fault"), None)
    assert harness.web.closed == 1


def test_answers_that_show_a_wrong_clock_are_counted() -> None:
    harness = watching(web_of(3))
    harness.web.clock_errors = 2
    harness.tick()
    harness.tick()
    assert dict(harness.report().violations)[Assumption.CLOCK] == 2


def test_old_answers_are_counted() -> None:
    harness = watching(web_of(3))
    harness.web.old_answers = 2
    harness.tick()
    harness.tick()
    assert dict(harness.report().violations)[Assumption.FRESH_ANSWERS] == 2


# ------------------------------------------- listed late, and what is traded later


def test_a_market_that_is_listed_with_an_old_start_date_is_found_by_the_next_poll() -> None:
    harness = watching(web_of(3))
    harness.tick()
    harness.tick(DISCOVERY_S)
    harness.web.add(FakeMarket(50, start_ms=WALL_MS - 30 * 86_400_000))
    harness.tick(DISCOVERY_S)
    assert condition(50) in harness.watched()


@pytest.mark.parametrize("kind", [{"tokenless": True}, {"active": False}])
def test_a_placeholder_is_watched_with_the_poll_after_it_can_be_traded(
    kind: dict[str, bool],
) -> None:
    harness = watching(web_of(3))
    harness.tick()
    placeholder = harness.web.add(FakeMarket(50, **kind))  # type: ignore[arg-type]
    for number in range(100, 700):  # so it is not among the latest made any more
        harness.web.add(FakeMarket(number, start_ms=WALL_MS - 86_400_000))
        if number % 60 == 0:
            harness.tick(DISCOVERY_S)
    assert condition(50) not in harness.watched()
    placeholder.tokenless, placeholder.active = False, True
    harness.tick(DISCOVERY_S)
    assert condition(50) in harness.watched()
    assert condition(50) in overlooked(harness)  # until then a gap: nobody knows since when


@pytest.mark.no_cover  # see CONTRIBUTING.md
@pytest.mark.parametrize("restored", [False, True])
def test_a_closed_market_that_opens_again_is_watched_with_the_poll_after_it(restored: bool) -> None:
    web = web_of(700)
    old = web.markets[condition(5)]  # far from the latest made
    harness = watching(web)
    if restored:
        old.closed = True
        harness.tick()
        stored = parse_market(old.gamma())
        harness.actor.on_receive(MarketsRestored(markets=(stored,)))
    else:
        harness.tick()
        old.closed = True
        run(harness, 2_000)  # a sweep calls it closed
        harness.tick(CLOSED_S)
    harness.tick(DISCOVERY_S)
    assert condition(5) not in harness.watched()
    old.closed = False
    for _ in range(int(DISCOVERY_S) + 2):
        harness.tick()
    assert condition(5) in harness.watched()
    assert condition(5) in overlooked(harness)  # until then a gap: nobody knows since when


def test_a_closed_market_is_not_watched_because_an_old_answer_calls_it_open() -> None:
    """A look-up may be answered out of a cache of the time before it closed."""
    web = web_of(3)
    old = web.markets[condition(1)]
    old.closed = True
    harness = watching(web)
    harness.tick()
    harness.actor.on_receive(MarketsRestored(markets=(parse_market(old.gamma()),)))
    old.closed = False
    web.age_s = 300.0
    run(harness, 280)
    assert condition(1) not in harness.watched()
    run(harness, 60)  # an answer that was made after that is believed
    assert condition(1) in harness.watched()


def test_a_closed_market_is_not_asked_for_any_more_when_it_is_settled() -> None:
    web = web_of(3)
    old = web.markets[condition(1)]
    old.closed = True
    harness = watching(web)
    harness.tick()
    harness.actor.on_receive(MarketsRestored(markets=(parse_market(old.gamma()),)))
    run(harness, 60)
    asked = web.times("lookup")
    assert asked > 0
    harness.actor.on_receive(MarketsSettled(condition_ids=(condition(1),)))
    run(harness, 60)
    assert web.times("lookup") == asked


def test_placeholders_cost_one_request_a_poll() -> None:
    web = web_of(3)
    harness = watching(web)
    harness.tick()
    for number in range(100, 400):
        web.add(FakeMarket(number, active=False))
    harness.tick(DISCOVERY_S)
    before = web.times("lookup")
    for _ in range(30):
        harness.tick(1.0)
    assert web.times("lookup") - before <= 2


# ------------------------------------------------------------------- overlooked


def overlooked(harness: Harness) -> dict[ConditionId, int]:
    """Return since when markets could have been watched, in ms after the start."""
    changes = harness.supervisor.of(UniverseChanged)
    return {
        market: since_ns // 1_000_000 - WALL_MS
        for change in changes
        for market, since_ns in change.overlooked
    }


def test_a_market_that_is_found_by_a_poll_was_overlooked_since_it_began() -> None:
    harness = watching(web_of(3))
    harness.tick()
    assert overlooked(harness) == {}
    assert [change.is_first for change in harness.supervisor.of(UniverseChanged)] == [True]
    harness.web.add(FakeMarket(50, start_ms=WALL_MS + 5_000))
    harness.tick(DISCOVERY_S)
    assert overlooked(harness) == {condition(50): 5_000}
    assert not harness.supervisor.last(UniverseChanged).is_first


def test_a_market_that_the_database_names_was_overlooked_if_it_is_still_open() -> None:
    harness = watching(web_of(3))
    harness.tick()
    harness.web.add(FakeMarket(50, start_ms=WALL_MS + 5_000))
    announce(harness, 50)
    harness.tick(10.0)
    assert overlooked(harness) == {condition(50): 5_000}


def test_what_the_feed_announced_or_the_database_held_was_not_overlooked() -> None:
    harness = watching(web_of(3))
    harness.tick()
    known = parse_market(FakeMarket(50, start_ms=WALL_MS + 5_000).gamma())
    told = parse_market(FakeMarket(51, start_ms=WALL_MS + 5_000, active=False).gamma())
    harness.actor.on_receive(MarketsRestored(markets=(known,)))
    harness.actor.on_receive(NewMarketSeen(condition_id=condition(51), market=told))
    harness.web.add(FakeMarket(50, start_ms=WALL_MS + 5_000))
    harness.web.add(FakeMarket(51, start_ms=WALL_MS + 5_000))
    harness.tick(DISCOVERY_S)
    assert {condition(50), condition(51)} <= harness.watched()
    assert overlooked(harness) == {}
