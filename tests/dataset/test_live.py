"""Exports as processes: killed at any moment; what the simulator sent, as files."""

import contextlib
import json
import os
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
from tests.postgres import ask, do

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


MANY = """insert into tracker.trades (traded_at, received_at, trade_hash, asset_key, occurrence,
    is_buy, price, size, transaction_hash)
    select at, at, i, i %% 2000 + 1, 1, i %% 2 = 0, 0.5, i / 1000000.0, sha256(int8send(i))
    from (select i, timestamptz '2026-03-01 00:00+00' + i * interval '40 ms' as at
          from generate_series(%s::bigint, %s) i) g"""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_a_day(database: str, tmp_path: Path) -> None:
    do(
        database,
        """insert into assets (token_id, condition_id)
        select i, i from generate_series(1, 2000) i""",
    )
    do(database, "select tracker.add_trade_day('2026-03-01')")
    peaks, done = [], 0
    for number in (500_000, 2_000_000):
        do(database, MANY, done + 1, number)
        done = number
        export = started(tmp_path / f"r{number}", database)
        for _ in iter(export.line, ""):
            pass
        _, code, used = os.wait4(export.process.pid, 0)
        export.process.returncode = code
        export.stop()
        assert code == 0
        peaks.append(used.ru_maxrss >> 10)
    assert max(peaks) < 400
    assert peaks[1] < peaks[0] + 80


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
    sent, outcomes, _ = _read_ledger(processes.ledger, last_run=False)
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
