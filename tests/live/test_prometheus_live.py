"""A real Prometheus scrapes the metrics of the tracker and evaluates the alerts."""

import itertools
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.health.metrics import Metrics
from actors.model.histogram import Histogram
from actors.model.market import EndedMarkets
from tests.health.health_samples import START, WALL, commit, document, outcomes, sample, well
from tests.health.test_dashboard import PANELS, filled

PROMETHEUS = shutil.which("prometheus")
RULES = Path(__file__).parents[2] / "systemd" / "prometheus-alerts.yml"

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(120),
    pytest.mark.skipif(PROMETHEUS is None, reason="prometheus (Debian's package) is not installed"),
]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    """Serve the documents of a tracker whose journal has no space left, each a second later."""
    health = well()
    syncs, asked = (Histogram((count, *[0] * bounds), 0.1) for count, bounds in ((9, 14), (3, 9)))
    seconds = itertools.count(3)

    def answer() -> bytes:
        now = START + next(seconds)
        health.resolution_reported(
            outcomes(
                recorded_total=1, pending=(("not closed", 7),), final=(("gamma", 1),),
                ended=EndedMarkets(ended=9, overdue=4, without=()),
            ),
            at=now,
        )  # fmt: skip
        commit(health, at=now, stored=5, ages=Histogram((0, 5, *[0] * 13), 0.4), took_s=0.01)
        sample(health, bytes=999, full=True, syncs=syncs)
        health.requests_timed({"gamma": asked})
        health.time_passed(now, WALL)
        return msgspec.json.encode(document(health, now))

    made = Metrics(0, answer)
    yield made
    made.close()


@pytest.fixture
def ask(metrics: Metrics, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Run Prometheus with the shipped rules; yield a function that queries it until it answers."""
    port = _free_port()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "tracker", "static_configs": [{"targets": [f"127.0.0.1:{metrics.port}"]}]}
        ],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    command = [
        str(PROMETHEUS), f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)

    def get(path: str) -> Any:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert process.poll() is None, (tmp_path / "log").read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
                    found = json.load(reply)["data"]
            except (urllib.error.URLError, ConnectionError):
                found = {}
            answer = found.get("result") or found.get("groups")
            if answer:
                return answer
            time.sleep(0.2)  # polling is the only way; the deadline above ends it
        pytest.fail(f"no answer to {path}: {(tmp_path / 'log').read_text()}")

    yield get
    process.terminate()
    process.wait(20)


def test_prometheus_scrapes_the_tracker_and_raises_an_alert(ask: Callable[[str], Any]) -> None:
    for query in ('tracker_journal_full{job="tracker"} == 1', 'ALERTS{alertstate="firing"}'):
        (found,) = ask(f"/api/v1/query?query={urllib.parse.quote(query)}")
        assert found["value"][1] == "1"
    assert found["metric"]["alertname"] == "TrackerJournalFull"
    assert found["metric"]["severity"] == "critical"
    (group,) = ask("/api/v1/rules")
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    (fires,) = [rule for rule in group["rules"] if rule["state"] == "firing"]
    (said,) = fires["alerts"]
    assert said["annotations"]["runbook_url"].endswith("runbooks.md#trackerjournalfull")


SOMETIMES = {
    "Reconnects by reason", "False assumptions an hour", "Age of last data, worst connections",
}  # fmt: skip
"""Panels that are empty where nothing has happened, or of few connections."""


def test_every_panel_of_the_dashboard_draws_something(
    metrics: Metrics, ask: Callable[[str], Any]
) -> None:
    ask("/api/v1/query?query=count_over_time(tracker_up[1m])%3E%3D3")  # enough for a rate
    for panel in PANELS:
        for target in panel["targets"]:
            asked = filled(target["expr"], f"127.0.0.1:{metrics.port}")
            if panel["title"] not in SOMETIMES:
                assert ask(f"/api/v1/query?query={urllib.parse.quote(asked)}"), asked
