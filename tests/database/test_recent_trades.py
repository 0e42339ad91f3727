"""Trades that were stored a moment ago are known, and a collision pauses COPY."""

from collections.abc import KeysView

from actors.database.cache import MAX_COPY_PAUSE_BATCHES, RecentTrades


def key(number: int) -> bytes:
    return number.to_bytes(4, "big")


def keys(*numbers: int) -> KeysView[bytes]:
    return dict.fromkeys(map(key, numbers)).keys()


def known(recent: RecentTrades, *numbers: int) -> list[int]:
    """Return those of these numbers whose keys it knows."""
    found = recent.add(keys(*numbers))
    recent.rollback()
    return [number for number in numbers if key(number) in found]


def test_a_trade_is_known_once_its_transaction_is_committed() -> None:
    recent = RecentTrades()
    assert recent.add(keys(1)) == set()
    assert recent.add(keys(1)) == set()
    recent.commit()
    assert recent.add(keys(1, 2)) == {key(1)}
    recent.commit()
    assert known(recent, 1, 2, 3) == [1, 2]


def test_what_was_rolled_back_is_not_known() -> None:
    recent = RecentTrades()
    recent.add(keys(1))
    recent.rollback()
    recent.commit()
    assert known(recent, 1) == []


def test_the_window_is_bounded_and_the_latest_stay() -> None:
    recent = RecentTrades(most=10)
    for number in range(100):
        recent.add(keys(number))
        recent.commit()
    assert known(recent, *range(100)) == list(range(90, 100))


def test_each_collision_pauses_copy_for_longer() -> None:
    recent = RecentTrades()
    assert recent.expect_new()
    waits = []
    for _ in range(9):
        recent.was_not_new()
        waits.append(sum(1 for _ in iter(recent.expect_new, True)))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    assert max(waits) == MAX_COPY_PAUSE_BATCHES


def test_new_batches_shorten_the_next_pause() -> None:
    recent = RecentTrades()
    for _ in range(5):
        recent.was_not_new()
    for _ in range(5):
        recent.was_new()
    recent.was_not_new()
    assert [recent.expect_new() for _ in range(2)] == [False, True]
