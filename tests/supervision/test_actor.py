"""The supervisor, unstarted: its children, time, the stop, health."""

import msgspec
import pytest

from actors.actor import UnknownMessage
from actors.messages import (
    BatchWritten,
    CoverageForgotten,
    Drain,
    GetConnections,
    GetHealth,
    GetListening,
    RenewEpoch,
    Report,
    Retire,
    StopListening,
    StoreLost,
    StoreOpened,
    Tick,
    UniverseChanged,
)
from actors.model import facts
from actors.model.conversion import instant
from actors.model.trade import TokenId
from tests.actor_harness import (
    SLOT,
    START,
    SupervisorHarness,
    added,
    connection_report,
    market,
)
from tests.clocks import DAY_S, HOUR_S


def test_the_first_tick_starts_the_vital_children_and_the_lifecycle_connection() -> None:
    harness = SupervisorHarness().tick()

    assert sorted(harness.started()) == ["catalog", "lifecycle", "resolution", "writer"]
    assert harness.specs[0].lifecycle


def test_time_is_sent_on_once_a_second() -> None:
    harness = SupervisorHarness().begin()
    harness.ref("writer").clear()
    for _ in range(8):
        harness.tick(0.25)

    assert len(harness.ref("writer").of(Tick)) == 2


def test_process_alive_is_journalled_every_5_s() -> None:
    harness = SupervisorHarness().ticks(11)

    assert len(harness.facts(facts.ProcessAlive)) == 3


# Faults that a step of the clock may cause: no ProcessAlive until the time is caught up, one at
# every Tick, or a child that is taken for dead.


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -HOUR_S, HOUR_S, 400 * DAY_S])
def test_process_alive_comes_by_the_monotonic_clock_and_shows_the_wall_clock(step_s: float) -> None:
    harness = SupervisorHarness().begin(1)
    before, started = len(harness.facts(facts.ProcessAlive)), harness.started()
    harness.wall_ns += int(step_s * 1e9)
    shown_ns = harness.wall_ns
    harness.ticks(60)

    records = harness.facts(facts.ProcessAlive)[before:]
    assert len(records) == 12
    assert all(shown_ns < record.at_ns <= harness.wall_ns for record in records)
    assert harness.started() == started
    assert harness.health().uptime_s == harness.now - START


def test_it_beats_only_at_the_end_of_a_tick() -> None:
    harness = SupervisorHarness().begin()
    before = harness.beats
    harness.tick(0.25).tick(0.25)
    assert harness.beats == before + 2

    harness.start_errors["resolution"] = SystemError("a bug of ours")
    harness.crash("resolution")
    with pytest.raises(SystemError):
        harness.ticks(10)
    beats = harness.beats
    with pytest.raises(SystemError):
        harness.tick()
    assert harness.beats == beats


def test_a_writer_in_a_long_transaction_is_not_taken_for_stuck() -> None:
    harness = SupervisorHarness().begin()
    harness.mute.add("writer")
    for _ in range(30):
        harness.ticks(10).tell(Report(child="writer", incarnation=1, now=harness.now))
    assert harness.incarnation("writer") == 1

    harness.ticks(300)
    assert harness.incarnation("writer") > 1


# ------------------------------------------------------------------- coverage


def test_only_connections_that_listen_or_begin_to_are_named_to_be_asked() -> None:
    harness = SupervisorHarness(starts_per_tick=2)

    def named() -> list[str]:
        return [name for name, _ in harness.actor.on_receive(GetConnections())]

    assert named() == []
    harness.begin(1)
    assert named() == ["lifecycle", SLOT]
    # One that opens its socket blocks for seconds and covers nothing.
    harness.mute.add(SLOT)
    harness.end(SLOT, "reset")
    harness.tick()
    assert named() == ["lifecycle"]
    harness.ticks(3)
    assert harness.started().count(SLOT) == 2
    assert named() == ["lifecycle"]
    harness.report(SLOT)
    assert named() == ["lifecycle", SLOT]


# ----------------------------------------------------------------------- stop


def test_a_stop_ends_every_connection_at_once() -> None:
    harness = SupervisorHarness().begin(1, 2)
    harness.tell(StopListening())

    for name in (SLOT, "a-0001", "lifecycle"):
        assert harness.ref(name).of(Retire) == [Retire(reason="stopped", at_once=True)]
    assert not harness.ref("writer").of(Retire)


def test_nothing_starts_while_stopping() -> None:
    harness = SupervisorHarness().begin(1)
    harness.tell(StopListening(), added(2))
    started = harness.started()
    harness.end(SLOT, "stopped")
    harness.crash("writer")
    harness.ticks(100)

    assert harness.started() == started


def test_a_connection_that_waits_for_its_start_is_removed_at_the_stop() -> None:
    harness = SupervisorHarness(starts_per_tick=1).begin()
    harness.tell(added(1, 2, 3), StopListening())

    assert harness.tell().actor.on_receive(GetListening()) == 1
    harness.ticks(5)
    assert not [name for name in harness.started() if name.startswith("feed")]


def test_the_stop_learns_of_each_end_without_ticks() -> None:
    harness = SupervisorHarness().begin(1)
    harness.tell(StopListening())
    assert harness.actor.on_receive(GetListening()) == 2
    harness.end(SLOT, "stopped")
    harness.end("lifecycle", "stopped")

    assert harness.actor.on_receive(GetListening()) == 0
    assert harness.noted(SLOT)[-1] == ("disconnected", "stopped")


def test_health_says_that_it_stops() -> None:
    assert SupervisorHarness().begin().tell(StopListening()).health().state == "stopping"


# --------------------------------------------------------------------- health


def test_reports_are_folded_into_health() -> None:
    harness = SupervisorHarness().begin(1)
    harness.tell(
        StoreOpened(
            server="PostgreSQL 18", identity="1d", unsafe=("fsync=off",), unverified=("db (…)",)
        )
    )
    said = connection_report(
        SLOT, 1, "listening", harness.epoch(SLOT), tokens=2, confirmed=2, trades_total=5
    )
    harness.tell(said)
    health = harness.health()

    assert (health.database.server, health.database.identity) == ("PostgreSQL 18", "1d")
    assert health.database.unsafe == ("fsync=off",)
    assert health.database.unverified == ("db (…)",)
    assert (health.connections.wanted, health.connections.live) == (2, 2)
    assert (health.assets.wanted, health.assets.covered) == (2, 2)
    assert health.trades.received_last_minute == 5
    assert health.resolutions.recorded == 3
    assert health.catalog.markets == 1


def test_commits_and_a_lost_database_are_folded_into_health() -> None:
    harness = SupervisorHarness().begin()
    harness.tell(
        StoreOpened(server="PostgreSQL 18"),
        BatchWritten(
            stored=4,
            duplicates=1,
            rejected=0,
            recovered=5,
            watermark=1,
            oldest_received_ns=harness.wall_ns,
        ),
    )
    assert harness.health().accounting.stored == 4

    harness.tell(StoreLost(reason="connection refused"))
    database = harness.health().database
    assert (database.state, database.reason) == ("away", "connection refused")


def test_the_death_of_the_writer_leaves_the_count_of_commits_unsure() -> None:
    harness = SupervisorHarness().begin()
    harness.journal.append(b"", weight=1)
    harness.crash("writer")
    harness.tick()
    harness.tell(
        BatchWritten(
            stored=0,
            duplicates=0,
            rejected=0,
            recovered=0,
            watermark=harness.journal.next_seq,
            oldest_received_ns=0,
        )
    )
    accounting = harness.health().accounting

    assert (accounting.balanced, accounting.adjusted) == (True, -1)


def test_before_the_first_tick_there_is_no_health() -> None:
    with pytest.raises(TimeoutError):
        SupervisorHarness().tell(GetHealth())


def test_an_unknown_message_kills_the_supervisor() -> None:
    with pytest.raises(UnknownMessage):
        SupervisorHarness().tell(Drain())


def test_a_database_that_has_forgotten_the_coverage_is_told_all_of_it_again() -> None:
    harness = SupervisorHarness().begin(1, 2)
    wanted = {token for fact in harness.facts(facts.TokensWanted) for token in fact.tokens}
    before = len(harness.journal.bodies)
    harness.tell(CoverageForgotten(since_ns=7))

    told = [facts.decode(body) for body in list(harness.journal.bodies.values())[before:]]
    started, *wishes = told
    assert isinstance(started, facts.ProcessStarted)
    assert started.at_ns == harness.wall_ns
    assert all(isinstance(each, facts.TokensWanted) and each.at_ns == 7 for each in wishes)
    again = [
        each for fact in wishes if isinstance(fact, facts.TokensWanted) for each in fact.tokens
    ]
    assert sorted(again) == sorted(wanted)
    # After the start: what they say of an epoch from before it would not count.
    for name in ("lifecycle", SLOT):
        assert harness.ref(name).of(RenewEpoch)


def test_an_empty_database_is_told_that_all_is_wanted_from_now_on() -> None:
    harness = SupervisorHarness().begin(1)
    before = len(harness.facts(facts.TokensWanted))
    harness.tell(CoverageForgotten())
    assert [fact.at_ns for fact in harness.facts(facts.TokensWanted)[before:]] == [harness.wall_ns]


def test_nothing_is_told_again_while_the_process_stops() -> None:
    harness = SupervisorHarness().begin(1)
    harness.tell(StopListening())
    before = len(harness.journal.bodies)
    harness.tell(CoverageForgotten())
    assert len(harness.journal.bodies) == before


def test_what_earlier_processes_wanted_and_the_database_lacks_is_wanted_since_then() -> None:
    """A wish that this one has told already began later, and would be kept."""
    harness = SupervisorHarness().begin(1)
    before = len(harness.journal.bodies)
    since_ns = harness.wall_ns - 60_000_000_000
    harness.tell(CoverageForgotten(since_ns=since_ns, is_earlier=True))
    told = [facts.decode(body) for body in list(harness.journal.bodies.values())[before:]]
    assert told[1:] == [
        facts.TokensUnwanted(harness.wall_ns, (TokenId("11"), TokenId("12"))),
        facts.TokensWanted(since_ns, (TokenId("11"), TokenId("12"))),
    ]

    began = instant(harness.wall_ns - 30_000_000_000)
    markets = (
        market(2),
        msgspec.structs.replace(market(3), started_at=began),
        msgspec.structs.replace(market(4), started_at=instant(harness.wall_ns + 10**12)),
        market(5),
    )
    harness.tell(
        UniverseChanged(
            added=markets, removed=(), is_first=True, overlooked=((market(5).condition_id, 9),)
        )
    )
    harness.tell(added(6))  # found later: that one an earlier process did not know
    first: dict[str, int] = {}
    for fact in harness.facts(facts.TokensWanted):
        for token in fact.tokens:
            first.setdefault(token, fact.at_ns)
    assert (first["21"], first["31"]) == (since_ns, harness.wall_ns - 30_000_000_000)
    assert (first["41"], first["51"], first["61"]) == (harness.wall_ns, 9, harness.wall_ns)


def test_the_first_listing_is_wanted_from_now_on_when_nothing_was_lost() -> None:
    harness = SupervisorHarness().begin()
    harness.tell(UniverseChanged(added=(market(1),), removed=(), is_first=True))
    assert {fact.at_ns for fact in harness.facts(facts.TokensWanted)} == {harness.wall_ns}
