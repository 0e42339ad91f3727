from random import Random
from typing import Any, cast

import pykka
import pytest

from actors.actor import Address
from actors.messages import Flush, Retire, Tick
from actors.supervision.children import Child, Children, Death
from actors.supervision.pacing import ChildSpec, ConnectRate, Escalation
from tests.fakes_box import FakeRef


class Family:
    """Children whose refs are fakes."""

    def __init__(self, *, starts_per_tick: int = 1) -> None:
        self.children = Children(
            rng=Random(1),
            escalation=Escalation(),
            connect_rate=ConnectRate(minimum=starts_per_tick, maximum=starts_per_tick),
        )
        self.refs: list[FakeRef] = []
        self.started: list[tuple[str, int]] = []
        self.failing = False

    def add(
        self,
        name: str,
        *,
        vital: bool = False,
        silence_s: float = 45.0,
        feed: int = 0,
        needed: bool = True,
    ) -> Child:
        def start(incarnation: int, _: Tick) -> "pykka.ActorRef[Any]":
            if self.failing:
                raise RuntimeError("can't start new thread")
            self.refs.append(FakeRef())
            self.started.append((name, incarnation))
            return cast("pykka.ActorRef[Any]", self.refs[-1])

        spec = ChildSpec(
            id=name, vital=vital, silence_s=silence_s, stop_s=5.0, feed=feed, needed=needed
        )
        return self.children.add(spec, start, now=0.0, stop_message=Retire(reason="unresponsive"))

    def start_due(self, now: float = 0.0) -> list[str]:
        return [child.spec.id for child in self.children.start_due(Tick(now=now, wall_ns=1))]

    def reap(self, now: float) -> list[tuple[str, str, bool]]:
        deaths: list[Death] = list(self.children.reap(now))
        return [(death.child.spec.id, death.reason, death.expected) for death in deaths]


def test_vital_children_start_at_once_and_others_one_per_tick() -> None:
    family = Family()
    for name in ("a", "b"):
        family.add(name)
    for name in ("writer", "catalog"):
        family.add(name, vital=True)

    assert family.start_due() == ["writer", "catalog", "a"]
    assert family.start_due() == ["b"]
    assert family.start_due() == []


def test_the_child_that_has_waited_longest_starts_first() -> None:
    family = Family()
    family.add("a").next_start_at = 5.0
    family.add("b").next_start_at = 3.0

    assert family.start_due(4.0) == ["b"]
    assert family.start_due(6.0) == ["a"]


def test_the_first_feed_starts_before_the_second() -> None:
    family = Family(starts_per_tick=2)
    for name, feed, due_at in (("c", 1, 1.0), ("a", 0, 3.0), ("d", 1, 0.0), ("b", 0, 2.0)):
        family.add(name, feed=feed).next_start_at = due_at

    assert family.start_due(4.0) == ["b", "a"]
    assert family.start_due(4.0) == ["d", "c"]


def test_more_start_at_a_time_when_all_are_served_and_few_when_they_fail() -> None:
    family = Family()
    family.children.connect_rate = ConnectRate()
    for number in range(120):
        family.add(f"c{number:03}")
    counts: list[int] = []
    while len(counts) < 8:
        started = family.start_due()
        counts.append(len(started))
        for name in started:
            assert family.children.served(family.children.by_id[name])
    assert counts == [1, 1, 1, 1, 2, 2, 3, 3]

    failed = family.children.by_id[family.start_due()[0]]
    failed.end_reason = "http_429"
    family.refs[-4].alive = False
    family.reap(1.0)
    assert len(family.start_due()) == 2


def test_the_end_of_one_that_was_served_or_retires_slows_no_other_down() -> None:
    family = Family()
    family.children.connect_rate = ConnectRate()
    for name in ("heard", "leaving", "next"):
        family.add(name)
    for _ in range(36):
        family.children.connect_rate.succeeded()
    family.start_due()
    family.children.served(family.children.by_id["heard"])
    family.children.retire("leaving", Retire(reason="released"))
    for name in ("heard", "leaving"):
        family.children.by_id[name].end_reason = "reset"
    for ref in family.refs[:2]:
        ref.alive = False
    assert len(family.reap(1.0)) == 2

    assert family.children.connect_rate.allowed(1.0) == 10


def test_one_that_is_accepted_and_ends_without_data_slows_all_down() -> None:
    family = Family()
    family.children.connect_rate = ConnectRate()
    for _ in range(36):
        family.children.connect_rate.succeeded()
    child = family.add("a")
    family.start_due()
    child.epoch, child.end_reason, family.refs[0].alive = 7, "disconnected", False
    family.reap(1.0)

    assert family.children.connect_rate.allowed(1.0) == 5
    assert child.failures == 1


def test_a_connection_whose_markets_are_resolved_did_not_fail() -> None:
    family = Family()
    family.children.connect_rate = ConnectRate()
    child = family.add("a")
    family.start_due()
    child.end_reason, family.refs[0].alive = "all_resolved", False
    family.reap(1.0)

    assert (family.children.connect_rate.allowed(1.0), child.failures) == (1, 0)


def test_a_feed_that_fails_does_not_keep_the_other_one_waiting() -> None:
    family = Family()
    for name, feed in (("a", 0), ("b", 1), ("c", 1)):
        family.add(name, feed=feed)
    family.start_due()
    family.children.by_id["a"].end_reason, family.refs[0].alive = "reset", False
    family.reap(1.0)

    assert [family.start_due(60.0) for _ in range(3)] == [["b"], ["c"], ["a"]]


def test_an_incarnation_is_served_once() -> None:
    family = Family()
    child = family.add("a")
    family.start_due()
    assert family.children.served(child)
    assert not family.children.served(child)
    assert (child.listened, child.failures) == (1, 0)


@pytest.mark.no_cover  # see CONTRIBUTING.md
@pytest.mark.parametrize("connections", [5, 200, 4400])
def test_a_server_that_accepts_and_drops_is_dialled_a_few_dozen_times_in_240_s(
    connections: int,
) -> None:
    family = Family()
    family.children.connect_rate = ConnectRate()
    for number in range(connections):
        family.add(f"c{number:04}")
    by_minute = [0, 0, 0, 0]
    for tick in range(240 * 4):
        now = tick / 4
        list(family.children.reap(now))
        for name in family.start_due(now):
            by_minute[tick // 240] += 1
            child = family.children.by_id[name]
            child.epoch, child.end_reason = 1, "disconnected"
            family.refs[-1].alive = False

    assert sum(by_minute) < 40
    assert by_minute[3] <= 8


def test_an_address_leads_to_the_current_incarnation() -> None:
    family = Family()
    child = family.add("a")
    child.address.tell(Flush())
    family.start_due()
    child.address.tell(Flush())
    family.refs[0].alive = False
    child.end_reason = "reset"
    family.reap(1.0)
    child.address.tell(Flush())
    family.start_due(10.0)
    child.address.tell(Flush())

    assert [len(ref.received) for ref in family.refs] == [1, 1]
    assert family.started == [("a", 1), ("a", 2)]


def test_a_given_address_is_used() -> None:
    family, address = Family(), Address()
    ref = FakeRef()
    spec = ChildSpec(id="writer", vital=True, silence_s=1.0, stop_s=1.0)
    family.children.add(
        spec, lambda _, __: cast("pykka.ActorRef[Any]", ref), now=0.0, address=address
    )
    family.start_due()
    address.tell(Flush())

    assert ref.received == [Flush()]


def test_a_start_without_threads_is_tried_again_later_as_another_incarnation() -> None:
    family = Family()
    child = family.add("a")
    family.failing = True
    assert family.start_due() == []
    assert child.last_reason == "cannot start: can't start new thread"
    assert child.next_start_at > 0.0

    family.failing = False
    assert family.start_due(2.0) == ["a"]
    assert family.started == [("a", 2)]


def test_another_error_of_a_start_is_not_hidden() -> None:
    family = Family()
    spec = ChildSpec(id="a", vital=False, silence_s=1.0, stop_s=1.0)

    def start(_: int, __: Tick) -> "pykka.ActorRef[Any]":
        raise ValueError("wrong")

    family.children.add(spec, start, now=0.0)
    with pytest.raises(ValueError, match="wrong"):
        family.start_due()


def test_a_child_that_runs_and_reports_is_not_dead() -> None:
    family = Family()
    child = family.add("a")
    family.start_due()
    for now in range(100):
        child.reported_at = float(now)
        assert family.reap(float(now)) == []


def test_an_expected_end_costs_no_budget() -> None:
    family = Family()
    child = family.add("a")
    for number in range(30):
        family.start_due(number * 100.0)
        family.refs[-1].alive = False
        child.end_reason = "reset"
        assert family.reap(number * 100.0) == [("a", "reset", True)]
    assert family.children.give_up_reason(3_000.0) == ""
    assert not child.budget.spent


def test_the_reason_of_the_last_incarnation_does_not_explain_the_end_of_the_next() -> None:
    family = Family()
    child = family.add("a")
    family.start_due()
    family.refs[-1].alive = False
    child.end_reason = "reset"
    family.reap(0.0)
    family.start_due(10.0)
    family.refs[-1].alive = False
    family.reap(10.0)

    assert family.reap(13.0) == [("a", "died without a reason", False)]


def test_the_dead_have_3_s_for_their_explanation() -> None:
    family = Family()
    child = family.add("a")
    family.start_due()
    family.refs[0].alive = False
    assert family.reap(1.0) == []
    assert family.reap(3.9) == []
    child.crash = ("ValueError: boom", "Traceback …")

    (death,) = family.children.reap(3.95)
    assert (death.reason, death.traceback, death.expected) == (
        "ValueError: boom",
        "Traceback …",
        False,
    )


def test_an_error_on_the_way_out_does_not_make_an_expected_end_unexpected() -> None:
    family = Family()
    child = family.add("a")
    family.start_due()
    family.refs[0].alive = False
    child.end_reason, child.crash = "reset", ("ValueError", "")

    assert family.reap(1.0) == [("a", "reset", True)]


def test_an_unresponsive_incarnation_is_asked_to_end_and_abandoned() -> None:
    family = Family()
    child = family.add("a", silence_s=10.0)
    family.start_due()
    for now in (4.0, 8.0, 10.0):
        assert family.reap(now) == []

    assert family.reap(11.0) == [("a", "unresponsive", False)]
    assert family.refs[0].of(Retire) == [Retire(reason="unresponsive")]
    assert family.refs[0].asked_to_stop
    assert family.children.current("a", 1) is None
    assert family.start_due(11.0) == ["a"]
    assert family.children.current("a", 2) is child


def test_a_pause_of_the_process_is_no_silence() -> None:
    family = Family()
    family.add("a", silence_s=10.0)
    family.start_due()
    family.reap(8.0)
    family.reap(500.0)
    assert family.reap(502.0) == []

    assert family.reap(503.0) == [("a", "unresponsive", False)]


def test_four_stuck_threads_are_a_reason_to_give_up() -> None:
    family = Family(starts_per_tick=9)
    for name in "abcd":
        family.add(name, silence_s=1.0)
    family.start_due()
    family.reap(0.5)
    family.reap(2.0)
    assert family.children.give_up_reason(2.0) == "too many threads are stuck"

    family.refs[0].alive = False
    assert family.children.give_up_reason(2.0) == ""


def test_too_many_unexpected_deaths_are_a_reason_to_give_up() -> None:
    family = Family()
    child = family.add("writer", vital=True)
    for now in (0.0, 10.0, 20.0):
        assert family.children.give_up_reason(now) == ""
        family.start_due(now)
        family.refs[-1].alive = False
        child.crash = ("ValueError", "")
        family.reap(now)

    assert family.children.give_up_reason(20.0) == "too many unexpected deaths"


def test_an_unknown_name_or_another_number_is_not_current() -> None:
    family = Family()
    family.add("a")
    assert family.children.current("a", 0) is None
    family.start_due()

    assert family.children.current("b", 1) is None
    assert family.children.current("a", 2) is None
    assert family.children.current("a", 1) is not None


def test_a_child_that_retires_is_not_restarted() -> None:
    family = Family()
    child = family.add("a")
    family.start_due()
    family.children.retire("a", Retire(reason="released"))
    assert family.refs[0].received == [Retire(reason="released")]
    family.refs[0].alive = False
    child.end_reason = "released"

    assert family.reap(1.0) == [("a", "released", True)]
    assert family.start_due(1_000.0) == []
    assert family.children.by_id == {}


def test_a_child_that_was_not_started_retires_without_a_message() -> None:
    family = Family()
    family.add("a")
    family.children.retire("a", Retire(reason="released"))
    family.children.retire("a", Retire(reason="released"))

    assert family.start_due() == []


def test_every_vital_child_that_runs_receives_the_time() -> None:
    family = Family()
    for name in "abc":
        family.add(name, vital=name != "c")
    family.start_due()
    family.refs[0].alive = False
    now = Tick(now=100.0, wall_ns=1)
    family.children.tick_vital(now)

    assert [ref.received for ref in family.refs] == [[], [now], []]


def test_connections_that_run_receive_the_time_each_when_it_is_due() -> None:
    family = Family(starts_per_tick=2)
    for name in "abc":
        family.add(name, vital=name == "c")
    family.start_due()
    family.refs[1].alive = False
    for now in (100.0, 100.25, 101.0):
        family.children.tick_connections(Tick(now=now, wall_ns=1))

    assert [[tick.now for tick in ref.of(Tick)] for ref in family.refs] == [[], [], [100, 101]]


def test_the_ticks_of_connections_say_that_the_exchange_is_silent() -> None:
    family = Family()
    family.add("a")
    family.start_due()
    for now, silent in ((100.0, True), (101.0, False)):
        family.children.tick_vital(Tick(now=now, wall_ns=1, exchange_silent=silent))
        for later in (now, now + 0.25):
            family.children.tick_connections(Tick(now=later, wall_ns=1))
    family.children.tick_connections(Tick(now=102.1, wall_ns=1))

    said = [(tick.now, tick.exchange_silent) for tick in family.refs[0].of(Tick)]
    assert said == [(100.0, True), (101.0, False), (102.1, False)]


def test_before_a_message_a_connection_receives_the_time() -> None:
    family = Family(starts_per_tick=400)
    for number in range(400):
        family.add(str(number))
    family.start_due()
    children = family.children
    children.tick_connections(Tick(now=100.0, wall_ns=1))
    children.ticks.request("7", 200.0)
    now = Tick(now=101.1, wall_ns=2)
    children.tick_connections(now)
    family.refs[7].clear()
    children.send("7", Flush())
    children.send("7", Flush())

    assert family.refs[7].received == [now, Flush(), Flush()]


def test_a_message_to_one_that_does_not_run_is_lost() -> None:
    family = Family()
    family.add("a")
    family.children.send("a", Flush())
    family.start_due()
    family.refs[0].alive = False
    family.children.send("a", Flush())

    assert family.refs[0].received == []


def test_no_more_connections_run_than_may_be_open() -> None:
    family = Family(starts_per_tick=9)
    family.children.most_connections = 2
    family.add("writer", vital=True)
    for name in ("a", "b", "c"):
        family.add(name)
    assert family.start_due() == ["writer", "a", "b"]
    assert family.start_due() == []
    family.children.by_id["a"].end_reason, family.refs[1].alive = "reset", False
    family.reap(1.0)
    assert family.start_due(1.0) == ["c"]


def end(family: Family, name: str, now: float) -> None:
    child = family.children.by_id[name]
    child.end_reason = "reset"
    assert child.ref is not None
    family.refs[family.started.index((name, child.incarnation))].alive = False
    family.reap(now)


def test_one_that_was_served_starts_again_before_those_that_never_were() -> None:
    family = Family(starts_per_tick=1)
    family.add("b", feed=1)
    assert family.start_due() == ["b"]
    family.children.served(family.children.by_id["b"])
    family.add("a")
    end(family, "b", 1.0)
    assert family.start_due(9.0) == ["b"]
    assert family.start_due(9.0) == ["a"]


def test_new_connections_leave_the_places_of_those_that_wait_to_be_tried_again() -> None:
    family = Family(starts_per_tick=9)
    family.children.most_connections = 2
    family.add("real")
    assert family.start_due() == ["real"]
    family.children.served(family.children.by_id["real"])
    for name in ("new-1", "new-2", "new-3"):
        family.add(name)
    assert family.start_due() == ["new-1"]
    end(family, "real", 1.0)
    family.children.by_id["real"].next_start_at = 5.0

    assert family.start_due(2.0) == []
    assert family.start_due(5.0) == ["real"]


@pytest.mark.parametrize("needed", [True, False])
def test_deaths_of_a_child_that_nothing_needs_never_end_the_process(*, needed: bool) -> None:
    family = Family()
    child = family.add("stream", vital=True, needed=needed)
    now = 0.0
    for _ in range(30):
        now = max(now, child.next_start_at) + 0.25
        family.start_due(now)
        family.refs[-1].alive = False
        while not family.reap(now):
            now += 1.0
        if family.children.give_up_reason(now):
            break

    assert bool(family.children.give_up_reason(now)) is needed
    assert len(family.started) == (30 if not needed else len(family.started))
    assert child.next_start_at - now <= 300.0
