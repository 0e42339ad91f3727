from random import Random

from actors.model.database_state import AWAY, BEHIND, LIVE, STOPPED
from actors.writer.pacing import DatabaseState


def test_at_first_it_is_away_and_due() -> None:
    database_state = DatabaseState(Random(1))

    assert database_state.state == AWAY
    assert not database_state.is_open
    assert database_state.due(0.0)


def test_a_lost_database_is_tried_again_after_a_growing_delay() -> None:
    database_state = DatabaseState(Random(1))
    delays = [database_state.lost(100.0) for _ in range(50)]
    last = delays[-1]

    assert delays[0] <= 1.0 < max(delays) <= 60.0
    assert database_state.state == AWAY
    assert not database_state.due(100.0 + last - 0.01)
    assert database_state.due(100.0 + last)


def test_a_database_that_rejects_too_much_is_tried_again_after_5_minutes() -> None:
    database_state = DatabaseState(Random(1))

    assert database_state.stopped(100.0) == 300.0
    assert database_state.state == STOPPED
    assert not database_state.is_open
    assert not database_state.due(399.9)
    assert database_state.due(400.0)


def test_while_it_is_there_nothing_is_due_and_after_5_minutes_the_delay_is_short_again() -> None:
    database_state = DatabaseState(Random(1))
    for _ in range(50):
        database_state.lost(0.0)
    for state in (BEHIND, LIVE):
        database_state.state = state
        assert database_state.is_open
        assert not database_state.due(1_000.0)
    assert not database_state.due(1_300.0)

    assert database_state.lost(1_300.0) <= 1.0
