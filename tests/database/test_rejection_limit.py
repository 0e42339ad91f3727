from actors.database.transaction import RejectionLimit


def reject(tolerance: RejectionLimit, times: int) -> list[str]:
    return [tolerance.rejected() for _ in range(times)]


def test_one_in_a_hundred_is_an_accident_and_more_is_not() -> None:
    tolerance = RejectionLimit()
    tolerance.begin(500)

    assert reject(tolerance, 6) == ["", "", "", "", "", "more than 1% of 500 rows"]


def test_each_batch_is_judged_anew() -> None:
    tolerance = RejectionLimit()
    for _ in range(20):
        tolerance.begin(500)
        tolerance.passed(495)
        assert reject(tolerance, 5) == [""] * 5


def test_a_batch_of_less_than_a_hundred_rows_has_no_share() -> None:
    tolerance = RejectionLimit()
    tolerance.begin(99)

    assert reject(tolerance, 99) == [""] * 99


def test_a_hundred_and_one_in_a_row_are_too_many_in_batches_of_any_size() -> None:
    tolerance = RejectionLimit()
    said = []
    for _ in range(101):
        tolerance.begin(1)
        said += reject(tolerance, 1)

    assert said == [""] * 100 + ["101 rows in a row"]


def test_only_a_row_that_is_stored_ends_a_row_of_rejections() -> None:
    tolerance = RejectionLimit()
    tolerance.begin(60)
    reject(tolerance, 60)
    tolerance.passed(0)
    tolerance.begin(60)
    assert reject(tolerance, 41)[-1]

    tolerance.passed(1)
    tolerance.begin(60)
    assert reject(tolerance, 60)[-1] == ""
