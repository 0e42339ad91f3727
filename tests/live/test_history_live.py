"""The history of markets holds what changed, over their whole life: a few rows, whatever trades."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.processes import Processes, processes_in
from tests.postgres import ask

pytestmark = [pytest.mark.live, pytest.mark.db]

LIVELY = ("--markets", "40", "--trades-per-second", "200", "--life", "4-8")
OF_RESOLVED = """select condition_id, count(*), sum(pg_column_size(h.*)),
    count(*) filter (where changes ? 'description')
    from market_history h join resolutions using (condition_id) group by condition_id"""


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


def test_a_market_leaves_four_rows_at_most_from_its_listing_to_its_resolution(
    processes: Processes,
) -> None:
    simulator = processes.simulator(*LIVELY)
    tracker = processes.tracker()
    processes.until_status(
        "20 markets resolved", lambda found: found["resolutions"]["recorded"] >= 20, within_s=60
    )
    assert tracker.stop() == 0
    assert simulator.stop() == 0

    found = ask(processes.dsn, OF_RESOLVED)
    assert len(found) >= 20
    for condition_id, rows, size, described in found:
        assert 1 <= rows <= 4, condition_id
        assert size < 4_000, condition_id
        assert described <= 1, condition_id
    assert ask(processes.dsn, "select count(*) from events")[0][0] > 0
