"""A tracker with its own PostgreSQL, whose server is killed: it comes back by itself."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.processes import Process, Processes, processes_in, until

pytestmark = pytest.mark.live


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Return processes in a folder that the server's user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="tr-"))
    folder.chmod(0o755)
    with processes_in(folder, "") as found:
        yield found
    shutil.rmtree(folder, ignore_errors=True)


def start(processes: Processes) -> Process:
    env = processes.settings()
    del env["TRACKER_DATABASE_URL"]
    tracker = Process("tracker", [], env, processes.folder / "tracker.log")
    processes.own(tracker)
    return tracker


def server_pid(processes: Processes) -> int:
    text = (processes.folder / "state" / "postgres" / "data" / "postmaster.pid").read_text()
    return int(text.split()[0])


def stores_more_than(total: int) -> Callable[[dict[str, Any]], bool]:
    return lambda found: found["trades"]["total"] > total


@pytest.mark.timeout(180)
def test_the_server_that_was_killed_is_started_again_and_has_everything(
    processes: Processes,
) -> None:
    processes.simulator("--markets", "4", "--markets-per-second", "0")
    tracker = start(processes)
    stores = lambda found: found["database"]["state"] == "live" and found["trades"]["total"] > 10  # noqa: E731
    processes.until_status("it stores", stores, within_s=60)
    for killed in (1, 2):
        os.kill(server_pid(processes), signal.SIGKILL)
        away = processes.until_status(
            "the status says how the server ended",
            lambda found: "signal 9" in found["database"]["reason"],
        )
        assert "database_away" in away["codes"]
        assert any("the embedded PostgreSQL has ended" in reason for reason in away["reasons"])
        back = processes.until_status("it stores again", stores, within_s=30)
        assert back["restarts"]["children"]["embedded-database"] >= killed
        total = back["trades"]["total"]
        processes.until_status("more is stored", stores_more_than(total))
    settled = processes.until_status(
        "nothing waits", lambda found: found["accounting"]["balanced"], within_s=30
    )
    assert set(settled["restarts"]["children"]) == {"embedded-database"}
    assert tracker.stop() == 0
    names = [event["event"] for event in tracker.events()]
    assert names.count("embedded_database_restarted") >= 2


@pytest.mark.long
@pytest.mark.timeout(180)
def test_one_that_cannot_be_started_again_says_why_and_the_tracker_goes_on(
    processes: Processes,
) -> None:
    processes.simulator("--markets", "4", "--markets-per-second", "0")
    tracker = start(processes)
    stores = lambda found: found["database"]["state"] == "live" and found["trades"]["total"] > 0  # noqa: E731
    processes.until_status("it stores", stores, within_s=60)
    data = processes.folder / "state" / "postgres" / "data"
    control, aside = data / "global" / "pg_control", data / "global" / "pg_control.aside"
    control.rename(aside)
    os.kill(server_pid(processes), signal.SIGKILL)

    def says_why(found: dict[str, Any]) -> bool:
        return "pg_control" in found["database"]["reason"]

    processes.until_status("the log of the server is quoted", says_why, within_s=60)
    assert tracker.process.poll() is None
    aside.rename(control)
    processes.until_status("it stores again", stores, within_s=60)
    assert tracker.stop() == 0
    assert until("it has ended", lambda: tracker.process.poll() == 0)
