"""Every field of the status document has a metric, and promtool accepts all of them."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from actors.health import metric_tables, metrics
from actors.health.latest import LatestResolution, LatestTrade
from actors.health.parts import Connection
from actors.health.state import Health
from actors.model.connection import END_REASONS
from actors.model.histogram import Histogram
from actors.model.market import EndedMarkets, Source
from tests.health.health_samples import (
    START,
    batch,
    catalog,
    connection,
    document,
    outcomes,
    sample,
    well,
)

ROOT = Path(__file__).parents[2]
PROMTOOL = shutil.which("promtool")

LATEST: dict[str, type[msgspec.Struct]] = {"trades": LatestTrade, "resolutions": LatestResolution}
# Fields without a number of their own, and where else they are found.
ELSEWHERE = {
    "reasons": "sentences; tracker_degraded and tracker_attention have their codes",
    "version": "tracker_info", "host": "tracker_info", "pid": "tracker_info",
    "database.server": "tracker_info",
    "database.identity": "tracker_info",
    "trades.last_minute": "increase(tracker_trades_stored_total[1m])",
    "trades.last_hour": "increase(tracker_trades_stored_total[1h])",
    "trades.last_24h": "increase(tracker_trades_stored_total[1d])",
    "trades.minutes": "increase(tracker_trades_stored_total[1m])",
    "trades.received_last_minute": "increase(tracker_trades_received_total[1m])",
    "last_reconnect.connection": "tracker_connection_reconnects_total",
    "last_reconnect.reason": "text for people",
    "database.reason": "text for people",
    **{
        f"assets.unconfirmed.{field}": "text for people"
        for field in ("token_id", "condition_id", "connection", "waiting_s")
    },
    "resolutions.pending_total": "sum(tracker_resolutions_pending)",
    "resolutions.sources.requests_10s": "rate(tracker_source_requests_total[1m])",
    "restarts.reasons": "text for people",
    "catalog.last_error": "text for people",
    "catalog.keyset_error": "text for people",
    "catalog.requests.state": "text for people",
    "accounting.stored": "tracker_trades_stored_total",
    "connections.reconnects_total": "sum(tracker_reconnects_total)",
    "journal.sync_p99_s": (
        "histogram_quantile(0.99, rate(tracker_journal_sync_duration_seconds_bucket[5m]))"
    ),
    "lateness.sum_s": "tracker_trade_lateness_seconds_sum",
    "timing.commits.sum_s": "tracker_database_commit_duration_seconds_sum",
    "timing.syncs.sum_s": "tracker_journal_sync_duration_seconds_sum",
    "timing.end_to_end.sum_s": "tracker_trade_end_to_end_seconds_sum",
    "timing.requests.sum_s": "tracker_http_request_duration_seconds_sum",
    "assumptions.last_hour": "increase(tracker_assumption_violations_total[1h])",
    "drift.doubtful_last_hour": "increase(tracker_doubtful_events_total[1h])",
    "drift.left_out_last_hour": "increase(tracker_left_out_events_total[1h])",
    "drift.unknown_last_hour": "increase(tracker_unknown_events_total[1h])",
    "connections.list.id": "the label connection",
    "connections.list.state": "tracker_connection_state",
    "connections.list.last_minute": "increase(tracker_connection_trades_total[1m])",
    "connections.list.last_hour": "increase(tracker_connection_trades_total[1h])",
    "connections.list.last_24h": "increase(tracker_connection_trades_total[1d])",
    "connections.last_failure": "text for people",
    "audits.missing": "tracker_audits",
    "audits.unknown": "tracker_audits",
    "audits.doing": "text for people",
    "audits.stream.state": "text for people",
    "connections.list.last_reason": "text for people",
    **dict.fromkeys(
        [f"latest.{list_}.{field.encode_name}" for list_, part in LATEST.items()
         for field in msgspec.structs.fields(part)],
        "text for people",
    ),
}  # fmt: skip


def fields(kind: Any, at: str = "") -> Iterator[str]:
    """Return the path of every leaf of the document."""
    inner = [each for each in (kind, *get_args(kind)) if isinstance(each, type)]
    parts = [each for each in inner if issubclass(each, msgspec.Struct)]
    if not parts:
        yield at
    for part in parts:
        hints = get_type_hints(part)
        for field in msgspec.structs.fields(part):
            yield from fields(
                hints[field.name], f"{at}.{field.encode_name}" if at else field.encode_name
            )


def full() -> Health:
    """Return a document in which every field has a value."""
    health = well()
    health.connection_ended("a-0001", reason="reset", at=START + 2)
    health.connection_reported(connection(incarnation=2, trades_total=5), at=START + 3)
    for at in (3, 4, 5):
        health.child_died("catalog", "KeyError", at=START + at)
    health.catalog_reported(catalog("timeout"), at=START + 3)
    health.resolution_reported(
        outcomes(
            pending=(("not closed", 7),),
            sources=(("clob", "timeout"), ("data", "ok")),
            conflicts_total=1,
            conflicts_open=1,
            final=(("clob", 3),),
            mute=("clob", "data"),
            ended=EndedMarkets(ended=9, overdue=4, without=((Source.CLOB, 8), (Source.DATA, 6))),
        ),
        at=START + 4,
    )
    ages = Histogram((0, 2, *[0] * 12, 1), 20_000.25)
    health.batch_written(batch(stored=3, took_s=0.004, ages=ages), at=START + 5, wall_ns=10**18)
    sample(health, syncs=Histogram((7, *[0] * 13, 1), 12.0))
    health.requests_timed({"clob": Histogram((1, 2, *[0] * 8), 0.2)})
    return document(health, START + 9)


class _Collector:
    def __init__(self, health: Health) -> None:
        self.health = health

    def collect(self) -> Iterator[Metric]:
        return metrics.families(self.health)


def text(health: Health) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(health))
    return generate_latest(registry).decode()


def covered() -> set[str]:
    whole = (*metric_tables.GAUGES, *metric_tables.COUNTERS, *metric_tables.NAMED)
    each = {f"connections.list.{one.field}" for one in metric_tables.EACH}
    timed = {counts_of(one) for one in metric_tables.TIMED}
    return {one.field for one in whole} | each | timed | set(ELSEWHERE)


def counts_of(one: metric_tables.Timed) -> str:
    """Return the field that has the counts of a histogram."""
    return f"{one.field}.counts" if one.field.startswith("timing.") else one.field


def test_every_field_of_the_status_has_a_metric_or_is_found_elsewhere() -> None:
    assert set(fields(Health)) == covered()


def test_what_is_found_elsewhere_has_a_metric_there() -> None:
    names = set(re.findall(r"^(tracker_\w+)", text(full()), re.MULTILINE))
    for place in ELSEWHERE.values():
        assert set(re.findall(r"tracker_\w+", place)) <= names, place


def test_no_metric_appears_twice() -> None:
    names = re.findall(r"^# TYPE (tracker_\w+)", text(full()), re.MULTILINE)
    assert len(names) == len(set(names))
    lines = [line.rpartition(" ")[0] for line in text(full()).splitlines() if line[0] != "#"]
    assert len(lines) == len(set(lines))


def test_times_of_day_are_seconds_since_1970_and_true_is_one() -> None:
    found = dict(line.rsplit(" ", 1) for line in text(full()).splitlines() if line[0] != "#")
    assert float(found["tracker_start_time_seconds"]) == 1_780_000_000
    assert float(found["tracker_last_reconnect_time_seconds"]) == 1_780_000_003
    assert float(found["tracker_journal_full"]) == 0
    assert float(found['tracker_child_restarts_total{child="catalog"}']) == 3
    assert found['tracker_resolutions_pending{reason="not closed"}'] == "7.0"


def test_reasons_stand_under_the_metric_of_their_level() -> None:
    health = well()
    health.connection_reported(connection(doubtful_total=10, unknown_total=2), at=START + 5)
    said = text(document(health, START + 6))
    assert re.findall(r"^tracker_degraded\S+ \S+$", said, re.MULTILINE) == [
        'tracker_degraded{code="trades_rejected"} 1.0'
    ]
    assert re.findall(r"^tracker_attention\S+ \S+$", said, re.MULTILINE) == [
        'tracker_attention{code="protocol_drift"} 1.0'
    ]
    odd = well()
    odd.connection_reported(connection(unknown_total=2), at=START + 5)
    assert 'tracker_state{state="attention"} 1.0' in text(document(odd, START + 6))


def test_what_sources_say_and_do_not_say_has_metrics() -> None:
    found = dict(line.rsplit(" ", 1) for line in text(full()).splitlines() if line[0] != "#")
    assert found['tracker_source_final_total{source="clob"}'] == "3.0"
    assert found['tracker_source_mute{source="clob"}'] == "0.0"  # it fails
    assert found['tracker_source_mute{source="data"}'] == "1.0"
    assert found['tracker_source_without_final{source="data"}'] == "6.0"
    assert (found["tracker_markets_ended"], found["tracker_labels_overdue"]) == ("9.0", "4.0")
    assert found["tracker_resolution_conflicts_open"] == "1.0"


def test_an_unknown_value_has_no_metric() -> None:
    said = text(document(well(), START + 2))
    assert "tracker_database_last_commit_time_seconds" not in said
    for name in (
        "tracker_markets_ended",
        "tracker_labels_overdue",
        "tracker_source_without_final{",
    ):
        assert f"\n{name}" not in said


def many(connections: int) -> str:
    health = well()
    for number in range(3, connections + 1):
        health.connection_wanted(f"a-{number:04}", feed=0, at=START)
        health.connection_reported(connection(f"a-{number:04}"), at=START + 1)
    return text(document(health, START + 9))


def test_each_connection_has_metrics_while_there_are_few() -> None:
    said = many(metrics.MOST_CONNECTIONS)
    assert said.count("\ntracker_connection_tokens{") == metrics.MOST_CONNECTIONS
    assert "\ntracker_connection_series 1.0\n" in said


def test_no_connection_has_metrics_of_its_own_when_there_are_many_and_that_is_said() -> None:
    said = many(metrics.MOST_CONNECTIONS + 1)
    assert set(re.findall(r"^tracker_connection_\w+", said, re.MULTILINE)) == {
        "tracker_connection_series"
    }
    assert "\ntracker_connection_series 0.0\n" in said
    assert "\ntracker_connections_live 301.0\n" in said
    (text_of_it,) = re.findall(r"# HELP tracker_connection_series (.*)", said)
    assert "more than 300 connections" in text_of_it


def test_a_histogram_counts_up_to_each_bound_and_has_its_sum() -> None:
    found = dict(line.rsplit(" ", 1) for line in text(full()).splitlines() if line[0] != "#")
    name = "tracker_trade_end_to_end_seconds"
    assert found[f'{name}_bucket{{le="0.05"}}'] == "0.0"
    assert found[f'{name}_bucket{{le="0.1"}}'] == found[f'{name}_bucket{{le="14400.0"}}'] == "2.0"
    assert found[f'{name}_bucket{{le="+Inf"}}'] == found[f"{name}_count"] == "3.0"
    assert found[f"{name}_sum"] == "20000.25"
    asked = "tracker_http_request_duration_seconds"
    assert found[f'{asked}_bucket{{le="0.1",source="clob"}}'] == "3.0"
    assert found['tracker_database_commit_duration_seconds_bucket{le="0.0025"}'] == "0.0"
    assert found['tracker_database_commit_duration_seconds_bucket{le="0.005"}'] == "1.0"


def test_nothing_is_a_quantile_that_was_computed_before() -> None:
    assert not re.findall(r"p50|p9\d|quantile|median", text(full()))


def test_every_reason_of_a_reconnect_is_there_from_the_start() -> None:
    found = re.findall(
        r'^tracker_reconnects_total\{reason="(\w+)"\} (\S+)$', text(full()), re.MULTILINE
    )
    assert {reason for reason, _ in found} == set(END_REASONS)
    assert dict(found)["reset"] == "1.0"
    assert sum(float(count) for _, count in found) == 1


def test_a_help_text_is_a_sentence() -> None:
    texts = re.findall(r"^# HELP tracker_\w+ (.*)$", text(full()), re.MULTILINE)
    assert len(texts) > 80
    for one in texts:
        assert re.fullmatch(r"[A-Z0-9].*\w.*\.", one), one
        assert len(one.split()) >= 3, one


def test_a_name_ends_with_its_unit() -> None:
    """Prometheus: base units, as a suffix; `_total` for counters alone."""
    said = text(full())
    kinds = dict(re.findall(r"^# TYPE (tracker_\w+) (\w+)$", said, re.MULTILINE))
    for name, kind in kinds.items():
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(ms|milliseconds|minutes|hours|percent|kib|mib|s)$", name), name
        assert kind != "histogram" or name.endswith("_seconds"), name


def test_a_hostile_reason_cannot_forge_a_line() -> None:
    health = well()
    evil = '"} 1\ntracker_up 0\\'
    health.resolution_reported(outcomes(pending=((evil, 1),)), at=START + 2)
    lines = text(document(health, START + 3)).splitlines()
    assert "tracker_up 0" not in lines
    assert all(re.fullmatch(r'(# .*|\w+(\{.*"\})? \S+)', line) for line in lines)


def test_each_metric_of_a_connection_is_a_field_of_it() -> None:
    assert {f.name for f in msgspec.structs.fields(Connection)} >= {
        e.field for e in metric_tables.EACH
    }


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_finds_no_fault() -> None:
    assert PROMTOOL is not None
    checked = subprocess.run(
        [PROMTOOL, "check", "metrics"],
        input=text(full()), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
