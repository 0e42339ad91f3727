from actors.catalog.discovery import DELAYS_S, MAX_WAITING, PendingLookups
from actors.model.trade import ConditionId


def cid(number: int) -> ConditionId:
    return ConditionId(f"0x{number:064x}")


def test_an_announced_market_is_due_at_once_and_stays_due_until_it_was_tried() -> None:
    announced = PendingLookups()
    assert announced.add(cid(1), 10.0)
    assert announced.peek(10.0, 5) == announced.peek(10.0, 5) == (cid(1),)
    announced.tried([cid(1)], 10.0)
    assert not announced.due(10.0)
    assert announced.due(10.0 + DELAYS_S[1])


def test_the_tries_of_one_market_end_after_a_few_minutes() -> None:
    announced = PendingLookups()
    announced.add(cid(1), 0.0)
    now, tries = 0.0, []
    while len(announced):
        if announced.peek(now, 5):
            tries.append(now)
            announced.tried([cid(1)], now)
        now += 1.0
    assert len(tries) == len(DELAYS_S)
    assert 240 <= tries[-1] <= 420
    assert not announced.due(1e9)


def test_a_found_market_is_not_asked_for_again() -> None:
    announced = PendingLookups()
    announced.add(cid(1), 0.0)
    announced.found([cid(1), cid(2)])
    assert not announced.due(1e9)
    assert announced.peek(1e9, 5) == ()


def test_a_market_announced_twice_waits_once() -> None:
    announced = PendingLookups()
    assert announced.add(cid(1), 0.0)
    assert not announced.add(cid(1), 0.0)
    assert announced.peek(0.0, 5) == (cid(1),)


def test_a_market_announced_again_after_it_was_found_is_due_once() -> None:
    announced = PendingLookups()
    announced.add(cid(1), 0.0)
    announced.tried([cid(1)], 0.0)
    announced.found([cid(1)])
    announced.add(cid(1), 1.0)
    assert announced.peek(100.0, 5) == (cid(1),)


def test_the_longest_waiting_are_asked_for_first() -> None:
    announced = PendingLookups()
    for number in (2, 1, 3):
        announced.add(cid(number), float(number))
    assert announced.peek(5.0, 2) == (cid(1), cid(2))


def test_there_is_room_for_so_many_and_no_more() -> None:
    announced = PendingLookups()
    for number in range(MAX_WAITING):
        assert announced.add(cid(number), 0.0)
    assert not announced.add(cid(MAX_WAITING), 0.0)
    assert len(announced) == MAX_WAITING
