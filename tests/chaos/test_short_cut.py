"""A short torture: one run with real processes and most kinds of fault."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.checker import check
from tests.chaos.fault import PASS, Outcome
from tests.chaos.fault_run import PROOF_S, FaultRun, carry_out, fault_run
from tests.chaos.process_faults import tear
from tests.chaos.proxy import CLEAN, Toxics
from tests.chaos.server import OwnServer
from tests.live.processes import until

pytestmark = [pytest.mark.live, pytest.mark.db]

DELETE_THREE = """
    set session_replication_role = replica;    -- no trigger forbids it
    delete from tracker.trades where ctid in (
      select ctid from tracker.trades order by traded_at
      offset (select count(*) / 2 from tracker.trades) limit 3)
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Yield a folder that others may enter: under root, the server runs as another user."""
    found = Path(tempfile.mkdtemp(prefix="tracker-"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


@pytest.fixture(scope="module")
def own_server(folder: Path) -> Iterator[OwnServer]:
    found = OwnServer(folder / "pg", durable=False)
    yield found
    if found.up:
        found.stop()


@pytest.fixture
def found(folder: Path, own_server: OwnServer) -> Iterator[FaultRun]:
    outcome = Outcome(number="cut", name="short cut", how="", expected="")
    processes = Path(tempfile.mkdtemp(dir=folder))
    with fault_run(processes, own_server, outcome) as made:
        yield made


def one_feed_at_a_time(found: FaultRun) -> None:
    """A fault of one feed, or of the database, makes no gap and loses nothing."""
    found.simulate()
    base = found.base
    found.start(trades=300)
    time.sleep(PROOF_S)
    found.inject("drop", count=1)
    found.noticed("connection_ended", within_s=10)
    found.recovered(within_s=30)
    base.toxics = Toxics(cut_at=b"COMMIT", cut_after_s=0.05)
    until("a COMMIT was cut", lambda: base.cuts)
    base.toxics = CLEAN
    found.recovered(within_s=60)
    found.server.restart()
    found.recovered(within_s=60)
    found.costs_nothing = True


def kills(found: FaultRun) -> None:
    """A kill with a torn tail, and one together with the database."""
    found.start(trades=300)
    found.kill()
    found.expect(found.acknowledged, "the journal held nothing")
    tear(found)
    found.tracker()
    found.flows()
    found.server.kill()
    found.kill()
    found.server.start()
    found.tracker()
    found.flows()


def test_a_lost_feed_a_cut_commit_and_a_crashed_database_lose_nothing(found: FaultRun) -> None:
    carry_out(one_feed_at_a_time, found)

    assert found.outcome.result == PASS, found.outcome.line()
    assert (found.outcome.sent or 0) > 500

    found.server.run(DELETE_THREE, db=found.plain_dsn)
    checked = check(found.ledger, found.plain_dsn, (found.began, found.began + 1)).judged

    assert checked.uncovered == 3, "the checker does not see what was deleted"
    assert not checked.clean


def test_kills_torn_tails_and_a_crashed_database_lose_and_double_nothing(found: FaultRun) -> None:
    carry_out(kills, found)

    assert found.outcome.result == PASS, found.outcome.line()
    assert (found.outcome.sent or 0) > 300
