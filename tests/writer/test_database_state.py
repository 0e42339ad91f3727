from random import Random

from actors.model.storage import AWAY, BEHIND, LIVE, OUTDATED, STOPPED
from actors.writer.pacing import STEADY_S, DatabaseState


def test_at_first_it_is_away_and_due() -> None:
    database = DatabaseState(Random(1))

    assert database.state == AWAY
    assert not database.is_open
    assert database.retry_due(0.0)


def opened(database: DatabaseState, now: float) -> None:
    database.opened(now)
    database.fell_behind()


def test_one_that_does_not_answer_is_tried_about_every_second_and_not_in_step() -> None:
    database = DatabaseState(Random(1))
    delays = [database.lost(100.0) for _ in range(50)]
    last = delays[-1]

    assert 0.5 <= min(delays) < max(delays) <= 1.5
    assert len(set(delays)) > 40
    assert database.state == AWAY
    assert not database.retry_due(100.0 + last - 0.01)
    assert database.retry_due(100.0 + last)


def test_one_that_was_open_for_long_is_tried_again_at_once() -> None:
    database = DatabaseState(Random(1))
    for number in range(20):
        opened(database, 100.0 * number)
        assert database.lost(100.0 * number + STEADY_S) <= 1.5


def test_one_that_is_lost_right_after_its_opening_is_tried_after_a_growing_delay() -> None:
    database = DatabaseState(Random(1))
    delays = []
    for _ in range(50):
        opened(database, 100.0)
        delays.append(database.lost(100.0 + STEADY_S - 1))

    assert delays[0] <= 1.0
    assert 30.0 < max(delays) <= 60.0


def test_one_that_a_person_must_set_right_is_tried_again_after_a_minute() -> None:
    database = DatabaseState(Random(1))

    assert database.unusable(100.0) == 60.0
    assert database.state == AWAY
    assert not database.is_open
    assert not database.retry_due(159.9)
    assert database.retry_due(160.0)


def test_a_database_that_rejects_too_much_is_tried_again_after_5_minutes() -> None:
    database = DatabaseState(Random(1))

    assert database.stopped(100.0) == 300.0
    assert database.state == STOPPED
    assert not database.is_open
    assert not database.retry_due(399.9)
    assert database.retry_due(400.0)


def test_a_database_of_a_newer_version_is_tried_again_after_a_minute() -> None:
    database = DatabaseState(Random(1))

    assert database.outdated(100.0) == 60.0
    assert database.state == OUTDATED
    assert not database.is_open
    assert not database.retry_due(159.9)
    assert database.retry_due(160.0)


def test_while_it_is_open_nothing_is_due_and_after_5_minutes_the_delay_is_short_again() -> None:
    database = DatabaseState(Random(1))
    for _ in range(50):
        opened(database, 0.0)
        database.lost(0.0)
    database.opened(0.0)
    for enter, state in ((database.fell_behind, BEHIND), (database.caught_up, LIVE)):
        enter()
        assert database.state == state
        assert database.is_open
        assert database.is_live == (state == LIVE)
        assert not database.retry_due(1_000.0)
    assert not database.retry_due(1_300.0)

    database.opened(1_300.0)
    assert database.lost(1_300.0) <= 1.0
