import pytest

from actors.model.trade import TokenId, Trade
from actors.writer.feed_comparison import MOST_AT_ONCE, MOST_DISPUTED, MOST_WAITING, FeedComparison
from tests.polymarket.feed_samples import sample_trade

ONE, OTHER = "a-0000", "b-0003"


def at(ms: int, **changes: object) -> Trade:
    return sample_trade(traded_at_ms=1_790_000_000_000 + ms, **changes)


def test_a_trade_that_both_feeds_report_is_not_missed() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0)], 10.0)
    comparison.add(OTHER, [at(0)], 12.0)
    assert comparison.missed(15.0) == ()


def test_a_trade_that_one_feed_did_not_report_in_5_s_is_returned_once() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0)], 10.0)
    assert comparison.missed(14.9) == ()
    (missed,) = comparison.missed(15.0)
    assert (missed.trade, missed.reported_by) == (at(0), (ONE,))
    assert comparison.missed(16.0) == ()


def test_two_connections_of_one_slot_are_one_comparison() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0)], 10.0)
    comparison.add(f"{ONE}.1", [at(0)], 10.0)
    assert [one.reported_by for one in comparison.missed(15.0)] == [(ONE,)]


def test_a_late_report_is_no_miss_of_the_earlier_feed() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0)], 10.0)
    comparison.missed(15.0)
    comparison.add(OTHER, [at(0)], 19.0)
    assert comparison.missed(25.0) == ()


def test_a_second_identical_trade_is_not_compared() -> None:
    comparison = FeedComparison(2)
    for name in (ONE, OTHER):
        comparison.add(name, [at(0)], 10.0)
    comparison.add(ONE, [at(0, occurrence=2)], 10.0)
    assert comparison.missed(20.0) == ()


def test_one_trade_of_a_token_is_enough_and_there_is_a_bound() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(ms) for ms in range(100)], 10.0)
    assert len(comparison.missed(15.0)) == 1
    comparison.add(ONE, [at(0, token_id=TokenId(str(n))) for n in range(100)], 20.0)
    assert len(comparison.missed(25.0)) == MOST_AT_ONCE


def test_with_one_feed_there_is_nothing_to_remember() -> None:
    comparison = FeedComparison(1)
    comparison.add(ONE, [at(0)], 10.0)
    assert (len(comparison), comparison.missed(20.0)) == (0, ())


def test_memory_is_bounded_by_time_and_by_number() -> None:
    comparison = FeedComparison(2, most=10)
    comparison.add(ONE, [at(ms) for ms in range(100)], 10.0)
    assert len(comparison) == 10
    comparison.missed(30.0)
    assert len(comparison) == 0
    comparison.add(ONE, [at(ms) for ms in range(5)], 31.0)
    assert len(comparison) == 5


def test_what_may_be_incomplete_is_forgotten() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0)], 10.0)
    comparison.forget()
    assert (len(comparison), comparison.missed(15.0)) == (0, ())


# ----------------------------------------------------- what the feeds tell otherwise


def told(comparison: FeedComparison) -> list[tuple[str, int, int, str]]:
    """Return what is disputed: how, which trade, by whom."""
    found = comparison.take_disputed()
    began_ms = at(0).traded_at_ms
    return [
        (one.how, one.trade.traded_at_ms - began_ms, one.trade.occurrence, one.slot)
        for one in found
    ]


def test_what_one_feed_alone_has_twice_is_disputed_once() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0), at(0, occurrence=2), at(0, occurrence=3)], 10.0)
    comparison.add(OTHER, [at(0)], 10.2)
    assert comparison.missed(29.9) == ()
    assert told(comparison) == []
    assert comparison.missed(30.0) == ()
    assert told(comparison) == [("sent_twice", 0, 2, ONE), ("sent_twice", 0, 3, ONE)]
    assert (told(comparison), comparison.disputed_total) == ([], 2)


def test_identical_trades_that_both_feeds_have_so_often_are_not_disputed() -> None:
    comparison = FeedComparison(2)
    for name in (ONE, OTHER):
        comparison.add(name, [at(0), at(0, occurrence=2)], 10.0)
    comparison.missed(30.0)
    assert (told(comparison), comparison.disputed_total) == ([], 0)


def test_a_connection_and_its_successor_count_as_one_feed() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0), at(0, occurrence=2)], 10.0)
    comparison.add(f"{OTHER}.1", [at(0)], 10.0)
    comparison.add(f"{OTHER}.2", [at(0), at(0, occurrence=2)], 10.0)
    comparison.missed(30.0)
    assert told(comparison) == []


def test_what_the_other_feed_does_not_have_at_all_is_missed_and_not_disputed() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0), at(0, occurrence=2)], 10.0)
    assert len(comparison.missed(15.0)) == 1
    comparison.missed(30.0)
    assert told(comparison) == []


def test_a_trade_that_the_feeds_date_apart_is_disputed_and_missed_by_none() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0)], 10.0)
    comparison.add(OTHER, [at(1)], 10.3)
    assert comparison.missed(15.0) == ()
    assert comparison.missed(16.0) == ()
    assert told(comparison) == [("dated_apart", 1, 1, OTHER)]
    assert comparison.disputed_total == 1


def test_of_identical_trades_that_the_feeds_date_apart_each_is_disputed() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0), at(0, occurrence=2)], 10.0)
    comparison.add(OTHER, [at(1), at(1, occurrence=2)], 10.3)
    assert comparison.missed(16.0) == ()
    assert told(comparison) == [("dated_apart", 1, 1, OTHER), ("dated_apart", 1, 2, OTHER)]
    assert comparison.missed(40.0) == ()
    assert told(comparison) == []


def test_two_trades_that_only_look_alike_are_missed() -> None:
    for other in (
        at(3_000),  # too far apart
        at(1, transaction_hash="0x" + "77" * 32),
        at(1, token_id=TokenId("7")),
    ):
        comparison = FeedComparison(2)
        comparison.add(ONE, [at(0)], 10.0)
        comparison.add(OTHER, [other], 10.0)
        assert len(comparison.missed(15.0)) >= 1
        assert told(comparison) == []


def test_without_a_transaction_trades_of_another_time_are_other_trades() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0, transaction_hash=None)], 10.0)
    comparison.add(OTHER, [at(1, transaction_hash=None)], 10.0)
    assert len(comparison.missed(15.0)) == 1
    assert told(comparison) == []


def test_two_trades_of_one_feed_that_the_other_missed_are_no_pair() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0), at(1)], 10.0)
    assert len(comparison.missed(15.0)) == 1
    assert told(comparison) == []


def test_of_very_many_disputed_trades_some_are_named_at_a_time() -> None:
    comparison = FeedComparison(2)
    many = [at(ms) for ms in range(MOST_DISPUTED + 5)]
    comparison.add(ONE, [*many, *(at(ms, occurrence=2) for ms in range(len(many)))], 10.0)
    comparison.add(OTHER, many, 10.0)
    comparison.missed(30.0)
    assert [len(told(comparison)) for _ in range(3)] == [MOST_DISPUTED, 5, 0]
    assert comparison.disputed_total == MOST_DISPUTED + 5


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_of_more_disputed_trades_than_may_wait_all_are_counted() -> None:
    comparison = FeedComparison(2)
    many = [at(0, occurrence=1 + number) for number in range(MOST_WAITING + 6)]
    comparison.add(ONE, many, 10.0)
    comparison.add(OTHER, many[:1], 10.0)
    comparison.missed(30.0)
    named = 0
    while found := comparison.take_disputed():
        named += len(found)
    assert (named, comparison.disputed_total) == (MOST_WAITING, MOST_WAITING + 5)


# ------------------------------------------------------------------ the end of the feeds


def test_at_the_end_all_that_the_feeds_told_otherwise_is_disputed_at_once() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0), at(10), at(10, occurrence=2), at(20)], 10.0)
    comparison.add(OTHER, [at(1), at(10), at(20)], 10.1)
    comparison.end()
    assert told(comparison) == [("dated_apart", 1, 1, OTHER), ("sent_twice", 10, 2, ONE)]
    assert (len(comparison), comparison.disputed_total) == (0, 2)


def test_at_the_end_what_was_disputed_before_is_not_disputed_again() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0)], 10.0)
    comparison.add(OTHER, [at(1)], 10.0)
    comparison.missed(15.0)
    assert told(comparison) == [("dated_apart", 1, 1, OTHER)]
    comparison.end()
    assert told(comparison) == []


def test_at_the_end_a_pair_of_which_the_first_came_long_before_is_found() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0)], 10.0)
    comparison.missed(15.0)
    comparison.add(OTHER, [at(1)], 16.0)
    comparison.end()
    assert told(comparison) == [("dated_apart", 1, 1, OTHER)]


def test_at_the_end_what_one_feed_alone_told_is_not_disputed() -> None:
    comparison = FeedComparison(2)
    comparison.add(ONE, [at(0), at(0, occurrence=2)], 10.0)
    comparison.end()
    assert (told(comparison), comparison.disputed_total) == ([], 0)
