"""The journal's cap is reached while the database is away; nothing that was taken is lost."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.database.schema import migrate
from actors.simulator.judge import judge
from tests.live.processes import Processes, processes_in, until
from tests.live.test_readiness import manager
from tests.postgres import Server, ask, do, name_of

pytestmark = [pytest.mark.live, pytest.mark.db]

LIVELY = ("--markets", "40", "--trades-per-second", "300", "--noise-per-second", "100")
CAP = 1 << 20


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


@contextmanager
def closed(server: Server, database: str) -> Iterator[None]:
    """Let the database reject all connections until exit."""
    command = f'alter database "{name_of(database)}" allow_connections '
    do(server.dsn, command + "false")
    try:
        yield
    finally:
        do(server.dsn, command + "true")


def size(processes: Processes) -> int:
    return sum(file.stat().st_size for file in (processes.folder / "state" / "journal").glob("*"))


def test_reading_stops_at_the_cap_and_resumes_by_itself_when_the_database_comes(
    processes: Processes, server: Server, empty_database: str
) -> None:
    migrate.apply(empty_database)
    simulator = processes.simulator(*LIVELY)
    with closed(server, empty_database):
        tracker = processes.tracker(TRACKER_JOURNAL_MAX_BYTES=str(CAP))
        found = processes.until_status("full", lambda found: "journal_full" in found["codes"])
        found = processes.until_status(
            "nobody listens", lambda found: found["connections"]["live"] == 0
        )
        assert "database_away" in found["codes"]
        received = found["accounting"]["received"]
        assert received > 500
        assert size(processes) <= CAP
    processes.until_status(
        "it listens again", lambda found: found["connections"]["live"] >= 2, within_s=60
    )
    found = processes.until_status(
        "new trades are stored", lambda found: found["trades"]["total"] > received + 500
    )
    assert "journal_full" not in found["codes"]
    assert tracker.stop() == 0
    assert simulator.stop() == 0
    judgement = judge(processes.ledger, processes.dsn)

    assert judgement.clean, judgement
    events = [event.get("event") for event in tracker.events()]
    assert events.count("reading_stopped") == events.count("reading_resumed") == 1
    assert "Traceback" not in tracker.log_text()
    causes = ask(
        empty_database,
        "select distinct g.cause from assets a,"
        " coverage_gaps(a.token_id, '-infinity', now() - interval '1 second') g"
        " where upper(g.gap) - lower(g.gap) > interval '1 second'",
    )
    assert ("disk_full",) in causes
    until("the journal is small again", lambda: size(processes) < CAP // 2)


def test_a_start_whose_cap_is_full_waits_for_the_database_and_then_stores_all_and_listens(
    processes: Processes, server: Server, empty_database: str
) -> None:
    migrate.apply(empty_database)
    simulator = processes.simulator(*LIVELY)
    with closed(server, empty_database), manager(processes.folder) as (told, place):
        killed = processes.tracker(TRACKER_JOURNAL_MAX_BYTES=str(4 * CAP))
        until("it has more than the next may have", lambda: size(processes) > 2 * CAP, within_s=60)
        received = processes.status()["accounting"]["received"]
        assert killed.stop(signal.SIGKILL) == -signal.SIGKILL
        taken = size(processes)

        tracker = processes.tracker(
            TRACKER_JOURNAL_MAX_BYTES=str(CAP), NOTIFY_SOCKET=place, WATCHDOG_USEC="2000000"
        )
        found = processes.until_status("full", lambda found: "journal_full" in found["codes"])
        assert found["state"] == "degraded"
        assert found["connections"]["live"] == 0
        assert found["journal"]["bytes"] > found["journal"]["cap_bytes"]
        for expected in (b"READY=1", b"no space for the journal", b"WATCHDOG=1", b"WATCHDOG=1"):
            while expected not in told.recv(4096):
                pass
        assert size(processes) <= taken
    processes.until_status(
        "it listens", lambda found: found["connections"]["live"] >= 2, within_s=60
    )
    found = processes.until_status(
        "all is stored, and more", lambda found: found["trades"]["total"] > received + 500
    )
    assert "journal_full" not in found["codes"]
    assert tracker.stop() == 0
    assert simulator.stop() == 0
    assert judge(processes.ledger, processes.dsn).clean
    assert "Traceback" not in tracker.log_text()
    assert ask(empty_database, "select count(*) from tracker.process_life") == [(2,)]
