"""The status document, made from the reports of the actors."""

import msgspec

from actors.health.state import Health, HealthState, Limits
from actors.messages import StoreOpened
from actors.model.connection import DescriptorLimit
from actors.model.conversion import DAY_NS
from actors.model.storage import DayStored
from tests.health.health_samples import (
    START,
    WALL,
    catalog,
    commit,
    connection,
    document,
    outcomes,
    sample,
    state,
    well,
)


def test_a_tracker_that_lacks_nothing_is_healthy() -> None:
    said = document(well(), START + 2)
    assert (said.state, said.reasons, said.codes) == ("healthy", (), ())


def test_a_young_tracker_is_starting_and_names_what_it_waits_for() -> None:
    said = document(state(), START + 5)
    assert said.state == "starting"
    assert said.reasons == (
        "waiting for the database",
        "waiting for the first connection",
        "waiting for the first tokens",
    )


def test_it_is_starting_until_nearly_all_tokens_were_covered_once() -> None:
    health = state()
    health.store_opened(StoreOpened(server="PostgreSQL 18"))
    health.universe_planned(wanted=20)
    health.connection_wanted("a-0000", feed=0, at=START)
    for confirmed, told in ((0, "starting"), (17, "starting"), (18, "healthy"), (5, "healthy")):
        said = connection("a-0000", tokens=20, confirmed=confirmed)
        health.connection_reported(said, at=START)
        assert document(health, START + 5).state == told
        if told == "starting":
            reasons = document(health, START + 5).reasons
            assert reasons == (f"waiting for {20 - confirmed} of 20 tokens",)


def test_a_start_that_takes_too_long_is_degraded() -> None:
    said = document(state(), START + 61)
    assert said.state == "degraded"
    assert "database_away" in said.codes
    assert len(said.codes) == len(said.reasons)


def test_a_stopping_tracker_has_that_state() -> None:
    health = well()
    health.stopping()
    assert document(health, START + 2).state == "stopping"


def test_a_started_tracker_that_loses_its_database_is_degraded_at_once_with_the_reason() -> None:
    health = well()
    health.store_lost(reason="connection refused", at=START + 10)
    said = document(health, START + 22)
    assert said.reasons == ("database away for 12 s: connection refused",)
    health.store_opened(StoreOpened(server="PostgreSQL 18"))
    assert document(health, START + 23).state == "healthy"


def test_what_only_needs_attention_does_not_degrade() -> None:
    health = well()
    health.connection_reported(connection(unknown_total=2), at=START + 5)
    said = document(health, START + 6)
    assert (said.state, said.codes, said.levels) == (
        "attention", ("protocol_drift",), ("attention",),
    )  # fmt: skip


def test_what_degrades_comes_before_what_needs_attention() -> None:
    health = well()
    health.connection_reported(connection(doubtful_total=10, unknown_total=2), at=START + 5)
    said = document(health, START + 6)
    assert said.state == "degraded"
    assert said.codes == ("trades_rejected", "protocol_drift")
    assert said.levels == ("degraded", "attention")
    assert len(said.reasons) == 2


def test_the_document_is_json_with_stable_names() -> None:
    said = msgspec.json.decode(msgspec.json.encode(document(well(), START + 2)))
    assert list(said) == [
        "state", "reasons", "codes", "levels", "version", "host", "pid", "at", "started_at",
        "uptime_s", "trades", "connections", "descriptors", "assets", "coverage",
        "last_reconnect", "journal",
        "database", "resolutions", "catalog", "restarts", "accounting", "drift",
        "lateness", "timing", "assumptions", "latest", "audits",
    ]  # fmt: skip
    assert said["connections"]["list"][0]["id"] == "a-0001"
    assert said["started_at"] == "2026-05-28T20:26:40.000Z"
    assert (said["uptime_s"], said["at"]) == (2.0, "2026-05-28T20:26:42.000Z")
    assert {"last_minute", "last_hour", "last_24h", "total"} <= set(said["trades"])


def test_a_document_survives_the_way_through_json() -> None:
    said = document(well(), START + 2)
    assert msgspec.json.decode(msgspec.json.encode(said), type=Health) == said


def test_trades_are_what_was_new_in_the_database() -> None:
    health = well()
    commit(health, at=START + 2, stored=5, duplicates=50)
    commit(health, at=START + 100, stored=1)
    trades = document(health, START + 100).trades
    assert (trades.last_minute, trades.last_hour, trades.total) == (1, 6, 6)


def test_today_goes_on_from_what_the_database_knows() -> None:
    health = well()
    commit(health, stored=3, at=START + 1)
    known = DayStored(day=WALL // DAY_NS, trades=40, resolutions=6)
    health.day.restored(known)
    commit(health, stored=2, at=START + 2)
    said = document(health, START + 3)
    assert (said.trades.today, said.trades.total) == (42, 5)
    assert (said.resolutions.recorded_today, said.resolutions.recorded) == (6, 0)
    assert health.day.to_journal().since_ns == WALL


def test_pending_markets_are_counted_by_reason() -> None:
    health = well()
    said = outcomes(recorded_total=4, pending=(("not closed", 7), ("disputed", 1)))
    health.resolution_reported(said, at=START + 2)
    part = document(health, START + 3).resolutions
    assert (part.recorded, part.pending_total, part.pending["disputed"]) == (4, 8, 1)


def test_resolutions_and_conflicts_count_on_when_their_actor_restarts() -> None:
    health = well()
    first = outcomes(incarnation=1, recorded_total=4, conflicts_total=2)
    again = outcomes(incarnation=2, recorded_total=0, conflicts_total=0)
    for said in (first, first, again):
        health.resolution_reported(said, at=START + 2)
    part = document(health, START + 3).resolutions
    assert (part.recorded, part.recorded_today, part.conflicts) == (4, 4, 2)

    # More than the incarnation before it had: all of its own count is new.
    later = outcomes(incarnation=2, recorded_total=9, conflicts_total=3)
    for said in (later, later):
        health.resolution_reported(said, at=START + 4)
    part = document(health, START + 5).resolutions
    assert (part.recorded, part.recorded_today, part.conflicts) == (13, 13, 5)
    assert document(health, START + 5).codes == ()  # none of them is open


def test_final_answers_of_a_source_count_on_when_their_actor_restarts() -> None:
    health = well()
    sources = (("gamma", "ok"), ("data", "ok"))
    for incarnation, final in ((1, 7), (1, 9), (2, 0), (2, 3)):
        said = outcomes(sources=sources, incarnation=incarnation, final=(("gamma", final),))
        health.resolution_reported(said, at=START + 2)
    found = document(health, START + 3).resolutions.sources
    assert (found["gamma"].final, found["data"].final) == (12, 0)


def test_requests_to_each_source_are_counted() -> None:
    health = well()
    said = outcomes(sources=(("gamma", "ok"), ("data", "ok")), requests=(("gamma", 70, 9, 2),))
    health.resolution_reported(said, at=START + 2)
    sources = document(health, START + 3).resolutions.sources
    assert (sources["gamma"].requests, sources["gamma"].requests_10s) == (70, 9)
    assert (sources["data"].requests, sources["data"].requests_10s) == (0, 0)
    assert (sources["gamma"].failed, sources["data"].failed) == (2, 0)


def test_limits_may_be_set() -> None:
    health = HealthState(
        version="1", host="h", pid=1, now=START, wall_ns=WALL, limits=Limits(starting_s=1.0)
    )
    assert document(health, START + 2).state == "degraded"


def test_a_document_of_thousands_of_connections_is_small_enough_to_ask_every_second() -> None:
    health = well()
    for number in range(4_400):
        child = f"a-{number:04}"
        health.connection_wanted(child, feed=0, at=START)
        health.connection_reported(connection(child, trades_total=3), at=START + 1)
    encoded = msgspec.json.encode(document(health, START + 2))
    assert len(encoded) < 4 << 20


DNS = "dns: ws.example: Name or service not known"


def test_a_start_that_reaches_nothing_says_why() -> None:
    health = state()
    health.connection_wanted("lifecycle", feed=0, at=START)
    health.connection_ended("lifecycle", reason="dns", at=START + 1, failure=DNS)
    health.catalog_reported(catalog("gamma.example: Name or service not known"), at=START + 1)
    health.descriptors_limited(DescriptorLimit(64))
    assert document(health, START + 2).reasons == (
        "the process may open 64 files and needs 169 for 1 connection: it opens 32 at most",
        "waiting for the database",
        f"waiting for the first connection: {DNS}",
        "waiting for the first tokens: gamma.example: Name or service not known",
    )


def test_when_nothing_is_reached_the_reasons_say_why() -> None:
    health = well()
    for child in ("a-0001", "b-0001"):
        health.connection_ended(child, reason="dns", at=START + 1, failure=DNS)
    health.universe_planned(wanted=0)
    health.catalog_reported(catalog("gamma.example: refused"), at=START + 1)
    assert document(health, START + 2).reasons == (
        "no token to listen to: gamma.example: refused",
        f"none of 2 connections is live for 1 s: {DNS}",
    )
    health.connection_reported(connection("b-0001", incarnation=2), at=START + 3)
    assert document(health, START + 90).reasons[1] == (
        f"1 of 2 connections down for more than 60 s: {DNS}"
    )


def test_a_source_that_was_not_asked_is_unknown_and_not_failing() -> None:
    health = well()
    unasked = (("gamma", "unknown"), ("clob", "ok"), ("data", "503"))
    health.resolution_reported(outcomes(sources=unasked), at=START + 1)
    health.resolution_reported(outcomes(sources=unasked), at=START + 9)
    said = document(health, START + 10).resolutions.sources
    assert {name: (one.state, one.failing_s) for name, one in said.items()} == {
        "gamma": ("unknown", 0.0),
        "clob": ("ok", 0.0),
        "data": ("503", 9.0),
    }


def test_rows_that_the_database_rejected_are_summed_up() -> None:
    health = well()
    for rows in (2, 0, 3):
        commit(health, rejected_rows=rows)
    assert document(health, START + 6).database.rejected_rows == 5


def test_a_start_names_at_once_what_it_knows_to_be_wrong_before_what_it_waits_for() -> None:
    health = _half_started()
    health.store_lost(reason="password authentication failed", at=START + 1)
    sample(health, free_bytes=1 << 20)
    said = document(health, START + 5)
    assert (said.state, said.reasons) == (
        "starting",
        (
            "only 1 MiB of the disk are free",
            "database away for 4 s: password authentication failed",
            "waiting for 10 of 20 tokens",
        ),
    )
    assert said.codes == said.levels == ()


def test_a_start_names_why_the_connections_that_it_had_are_gone() -> None:
    health = _half_started()
    health.connection_ended("a-0001", reason="dns", at=START + 1, failure=DNS)
    assert document(health, START + 5).reasons == (
        f"none of 1 connection is live for 4 s: {DNS}",
        "waiting for 20 of 20 tokens",
    )


def test_a_start_names_why_some_of_its_tokens_are_awaited() -> None:
    health = _half_started()
    health.connection_wanted("a-0002", feed=0, at=START)
    health.connection_ended("a-0002", reason="dns", at=START + 1, failure=DNS)
    assert document(health, START + 5).reasons == (f"waiting for 10 of 20 tokens: {DNS}",)


def test_what_is_only_not_there_yet_is_awaited_and_nothing_is_called_wrong() -> None:
    health = state()
    health.connection_wanted("a-0001", feed=0, at=START)
    for second in range(1, 59):
        health.time_passed(START + second, WALL)
        assert all(reason.startswith("waiting") for reason in document(health, START + 58).reasons)


def test_a_start_that_waited_for_space_is_judged_from_then_on() -> None:
    health = _half_started()
    sample(health, full=True)
    assert document(health, START + 2).codes == ("journal_full",)
    sample(health)
    health.store_lost(reason="password authentication failed", at=START + 3)
    said = document(health, START + 4)
    assert (said.state, said.codes) == ("degraded", ("database_away",))


def _half_started() -> HealthState:
    """Return a tracker that covers half of its tokens, a second after its start."""
    health = state()
    health.universe_planned(wanted=20)
    health.connection_wanted("a-0001", feed=0, at=START)
    health.connection_reported(connection("a-0001", tokens=20, confirmed=10), at=START)
    health.store_opened(StoreOpened(server="PostgreSQL 18"))
    sample(health)
    return health


def test_a_long_reason_loses_its_middle_between_words_and_keeps_what_to_do() -> None:
    health = well()
    reason = "the server says " + "no " * 200 + "and again no: permit it in pg_hba.conf, then wait"
    health.store_lost(reason=reason, at=START + 10)
    said = document(health, START + 22)
    assert len(said.database.reason) <= 300
    assert said.database.reason.startswith("the server says no no")
    assert said.database.reason.endswith("no: permit it in pg_hba.conf, then wait")
    assert " no … no " in said.database.reason
