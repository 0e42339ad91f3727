"""When rejected rows are so many that the fault must be the tracker's."""

from actors.database.transaction import RejectionLimit


def reject(limit: RejectionLimit, times: int) -> list[str]:
    return [limit.rejected() for _ in range(times)]


def test_one_in_a_hundred_is_an_accident_and_more_is_not() -> None:
    limit = RejectionLimit()
    limit.start_batch(500)

    assert reject(limit, 6) == ["", "", "", "", "", "more than 1% of 500 rows"]


def test_each_batch_is_counted_by_itself() -> None:
    limit = RejectionLimit()
    for _ in range(20):
        limit.start_batch(500)
        limit.stored(495)
        assert reject(limit, 5) == [""] * 5


def test_a_batch_of_less_than_a_hundred_rows_has_no_share() -> None:
    limit = RejectionLimit()
    limit.start_batch(99)

    assert reject(limit, 99) == [""] * 99


def test_a_hundred_and_one_in_a_row_are_too_many_in_batches_of_any_size() -> None:
    limit = RejectionLimit()
    answers = []
    for _ in range(101):
        limit.start_batch(1)
        answers += reject(limit, 1)

    assert answers == [""] * 100 + ["101 rows in a row"]


def test_only_a_stored_row_ends_a_series_of_rejections() -> None:
    limit = RejectionLimit()
    limit.start_batch(60)
    reject(limit, 60)
    limit.stored(0)
    limit.start_batch(60)
    assert reject(limit, 41)[-1]

    limit.stored(1)
    limit.start_batch(60)
    assert reject(limit, 60)[-1] == ""
