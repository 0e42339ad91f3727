from actors.feed.liveness import MissedTokenCounter
from actors.model.trade import TokenId

A, B = TokenId("1"), TokenId("2")


def test_a_second_miss_within_five_minutes_is_one_too_many() -> None:
    counter = MissedTokenCounter()
    counter.add([A], 100.0)
    assert not counter.too_many(399.0, ())
    counter.add([B], 400.0)
    assert counter.too_many(400.0, ())


def test_misses_that_are_far_apart_do_not_add_up() -> None:
    counter = MissedTokenCounter()
    counter.add([A], 100.0)
    assert not counter.too_many(105.0, ())
    counter.add([A], 401.0)
    assert not counter.too_many(420.0, ())


def test_a_missed_token_whose_book_does_not_come_in_10_s_is_too_many() -> None:
    counter = MissedTokenCounter()
    counter.add([A, B], 100.0)
    assert not counter.too_many(109.9, {A})
    assert counter.too_many(110.0, {A})


def test_a_book_that_comes_in_time_is_enough() -> None:
    counter = MissedTokenCounter()
    counter.add([A], 100.0)
    assert not counter.too_many(105.0, {B})
    assert not counter.too_many(111.0, {A, B})
