"""When rejected rows are so many that the fault must be the tracker's."""

from actors.database.insertion import RejectionLimit


def reject(limit: RejectionLimit, times: int, *, trade: bool = True) -> list[str]:
    return [limit.rejected(trade=trade) for _ in range(times)]


def batch(limit: RejectionLimit, *, stored: int, rejected: int, others: int = 0) -> list[str]:
    """Count a whole batch of trades, and other rows that are stored; return the answers."""
    limit.start_batch(stored + rejected, others)
    limit.stored(others, trades=False)
    limit.stored(stored, trades=True)
    found = reject(limit, rejected)
    limit.end_batch()
    return found


def test_one_in_a_hundred_is_an_accident_and_more_is_not() -> None:
    limit = RejectionLimit()
    limit.start_batch(500, 0)

    assert reject(limit, 6) == ["", "", "", "", "", "more than 1% of 500 trades"]


def test_trades_are_a_share_of_trades_however_much_else_is_stored_with_them() -> None:
    limit = RejectionLimit()
    limit.start_batch(100, 20_000)

    assert reject(limit, 2) == ["", "more than 1% of 100 trades"]
    assert reject(limit, 100, trade=False) == [""] * 100


def test_each_batch_is_counted_by_itself() -> None:
    limit = RejectionLimit()
    for _ in range(200):
        assert batch(limit, stored=495, rejected=5) == [""] * 5


def test_a_batch_of_less_than_a_hundred_rows_has_no_share() -> None:
    limit = RejectionLimit()
    limit.start_batch(99, 0)

    assert reject(limit, 99) == [""] * 99


def test_a_hundred_and_one_in_a_row_are_too_many_in_batches_of_any_size() -> None:
    limit = RejectionLimit()
    answers = [each for _ in range(101) for each in batch(limit, stored=0, rejected=1)]

    assert answers == [""] * 100 + ["more than 100 trades more than 1% over several batches"]


def test_no_other_row_ends_a_series_of_rejected_trades() -> None:
    limit = RejectionLimit()
    for _ in range(33):
        assert batch(limit, stored=0, rejected=3, others=50) == [""] * 3

    assert batch(limit, stored=0, rejected=3, others=50)[-1]


def test_a_few_stored_trades_end_no_series_of_rejections() -> None:
    limit = RejectionLimit()
    for _ in range(4):
        assert batch(limit, stored=25, rejected=25) == [""] * 25

    assert batch(limit, stored=25, rejected=25)[-1]


def test_thousands_of_stored_trades_end_a_series_of_rejections() -> None:
    limit = RejectionLimit()
    batch(limit, stored=0, rejected=90)
    batch(limit, stored=9_000, rejected=0)

    assert batch(limit, stored=0, rejected=90) == [""] * 90


def test_what_a_batch_counted_that_was_rolled_back_counts_no_more() -> None:
    limit = RejectionLimit()
    for _ in range(3):
        limit.start_batch(60, 0)
        assert reject(limit, 60) == [""] * 60
    limit.end_batch()

    limit.start_batch(60, 0)
    assert reject(limit, 60)[-1]


def test_nothing_needs_to_be_counted_once_enough_was_stored() -> None:
    limit = RejectionLimit()
    counting = []
    for stored, rejected in ((0, 1), (98, 0), (1, 0)):
        batch(limit, stored=stored, rejected=rejected)
        counting.append(limit.is_counting)

    assert counting == [True, True, False]
