from actors.feed.liveness import MissedTokenCounter
from actors.model.trade import TokenId

A, B = TokenId("1"), TokenId("2")


def test_a_second_doubt_within_five_minutes_is_one_too_many() -> None:
    doubts = MissedTokenCounter()
    doubts.add([A], 100.0)
    assert not doubts.beyond_cure(399.0, ())
    doubts.add([B], 400.0)
    assert doubts.beyond_cure(400.0, ())


def test_doubts_that_lie_far_apart_are_forgiven() -> None:
    doubts = MissedTokenCounter()
    doubts.add([A], 100.0)
    assert not doubts.beyond_cure(105.0, ())
    doubts.add([A], 401.0)
    assert not doubts.beyond_cure(420.0, ())


def test_a_doubted_token_whose_book_does_not_come_in_10_s_is_beyond_cure() -> None:
    doubts = MissedTokenCounter()
    doubts.add([A, B], 100.0)
    assert not doubts.beyond_cure(109.9, {A})
    assert doubts.beyond_cure(110.0, {A})


def test_a_book_that_comes_in_time_cures() -> None:
    doubts = MissedTokenCounter()
    doubts.add([A], 100.0)
    assert not doubts.beyond_cure(105.0, {B})
    assert not doubts.beyond_cure(111.0, {A, B})
