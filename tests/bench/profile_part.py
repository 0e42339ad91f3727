"""Profile: where the time of the end-to-end run goes, as a flame graph in docs/evidence."""

import subprocess
import time
from pathlib import Path

from tests.bench.comparison import Findings
from tests.bench.database import served
from tests.bench.end_part import PER_CONNECTION, TOKENS, TRADES, WITHIN_S
from tests.bench.processes import load_generator, reader, settings, settled, stored, tracker
from tests.bench.rivals_venv import ROOT, VENV, InstalledRivals

FLAMES = ROOT / "docs" / "evidence" / "end_to_end.svg"
SECONDS = "12"


def measure(rivals: InstalledRivals, folder: Path, _: int) -> Findings:
    """Sample the tracker 200 times a second while it is saturated."""
    findings = Findings()
    if not rivals.has("py-spy"):
        findings.absent.append("py-spy: not installed")
        return findings
    more = {"TRACKER_REDUNDANCY": "1", "TRACKER_ASSETS_PER_CONNECTION": str(PER_CONNECTION)}
    with (
        served() as server,
        server.fresh() as dsn,
        load_generator(TOKENS // 2) as load,
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
        load.ask(burst=2 * TRADES)
        stored(dsn, rows=2 * TRADES, within_s=WITHIN_S)
        if spy.wait(60):
            findings.absent.append("py-spy: it may not look at other processes here")
        else:  # leaves out the path of the machine
            FLAMES.write_text(FLAMES.read_text().replace(f"{ROOT.resolve()}/", ""))
    return findings
