"""A database that is made anew while the tracker runs is told all that is wanted and heard."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from actors.database.schema.opening import EMPTY_S
from tests.live.processes import Processes, processes_in, until
from tests.postgres import Server, do, name_of

pytestmark = [pytest.mark.live, pytest.mark.db]

MANY = (
    *("--markets", "10", "--markets-per-second", "0", "--life", "600-700"),
    *("--trades-per-second", "600"),
)


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


@pytest.mark.timeout(240)
def test_a_database_that_is_made_anew_is_told_what_is_wanted_and_heard(
    processes: Processes, server: Server
) -> None:
    simulator = processes.simulator(*MANY)
    tracker = processes.tracker(TRACKER_JOURNAL_MAX_BYTES="8000000")
    processes.until_status(
        "segments were stored and deleted",
        lambda found: (
            found["accounting"]["stored"] > 10_000 and found["journal"]["bytes"] < 4_000_000
        ),
        within_s=60,
    )
    processes.admin("rates", trades_per_second=5)  # the journal has space for a few thousand
    name = sql.Identifier(name_of(processes.dsn))
    with psycopg.connect(server.dsn, autocommit=True) as database:
        database.execute(sql.SQL("drop database {} with (force)").format(name))
        database.execute(sql.SQL("create database {} template template0").format(name))

    # Whoever makes it anew may be about to restore a copy: it has to stay empty for a minute.
    do(processes.dsn, "create table public.assets (x int)")
    processes.until_status("it is no tracker's", lambda found: MISMATCH in found["codes"])
    do(processes.dsn, "drop table public.assets")
    until(
        "the loss is noticed",
        lambda: _said(tracker.events(), "coverage_forgotten"),
        within_s=EMPTY_S + 30,
    )
    until("all tokens are covered again", lambda: _count(processes.dsn, COVERED) == 20)
    # On the same sockets: no trade was missed for it.
    assert not _said(tracker.events(), "connection_ended")
    assert _count(processes.dsn, WANTED) == 20
    assert _count(processes.dsn, GAPS) == 0
    assert tracker.stop() == 0
    assert simulator.stop() == 0
    assert "Traceback" not in tracker.log_text()


MISMATCH = "schema_mismatch"
COVERED = "select count(distinct token_id) from coverage"
WANTED = "select count(distinct asset_key) from tracker.wanted where until_at is null"
GAPS = """select count(*) from assets a, coverage_gaps(a.token_id, null, null) g
    where upper(g.gap) - lower(g.gap) > interval '5 seconds'"""


def _said(lines: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == event]


def _count(dsn: str, query: str) -> int:
    try:
        with psycopg.connect(dsn) as database:
            row = database.execute(query.encode()).fetchone()
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return -1  # it is being made
    return int(row[0]) if row else -1
