"""Announced markets in the plan: subscribed, not wanted, until the exchange or Gamma knows them."""

import msgspec

from actors.messages import AnnouncedConfirmed, Subscribe, UniverseChanged
from actors.model.trade import TokenId
from tests.actor_harness import SLOT, SupervisorHarness, added, market, removed
from tests.supervision.test_plan_executor import journalled, orders


def announced(*numbers: int) -> UniverseChanged:
    markets = (msgspec.structs.replace(market(number), active=False) for number in numbers)
    return UniverseChanged(added=tuple(markets), removed=())


def wanted(harness: SupervisorHarness) -> int:
    harness.ticks(2)
    return harness.health().assets.wanted


def test_an_announced_market_is_subscribed_and_not_wanted() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1)
    harness.tell(announced(2))

    assert orders(harness.ref(SLOT)) == [Subscribe(tokens=market(2).token_ids, announced=True)]
    assert journalled(harness) == [("want", market(1).token_ids)]
    assert wanted(harness) == 2


def test_its_first_book_makes_it_wanted_on_every_connection() -> None:
    harness = SupervisorHarness(per_connection=6, redundancy=2).begin(1)
    harness.tell(announced(2))
    harness.tell(AnnouncedConfirmed(tokens=(market(2).token_ids[1],)))
    harness.tell(AnnouncedConfirmed(tokens=market(2).token_ids))  # of the other feed

    assert journalled(harness)[1:] == [("want", market(2).token_ids)]
    for slot in (SLOT, "b-0000"):
        assert orders(harness.ref(slot))[-1] == Subscribe(tokens=market(2).token_ids)
    assert wanted(harness) == 4


def test_that_gamma_lists_it_makes_it_wanted() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1)
    harness.tell(announced(2), added(2), announced(2))

    assert journalled(harness)[1:] == [("want", market(2).token_ids)]
    assert orders(harness.ref(SLOT)) == [
        Subscribe(tokens=market(2).token_ids, announced=True),
        Subscribe(tokens=market(2).token_ids),
    ]


def test_a_connection_that_starts_is_told_which_tokens_are_announced() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1)
    harness.tell(announced(2))
    harness.end(SLOT, "disconnected")
    harness.ticks(5)

    assert (harness.specs[-1].tokens, harness.specs[-1].announced) == (("11", "12"), ("21", "22"))


def test_one_that_is_let_go_before_it_is_known_is_not_wanted_by_a_late_book() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1)
    harness.tell(announced(2), removed(2), AnnouncedConfirmed(tokens=(TokenId("21"),)))

    assert ("want", market(2).token_ids) not in journalled(harness)
    assert wanted(harness) == 2


def test_nothing_is_wanted_by_a_book_of_another_market() -> None:
    harness = SupervisorHarness(per_connection=6).begin(1)
    harness.tell(announced(2), AnnouncedConfirmed(tokens=(TokenId("11"),)))

    assert journalled(harness) == [("want", market(1).token_ids)]
