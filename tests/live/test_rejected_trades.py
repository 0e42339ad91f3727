"""Somebody lets the database reject one trade in two hundred, and undoes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.simulator.judge import judge
from tests.live.processes import Processes, processes_in
from tests.live.test_spelling import LIVELY
from tests.postgres import ask, do

pytestmark = [pytest.mark.live, pytest.mark.db]

CLAIMED = """select count(*) from rejected_messages m join coverage c on c.token_id = m.doubt
    where m.taken_in_at is null and c.during && m.uncovered"""


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


def test_trades_that_the_database_rejects_are_gaps_and_are_stored_without_anyones_help(
    processes: Processes,
) -> None:
    simulator, tracker = processes.simulator(*LIVELY), processes.tracker()
    processes.until_status(
        "trades are stored", lambda found: found["trades"]["total"] >= 300, within_s=60
    )
    do(
        processes.dsn,
        """alter table tracker.trades add constraint silly
        check (trade_hash % 200 <> 0) not valid""",
    )
    found = processes.until_status(
        "trades are rejected",
        lambda found: found["database"]["rejected_trades"] >= 4,
        within_s=120,
    )
    assert "trades_rejected" in found["codes"]
    assert tracker.stop() == 0
    assert judge(processes.ledger, processes.dsn).missing == 0
    assert ask(processes.dsn, CLAIMED) == [(0,)]

    tracker = processes.tracker()
    processes.until_status(
        "the next process tells of them",
        lambda found: found["database"]["rejected_trades"] >= 4,
        within_s=60,
    )
    do(processes.dsn, "alter table tracker.trades drop constraint silly")
    processes.until_status(
        "all are stored", lambda found: found["database"]["rejected_trades"] == 0, within_s=120
    )
    assert (tracker.stop(), simulator.stop()) == (0, 0)
    judgement = judge(processes.ledger, processes.dsn)
    assert judgement.clean, judgement
    assert ask(
        processes.dsn, "select count(*) from rejected_messages where taken_in_at is null"
    ) == [(0,)]
