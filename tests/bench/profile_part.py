"""Profile: where the time of the end-to-end run goes, as a flame graph in docs/evidence."""

import subprocess
import time
from pathlib import Path

from course import crowd, reader, settings, settled, stored, tracker
from database import served
from duel import Findings
from end_part import PER_CONNECTION, PRINTS, TOKENS, WITHIN_S
from rivalry import ROOT, VENV, Rivalry

FLAMES = ROOT / "docs" / "evidence" / "end_to_end.svg"
SECONDS = "12"


def measure(rivalry: Rivalry, folder: Path, _: int) -> Findings:
    """Look at the tracker 200 times a second while it is at saturation."""
    findings = Findings()
    if not rivalry.has("py-spy"):
        findings.absent.append("py-spy: not installed")
        return findings
    more = {"TRACKER_REDUNDANCY": "1", "TRACKER_ASSETS_PER_CONNECTION": str(PER_CONNECTION)}
    with (
        served() as server,
        server.fresh() as dsn,
        crowd(TOKENS // 2) as load,
        reader(tracker(), settings(load, dsn, folder, **more), folder / "log") as process,
    ):
        load.ask(expect=TOKENS)
        settled(process, within_s=20)
        spy = subprocess.Popen(
            [
                str(VENV / "bin" / "py-spy"),
                *("record", "--pid", str(process.pid), "--gil", "--rate", "200"),
                *("--duration", SECONDS, "--threads", "--output", str(FLAMES)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1)
        load.ask(burst=2 * PRINTS)
        stored(dsn, rows=2 * PRINTS, within_s=WITHIN_S)
        if spy.wait(60):
            findings.absent.append("py-spy: it may not look at other processes here")
        else:  # where it was measured is nobody's business
            FLAMES.write_text(FLAMES.read_text().replace(f"{ROOT.resolve()}/", ""))
    return findings
