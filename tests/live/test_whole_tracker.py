"""The whole tracker against the simulator, as processes; every row is compared."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.simulator.judge import Judgement, judge
from tests.live.processes import Process, Processes, processes_in

pytestmark = [pytest.mark.live, pytest.mark.db]

LIVELY = ("--markets", "40", "--trades-per-second", "200", "--noise-per-second", "400")


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


def stored(document: dict[str, Any]) -> int:
    return int(document["trades"]["total"])


def end(processes: Processes, simulator: Process, tracker: Process) -> Judgement:
    """Stop cleanly and compare."""
    assert tracker.stop() == 0
    assert simulator.stop() == 0
    return judge(processes.ledger, processes.dsn)


def test_every_trade_and_every_outcome_of_a_run_is_in_the_database(processes: Processes) -> None:
    simulator = processes.simulator(*LIVELY, "--life", "4-8")
    tracker = processes.tracker()
    processes.until_status("trades flow", lambda found: stored(found) >= 200)
    processes.admin("fault", kind="drop", count=1)
    processes.until_status("2,000 trades stored", lambda found: stored(found) >= 2_000)
    processes.until_status(
        "10 markets resolved", lambda found: found["resolutions"]["recorded"] >= 10, within_s=40
    )
    processes.until_status(
        "a connection came back", lambda found: found["connections"]["reconnects_total"] >= 1
    )
    judgement = end(processes, simulator, tracker)

    assert judgement.clean, judgement
    assert judgement.stored >= 2_000
    assert judgement.resolved_right >= 10
    assert "Traceback" not in tracker.log_text()


def test_kill_9_and_a_restart_lose_and_double_nothing_that_was_journalled(
    processes: Processes,
) -> None:
    simulator = processes.simulator(*LIVELY)
    for round_number in range(3):
        tracker = processes.tracker()
        processes.until_status(
            "trades flow",
            lambda found: stored(found) >= 150 and found["pid"] == tracker.process.pid,  # noqa: B023 - used at once
        )
        os.kill(tracker.process.pid, signal.SIGKILL)
        tracker.process.wait()
        assert round_number >= 0
    tracker = processes.tracker()
    found = processes.until_status(
        "trades flow again, and today goes on",
        lambda found: stored(found) >= 150 and found["trades"]["today"] > stored(found),
    )
    if found["coverage"]["since"][:10] == found["started_at"][:10]:  # not at midnight
        assert 0.0 < found["coverage"]["down_s"] < found["coverage"]["gap_token_s"]
    judgement = end(processes, simulator, tracker)

    assert judgement.clean, judgement
    assert judgement.stored >= 600


def test_a_late_database_gets_everything_from_the_journal(
    processes: Processes, tmp_path: Path
) -> None:
    simulator = processes.simulator(*LIVELY)
    absent = f"postgresql://nobody@/none?host={tmp_path}"
    before = processes.tracker(TRACKER_DATABASE_URL=absent)
    found = processes.until_status(
        "degraded, with trades in the journal",
        lambda found: found["accounting"]["in_journal"] > 300,
    )
    assert found["database"]["state"] == "away"
    processes.until_status("degraded", lambda found: found["state"] == "degraded")
    assert before.stop() == 0

    tracker = processes.tracker()
    processes.until_status("caught up", lambda found: stored(found) > 300)
    judgement = end(processes, simulator, tracker)

    assert judgement.clean, judgement


def test_a_second_instance_on_the_same_state_directory_is_rejected(processes: Processes) -> None:
    processes.simulator(*LIVELY)
    first = processes.tracker()
    processes.until_status("the first one runs", lambda found: found["pid"] == first.process.pid)
    second = processes.tracker(TRACKER_STATUS_SOCKET=str(processes.folder / "other"))

    assert second.process.wait(20) == 78
    assert first.process.poll() is None
    assert "another tracker" in second.log_text().lower()


def test_a_second_sigterm_skips_the_drain(processes: Processes) -> None:
    processes.simulator(*LIVELY)
    tracker = processes.tracker()
    processes.until_status("trades flow", lambda found: stored(found) >= 100)
    tracker.process.send_signal(signal.SIGTERM)
    tracker.process.send_signal(signal.SIGTERM)

    assert tracker.process.wait(20) == 0
    assert "Traceback" not in tracker.log_text()
