"""Promise: a pass reaches every market that the server can be brought to list, and says what not.

The server of these tests breaks one belief, or several; a pass is driven until it ends.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from actors.errors import PayloadRejected, SourceUnavailable
from actors.polymarket.pagination import (
    MAX_PAGES,
    PAGE_SIZE,
    Pagination,
    Route,
    Row,
    Trouble,
)

AT = datetime(2026, 10, 5, 12, tzinfo=UTC)
ORDERED = (("closed", "false"), ("order", "createdAt"), ("ascending", "false"))


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@dataclass
class Server:
    """Markets, numbered from the newest, and what is wrong with the server."""

    starts: list[datetime]
    gone: set[Route] = field(default_factory=set)
    ignoring: set[Route] = field(default_factory=set)
    failing: set[int] = field(default_factory=set)
    largest_offset: int = 10_000
    orders: bool = True
    cut_to: int = 100
    asked: int = 0
    found: set[int] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)

    def _listed(self, wanted: dict[str, str]) -> list[int]:
        low = seconds(wanted.get("start_date_min", "1970-01-01T00:00:00Z"))
        high = seconds(wanted.get("start_date_max", "9000-01-01T00:00:00Z"))
        listed = [n for n, at in enumerate(self.starts) if low <= at.timestamp() <= high]
        if wanted.get("ascending", "true") == "true":
            listed.reverse()
        return listed

    def answer(self, listing: Pagination) -> None:
        """Answer the next request of a pass."""
        self.asked += 1
        wanted = dict(listing.params)
        if listing.route in self.gone:
            return listing.failed(SourceUnavailable("404", status=404))
        if not self.orders and "order" in wanted:
            return listing.failed(SourceUnavailable("422", status=422))
        listed = self._listed(wanted)
        at = int((listing.cursor or "0").strip("c"))
        if listing.route in self.ignoring:
            at = 0
        if listing.route is Route.LIST and at > self.largest_offset:
            return listing.failed(SourceUnavailable("422", status=422))
        page = listed[at : at + min(int(wanted["limit"]), self.cut_to)]
        if self.failing & set(page):
            return listing.failed(SourceUnavailable("500", status=500))
        self.found.update(page)
        end = at + len(page)
        cursor = f"c{end}" if listing.route is Route.KEYSET else str(end)
        if not page if listing.route is Route.LIST else end >= len(listed):
            cursor = ""
        rows = [Row(str(n), self.starts[n]) for n in page]
        return listing.advance(cursor or None, rows)

    def read(self, listing: Pagination, *, within: int = 2_000) -> list[tuple[Trouble, Route]]:
        """Answer all requests of a pass and of what it leaves out; return what was met."""
        left, met = [listing], []
        while left:
            each = left.pop(0)
            while not each.finished:
                assert self.asked < within
                self.answer(each)
            for found in each.findings():
                met.append((found.trouble, found.route))
                self.texts.append(found.text)
            left += each.rest
        return met

    @property
    def lost(self) -> set[int]:
        return set(range(len(self.starts))) - self.found


def world(count: int, step_s: float = 60.0, **faults: object) -> Server:
    starts = [AT - timedelta(seconds=step_s * number) for number in range(count)]
    return Server(starts, **faults)  # type: ignore[arg-type]


def everything() -> Pagination:
    return Pagination(ORDERED, top=AT)


def test_a_pass_follows_the_cursors_to_the_last_page() -> None:
    server, listing = world(250), everything()
    assert listing.params == (*ORDERED, ("limit", "100"))
    assert server.read(listing) == []
    assert (listing.pages, listing.complete, server.asked, server.lost) == (3, True, 3, set())


def test_an_empty_cursor_is_the_end() -> None:
    listing = Pagination(())
    listing.advance("")
    assert listing.finished


def test_a_last_page_that_names_itself_as_the_next_is_the_end() -> None:
    listing = Pagination(())
    listing.advance("a", [Row(str(n), None) for n in range(100)])
    listing.advance("a", [Row(str(n), None) for n in range(100, 130)])
    assert (listing.finished, listing.complete) == (True, True)


def test_a_pass_has_a_last_page_whatever_the_server_sends() -> None:
    listing = Pagination((), max_pages=3)
    for cursor in ("a", "b", "c"):
        listing.advance(cursor)
    assert (listing.finished, listing.complete) == (True, False)
    assert [each.trouble for each in listing.findings()] == [Trouble.UNFINISHED]


# ----------------------------------------------------------------------- routes


def test_a_keyset_that_is_gone_is_replaced_by_the_list_form() -> None:
    server, listing = world(250, gone={Route.KEYSET}), everything()
    assert server.read(listing) == [(Trouble.GONE, Route.KEYSET)]
    assert (listing.route, listing.complete, server.lost) == (Route.LIST, True, set())


def test_one_404_is_no_proof() -> None:
    server, listing = world(250), everything()
    server.answer(listing)
    listing.failed(SourceUnavailable("404", status=404))
    assert server.read(listing) == []
    assert listing.route is Route.KEYSET


def test_an_answer_of_another_shape_is_as_good_as_none() -> None:
    listing = everything()
    for _ in range(2):
        listing.failed(PayloadRejected("unexpected shape"))
    assert listing.route is Route.LIST


def test_behind_the_largest_offset_start_dates_lead_on() -> None:
    server = world(2_500, gone={Route.KEYSET}, largest_offset=500)
    listing = everything()
    assert server.read(listing) == [(Trouble.GONE, Route.KEYSET)]
    assert (listing.complete, server.lost) == (True, set())


def test_without_any_route_a_pass_goes_on_asking_both() -> None:
    server, listing = world(250, gone=set(Route)), everything()
    for _ in range(20):
        server.answer(listing)
    assert not listing.finished
    server.gone.clear()
    server.read(listing)
    assert server.lost == set()


def test_without_both_routes_of_markets_events_lead_to_them() -> None:
    server, listing = world(250, gone={Route.KEYSET, Route.LIST}), everything()
    assert server.read(listing) == [(Trouble.GONE, Route.KEYSET), (Trouble.GONE, Route.LIST)]
    assert (listing.route, listing.complete, server.lost) == (Route.EVENTS, True, set())


@pytest.mark.parametrize("key", ["condition_ids", "slug"])
def test_events_are_never_asked_for_markets_by_name(key: str) -> None:
    listing = Pagination(((key, "x"),), avoid=(Route.KEYSET, Route.LIST))
    for _ in range(20):
        assert listing.route is not Route.EVENTS
        listing.failed(SourceUnavailable("404", status=404))


@pytest.mark.parametrize("same", [True, False])
def test_a_cursor_that_is_ignored_is_noticed_and_the_list_form_read(same: bool) -> None:
    server, listing = world(250), everything()
    page = [Row(str(n), server.starts[n]) for n in range(100)]
    listing.advance("c", page)
    # Meanwhile a market was listed, so the first page is not quite the same.
    listing.advance("c" if same else "d", [Row("new", AT), *page[:-1]])
    assert not listing.finished
    assert [each.trouble for each in listing.findings()] == [Trouble.CURSOR]
    assert (listing.route, listing.cursor) == (Route.LIST, None)
    server.read(listing)
    assert server.lost == set()


@pytest.mark.parametrize("faults", [
    {"ignoring": {Route.KEYSET}, "gone": {Route.LIST}},
    {"ignoring": {Route.LIST}, "gone": {Route.KEYSET}},
    {"ignoring": set(Route)},
])  # fmt: skip
def test_without_any_cursor_start_dates_lead_through_everything(faults: dict[str, object]) -> None:
    server, listing = world(450, 60.0, **faults), everything()
    met = server.read(listing)
    assert (listing.complete, server.lost) == (True, set())
    assert {trouble for trouble, _ in met} <= {Trouble.GONE, Trouble.CURSOR}


def test_more_of_one_second_than_a_page_holds_are_passed_over_and_named() -> None:
    server = world(450, step_s=0.001, ignoring=set(Route))
    server.starts += [AT - timedelta(seconds=60 + number) for number in range(300)]
    met = server.read(everything())
    assert (Trouble.PASSED_OVER, Route.KEYSET) in met
    assert server.lost <= set(range(450))


# ------------------------------------------------------------------------ order


def test_an_order_that_is_rejected_is_left_out() -> None:
    server, listing = world(250, orders=False), everything()
    assert server.read(listing) == [(Trouble.ORDER, Route.KEYSET)]
    assert listing.params == (("closed", "false"), ("limit", "100"))
    assert (listing.complete, server.lost) == (True, set())


def test_without_order_and_cursor_a_pass_ends_and_says_that_it_is_not_complete() -> None:
    server, listing = world(450, orders=False, ignoring=set(Route)), everything()
    met = server.read(listing)
    assert (Trouble.UNFINISHED, Route.LIST) in met or (Trouble.UNFINISHED, Route.KEYSET) in met
    assert not listing.complete


# ------------------------------------------------------------------------ pages


@pytest.mark.parametrize("market", [0, 1, 50, 99, 100, 256, 398, 399])
def test_a_market_that_makes_its_page_fail_is_passed_over_alone(market: int) -> None:
    server, listing = world(400, failing={market}), everything()
    met = server.read(listing)
    assert server.lost == {market}
    assert met == [(Trouble.PASSED_OVER, Route.LIST)]
    assert listing.complete
    assert server.asked < 150


def test_markets_far_apart_that_make_their_pages_fail_are_passed_over_alone() -> None:
    server = world(900, failing={20, 250, 555, 899})
    met = server.read(everything())
    assert server.lost == server.failing
    assert met == [(Trouble.PASSED_OVER, Route.LIST)] * 4


def test_without_the_list_form_what_fails_is_reached_from_both_sides() -> None:
    server = world(900, failing={20, 250, 555, 899}, gone={Route.LIST})
    met = server.read(everything())
    assert server.lost == server.failing
    assert met.count((Trouble.PASSED_OVER, Route.KEYSET)) == 4


def test_markets_that_fail_are_passed_over_alone_though_all_began_in_one_second() -> None:
    server = world(400, step_s=0.0001, failing={7, 82, 157, 399})
    assert server.read(everything()) == [(Trouble.PASSED_OVER, Route.LIST)] * 4
    assert server.lost == server.failing


def test_by_offset_two_neighbours_that_fail_are_passed_over_alone() -> None:
    server = world(400, failing={7, 8}, gone={Route.KEYSET})
    listing = everything()
    met = server.read(listing)
    assert met == [(Trouble.GONE, Route.KEYSET), *[(Trouble.PASSED_OVER, Route.LIST)] * 2]
    assert (listing.complete, server.lost) == (True, {7, 8})


def test_what_is_passed_over_is_named_by_what_is_next_to_it() -> None:
    server = world(400, failing={150})
    server.read(everything())
    # Up to the start of 149; 151 began a minute before the lower bound.
    assert server.texts == ["list form: between 2026-10-05T09:29:56Z and 2026-10-05T09:31:00Z"]


@pytest.mark.parametrize("route", list(Route))
def test_a_server_that_fails_for_an_hour_makes_no_market_lost(route: Route) -> None:
    server = world(400)
    listing = Pagination(ORDERED, top=AT, avoid=set(Route) - {route})
    server.answer(listing)
    for _ in range(100):
        listing.failed(SourceUnavailable("500", status=500))
    assert not listing.narrowing  # so the pauses are those of a server that is down
    assert server.read(listing) == []
    assert server.lost == set()


def test_a_server_that_does_not_answer_changes_nothing_but_the_size_of_pages() -> None:
    server, listing = world(400), everything()
    server.answer(listing)
    cursor = listing.cursor
    for _ in range(100):
        listing.failed(SourceUnavailable("no answer within 20 s"))
    assert listing.cursor == cursor
    assert server.read(listing) == []
    assert server.lost == set()


def test_a_cursor_that_the_firewall_rejects_is_avoided() -> None:
    listing = Pagination(())
    listing.advance("a")
    for _ in range(3):
        listing.failed(SourceUnavailable("403", status=403))
    assert (listing.cursor, dict(listing.params)["limit"]) == ("a", str(PAGE_SIZE))
    listing.failed(SourceUnavailable("403", status=403))
    assert dict(listing.params)["limit"] == "93"
    assert listing.cursor is None
    listing.advance("a")  # a fresh pass may meet old cursors
    assert {"cursor": listing.cursor, "finished": listing.finished} == {
        "cursor": "a",
        "finished": False,
    }
    for _ in range(200):
        listing.advance(f"b{_}")
        for _ in range(4):
            listing.failed(SourceUnavailable("403", status=403))
    assert dict(listing.params)["limit"] == "40"


def test_a_whole_listing_of_today_is_within_the_pages_of_a_pass() -> None:
    assert MAX_PAGES * PAGE_SIZE > 4 * 220_000


# ------------------------------------------------------- pages smaller than asked for


@pytest.mark.parametrize("cut_to", [20, 100])
@pytest.mark.parametrize(
    "faults",
    [
        {},
        {"gone": {Route.KEYSET}},
        {"gone": {Route.KEYSET}, "largest_offset": 100},
        {"ignoring": {Route.KEYSET}},
        {"ignoring": {Route.KEYSET}, "gone": {Route.LIST}},
        {"ignoring": set(Route)},
        {"orders": False},
    ],
)
@pytest.mark.parametrize("count", [1, 20, 21, 250])
def test_pages_that_are_smaller_than_asked_for_hide_no_market(
    cut_to: int, count: int, faults: dict[str, object]
) -> None:
    server, listing = world(count, 60.0, cut_to=cut_to, **faults), everything()
    met = server.read(listing)
    assert (listing.complete, server.lost) == (True, set())
    assert {trouble for trouble, _ in met} <= {Trouble.GONE, Trouble.CURSOR, Trouble.ORDER}


def test_a_pass_of_one_page_by_date_that_is_all_of_one_second_passes_nothing_over() -> None:
    server = world(7, 0.0, cut_to=20, ignoring=set(Route))
    assert Trouble.PASSED_OVER not in {trouble for trouble, _ in server.read(everything())}
    assert server.lost == set()
