from random import Random
from typing import Any, cast

import pykka
import pytest

from actors.actor import Address
from actors.messages import Flush, Retire, Tick
from actors.supervision.children import Child, Children, Death
from actors.supervision.restart import ChildSpec, ConnectRate, Escalation
from tests.fakes_box import FakeRef


class Nursery:
    """Children whose refs are fakes."""

    def __init__(self, *, starts_per_tick: int = 1) -> None:
        self.children = Children(
            rng=Random(1),
            escalation=Escalation(),
            dialling=ConnectRate(least=starts_per_tick, most=starts_per_tick),
        )
        self.refs: list[FakeRef] = []
        self.lives: list[tuple[str, int]] = []
        self.failing = False

    def add(
        self, name: str, *, vital: bool = False, silence_s: float = 45.0, feed: int = 0
    ) -> Child:
        def start(incarnation: int, _: Tick) -> "pykka.ActorRef[Any]":
            if self.failing:
                raise RuntimeError("can't start new thread")
            self.refs.append(FakeRef())
            self.lives.append((name, incarnation))
            return cast("pykka.ActorRef[Any]", self.refs[-1])

        spec = ChildSpec(id=name, vital=vital, silence_s=silence_s, stop_s=5.0, feed=feed)
        return self.children.add(spec, start, now=0.0, farewell=Retire(reason="silent"))

    def bear(self, now: float = 0.0) -> list[str]:
        return [child.spec.id for child in self.children.bear(Tick(now=now, wall_ns=1))]

    def look(self, now: float) -> list[tuple[str, str, bool]]:
        deaths: list[Death] = list(self.children.look(now))
        return [(death.child.spec.id, death.reason, death.expected) for death in deaths]


def test_vital_children_are_born_at_once_and_others_one_per_tick() -> None:
    nursery = Nursery()
    for name in ("a", "b"):
        nursery.add(name)
    for name in ("writer", "catalog"):
        nursery.add(name, vital=True)

    assert nursery.bear() == ["writer", "catalog", "a"]
    assert nursery.bear() == ["b"]
    assert nursery.bear() == []


def test_whoever_has_waited_longest_is_born_first() -> None:
    nursery = Nursery()
    nursery.add("a").next_start_at = 5.0
    nursery.add("b").next_start_at = 3.0

    assert nursery.bear(4.0) == ["b"]
    assert nursery.bear(6.0) == ["a"]


def test_the_first_feed_is_born_before_the_second() -> None:
    nursery = Nursery(starts_per_tick=2)
    for name, feed, due_at in (("c", 1, 1.0), ("a", 0, 3.0), ("d", 1, 0.0), ("b", 0, 2.0)):
        nursery.add(name, feed=feed).next_start_at = due_at

    assert nursery.bear(4.0) == ["b", "a"]
    assert nursery.bear(4.0) == ["d", "c"]


def test_more_are_born_at_a_time_when_all_come_to_listen_and_few_when_they_fail() -> None:
    nursery = Nursery()
    nursery.children.dialling = ConnectRate()
    for number in range(120):
        nursery.add(f"c{number:03}")
    listening = 0
    counts: list[int] = []
    while len(counts) < 8:
        born = nursery.bear()
        counts.append(len(born))
        for name in born:
            listening += 1
            assert nursery.children.listens(nursery.children.by_id[name], listening)
    assert counts == [1, 1, 1, 1, 2, 2, 3, 3]

    failed = nursery.children.by_id[nursery.bear()[0]]
    failed.ended = "http_429"
    nursery.refs[-4].alive = False
    nursery.look(1.0)
    assert len(nursery.bear()) == 2


def test_the_end_of_one_that_listened_or_was_let_go_slows_nobody_down() -> None:
    nursery = Nursery()
    nursery.children.dialling = ConnectRate()
    for name in ("heard", "leaving", "next"):
        nursery.add(name)
    for _ in range(36):
        nursery.children.dialling.answered()
    nursery.bear()
    nursery.children.listens(nursery.children.by_id["heard"], 7)
    nursery.children.part_from("leaving", Retire(reason="released"))
    for name in ("heard", "leaving"):
        nursery.children.by_id[name].ended = "reset"
    for ref in nursery.refs[:2]:
        ref.alive = False
    assert len(nursery.look(1.0)) == 2

    assert nursery.children.dialling.room == 10


def test_a_life_comes_to_listen_once() -> None:
    nursery = Nursery()
    child = nursery.add("a")
    nursery.bear()
    assert not nursery.children.listens(child, 0)
    assert nursery.children.listens(child, 7)
    assert not nursery.children.listens(child, 7)
    assert (child.epoch, child.openings) == (7, 1)


def test_an_address_leads_to_the_present_life() -> None:
    nursery = Nursery()
    child = nursery.add("a")
    child.address.tell(Flush())
    nursery.bear()
    child.address.tell(Flush())
    nursery.refs[0].alive = False
    child.ended = "reset"
    nursery.look(1.0)
    child.address.tell(Flush())
    nursery.bear(10.0)
    child.address.tell(Flush())

    assert [len(ref.told) for ref in nursery.refs] == [1, 1]
    assert nursery.lives == [("a", 1), ("a", 2)]


def test_a_given_address_is_used() -> None:
    nursery, address = Nursery(), Address()
    ref = FakeRef()
    spec = ChildSpec(id="writer", vital=True, silence_s=1.0, stop_s=1.0)
    nursery.children.add(
        spec, lambda _, __: cast("pykka.ActorRef[Any]", ref), now=0.0, address=address
    )
    nursery.bear()
    address.tell(Flush())

    assert ref.told == [Flush()]


def test_a_birth_without_threads_is_tried_again_later_as_another_life() -> None:
    nursery = Nursery()
    child = nursery.add("a")
    nursery.failing = True
    assert nursery.bear() == []
    assert child.last_reason == "cannot start: can't start new thread"
    assert child.next_start_at > 0.0

    nursery.failing = False
    assert nursery.bear(2.0) == ["a"]
    assert nursery.lives == [("a", 2)]


def test_another_error_of_a_birth_is_not_hidden() -> None:
    nursery = Nursery()
    spec = ChildSpec(id="a", vital=False, silence_s=1.0, stop_s=1.0)

    def start(_: int, __: Tick) -> "pykka.ActorRef[Any]":
        raise ValueError("wrong")

    nursery.children.add(spec, start, now=0.0)
    with pytest.raises(ValueError, match="wrong"):
        nursery.bear()


def test_who_lives_and_reports_is_no_death() -> None:
    nursery = Nursery()
    child = nursery.add("a")
    nursery.bear()
    for now in range(100):
        child.reported_at = float(now)
        assert nursery.look(float(now)) == []


def test_an_expected_end_costs_no_budget() -> None:
    nursery = Nursery()
    child = nursery.add("a")
    for life in range(30):
        nursery.bear(life * 100.0)
        nursery.refs[-1].alive = False
        child.ended = "reset"
        assert nursery.look(life * 100.0) == [("a", "reset", True)]
    assert nursery.children.beyond_help(3_000.0) == ""
    assert not child.budget.spent


def test_what_the_last_life_said_does_not_excuse_the_next() -> None:
    nursery = Nursery()
    child = nursery.add("a")
    nursery.bear()
    nursery.refs[-1].alive = False
    child.ended = "reset"
    nursery.look(0.0)
    nursery.bear(10.0)
    nursery.refs[-1].alive = False
    nursery.look(10.0)

    assert nursery.look(13.0) == [("a", "died without a word", False)]


def test_the_dead_have_3_s_for_their_last_word() -> None:
    nursery = Nursery()
    child = nursery.add("a")
    nursery.bear()
    nursery.refs[0].alive = False
    assert nursery.look(1.0) == []
    assert nursery.look(3.9) == []
    child.crashed = ("ValueError: boom", "Traceback …")

    (death,) = nursery.children.look(3.95)
    assert (death.reason, death.traceback, death.expected) == (
        "ValueError: boom",
        "Traceback …",
        False,
    )


def test_an_error_on_the_way_out_does_not_make_an_expected_end_unexpected() -> None:
    nursery = Nursery()
    child = nursery.add("a")
    nursery.bear()
    nursery.refs[0].alive = False
    child.ended, child.crashed = "reset", ("ValueError", "")

    assert nursery.look(1.0) == [("a", "reset", True)]


def test_a_silent_life_is_told_to_end_and_left_behind() -> None:
    nursery = Nursery()
    child = nursery.add("a", silence_s=10.0)
    nursery.bear()
    for now in (4.0, 8.0, 10.0):
        assert nursery.look(now) == []

    assert nursery.look(11.0) == [("a", "silent", False)]
    assert nursery.refs[0].of(Retire) == [Retire(reason="silent")]
    assert nursery.refs[0].asked_to_stop
    assert nursery.children.living("a", 1) is None
    assert nursery.bear(11.0) == ["a"]
    assert nursery.children.living("a", 2) is child


def test_a_pause_is_added_to_everyones_time() -> None:
    nursery = Nursery()
    nursery.add("a", silence_s=10.0)
    nursery.bear()
    nursery.look(8.0)
    nursery.look(500.0)
    assert nursery.look(502.0) == []

    assert nursery.look(503.0) == [("a", "silent", False)]


def test_four_stuck_threads_are_beyond_help() -> None:
    nursery = Nursery(starts_per_tick=9)
    for name in "abcd":
        nursery.add(name, silence_s=1.0)
    nursery.bear()
    nursery.look(0.5)
    nursery.look(2.0)
    assert nursery.children.beyond_help(2.0) == "too many threads are stuck"

    nursery.refs[0].alive = False
    assert nursery.children.beyond_help(2.0) == ""


def test_too_many_unexpected_deaths_are_beyond_help() -> None:
    nursery = Nursery()
    child = nursery.add("writer", vital=True)
    for now in (0.0, 10.0, 20.0):
        assert nursery.children.beyond_help(now) == ""
        nursery.bear(now)
        nursery.refs[-1].alive = False
        child.crashed = ("ValueError", "")
        nursery.look(now)

    assert nursery.children.beyond_help(20.0) == "too many unexpected deaths"


def test_nobody_lives_under_an_unknown_name_or_another_number() -> None:
    nursery = Nursery()
    nursery.add("a")
    assert nursery.children.living("a", 0) is None
    nursery.bear()

    assert nursery.children.living("b", 1) is None
    assert nursery.children.living("a", 2) is None
    assert nursery.children.living("a", 1) is not None


def test_a_child_that_is_parted_from_is_not_born_again() -> None:
    nursery = Nursery()
    child = nursery.add("a")
    nursery.bear()
    nursery.children.part_from("a", Retire(reason="released"))
    assert nursery.refs[0].told == [Retire(reason="released")]
    nursery.refs[0].alive = False
    child.ended = "released"

    assert nursery.look(1.0) == [("a", "released", True)]
    assert nursery.bear(1_000.0) == []
    assert nursery.children.by_id == {}


def test_a_child_that_is_not_born_is_parted_from_without_a_word() -> None:
    nursery = Nursery()
    nursery.add("a")
    nursery.children.part_from("a", Retire(reason="released"))
    nursery.children.part_from("a", Retire(reason="released"))

    assert nursery.bear() == []


def test_everyone_vital_who_lives_is_told() -> None:
    nursery = Nursery()
    for name in "abc":
        nursery.add(name, vital=name != "c")
    nursery.bear()
    nursery.refs[0].alive = False
    now = Tick(now=100.0, wall_ns=1)
    nursery.children.tell_vital(now)

    assert [ref.told for ref in nursery.refs] == [[], [now], []]


def test_time_is_told_to_connections_that_live_each_at_its_turn() -> None:
    nursery = Nursery(starts_per_tick=2)
    for name in "abc":
        nursery.add(name, vital=name == "c")
    nursery.bear()
    nursery.refs[1].alive = False
    for now in (100.0, 100.25, 101.0):
        nursery.children.tell_time(Tick(now=now, wall_ns=1))

    assert [[tick.now for tick in ref.of(Tick)] for ref in nursery.refs] == [[], [], [100, 101]]


def test_the_time_that_is_told_says_that_the_exchange_is_silent() -> None:
    nursery = Nursery()
    nursery.add("a")
    nursery.bear()
    for now, silent in ((100.0, True), (101.0, False)):
        nursery.children.tell_vital(Tick(now=now, wall_ns=1, exchange_silent=silent))
        for later in (now, now + 0.25):
            nursery.children.tell_time(Tick(now=later, wall_ns=1))
    nursery.children.tell_time(Tick(now=102.1, wall_ns=1))

    said = [(tick.now, tick.exchange_silent) for tick in nursery.refs[0].of(Tick)]
    assert said == [(100.0, True), (101.0, False), (102.1, False)]


def test_who_is_bidden_to_do_something_learns_first_what_time_it_is() -> None:
    nursery = Nursery(starts_per_tick=400)
    for number in range(400):
        nursery.add(str(number))
    nursery.bear()
    children = nursery.children
    children.tell_time(Tick(now=100.0, wall_ns=1))
    children.rounds.wished("7", 200.0)
    now = Tick(now=101.1, wall_ns=2)
    children.tell_time(now)
    nursery.refs[7].clear()
    children.bid("7", Flush())
    children.bid("7", Flush())

    assert nursery.refs[7].told == [now, Flush(), Flush()]


def test_the_dead_and_the_unborn_are_bidden_in_vain() -> None:
    nursery = Nursery()
    nursery.add("a")
    nursery.children.bid("a", Flush())
    nursery.bear()
    nursery.refs[0].alive = False
    nursery.children.bid("a", Flush())

    assert nursery.refs[0].told == []
