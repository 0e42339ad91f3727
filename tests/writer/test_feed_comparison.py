from actors.model.trade import TokenId, Trade
from actors.writer.feed_comparison import MOST_AT_ONCE, FeedComparison
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
