"""The rules of the live run are the shipped ones with shorter times; every alert has a fault."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.chaos import alert_faults
from tests.chaos.monitor import FASTER, RULES, SECONDS, with_shorter_times
from tests.chaos.torture import select
from tests.live.processes import ROOT

TEXT = RULES.read_text()
ALERTS = re.findall(r"- alert: (\w+)", TEXT)
SPAN = re.compile(r"(?:for: |\[)(\d+)(ms|s|m|h)\b")


def test_every_duration_is_divided_and_nothing_else_is_changed() -> None:
    quick = with_shorter_times(TEXT)
    before = [int(number) * SECONDS[unit] for number, unit in SPAN.findall(TEXT)]
    after = [int(number) / 1000 for number, unit in SPAN.findall(quick) if unit == "ms"]
    assert after == [seconds / FASTER for seconds in before]
    assert len(before) > 15
    changed = [
        (old, new)
        for old, new in zip(TEXT.splitlines(), quick.splitlines(), strict=True)
        if old != new
    ]
    blank = re.compile(r"\d+(ms|[smh])?\b| \* \d+")
    assert [blank.sub("", old) for old, _ in changed] == [blank.sub("", new) for _, new in changed]
    assert "uptime_seconds > 60" in quick
    assert "sync_duration_seconds_bucket[10000ms])) > 1\n" in quick


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_accepts_the_shortened_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(with_shorter_times(TEXT))
    done = subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "rules.yml")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_raised_by_exactly_one_fault() -> None:
    raised = [name for fault in alert_faults.FAULTS for name in alert_faults.names_of(fault)]
    assert sorted(raised) == sorted(ALERTS)


def test_the_page_has_a_row_for_every_alert() -> None:
    page = (ROOT / "docs" / "evidence" / "torture.md").read_text()
    assert re.findall(r"^\| (Tracker\w+) \|", page, re.MULTILINE) == ALERTS


def test_the_alerts_are_chosen_as_a_group_or_one_by_one() -> None:
    assert select("alerts") == list(alert_faults.FAULTS)
    assert [fault.number for fault in select("A3,F1")] == ["A3", "F1"]
