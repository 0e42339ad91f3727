"""The exchange accepts connections and serves none: it is dialled less and less."""

import json
from pathlib import Path

import pytest

from tests.live.processes import processes_in

pytestmark = [pytest.mark.live, pytest.mark.long]


def test_a_server_that_accepts_and_drops_is_dialled_seldom_and_the_status_says_so(
    tmp_path: Path, database: str
) -> None:
    with processes_in(tmp_path, database) as processes:
        processes.simulator(
            "--markets", "40", "--markets-per-second", "0", "--broken", "accept_then_drop"
        )
        tracker = processes.tracker(TRACKER_ASSETS_PER_CONNECTION="8")
        found = processes.until_status(
            "it has tried for a while",
            lambda found: found["uptime_s"] > 20 and found["assumptions"]["served"]["total"] >= 5,
            within_s=60,
        )
        lines = [line for line in tracker.events() if line["event"].startswith("connection")]
        assert tracker.stop() == 0
    ledger = map(json.loads, processes.ledger.read_text().splitlines())
    opened = sum(line.get("event") == "open" for line in ledger)

    # With 21 connections: 4 a second at first, then half as many with each that is dropped.
    assert opened <= 15
    assert found["connections"]["live"] == 0
    assert found["connections"]["last_failure"].startswith(("reset", "disconnected"))
    assert {line["event"] for line in lines} == {"connections_failed"}
    assert len(lines) <= 3
