"""One cause wakes someone once: with all that follows from it, one critical alert fires.

promtool evaluates the shipped rules over series of a whole tracker, of which each cause changes
what it changes in a running one.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "systemd" / "prometheus-alerts.yml"
PROMTOOL = shutil.which("promtool")
LONG_MIN = 120
"""Each cause begins after 10 minutes and lasts until 60."""
PAGES = 'count by (alertname) (ALERTS{alertstate="firing",severity="critical"})'

Series = dict[str, str]


def during(before: str, fault: str, after: str | None = None) -> str:
    """Return the values of a series, which are these until 10 min, until 60 min, and then."""
    return f"{before}x10 {fault}x49 {before if after is None else after}x59"


WELL: Series = {
    "up": "1x120",
    "tracker_up": "1x120",
    "tracker_start_time_seconds": "1000x120",
    "tracker_uptime_seconds": "3600+60x120",
    "tracker_connections_wanted": "10x120",
    "tracker_connections_live": "10x120",
    "tracker_connections_live_with_tokens": "10x120",
    "tracker_connections_down": "0x120",
    "tracker_connections_silent": "0x120",
    "tracker_connections_quiet": "0x120",
    "tracker_trades_absent_seconds": "1x120",
    "tracker_assets_wanted": "5000x120",
    "tracker_assets_covered": "5000x120",
    "tracker_assets_never_confirmed": "0x120",
    "tracker_journal_full": "0x120",
    "tracker_journal_oldest_seconds": "0x120",
    "tracker_journal_at_most": "0x120",
    "tracker_journal_bytes": "1000x120",
    "tracker_journal_cap_bytes": "1000000x120",
    "tracker_disk_free_bytes": "90000000000x120",
    "tracker_database_up": "1x120",
    'tracker_database_state{state="away"}': "0x120",
    'tracker_database_state{state="stopped"}': "0x120",
    'tracker_database_state{state="outdated"}': "0x120",
    "tracker_database_lag_seconds": "0x120",
    "tracker_resolution_conflicts_open": "0x120",
    "tracker_catalog_failing_seconds": "0x120",
    "tracker_unknown_events_total": "0x120",
    "tracker_accounting_balanced": "1x120",
}


def held(*codes: str, since: int = 10, until: int = 60) -> Series:
    """Return the series of reasons that degrade, for so many minutes."""
    return {
        f'tracker_degraded{{code="{code}"}}': f"_x{since} 1x{until - since - 1} _x{120 - until}"
        for code in codes
    }


GAP = {"tracker_assets_covered": during("5000", "3000")}
NO_DATA = {"tracker_trades_absent_seconds": during("1", "0+60", "1")}
FILLING = {
    "tracker_journal_oldest_seconds": during("0", "0+60", "0"),
    "tracker_journal_bytes": during("1000", "1000+9000", "1000"),
    **held("journal_filling", since=30),
}
LAG = {"tracker_database_lag_seconds": during("0", "0+60", "0")}
SMALL_DISK = {"tracker_disk_free_bytes": during("90000000000", "100000000")}

CAUSES: dict[str, tuple[Series, str]] = {
    "the feed is lost": (
        {
            "tracker_connections_live": during("10", "0"),
            "tracker_connections_live_with_tokens": during("10", "0"),
            "tracker_connections_down": during("0", "10"),
            "tracker_assets_covered": during("5000", "0"),
            "tracker_trades_absent_seconds": "1x10 0x109",  # while none listens
            **held("no_connection_live"),
        },
        "TrackerDisconnected",
    ),
    "all but the connection for announcements are lost": (
        {
            "tracker_connections_live": during("10", "1"),
            "tracker_connections_live_with_tokens": during("9", "0"),
            "tracker_connections_down": during("0", "9"),
            "tracker_assets_covered": during("5000", "0"),
            "tracker_trades_absent_seconds": "1x10 0x109",
            **held("no_connection_live"),
        },
        "TrackerDisconnected",
    ),
    "connections are accepted and hardly one gets data": (
        {
            "tracker_connections_live": during("10", "2"),
            "tracker_connections_live_with_tokens": during("9", "1"),
            "tracker_connections_down": during("0", "8"),
            "tracker_assets_covered": during("5000", "100"),
            "tracker_assets_never_confirmed": during("0", "100"),
            **held("coverage_lost", "descriptors_short"),
            **held("connections_down", "tokens_unconfirmed", since=11),
        },
        "TrackerCoverageLost",
    ),
    "some connections are lost": (
        {
            "tracker_connections_live": during("10", "6"),
            "tracker_connections_live_with_tokens": during("10", "6"),
            "tracker_connections_down": during("0", "4"),
            **GAP,
            **held("connections_down", since=11),
        },
        "TrackerConnectionsDown",
    ),
    "too few descriptors": (
        {
            "tracker_connections_live": during("10", "6"),
            "tracker_connections_live_with_tokens": during("10", "6"),
            "tracker_connections_down": during("0", "4"),
            **GAP,
            **held("connections_down", "descriptors_short"),
        },
        "TrackerConnectionsDown",
    ),
    "no descriptor is left for a handover": (held("descriptors_short"), "TrackerDegraded"),
    "a connection dies again and again": (
        {
            "tracker_connections_live": during("10", "9"),
            "tracker_connections_live_with_tokens": during("10", "9"),
            "tracker_connections_down": during("0", "1"),
            **GAP,
            'tracker_child_looping{child="a-0001"}': "_x10 1x49 _x60",
            **held("restart_loop", "connections_down"),
        },
        "TrackerRestartLoop",
    ),
    "the exchange is silent": (
        {
            "tracker_connections_silent": during("0", "10"),
            "tracker_assets_never_confirmed": during("0", "40"),
            **NO_DATA,
            **GAP,
            **held("exchange_silent", "tokens_unconfirmed"),
        },
        "TrackerExchangeSilent",
    ),
    "no trade can be read": (
        {**NO_DATA, **held("no_trades", since=15), **held("trades_rejected")},
        "TrackerNoTrades",
    ),
    "some trades cannot be read": (held("trades_rejected"), "TrackerDegraded"),
    "no books come": (
        {
            "tracker_assets_never_confirmed": during("0", "900"),
            "tracker_assets_covered": during("5000", "4100"),
            **held("tokens_unconfirmed", since=11),
        },
        "TrackerTokensUnconfirmed",
    ),
    "connections end within a minute": (GAP, "TrackerGapOpen"),
    "Gamma is away from the start": (
        {
            "tracker_assets_wanted": during("0", "0", "5000"),
            "tracker_assets_covered": during("0", "0", "5000"),
            "tracker_catalog_failing_seconds": during("0", "0+60", "0"),
            **held("nothing_to_watch", since=1),
            **held("catalog_failing", since=15),
        },
        "TrackerNothingToWatch",
    ),
    "Gamma goes away": (
        {
            "tracker_catalog_failing_seconds": during("0", "0+60", "0"),
            **held("discovery_failing", since=12, until=15),
            **held("catalog_failing", since=15),
        },
        "TrackerCatalogDead",
    ),
    "the database is away": (
        {
            "tracker_database_up": during("1", "0"),
            'tracker_database_state{state="away"}': during("0", "1"),
            **FILLING,
            **LAG,
            **held("database_away"),
        },
        "TrackerDatabaseAway",
    ),
    "the embedded database ends again and again": (
        {
            "tracker_database_up": during("1", "0"),
            'tracker_child_looping{child="embedded-database"}': "_x10 1x49 _x60",
            **held("database_away", "restart_loop"),
        },
        "TrackerDatabaseAway",
    ),
    "the schema was changed": (
        {
            'tracker_database_state{state="stopped"}': during("0", "1"),
            **FILLING,
            **LAG,
            **held("poison"),
        },
        "TrackerStoringStopped",
    ),
    "a newer version has migrated the database": (
        {
            'tracker_database_state{state="outdated"}': during("0", "1"),
            **FILLING,
            **LAG,
            **SMALL_DISK,
            **held("version_outdated"),
            **held("disk_low", since=30),
        },
        "TrackerDegraded",
    ),
    "the database is too slow": (
        {**FILLING, **LAG, **held("disk_low", since=32)},
        "TrackerDegraded",
    ),
    "the disk is nearly full": ({**SMALL_DISK, **held("disk_low")}, "TrackerDegraded"),
    "the disk is full": (
        {
            "tracker_disk_free_bytes": during("90000000000", "0"),
            "tracker_journal_full": during("0", "1"),
            "tracker_connections_live": during("10", "0"),
            "tracker_connections_live_with_tokens": during("10", "0"),
            "tracker_connections_down": during("0", "10"),
            "tracker_assets_covered": during("5000", "0"),
            **held("journal_full", "no_connection_live"),
        },
        "TrackerJournalFull",
    ),
    "sources say nothing": (held("source_mute", "labels_overdue"), "TrackerDegraded"),
    "the process is gone": (
        {
            name: f"{values.partition('x')[0]}x10 {gone}x49 {values}"
            for name, values in WELL.items()
            if "+" not in values
            for gone in ("0" if name == "up" else "_",)
        },
        "TrackerDown",
    ),
    "the process is killed again and again": (
        {
            "up": "1 0 1 0 1 0 1 0 1 0 1 0 " * 5 + "1x60",
            "tracker_start_time_seconds": "1000+60x59 9000x60",
        },
        "TrackerRestarting",
    ),
}  # fmt: skip


def named(series: str) -> str:
    """Return a series with the labels of the scrape."""
    name, _, labels = series.rstrip("}").partition("{")
    return f'{name}{{job="tracker",instance="x"{"," + labels if labels else ""}}}'


def case(series: Mapping[str, str], pages: Mapping[int, str]) -> dict[str, object]:
    """Return a test case in which just these alerts are critical at these minutes."""
    return {
        "interval": "1m",
        "input_series": [{"series": named(name), "values": each} for name, each in series.items()],
        "promql_expr_test": [
            {
                "expr": PAGES,
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1}] if name else [],
            }
            for minute, name in pages.items()
        ],
    }


def judged(folder: Path, tests: list[dict[str, object]]) -> str:
    """Return what promtool says against these cases; nothing when all are as expected."""
    assert PROMTOOL is not None
    file = folder / "cases.yml"
    told = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}
    file.write_text(json.dumps(told))
    done = subprocess.run(
        [PROMTOOL, "test", "rules", str(file)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout + done.stderr


pytestmark = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool (Debian: prometheus) is not installed"
)


@pytest.mark.parametrize("cause", CAUSES)
def test_one_cause_gives_one_critical_alert_and_none_after_it(cause: str, tmp_path: Path) -> None:
    changed, page = CAUSES[cause]
    # Between them nothing else fires either: a page each quarter of an hour would show here.
    during_it = dict.fromkeys(range(50, 60), page)
    after_it = dict.fromkeys(range(80, LONG_MIN, 5), "")
    before = {} if cause.startswith(("Gamma is away from", "the process is")) else {9: ""}
    found = judged(tmp_path, [case({**WELL, **changed}, {**before, **during_it, **after_it})])
    assert found == ""


def test_when_the_journal_is_full_because_the_database_is_away_both_fire(tmp_path: Path) -> None:
    """The exception: from then on trades are lost."""
    changed, _ = CAUSES["the database is away"]
    full = {
        "tracker_journal_full": "0x30 1x28 0x60",
        "tracker_connections_live": "10x30 0x28 10x60",
        "tracker_connections_live_with_tokens": "10x30 0x28 10x60",
        "tracker_assets_covered": "5000x30 0x28 5000x60",
        **held("journal_full", "no_connection_live", since=30),
    }
    both = case({**WELL, **changed, **full}, {})
    both["promql_expr_test"] = [
        {
            "expr": PAGES,
            "eval_time": f"{minute}m",
            "exp_samples": [
                {"labels": f'{{alertname="Tracker{name}"}}', "value": 1}
                for name in ("DatabaseAway", "JournalFull")
            ],
        }
        for minute in range(32, 58)
    ]
    assert judged(tmp_path, [both]) == ""


def test_a_second_alert_would_be_seen(tmp_path: Path) -> None:
    changed, page = CAUSES["the feed is lost"]
    other = {"tracker_accounting_balanced": during("1", "0")}
    assert "TrackerAccountingUnbalanced" in judged(
        tmp_path, [case({**WELL, **changed, **other}, {55: page})]
    )
