"""A restart without a gap: a second tracker takes over from the first under steady trades."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from actors.cli import status
from actors.database.schema.migration_files import MUST_NOT_WRITE
from actors.simulator.judge import Judgement, judge
from tests.live.processes import ROOT, Process, Processes, processes_in, until

pytestmark = [pytest.mark.live, pytest.mark.db, pytest.mark.timeout(170)]

TRADES = int(os.environ.get("TRACKER_TEST_TRADES_PER_SECOND", "300"))
STEADY_S = 3.0


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


class TwoTrackers:
    """Blue and green: each with its own state directory and socket, on one database."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.simulator = processes.simulator(
            *("--markets", "40", "--life", "600-700", "--markets-per-second", "0"),
            *("--trades-per-second", "0", "--noise-per-second", "200"),
        )
        self.running: dict[str, Process] = {}

    def socket(self, color: str) -> Path:
        return self.processes.folder / f"{color}.sock"

    def start(self, color: str, root: Path = ROOT) -> None:
        self.running[color] = self.processes.tracker_of(
            root,
            TRACKER_STATE_DIR=str(self.processes.folder / color),
            TRACKER_STATUS_SOCKET=str(self.socket(color)),
        )
        until(f"{color} answers", lambda: self.status(color).get("uptime_s", 0) > 0)

    def status(self, color: str) -> dict[str, Any]:
        try:
            return status.ask(self.socket(color))
        except status.Unreachable:
            return {}

    def takes_over(self, color: str, other: str, *argv: str) -> int:
        waits = ("--wait", "takes-over-from", str(self.socket(other)), *argv)
        return status.main(["--socket", str(self.socket(color)), *waits], environ={})

    def until_all_covered(self, color: str) -> None:
        def covers() -> bool:
            assets = self.status(color).get("assets", {})
            return bool(assets) and assets["covered"] == assets["wanted"] > 70

        until(f"{color} covers all", covers)

    def steady(self) -> None:
        """Let trades flow for a while."""
        over = datetime.now(UTC) + timedelta(seconds=STEADY_S)
        until("the time is over", lambda: datetime.now(UTC) >= over)

    def stop(self, color: str, *, drained: bool = True) -> None:
        # The log is that of both.
        before = self._not_drained()
        tracker = self.running.pop(color)
        assert tracker.stop() == 0
        assert "Traceback" not in tracker.log_text()
        assert (self._not_drained() == before) == drained

    def _not_drained(self) -> int:
        lines = (self.processes.folder / "tracker.log").read_text().splitlines()
        return sum('"not_drained"' in line for line in lines)

    def rows(self, query: LiteralString, *given: Any) -> list[Any]:
        with psycopg.connect(self.processes.dsn) as database:
            return database.execute(query, given).fetchall()

    def gaps(self, since: datetime, until_: datetime) -> list[Any]:
        """Return the gaps of all tokens that were covered when the trades began."""
        query: LiteralString = (
            "select distinct on (token_id) token_id, gap, cause from"
            " (select token_id from coverage where during @> %(since)s::timestamptz) as known,"
            " coverage_gaps(token_id, %(since)s, %(until)s)"
        )
        with psycopg.connect(self.processes.dsn) as database:
            return database.execute(query, {"since": since, "until": until_}).fetchall()

    def end(self) -> Judgement:
        """End all once every trade that was sent is stored and its time is proven."""
        self.processes.admin("rates", trades_per_second=0)
        sent = datetime.now(UTC)
        query: LiteralString = (
            "select count(*) from tracker.epochs where closed_seq is null and proven_until < %s"
        )
        until("all is proven", lambda: self.rows(query, sent)[0][0] == 0)
        self.sent_until = sent
        for color in tuple(self.running):
            self.stop(color)
        assert self.simulator.stop() == 0
        return judge(self.processes.ledger, self.processes.dsn)


def test_taking_over_under_steady_trades_loses_nothing_and_leaves_no_gap(
    processes: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    both = TwoTrackers(processes)
    both.start("blue")
    both.until_all_covered("blue")
    began = datetime.now(UTC)
    processes.admin("rates", trades_per_second=TRADES)
    for old, new in (("blue", "green"), ("green", "blue")):
        both.start(new)
        assert both.takes_over(new, old) == 0, capsys.readouterr().err
        both.stop(old)
        both.steady()
    judgement = both.end()
    out = capsys.readouterr().out

    assert out.count("taken over after") == 2
    assert judgement.clean, judgement
    assert judgement.sent == judgement.stored > TRADES * STEADY_S
    assert (judgement.in_gaps, judgement.unwatched) == (0, 0)
    assert both.gaps(began, both.sent_until) == []


def test_what_is_not_taken_over_is_a_gap_and_the_wait_says_so(
    processes: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wait is what makes the difference: a successor that listens to less never ends it."""
    both = TwoTrackers(processes)
    both.start("blue")
    both.until_all_covered("blue")
    both.running["green"] = processes.tracker(
        TRACKER_STATE_DIR=str(processes.folder / "green"),
        TRACKER_STATUS_SOCKET=str(both.socket("green")),
        TRACKER_MAX_ASSETS="10",
    )
    until("green answers", lambda: both.status("green").get("uptime_s", 0) > 0)
    assert both.takes_over("green", "blue", "--timeout", "4") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "not covered here" in said


def newer_version(folder: Path) -> Path:
    """Return a copy of this version with one more migration, which forbids this one to write."""
    for name in ("actors", "bin", "sql"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "sql" / "migrations" / "9000_create_newest.sql").write_bytes(
        b"-- Why: a test.\n-- Locks: none.\n"
        + MUST_NOT_WRITE
        + b"\ncreate table tracker.newest (a int);\n"
    )
    return folder


def test_a_migration_that_stops_the_old_version_from_writing_costs_nothing_either(
    processes: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the old one receives while it may not write, the newer version stores afterwards."""
    newer = newer_version(processes.folder / "newer")
    both = TwoTrackers(processes)
    both.start("blue")
    both.until_all_covered("blue")
    began = datetime.now(UTC)
    processes.admin("rates", trades_per_second=TRADES)
    both.steady()
    both.start("green", newer)
    until("blue may not write", lambda: "version_outdated" in both.status("blue").get("codes", ()))
    assert both.takes_over("green", "blue") == 0, capsys.readouterr().err
    both.stop("blue", drained=False)
    both.steady()
    # The last step of the procedure: blue in the newer version, until its journal is stored.
    both.start("blue", newer)
    until(
        "what blue received is stored",
        lambda: both.status("blue").get("database", {}).get("state") == "live",
    )
    judgement = both.end()

    assert judgement.clean, judgement
    assert judgement.sent == judgement.stored > TRADES * STEADY_S
    assert (judgement.in_gaps, judgement.unwatched) == (0, 0)
    assert both.gaps(began, both.sent_until) == []
