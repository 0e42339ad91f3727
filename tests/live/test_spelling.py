"""The exchange spells its trades otherwise, or calls them something else; every row is compared."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.simulator.judge import judge
from tests.live.processes import Processes, processes_in
from tests.postgres import ask

pytestmark = [pytest.mark.live, pytest.mark.db]

LIVELY = (
    *("--markets", "40", "--markets-per-second", "0", "--ending", "0"),
    *("--trades-per-second", "200", "--noise-per-second", "400"),
)


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


@pytest.mark.parametrize(
    "broken", ["numbers,lower_side,scientific", pytest.param("seconds", marks=pytest.mark.long)]
)
def test_trades_in_another_spelling_are_all_stored_and_the_status_says_so(
    processes: Processes, broken: str
) -> None:
    simulator = processes.simulator(*LIVELY, "--broken", broken)
    tracker = processes.tracker()
    found = processes.until_status(
        "600 trades are stored",
        lambda found: found["trades"]["total"] >= 600 and "protocol_drift" in found["codes"],
        within_s=60,
    )
    assert (tracker.stop(), simulator.stop()) == (0, 0)
    judgement = judge(processes.ledger, processes.dsn)

    assert found["assumptions"]["spelling"]["total"] >= 600
    assert judgement.clean, judgement
    assert judgement.stored >= 600
    assert ask(processes.dsn, "select count(*) from rejected_messages") == [(0,)]


def test_trades_under_another_name_are_kept_and_nothing_claims_that_there_were_none(
    processes: Processes,
) -> None:
    simulator = processes.simulator(*LIVELY, "--broken", "renamed_event")
    tracker = processes.tracker()
    found = processes.until_status(
        "600 trades are rejected",
        lambda found: found["accounting"]["rejected"] >= 600,
        within_s=60,
    )
    assert (tracker.stop(), simulator.stop()) == (0, 0)
    judgement = judge(processes.ledger, processes.dsn)

    assert found["state"] == "degraded"
    assert {"trades_rejected", "protocol_drift"} <= set(found["codes"])
    assert judgement.clean, judgement
    assert judgement.stored == 0
    # All that a connection was sent; the last ones may have been on their way when it ended.
    lines = map(json.loads, processes.ledger.read_text().splitlines())
    sent = {line["hash"] for line in lines if line.get("kind") == "trade" and line["to"]}
    payloads = ask(processes.dsn, "select payload from rejected_messages")
    kept = {json.loads(bytes(payload))["transaction_hash"] for (payload,) in payloads}
    assert kept <= sent
    assert len(sent - kept) < 0.1 * len(sent)
    ((withdrawn,),) = ask(
        processes.dsn,
        "select count(distinct asset_key) from tracker.listening where cause = 'rejected'",
    )
    assert withdrawn >= 20
