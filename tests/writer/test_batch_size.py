from actors.writer.pacing import BatchSize


def test_a_full_batch_comes_first() -> None:
    batch_size = BatchSize(most_trades=5_000, most_records=20_000)

    assert (batch_size.trades, batch_size.records) == (5_000, 20_000)


def test_each_failure_halves_it_and_each_success_doubles_it() -> None:
    batch_size = BatchSize(most_trades=5_000, most_records=20_000)
    batch_size.failed()
    batch_size.failed()
    assert (batch_size.trades, batch_size.records) == (1_250, 5_000)

    batch_size.succeeded()
    assert (batch_size.trades, batch_size.records) == (2_500, 10_000)


def test_it_never_grows_beyond_a_full_batch_nor_shrinks_to_nothing() -> None:
    batch_size = BatchSize(most_trades=10, most_records=10)
    for _ in range(50):
        batch_size.failed()
    assert (batch_size.trades, batch_size.records) == (1, 1)

    for _ in range(50):
        batch_size.succeeded()
    assert (batch_size.trades, batch_size.records) == (10, 10)
