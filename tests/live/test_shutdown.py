"""SIGTERM at any moment: the tracker ends within its deadlines, with a code and no traceback."""

import contextlib
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.simulator.judge import judge
from tests.live.processes import Process, Processes, processes_in, until
from tests.postgres import ask

pytestmark = [pytest.mark.live, pytest.mark.db]

LIVELY = ("--markets", "20", "--trades-per-second", "100", "--noise-per-second", "50")
CALM_S = 10.0
DRAIN_S = 15.0
_pace = threading.Event()

_BACKENDS = """
    select pid from pg_stat_activity
    where datname = current_database() and application_name = 'polymarket-tracker'
"""


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


def terminated(tracker: Process, *, times: int = 1) -> tuple[int, float]:
    """Send SIGTERM; return the exit code and how long the stop took."""
    began = time.monotonic()
    for _ in range(times):
        with contextlib.suppress(ProcessLookupError):
            tracker.process.send_signal(signal.SIGTERM)
    code = tracker.process.wait(60)
    return code, time.monotonic() - began


def flowing(processes: Processes, tracker: Process) -> None:
    processes.until_status(
        "trades flow",
        lambda found: found["trades"]["total"] >= 50 and found["pid"] == tracker.process.pid,
    )


@pytest.fixture
def silent_url() -> Iterator[str]:
    """Yield the address of a source that accepts every request and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_start_can_be_stopped_at_any_moment_and_leaves_nothing_half_done(
    processes: Processes,
) -> None:
    processes.simulator(*LIVELY)
    for after_s in (0.3, 0.6, 0.9, 1.2, 1.6, 2.4):
        tracker = processes.tracker()
        _pace.wait(after_s)
        code, took = terminated(tracker)

        # Before the first line of the script runs, the signal ends it like any program.
        assert code in (0, -signal.SIGTERM)
        assert took < CALM_S
        assert "Traceback" not in tracker.log_text()
    again = processes.tracker()
    flowing(processes, again)
    assert terminated(again)[0] == 0


def test_a_start_with_the_embedded_database_can_be_stopped(processes: Processes) -> None:
    processes.simulator(*LIVELY)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        state = Path(place) / "state"
        Path(place).chmod(0o711)  # the database server runs as another user
        tracker = processes.tracker(TRACKER_DATABASE_URL="", TRACKER_STATE_DIR=str(state))
        until("its database is being made", (state / "postgres" / "data").exists)
        code, took = terminated(tracker)

    assert (code, took < DRAIN_S) == (0, True)
    assert "Traceback" not in tracker.log_text()


def test_a_stop_under_load_keeps_its_deadline(processes: Processes) -> None:
    simulator = processes.simulator("--markets", "40", "--trades-per-second", "500")
    tracker = processes.tracker()
    flowing(processes, tracker)
    code, took = terminated(tracker)
    assert simulator.stop() == 0

    assert (code, took < CALM_S) == (0, True)
    assert "Traceback" not in tracker.log_text()
    assert judge(processes.ledger, processes.dsn).clean


def test_a_second_signal_during_the_stop_only_shortens_the_wait(processes: Processes) -> None:
    simulator = processes.simulator(*LIVELY)
    tracker = processes.tracker()
    flowing(processes, tracker)
    code, took = terminated(tracker, times=5)
    assert (code, took < CALM_S) == (0, True)

    again = processes.tracker()
    flowing(processes, again)
    assert terminated(again)[0] == 0
    assert simulator.stop() == 0
    assert "Traceback" not in tracker.log_text()
    assert judge(processes.ledger, processes.dsn).clean


def test_a_stop_without_a_database_leaves_everything_to_the_next_start(
    processes: Processes, tmp_path: Path
) -> None:
    simulator = processes.simulator(*LIVELY)
    absent = f"postgresql://nobody@/none?host={tmp_path}"
    tracker = processes.tracker(TRACKER_DATABASE_URL=absent)
    processes.until_status("trades wait", lambda found: found["accounting"]["in_journal"] > 50)
    code, took = terminated(tracker)
    assert (code, took < CALM_S) == (0, True)
    assert "Traceback" not in tracker.log_text()
    assert "not_drained" in [event["event"] for event in tracker.events()]

    again = processes.tracker()
    flowing(processes, again)
    assert terminated(again)[0] == 0
    assert simulator.stop() == 0
    assert judge(processes.ledger, processes.dsn).clean


def test_a_stop_does_not_wait_for_sources_that_hang(processes: Processes, silent_url: str) -> None:
    processes.simulator(*LIVELY)
    tracker = processes.tracker()
    flowing(processes, tracker)
    assert terminated(tracker)[0] == 0
    again = processes.tracker(
        TRACKER_GAMMA_URL=silent_url,
        TRACKER_CLOB_URL=silent_url,
        TRACKER_DATA_URL=silent_url,
        TRACKER_POLYGON_RPC_URLS=silent_url,
    )
    processes.until_status("it runs", lambda found: found["pid"] == again.process.pid)
    _pace.wait(1.0)
    code, took = terminated(again)

    assert (code, took < CALM_S) == (0, True)
    assert "Traceback" not in again.log_text()
    assert "forced_exit" not in again.log_text()


def test_a_stop_does_not_wait_for_a_frozen_database(
    processes: Processes, empty_database: str
) -> None:
    simulator = processes.simulator(*LIVELY)
    tracker = processes.tracker()
    flowing(processes, tracker)
    pids = [pid for (pid,) in ask(empty_database, _BACKENDS)]
    assert pids
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    except OSError:
        pytest.skip("needs a server on this machine, to stop its backends")
    try:
        _pace.wait(0.5)
        code, took = terminated(tracker)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert (code, took < DRAIN_S) == (0, True)
    assert "Traceback" not in tracker.log_text()

    again = processes.tracker()
    flowing(processes, again)
    assert terminated(again)[0] == 0
    assert simulator.stop() == 0
    assert judge(processes.ledger, processes.dsn).clean
