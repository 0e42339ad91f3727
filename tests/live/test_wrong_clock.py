"""A clock that is wrong, and trades that the feeds tell differently: all is stored and seen."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from actors.simulator.judge import judge
from tests.database.test_data_guide import RECIPES, UNMARKED, run
from tests.live.processes import Processes, processes_in

pytestmark = [pytest.mark.live, pytest.mark.db]

LIVELY = ("--markets", "20", "--trades-per-second", "200", "--noise-per-second", "200")


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


@pytest.mark.parametrize(
    "broken",
    [
        "clock_-2d",
        pytest.param("clock_+2d", marks=pytest.mark.long),
        pytest.param("clock_-30s", marks=pytest.mark.long),
    ],
)
def test_with_a_wrong_clock_every_trade_is_stored_and_no_time_is_claimed_unheard(
    processes: Processes, broken: str
) -> None:
    simulator = processes.simulator(*LIVELY, "--broken", broken)
    tracker = processes.tracker()
    document = processes.until_status(
        "trades are stored and the clock is known to be wrong",
        lambda found: found["trades"]["total"] >= 500 and "clock_skew" in found["codes"],
        within_s=60,
    )
    processes.admin("fault", kind="drop", count=2)
    processes.until_status(
        "a connection came back", lambda found: found["connections"]["reconnects_total"] >= 1
    )
    assert document["accounting"]["rejected"] == 0
    assert document["state"] == "degraded"
    assert tracker.stop() == 0
    assert simulator.stop() == 0
    judgement = judge(processes.ledger, processes.dsn)
    assert (judgement.uncovered, judgement.duplicates, judgement.unexpected) == (0, 0, 0)
    # With a clock that is ahead coverage is empty: no time is between two parts of it.
    assert judgement.missing == 0
    with psycopg.connect(processes.dsn) as database:
        stepped = database.execute(
            "select count(*) from tracker.listening where cause = 'clock_step'"
        )
        assert (stepped.fetchone() != (0,)) is (broken != "clock_+2d")


def unmarked_pairs(dsn: str) -> list[object]:
    """Return what a user finds who asks for pairs without a mark."""
    name, number = UNMARKED
    return [*run(dsn, RECIPES[name][number], **{"from": "-infinity", "to": "infinity"})]


@pytest.mark.parametrize(
    ("broken", "event"),
    [
        pytest.param("delivered_twice", "sent_twice", marks=pytest.mark.long),
        ("stamps_differ", "dated_apart"),
    ],
)
def test_what_the_feeds_tell_differently_is_marked(
    processes: Processes, broken: str, event: str
) -> None:
    processes.simulator(*LIVELY, "--broken", broken)
    tracker = processes.tracker()
    processes.until_status(
        "the feeds disagree", lambda found: "feeds_disagree" in found["codes"], within_s=60
    )
    assert tracker.stop() == 0
    with psycopg.connect(processes.dsn) as database:
        marks = database.execute(
            "select count(*) from connection_events where event = %s", (event,)
        ).fetchone()
    assert marks is not None
    assert marks[0] >= 10
    assert unmarked_pairs(processes.dsn) == []
