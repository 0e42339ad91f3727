"""Gamma is not as assumed, in each way alone: every market that it can be made to name is watched.

The whole tracker against the simulator; the names are those of `--broken`.
"""

from pathlib import Path
from typing import Any

import pytest

from actors.simulator.market import FAILING_EACH
from tests.live.processes import Processes, processes_in

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
        ("keyset_gone,gamma_list_gone", 0, "keyset"),  # events are left
        pytest.param("cap_20", 0, "", marks=pytest.mark.long),
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
