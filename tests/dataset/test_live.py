"""Exports as processes: killed at any moment; what the simulator sent, as files."""

import contextlib
import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from actors.database.store import Store
from actors.dataset.export.verify import faults
from actors.model.storage import Batch
from actors.simulator.judge import _read_ledger
from tests.database.samples import trade
from tests.dataset.stored import fill
from tests.live.processes import Process, Processes, as_url, processes_in
from tests.postgres import ask

pytestmark = [pytest.mark.live, pytest.mark.db]


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


def started(root: Path, dsn: str, *argv: str) -> Process:
    arguments = ["--from", "2026-03-01", "--to", "2026-03-03", "--out", str(root), *argv]
    env = {"TRACKER_DATABASE_URL": as_url(dsn)}
    return Process("tracker-export", arguments, env, root.parent / "export.log")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.long)])
def test_kill_9_at_random_moments_leaves_a_release_that_is_whole(
    rounds: int, store: Store, database: str, tmp_path: Path
) -> None:
    fill(store, 20_000)
    root, rng = tmp_path / "r", random.Random(rounds)
    first = started(tmp_path / "first", database)
    assert json.loads(first.line())["event"] == "begin"
    began = time.monotonic()
    assert first.process.wait(120) == 0
    takes_s = time.monotonic() - began
    first.stop()
    for number in range(rounds):
        # Each round has something to do: one more trade of the first day.
        store.commit(Batch(trades=(trade(number),)))
        export = started(root, database)
        export.line()
        with contextlib.suppress(subprocess.TimeoutExpired):
            export.process.wait(rng.random() * takes_s)
        export.stop(signal.SIGKILL)
        assert list(faults(root)) == []
    last = started(root, database)
    assert last.process.wait(120) == 0
    last.stop()
    assert list(faults(root)) == []
    ((count,),) = ask(database, "select count(*) from trades")
    assert pl.read_parquet(root / "trades").height == count == 20_000 + rounds
    assert not list(root.glob(".unfinished/*"))


@pytest.mark.timeout(300)
def test_what_the_simulator_sent_is_what_a_release_has(
    processes: Processes, tmp_path: Path
) -> None:
    simulator = processes.simulator(
        *("--markets", "30", "--trades-per-second", "150", "--noise-per-second", "50"),
        *("--life", "4-8"),
    )
    tracker = processes.tracker()
    processes.until_status(
        "trades and resolutions",
        lambda found: found["trades"]["total"] >= 1_500 and found["resolutions"]["recorded"] >= 5,
        within_s=120,
    )
    assert tracker.stop() == 0
    assert simulator.stop() == 0
    sent, _, outcomes = _read_ledger(processes.ledger, last_run=False)
    today = datetime.now(UTC).date()
    root = tmp_path / "r"
    export = Process(
        "tracker-export",
        [
            "--from",
            str(today - timedelta(1)),
            "--to",
            str(today + timedelta(1)),
            "--out",
            str(root),
        ],
        {"TRACKER_DATABASE_URL": processes.dsn},
        tmp_path / "export.log",
    )
    assert export.process.wait(120) == 0, export.log_text()
    export.stop()
    assert list(faults(root)) == []
    frame = pl.read_parquet(root / "trades")
    found = Counter(
        (token, at // 1_000, price, size, side, None if sha is None else "0x" + sha.hex())
        for token, at, price, size, side, sha in frame.select(
            "token_id", pl.col("traded_at").dt.epoch("us"), "price", "size", "side",
            "transaction_hash",
        ).iter_rows()
    )  # fmt: skip
    stored = ask(processes.dsn, "select count(*) from trades")[0][0]
    assert sum(found.values()) == stored >= 1_500
    assert not found - sent
    labels = pl.read_parquet(root / "labels.parquet")
    winners = labels.filter((pl.col("kind") == "winner") & (pl.col("payout") == 1))
    assert winners.height >= 4
    for token, condition in winners.select("token_id", "condition_id").iter_rows():
        assert outcomes[condition] == token
    manifest = json.loads((root / "manifest.json").read_text())
    assert manifest["days"][str(today)]["state"] == "open"
    assert manifest["about"]["coverage"] > 0
