"""Alerts, their test cases, the runbook and the dashboard use metrics that exist."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from actors.health import metrics, rules

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "systemd"
RULES = (SYSTEMD / "prometheus-alerts.yml").read_text()
CASES = (SYSTEMD / "prometheus-alerts.test.yml").read_text()
DASHBOARD = (SYSTEMD / "grafana-dashboard.json").read_text()
PAGE = (ROOT / "docs" / "how-to" / "operate.md").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool (Debian: prometheus) is not installed"
)


def metric_names() -> set[str]:
    """Return the names of all metrics, as they are scraped."""
    gauges = {one.name for one in metrics.GAUGES} | {"up", "info", "connection_state"}
    counters = {f"{one.name}_total" for one in metrics.COUNTERS}
    named = {f"{x.name}_total" if x.counts else x.name for x in (*metrics.NAMED, *metrics.EACH)}
    process = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}
    return {f"tracker_{name}" for name in gauges | counters | named} | process


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    assert PROMTOOL is not None
    return subprocess.run(
        [PROMTOOL, *arguments], cwd=SYSTEMD, capture_output=True, text=True, timeout=60, check=False
    )


def test_every_alert_has_its_entry_in_the_runbook_in_order() -> None:
    _, _, section = PAGE.partition("\n## Alerts\n")
    entries = section.partition("\n## ")[0].split("\n### ")[1:]
    assert [entry.partition("\n")[0] for entry in entries] == ALERTS
    assert all(len(entry.split()) >= 3 for entry in entries)


def test_every_alert_leads_to_its_entry() -> None:
    for block in RULES.split("- alert: ")[1:]:
        name = block.split("\n", 1)[0]
        assert f"runbook: docs/how-to/operate.md#{name.lower()}\n" in block
        assert re.search(r"severity: (page|ticket)\b", block), name
        assert re.search(r"summary: \S+", block), name


@pytest.mark.parametrize("text", [RULES, CASES, DASHBOARD], ids=["rules", "cases", "dashboard"])
def test_only_metrics_that_exist_are_used(text: str) -> None:
    named = set(re.findall(r"\b(?:tracker|process)_[a-z0-9_]+\b", text))
    assert len(named) > 15
    assert named <= metric_names()


OWN = {
    "database_away": "TrackerDatabaseAway",
    "poison": "TrackerStoringStopped",
    "database_behind": "TrackerDatabaseBehind",
    "nothing_to_watch": "TrackerNothingToWatch",
    "no_connection_live": "TrackerDisconnected",
    "connections_down": "TrackerConnectionsDown",
    "exchange_silent": "TrackerExchangeSilent",
    "no_trades": "TrackerNoTrades",
    "tokens_unconfirmed": "TrackerTokensUnconfirmed",
    "journal_full": "TrackerJournalFull",
    "journal_filling": "TrackerJournalFillsSoon",
    "disk_low": "TrackerDiskLow",
    "source_failing": "TrackerSourceDead",
    "catalog_failing": "TrackerCatalogDead",
    "restart_loop": "TrackerRestartLoop",
    "protocol_drift": "TrackerDrift",
    "resolution_conflicts": "TrackerResolutionConflict",
    "accounting_unbalanced": "TrackerAccountingUnbalanced",
}
"""The alerts that are raised for one reason, beside those of its level."""


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.code)
def test_the_alerts_of_a_reason_are_as_severe_as_its_level(rule: rules.Rule) -> None:
    severity = {"degraded": "page", "attention": "ticket"}[rule.level]
    raised = [f"Tracker{rule.level.title()}", *([OWN[rule.code]] if rule.code in OWN else ())]
    for name in raised:
        _, found, after = RULES.partition(f"- alert: {name}\n")
        assert found, name
        assert f"severity: {severity}" in after.partition("- alert: ")[0], name


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    for name in ALERTS:
        assert re.search(rf"alertname: {name}\n +exp_alerts:\n +- exp_labels", CASES), name
        assert CASES.count(f"alertname: {name}, exp_alerts: []") >= 2, name


def test_every_panel_of_the_dashboard_has_a_query_and_its_own_place() -> None:
    panels = json.loads(DASHBOARD)["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["title"]
        assert all(target["expr"] for target in panel["targets"])
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels) >= 15


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    done = promtool("check", "rules", "prometheus-alerts.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


@needs_promtool
def test_each_alert_fires_when_it_should_and_not_before() -> None:
    done = promtool("test", "rules", "prometheus-alerts.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_accepts_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD)["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = [
        {"record": f"panel:{n}", "expr": expr.replace("$instance", "x")}
        for n, expr in enumerate(asked)
    ]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", "--lint=none", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
