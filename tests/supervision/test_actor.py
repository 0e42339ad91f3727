"""The supervisor, unstarted: its children, time, the stop, health."""

import pytest

from actors.actor import UnknownMessage
from actors.messages import (
    BatchWritten,
    Drain,
    GetHealth,
    GetListening,
    Retire,
    StopListening,
    StoreLost,
    StoreOpened,
    Tick,
)
from actors.model import facts
from tests.actor_harness import SLOT, START, House, added, connection_report
from tests.clocks import DAY_S, HOUR_S


def test_the_first_tick_starts_the_vital_children_and_the_lifecycle_connection() -> None:
    house = House().tick()

    assert sorted(house.started()) == ["catalog", "lifecycle", "resolution", "writer"]
    assert house.specs[0].lifecycle


def test_time_is_sent_on_once_a_second() -> None:
    house = House().begin()
    house.ref("writer").clear()
    for _ in range(8):
        house.tick(0.25)

    assert len(house.ref("writer").of(Tick)) == 2


def test_process_alive_is_journalled_every_5_s() -> None:
    house = House().ticks(11)

    assert len(house.facts(facts.ProcessAlive)) == 3


# Faults that a step of the clock may cause: no ProcessAlive until the time is caught up, one at
# every Tick, or a child that is taken for dead.


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -HOUR_S, HOUR_S, 400 * DAY_S])
def test_process_alive_comes_by_the_monotonic_clock_and_shows_the_wall_clock(step_s: float) -> None:
    house = House().begin(1)
    before, started = len(house.facts(facts.ProcessAlive)), house.started()
    house.wall_ns += int(step_s * 1e9)
    shown_ns = house.wall_ns
    house.ticks(60)

    records = house.facts(facts.ProcessAlive)[before:]
    assert len(records) == 12
    assert all(shown_ns < record.at_ns <= house.wall_ns for record in records)
    assert house.started() == started
    assert house.health().uptime_s == house.now - START


def test_it_beats_only_at_the_end_of_a_tick() -> None:
    house = House().begin()
    before = house.beats
    house.tick(0.25).tick(0.25)
    assert house.beats == before + 2

    house.start_errors["resolution"] = SystemError("a bug of ours")
    house.crash("resolution")
    with pytest.raises(SystemError):
        house.ticks(10)
    beats = house.beats
    with pytest.raises(SystemError):
        house.tick()
    assert house.beats == beats


# ----------------------------------------------------------------------- stop


def test_a_stop_ends_every_connection_at_once() -> None:
    house = House().begin(1, 2)
    house.tell(StopListening())

    for name in (SLOT, "a-0001", "lifecycle"):
        assert house.ref(name).of(Retire) == [Retire(reason="stopped", at_once=True)]
    assert not house.ref("writer").of(Retire)


def test_nothing_starts_while_stopping() -> None:
    house = House().begin(1)
    house.tell(StopListening(), added(2))
    started = house.started()
    house.end(SLOT, "stopped")
    house.crash("writer")
    house.ticks(100)

    assert house.started() == started


def test_a_connection_that_waits_for_its_start_is_removed_at_the_stop() -> None:
    house = House(starts_per_tick=1).begin()
    house.tell(added(1, 2, 3), StopListening())

    assert house.tell().actor.on_receive(GetListening()) == 1
    house.ticks(5)
    assert not [name for name in house.started() if name.startswith("feed")]


def test_the_stop_learns_of_each_end_without_ticks() -> None:
    house = House().begin(1)
    house.tell(StopListening())
    assert house.actor.on_receive(GetListening()) == 2
    house.end(SLOT, "stopped")
    house.end("lifecycle", "stopped")

    assert house.actor.on_receive(GetListening()) == 0
    assert house.noted(SLOT)[-1] == ("disconnected", "stopped")


def test_health_says_that_it_stops() -> None:
    assert House().begin().tell(StopListening()).health().state == "stopping"


# --------------------------------------------------------------------- health


def test_reports_are_folded_into_health() -> None:
    house = House().begin(1)
    house.tell(StoreOpened(server="PostgreSQL 18"))
    said = connection_report(
        SLOT, 1, "listening", house.epoch(SLOT), tokens=2, confirmed=2, trades_total=5
    )
    house.tell(said)
    health = house.health()

    assert health.database.server == "PostgreSQL 18"
    assert (health.connections.wanted, health.connections.live) == (2, 2)
    assert (health.assets.wanted, health.assets.covered) == (2, 2)
    assert health.trades.received_last_minute == 5
    assert health.resolutions.recorded == 3
    assert health.catalog.markets == 1


def test_commits_and_a_lost_database_are_folded_into_health() -> None:
    house = House().begin()
    house.tell(
        StoreOpened(server="PostgreSQL 18"),
        BatchWritten(
            stored=4,
            duplicates=1,
            rejected=0,
            recovered=5,
            watermark=1,
            oldest_received_ns=house.wall_ns,
        ),
    )
    assert house.health().accounting.stored == 4

    house.tell(StoreLost(reason="connection refused"))
    database = house.health().database
    assert (database.state, database.reason) == ("away", "connection refused")


def test_the_death_of_the_writer_leaves_the_count_of_commits_unsure() -> None:
    house = House().begin()
    house.journal.append(b"", weight=1)
    house.crash("writer")
    house.tick()
    house.tell(
        BatchWritten(
            stored=0,
            duplicates=0,
            rejected=0,
            recovered=0,
            watermark=house.journal.next_seq,
            oldest_received_ns=0,
        )
    )
    accounting = house.health().accounting

    assert (accounting.balanced, accounting.adjusted) == (True, -1)


def test_before_the_first_tick_there_is_no_health() -> None:
    with pytest.raises(TimeoutError):
        House().tell(GetHealth())


def test_an_unknown_message_kills_the_supervisor() -> None:
    with pytest.raises(UnknownMessage):
        House().tell(Drain())
