"""How many tokens a connection may have: learnt from what is confirmed, then carried out."""

from collections.abc import Iterable
from itertools import pairwise

import pytest

from actors.messages import Unsubscribe
from actors.model.assumptions import Assumption
from actors.model.trade import TokenId
from actors.supervision.allocation import PlanDiff
from actors.supervision.plan import TokenCap
from tests.actor_harness import SLOT, SupervisorHarness, added, connection_report
from tests.supervision.plan_samples import layout, market, planned

LOST = (TokenId("71"), TokenId("72"))

# -------------------------------------------------------------------- the plan


def test_a_lower_capacity_moves_what_is_not_heard_first_and_then_the_latest() -> None:
    plan = planned(5, redundancy=1)
    changes = plan.lower_capacity(6, frozenset(market(1)[1]))

    assert changes.unsubscribed == (("a-0000", market(1)[1] + market(4)[1]),)
    assert changes.subscribed == (("a-0001", market(1)[1] + market(4)[1]),)
    assert layout(plan)["a-0000"] == market(0)[1] + market(2)[1] + market(3)[1]


@pytest.mark.parametrize("redundancy", [1, 2, 3])
def test_no_slot_of_any_feed_has_more_tokens_afterwards_and_every_market_stays(
    redundancy: int,
) -> None:
    plan = planned(100, redundancy=redundancy, per_connection=40)
    plan.lower_capacity(6, frozenset())
    plan.add([market(500)])
    loads = layout(plan)

    assert max(map(len, loads.values())) <= 6
    for feed in range(redundancy):
        letter = chr(ord("a") + feed)
        held = [token for slot, tokens in loads.items() if slot[0] == letter for token in tokens]
        assert len(held) == len(set(held)) == 202


@pytest.mark.parametrize("capacity", [10, 12, 1, 0])
def test_a_capacity_that_is_not_lower_changes_nothing(capacity: int) -> None:
    assert planned(5).lower_capacity(capacity, frozenset()) == PlanDiff()


# --------------------------------------------------------------- what is learnt


def seen(cap: TokenCap, now: float, **confirmed: int) -> None:
    """Let connections of 100 tokens report how many are confirmed, the rest being asked for."""
    for name, count in confirmed.items():
        unheard = tuple(TokenId(f"{name}{number}") for number in range(100 - count))
        cap.reported(name, now, tokens=100, confirmed=count, unheard=unheard)


def test_a_market_of_connections_that_confirm_alike_is_tried_elsewhere() -> None:
    cap = TokenCap()
    seen(cap, 0.0, a=40)
    assert cap.to_try(0.0) is None  # one alone may be faulty
    seen(cap, 1.0, b=39)

    assert cap.to_try(1.0) == ("a", TokenId("a0"))


def test_what_is_confirmed_there_proves_the_cap_and_a_pair_is_left_for_others() -> None:
    cap = TokenCap()
    seen(cap, 0.0, a=40, b=39)
    assert cap.to_try(1.0) is not None
    cap.trying("a-0007", 1.0)
    assert cap.to_try(2.0) is None
    cap.reported("a-0007", 2.0, tokens=2, confirmed=0, unheard=())
    assert cap.take_learnt() is None
    cap.reported("a-0007", 3.0, tokens=2, confirmed=1, unheard=())

    found = cap.take_learnt()
    assert found is not None
    assert found[0] == 38
    assert found[1] >= {TokenId("a0"), TokenId("b60")}
    assert cap.take_learnt() is None


def test_a_cap_that_was_learnt_is_learnt_anew_when_the_exchange_takes_still_fewer() -> None:
    cap, learnt = TokenCap(), []
    for now, count in ((0.0, 40), (119.0, 30), (121.0, 30)):
        seen(cap, now, a=count, b=count)
        if cap.to_try(now) is not None:
            cap.trying("a-0007", now)
        cap.reported("a-0007", now, tokens=2, confirmed=2, unheard=())
        learnt.append(cap.take_learnt())

    assert [found and found[0] for found in learnt] == [38, None, 28]


def test_tokens_that_are_confirmed_nowhere_teach_nothing_and_are_tried_ever_more_seldom() -> None:
    cap, tries = TokenCap(), []
    for now in range(0, 40_000, 10):
        seen(cap, now, a=98, b=98)
        if cap.to_try(now) is not None:
            tries.append(now)
            cap.trying("a-0007", now)
        cap.reported("a-0007", now, tokens=2, confirmed=0, unheard=LOST)

    assert cap.take_learnt() is None
    assert [after - before for before, after in pairwise(tries)] == [
        720, 1320, 2520, 4920, 9720, 19320,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "confirmed",
    [
        {"a": 40, "b": 39, "c": 60},  # of one with 100 that has more
        {"a": 40, "b": 20},  # not alike
        {"a": 40, "b": 40, "c": 10, "d": 12, "e": 11, "f": 13},  # most are not
        {"a": 11, "b": 11},  # so few tokens a connection would be too many connections
    ],
)
def test_what_a_cap_does_not_explain_is_not_tried(confirmed: dict[str, int]) -> None:
    cap = TokenCap()
    seen(cap, 0.0, **confirmed)

    assert cap.to_try(0.0) is None


def test_a_connection_with_all_of_more_tokens_refutes_it() -> None:
    cap = TokenCap()
    seen(cap, 0.0, a=40, b=40)
    cap.reported("c", 0.0, tokens=41, confirmed=41, unheard=())
    assert cap.to_try(0.0) is None
    cap.ended("c")

    assert cap.to_try(0.0) is not None


def test_tokens_that_were_not_asked_for_often_enough_yet_say_nothing() -> None:
    cap = TokenCap()
    for name in ("a", "b"):
        cap.reported(name, 0.0, tokens=100, confirmed=40, unheard=LOST)

    assert cap.to_try(0.0) is None


def test_a_connection_and_the_one_that_replaced_it_are_two() -> None:
    cap = TokenCap()
    seen(cap, 0.0, a=40)
    cap.ended("a")
    seen(cap, 100.0, b=40)
    assert cap.to_try(100.0) is not None

    assert cap.to_try(700.0) is None  # the first is too long ago


# ------------------------------------------------------------- what follows


def capped(harness: SupervisorHarness, cap: int, *, names: Iterable[str] = ()) -> None:
    """Let all connections report as on an exchange that takes `cap` tokens of each."""
    for name in names or tuple(dict.fromkeys(harness.started())):
        if name[1:2] != "-" or not harness.ref(name).alive:
            continue
        tokens = harness.actor._executor.tokens_of(name)
        figures = {
            "tokens": len(tokens),
            "confirmed": min(cap, len(tokens)),
            "unanswered": tokens[cap:],
        }
        number, epoch = harness.incarnation(name), harness.epoch(name)
        harness.tell(connection_report(name, number, "listening", epoch, **figures))


def run(harness: SupervisorHarness, cap: int, seconds: int) -> SupervisorHarness:
    for _ in range(seconds):
        harness.mute.update(name for name in harness.started() if name[1:2] == "-")
        harness.tick()
        capped(harness, cap)
    return harness


@pytest.mark.parametrize("redundancy", [1, 2])
def test_the_connections_of_a_capped_exchange_have_as_many_tokens_as_it_takes(
    redundancy: int, caplog: pytest.LogCaptureFixture
) -> None:
    harness = SupervisorHarness(per_connection=60, redundancy=redundancy)
    harness.begin(*range(1, 91))
    run(harness, 20, 60)
    executor = harness.actor._executor
    alive = [
        name for name in dict.fromkeys(harness.started())
        if name[1:2] == "-" and "." not in name
    ]  # fmt: skip
    held = {name: executor.tokens_of(name) for name in alive}

    assert max(map(len, held.values())) <= 20
    assert len({token for tokens in held.values() for token in tokens}) == 180
    lowered = [each for each in caplog.records if each.message == "tokens_per_connection_lowered"]
    assert [each.tokens for each in lowered] == [18]  # type: ignore[attr-defined]
    counted = harness.health().assumptions[Assumption.TOKENS_PER_CONNECTION]
    assert counted.total == 1


def test_what_is_heard_stays_where_it_is() -> None:
    harness = SupervisorHarness(per_connection=60).begin(*range(1, 61))
    run(harness, 20, 60)
    moved = [token for each in harness.ref(SLOT).of(Unsubscribe) for token in each.tokens]

    # All but one of the ten markets that it hears: a pair of places is left free.
    heard = [token for number in range(1, 10) for token in (f"{number}1", f"{number}2")]
    assert set(moved).isdisjoint(heard)


def test_an_exchange_that_takes_all_is_asked_no_questions() -> None:
    harness = SupervisorHarness(per_connection=60).begin(*range(1, 61))
    before = len(run(harness, 60, 10).started())
    harness.tell(added(*range(100, 110)))
    run(harness, 60, 60)

    assert len(harness.started()) == before + 1
