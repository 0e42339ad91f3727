"""Every trade has another name, is kept, and is taken in by a version that knows the name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.app.reingest import understand
from actors.database.commands.kept import BEGINNING, KeptMessage, KeptMessages, Understood
from actors.simulator.events import NEW_NAME
from actors.simulator.judge import judge
from tests.live.processes import Process, Processes, processes_in
from tests.live.test_spelling import LIVELY
from tests.postgres import ask

pytestmark = [pytest.mark.live, pytest.mark.db]

# What ended at the last proof of its epoch lost no time.
DOUBTED = """select count(*)
    from tracker.listening l join tracker.epochs e using (journal_key, epoch)
    where l.cause = 'rejected' and l.confirmed_seq < l.released_seq
      and l.until_at < e.proven_until and not exists (
      select from tracker.listening r where (r.journal_key, r.epoch, r.asset_key, r.confirmed_seq)
        = (l.journal_key, l.epoch, l.asset_key, l.released_seq) and r.until_at > r.from_at)"""


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


def reingest(processes: Processes, *arguments: str) -> tuple[int, list[str]]:
    """Run `tracker --reingest` to its end; return its exit code and what it says."""
    errors = processes.folder / "reingest.log"
    process = Process("tracker", ["--reingest", *arguments], processes.settings(), errors)
    assert process.process.stdout is not None
    lines = process.process.stdout.read().splitlines()
    return process.stop(within_s=20), lines


def renamed(message: KeptMessage) -> Understood:
    """Read a message as a version that knows the new name."""
    payload = message.payload.replace(NEW_NAME.encode(), b"last_trade_price")
    return understand(message._replace(payload=payload))


def test_trades_that_nobody_could_read_are_stored_later_and_their_gaps_close(
    processes: Processes,
) -> None:
    simulator = processes.simulator(*LIVELY, "--broken", "renamed_event")
    tracker = processes.tracker()
    processes.until_status(
        "600 trades are rejected",
        lambda found: found["accounting"]["rejected"] >= 600,
        within_s=60,
    )
    # Beside the tracker, whose connections have not ended.
    code, (*_, last) = reingest(processes)
    assert code == 0
    assert last.startswith("not read: ")
    assert last.endswith("as their connections have not ended; run it again")
    assert (tracker.stop(), simulator.stop()) == (0, 0)
    ((kept,),) = ask(processes.dsn, "select count(*) from rejected_messages")
    before = judge(processes.ledger, processes.dsn)
    assert before.stored == 0
    assert ask(processes.dsn, DOUBTED) > [(20,)]

    code, lines = reingest(processes)
    assert (code, lines[:2]) == (0, [f"kept messages read: {kept}", "taken in: 0"])
    assert lines[-1] == f"  {kept}  unknown event_type"

    messages, after = KeptMessages(processes.dsn), 0
    try:
        while (step := messages.step(after, BEGINNING, renamed)) is not None:
            after = step.until
    finally:
        messages.close()
    judgement = judge(processes.ledger, processes.dsn)
    assert judgement.clean, judgement
    # Both feeds kept each of them; some are alike, and both happened.
    query = "select count(distinct (payload, occurrence)) from rejected_messages"
    assert ask(processes.dsn, query) == [(judgement.stored,)]
    assert judgement.stored >= 300
    assert ask(processes.dsn, DOUBTED) == [(0,)]
    assert reingest(processes)[1][:2] == ["kept messages read: 0", "taken in: 0"]
