"""A tracker answers status requests from its first second on."""

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.cli import status
from tests.live.processes import Processes, processes_in

pytestmark = [pytest.mark.live, pytest.mark.db]


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


@contextlib.contextmanager
def manager(folder: Path) -> Iterator[tuple[socket.socket, str]]:
    """Return the socket that a service manager listens on, and where it is."""
    place = folder / "n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(place))
        listener.settimeout(30.0)
        yield listener, str(place)


def test_the_status_socket_answers_as_soon_as_the_tracker_is_ready(processes: Processes) -> None:
    processes.simulator("--markets", "4")
    for _ in range(3):
        with manager(processes.folder) as (listener, place):
            tracker = processes.tracker(NOTIFY_SOCKET=place)
            while b"READY=1" not in listener.recv(4096):
                pass
            assert status.ask(processes.socket)["state"] in ("starting", *status.WELL)
            assert tracker.stop() == 0
        (processes.folder / "n").unlink()


@pytest.mark.parametrize("cpus", ["one", "all"])
def test_a_tracker_runs_on_one_processor_unless_a_setting_says_otherwise(
    processes: Processes, cpus: str
) -> None:
    processes.simulator("--markets", "4")
    with manager(processes.folder) as (listener, place):
        tracker = processes.tracker(NOTIFY_SOCKET=place, TRACKER_CPUS=cpus)
        while b"READY=1" not in listener.recv(4096):
            pass
        threads = [int(each.name) for each in Path(f"/proc/{tracker.process.pid}/task").iterdir()]
        allowed = [os.sched_getaffinity(thread) for thread in threads]
    assert len(allowed) > 5
    expected = 1 if cpus == "one" else len(os.sched_getaffinity(0))
    assert {len(cpus) for cpus in allowed} == {expected}
    assert len({frozenset(cpus) for cpus in allowed}) == 1


def test_its_database_may_use_all_processors(processes: Processes) -> None:
    processes.simulator("--markets", "4")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        state = Path(place) / "state"
        Path(place).chmod(0o711)  # the database server runs as another user
        with manager(processes.folder) as (listener, told_to):
            tracker = processes.tracker(
                NOTIFY_SOCKET=told_to, TRACKER_DATABASE_URL="", TRACKER_STATE_DIR=str(state)
            )
            while b"READY=1" not in listener.recv(4096):
                pass
            server = int((state / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
            assert os.sched_getaffinity(server) == os.sched_getaffinity(0)
            assert tracker.stop() == 0


def test_a_start_that_waits_for_a_database_says_so(processes: Processes) -> None:
    processes.simulator("--markets", "4")
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        mute.settimeout(30.0)
        url = f"postgresql://tracker@127.0.0.1:{mute.getsockname()[1]}/pm?sslmode=disable"
        tracker = processes.tracker(TRACKER_DATABASE_URL=url)
        waiting, _ = mute.accept()
        found = status.ask(processes.socket)
        waiting.close()

    assert found["state"] == "starting"
    assert "waiting for the database" in found["reasons"]
    assert found["pid"] == tracker.process.pid
