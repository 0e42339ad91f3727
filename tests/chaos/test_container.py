"""The image is built and run where it is asked for; what needs no machine for it is tested here."""

import os
import re
from pathlib import Path

import pytest

from tests.chaos.container_faults import FAULTS
from tests.chaos.fault import PASS
from tests.chaos.fault_run import carry_out_alone
from tests.chaos.torture import _empty, lacking
from tests.live.processes import ROOT

FILE = (ROOT / "Dockerfile").read_text()
ASKED = "TRACKER_TEST_CONTAINER"


def test_what_the_installation_needs_is_not_left_out_of_the_image() -> None:
    kept = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    made = (ROOT / "Makefile").read_text().partition("\ninstall:")[2].partition("\nCOMPILE")[0]
    made = made.replace("$(LOCK)", "requirements.lock")
    copied = {word for line in re.findall(r"\tcp -R (.*) '", made) for word in line.split()}
    files = set(re.findall(r"(?<![\w/.-])(\w[\w-]*\.(?:md|lock))\b", made)) | {
        "LICENSE",
        "Makefile",
    }

    assert {"actors", "bin", "sql", "docs", "CHANGELOG.md", "requirements.lock"} <= copied | files
    assert copied | files | {"systemd"} == set(kept)


def test_the_image_runs_as_nobody_of_importance_and_is_asked_by_its_own_program() -> None:
    last = FILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER tracker$", last, re.MULTILINE)
    assert re.search(r"^VOLUME /var/lib/tracker$", last, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", last, re.MULTILINE)
    assert "tracker-status --field state || [ $? -eq 1 ]" in last
    assert "CREDENTIALS" not in last
    assert "DATABASE_URL" not in last


@pytest.mark.live
@pytest.mark.timeout(1500)
@pytest.mark.skipif(
    ASKED not in os.environ,
    reason=f"takes minutes, Podman and Debian's mirrors: make torture ONLY=container, or {ASKED}=1",
)
def test_the_image_is_built_and_run(tmp_path: Path) -> None:
    (fault,) = FAULTS
    if lacking(fault):
        pytest.skip(f"needs {lacking(fault)}")
    assert fault.alone is not None
    outcome = _empty(fault)
    tmp_path.chmod(0o755)
    carry_out_alone(fault.alone, tmp_path, outcome, 1)
    assert outcome.result == PASS, outcome.broken
