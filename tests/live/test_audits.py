"""Audits of a running tracker: a healthy run is complete, and a trade that is gone is found."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.live.processes import Process, Processes, processes_in, until
from tests.live.short_audits import HOUR_MS

pytestmark = [pytest.mark.live, pytest.mark.db]

LIVELY = (
    *("--markets", "12", "--ending", "0", "--markets-per-second", "0"),
    *("--trades-per-second", "80", "--noise-per-second", "50", "--intact", "trades_cached_300s"),
)
RUNNER = Path("..") / "tests" / "live" / "short_audits.py"
"""Beside the programs, as the harness names them."""


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


def auditing(processes: Processes, *simulated: str, **settings: str) -> Process:
    processes.simulator(*LIVELY, *simulated)
    settings = {**processes.settings(), **settings}
    tracker = Process(str(RUNNER), [], settings, processes.folder / "tracker.log")
    processes.own(tracker)
    return tracker


def asked(dsn: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(query.encode(), values).fetchall()


def lose_a_trade(dsn: str) -> tuple[str, int]:
    """Delete a trade of the last hour, as only the owner can; return its market and its hour."""
    hour_ms = int(time.time() * 1_000) // HOUR_MS * HOUR_MS - HOUR_MS
    with psycopg.connect(dsn) as connection:
        connection.execute("set session_replication_role = replica")  # triggers do not run
        row = connection.execute(
            """delete from tracker.trades t using public.assets a
               where a.asset_key = t.asset_key and (t.traded_at, t.asset_key, t.trade_hash) = (
                 select u.traded_at, u.asset_key, u.trade_hash from tracker.trades u
                 where u.traded_at >= to_timestamp(%s / 1000.0) and u.size >= 1
                 order by u.traded_at limit 1)
               returning a.condition_id""",
            (hour_ms + HOUR_MS / 2,),
        ).fetchone()
    assert row is not None
    return str(row[0]), hour_ms


JUDGED = """select sum(theirs), sum(missing) from audits
    where hour > (select min(hour) from audits)"""
"""Of whole hours: the first began before the tracker did."""
RESULT = """select result, missing, outside_gaps from audits
    where condition_id = %s and hour = to_timestamp(%s / 1000.0)"""


@pytest.mark.timeout(240)
def test_a_healthy_run_is_complete_and_a_trade_that_is_gone_is_found(
    processes: Processes,
) -> None:
    tracker = auditing(processes, TRACKER_POLYGON_RPC_URLS="off")
    found = processes.until_status(
        "audits were made",
        lambda found: found["audits"]["complete"] >= 12 and found["audits"]["listed"] > 1_000,
        within_s=120,
    )["audits"]
    assert found["outside_gaps"] == 0
    ((theirs, missing),) = asked(processes.dsn, JUDGED)
    assert theirs > 500
    assert missing <= theirs / 1_000

    market, hour_ms = lose_a_trade(processes.dsn)
    until(
        "it was found",
        lambda: asked(processes.dsn, RESULT, market, hour_ms) == [("missing", 1, 1)],
        within_s=60,
    )
    shown = processes.until_status(
        "the status says so", lambda found: "audit_missing" in found["codes"]
    )
    assert (shown["state"], shown["audits"]["outside_gaps"]) == ("attention", 1)
    assert tracker.stop() == 0
    assert any(line.get("event") == "audit_missing" for line in tracker.events())


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_witness_with_every_quirk_calls_nothing_missing(processes: Processes) -> None:
    quirks = "trades_ghosts,trades_resent,trades_twice,trades_combos,trades_dust_filtered"
    tracker = auditing(processes, "--broken", quirks)
    found = processes.until_status(
        "audits were made",
        lambda found: found["audits"]["unknown"] >= 12 and found["audits"]["listed"] > 1_000,
        within_s=120,
    )["audits"]
    assert tracker.stop() == 0

    assert found["outside_gaps"] == 0
    assert {name for name, _ in asked(
        processes.dsn, "select result, count(*) from audits where outside_gaps > 0 group by 1"
    )} == set()  # fmt: skip


@pytest.mark.timeout(240)
def test_the_stream_is_a_witness_and_is_connected_again_when_it_freezes(
    processes: Processes,
) -> None:
    tracker = auditing(
        processes, "--broken", "rtds_frozen,rtds_trades", TRACKER_AUDIT_STREAM="true"
    )
    found = processes.until_status(
        "the stream froze and told something again",
        lambda found: (
            found["audits"]["stream"]["frozen_total"] >= 1
            and found["audits"]["stream"]["state"] == "ok"
        ),
        within_s=90,
    )["audits"]["stream"]
    assert found["kept"] > 0
    assert found["rejected_total"] == 0
    # The stream may tell a trade before the tracker listens to its token: that lies in a gap.
    query = "select result, sum(outside_gaps) from audits where witness = 'rtds' group by 1"
    until("it was compared", lambda: asked(processes.dsn, query), within_s=90)
    assert all(outside == 0 for _, outside in asked(processes.dsn, query))
    assert tracker.stop() == 0
    lost = [line for line in tracker.events() if line.get("event") == "audit_stream_lost"]
    assert {line["reason"] for line in lost} == {"frozen"}


@pytest.mark.timeout(240)
def test_what_is_gone_is_proven_by_the_chain_and_found_by_the_stream(
    processes: Processes,
) -> None:
    tracker = auditing(processes, TRACKER_AUDIT_STREAM="true")
    processes.until_status(
        "audits were made", lambda found: found["audits"]["complete"] >= 12, within_s=120
    )
    until(
        "the stream calls an hour complete",
        lambda: asked(
            processes.dsn,
            "select 1 from audits where witness = 'rtds' and result = 'complete' limit 1",
        ),
        within_s=90,
    )
    market, hour_ms = lose_a_trade(processes.dsn)
    found = """select result, missing, outside_gaps from audits
        where witness = 'chain' and condition_id = %s and hour = to_timestamp(%s / 1000.0)"""
    until(
        "the chain proves it",
        lambda: asked(processes.dsn, found, market, hour_ms) == [("missing", 1, 1)],
        within_s=60,
    )
    shown = processes.until_status(
        "the status is degraded", lambda found: found["audits"]["proven"] == 1
    )
    assert shown["state"] == "degraded"
    assert shown["audits"]["witnesses"]["chain"] == "ok"
    assert tracker.stop() == 0
