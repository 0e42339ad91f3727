"""Markets that Gamma never lists: found in the feed's announcements, as processes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from actors.simulator.judge import judge, ledger_lines
from tests.live.processes import Processes, processes_in, until

pytestmark = [pytest.mark.live, pytest.mark.db]

MARKETS = 20


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


def announced(ledger: Path) -> dict[str, float]:
    """Return when each token was announced whose market began during the run."""
    lines = [line for line in ledger_lines(ledger) if line["kind"] == "market"]
    return {
        token: line["announced_at"] / 1000
        for line in lines
        if line["announced_at"] and line["version"] == "v2"
        for token in line["tokens"]
    }


def covered_since(dsn: str, tokens: list[str]) -> dict[str, float]:
    found = rows(
        dsn,
        "SELECT token_id, min(lower(during)) FROM coverage WHERE token_id = ANY(%s)"
        " GROUP BY token_id",
        tokens,
    )
    return {token: at.timestamp() for token, at in found}


def all_heard(dsn: str, tokens: dict[str, float], until_ms: int) -> bool:
    query: LiteralString = (
        "SELECT count(DISTINCT token_id) FROM coverage"
        " WHERE token_id = ANY(%s) AND upper(during) > to_timestamp(%s)"
    )
    return rows(dsn, query, list(tokens), until_ms / 1000) == [(len(tokens),)]


def is_past(at: float) -> bool:
    return datetime.now(UTC).timestamp() > at


def rows(dsn: str, query: LiteralString, *given: Any) -> list[Any]:
    with psycopg.connect(dsn) as database:
        return database.execute(query, given).fetchall()


def test_markets_that_gamma_never_lists_are_watched_from_their_announcement(
    processes: Processes,
) -> None:
    simulator = processes.simulator(
        *("--markets", "20", "--ending", "0", "--broken", "v2_unlisted"),
        *("--trades-per-second", "300", "--noise-per-second", "200", "--markets-per-second", "0"),
    )
    tracker = processes.tracker()
    processes.until_status("trades flow", lambda found: found["trades"]["total"] >= 100)
    began = datetime.now(UTC).timestamp()
    for number in range(MARKETS):
        processes.admin("market", v2=True, opens_in_s=2, life_s=600)
        until("some time is over", partial(is_past, began + 0.2 * number))
    tokens = announced(processes.ledger)
    assert len(tokens) == 2 * MARKETS
    until(
        "all are covered",
        lambda: len(covered_since(processes.dsn, list(tokens))) == len(tokens),
        within_s=20,
    )
    assert processes.status()["assets"]["never_confirmed"] == 0
    until("half of them traded", lambda: len(tokens.keys() & traded(processes.ledger)) >= MARKETS)
    until_ms = int(datetime.now(UTC).timestamp() * 1000)
    until(
        "all that was sent until then has come", partial(all_heard, processes.dsn, tokens, until_ms)
    )
    assert tracker.stop() == 0
    assert simulator.stop() == 0

    since = covered_since(processes.dsn, list(tokens))
    delays = sorted(since[token] - at for token, at in tokens.items())
    assert len(delays) == 2 * MARKETS
    assert delays[int(len(delays) * 0.99)] <= 2.0
    judgement = judge(processes.ledger, processes.dsn)
    assert judgement.clean, judgement
    stored = rows(
        processes.dsn,
        "SELECT count(DISTINCT m.condition_id) FROM markets m JOIN assets a USING (condition_id)"
        " WHERE a.token_id = ANY(%s) AND a.outcome <> '' AND m.question <> ''",
        list(tokens),
    )
    assert stored == [(MARKETS,)]
    sent = sum(
        line["kind"] == "trade" and line["token"] in tokens and line["ts"] < until_ms
        for line in ledger_lines(processes.ledger)
    )
    kept = rows(
        processes.dsn,
        "SELECT count(*) FROM trades WHERE token_id = ANY(%s) AND traded_at < to_timestamp(%s)",
        *(list(tokens), until_ms / 1000),
    )
    assert sent > MARKETS
    assert kept == [(sent,)]


def traded(ledger: Path) -> set[str]:
    return {line["token"] for line in ledger_lines(ledger) if line["kind"] == "trade"}
