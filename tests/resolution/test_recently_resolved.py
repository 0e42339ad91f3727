from actors.model.trade import ConditionId
from actors.resolution.polling import OVERLAP_MS, RecentlyResolved

WALL = 1_791_000_000_000
ONE, TWO, THREE = (ConditionId(f"0x{number:064x}") for number in (1, 2, 3))


def started() -> RecentlyResolved:
    closings = RecentlyResolved(60.0)
    closings.tick(0.0, WALL)
    return closings


def test_a_walk_begins_every_poll() -> None:
    closings = started()
    walks = [closings.walk]
    for now in (30.0, 59.0, 60.0):
        closings.tick(now, WALL)
        walks.append(closings.walk)
        closings.read([(ONE, 0)], WALL)
    first, same, none, second = walks
    assert first is not None
    assert same is first
    assert none is None
    assert second is not None


def test_the_walk_goes_on_until_it_meets_what_is_known() -> None:
    closings = started()
    assert closings.walk is not None
    closings.walk.turn("next")
    assert closings.read([(ONE, WALL + 5), (TWO, WALL)], WALL + 10) == (ONE, TWO)
    assert closings.walk is not None
    old = WALL - OVERLAP_MS - 1
    assert closings.read([(TWO, WALL), (THREE, old)], WALL + 10) == (TWO,)
    assert closings.walk is None


def test_the_next_walk_reads_back_to_the_latest_closing_and_a_bit_further() -> None:
    closings = started()
    closings.read([(ONE, WALL + OVERLAP_MS * 3), (TWO, 0)], WALL + OVERLAP_MS * 3)
    closings.tick(60.0, WALL)
    rows = [(ONE, WALL + OVERLAP_MS * 2), (TWO, WALL + OVERLAP_MS * 2 - 1)]
    assert closings.read(rows, WALL + OVERLAP_MS * 4) == (ONE,)


def test_a_closing_in_the_future_does_not_move_the_mark() -> None:
    closings = started()
    closings.read([(ONE, WALL + 86_400_000), (TWO, 0)], WALL)
    closings.tick(60.0, WALL)
    assert closings.read([(THREE, WALL)], WALL) == (THREE,)


def test_a_page_without_times_ends_the_walk_but_names_its_markets() -> None:
    closings = started()
    assert closings.walk is not None
    closings.walk.turn("next")
    assert closings.read([(ONE, None), (None, None)], WALL) == (ONE,)
    assert closings.walk is None


def test_a_walk_that_failed_is_repeated_from_the_same_mark() -> None:
    closings = started()
    assert closings.walk is not None
    closings.walk.turn("next")
    closings.read([(ONE, WALL + OVERLAP_MS * 5)], WALL + OVERLAP_MS * 5)
    closings.failed()
    closings.tick(60.0, WALL + OVERLAP_MS * 5)
    assert closings.read([(TWO, WALL)], WALL + OVERLAP_MS * 5) == (TWO,)


def test_a_clock_that_was_ahead_and_is_set_back_hides_no_closing() -> None:
    closings = started()
    right = WALL - 86_400_000
    assert closings.read([(ONE, right), (THREE, 0)], right) == (ONE,)
    closings.tick(60.0, right + 60_000)
    later = right + OVERLAP_MS * 6
    assert closings.read([(TWO, right + 1), (THREE, 0)], later) == (TWO,)
