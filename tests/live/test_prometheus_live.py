"""A real Prometheus scrapes the metrics of the tracker and evaluates the alerts."""

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
from tests.health.health_samples import START, document, sample, well

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
    """Serve the document of a tracker whose journal has no space left."""
    health = well()
    sample(health, bytes=999, full=True)
    said = msgspec.json.encode(document(health, START + 2))
    made = Metrics(0, lambda: said)
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
    (group,) = ask("/api/v1/rules")
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
