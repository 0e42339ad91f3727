"""`tracker --demo` runs, compares the result, reports it in one line, and continues next time."""

import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.live.processes import Process, Processes, as_url, until

PAGE = r"http://localhost:\d+/"

pytestmark = [pytest.mark.live, pytest.mark.db]


def demo(folder: Path, dsn: str, *arguments: str) -> Process:
    return Process(
        "tracker",
        ["--demo", "--database-url", as_url(dsn), *arguments],
        {
            "TRACKER_STATE_DIR": str(folder / "state"),
            "TRACKER_STATUS_SOCKET": str(folder / "s"),
        },
        folder / "demo.log",
    )


def conclusion(process: Process, *, within_s: float = 60.0) -> dict[str, Any]:
    assert process.process.stdout is not None
    lines = process.process.stdout.read().splitlines()
    assert process.stop(within_s=within_s) == 0, process.log_text()
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def test_a_demo_ends_by_itself_and_a_second_one_goes_on(
    tmp_path: Path, empty_database: str
) -> None:
    first = conclusion(demo(tmp_path, empty_database, "--duration", "12"))
    assert first["sent"] >= 500
    assert first["stored"] >= 500
    for broken in ("missing", "duplicates", "unexpected", "uncovered", "resolved_wrong"):
        assert first[broken] == 0
    assert first["reconnects"] >= 1

    watched = Processes(tmp_path, empty_database)
    running = demo(tmp_path, empty_database)
    found = watched.until_status(
        "trades flow again", lambda found: found["trades"]["total"] >= 300, within_s=40
    )
    os.kill(found["pid"], signal.SIGKILL)
    watched.until_status(
        "the tracker was started anew",
        lambda now: now["pid"] != found["pid"] and now["trades"]["total"] >= 100,
        within_s=40,
    )
    assert running.process.stdout is not None
    (address,) = next(filter(None, (re.findall(PAGE, line) for line in running.process.stdout)))
    assert "<title>" in requests.get(address, timeout=10).text
    running.process.send_signal(signal.SIGINT)
    second = conclusion(running)
    assert second["sent"] > 300
    assert second["stored"] <= second["sent"]  # of this run alone
    assert second["restarts"] == 1
    for broken in ("missing", "duplicates", "unexpected", "uncovered", "resolved_wrong"):
        assert second[broken] == 0


def test_a_demo_reports_why_its_tracker_cannot_start(tmp_path: Path, empty_database: str) -> None:
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(tmp_path / "s"))
        taken.listen()
        process = demo(tmp_path, empty_database)
        until("it ends", lambda: process.process.poll() is not None)

    assert process.stop() == 74
    assert "tracker: " in process.log_text()
