"""A thread that decides nothing dies of a fault: the process ends, and a new one can begin."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.live.processes import ROOT, processes_in

pytestmark = pytest.mark.live

SABOTAGE = ROOT / "tests" / "chaos" / "sabotage.py"
NOTICED_S = 10.0


@pytest.mark.parametrize(
    ("thread", "target"),
    [
        ("reactor", "actors.transport.reactor:Reactor._round"),
        ("status", "actors.health.status_socket:StatusSocket._accept"),
        ("query-watchdog", "actors.database.server.watchdog:QueryWatchdog.check"),
    ],
)
def test_a_thread_that_dies_ends_the_process_with_70_and_a_traceback(
    tmp_path: Path, database: str, thread: str, target: str
) -> None:
    with processes_in(tmp_path, database) as processes:
        processes.simulator("--markets", "4", "--markets-per-second", "0")
        fuse, log = tmp_path / "fuse", tmp_path / "tracker.log"
        with log.open("wb") as out:
            tracker = subprocess.Popen(
                [sys.executable, str(SABOTAGE), str(fuse), target, "raise"],
                env={**os.environ, **processes.settings()},
                stderr=out,
            )
        try:
            processes.until_status("it listens", lambda found: found["connections"]["live"])
            fuse.write_text("1")
            processes.status()  # a question wakes the thread of the status
            code = tracker.wait(NOTICED_S + 30)
        finally:
            tracker.kill()
            tracker.wait()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    uncaught = [line for line in lines if line["event"] == "uncaught"]
    gave_up = [line for line in lines if line["event"] == "giving_up"]

    assert code == 70
    assert [line["where"] for line in uncaught] == [f"thread {thread}"]
    assert "ZeroDivisionError" in uncaught[0]["exc_info"]
    assert [line["reason"] for line in gave_up] == [f"the thread {thread} has ended"]
    assert (_at(gave_up[0]) - _at(uncaught[0])).total_seconds() < NOTICED_S


def _at(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])
