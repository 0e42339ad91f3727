"""Silence, missed tokens and handovers against the simulator, compared trade by trade.

Trades begin when every token is listened to, so whatever is absent was lost.
"""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from actors.cli.status import WELL
from actors.simulator.judge import Judgement, judge
from tests.live.processes import Process, Processes, processes_in, until

pytestmark = [pytest.mark.live, pytest.mark.db, pytest.mark.long]

CALM = (
    *("--markets", "40", "--markets-per-second", "0", "--life", "600-700"),
    *("--trades-per-second", "0", "--noise-per-second", "200"),
)
SILENCE_S = 5


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


class RedundantRun:
    """One simulator and one tracker that listens to everything before the first trade."""

    def __init__(
        self, processes: Processes, *, trades: int, redundancy: int, **settings: str
    ) -> None:
        self.processes = processes
        self.simulator = processes.simulator(*CALM)
        self.tracker: Process = processes.tracker(
            TRACKER_REDUNDANCY=str(redundancy),
            TRACKER_SILENCE_SECONDS=str(SILENCE_S),
            TRACKER_ASSETS_PER_CONNECTION="20",
            **settings,
        )
        slots = 4 * redundancy
        processes.until_status(
            "every connection receives all of its tokens", lambda found: all_receive(found, slots)
        )
        self.began = datetime.now(UTC)
        processes.admin("rates", trades_per_second=trades)

    def ended(self, reason: str) -> set[str]:
        """Return the connections that ended for this reason."""
        lines = self.tracker.events()
        return {
            line["connection"]
            for line in lines
            if line["event"] == "connection_ended" and line["reason"] == reason
        }

    def until_ended(self, reason: str, *, within_s: float) -> None:
        until(f"a connection ends as {reason}", lambda: self.ended(reason), within_s=within_s)

    def connections(self) -> list[dict[str, Any]]:
        url = f"{self.processes.urls['admin_url']}/connections"
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
            found = json.load(answer)
        return list(found["connections"] if isinstance(found, dict) else found)

    def end(self) -> Judgement:
        """Wait until all trades arrived, stop cleanly, and compare."""
        self.processes.admin("rates", trades_per_second=0)
        ended = datetime.now(UTC)
        self.processes.until_status(
            "all is committed", lambda found: found["accounting"]["in_journal"] == 0
        )
        self._prove(ended)
        assert self.tracker.stop() == 0
        assert self.simulator.stop() == 0
        assert "Traceback" not in self.tracker.log_text()
        return judge(self.processes.ledger, self.processes.dsn)

    def _prove(self, moment: datetime) -> None:
        """Wait until every connection has proven that it received everything up to a moment."""
        query = "select count(*) from tracker.epochs where closed_seq is null and proven_until < %s"
        until("all is proven", lambda: self._ask(query, moment) == 0)
        self.gaps = self._gaps(moment)

    def _gaps(self, ended: datetime) -> int:
        """Return how many gaps there are since the first trade."""
        query = (
            "select count(*) from (select distinct token_id from coverage) as received,"
            " coverage_gaps(token_id, %s, %s) as missing"
        )
        return self._ask(query, self.began, ended)

    def _ask(self, query: Any, *values: datetime) -> int:
        with psycopg.connect(self.processes.dsn) as database:
            row = database.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])


def all_receive(document: dict[str, Any], slots: int) -> bool:
    lines = [line for line in document["connections"]["list"] if line["id"] != "lifecycle"]
    return len(lines) == slots and all(
        line["state"] == "listening" and line["tokens"] == line["confirmed"] > 0 for line in lines
    )


def none_missed(found: Callable[[], list[dict[str, Any]]]) -> bool:
    return not any(one["missed"] for one in found())


def test_a_freeze_that_answers_pong_is_noticed_in_time_with_one_feed(processes: Processes) -> None:
    run = RedundantRun(processes, trades=100, redundancy=1)
    run.processes.admin("fault", kind="freeze", count=1)
    frozen_at = time.monotonic()
    run.until_ended("frozen", within_s=SILENCE_S + 5)
    assert time.monotonic() - frozen_at >= SILENCE_S - 1
    processes.until_status("it listens again", lambda found: all_receive(found, 4))
    judgement = run.end()

    assert judgement.clean, judgement
    assert judgement.in_gaps > 0
    assert judgement.unwatched == 0
    assert len(run.ended("frozen")) == 1


def test_a_freeze_makes_no_gap_with_two_feeds(processes: Processes) -> None:
    run = RedundantRun(processes, trades=300, redundancy=2)
    run.processes.admin("fault", kind="freeze", count=1)
    run.until_ended("frozen", within_s=SILENCE_S + 5)
    processes.until_status("it listens again", lambda found: all_receive(found, 8))
    judgement = run.end()

    assert judgement.clean, judgement
    assert judgement.sent == judgement.stored > 1_000
    assert run.gaps == 0
    assert len(run.ended("frozen")) == 1


def test_replacing_every_connection_under_load_loses_and_doubles_nothing(
    processes: Processes,
) -> None:
    run = RedundantRun(processes, trades=1_000, redundancy=2, TRACKER_REPLACE_SECONDS="5")
    slots = {f"{chr(ord('a') + feed)}-{number:04}" for feed in range(2) for number in range(4)}
    until("every one was replaced", lambda: slots <= run.ended("replaced"), within_s=25)
    judgement = run.end()

    assert judgement.clean, judgement
    assert judgement.sent == judgement.stored > 3_000
    assert run.gaps == 0


def test_a_replacement_makes_no_gap_with_one_feed(processes: Processes) -> None:
    run = RedundantRun(processes, trades=300, redundancy=1, TRACKER_REPLACE_SECONDS="5")
    slots = {f"a-{number:04}" for number in range(4)}
    until("every one was replaced", lambda: slots <= run.ended("replaced"), within_s=25)
    judgement = run.end()

    assert judgement.clean, judgement
    assert judgement.sent == judgement.stored > 500
    assert run.gaps == 0


def test_a_missed_token_is_found_by_the_other_feed_and_resubscribed(processes: Processes) -> None:
    run = RedundantRun(processes, trades=300, redundancy=2)
    run.processes.admin("fault", kind="miss_token", count=1)
    until(
        "the connection withdraws its coverage",
        lambda: any(line["event"] == "tokens_missed" for line in run.tracker.events()),
        within_s=15,
    )
    until("no token is missed", lambda: none_missed(run.connections), within_s=40)
    judgement = run.end()

    assert judgement.clean, judgement
    assert judgement.sent == judgement.stored
    assert run.gaps == 0


def test_exchange_silence_is_reported_and_reconnects_nothing(
    processes: Processes,
) -> None:
    run = RedundantRun(processes, trades=100, redundancy=2)
    run.processes.admin("fault", kind="freeze_all", seconds=12)
    processes.until_status(
        "it is reported as exchange silence",
        lambda found: "exchange_silent" in found["codes"],
        within_s=SILENCE_S + 5,
    )
    processes.until_status("it is over", lambda found: found["state"] in WELL, within_s=20)
    judgement = run.end()

    assert judgement.clean, judgement
    assert judgement.in_gaps > 0
    assert run.ended("frozen") == set()


def test_an_overloaded_connection_gives_its_busiest_market_away(processes: Processes) -> None:
    run = RedundantRun(processes, trades=300, redundancy=2)
    processes.until_status("some are busy", lambda found: found["trades"]["total"] > 500)
    processes.admin("fault", kind="close", code=1013, count=1)
    processes.until_status("nine connections receive all", lambda found: all_receive(found, 9))
    judgement = run.end()

    assert judgement.clean, judgement
    assert judgement.sent == judgement.stored
    assert len(run.ended("closed_1013")) == 1
    assert run.gaps == 0
