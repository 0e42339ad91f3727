"""What operators are told, from what the parts of the tracker reported."""

from typing import Any

import msgspec
import pytest

from actors.logic import alarm
from actors.logic.health import Health, HealthState, Limits
from actors.messages import BatchWritten, CatalogReport, ConnectionReport, ResolutionReport

START = 1_000.0
WALL = 1_780_000_000_000_000_000


def state() -> HealthState:
    return HealthState(version="1.2.3", host="here", pid=7, now=START, wall_ns=WALL)


def document(health: HealthState, now: float) -> Health:
    return health.document(now, WALL + int((now - START) * 1e9))


def connection(child: str = "leg0-0001", **said: Any) -> ConnectionReport:
    values: dict[str, Any] = {
        "incarnation": 1,
        "now": 0.0,
        "state": "listening",
        "epoch": 5,
        "tokens": 10,
        "confirmed": 10,
        "prints_total": 0,
        "refused_total": 0,
        "frames_total": 0,
        "bytes_total": 0,
        "last_data_at": said.get("last_data_at", START),
        "proven_until_ns": 0,
        "unknown_total": 0,
    }
    return ConnectionReport(child=child, **{**values, **said})


def batch(**said: Any) -> BatchWritten:
    values: dict[str, Any] = {
        "stored": 0,
        "repeated": 0,
        "refused": 0,
        "recovered": 0,
        "mark": 1,
        "oldest_received_ns": 0,
    }
    return BatchWritten(**{**values, **said})


def commit(health: HealthState, *, at: float = START + 5, **said: Any) -> None:
    health.batch_written(batch(**said), at=at, wall_ns=WALL)


class JournalStats(msgspec.Struct, frozen=True, kw_only=True):
    next_seq: int = 1
    durable_seq: int = 0
    bytes: int = 100
    cap_bytes: int = 1000
    free_bytes: int = 1 << 40
    sync_p99_s: float = 0.004
    weight_appended: int = 0
    full: bool = False


def sample(health: HealthState, *, oldest_s: float = 0.0, **said: Any) -> None:
    health.journal_sampled(JournalStats(**said), oldest_s=oldest_s)


def outcomes(**said: Any) -> ResolutionReport:
    values: dict[str, Any] = {
        "child": "resolution",
        "incarnation": 1,
        "now": 0.0,
        "recorded_total": 0,
        "conflicts_total": 0,
        "pending": (),
        "sources": (("gamma", "ok"),),
        "waiting": 0,
    }
    return ResolutionReport(**{**values, **said})


def catalog(error: str = "") -> CatalogReport:
    return CatalogReport(
        child="catalog",
        incarnation=1,
        now=0.0,
        markets=5,
        last_sweep_at=START,
        last_error=error,
        waiting=0,
    )


def well() -> HealthState:
    """Give a tracker in its best state, one second after its start."""
    health = state()
    health.universe_planned(wanted=10)
    for leg, child in enumerate(("leg0-0001", "leg1-0001")):
        health.connection_wanted(child, leg=leg, at=START)
        health.connection_reported(connection(child), at=START + 1)
    health.store_opened(server="PostgreSQL 18")
    health.writer_reported(state="live", waiting=0)
    sample(health)
    health.catalog_reported(catalog(), at=START + 1)
    health.resolution_reported(outcomes(), at=START + 1)
    return health


def codes(health: HealthState, now: float) -> tuple[str, ...]:
    return document(health, now).codes


# ------------------------------------------------------------------------ state


def test_a_tracker_that_lacks_nothing_is_healthy() -> None:
    said = document(well(), START + 2)
    assert (said.state, said.reasons, said.codes) == ("healthy", (), ())


def test_a_young_tracker_is_starting_and_says_what_it_waits_for() -> None:
    said = document(state(), START + 5)
    assert said.state == "starting"
    assert said.reasons == ("waiting for the database", "waiting for the first connection")


def test_a_start_that_takes_too_long_is_degraded() -> None:
    said = document(state(), START + 61)
    assert said.state == "degraded"
    assert "database_away" in said.codes
    assert len(said.codes) == len(said.reasons)


def test_a_tracker_on_its_way_out_says_so() -> None:
    health = well()
    health.stopping()
    assert document(health, START + 2).state == "stopping"


def test_a_started_tracker_that_loses_its_database_is_degraded_at_once_with_the_reason() -> None:
    health = well()
    health.store_lost(reason="connection refused", at=START + 10)
    said = document(health, START + 22)
    assert said.reasons == ("database away for 12 s: connection refused",)
    health.store_opened(server="PostgreSQL 18")
    assert document(health, START + 23).state == "healthy"


def _drop(health: HealthState, *children: str) -> None:
    for child in children:
        health.connection_ended(child, reason="reset", at=START + 5)


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("database_behind", lambda h: commit(h, oldest_received_ns=WALL - 61_000_000_000)),
        ("no_connection_live", lambda h: _drop(h, "leg0-0001", "leg1-0001")),
        ("nothing_to_watch", lambda h: h.universe_planned(wanted=0)),
        ("journal_filling", lambda h: sample(h, bytes=801)),
        ("journal_full", lambda h: sample(h, bytes=999, full=True)),
        ("database_behind", lambda h: sample(h, next_seq=9, oldest_s=61.0)),
        ("disk_low", lambda h: sample(h, free_bytes=1 << 20)),
        (
            "protocol_drift",
            lambda h: h.connection_reported(connection(unknown_total=2), at=START + 5),
        ),
        (
            "resolution_conflicts",
            lambda h: h.resolution_reported(outcomes(conflicts_total=1), at=START + 5),
        ),
        ("books_unbalanced", lambda h: sample(h, weight_appended=-1)),
    ],
)
def test_each_of_these_degrades_health_at_once(code: str, spoil: Any) -> None:
    health = well()
    spoil(health)
    said = document(health, START + 6)
    assert (said.state, said.codes) == ("degraded", (code,))


def test_connections_count_as_down_only_after_a_minute() -> None:
    health = well()
    _drop(health, "leg0-0001")
    assert codes(health, START + 60) == ()
    assert codes(health, START + 66) == ("connections_down",)


def test_tokens_count_as_unconfirmed_only_after_a_minute() -> None:
    health = well()
    for child in ("leg0-0001", "leg1-0001"):
        health.connection_reported(connection(child, confirmed=7), at=START + 5)
    assert document(health, START + 60).assets.never_confirmed == 0
    said = document(health, START + 66)
    assert (said.codes, said.assets.never_confirmed) == (("tokens_unconfirmed",), 3)


def test_a_token_is_covered_when_one_leg_hears_it() -> None:
    health = well()
    health.connection_reported(connection(confirmed=3), at=START + 5)
    said = document(health, START + 90).assets
    assert (said.wanted, said.covered, said.never_confirmed) == (10, 10, 0)


@pytest.mark.parametrize("code", ["source_failing", "catalog_failing"])
def test_a_source_may_fail_for_five_minutes_before_health_suffers(code: str) -> None:
    health = well()
    for at in (START + 10, START + 100):
        if code == "source_failing":
            health.resolution_reported(outcomes(sources=(("clob", "timeout"),)), at=at)
        else:
            health.catalog_reported(catalog("timeout"), at=at)
    assert codes(health, START + 300) == ()
    assert codes(health, START + 311) == (code,)
    health.resolution_reported(outcomes(sources=(("clob", "ok"),)), at=START + 312)
    health.catalog_reported(catalog(), at=START + 312)
    assert codes(health, START + 313) == ()


def test_three_deaths_of_one_child_within_five_minutes_are_a_loop() -> None:
    health = well()
    for at in (0.0, 100.0):
        health.child_died("writer", at=START + at, writer=True)
        health.child_died("catalog", at=START + at)
    assert codes(health, START + 101) == ()
    health.child_died("catalog", at=START + 200)
    said = document(health, START + 201)
    assert said.codes == ("restart_loop",)
    assert (said.restarts.total, said.restarts.children) == (5, {"catalog": 3, "writer": 2})
    assert codes(health, START + 301) == ()


def test_silence_of_most_connections_together_is_told_apart_from_lost_ones() -> None:
    health = state()
    health.universe_planned(wanted=10)
    health.store_opened(server="x")
    for number in range(4):
        health.connection_wanted(f"c{number}", leg=0, at=START)
        heard = START + 100 if number == 0 else START + 1
        health.connection_reported(connection(f"c{number}", last_data_at=heard), at=START + 100)
    said = document(health, START + 100)
    assert said.codes == ("exchange_silent",)
    assert [one.state for one in said.connections.each] == ["listening", *["silent"] * 3]


def test_a_connection_without_tokens_may_hear_nothing_for_hours() -> None:
    health = well()
    health.connection_wanted("lifecycle", leg=0, at=START)
    for child in ("leg0-0001", "leg1-0001"):
        health.connection_reported(connection(child, last_data_at=START + 5000), at=START + 5000)
    health.connection_reported(connection("lifecycle", tokens=0, confirmed=0), at=START + 5000)
    said = document(health, START + 5001)
    assert (said.state, said.connections.live, said.connections.silent) == ("healthy", 3, 0)


def test_every_rule_has_a_code_of_its_own() -> None:
    assert len({code for code, _ in alarm.RULES}) == len(alarm.RULES)


# ------------------------------------------------------------------ connections


def test_a_connection_that_listens_again_is_a_reconnect_with_its_reason() -> None:
    health = well()
    health.connection_ended("leg0-0001", reason="reset", at=START + 10)
    assert document(health, START + 11).connections.live == 1
    health.connection_reported(connection(incarnation=2), at=START + 13)
    said = document(health, START + 20)
    assert said.last_reconnect is not None
    assert (said.last_reconnect.connection, said.last_reconnect.reason) == ("leg0-0001", "reset")
    assert said.last_reconnect.at == "2026-05-28T20:26:53.000Z"
    assert said.connections.reconnects_total == said.connections.each[0].reconnects == 1
    assert said.restarts.total == 0


def test_the_counts_of_a_connection_go_on_over_its_lives() -> None:
    health = well()
    health.connection_reported(connection(prints_total=5, refused_total=1), at=START + 2)
    health.connection_reported(
        connection(incarnation=2, prints_total=2, refused_total=1, bytes_total=9), at=START + 3
    )
    one = document(health, START + 4).connections.each[0]
    assert (one.prints, one.last_minute, one.refused, one.bytes) == (7, 7, 2, 9)


def test_the_report_of_a_former_life_changes_nothing() -> None:
    health = well()
    health.connection_reported(connection(incarnation=2, prints_total=2), at=START + 3)
    health.connection_reported(connection(incarnation=1, prints_total=50), at=START + 4)
    assert document(health, START + 5).connections.each[0].prints == 2


def test_a_connection_that_the_plan_let_go_is_forgotten() -> None:
    health = well()
    health.connection_let_go("leg0-0001")
    health.connection_reported(connection(), at=START + 3)
    health.connection_ended("leg0-0001", reason="closed", at=START + 3)
    assert [one.id for one in document(health, START + 4).connections.each] == ["leg1-0001"]


# ------------------------------------------------------------------------ books


def test_the_books_show_what_waits_in_the_journal() -> None:
    health = well()
    commit(health, at=START + 2, stored=3, repeated=2, refused=1, mark=4)
    sample(health, next_seq=8, weight_appended=10)
    said = document(health, START + 3)
    books = said.books
    assert (books.received, books.in_journal, books.balanced) == (10, 4, True)
    assert said.journal.pending_records == 4


def test_a_print_that_vanished_unbalances_the_books() -> None:
    health = well()
    commit(health, at=START + 2, stored=9, mark=8)
    sample(health, next_seq=8, weight_appended=10)
    assert codes(health, START + 3) == ("books_unbalanced",)


def test_a_print_counted_twice_unbalances_the_books() -> None:
    health = well()
    commit(health, at=START + 2, stored=11, mark=4)
    sample(health, next_seq=8, weight_appended=10)
    assert codes(health, START + 3) == ("books_unbalanced",)


def test_what_an_earlier_process_left_behind_is_balanced_by_its_own_column() -> None:
    health = well()
    commit(health, at=START + 2, stored=9, recovered=4, mark=8)
    sample(health, next_seq=8, weight_appended=5)
    books = document(health, START + 3).books
    assert (books.recovered, books.in_journal, books.balanced) == (4, 0, True)


@pytest.mark.parametrize("told", [7, 13])
def test_a_writer_that_lost_count_is_settled_when_the_journal_is_empty(told: int) -> None:
    health = well()
    health.store_lost(reason="reset during commit", at=START + 1)
    health.store_opened(server="x")
    commit(health, at=START + 2, stored=told, mark=4)
    sample(health, next_seq=8, weight_appended=10)
    assert document(health, START + 3).books.balanced
    commit(health, at=START + 4, mark=8)
    sample(health, next_seq=8, weight_appended=10)
    books = document(health, START + 5).books
    assert (books.adjusted, books.in_journal, books.balanced) == (told - 10, 0, True)
    sample(health, next_seq=8, weight_appended=11)
    assert codes(health, START + 6) == ("books_unbalanced",)


# --------------------------------------------------------------------- document


def test_the_document_is_json_with_stable_names() -> None:
    said = msgspec.json.decode(msgspec.json.encode(document(well(), START + 2)))
    assert list(said) == [
        "state", "reasons", "codes", "version", "host", "pid", "at", "started_at", "uptime_s",
        "trades", "connections", "assets", "last_reconnect", "journal", "database",
        "resolutions", "catalog", "restarts", "books", "drift",
    ]  # fmt: skip
    assert said["connections"]["list"][0]["id"] == "leg0-0001"
    assert said["started_at"] == "2026-05-28T20:26:40.000Z"
    assert (said["uptime_s"], said["at"]) == (2.0, "2026-05-28T20:26:42.000Z")
    assert {"last_minute", "last_hour", "last_24h", "total"} <= set(said["trades"])


def test_a_document_survives_the_way_through_json() -> None:
    said = document(well(), START + 2)
    assert msgspec.json.decode(msgspec.json.encode(said), type=Health) == said


def test_trades_are_what_was_new_in_the_database() -> None:
    health = well()
    commit(health, at=START + 2, stored=5, repeated=50)
    commit(health, at=START + 100, stored=1)
    trades = document(health, START + 100).trades
    assert (trades.last_minute, trades.last_hour, trades.total) == (1, 6, 6)


def test_what_waits_for_an_outcome_is_told_by_reason() -> None:
    health = well()
    said = outcomes(recorded_total=4, pending=(("not closed", 7), ("disputed", 1)))
    health.resolution_reported(said, at=START + 2)
    part = document(health, START + 3).resolutions
    assert (part.recorded, part.pending_total, part.pending["disputed"]) == (4, 8, 1)


def test_limits_may_be_set() -> None:
    health = HealthState(
        version="1", host="h", pid=1, now=START, wall_ns=WALL, limits=Limits(starting_s=1.0)
    )
    assert document(health, START + 2).state == "degraded"


def test_thousands_of_connections_are_told_quickly_enough_to_ask_every_second() -> None:
    health = well()
    for number in range(4_400):
        child = f"leg0-{number:04}"
        health.connection_wanted(child, leg=0, at=START)
        health.connection_reported(connection(child, prints_total=3), at=START + 1)
    encoded = msgspec.json.encode(document(health, START + 2))
    assert len(encoded) < 4 << 20
