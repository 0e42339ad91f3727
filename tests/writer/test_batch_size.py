from actors.writer.pacing import BatchSize


def test_a_full_batch_comes_first() -> None:
    stride = BatchSize(most_trades=5_000, most_records=20_000)

    assert (stride.trades, stride.records) == (5_000, 20_000)


def test_each_failure_halves_it_and_each_success_doubles_it() -> None:
    stride = BatchSize(most_trades=5_000, most_records=20_000)
    stride.failed()
    stride.failed()
    assert (stride.trades, stride.records) == (1_250, 5_000)

    stride.held()
    assert (stride.trades, stride.records) == (2_500, 10_000)


def test_it_never_grows_beyond_a_full_batch_nor_shrinks_to_nothing() -> None:
    stride = BatchSize(most_trades=10, most_records=10)
    for _ in range(50):
        stride.failed()
    assert (stride.trades, stride.records) == (1, 1)

    for _ in range(50):
        stride.held()
    assert (stride.trades, stride.records) == (10, 10)
