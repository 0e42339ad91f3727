from actors.model.connection import END_REASONS
from actors.model.histogram import Histogram
from tests.health.health_samples import (
    START,
    connection,
    document,
    well,
)


def test_a_connection_that_listens_again_is_a_reconnect_with_its_reason() -> None:
    health = well()
    health.connection_ended("a-0001", reason="reset", at=START + 10)
    assert document(health, START + 11).connections.live == 1
    health.connection_reported(connection(incarnation=2), at=START + 13)
    said = document(health, START + 20)
    assert said.last_reconnect is not None
    assert (said.last_reconnect.connection, said.last_reconnect.reason) == ("a-0001", "reset")
    assert said.last_reconnect.at == "2026-05-28T20:26:53.000Z"
    assert said.connections.reconnects_total == said.connections.each[0].reconnects == 1
    assert said.restarts.total == 0


def test_the_counts_of_a_connection_go_on_after_a_restart() -> None:
    health = well()
    health.connection_reported(connection(trades_total=5, rejected_total=1), at=START + 2)
    health.connection_reported(
        connection(incarnation=2, trades_total=2, rejected_total=1, bytes_total=9), at=START + 3
    )
    one = document(health, START + 4).connections.each[0]
    assert (one.trades, one.last_minute, one.rejected, one.bytes) == (7, 7, 2, 9)


def test_a_report_of_an_earlier_incarnation_changes_nothing() -> None:
    health = well()
    health.connection_reported(connection(incarnation=2, trades_total=2), at=START + 3)
    health.connection_reported(connection(incarnation=1, trades_total=50), at=START + 4)
    assert document(health, START + 5).connections.each[0].trades == 2


def test_a_connection_that_left_the_plan_is_forgotten() -> None:
    health = well()
    health.connection_removed("a-0001")
    health.connection_reported(connection(), at=START + 3)
    health.connection_ended("a-0001", reason="closed", at=START + 3)
    assert [one.id for one in document(health, START + 4).connections.each] == ["b-0001"]


def test_a_token_is_covered_when_one_feed_listens_to_it() -> None:
    health = well()
    health.connection_reported(connection(confirmed=3), at=START + 5)
    said = document(health, START + 90).assets
    assert (said.wanted, said.covered, said.never_confirmed) == (10, 10, 0)


def test_a_connection_without_tokens_may_receive_nothing_for_hours() -> None:
    health = well()
    health.connection_wanted("lifecycle", feed=0, at=START)
    for child in ("a-0001", "b-0001"):
        health.connection_reported(connection(child, last_data_at=START + 5000), at=START + 5000)
    health.connection_reported(connection("lifecycle", tokens=0, confirmed=0), at=START + 5000)
    said = document(health, START + 5001)
    assert (said.state, said.connections.live, said.connections.silent) == ("healthy", 3, 0)


def test_of_a_connection_and_its_successor_the_better_one_counts() -> None:
    health = well()
    health.universe_planned(wanted=20)
    for name in ("a-0001.1", "a-0002"):
        health.connection_wanted(name, feed=0, at=START)
    health.connection_reported(connection("a-0001.1", confirmed=6), at=START + 2)
    said = document(health, START + 3).assets
    assert (said.wanted, said.covered) == (20, 10)


def test_tokens_are_unconfirmed_only_when_neither_a_connection_nor_its_successor_has_them() -> None:
    health = well()
    health.connection_wanted("a-0001.1", feed=0, at=START)
    health.connection_wanted("b-0001.1", feed=1, at=START)
    for name in ("a-0001", "a-0001.1", "b-0001", "b-0001.1"):
        confirmed = 10 if name == "b-0001.1" else 7
        health.connection_reported(connection(name, confirmed=confirmed), at=START + 2)
    assert document(health, START + 90).assets.never_confirmed == 0
    health.connection_removed("b-0001.1")
    assert document(health, START + 90).assets.never_confirmed == 3


def test_the_last_failure_to_open_a_connection_is_shown_until_that_one_listens() -> None:
    health = well()
    failure = "refused: 127.0.0.1: Connection refused"
    assert document(health, START + 1).connections.last_failure == ""
    health.connection_ended("a-0001", reason="refused", at=START + 2, failure=failure)
    assert document(health, START + 3).connections.last_failure == failure
    health.connection_reported(connection("b-0001"), at=START + 4)
    health.connection_ended("b-0001", reason="reset", at=START + 4)
    assert document(health, START + 4).connections.last_failure == failure
    health.connection_reported(connection("a-0001", incarnation=2), at=START + 5)
    assert document(health, START + 5).connections.last_failure == ""


def test_the_failure_of_a_connection_that_left_the_plan_is_not_shown() -> None:
    health = well()
    health.connection_ended("a-0001", reason="dns", at=START + 2, failure="dns: no answer")
    health.connection_removed("a-0001")
    assert document(health, START + 3).connections.last_failure == ""


def test_how_late_trades_arrive_is_summed_over_connections_and_their_restarts() -> None:
    health = well()
    health.connection_wanted("b-0001", feed=1, at=START)
    for child, number, counts in (
        ("a-0001", 1, (5, 1, 0, 0, 0)),
        ("a-0001", 1, (7, 1, 1, 0, 0)),
        ("a-0001", 2, (1, 0, 0, 0, 0)),
        ("b-0001", 1, (0, 0, 0, 0, 2)),
    ):
        late = Histogram(counts, sum_s=sum(counts) / 10)
        report = connection(child, incarnation=number, lateness=late, allowance_ms=4_000)
        health.connection_reported(report, at=START + 3)
    said = document(health, START + 4).lateness
    assert said.trades == {"1": 8, "2": 1, "4": 1, "6": 0, "more": 2}
    assert (said.allowance_s, said.sum_s) == (4.0, 1.2)


def test_events_that_were_left_out_are_counted_over_all_restarts_and_connections() -> None:
    health = well()
    for incarnation, total in ((1, 5), (1, 7), (2, 4)):
        report = connection(incarnation=incarnation, left_out_total=total)
        health.connection_reported(report, at=START + 3)
    drift = document(health, START + 5).drift
    assert (drift.left_out_total, drift.left_out_last_hour) == (11, 11)
    drift = document(health, START + 3_700).drift
    assert (drift.left_out_total, drift.left_out_last_hour) == (11, 0)


def test_reconnects_are_counted_by_the_reason_of_the_end_before() -> None:
    health = well()
    ends = ("reset", "reset", "closed_1013", "closed_4999", "http_418", "a new word")
    for number, reason in enumerate(ends, start=2):
        health.connection_ended("a-0001", reason=reason, at=START + number)
        health.connection_reported(connection(incarnation=number), at=START + number)
    said = document(health, START + 9).connections
    assert said.reconnects == {"reset": 2, "closed_1013": 1, "other": 3}
    assert said.reconnects_total == 6


def test_whatever_the_exchange_says_there_are_no_more_reasons_than_those_of_the_list() -> None:
    health = well()
    for number in range(1_000, 2_000):
        health.connection_ended("a-0001", reason=f"closed_{number}", at=START + number)
        health.connection_reported(connection(incarnation=number), at=START + number)
    assert set(document(health, START + 3_000).connections.reconnects) <= set(END_REASONS)


def test_a_connection_that_is_opened_again_still_knows_when_it_had_data() -> None:
    health = well()
    health.connection_ended("a-0001", reason="frozen", at=START + 10)
    opened = connection(incarnation=2, state="subscribing", confirmed=0, last_data_at=0.0)
    health.connection_reported(opened, at=START + 12)
    assert document(health, START + 20).connections.each[0].data_age_s == 20.0
