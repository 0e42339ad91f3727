from actors.logic.doubts import Doubts


def test_a_second_doubt_within_five_minutes_is_one_too_many() -> None:
    doubts = Doubts()
    doubts.add(100.0)
    assert not doubts.beyond_cure
    doubts.add(400.0)
    assert doubts.beyond_cure


def test_doubts_that_lie_far_apart_are_forgiven() -> None:
    doubts = Doubts()
    doubts.add(100.0)
    doubts.add(401.0)
    assert not doubts.beyond_cure
