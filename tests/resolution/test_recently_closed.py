from actors.model.trade import ConditionId
from actors.polymarket.pagination import Route
from actors.resolution.polling import OVERLAP_MS, RecentlyClosed

WALL = 1_791_000_000_000
ONE, TWO, THREE = (ConditionId(f"0x{number:064x}") for number in (1, 2, 3))


def started() -> RecentlyClosed:
    closed = RecentlyClosed(60.0)
    closed.tick(0.0, WALL)
    return closed


def test_a_pass_begins_at_every_interval() -> None:
    closed = started()
    passes = [closed.listing]
    for now in (30.0, 59.0, 60.0):
        closed.tick(now, WALL)
        passes.append(closed.listing)
        closed.add_page([(ONE, 0)], WALL)
    first, same, none, second = passes
    assert first is not None
    assert same is first
    assert none is None
    assert second is not None


def test_the_pass_goes_on_until_it_reaches_what_is_known() -> None:
    closed = started()
    assert closed.listing is not None
    closed.listing.advance("next")
    assert closed.add_page([(ONE, WALL + 5), (TWO, WALL)], WALL + 10) == (ONE, TWO)
    assert closed.listing is not None
    old = WALL - OVERLAP_MS - 1
    assert closed.add_page([(TWO, WALL), (THREE, old)], WALL + 10) == (TWO,)
    assert closed.listing is None


def test_the_next_pass_reads_back_to_the_latest_closing_and_a_bit_further() -> None:
    closed = started()
    closed.add_page([(ONE, WALL + OVERLAP_MS * 3), (TWO, 0)], WALL + OVERLAP_MS * 3)
    closed.tick(60.0, WALL)
    rows = [(ONE, WALL + OVERLAP_MS * 2), (TWO, WALL + OVERLAP_MS * 2 - 1)]
    assert closed.add_page(rows, WALL + OVERLAP_MS * 4) == (ONE,)


def test_a_closing_in_the_future_does_not_move_the_watermark() -> None:
    closed = started()
    closed.add_page([(ONE, WALL + 86_400_000), (TWO, 0)], WALL)
    closed.tick(60.0, WALL)
    assert closed.add_page([(THREE, WALL)], WALL) == (THREE,)


def test_a_page_without_times_ends_the_pass_but_names_its_markets() -> None:
    closed = started()
    assert closed.listing is not None
    closed.listing.advance("next")
    assert closed.add_page([(ONE, None), (None, None)], WALL) == (ONE,)
    assert closed.listing is None


def test_a_pass_that_failed_is_followed_by_one_by_the_other_route() -> None:
    closed = RecentlyClosed(60.0)
    routes = []
    for turn, fails in enumerate((True, False, True, True)):
        closed.tick(60.0 * turn, 0)
        assert closed.listing is not None
        routes.append(closed.listing.route)
        if fails:
            closed.failed()
        else:
            closed.listing.finish()
            closed.add_page((), 0)
    assert routes == [Route.KEYSET, Route.LIST, Route.LIST, Route.KEYSET]


def test_a_pass_that_failed_is_repeated_from_the_same_watermark() -> None:
    closed = started()
    assert closed.listing is not None
    closed.listing.advance("next")
    closed.add_page([(ONE, WALL + OVERLAP_MS * 5)], WALL + OVERLAP_MS * 5)
    closed.failed()
    closed.tick(60.0, WALL + OVERLAP_MS * 5)
    assert closed.add_page([(TWO, WALL)], WALL + OVERLAP_MS * 5) == (TWO,)


def test_a_clock_that_was_ahead_and_is_set_back_hides_no_closing() -> None:
    closed = started()
    right = WALL - 86_400_000
    assert closed.add_page([(ONE, right), (THREE, 0)], right) == (ONE,)
    closed.tick(60.0, right + 60_000)
    later = right + OVERLAP_MS * 6
    assert closed.add_page([(TWO, right + 1), (THREE, 0)], later) == (TWO,)


def test_when_markets_without_a_time_come_first_only_the_resolved_are_listed() -> None:
    closed = started()
    assert closed.listing is not None
    assert "uma_resolution_status" not in dict(closed.listing.params)
    closed.add_page([(ONE, None)], WALL)
    closed.tick(60.0, WALL)
    assert closed.listing is not None
    assert dict(closed.listing.params)["uma_resolution_status"] == "resolved"


def test_an_empty_page_tells_nothing_of_the_order() -> None:
    closed = started()
    closed.add_page([], WALL)
    closed.tick(60.0, WALL)
    assert closed.listing is not None
    assert "uma_resolution_status" not in dict(closed.listing.params)
