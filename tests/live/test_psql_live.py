"""`tracker --psql` on an embedded database: alone, beside a tracker, and on that of a demo."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.app.places import DATABASE
from actors.database.schema import migrate
from actors.database.server.embedded import Embedded
from tests.live.processes import ROOT, Processes, processes_in
from tests.live.test_embedded_live import server_pid, start

pytestmark = pytest.mark.live

COUNT = ("-XAtc", "SELECT count(*) FROM trades")


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Return processes in a folder that the server's user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="tr-"))
    folder.chmod(0o755)
    with processes_in(folder, "") as found:
        yield found
    shutil.rmtree(folder, ignore_errors=True)


def bare() -> dict[str, str]:
    """Return the environment without settings of a tracker."""
    return {name: text for name, text in os.environ.items() if not name.startswith("TRACKER_")}


def psql(state: Path, *arguments: str, says: str = "") -> "subprocess.CompletedProcess[str]":
    program = [sys.executable, str(ROOT / "bin" / "tracker"), "--state-dir", str(state), "--psql"]
    return subprocess.run(
        [*program, *(("--", *arguments) if arguments else ())],
        input=says, capture_output=True, text=True, timeout=60, check=False, env=bare(),
    )  # fmt: skip


def made(state: Path) -> Path:
    """Make an embedded database with the tables; return the folder of its cluster."""
    state.mkdir(mode=0o711)
    server = Embedded(state / DATABASE)
    server.start()
    try:
        migrate.apply(server.prepare().owner)
    finally:
        server.stop()
    return state / DATABASE / "data"


def test_alone_it_starts_the_server_and_stops_it_again(processes: Processes) -> None:
    data = made(processes.folder / "state")
    for _ in range(2):
        found = psql(processes.folder / "state", *COUNT)
        assert (found.returncode, found.stdout, found.stderr) == (0, "0\n", "")
        assert not (data / "postmaster.pid").exists()


def test_it_reads_statements_and_gives_the_exit_code_of_psql(processes: Processes) -> None:
    data = made(processes.folder / "state")
    found = psql(processes.folder / "state", says="select 'from standard input';")
    assert (found.returncode, "from standard input" in found.stdout) == (0, True)
    assert psql(processes.folder / "state", "-c", "select 1/0").returncode == 1
    assert not (data / "postmaster.pid").exists()


def test_while_it_is_open_no_tracker_takes_the_database_and_the_message_names_it(
    processes: Processes,
) -> None:
    made(processes.folder / "state")
    program = [sys.executable, str(ROOT / "bin" / "tracker"), "--state-dir"]
    state = str(processes.folder / "state")
    with subprocess.Popen(
        [*program, state, "--psql", "--", "-XAt"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=bare(),
    ) as shell:  # fmt: skip
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write("select 'open';\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == "open\n"
        # A second shell shares the server.
        assert psql(processes.folder / "state", *COUNT).stdout == "0\n"
        run = subprocess.run(
            [*program, state, "--duration", "1"],
            capture_output=True, text=True, timeout=60, check=False, env=bare(),
        )  # fmt: skip
        assert run.returncode == 78
        assert "tracker --psql" in run.stderr
        shell.stdin.write("select 'still open';\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == "still open\n"
        shell.stdin.close()
        assert shell.wait(30) == 0


@pytest.mark.timeout(180)
def test_beside_a_tracker_it_leaves_the_server_running(processes: Processes) -> None:
    processes.simulator("--markets", "4", "--markets-per-second", "0")
    tracker = start(processes)
    processes.until_status("it stores", lambda found: found["trades"]["total"] > 10, within_s=60)
    server = server_pid(processes)
    found = psql(processes.folder / "state", *COUNT)
    assert (found.returncode, int(found.stdout) > 10) == (0, True)
    assert server_pid(processes) == server
    total = processes.status()["trades"]["total"]
    last = processes.until_status(
        "it stores on and tells its last trades",
        lambda found: found["trades"]["total"] > total and found["latest"]["trades"],
        within_s=30,
    )
    assert last["restarts"]["total"] == 0
    newest = last["latest"]["trades"][0]
    asked = psql(
        processes.folder / "state",
        *("-XAt", "-v", f"token={newest['token_id']}", "-v", f"at={newest['traded_at']}"),
        says="SELECT trim_scale(price), trim_scale(size), side, slug, outcome"
        " FROM trades JOIN markets USING (condition_id)"
        " WHERE token_id = :'token' AND traded_at = :'at';",
    )
    shown = "|".join(newest[name] for name in ("price", "size", "side", "market_slug", "outcome"))
    assert shown in asked.stdout.splitlines()
    assert tracker.stop() == 0
