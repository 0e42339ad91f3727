"""A process that may open few files: it opens the connections that it can, and all else works."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.processes import ROOT, processes_in

pytestmark = pytest.mark.live

LIMIT = 64
MARKETS = 32 - 8 - 1
"""So many have a place on feed A: one each, beside handovers and announcements."""


def test_too_few_descriptors_cost_connections_and_nothing_else(
    tmp_path: Path, database: str
) -> None:
    with processes_in(tmp_path, database) as processes:
        processes.simulator("--markets", "40", "--markets-per-second", "0", "--life", "900-1000")
        settings = {**processes.settings(), "TRACKER_ASSETS_PER_CONNECTION": "2"}
        log = tmp_path / "tracker.log"
        with log.open("wb") as out:
            tracker = subprocess.Popen(
                [sys.executable, str(ROOT / "bin" / "tracker")],
                env={**os.environ, **settings},
                stderr=out,
            )
        resource.prlimit(tracker.pid, resource.RLIMIT_NOFILE, (50, LIMIT))
        try:
            found = processes.until_status(
                "it has what it can have",
                lambda found: (
                    found["connections"]["live"] >= LIMIT // 2
                    and any(f"may open {LIMIT} files" in reason for reason in found["reasons"])
                ),
                within_s=60,
            )
            open_files = len(list(Path(f"/proc/{tracker.pid}/fd").iterdir()))
            stored = found["trades"]["total"]
            processes.until_status(
                "it goes on", lambda found: found["trades"]["total"] > stored + 50
            )
            assert all(processes.status() for _ in range(100))
            resource.prlimit(tracker.pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
            tracker.terminate()
            code = tracker.wait(60)
        finally:
            tracker.kill()
            tracker.wait()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    wrong = {line["event"] for line in lines if line["level"] in ("WARNING", "ERROR", "CRITICAL")}

    assert found["connections"]["wanted"] == 1 + 2 * MARKETS
    assert found["connections"]["live"] == LIMIT // 2
    assert found["descriptors"] == {
        "limit": LIMIT,
        "connections": 32,
        "needed": 1 + 2 * MARKETS + 8 + 160,
    }
    assert open_files <= LIMIT
    assert found["catalog"]["last_error"] == ""
    assert wrong == {"health_changed"}
    assert code == 0
