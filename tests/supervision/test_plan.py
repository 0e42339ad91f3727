from collections import Counter, defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.model.trade import ConditionId, TokenId
from actors.supervision.allocation import Changes, Lane
from actors.supervision.plan import Plan
from tests.supervision.plan_samples import conditions, layout, market, markets, planned


def after(before: dict[str, set[TokenId]], changes: Changes) -> dict[str, set[TokenId]]:
    """Carry changes out on a copy, as the supervisor would; every step must make sense."""
    lanes = {lane_id: set(tokens) for lane_id, tokens in before.items()}
    for lane in changes.opened:
        assert lane.id not in lanes
        lanes[lane.id] = set()
    for lane_id, tokens in changes.subscribed:
        assert not lanes[lane_id] & set(tokens)
        lanes[lane_id] |= set(tokens)
    for lane_id, tokens in changes.unsubscribed:
        assert lanes[lane_id] >= set(tokens)
        lanes[lane_id] -= set(tokens)
    for lane_id in changes.closed:
        assert not lanes.pop(lane_id)
    return lanes


class Planning(RuleBasedStateMachine):
    """Any sequence of wishes leaves every token where the promise says."""

    numbers = st.lists(st.integers(0, 40), min_size=1, max_size=25)

    def __init__(self) -> None:
        super().__init__()
        self.capacity = 5
        self.plan = Plan(redundancy=2, per_connection=self.capacity, seed=3)
        self.wanted: dict[ConditionId, tuple[TokenId, ...]] = {}
        self.lanes: dict[str, set[TokenId]] = {}
        self.ids: set[str] = set()

    def carry_out(self, changes: Changes) -> None:
        lanes = after(self.lanes, changes)
        opened = {lane.id for lane in changes.opened}
        assert not opened & self.ids
        self.ids |= opened
        self.lanes = lanes

    def tokens(self) -> set[TokenId]:
        return {token for tokens in self.wanted.values() for token in tokens}

    @rule(numbers=numbers, size=st.integers(1, 3))
    def want(self, numbers: list[int], size: int) -> None:
        before = self.tokens()
        kept = {cid: self.plan.lanes_of(cid) for cid in self.wanted}
        batch = [market(number, size) for number in numbers]
        changes = self.plan.want(batch)
        changed = {cid for cid, tokens in batch if self.wanted.get(cid, tokens) != tokens}
        self.wanted.update(batch)
        self.carry_out(changes)
        assert set(changes.wanted) == self.tokens() - before
        assert set(changes.unwanted) == before - self.tokens()
        for condition_id, lanes in kept.items():
            assert condition_id in changed or self.plan.lanes_of(condition_id) == lanes

    @rule(numbers=numbers)
    def drop(self, numbers: list[int]) -> None:
        before = self.tokens()
        changes = self.plan.drop([market(number)[0] for number in numbers])
        for number in numbers:
            self.wanted.pop(market(number)[0], None)
        self.carry_out(changes)
        assert set(changes.unwanted) == before - self.tokens()
        assert not changes.wanted
        assert not changes.subscribed

    @rule(number=st.integers(0, 40), leg=st.integers(0, 1))
    def split(self, number: int, leg: int) -> None:
        condition_id = market(number)[0]
        lanes = self.plan.lanes_of(condition_id)
        changes = self.plan.split(lanes[leg] if lanes else "leg0-9999", condition_id)
        self.carry_out(changes)
        if changes != Changes():
            assert self.lanes[self.plan.lanes_of(condition_id)[leg]] == set(
                self.wanted[condition_id]
            )
            assert self.plan.lanes_of(condition_id)[1 - leg] == lanes[1 - leg]

    @rule(limit=st.integers(0, 3))
    def compact(self, limit: int) -> None:
        changes = self.plan.compact(limit)
        self.carry_out(changes)
        assert len(changes.closed) <= limit
        assert not changes.opened
        assert not changes.wanted + changes.unwanted

    @invariant()
    def the_plan_is_what_its_changes_said(self) -> None:
        assert {lane: set(tokens) for lane, tokens in layout(self.plan).items()} == self.lanes
        assert self.plan.token_count == len(self.tokens())

    @invariant()
    def every_token_is_once_on_every_leg_and_lanes_keep_their_size(self) -> None:
        heard: dict[int, Counter[TokenId]] = defaultdict(Counter)
        for lane in self.plan.lanes():
            tokens = self.plan.tokens_of(lane.id)
            assert 0 < len(tokens) <= self.capacity
            heard[lane.leg].update(tokens)
        for leg in range(2):
            assert heard[leg] == Counter(self.tokens())

    @invariant()
    def a_market_is_together(self) -> None:
        for condition_id, tokens in self.wanted.items():
            lanes = self.plan.lanes_of(condition_id)
            assert [lane[:4] for lane in lanes] == ["leg0", "leg1"]
            for lane_id in lanes:
                assert set(tokens) <= self.lanes[lane_id]


TestPlanning = Planning.TestCase
TestPlanning.settings = settings(deadline=None, max_examples=60, stateful_step_count=25)


# ------------------------------------------------------------------- wanting


def test_the_first_leg_fills_its_lanes_in_order() -> None:
    plan = planned(12)
    assert [plan.lanes_of(cid)[0] for cid in conditions(markets(12))] == [
        *["leg0-0000"] * 5,
        *["leg0-0001"] * 5,
        *["leg0-0002"] * 2,
    ]


def test_lanes_are_named_by_leg_and_number() -> None:
    plan = planned(6)
    assert plan.lanes() == (
        Lane("leg0-0000", 0),
        Lane("leg0-0001", 0),
        Lane("leg1-0000", 1),
        Lane("leg1-0001", 1),
    )


def test_a_batch_needs_no_more_lanes_than_it_fills() -> None:
    plan = planned(1_000, per_connection=200)
    assert Counter(lane.leg for lane in plan.lanes()) == {0: 10, 1: 10}


def test_an_odd_seat_is_left_empty_so_that_markets_stay_together() -> None:
    plan = planned(10, per_connection=5)
    assert all(len(tokens) == 4 for tokens in layout(plan).values())


def test_markets_of_odd_sizes_leave_no_empty_lane() -> None:
    plan = Plan(redundancy=2, per_connection=5, seed=3)
    for numbers, size in [
        ([0], 1),
        ([3, 0, 13, 14, 12], 1),
        ([16, 0, 11, 10, 9, 8], 3),
        ([0, 5, 7, 6, 4, 15, 1], 1),
        ([2], 3),
    ]:
        plan.want([market(number, size) for number in numbers])
        assert all(layout(plan).values())


def test_the_legs_group_markets_differently() -> None:
    plan = planned(1_000, per_connection=200)
    pairs = Counter(plan.lanes_of(cid) for cid in conditions(markets(1_000)))
    # 100 lane pairs share 1,000 markets: alike, a pair would hold 100 of them.
    assert max(pairs.values()) <= 30
    assert len(pairs) >= 95


def test_another_seed_groups_differently_and_the_same_seed_alike() -> None:
    plans = [Plan(redundancy=2, per_connection=20, seed=seed) for seed in (1, 1, 2)]
    for plan in plans:
        plan.want(markets(200))
    same, again, other = (layout(plan) for plan in plans)
    assert same == again
    assert same != other


def test_four_legs_hear_everything_four_times() -> None:
    plan = planned(100, redundancy=4, per_connection=20)
    assert Counter(token for tokens in layout(plan).values() for token in tokens) == {
        token: 4 for _, tokens in markets(100) for token in tokens
    }


def test_wanting_again_changes_nothing() -> None:
    plan = planned(12)
    assert plan.want(markets(12)) == Changes()


def test_a_market_told_twice_in_one_batch_is_taken_once() -> None:
    plan = Plan(redundancy=2, per_connection=10, seed=1)
    changes = plan.want([market(1), market(1)])
    assert changes.wanted == ("11", "12")
    assert plan.token_count == 2


def test_new_markets_move_nobody() -> None:
    plan = planned(7)
    before = layout(plan)
    plan.want(markets(50, start=7))
    for lane_id, tokens in before.items():
        assert plan.tokens_of(lane_id)[: len(tokens)] == tokens


def test_a_market_whose_tokens_changed_is_told_as_the_difference() -> None:
    plan = planned(1)
    changes = plan.want([(market(0)[0], (TokenId("02"), TokenId("99")))])
    assert (changes.wanted, changes.unwanted) == (("99",), ("01",))
    assert set(plan.tokens_of(plan.lanes_of(market(0)[0])[0])) == {"02", "99"}


@pytest.mark.parametrize("tokens", [0, 11])
def test_a_market_that_fits_nowhere_is_the_callers_mistake(tokens: int) -> None:
    plan = planned(3)
    before = layout(plan)
    with pytest.raises(ValueError, match="tokens"):
        plan.want([market(50), market(51, tokens)])
    assert layout(plan) == before


@pytest.mark.parametrize(("redundancy", "per_connection"), [(0, 10), (1, 1)])
def test_a_plan_without_room_cannot_be_made(redundancy: int, per_connection: int) -> None:
    with pytest.raises(ValueError, match="room"):
        Plan(redundancy=redundancy, per_connection=per_connection, seed=1)


# ------------------------------------------------------------------ dropping


def test_dropping_lets_go_and_moves_nobody() -> None:
    plan = planned(10)
    changes = plan.drop(conditions(markets(2)))
    assert changes.unwanted == ("01", "02", "11", "12")
    assert changes.subscribed == ()
    assert {lane_id for lane_id, _ in changes.unsubscribed} >= {"leg0-0000"}


def test_an_empty_lane_closes_and_its_name_is_not_used_again() -> None:
    plan = planned(10)
    assert plan.drop(conditions(markets(5))).closed[0] == "leg0-0000"
    opened = plan.want(markets(20, start=100)).opened
    assert "leg0-0000" not in {lane.id for lane in opened}
    assert plan.tokens_of("leg0-0000") == ()


def test_room_that_was_left_is_filled_before_a_lane_opens() -> None:
    plan = planned(10)
    plan.drop(conditions(markets(2)))
    assert plan.want(markets(2, start=100)).opened == ()


def test_dropping_what_is_not_there_changes_nothing() -> None:
    assert planned(3).drop([market(77)[0]]) == Changes()


def test_lanes_that_share_a_market_are_known() -> None:
    plan = planned(20)
    for lane in plan.lanes():
        sharing = plan.sharing(lane.id)
        assert sharing
        assert all(name.startswith("leg1" if lane.leg == 0 else "leg0") for name in sharing)
        for other in plan.lanes():
            common = set(plan.tokens_of(lane.id)) & set(plan.tokens_of(other.id))
            assert (other.id in sharing) == bool(common and other != lane)
    assert plan.sharing("leg7-0000") == frozenset()


def test_a_lane_knows_its_leg_and_the_markets_of_its_tokens() -> None:
    plan = planned(20)
    token = plan.tokens_of("leg0-0001")[0]
    found = plan.market_of("leg0-0001", token)
    assert found is not None
    assert "leg0-0001" in plan.lanes_of(found)
    assert plan.market_of("leg0-0000", token) is None
    assert (plan.leg_of("leg0-0001"), plan.leg_of("leg1-0000")) == (0, 1)
