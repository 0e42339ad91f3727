import pytest

from actors.supervision.allocation import PlanDiff, Slot
from actors.supervision.plan import Plan
from tests.supervision.plan_samples import conditions, layout, market, markets, planned


def test_a_split_gives_the_busiest_market_a_slot_of_its_own() -> None:
    plan = planned(5)
    busy = market(2)
    changes = plan.split("a-0000", busy[0])
    assert changes == PlanDiff(
        opened=(Slot("a-0001", 0),),
        subscribed=(("a-0001", busy[1]),),
        unsubscribed=(("a-0000", busy[1]),),
    )


def test_no_market_joins_one_that_was_split_off() -> None:
    plan = planned(5)
    plan.split("a-0000", market(2)[0])
    plan.add(markets(40, start=100))
    plan.compact(10)
    assert plan.tokens_of("a-0001") == market(2)[1]
    assert plan.remove([market(2)[0]]).closed[:1] == ("a-0001",)


@pytest.mark.parametrize(("slot_id", "number"), [("a-0000", 99), ("a-0099", 2), ("a-0001", 2)])
def test_a_split_of_what_is_not_there_changes_nothing(slot_id: str, number: int) -> None:
    assert planned(10).split(slot_id, market(number)[0]) == PlanDiff()


def test_a_market_alone_on_its_slot_is_not_split_again() -> None:
    plan = planned(5)
    plan.split("a-0000", market(2)[0])
    assert plan.split("a-0001", market(2)[0]) == PlanDiff()


def test_compacting_empties_the_emptiest_slot_into_the_others() -> None:
    plan = Plan(redundancy=1, per_connection=20, seed=1)
    plan.add(markets(30))
    plan.remove(conditions(markets(8)) + conditions(markets(9, start=10)) + [market(20)[0]])
    assert [len(tokens) for tokens in layout(plan).values()] == [4, 2, 18]
    changes = plan.compact(5)
    assert changes.closed == ("a-0001",)
    assert changes.subscribed == (("a-0000", market(19)[1]),)
    assert [len(tokens) for tokens in layout(plan).values()] == [6, 18]
    assert plan.compact(5) == PlanDiff()


def test_compacting_moves_no_market_twice() -> None:
    plan = Plan(redundancy=1, per_connection=20, seed=1)
    plan.add(markets(30))
    left = {0, 10, 11, 20, 21}
    plan.remove([market(number)[0] for number in range(30) if number not in left])
    changes = plan.compact(5)
    assert changes.closed == ("a-0000", "a-0001")
    assert changes.unsubscribed == (
        ("a-0000", market(0)[1]),
        ("a-0001", market(10)[1] + market(11)[1]),
    )


def test_compacting_stops_at_its_limit() -> None:
    plan = Plan(redundancy=1, per_connection=20, seed=1)
    plan.add(markets(100))
    plan.remove([market(number)[0] for number in range(100) if number % 10])
    assert len(plan.compact(2).closed) == 2
    assert plan.compact(0) == PlanDiff()


def test_a_fifth_of_all_space_stays_free_for_new_markets() -> None:
    plan = Plan(redundancy=1, per_connection=10, seed=1)
    plan.add(markets(10))
    plan.remove(conditions(markets(1)) + conditions(markets(4, start=5)))
    assert [len(tokens) for tokens in layout(plan).values()] == [8, 2]
    assert plan.compact(5) == PlanDiff()
    plan.remove(conditions(markets(1, start=1)))
    assert plan.compact(5).closed == ("a-0001",)


def test_a_slot_whose_markets_fit_nowhere_keeps_them_and_takes_others() -> None:
    plan = Plan(redundancy=1, per_connection=5, seed=1)
    plan.add([market(number, tokens=3) for number in range(4)])
    assert len(plan.slots()) == 4
    assert plan.compact(5) == PlanDiff()
    plan.add([market(9)])
    assert plan.tokens_of("a-0000") == market(0, tokens=3)[1] + market(9)[1]


def test_no_market_moves_on_two_feeds_at_once() -> None:
    plan = planned(100, per_connection=20)
    plan.remove([market(number)[0] for number in range(100) if number % 10])
    changes = plan.compact(100)
    assert len({slot_id[:4] for slot_id in changes.closed}) == 1
