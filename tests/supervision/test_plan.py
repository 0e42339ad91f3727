from collections import Counter, defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.model.trade import ConditionId, TokenId
from actors.supervision.allocation import PlanDiff, Slot
from actors.supervision.plan import Plan
from tests.supervision.plan_samples import conditions, layout, market, markets, planned


def after(before: dict[str, set[TokenId]], diff: PlanDiff) -> dict[str, set[TokenId]]:
    """Carry a diff out on a copy, as the supervisor would; each step must be possible."""
    slots = {slot_id: set(tokens) for slot_id, tokens in before.items()}
    for slot in diff.opened:
        assert slot.id not in slots
        slots[slot.id] = set()
    for slot_id, tokens in diff.subscribed:
        assert not slots[slot_id] & set(tokens)
        slots[slot_id] |= set(tokens)
    for slot_id, tokens in diff.unsubscribed:
        assert slots[slot_id] >= set(tokens)
        slots[slot_id] -= set(tokens)
    for slot_id in diff.closed:
        assert not slots.pop(slot_id)
    return slots


class Planning(RuleBasedStateMachine):
    """Any sequence of changes keeps every promise about where tokens are."""

    numbers = st.lists(st.integers(0, 40), min_size=1, max_size=25)

    def __init__(self) -> None:
        super().__init__()
        self.capacity = 5
        self.plan = Plan(redundancy=2, per_connection=self.capacity, seed=3)
        self.wanted: dict[ConditionId, tuple[TokenId, ...]] = {}
        self.slots: dict[str, set[TokenId]] = {}
        self.ids: set[str] = set()

    def carry_out(self, diff: PlanDiff) -> None:
        slots = after(self.slots, diff)
        opened = {slot.id for slot in diff.opened}
        assert not opened & self.ids
        self.ids |= opened
        self.slots = slots

    def tokens(self) -> set[TokenId]:
        return {token for tokens in self.wanted.values() for token in tokens}

    @rule(numbers=numbers, size=st.integers(1, 3))
    def want(self, numbers: list[int], size: int) -> None:
        before = self.tokens()
        kept = {cid: self.plan.slots_of(cid) for cid in self.wanted}
        batch = [market(number, size) for number in numbers]
        diff = self.plan.add(batch)
        changed = {cid for cid, tokens in batch if self.wanted.get(cid, tokens) != tokens}
        self.wanted.update(batch)
        self.carry_out(diff)
        assert set(diff.wanted) == self.tokens() - before
        assert set(diff.unwanted) == before - self.tokens()
        for condition_id, slots in kept.items():
            assert condition_id in changed or self.plan.slots_of(condition_id) == slots

    @rule(numbers=numbers)
    def drop(self, numbers: list[int]) -> None:
        before = self.tokens()
        diff = self.plan.remove([market(number)[0] for number in numbers])
        for number in numbers:
            self.wanted.pop(market(number)[0], None)
        self.carry_out(diff)
        assert set(diff.unwanted) == before - self.tokens()
        assert not diff.wanted
        assert not diff.subscribed

    @rule(number=st.integers(0, 40), feed=st.integers(0, 1))
    def split(self, number: int, feed: int) -> None:
        condition_id = market(number)[0]
        slots = self.plan.slots_of(condition_id)
        diff = self.plan.split(slots[feed] if slots else "a-9999", condition_id)
        self.carry_out(diff)
        if diff != PlanDiff():
            assert self.slots[self.plan.slots_of(condition_id)[feed]] == set(
                self.wanted[condition_id]
            )
            assert self.plan.slots_of(condition_id)[1 - feed] == slots[1 - feed]

    @rule(limit=st.integers(0, 3))
    def compact(self, limit: int) -> None:
        diff = self.plan.compact(limit)
        self.carry_out(diff)
        assert len(diff.closed) <= limit
        assert not diff.opened
        assert not diff.wanted + diff.unwanted

    @invariant()
    def the_plan_is_the_sum_of_its_changes(self) -> None:
        assert {slot: set(tokens) for slot, tokens in layout(self.plan).items()} == self.slots
        assert self.plan.token_count == len(self.tokens())

    @invariant()
    def every_token_is_once_on_every_feed_and_slots_keep_their_size(self) -> None:
        listened: dict[int, Counter[TokenId]] = defaultdict(Counter)
        for slot in self.plan.slots():
            tokens = self.plan.tokens_of(slot.id)
            assert 0 < len(tokens) <= self.capacity
            listened[slot.feed].update(tokens)
        for feed in range(2):
            assert listened[feed] == Counter(self.tokens())

    @invariant()
    def a_market_is_together(self) -> None:
        for condition_id, tokens in self.wanted.items():
            slots = self.plan.slots_of(condition_id)
            assert [slot[:4] for slot in slots] == ["a-00", "b-00"]
            for slot_id in slots:
                assert set(tokens) <= self.slots[slot_id]


TestPlanning = Planning.TestCase
TestPlanning.settings = settings(max_examples=60, stateful_step_count=25)


# ------------------------------------------------------------------- adding


def test_the_first_feed_fills_its_slots_in_order() -> None:
    plan = planned(12)
    assert [plan.slots_of(cid)[0] for cid in conditions(markets(12))] == [
        *["a-0000"] * 5,
        *["a-0001"] * 5,
        *["a-0002"] * 2,
    ]


def test_slots_are_named_by_feed_and_number() -> None:
    plan = planned(6)
    assert plan.slots() == (
        Slot("a-0000", 0),
        Slot("a-0001", 0),
        Slot("b-0000", 1),
        Slot("b-0001", 1),
    )


def test_a_batch_needs_no_more_slots_than_it_fills() -> None:
    plan = planned(1_000, per_connection=200)
    assert Counter(slot.feed for slot in plan.slots()) == {0: 10, 1: 10}


def test_an_odd_place_is_left_empty_so_that_markets_stay_together() -> None:
    plan = planned(10, per_connection=5)
    assert all(len(tokens) == 4 for tokens in layout(plan).values())


def test_markets_of_odd_sizes_leave_no_empty_slot() -> None:
    plan = Plan(redundancy=2, per_connection=5, seed=3)
    for numbers, size in [
        ([0], 1),
        ([3, 0, 13, 14, 12], 1),
        ([16, 0, 11, 10, 9, 8], 3),
        ([0, 5, 7, 6, 4, 15, 1], 1),
        ([2], 3),
    ]:
        plan.add([market(number, size) for number in numbers])
        assert all(layout(plan).values())


def test_the_feeds_group_markets_differently() -> None:
    plan = planned(1_000, per_connection=200)
    pairs = Counter(plan.slots_of(cid) for cid in conditions(markets(1_000)))
    # 100 slot pairs share 1,000 markets: alike, a pair would hold 100 of them.
    assert max(pairs.values()) <= 30
    assert len(pairs) >= 95


def test_another_seed_groups_differently_and_the_same_seed_alike() -> None:
    plans = [Plan(redundancy=2, per_connection=20, seed=seed) for seed in (1, 1, 2)]
    for plan in plans:
        plan.add(markets(200))
    same, again, other = (layout(plan) for plan in plans)
    assert same == again
    assert same != other


def test_four_feeds_listen_to_everything_four_times() -> None:
    plan = planned(100, redundancy=4, per_connection=20)
    assert Counter(token for tokens in layout(plan).values() for token in tokens) == {
        token: 4 for _, tokens in markets(100) for token in tokens
    }


def test_adding_again_changes_nothing() -> None:
    plan = planned(12)
    assert plan.add(markets(12)) == PlanDiff()


def test_a_market_that_is_twice_in_one_batch_is_added_once() -> None:
    plan = Plan(redundancy=2, per_connection=10, seed=1)
    diff = plan.add([market(1), market(1)])
    assert diff.wanted == ("11", "12")
    assert plan.token_count == 2


def test_new_markets_move_no_other() -> None:
    plan = planned(7)
    before = layout(plan)
    plan.add(markets(50, start=7))
    for slot_id, tokens in before.items():
        assert plan.tokens_of(slot_id)[: len(tokens)] == tokens


def test_of_a_market_whose_tokens_changed_only_the_difference_changes() -> None:
    plan = planned(1)
    diff = plan.add([(market(0)[0], (TokenId("02"), TokenId("99")))])
    assert (diff.wanted, diff.unwanted) == (("99",), ("01",))
    assert set(plan.tokens_of(plan.slots_of(market(0)[0])[0])) == {"02", "99"}


@pytest.mark.parametrize("tokens", [0, 11])
def test_a_market_that_fits_nowhere_is_the_callers_mistake(tokens: int) -> None:
    plan = planned(3)
    before = layout(plan)
    with pytest.raises(ValueError, match="tokens"):
        plan.add([market(50), market(51, tokens)])
    assert layout(plan) == before


@pytest.mark.parametrize(("redundancy", "per_connection"), [(0, 10), (1, 1)])
def test_a_plan_without_space_cannot_be_made(redundancy: int, per_connection: int) -> None:
    with pytest.raises(ValueError, match="space"):
        Plan(redundancy=redundancy, per_connection=per_connection, seed=1)


# ------------------------------------------------------------------ removing


def test_removing_moves_no_other_market() -> None:
    plan = planned(10)
    diff = plan.remove(conditions(markets(2)))
    assert diff.unwanted == ("01", "02", "11", "12")
    assert diff.subscribed == ()
    assert {slot_id for slot_id, _ in diff.unsubscribed} >= {"a-0000"}


def test_an_empty_slot_closes_and_its_name_is_not_used_again() -> None:
    plan = planned(10)
    assert plan.remove(conditions(markets(5))).closed[0] == "a-0000"
    opened = plan.add(markets(20, start=100)).opened
    assert "a-0000" not in {slot.id for slot in opened}
    assert plan.tokens_of("a-0000") == ()


def test_free_space_is_filled_before_a_slot_opens() -> None:
    plan = planned(10)
    plan.remove(conditions(markets(2)))
    assert plan.add(markets(2, start=100)).opened == ()


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert planned(3).remove([market(77)[0]]) == PlanDiff()


def test_slots_that_share_a_market_are_known() -> None:
    plan = planned(20)
    for slot in plan.slots():
        sharing = plan.sharing(slot.id)
        assert sharing
        assert all(name.startswith("b-" if slot.feed == 0 else "a-") for name in sharing)
        for other in plan.slots():
            common = set(plan.tokens_of(slot.id)) & set(plan.tokens_of(other.id))
            assert (other.id in sharing) == bool(common and other != slot)
    assert plan.sharing("h-0000") == frozenset()


def test_a_slot_knows_its_feed_and_the_markets_of_its_tokens() -> None:
    plan = planned(20)
    token = plan.tokens_of("a-0001")[0]
    found = plan.market_of("a-0001", token)
    assert found is not None
    assert "a-0001" in plan.slots_of(found)
    assert plan.market_of("a-0000", token) is None
    assert (plan.feed_of("a-0001"), plan.feed_of("b-0000")) == (0, 1)
