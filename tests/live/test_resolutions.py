"""Half a minute of tests/chaos/resolutions.py: markets end in every way, with a kill in between."""

from pathlib import Path

import pytest

from tests.chaos.resolutions import ResolutionRun, RunSize
from tests.live.processes import processes_in

pytestmark = [pytest.mark.live, pytest.mark.db, pytest.mark.long]


def test_every_fate_gets_the_right_resolution_or_none_across_a_kill(
    tmp_path: Path, empty_database: str
) -> None:
    size = RunSize(minutes=0.1, markets=60, pace=100.0, kills=1, seed=3)
    with processes_in(tmp_path, empty_database) as processes:
        said = ResolutionRun(processes, size).run()
        log = (tmp_path / "tracker.log").read_text()

    assert said["broken"] == [], said
    assert said["kills"] == 1
    assert said["right"] > 40
    assert said["rightly_absent"] > 0
    assert "Traceback" not in log
