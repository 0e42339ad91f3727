from actors.database.cache import LONGEST_WAIT, RecentTrades


def key(number: int) -> bytes:
    return number.to_bytes(4, "big")


def known(recent: RecentTrades, *numbers: int) -> list[int]:
    """Return those of these numbers whose keys it knows."""
    found = recent.among(dict.fromkeys(map(key, numbers)).keys())
    return [number for number in numbers if key(number) in found]


def test_a_trade_is_known_once_its_transaction_is_committed() -> None:
    recent = RecentTrades()
    recent.add([key(1)])
    assert known(recent, 1) == []
    recent.keep()
    assert known(recent, 1, 2) == [1]


def test_what_was_rolled_back_is_not_known() -> None:
    recent = RecentTrades()
    recent.add([key(1)])
    recent.forget()
    recent.keep()
    assert known(recent, 1) == []


def test_the_window_is_bounded_and_the_latest_stay() -> None:
    recent = RecentTrades(most=10)
    for number in range(100):
        recent.add([key(number)])
        recent.keep()
    assert known(recent, *range(100)) == list(range(90, 100))


def test_every_collision_makes_it_careful_for_longer() -> None:
    recent = RecentTrades()
    assert recent.hopeful()
    waits = []
    for _ in range(9):
        recent.collided()
        waits.append(sum(1 for _ in iter(recent.hopeful, True)))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    assert max(waits) == LONGEST_WAIT


def test_batches_that_go_well_make_it_hopeful_again() -> None:
    recent = RecentTrades()
    for _ in range(5):
        recent.collided()
    for _ in range(5):
        recent.went_well()
    recent.collided()
    assert [recent.hopeful() for _ in range(2)] == [False, True]
