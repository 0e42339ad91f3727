from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.catalog.discovery import (
    FREE_PLACES_SWEEP_S,
    LIST_FORM_S,
    RESTORE_WAIT_S,
    SWEEP_S,
    Discovery,
)
from actors.catalog.lookups import MAX_PLACEHOLDERS
from actors.catalog.requests import Kind, ListFormTry, Lookup, NextPage, Request
from actors.catalog.universe import Filters
from actors.errors import SourceUnavailable
from actors.model.market import Asset, Market
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.listings import AVOID_S, KeysetState, everything
from actors.polymarket.pagination import Finding, Route, Row, Trouble, iso
from actors.polymarket.sources import MAX_GAMMA_MARKETS

WALL = datetime(2026, 10, 3, 4, tzinfo=UTC)


def cid(number: int) -> ConditionId:
    return ConditionId(f"0x{number:064x}")


def started(**filters: object) -> Discovery:
    discovery = Discovery(Filters(**filters), 30.0)  # type: ignore[arg-type]
    discovery.start(0.0, WALL)
    return discovery


def at(discovery: Discovery, now: float) -> bool:
    return discovery.tick(now, WALL + timedelta(seconds=now))


def following(discovery: Discovery, *ready: Kind) -> Request | None:
    """Return the next request of these kinds, or of all but the tries of the list form."""
    return discovery.next(lambda kind: kind in (ready or set(Kind) - {Kind.LIST_FORM}))


def sweep_through(discovery: Discovery, *, free_places: bool = False) -> None:
    """Answer the sweep that is under way with one page."""
    request = following(discovery)
    assert isinstance(request, NextPage)
    assert request.sweep
    request.listing.advance(None)
    assert discovery.page_swept(end=False)
    discovery.sweep_ended((), free_places=free_places)


def test_the_first_sweep_begins_at_once_and_the_next_half_an_hour_later() -> None:
    discovery = started()
    assert at(discovery, 0.0)
    sweep_through(discovery)
    assert discovery.swept_at == 0.0
    assert not at(discovery, SWEEP_S - 1)
    assert at(discovery, SWEEP_S)


@pytest.mark.parametrize("filters", [{}, {"markets": frozenset({"a-slug"})}])
def test_a_process_asks_what_one_that_began_a_minute_before_did_not(filters: Any) -> None:
    questions = []
    for seconds in (0, 60):
        discovery = Discovery(Filters(**filters), 30.0)
        discovery.start(0.0, WALL + timedelta(seconds=seconds))
        at(discovery, 0.0)
        request = following(discovery, Kind.SWEEP)
        assert isinstance(request, NextPage)
        questions.append(request.listing.params)
    assert questions[0] != questions[1]


def test_free_places_bring_the_next_sweep_sooner() -> None:
    discovery = started(max_assets=10, min_volume=Decimal(0))
    at(discovery, RESTORE_WAIT_S)
    sweep_through(discovery, free_places=True)
    assert at(discovery, RESTORE_WAIT_S + FREE_PLACES_SWEEP_S)


def test_with_a_limit_the_first_sweep_waits_for_the_database_but_not_for_ever() -> None:
    assert not at(started(max_assets=10), RESTORE_WAIT_S - 1)
    assert at(started(max_assets=10), RESTORE_WAIT_S)
    discovery = started(max_assets=10)
    discovery.restored()
    assert at(discovery, 1.0)


def test_a_sweep_under_way_is_not_started_again() -> None:
    discovery = started()
    assert at(discovery, 0.0)
    assert not at(discovery, SWEEP_S * 2)


def test_the_announced_come_first_then_the_newest_then_the_missing_then_the_sweep() -> None:
    discovery = started()
    at(discovery, 0.0)
    sweep_through(discovery)
    discovery.sweep_ended([cid(9)], free_places=False)
    at(discovery, SWEEP_S)
    discovery.announced.add(cid(1), SWEEP_S)
    order = []
    while (request := following(discovery)) is not None:
        if isinstance(request, Lookup):
            order.append("missing" if request.closed else "announced")
            discovery.looked_up(request, ())
        elif isinstance(request, NextPage):
            order.append(request.kind.value)
            request.listing.advance(None)
            if request.sweep:
                discovery.page_swept(end=False)
            else:
                discovery.end_newest()
    assert order == ["announced", "newest", "created", "missing", "sweep"]


def test_reading_the_next_request_changes_nothing() -> None:
    discovery = started()
    at(discovery, 0.0)
    discovery.announced.add(cid(1), 0.0)
    assert following(discovery) == following(discovery)


def test_look_ups_of_announced_markets_are_a_second_apart_so_that_one_asks_for_many() -> None:
    discovery = started(markets=frozenset({"none"}))
    for number in range(MAX_GAMMA_MARKETS + 5):
        discovery.announced.add(cid(number), 0.0)
    first = following(discovery)
    assert isinstance(first, Lookup)
    assert len(first.ids) == MAX_GAMMA_MARKETS
    discovery.looked_up(first, ())
    assert following(discovery) is None
    at(discovery, 1.0)
    second = following(discovery)
    assert isinstance(second, Lookup)
    assert len(second.ids) == 5


def test_a_kind_that_waits_after_a_failure_does_not_block_the_others() -> None:
    discovery = started()
    at(discovery, 0.0)
    sweep_through(discovery)
    discovery.sweep_ended([cid(9)], free_places=False)
    at(discovery, SWEEP_S)
    discovery.announced.add(cid(1), SWEEP_S)
    ready = set(Kind)
    order = []
    while (request := following(discovery, *ready)) is not None:
        discovery.failed(request, SourceUnavailable("500", status=500))
        order.append(request.kind)
        ready.discard(request.kind)
        if not ready:
            break
    assert order == list(Kind)


@pytest.mark.parametrize("closed", [False, True])
def test_an_id_that_makes_its_look_up_fail_is_left_for_later_alone(closed: bool) -> None:
    discovery = started()
    kind = Kind.CLOSED if closed else Kind.LOOKUP
    bad = cid(17)
    if closed:
        at(discovery, 0.0)
        sweep_through(discovery)
        discovery.sweep_ended(map(cid, range(40)), free_places=False)
    else:
        for number in range(40):
            discovery.announced.add(cid(number), 0.0)
    answered: set[ConditionId] = set()
    for second in range(60):
        at(discovery, float(second))
        request = following(discovery, kind)
        if not isinstance(request, Lookup):
            break
        if bad in request.ids:
            discovery.failed(request, SourceUnavailable("500", status=500))
        else:
            answered.update(request.ids)
            discovery.announced.remove(request.ids)
            discovery.looked_up(request, ())
    assert answered == {cid(number) for number in range(40)} - {bad}


def test_a_failed_poll_goes_on_from_the_same_watermark() -> None:
    discovery = started()
    at(discovery, 30.0)
    first = following(discovery)
    assert isinstance(first, NextPage)
    discovery.failed(first)
    at(discovery, 60.0)
    assert following(discovery) == first


def read_newest(
    discovery: Discovery,
    starts: list[datetime],
    cursor: str | None = None,
    created: tuple[int, ...] = (),
) -> NextPage:
    request = following(discovery, Kind.NEWEST)
    assert isinstance(request, NextPage)
    request.listing.advance(cursor)
    discovery.newest_read(request.listing, (market(number, at) for number, at in enumerate(starts)))
    discovery.end_newest()
    if request.listing.finished:
        read_created(discovery, *created)
    return request


def read_created(discovery: Discovery, *numbers: int, cursor: str | None = None) -> NextPage:
    """Answer the listing of the latest made markets with a page."""
    request = following(discovery, Kind.CREATED)
    assert isinstance(request, NextPage)
    assert dict(request.listing.params)["order"] == "createdAt"
    request.listing.advance(cursor)
    discovery.newest_read(request.listing, [market(number, WALL) for number in numbers])
    discovery.end_newest()
    return request


def market(number: int, started_at: datetime) -> Market:
    return Market(condition_id=cid(number), question="", slug="", assets=(), started_at=started_at)


def since(discovery: Discovery) -> str:
    request = following(discovery, Kind.NEWEST)
    assert isinstance(request, NextPage)
    return dict(request.listing.params)["start_date_min"]


def test_the_watermark_moves_when_the_last_page_of_a_poll_is_read() -> None:
    discovery = started()
    at(discovery, 30.0)
    read_newest(discovery, [WALL + timedelta(seconds=25)], "more")
    failing = following(discovery, Kind.NEWEST)
    assert failing is not None
    discovery.failed(failing, SourceUnavailable("no answer within 20 s"))
    at(discovery, 61.0)
    assert since(discovery) == "2026-10-03T03:58:00Z"
    read_newest(discovery, [WALL])
    at(discovery, 91.0)
    assert since(discovery) == "2026-10-03T03:58:25Z"


@pytest.mark.parametrize("off_s", [-86_400.0, 0.0, 86_400.0])
def test_the_watermark_never_passes_the_time_of_the_exchange(off_s: float) -> None:
    discovery = started()
    exchange = WALL + timedelta(seconds=off_s)
    at(discovery, 29.0)
    discovery.answered(offset_s=off_s, age_s=0.0)
    at(discovery, 30.0)
    read_newest(discovery, [exchange + timedelta(days=400)])
    at(discovery, 60.0)
    last = exchange + timedelta(seconds=30) if off_s >= 0 else exchange + timedelta(seconds=60)
    assert since(discovery) == iso(last - timedelta(minutes=2))


def test_a_sweep_that_was_not_read_to_its_end_counts_for_nothing() -> None:
    discovery = started()
    at(discovery, 0.0)
    request = following(discovery)
    assert isinstance(request, NextPage)
    request.listing.complete = False
    request.listing.finish()
    assert discovery.page_swept()
    discovery.sweep_ended([cid(9)], free_places=False)
    assert discovery.swept_at is None
    assert following(discovery, Kind.CLOSED) is None
    assert at(discovery, FREE_PLACES_SWEEP_S)


def finding(trouble: Trouble, route: Route = Route.KEYSET, order: str = "startDate") -> Finding:
    return Finding(trouble, route, trouble.value, order if trouble is Trouble.ORDER else "")


def test_the_keyset_is_avoided_for_a_minute_and_its_fault_stands_until_it_answers() -> None:
    state = KeysetState()
    state.note(finding(Trouble.GONE, Route.LIST), 0.0)
    state.note(finding(Trouble.PASSED_OVER), 0.0)
    assert (state.fault, state.avoided(0.0)) == ("", ())
    state.note(finding(Trouble.GONE), 0.0)
    assert state.avoided(AVOID_S - 1) == (Route.KEYSET,)
    assert state.avoided(AVOID_S) == ()
    state.answered(Route.LIST, behind_cursor=True, order="startDate")
    assert state.fault
    state.answered(Route.KEYSET, behind_cursor=False, order="startDate")
    assert state.fault == ""


def test_a_first_page_does_not_prove_that_cursors_are_followed_again() -> None:
    state = KeysetState()
    state.note(finding(Trouble.CURSOR), 0.0)
    state.answered(Route.KEYSET, behind_cursor=False, order="startDate")
    assert state.fault
    state.answered(Route.KEYSET, behind_cursor=True, order="startDate")
    assert state.fault == ""


def test_a_rejected_order_is_a_fault_until_a_page_comes_in_order_and_does_not_end_the_walk() -> (
    None
):
    state = KeysetState()
    state.note(finding(Trouble.ORDER, Route.LIST), 0.0)
    assert state.fault == ""
    state.note(finding(Trouble.ORDER), 0.0)
    assert (state.fault, state.avoided(0.0)) == ("order rejected", ())
    state.answered(Route.KEYSET, behind_cursor=True, order="")
    assert state.fault
    state.answered(Route.KEYSET, behind_cursor=False, order="startDate")
    assert state.fault == ""


def test_the_fault_of_one_order_is_not_mended_by_a_page_in_another() -> None:
    state = KeysetState()
    state.note(finding(Trouble.ORDER, order="createdAt"), 0.0)
    for order in ("startDate", "id", ""):
        state.answered(Route.KEYSET, behind_cursor=True, order=order)
        assert state.fault
    state.note(finding(Trouble.ORDER, order="startDate"), 1.0)
    state.answered(Route.KEYSET, behind_cursor=False, order="createdAt")
    assert state.fault
    state.answered(Route.KEYSET, behind_cursor=False, order="startDate")
    assert state.fault == ""


def test_what_a_keyset_that_is_gone_said_of_orders_counts_no_more() -> None:
    state = KeysetState()
    state.note(finding(Trouble.ORDER, order="volumeNum"), 0.0)
    state.note(finding(Trouble.GONE), 0.0)
    state.answered(Route.KEYSET, behind_cursor=False, order="startDate")
    assert state.fault == ""


def test_a_rejected_order_hides_no_graver_fault() -> None:
    state = KeysetState()
    state.note(finding(Trouble.CURSOR), 0.0)
    state.note(finding(Trouble.ORDER), 0.0)
    assert state.fault == "cursor ignored"
    state.note(finding(Trouble.GONE), 1.0)
    assert state.fault == "no answer"


def test_the_list_form_is_tried_every_two_minutes() -> None:
    discovery = started()
    at(discovery, LIST_FORM_S - 1)
    assert following(discovery, Kind.LIST_FORM) is None
    at(discovery, LIST_FORM_S)
    assert following(discovery, Kind.LIST_FORM) == ListFormTry()
    discovery.tried_list_form()
    assert following(discovery, Kind.LIST_FORM) is None


def test_a_sweep_can_be_ended_early() -> None:
    discovery = started(max_assets=2)
    at(discovery, RESTORE_WAIT_S)
    request = following(discovery)
    assert isinstance(request, NextPage)
    request.listing.advance("more")
    assert discovery.page_swept(end=True)
    assert following(discovery) is None


# ------------------------------------------------------------- answers out of caches


def polls(discovery: Discovery, count: int, *, moving: bool) -> list[tuple[tuple[str, str], ...]]:
    """Return the queries of the listing by start date of so many polls, 30 s apart."""
    asked = []
    for number in range(1, count + 1):
        at(discovery, 30.0 * number)
        starts = [WALL + timedelta(seconds=30.0 * number - 5)] if moving else []
        request = following(discovery, Kind.NEWEST)
        assert isinstance(request, NextPage)
        asked.append(request.listing.params)
        read_newest(discovery, starts)
    return asked


@pytest.mark.parametrize("moving", [False, True])
def test_no_poll_of_300_s_asks_what_another_asked(moving: bool) -> None:
    asked = polls(started(), 40, moving=moving)
    for number in range(30):
        assert len(set(asked[number : number + 10])) == 10


def test_each_second_another_question_for_five_minutes() -> None:
    discovery = Discovery(Filters(), 1.0)
    discovery.start(0.0, WALL)
    asked = []
    for second in range(1, 301):
        at(discovery, float(second))
        request = following(discovery, Kind.NEWEST)
        assert isinstance(request, NextPage)
        asked.append(request.listing.params)
        read_newest(discovery, [])
    assert len(set(asked)) == 300


def test_what_an_old_answer_cannot_show_is_asked_for_again() -> None:
    discovery = started()
    discovery.answered(offset_s=0.0, age_s=219.0)
    at(discovery, 30.0)
    assert since(discovery) == iso(WALL - timedelta(seconds=120 + 219))


def test_an_answer_made_before_the_announcement_is_no_answer() -> None:
    discovery = started()
    discovery.announced.add(cid(1), 0.0)
    overdue: list[ConditionId] = []
    for second in range(400):
        at(discovery, float(second))
        request = following(discovery, Kind.LOOKUP)
        if isinstance(request, Lookup):
            age_s = float(second + 1 if second < 290 else 0)  # made before it was announced
            overdue += discovery.looked_up(request, (), age_s=age_s)
            assert not overdue or second > 290
    assert cid(1) in discovery.announced
    assert overdue == []


# ------------------------------------------------------ listed late, and placeholders


def test_the_latest_made_markets_are_read_until_one_is_known() -> None:
    discovery = started()
    at(discovery, 30.0)
    read_newest(discovery, [])  # learns nothing but that there are none
    at(discovery, 60.0)
    request = following(discovery, Kind.NEWEST)
    assert isinstance(request, NextPage)
    request.listing.advance(None)
    discovery.end_newest()
    assert read_created(discovery, 1, 2, 3, cursor="more").listing.finished  # nothing to compare
    at(discovery, 90.0)
    request = following(discovery, Kind.NEWEST)
    assert isinstance(request, NextPage)
    request.listing.advance(None)
    discovery.end_newest()
    assert not read_created(discovery, 7, 8, cursor="more").listing.finished
    assert read_created(discovery, 9, 3, cursor="end").listing.finished


def made_last(discovery: Discovery, sound: int) -> list[dict[str, str]]:
    """Answer a poll; of the latest made, only pages within the first so many come. Return those."""
    asked = []
    while isinstance(request := following(discovery, Kind.NEWEST, Kind.CREATED), NextPage):
        wanted, listing = dict(request.listing.params), request.listing
        if wanted.get("order") != "createdAt":
            listing.advance(None)  # nothing new, or a proof that the server answers
        elif int(wanted["limit"]) > sound or listing.cursor:
            asked.append(wanted)
            discovery.failed(request, SourceUnavailable("500", status=500))
        else:
            asked.append(wanted)
            page = [market(number, WALL) for number in range(int(wanted["limit"]))]
            listing.advance("more", [Row(each.condition_id, WALL) for each in page])
            discovery.newest_read(listing, page)
        discovery.end_newest()
    return asked


def test_the_latest_made_are_read_up_to_the_market_that_makes_their_page_fail() -> None:
    discovery = started()
    for now in (30.0, 60.0):  # what the second reads first is known by then
        at(discovery, now)
        asked = made_last(discovery, 40)
        assert int(asked[-1]["limit"]) <= 40
        assert len(asked) < 12


def test_a_listing_of_the_latest_made_whose_first_market_fails_is_left_to_the_sweep() -> None:
    discovery = started()
    at(discovery, 30.0)
    asked = made_last(discovery, 0)
    assert asked[-1]["limit"] == "1"
    assert len(asked) < 15
    at(discovery, 60.0)
    assert since(discovery) == iso(WALL - timedelta(seconds=120))


TIMEOUT = SourceUnavailable("HTTP 504", status=504)


def test_a_listing_of_the_latest_made_that_times_out_delays_no_poll_by_start_date() -> None:
    discovery = started()
    for number in range(1, 20):
        at(discovery, 30.0 * number)
        assert following(discovery, Kind.NEWEST)
        newest_alone(discovery)
        request = following(discovery, Kind.CREATED)
        assert isinstance(request, NextPage)
        assert int(dict(request.listing.params)["limit"]) > 60  # no smaller page, it may answer
        discovery.failed(request, TIMEOUT)
        discovery.end_newest()
        assert Kind.CREATED not in discovery.idle()  # so its failure is not forgotten
        assert Kind.NEWEST in discovery.idle()


def newest_alone(discovery: Discovery) -> None:
    """Answer the poll by start date with an empty page."""
    request = following(discovery, Kind.NEWEST)
    assert isinstance(request, NextPage)
    request.listing.advance(None)
    discovery.end_newest()


def test_the_latest_made_are_compared_with_what_the_last_whole_reading_knew() -> None:
    discovery = started()
    at(discovery, 30.0)
    read_newest(discovery, [], created=(1, 2, 3))
    at(discovery, 60.0)
    newest_alone(discovery)
    assert not read_created(discovery, 8, 7, cursor="more").listing.finished
    request = following(discovery, Kind.CREATED)
    assert request is not None
    discovery.failed(request, TIMEOUT)
    # 8 and 7 were read before the failure, 6 and 5 behind them were not.
    assert not read_created(discovery, 8, 7, cursor="more").listing.finished
    assert read_created(discovery, 6, 5, 3, cursor="more").listing.finished


def test_a_poll_by_start_date_that_fails_does_not_delay_the_latest_made() -> None:
    discovery = started()
    for number in range(1, 4):
        at(discovery, 30.0 * number)
        request = following(discovery, Kind.NEWEST)
        assert request is not None
        discovery.failed(request, TIMEOUT)
        assert read_created(discovery, 1).listing.finished


def test_what_a_poll_left_out_and_then_times_out_is_left_to_the_next_poll() -> None:
    discovery = started()
    at(discovery, 30.0)
    request = following(discovery, Kind.NEWEST)
    assert isinstance(request, NextPage)
    left_out = everything(min_volume=Decimal(0), by_volume=False, tags=False)
    left_out.is_rest = True
    request.listing.rest.append(left_out)
    request.listing.advance(None)
    discovery.newest_read(request.listing, [market(1, WALL + timedelta(seconds=25))])
    discovery.end_newest()
    rest = following(discovery, Kind.NEWEST)
    assert rest is not None
    discovery.failed(rest, TIMEOUT)
    discovery.end_newest()
    assert following(discovery, Kind.NEWEST) is None
    at(discovery, 60.0)
    assert since(discovery) == iso(WALL - timedelta(seconds=120))  # as if nothing had been read


def test_placeholders_are_looked_up_with_each_poll_the_longest_waiting_first() -> None:
    discovery = started()
    discovery.placeholders.note(map(cid, range(MAX_GAMMA_MARKETS + 10)))
    asked: list[ConditionId] = []
    for number in (1, 2):
        at(discovery, 30.0 * number)
        request = following(discovery, Kind.LOOKUP)
        assert isinstance(request, Lookup)
        asked += request.ids
        discovery.looked_up(request, (), placeholders=set(request.ids))
        at(discovery, 30.0 * number + 5)
        assert following(discovery, Kind.LOOKUP) is None
    assert asked[: MAX_GAMMA_MARKETS + 10] == [cid(n) for n in range(MAX_GAMMA_MARKETS + 10)]
    assert len(asked) == 2 * MAX_GAMMA_MARKETS


def test_of_too_many_closed_markets_the_latest_are_kept() -> None:
    closed = started().closed
    closed.note(map(cid, range(MAX_PLACEHOLDERS)))
    closed.allow(2)
    closed.tried([cid(0), cid(1)], {cid(0), cid(1)})  # looked up last, known longest all the same
    closed.note([cid(0), cid(MAX_PLACEHOLDERS)])
    assert len(closed) == MAX_PLACEHOLDERS
    assert cid(0) not in closed
    assert cid(1) in closed
    assert cid(MAX_PLACEHOLDERS) in closed
    closed.remove([cid(1)])
    closed.note([cid(MAX_PLACEHOLDERS + 1)])
    assert cid(2) in closed


def test_of_too_many_placeholders_the_first_are_kept() -> None:
    placeholders = started().placeholders
    placeholders.note(map(cid, range(MAX_PLACEHOLDERS + 1)))
    assert len(placeholders) == MAX_PLACEHOLDERS
    assert cid(MAX_PLACEHOLDERS) not in placeholders


def test_a_placeholder_that_is_traded_or_gone_is_not_asked_for_again() -> None:
    discovery = started()
    discovery.placeholders.note(map(cid, range(3)))
    at(discovery, 30.0)
    request = following(discovery, Kind.LOOKUP)
    assert isinstance(request, Lookup)
    discovery.looked_up(request, [market(0, WALL)], placeholders={cid(1)})
    at(discovery, 60.0)
    request = following(discovery, Kind.LOOKUP)
    assert isinstance(request, Lookup)
    assert request.ids == (cid(1),)


# ------------------------------------------- since when a market could have been watched


def swept() -> Discovery:
    """Return a discovery of which the first sweep, begun at second 0, is over."""
    discovery = started()
    at(discovery, 0.0)
    sweep_through(discovery)
    at(discovery, 600.0)
    return discovery


def test_a_market_that_began_after_the_sweep_could_have_been_watched_since_it_began() -> None:
    began = WALL + timedelta(seconds=580)
    assert swept().overlooked_since(market(1, began)) == began


@pytest.mark.parametrize("old", [WALL - timedelta(days=40), None])
def test_one_that_the_sweep_did_not_list_was_not_there_before(old: datetime | None) -> None:
    late = msgspec.structs.replace(market(1, WALL), started_at=old)
    assert swept().overlooked_since(late) == WALL - timedelta(minutes=2)


def test_an_old_answer_of_the_sweep_says_nothing_of_what_came_behind_it() -> None:
    discovery = started()
    at(discovery, 0.0)
    discovery.answered(offset_s=0.0, age_s=200.0)
    sweep_through(discovery)
    at(discovery, 600.0)
    since_s = -120 - 200
    late = market(1, WALL - timedelta(days=40))
    assert discovery.overlooked_since(late) == WALL + timedelta(seconds=since_s)


def test_what_the_first_sweep_finds_was_wanted_by_nobody_before() -> None:
    discovery = started()
    at(discovery, 60.0)
    assert discovery.overlooked_since(market(1, WALL - timedelta(seconds=1))) is None
    began = WALL + timedelta(seconds=20)
    assert discovery.overlooked_since(market(1, began)) == began


@pytest.mark.parametrize("filters", [{"min_volume": Decimal(5)}, {"max_assets": 10}])
def test_what_waits_for_its_volume_is_not_overlooked(filters: dict[str, object]) -> None:
    discovery = started(**filters)
    at(discovery, 60.0)
    assert discovery.overlooked_since(market(1, WALL + timedelta(seconds=20))) is None


def test_what_the_feed_announced_is_not_overlooked_nor_what_begins_later() -> None:
    began = WALL + timedelta(seconds=580)
    announced = msgspec.structs.replace(market(1, began), active=False)
    assert swept().overlooked_since(announced) is None
    assert swept().overlooked_since(market(1, WALL + timedelta(seconds=601))) is None


# ------------------------------------------------------ chosen around the planned end


def ending(number: int, seconds: float) -> Market:
    end_at = WALL + timedelta(seconds=seconds)
    assets = tuple(
        Asset(token_id=TokenId(f"{number}{side}"), outcome=name, outcome_index=side)
        for side, name in enumerate(("Yes", "No"))
    )
    slug = f"market-{number}"
    return Market(condition_id=cid(number), question="?", slug=slug, assets=assets, end_at=end_at)


def test_what_was_chosen_around_its_planned_end_is_looked_up_among_the_closed() -> None:
    discovery = started()
    at(discovery, 0.0)
    markets = [ending(1, -5), ending(2, 10), ending(3, 60), ending(4, -3_600)]
    assert discovery.chosen(markets) == (cid(1), cid(2))
    request = following(discovery, Kind.CLOSED)
    assert request == Lookup((cid(1), cid(2)), closed=True, late=True)
    discovery.looked_up(request, [ending(1, -5)])
    at(discovery, 1.0)
    assert following(discovery, Kind.CLOSED) is None
    at(discovery, 2.0)  # one that goes on is looked up for five minutes
    assert following(discovery, Kind.CLOSED) == Lookup((cid(2),), closed=True, late=True)
    assert Kind.CLOSED not in discovery.idle()


def test_a_look_up_of_them_that_fails_is_tried_again_and_blocks_no_other() -> None:
    discovery = started()
    at(discovery, 0.0)
    sweep_through(discovery)
    discovery.sweep_ended([cid(9)], free_places=False)
    discovery.chosen([ending(1, -5)])
    first = following(discovery, Kind.CLOSED)
    assert first == Lookup((cid(9),), closed=True)
    assert isinstance(first, Lookup)
    discovery.looked_up(first, [ending(9, -5)])
    late = following(discovery, Kind.CLOSED)
    assert isinstance(late, Lookup)
    discovery.failed(late, SourceUnavailable("away"))
    assert following(discovery, Kind.CLOSED) is None
    at(discovery, 2.0)
    assert following(discovery, Kind.CLOSED) == late


@pytest.mark.parametrize("age_s", [0.0, 200.0])
def test_a_market_that_is_neither_listed_nor_among_the_closed_is_looked_up_again(
    age_s: float,
) -> None:
    """An answer out of a cache of five minutes knows nothing of what has closed since."""
    discovery = started()
    at(discovery, 0.0)
    sweep_through(discovery)
    discovery.restored([cid(1), cid(2)])  # stored by an earlier process, and not listed as open
    first = following(discovery, Kind.CLOSED)
    assert first == Lookup((cid(1), cid(2)), closed=True)
    assert isinstance(first, Lookup)
    discovery.looked_up(first, [ending(1, -5)], age_s=age_s)
    assert following(discovery, Kind.CLOSED) is None
    for seconds in range(2, 300, 2):
        at(discovery, float(seconds))
        if (again := following(discovery, Kind.CLOSED)) is not None:
            assert again == Lookup((cid(2),), closed=True, late=True)
            assert isinstance(again, Lookup)
            answer = [ending(2, -5)] if seconds > 200 else []
            discovery.looked_up(again, answer, age_s=age_s if seconds <= 200 else 0.0)
    assert Kind.CLOSED in discovery.idle()
    at(discovery, 300.0)
    assert following(discovery, Kind.CLOSED) is None
