"""Gamma is not as assumed, in each way alone: every market that it can be made to name is watched.

The whole tracker against the simulator; the names are those of `--broken`.
"""

import signal
from pathlib import Path
from typing import Any

import pytest

from actors.simulator.judge import judge, ledger_lines
from actors.simulator.sources.oddities import FAILING_EACH
from tests.live.processes import Processes, processes_in, until
from tests.postgres import Server, ask, do, name_of

pytestmark = pytest.mark.live

MARKETS = 200
WORLD = (
    f"--markets={MARKETS}",
    "--markets-per-second=0",
    "--ending=0",
    "--trades-per-second=20",
    "--noise-per-second=0",
)
WITHIN_S = 90.0


def watched(processes: Processes, what: str, count: int) -> dict[str, Any]:
    return processes.until_status(
        what, lambda found: found["catalog"]["markets"] >= count, within_s=WITHIN_S
    )


@pytest.mark.parametrize(
    ("broken", "missing", "assumption"),
    [
        pytest.param("gamma_list_gone", 0, "", marks=pytest.mark.long),
        ("keyset_gone", 0, "keyset"),
        pytest.param("keyset_422", 0, "keyset", marks=pytest.mark.long),
        ("cursor_ignored", 0, "keyset"),
        pytest.param(  # events are left
            "keyset_gone,gamma_list_gone", 0, "keyset", marks=pytest.mark.long
        ),
        pytest.param("page_20", 0, "", marks=pytest.mark.long),
        ("poisoned_market", 0, "clean_pages"),
        pytest.param("field_types", 0, "clean_pages", marks=pytest.mark.long),
        pytest.param(
            "market_500",
            len(range(7, MARKETS, FAILING_EACH)),
            "clean_pages",
            marks=pytest.mark.long,
        ),
    ],
)
def test_all_markets_are_watched_and_new_ones_found(
    tmp_path: Path, database: str, broken: str, missing: int, assumption: str
) -> None:
    with processes_in(tmp_path, database) as processes:
        processes.simulator(*WORLD, f"--broken={broken}")
        tracker = processes.tracker()
        watched(processes, "all markets that are listed", MARKETS - missing)
        # Without a token to announce, the market is found by a listing or a look-up.
        processes.admin("market", opens_in_s=1, life_s=600)
        found = watched(processes, "a new one", MARKETS - missing + 1)
        assert tracker.stop() == 0

    counts = {name for name, count in found["assumptions"].items() if count["total"]}
    assert counts & {"keyset", "clean_pages"} == ({assumption} if assumption else set())
    named = [line for line in tracker.events() if line["event"] == "listing_trouble"]
    passed_over = {line["reason"] for line in named if line["trouble"] == "passed over"}
    assert bool(passed_over) is bool(missing)


def reach(server: Server, database: str, *, allowed: bool) -> None:
    """Let a database be reached or not; whoever is connected to it is cut off."""
    name = name_of(database)
    do(server.dsn, f'alter database "{name}" with allow_connections {allowed}')
    if not allowed:
        do(
            server.dsn,
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
            name,
        )


def is_over(processes: Processes, condition: str, token: str) -> bool:
    lines = list(ledger_lines(processes.ledger))
    traded = any(line["kind"] == "trade" and line["token"] == token for line in lines)
    return traded and any(
        line["kind"] == "outcome" and line["condition"] == condition for line in lines
    )


@pytest.mark.db
@pytest.mark.long
def test_a_market_that_began_and_ended_while_the_database_was_away_is_found_after_a_kill(
    tmp_path: Path, server: Server, database: str
) -> None:
    with processes_in(tmp_path, database) as processes:
        simulator = processes.simulator(
            *("--markets=5", "--markets-per-second=0", "--ending=0", "--noise-per-second=0"),
            # It is closed at Gamma as soon as it ends, and in no listing of the next process.
            *("--trades-per-second=50", "--lag-gamma=0-0", "--intact=cached_300s"),
        )
        tracker = processes.tracker()
        processes.until_status("trades are stored", lambda found: found["trades"]["total"] > 50)
        reach(server, database, allowed=False)
        processes.until_status(
            "the database is away", lambda found: found["database"]["state"] == "away"
        )
        processes.admin("market", fate="clean", winner=1, opens_in_s=2, life_s=4)
        (line,) = [
            line
            for line in ledger_lines(processes.ledger)
            if line["kind"] == "market" and line["announced_at"]
        ]
        condition, (_, winner) = line["condition"], line["tokens"]
        until("it has traded and ended", lambda: is_over(processes, condition, winner))
        tracker.stop(signal.SIGKILL)
        reach(server, database, allowed=True)
        assert ask(database, "select 1 from markets where condition_id = %s", condition) == []

        tracker = processes.tracker()
        until(
            "it has its resolution",
            lambda: ask(database, "select 1 from resolutions where condition_id = %s", condition),
            within_s=90.0,
        )
        assert tracker.stop() == 0
        assert simulator.stop() == 0
        judged = judge(processes.ledger, database)

    of_it = ask(database, "select distinct outcome from trades where token_id = %s", winner)
    assert of_it == [(line["outcomes"][1],)]
    assert (judged.missing, judged.duplicates, judged.unexpected) == (0, 0, 0)
    assert (judged.resolved_right, judged.resolved_wrong) == (1, 0)
