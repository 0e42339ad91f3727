"""The state directory goes while the tracker runs: it is noticed, and nothing received is lost."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.database.schema import migrate
from actors.simulator.judge import judge
from tests.live.processes import Processes, processes_in
from tests.live.test_full_disk import closed
from tests.postgres import Server, do, name_of

pytestmark = [pytest.mark.live, pytest.mark.db]

LIVELY = ("--markets", "20", "--trades-per-second", "200", "--noise-per-second", "100")
CUT = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


def test_a_state_directory_that_goes_is_noticed_and_what_waits_is_stored_later(
    processes: Processes, server: Server, empty_database: str
) -> None:
    migrate.apply(empty_database)
    simulator = processes.simulator(*LIVELY)
    tracker = processes.tracker()
    state, away = processes.folder / "state", processes.folder / "away"
    processes.until_status("it stores", lambda found: found["trades"]["total"] > 200)

    state.rename(away)
    processes.until_status("moved", lambda found: "journal_gone" in found["codes"], within_s=10)
    away.rename(state)
    processes.until_status("back", lambda found: "journal_gone" not in found["codes"])

    shutil.rmtree(state)
    processes.until_status("deleted", lambda found: "journal_gone" in found["codes"], within_s=10)
    with closed(server, empty_database):
        do(server.dsn, CUT, name_of(empty_database))
        processes.until_status(
            "records wait",
            lambda found: (
                found["database"]["state"] == "away" and found["journal"]["pending_records"] > 100
            ),
        )
    processes.until_status("it is stored", lambda found: found["database"]["state"] == "live")

    assert tracker.stop() == 0
    assert simulator.stop() == 0
    judgement = judge(processes.ledger, processes.dsn)
    assert judgement.clean, judgement
    assert not [event for event in tracker.events() if event.get("event") == "journal_hole"]
