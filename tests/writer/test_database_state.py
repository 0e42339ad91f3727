from random import Random

from actors.model.database_state import AWAY, BEHIND, LIVE, STOPPED
from actors.writer.pacing import DatabaseState


def test_at_first_it_is_away_and_due() -> None:
    presence = DatabaseState(Random(1))

    assert presence.state == AWAY
    assert not presence.is_open
    assert presence.due(0.0)


def test_a_lost_database_is_tried_again_after_a_growing_delay() -> None:
    presence = DatabaseState(Random(1))
    delays = [presence.lost(100.0) for _ in range(50)]
    last = delays[-1]

    assert delays[0] <= 1.0 < max(delays) <= 60.0
    assert presence.state == AWAY
    assert not presence.due(100.0 + last - 0.01)
    assert presence.due(100.0 + last)


def test_a_database_that_rejects_too_much_is_tried_again_after_5_minutes() -> None:
    presence = DatabaseState(Random(1))

    assert presence.stopped(100.0) == 300.0
    assert presence.state == STOPPED
    assert not presence.is_open
    assert not presence.due(399.9)
    assert presence.due(400.0)


def test_while_it_is_there_nothing_is_due_and_after_5_minutes_the_delay_is_short_again() -> None:
    presence = DatabaseState(Random(1))
    for _ in range(50):
        presence.lost(0.0)
    for state in (BEHIND, LIVE):
        presence.state = state
        assert presence.is_open
        assert not presence.due(1_000.0)
    assert not presence.due(1_300.0)

    assert presence.lost(1_300.0) <= 1.0
