from datetime import UTC, datetime, timedelta
from decimal import Decimal

from actors.catalog.discovery import (
    FREE_PLACES_SWEEP_S,
    RESTORE_WAIT_S,
    SWEEP_S,
    Discovery,
    Lookup,
    NextPage,
)
from actors.catalog.universe import Filters
from actors.model.trade import ConditionId
from actors.polymarket.ports import MAX_GAMMA_MARKETS

WALL = datetime(2026, 10, 3, 4, tzinfo=UTC)


def cid(number: int) -> ConditionId:
    return ConditionId(f"0x{number:064x}")


def started(**filters: object) -> Discovery:
    discovery = Discovery(Filters(**filters), 30.0)  # type: ignore[arg-type]
    discovery.start(0.0, WALL)
    return discovery


def at(discovery: Discovery, now: float) -> bool:
    return discovery.tick(now, WALL + timedelta(seconds=now))


def sweep_through(discovery: Discovery, *, free_places: bool = False) -> None:
    """Answer the sweep that is under way with one page."""
    request = discovery.next()
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
    while (request := discovery.next()) is not None:
        if isinstance(request, Lookup):
            order.append("missing" if request.closed else "announced")
            discovery.looked_up(request, ())
        else:
            order.append("sweep" if request.sweep else "newest")
            request.listing.advance(None)
            if request.sweep:
                discovery.page_swept(end=False)
            else:
                discovery.newest_read(())
    assert order == ["announced", "newest", "missing", "sweep"]


def test_reading_the_next_request_changes_nothing() -> None:
    discovery = started()
    at(discovery, 0.0)
    discovery.announced.add(cid(1), 0.0)
    assert discovery.next() == discovery.next()


def test_look_ups_of_announced_markets_are_a_second_apart_so_that_one_asks_for_many() -> None:
    discovery = started(markets=frozenset({"none"}))
    for number in range(MAX_GAMMA_MARKETS + 5):
        discovery.announced.add(cid(number), 0.0)
    first = discovery.next()
    assert isinstance(first, Lookup)
    assert len(first.ids) == MAX_GAMMA_MARKETS
    discovery.looked_up(first, ())
    assert discovery.next() is None
    at(discovery, 1.0)
    second = discovery.next()
    assert isinstance(second, Lookup)
    assert len(second.ids) == 5


def test_a_request_that_fails_does_not_block_the_others() -> None:
    discovery = started()
    at(discovery, 0.0)
    sweep_through(discovery)
    discovery.sweep_ended([cid(9)], free_places=False)
    at(discovery, SWEEP_S)
    discovery.announced.add(cid(1), SWEEP_S)
    for _ in range(3):
        request = discovery.next()
        assert request is not None
        assert not (isinstance(request, NextPage) and request.sweep)
        discovery.failed(request)
    last = discovery.next()
    assert isinstance(last, NextPage)
    assert last.sweep


def test_a_failed_poll_starts_again_from_the_same_watermark() -> None:
    discovery = started(markets=frozenset())
    at(discovery, 30.0)
    first = discovery.next()
    assert isinstance(first, NextPage)
    discovery.failed(first)
    at(discovery, 60.0)
    second = discovery.next()
    assert isinstance(second, NextPage)
    assert not second.sweep
    assert second.listing.params == first.listing.params


def test_a_sweep_can_be_ended_early() -> None:
    discovery = started(max_assets=2)
    at(discovery, RESTORE_WAIT_S)
    request = discovery.next()
    assert isinstance(request, NextPage)
    request.listing.advance("more")
    assert discovery.page_swept(end=True)
    assert discovery.next() is None
