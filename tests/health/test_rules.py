from typing import Any

import pytest

from actors.health import rules
from actors.health.document import headline
from actors.health.state import HealthState
from actors.messages import StoreOpened
from actors.model.assumptions import Assumption
from actors.model.connection import DescriptorLimit
from actors.model.market import EndedMarkets, Source
from tests.health.health_samples import (
    START,
    WALL,
    catalog,
    codes,
    commit,
    connection,
    document,
    outcomes,
    sample,
    state,
    well,
    writer,
)


def _violate(health: HealthState, assumption: Assumption, count: int = 1) -> None:
    said = connection(violations=((assumption, count),))
    health.connection_reported(said, at=START + 5)


def test_nothing_to_watch_names_the_filters_that_choose_nothing() -> None:
    health = well()
    health.universe_planned(wanted=0)
    missing = "no open market has the tag sprots"
    health.catalog_reported(catalog(requests=(("filters", missing),)), at=START + 2)
    assert document(health, START + 3).reasons == (f"no token to listen to: {missing}",)


def _drop(health: HealthState, *children: str) -> None:
    for child in children:
        health.connection_ended(child, reason="reset", at=START + 5)


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("database_behind", lambda h: commit(h, oldest_received_ns=WALL - 61_000_000_000)),
        ("no_connection_live", lambda h: _drop(h, "a-0001", "b-0001")),
        ("descriptors_short", lambda h: h.descriptors_limited(DescriptorLimit(160 + 8 + 1))),
        ("nothing_to_watch", lambda h: h.universe_planned(wanted=0)),
        ("journal_filling", lambda h: sample(h, bytes=801)),
        ("journal_full", lambda h: sample(h, bytes=999, full=True)),
        ("journal_gone", lambda h: sample(h, gone="/state/journal was deleted")),
        ("state_directory_exposed", lambda h: sample(h, exposed="/state: others may write to it")),
        ("poison", lambda h: h.writer_reported(writer("stopped"), at=START)),
        ("version_outdated", lambda h: h.writer_reported(writer("outdated"), at=START)),
        ("schema_mismatch", lambda h: h.writer_reported(writer("mismatch"), at=START)),
        ("database_behind", lambda h: sample(h, next_seq=9, oldest_s=61.0)),
        ("disk_low", lambda h: sample(h, free_bytes=1 << 20)),
        (
            "protocol_drift",
            lambda h: h.connection_reported(connection(unknown_total=2), at=START + 5),
        ),
        (
            "resolution_conflicts",
            lambda h: h.resolution_reported(outcomes(conflicts_open=1), at=START + 5),
        ),
        ("accounting_unbalanced", lambda h: sample(h, weight_appended=-1)),
        ("gamma_list_failing", lambda h: _violate(h, Assumption.GAMMA_LIST)),
        ("markets_known_from_feed_only", lambda h: _violate(h, Assumption.LISTED)),
        ("protocol_drift", lambda h: _violate(h, Assumption.SPELLING)),
        ("protocol_drift", lambda h: _violate(h, Assumption.EVENT_NAMES)),
        ("protocol_drift", lambda h: _violate(h, Assumption.CLEAN_PAGES)),
        ("late_trades", lambda h: _violate(h, Assumption.ON_TIME)),
        ("feeds_disagree", lambda h: _violate(h, Assumption.SENT_ONCE, 10)),
        ("clock_skew", lambda h: _violate(h, Assumption.CLOCK)),
        (
            "trades_rejected",
            lambda h: h.connection_reported(connection(doubtful_total=10), at=START + 5),
        ),
    ],
)
def test_each_of_these_shows_at_once(code: str, spoil: Any) -> None:
    health = well()
    spoil(health)
    said = document(health, START + 6)
    (level,) = (rule.level for rule in rules.RULES if rule.code == code)
    assert (said.state, said.codes, said.levels) == (level, (code,), (level,))


def test_connections_count_as_down_only_after_a_minute() -> None:
    health = well()
    _drop(health, "a-0001")
    assert codes(health, START + 60) == ()
    assert codes(health, START + 66) == ("connections_down",)


def test_tokens_count_as_unconfirmed_only_after_a_minute() -> None:
    health = well()
    for child in ("a-0001", "b-0001"):
        health.connection_reported(connection(child, confirmed=7), at=START + 5)
    assert document(health, START + 60).assets.never_confirmed == 0
    said = document(health, START + 66)
    assert (said.codes, said.assets.never_confirmed) == (("tokens_unconfirmed",), 3)


def test_batches_that_do_not_add_up_are_counted_over_restarts_of_the_writer() -> None:
    health = well()
    health.writer_reported(writer(miscounts_total=2), at=START + 2)
    health.writer_reported(writer(miscounts_total=3), at=START + 3)
    health.writer_reported(writer(incarnation=2, miscounts_total=1), at=START + 4)
    assert document(health, START + 5).database.miscounts_total == 4


def test_a_server_that_nothing_proves_needs_attention_and_is_named() -> None:
    health = well()
    health.store_opened(StoreOpened(server="x", unverified=("db.example.com (sslmode=prefer)",)))
    said = document(health, START + 6)
    assert (said.codes, said.levels) == (("database_unverified",), ("attention",))
    assert said.reasons == (
        "nothing proves that the database is the right one: db.example.com (sslmode=prefer)",
    )
    health.store_opened(StoreOpened(server="x"))  # it got a certificate
    assert codes(health, START + 7) == ()


def test_a_database_that_a_loss_of_power_may_damage_needs_attention_with_its_settings() -> None:
    health = well()
    health.store_opened(StoreOpened(server="x", unsafe=("fsync=off", "full_page_writes=off")))
    said = document(health, START + 6)
    assert (said.codes, said.levels) == (("database_unsafe",), ("attention",))
    assert said.reasons == (
        "a loss of power may damage the database: fsync=off, full_page_writes=off",
    )
    assert said.database.unsafe == ("fsync=off", "full_page_writes=off")
    health.store_opened(
        StoreOpened(server="x", unsafe=("fsync=off", "session_replication_role=replica"))
    )
    (reason,) = document(health, START + 7).reasons
    assert reason == (
        "a loss of power may damage the database: fsync=off; its triggers do not run, so no history"
        " of markets is kept and recorded rows may be changed: session_replication_role=replica"
    )
    health.store_opened(StoreOpened(server="x"))  # it was set right
    assert codes(health, START + 7) == ()


def test_old_rows_that_stay_need_attention_until_a_try_succeeds() -> None:
    health = well()
    failing = ("connection_events: permission denied", "samples: statement timeout")
    said = writer(chores_failing=failing, chores_failed_total=3)
    health.writer_reported(said, at=START + 5)
    shown = document(health, START + 6)
    assert (shown.codes, shown.levels) == (("housekeeping_failing",), ("attention",))
    assert shown.reasons == (f"what is old stays in the database: {'; '.join(failing)}",)
    health.writer_reported(writer(incarnation=2, chores_failed_total=1), at=START + 7)
    shown = document(health, START + 8)
    assert (shown.codes, shown.database.chores_failed_total) == ((), 4)


def test_coverage_of_days_that_is_not_computed_needs_attention() -> None:
    health = well()
    failing = ("audits: statement timeout", "market_coverage: permission denied for table wanted")
    health.writer_reported(writer(chores_failing=failing), at=START + 5)
    shown = document(health, START + 6)
    assert (shown.codes, shown.levels) == (("housekeeping_failing",), ("attention",))
    (reason,) = shown.reasons
    assert reason == (
        "what is old stays in the database: audits: statement timeout;"
        " days are not computed: market_coverage: permission denied for table wanted"
    )


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


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"keyset_error": "keyset: HTTP 404"}, "keyset: HTTP 404"),
        ({"requests": (("sweep", "ok"), ("lookup", "HTTP 404"))}, "lookup: HTTP 404"),
        ({"requests": (("newest", "ok"), ("created", "HTTP 504"))}, "created: HTTP 504"),
    ],
)
def test_one_way_to_find_markets_may_fail_for_two_minutes(said: Any, text: str) -> None:
    health = well()
    for at in (START + 10, START + 100):
        health.catalog_reported(catalog(**said), at=at)
    assert codes(health, START + 130) == ()
    wrong = document(health, START + 131)
    assert wrong.codes == ("discovery_failing",)
    assert wrong.reasons == (f"markets are found late or not at all: {text}",)
    health.catalog_reported(catalog(), at=START + 132)
    assert codes(health, START + 133) == ()


def test_when_nothing_can_be_listed_one_reason_says_it() -> None:
    health = well()
    for at in (START + 10, START + 100):
        health.catalog_reported(catalog("HTTP 404", keyset_error="keyset: HTTP 404"), at=at)
    assert codes(health, START + 311) == ("catalog_failing",)


def test_three_deaths_of_one_child_within_five_minutes_are_a_loop() -> None:
    health = well()
    for at in (0.0, 100.0):
        health.child_died("writer", "ValueError: x", at=START + at, writer=True)
        health.child_died("catalog", "KeyError: 'events'", at=START + at)
    assert codes(health, START + 101) == ()
    health.child_died("catalog", "KeyError: 'events'", at=START + 200)
    said = document(health, START + 201)
    assert said.codes == ("restart_loop",)
    assert said.reasons == ("repeated crashes: catalog (KeyError: 'events')",)
    assert (said.restarts.total, said.restarts.children) == (5, {"catalog": 3, "writer": 2})
    assert codes(health, START + 301) == ()


def test_silence_of_most_connections_together_is_not_taken_for_lost_connections() -> None:
    health = state()
    health.universe_planned(wanted=10)
    health.store_opened(StoreOpened(server="x"))
    for number in range(4):
        health.connection_wanted(f"c{number}", feed=0, at=START)
        heard = START + 100 if number == 0 else START + 1
        health.connection_reported(connection(f"c{number}", last_data_at=heard), at=START + 100)
    said = document(health, START + 100)
    assert said.codes == ("exchange_silent",)
    assert [one.state for one in said.connections.each] == ["listening", *["silent"] * 3]


def _without_data(health: HealthState, at: float, *, proven_at: float, tokens: int = 10) -> None:
    """Report of four connections that they had their last data in the first second."""
    health.universe_planned(wanted=tokens)
    health.store_opened(StoreOpened(server="x"))
    for number in range(4):
        name = f"c{number}"
        health.connection_wanted(name, feed=0, at=START)
        said = connection(name, last_data_at=START + 1, silence_proven_at=proven_at)
        health.connection_reported(said, at=at)
        health.time_passed(at, WALL)


def test_silence_of_all_connections_that_snapshots_prove_is_healthy() -> None:
    health = state()
    _without_data(health, START + 100, proven_at=START + 90)
    said = document(health, START + 100)
    assert (said.state, said.codes) == ("healthy", ())
    assert (said.connections.silent, said.connections.quiet) == (0, 4)
    assert [one.state for one in said.connections.each] == ["quiet"] * 4


@pytest.mark.parametrize("proven_at", [0.0, START - 50, START + 1, START + 50])
def test_a_proof_that_is_old_or_of_an_earlier_silence_proves_nothing(proven_at: float) -> None:
    health = state()
    _without_data(health, START + 100, proven_at=proven_at)
    assert document(health, START + 100).codes == ("exchange_silent",)


def test_in_a_proven_silence_no_trade_of_many_tokens_is_expected() -> None:
    health = state()
    _without_data(health, START + 1, proven_at=0.0, tokens=1_000)
    _without_data(health, START + 400, proven_at=START + 390, tokens=1_000)
    assert document(health, START + 400).codes == ()
    _without_data(health, START + 500, proven_at=0.0, tokens=1_000)
    assert document(health, START + 500).codes == ("exchange_silent",)


@pytest.mark.parametrize(
    "assumption",
    [
        Assumption.FRESH_ANSWERS, Assumption.REPEATED_BOOK, Assumption.DUMP_BY_DEFAULT,
        Assumption.EMPTY_FIRST, Assumption.TOKENS_PER_CONNECTION, Assumption.SERVED,
        Assumption.OLD_SOCKETS_DIE, Assumption.KEYSET,
    ],
)  # fmt: skip
def test_what_is_only_counted_gives_no_reason(assumption: Assumption) -> None:
    health = well()
    _violate(health, assumption, 1_000)
    said = document(health, START + 6)
    assert (said.state, said.assumptions[assumption].last_hour) == ("healthy", 1_000)


def test_the_sentence_of_drift_names_what_is_not_as_assumed() -> None:
    health = well()
    many = (
        (Assumption.CLEAN_PAGES, 1), (Assumption.EVENT_NAMES, 3), (Assumption.SPELLING, 12),
    )  # fmt: skip
    health.connection_reported(connection(unknown_total=3, violations=many), at=START + 5)
    (reason,) = document(health, START + 6).reasons
    assert reason == (
        "not as assumed in the last hour: 3 events of unknown type, spelling (12), clean_pages (1)"
    )
    assert codes(health, START + 3_700) == ()


@pytest.mark.parametrize(
    ("assumption", "stored", "few", "many", "code"),
    [
        (Assumption.ON_TIME, 10_000, 10, 11, "late_trades"),
        (Assumption.SENT_ONCE, 100_000, 100, 101, "feeds_disagree"),
        (Assumption.SENT_ONCE, 0, 9, 10, "feeds_disagree"),
    ],
)
def test_a_few_odd_trades_are_counted_and_many_are_a_reason(
    assumption: Assumption, stored: int, few: int, many: int, code: str
) -> None:
    health = well()
    commit(health, at=START + 4, stored=stored)
    sample(health, weight_appended=stored)
    _violate(health, assumption, few)
    assert codes(health, START + 6) == ()
    _violate(health, assumption, many)
    assert codes(health, START + 6) == (code,)


def test_a_few_events_that_cannot_be_read_are_counted_and_a_share_of_them_is_a_reason() -> None:
    health = well()
    commit(health, at=START + 4, stored=10_000)
    sample(health, weight_appended=10_000)
    for total, found in ((100, ()), (101, ("trades_rejected",))):
        health.connection_reported(connection(doubtful_total=total), at=START + 5)
        assert codes(health, START + 6) == found
    # A new incarnation begins at 0.
    health.connection_reported(connection(incarnation=2, doubtful_total=4), at=START + 6)
    assert document(health, START + 7).drift.doubtful_total == 105
    assert codes(health, START + 3_700) == ()


def test_one_trade_that_the_database_rejected_is_a_reason_as_long_as_it_is_missing() -> None:
    health = well()
    for missing, found in ((1, ("trades_rejected",)), (0, ())):
        health.writer_reported(writer(rejected_trades=missing), at=START + 5)
        shown = document(health, START + 4_000)
        assert (shown.codes, shown.database.rejected_trades) == (found, missing)
        assert shown.reasons == ("1 trades are missing: the database rejected them",) * missing


def test_a_clock_that_was_set_right_is_no_reason_after_five_minutes() -> None:
    health = well()
    _violate(health, Assumption.CLOCK)
    assert codes(health, START + 304) == ("clock_skew",)
    assert codes(health, START + 306) == ()


def _busy(health: HealthState) -> None:
    """Plan a thousand tokens, and let every connection have all of them."""
    health.universe_planned(wanted=1_000)
    _receive(health, START + 2)


def _receive(health: HealthState, at: float, trades: int = 0) -> None:
    for child in ("a-0001", "b-0001"):
        said = connection(
            child, tokens=1_000, confirmed=1_000, trades_total=trades, last_data_at=at
        )  # fmt: skip
        health.connection_reported(said, at=at)
    health.time_passed(at, WALL)


def test_many_tokens_without_a_trade_for_five_minutes_are_no_health() -> None:
    health = well()
    _busy(health)
    _receive(health, START + 100, trades=1)
    _receive(health, START + 399)
    assert codes(health, START + 399) == ()
    _receive(health, START + 401)
    said = document(health, START + 401)
    assert (said.state, said.codes) == ("degraded", ("no_trades",))
    assert said.reasons == ("not one trade of 1,000 tokens for 301 s",)
    _receive(health, START + 402, trades=2)
    assert codes(health, START + 402) == ()


def test_a_tracker_that_never_received_a_trade_is_not_healthy_either() -> None:
    health = well()
    _busy(health)
    _receive(health, START + 400)
    assert codes(health, START + 400) == ("no_trades",)


def test_of_few_tokens_nobody_may_trade_for_hours() -> None:
    health = well()
    for child in ("a-0001", "b-0001"):
        health.connection_reported(connection(child, last_data_at=START + 9_000), at=START + 9_000)
    health.time_passed(START + 9_000, WALL)
    said = document(health, START + 9_000)
    assert (said.state, said.trades.absent_s) == ("healthy", 8_999.0)


def test_time_in_which_nothing_was_listened_to_is_no_time_without_trades() -> None:
    health = well()
    _busy(health)
    _drop(health, "a-0001", "b-0001")
    health.time_passed(START + 6, WALL)
    assert document(health, START + 1_000).trades.absent_s == 0.0
    _receive(health, START + 1_000)
    assert codes(health, START + 1_001) == ()
    assert document(health, START + 1_001).trades.absent_s == 1.0


SOURCES = (("gamma", "ok"), ("clob", "ok"), ("data", "ok"))


def _outcomes(**said: Any) -> HealthState:
    health = well()
    health.resolution_reported(outcomes(sources=SOURCES, **said), at=START + 5)
    return health


def test_one_mute_source_needs_attention_and_is_no_longer_called_ok() -> None:
    health = _outcomes(mute=("clob",))
    said = document(health, START + 6)
    assert (said.codes, said.levels) == (("source_mute",), ("attention",))
    assert said.reasons == ("clob: nothing final about markets that other sources call final",)
    assert said.resolutions.sources["clob"].state == "mute"
    assert said.resolutions.sources["gamma"].state == "ok"
    health.resolution_reported(outcomes(sources=SOURCES), at=START + 7)
    assert document(health, START + 8).state == "healthy"


def test_with_fewer_than_two_sources_that_are_of_use_labels_are_at_risk() -> None:
    said = document(_outcomes(mute=("clob", "data")), START + 6)
    assert (said.codes, said.levels) == (("source_mute",), ("degraded",))


def test_one_that_fails_is_failing_and_not_mute_and_of_no_use_either() -> None:
    health = well()
    sources = (("gamma", "ok"), ("clob", "timeout"), ("data", "ok"))
    for at in (START + 10, START + 400):
        health.resolution_reported(outcomes(sources=sources, mute=("clob",)), at=at)
    said = document(health, START + 401)
    assert (said.codes, said.levels) == (("source_failing",), ("attention",))
    assert said.resolutions.sources["clob"].state == "timeout"
    health.resolution_reported(outcomes(sources=sources, mute=("clob", "data")), at=START + 402)
    said = document(health, START + 403)
    assert said.codes == ("source_mute", "source_failing")
    assert said.levels == ("degraded", "attention")


@pytest.mark.parametrize(
    ("ended", "overdue", "level"),
    [
        (19, 19, None),
        (20, 20, "degraded"),
        (40, 20, "degraded"),
        (41, 20, "attention"),
        (80, 20, "attention"),
        (81, 20, None),
        (4_000, 999, None),
        (4_000, 1_000, "attention"),
        (4_000, 2_000, "degraded"),
        (0, 0, None),
    ],
)
def test_labels_are_overdue_by_their_share(ended: int, overdue: int, level: str | None) -> None:
    without = ((Source.GAMMA, overdue), (Source.CLOB, ended), (Source.DATA, ended))
    health = _outcomes(ended=EndedMarkets(ended=ended, overdue=overdue, without=without))
    said = document(health, START + 6)
    assert dict(zip(said.codes, said.levels, strict=True)).get("labels_overdue") == level
    assert (said.resolutions.ended, said.resolutions.overdue) == (ended, overdue)
    if level:
        (reason,) = said.reasons
        assert reason == (
            f"{overdue:,} of {ended:,} markets that ended have no final answer of any source"
            f" (without one: gamma {overdue:,}, clob {ended:,}, data {ended:,})"
        )


def test_while_it_is_not_known_what_is_overdue_nothing_is_said() -> None:
    said = document(_outcomes(), START + 6)
    assert (said.codes, said.resolutions.ended, said.resolutions.overdue) == ((), None, None)
    assert said.resolutions.sources["gamma"].without_final is None


def test_contradictions_that_are_over_are_no_reason() -> None:
    health = _outcomes(conflicts_total=27, conflicts_open=11)
    said = document(health, START + 6)
    assert (said.codes, said.levels) == (("resolution_conflicts",), ("attention",))
    (reason,) = said.reasons
    assert reason.startswith("11 markets have an open contradiction: most end by themselves")
    health.resolution_reported(outcomes(conflicts_total=27), at=START + 7)
    said = document(health, START + 8)
    assert (said.state, said.resolutions.conflicts) == ("healthy", 27)


def test_every_rule_has_a_code_of_its_own() -> None:
    assert len({rule.code for rule in rules.RULES}) == len(rules.RULES)


def test_too_few_descriptors_are_named_with_the_number_that_is_needed() -> None:
    health = well()
    health.connection_wanted("a-0001.1", feed=0, at=START)  # a successor needs no more of them
    health.descriptors_limited(DescriptorLimit(160 + 8 + 2))
    assert document(health, START + 6).descriptors.needed == 160 + 8 + 2
    health.connection_reported(connection("a-0001.1"), at=START + 5)
    assert codes(health, START + 6) == ()
    for number in range(2, 10):
        health.connection_wanted(f"a-{number:04}", feed=0, at=START)
    said = document(health, START + 6)
    assert said.codes == ("descriptors_short",)
    assert "may open 170 files and needs 178 for 11 connections" in said.reasons[0]


@pytest.mark.parametrize(
    ("assumption", "goes_s", "code"),
    [
        (Assumption.GAMMA_LIST, 180, "gamma_list_failing"),
        (Assumption.LISTED, 600, "markets_known_from_feed_only"),
        (Assumption.SPELLING, 600, "protocol_drift"),
        (Assumption.EVENT_NAMES, 600, "protocol_drift"),
        (Assumption.CLEAN_PAGES, 3_600, "protocol_drift"),  # seen by a sweep only
        (Assumption.ON_TIME, 600, "late_trades"),
        (Assumption.SENT_ONCE, 600, "feeds_disagree"),
    ],
)
def test_a_reason_goes_away_when_what_it_tells_of_is_over(
    assumption: Assumption, goes_s: int, code: str
) -> None:
    health = well()
    _violate(health, assumption, 10)
    assert code in rules_of(health, START + 5 + goes_s - 60)
    assert code not in rules_of(health, START + 5 + goes_s + 1)
    assert document(health, START + 5 + goes_s + 1).assumptions[assumption].total == 10


def rules_of(health: HealthState, at: float) -> tuple[str, ...]:
    """Return the codes of the rules about assumptions that hold; others may hold so much later."""
    mine = {"gamma_list_failing", "markets_known_from_feed_only", "protocol_drift"}
    mine |= {"late_trades", "feeds_disagree"}
    return tuple(code for code in document(health, at).codes if code in mine)


def test_what_loses_trades_now_comes_before_what_loses_nothing_yet() -> None:
    health = well()
    health.store_lost(reason="refused", at=START + 2)
    health.connection_reported(connection(doubtful_total=10, unknown_total=2), at=START + 3)
    sample(health, bytes=900, free_bytes=1 << 20)
    _drop(health, "a-0001", "b-0001")
    said = document(health, START + 70)
    assert said.codes == (
        "no_connection_live", "trades_rejected", "journal_filling", "disk_low", "database_away",
        "protocol_drift",
    )  # fmt: skip
    assert headline(said).startswith("degraded: none of 2 connections is live")
    sample(health, bytes=1_000, full=True)
    assert document(health, START + 70).codes[0] == "journal_full"


def test_every_reason_that_degrades_says_what_is_lost() -> None:
    losing = {rule.code for rule in rules.RULES if rule.loss is not rules.Loss.NOTHING}
    degrading = (each for each in rules.RULES if each.level == "degraded")
    assert losing <= {"audit_missing", "coverage_unproven", *(each.code for each in degrading)}
    assert {rule.code for rule in rules.RULES if rule.loss is rules.Loss.ALL} == {
        "journal_full", "no_connection_live", "coverage_lost", "exchange_silent", "no_trades",
        "nothing_to_watch", "coverage_unproven",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("offset_s", "said"),
    [
        (12.4, "the clock of this machine is 12 s behind the exchange's"),
        (-3_600.0, "the clock of this machine is 3,600 s ahead of the exchange's"),
        (1.0, "the clock of this machine is wrong"),
    ],
)
def test_a_wrong_clock_says_by_how_much_and_which_way(offset_s: float, said: str) -> None:
    health = well()
    wrong = ((Assumption.CLOCK, 1),)
    health.connection_reported(connection(violations=wrong), at=START + 5)
    health.catalog_reported(catalog(clock_offset_s=offset_s, violations=wrong), at=START + 5)
    assert document(health, START + 6).reasons == (said,)


@pytest.mark.parametrize(
    ("late_s", "oldest_s", "said"),
    [
        (118, 76.6, "the database got trades 118 s late; the oldest that waits is 77 s old"),
        (118, 0.0, "the database got trades 118 s late; none waits now"),
        (10, 76.6, "trades wait for the database, the oldest for 77 s"),
    ],
)
def test_a_database_that_is_behind_says_how_late_and_what_still_waits(
    late_s: int, oldest_s: float, said: str
) -> None:
    health = well()
    commit(health, oldest_received_ns=WALL - late_s * 10**9)
    sample(health, next_seq=9 if oldest_s else 1, oldest_s=oldest_s)
    assert document(health, START + 6).reasons == (said,)


def test_contradictions_say_who_shows_them_and_that_most_end_by_themselves() -> None:
    health = well()
    said = outcomes(conflicts_open=168, conflicts_by=(("clob", 8), ("gamma", 160)))
    health.resolution_reported(said, at=START + 5)
    (reason,) = document(health, START + 6).reasons
    assert reason == (
        "168 markets have an open contradiction (shown by clob 8, gamma 160): most end by"
        " themselves, when the sources agree again; tracker --acknowledge is for one that stays"
    )
