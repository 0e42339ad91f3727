from actors.catalog.lookups import LOOKUP_DELAYS_S, MAX_LOOKUPS, PendingLookups
from actors.model.trade import ConditionId


def cid(number: int) -> ConditionId:
    return ConditionId(f"0x{number:064x}")


def test_an_announced_market_is_due_at_once_and_stays_due_until_it_was_tried() -> None:
    pending = PendingLookups()
    assert pending.add(cid(1), 10.0)
    assert pending.peek(10.0, 5) == pending.peek(10.0, 5) == (cid(1),)
    pending.tried([cid(1)], 10.0)
    assert not pending.has_due(10.0)
    assert pending.has_due(10.0 + LOOKUP_DELAYS_S[1])


def test_the_look_ups_of_one_market_end_after_a_few_minutes() -> None:
    pending = PendingLookups()
    pending.add(cid(1), 0.0)
    now, tries = 0.0, []
    while len(pending):
        if pending.peek(now, 5):
            tries.append(now)
            pending.tried([cid(1)], now)
        now += 1.0
    assert len(tries) == len(LOOKUP_DELAYS_S)
    assert 240 <= tries[-1] <= 420
    assert not pending.has_due(1e9)


def test_a_found_market_is_not_looked_up_again() -> None:
    pending = PendingLookups()
    pending.add(cid(1), 0.0)
    pending.remove([cid(1), cid(2)])
    assert not pending.has_due(1e9)
    assert pending.peek(1e9, 5) == ()


def test_a_market_announced_twice_waits_once() -> None:
    pending = PendingLookups()
    assert pending.add(cid(1), 0.0)
    assert not pending.add(cid(1), 0.0)
    assert pending.peek(0.0, 5) == (cid(1),)


def test_a_market_announced_again_after_it_was_found_is_due_once() -> None:
    pending = PendingLookups()
    pending.add(cid(1), 0.0)
    pending.tried([cid(1)], 0.0)
    pending.remove([cid(1)])
    pending.add(cid(1), 1.0)
    assert pending.peek(100.0, 5) == (cid(1),)


def test_the_longest_waiting_are_looked_up_first() -> None:
    pending = PendingLookups()
    for number in (2, 1, 3):
        pending.add(cid(number), float(number))
    assert pending.peek(5.0, 2) == (cid(1), cid(2))


def test_a_bounded_number_of_look_ups_is_pending() -> None:
    pending = PendingLookups()
    for number in range(MAX_LOOKUPS):
        assert pending.add(cid(number), 0.0)
    assert not pending.add(cid(MAX_LOOKUPS), 0.0)
    assert len(pending) == MAX_LOOKUPS
