"""Alerts, their test cases, the runbook and the dashboard use metrics that exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from actors.health import metric_tables as metrics
from actors.health import rules
from tests.docs.test_pages import anchors

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "systemd"
RULES = (SYSTEMD / "prometheus-alerts.yml").read_text()
CASES = (SYSTEMD / "prometheus-alerts.test.yml").read_text()
DASHBOARD = (SYSTEMD / "grafana-dashboard.json").read_text()
PAGE = (ROOT / "docs" / "how-to" / "runbooks.md").read_text()
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
    made = ("bucket", "sum", "count")
    timed = {f"{one.name}_{part}" for one in metrics.TIMED for part in made}
    process = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}
    return {f"tracker_{name}" for name in gauges | counters | named | timed} | process


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    assert PROMTOOL is not None
    return subprocess.run(
        [PROMTOOL, *arguments], cwd=SYSTEMD, capture_output=True, text=True, timeout=60, check=False
    )


PARTS = [
    "What it means for the data",
    "How to see it",
    "What to do",
    "When it is over",
]
BLOCKS = {block.partition("\n")[0]: block for block in RULES.split("- alert: ")[1:]}


def test_every_alert_has_its_section_and_every_section_its_alert_in_order() -> None:
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == ALERTS


@pytest.mark.parametrize("name", ALERTS)
def test_every_section_has_the_same_four_parts(name: str) -> None:
    section = PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    paragraph = re.compile(r"\*\*(.+?)\.\*\* (.*)", re.DOTALL)
    parts = [paragraph.fullmatch(each) for each in section.strip().split("\n\n")]
    assert [part[1] if part else "" for part in parts] == PARTS
    assert all(part and len(part[2].split()) >= 4 for part in parts)


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on(name: str) -> None:
    block = BLOCKS[name]
    assert re.search(r"labels: \{severity: (critical|warning)\}\n", block)
    assert re.search(r"\n          summary: \S", block)
    description = re.search(r"description: >-\n((?: {12}.*\n)+)", block)
    assert description is not None
    means, found, to_do = " ".join(description[1].split()).partition("First: ")
    assert found, "what to do first"
    assert len(means.split()) >= 4
    assert len(to_do.split()) >= 4
    (url,) = re.findall(r"runbook_url: (\S+)\n", block)
    page, _, anchor = url.partition("#")
    assert (ROOT / page).read_text() == PAGE
    assert anchor == name.lower()
    assert anchor in anchors(ROOT / page)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_on_a_counter_asks_by_how_much_it_rose(name: str) -> None:
    """A count since the start stays until the restart, whatever has become of its cause."""
    bare = re.sub(r"\b(?:rate|increase)\(tracker_\w+(?:\{[^}]*\})?\[\w+\]\)", "", BLOCKS[name])
    assert not re.search(r"tracker_\w+_(?:total|bucket|count|sum)\b", bare)


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
    "coverage_lost": "TrackerCoverageLost",
    "connections_down": "TrackerConnectionsDown",
    "exchange_silent": "TrackerExchangeSilent",
    "no_trades": "TrackerNoTrades",
    "tokens_unconfirmed": "TrackerTokensUnconfirmed",
    "journal_full": "TrackerJournalFull",
    "source_failing": "TrackerSourceDead",
    "catalog_failing": "TrackerCatalogDead",
    "restart_loop": "TrackerRestartLoop",
    "protocol_drift": "TrackerDrift",
    "resolution_conflicts": "TrackerResolutionConflict",
    "audit_missing": "TrackerAuditMissing",
    "accounting_unbalanced": "TrackerAccountingUnbalanced",
}
"""The alerts of those reasons that do not wait for that of their level."""


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.code)
def test_the_alerts_of_a_reason_are_as_severe_as_its_level(rule: rules.Rule) -> None:
    severity = {"degraded": "critical", "attention": "warning"}[rule.level]
    assert f"severity: {severity}" in BLOCKS[OWN.get(rule.code, f"Tracker{rule.level.title()}")]


@pytest.mark.parametrize("level", ["degraded", "attention"])
def test_a_reason_with_an_alert_of_its_own_raises_no_other(level: str) -> None:
    block = BLOCKS[f"Tracker{level.title()}"]
    (left_out,) = re.findall(r'code!~"([\w|]+)"', block)
    later = set(re.findall(rf'\n +or tracker_{level}{{code="(\w+)"}}', block))
    own = {rule.code for rule in rules.RULES if rule.level == level and rule.code in OWN}
    assert set(left_out.split("|")) == own | later
    assert not own & later


def test_every_code_of_the_rules_is_one_of_the_status() -> None:
    named = re.findall(r'code(?:!~|=~|=)"([\w|]+)"', RULES)
    assert {code for each in named for code in each.split("|")} <= {
        rule.code for rule in rules.RULES
    }


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_a_case_in_which_it_fires_alone_and_ceases(name: str) -> None:
    cases = [case for case in CASES.split("\n\n  - name: ") if case.startswith(f'"{name}"')]
    (case,) = cases
    quiet = r"\{expr: \*firing, eval_time: \d+m, exp_samples: \[\]\}\n"
    fires = (
        r"- expr: \*firing\n +eval_time: \d+m\n +exp_samples:\n"
        rf" +- \{{labels: '\{{alertname=\"{name}\"\}}', value: 1\}}\n"
    )
    assert re.search(rf"- {quiet} +{fires} +- {quiet.removesuffix(chr(92) + 'n')}", case)


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    done = promtool("check", "rules", "prometheus-alerts.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


@needs_promtool
def test_each_alert_fires_when_it_should_and_not_before() -> None:
    done = promtool("test", "rules", "prometheus-alerts.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
