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

from actors.health import metrics
from actors.health.document import Connection
from actors.health.state import Health
from actors.model.market import EndedMarkets, Source
from tests.health.health_samples import START, batch, catalog, connection, document, outcomes, well

ROOT = Path(__file__).parents[2]
PROMTOOL = shutil.which("promtool")

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
    "resolutions.pending_total": "sum(tracker_resolutions_pending)",
    "resolutions.sources.requests_10s": "rate(tracker_source_requests_total[1m])",
    "catalog.last_error": "text for people",
    "catalog.keyset_error": "text for people",
    "catalog.requests.state": "text for people",
    "accounting.stored": "tracker_trades_stored_total",
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
    "connections.list.last_reason": "text for people",
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
        health.child_died("catalog", at=START + at)
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
    health.batch_written(batch(stored=1), at=START + 5, wall_ns=10**18)
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
    whole = (*metrics.GAUGES, *metrics.COUNTERS, *metrics.NAMED)
    each = {f"connections.list.{one.field}" for one in metrics.EACH}
    return {one.field for one in whole} | each | set(ELSEWHERE)


def test_every_field_of_the_status_has_a_metric_or_is_found_elsewhere() -> None:
    assert set(fields(Health)) == covered()


def test_what_is_found_elsewhere_has_a_metric_there() -> None:
    names = set(re.findall(r"^# TYPE (tracker_\w+)", text(full()), re.MULTILINE))
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


def test_of_thousands_of_connections_the_worst_have_metrics() -> None:
    health = well()
    for number in range(metrics.MOST_CONNECTIONS + 100):
        health.connection_wanted(f"a-{number:04}", feed=0, at=START)
        health.connection_reported(connection(f"a-{number:04}"), at=START + 1)
    health.connection_ended("a-0599", reason="reset", at=START + 2)
    said = text(document(health, START + 9))
    assert said.count("tracker_connection_tokens{") == metrics.MOST_CONNECTIONS
    assert 'tracker_connection_state{connection="a-0599",state="waiting"} 1.0' in said


def test_a_hostile_reason_cannot_forge_a_line() -> None:
    health = well()
    evil = '"} 1\ntracker_up 0\\'
    health.resolution_reported(outcomes(pending=((evil, 1),)), at=START + 2)
    lines = text(document(health, START + 3)).splitlines()
    assert "tracker_up 0" not in lines
    assert all(re.fullmatch(r'(# .*|\w+(\{.*"\})? \S+)', line) for line in lines)


def test_each_metric_of_a_connection_is_a_field_of_it() -> None:
    assert {f.name for f in msgspec.structs.fields(Connection)} >= {e.field for e in metrics.EACH}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_finds_no_fault() -> None:
    assert PROMTOOL is not None
    checked = subprocess.run(
        [PROMTOOL, "check", "metrics"],
        input=text(full()), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
