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

from actors.errors import EXIT_INTERRUPTED, EXIT_OK
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


def test_why_none_starts(tmp_path: Path, empty_database: str) -> None:
    """A short name: the path of the demo's socket holds it, and may have 100 bytes."""
    own = tmp_path / "state" / "demo" / "tracker"
    own.mkdir(mode=0o755, parents=True)
    before = "tracker: an error of an earlier run"
    (own.parent / "tracker.log").write_text(f"{before}\n")
    with socket.socket(socket.AF_UNIX) as usual, socket.socket(socket.AF_UNIX) as taken:
        for listener, place in ((usual, tmp_path / "s"), (taken, own / "tracker.sock")):
            listener.bind(str(place))
            listener.listen()
        process = demo(tmp_path, empty_database)
        until("it ends", lambda: process.process.poll() is not None)

    assert process.stop() == 74, process.log_text()
    assert "tracker: " in process.log_text()
    assert before not in process.log_text()


def test_ctrl_c_before_the_tracker_records_is_one_line(tmp_path: Path, empty_database: str) -> None:
    process = demo(tmp_path, empty_database)
    while not process.line().startswith("more: "):
        assert process.process.poll() is None, process.log_text()
    assert process.stop(signal.SIGINT) == EXIT_INTERRUPTED  # its tracker is a Python that starts
    (line,) = (each for each in process.log_text().splitlines() if each.startswith("tracker: "))
    assert line == "tracker: interrupted before anything was recorded"


def test_a_demo_whose_output_nobody_reads_ends(tmp_path: Path, empty_database: str) -> None:
    process = demo(tmp_path, empty_database)
    while not process.line().startswith("more: "):
        assert process.process.poll() is None, process.log_text()
    assert process.process.stdout is not None
    process.process.stdout.close()
    until("it ends", lambda: process.process.poll() is not None, within_s=60)
    assert process.process.returncode in (EXIT_OK, EXIT_INTERRUPTED)
    assert "Traceback" not in process.log_text()
