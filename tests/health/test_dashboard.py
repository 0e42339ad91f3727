"""The dashboard asks for metrics that exist, says what it draws, and is one that Grafana takes.

Its JSON is checked against the types that Grafana publishes, where they are installed:

    npm install --prefix FOLDER --ignore-scripts @grafana/schema typescript
    TRACKER_GRAFANA_SCHEMA=FOLDER python -m pytest tests/health/test_dashboard.py
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.health.test_alerts import ALERTS, DASHBOARD, ROOT, needs_promtool, promtool

TOLD: dict[str, Any] = json.loads(DASHBOARD)
PANELS: list[dict[str, Any]] = TOLD["panels"]
ANNOTATIONS: list[dict[str, Any]] = TOLD["annotations"]["list"]
SCHEMA = os.environ.get("TRACKER_GRAFANA_SCHEMA", "")
TYPED = """
import type {{ AnnotationQuery, Dashboard, DataQuery }} from "@grafana/schema";
// What the Prometheus data source adds to an annotation.
type Asked = DataQuery & {{ expr: string; interval: string }};
type Marks = AnnotationQuery<Asked> & {{ titleFormat: string; textFormat: string }};
const marks: Marks[] = {marks};
const dashboard: Dashboard = {dashboard};
export default {{ ...dashboard, annotations: {{ list: marks }} }};
"""


def expressions() -> Iterator[str]:
    """Yield every expression, with values in place of the variables."""
    for panel in PANELS:
        yield from (target["expr"] for target in panel["targets"])
    yield from (mark["target"]["expr"] for mark in ANNOTATIONS)


def filled(expression: str, instance: str = "x") -> str:
    """Return an expression with values in place of its variables."""
    return expression.replace("$instance", instance).replace("$__rate_interval", "1m")


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_panel_says_what_it_draws_in_which_unit(panel: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Z].*\.", panel["description"], re.DOTALL)
    assert len(panel["description"].split()) >= 4
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert all(target["expr"] and target["legendFormat"] for target in panel["targets"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_rate_is_taken_over_the_interval_of_the_scrapes(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        spans = set(re.findall(r"\[([^\]]+)\]", target["expr"]))
        assert spans <= {"$__rate_interval", "1h", "1d"}, target["expr"]
        if "1h" in spans:
            assert "hour" in f"{panel['title']} {panel['description']}"
        # A counter alone only grows.
        counted = re.sub(r"(rate|increase)\(\w+(\{[^}]*\})?\[", "", target["expr"])
        assert not re.search(r"tracker_\w+_(total|bucket)\b", counted), target["expr"]


def test_links_lead_to_sections_of_the_runbooks() -> None:
    links = [link for panel in PANELS for link in panel["links"]]
    page, anchors = "docs/how-to/runbooks.md", {name.lower(): name for name in ALERTS}
    for link in links:
        place, _, anchor = link["url"].partition("#")
        assert (place, link["title"]) == (page, f"Runbook: {anchors[anchor]}")
    assert [link["url"] for link in TOLD["links"]] == [page]
    assert (ROOT / page).is_file()


def test_every_alert_is_linked_from_what_shows_its_cause() -> None:
    linked = {link["url"].partition("#")[2] for panel in PANELS for link in panel["links"]}
    assert {name.lower() for name in ALERTS} - linked == {"trackeraccountingunbalanced"}


def test_gaps_restarts_and_alerts_are_marked() -> None:
    assert [mark["name"] for mark in ANNOTATIONS] == ["Restarts", "Gaps", "Alerts"]
    for mark in ANNOTATIONS:
        assert mark["enable"]
        assert mark["textFormat"]


def test_every_panel_has_its_own_place() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS) >= 15


@needs_promtool
def test_promtool_accepts_every_expression(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": filled(expression)}
        for number, expression in enumerate(expressions())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", "--lint=none", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


@pytest.mark.skipif(not SCHEMA, reason="TRACKER_GRAFANA_SCHEMA names no folder with the types")
def test_it_has_the_types_that_grafana_publishes(tmp_path: Path) -> None:
    there = (Path(SCHEMA) / "node_modules").resolve()
    (tmp_path / "node_modules").symlink_to(there)
    (tmp_path / "package.json").write_text("{}")
    without = {**TOLD, "annotations": {"list": []}}
    marks, whole = json.dumps(ANNOTATIONS), json.dumps(without)
    (tmp_path / "dashboard.ts").write_text(TYPED.format(marks=marks, dashboard=whole))
    options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"]
    options += ["--module", "esnext", "--moduleResolution", "bundler"]
    done = subprocess.run(
        ["node", str(there / "typescript" / "bin" / "tsc"), *options, "dashboard.ts"],
        cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
