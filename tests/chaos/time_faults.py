"""F57, F58: the clock steps, and the machine is suspended."""

import os
import signal
import time

from tests.chaos.bug_faults import start
from tests.chaos.fault import Fault
from tests.chaos.fault_run import PROOF_S, FaultRun

HOUR_S = 3600


def stepped(run: FaultRun) -> None:
    """The clock goes an hour forward, back, an hour back, and forward; nothing reconnects."""
    fuse = start(run, "clock", "shift")
    run.fault_begins()
    reconnects = run.status()["connections"]["reconnects_total"]
    for offset in (HOUR_S, 0, -HOUR_S, 0):
        passing = run.folder / "passing"
        passing.write_text(str(offset))
        passing.replace(fuse)
        time.sleep(4)
        found = run.status()
        run.expect(
            found["connections"]["reconnects_total"] == reconnects, f"reconnected at {offset} s"
        )
        run.expect(found["connections"]["live"] > 0, f"nothing is live at {offset} s")
    time.sleep(PROOF_S)
    run.note("4 steps of an hour")


def drifting(run: FaultRun) -> None:
    """The clock is slewed by 5 % for a while, as after a correction."""
    fuse = start(run, "clock", "shift")
    run.fault_begins()
    for step in range(40):
        passing = run.folder / "passing"
        passing.write_text(str(step * 0.005))
        passing.replace(fuse)
        time.sleep(0.1)
    run.recovered(within_s=20)
    run.note("200 ms in 4 s")


def paused(run: FaultRun) -> None:
    """The process is stopped, as when its machine is suspended."""
    seconds = 25.0 if run.scale == 1.0 else 600.0
    tracker = run.start()
    run.fault_begins()
    os.kill(tracker.process.pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(tracker.process.pid, signal.SIGCONT)
    run.fault_ends()
    run.recovered(within_s=60)
    found = run.status()
    run.expect(found["restarts"]["total"] == 0, "an actor was taken for dead")
    run.note(f"{seconds:.0f} s; {found['connections']['reconnects_total']} reconnects")


FAULTS = (
    Fault(
        number="F57",
        name="wall clock steps by an hour, both ways",
        how="test build whose wall clock is off",
        expected="no reconnect, no wrong timeout, nothing claimed that was not received",
        run=stepped,
    ),
    Fault(
        number="F57b",
        name="wall clock is slewed",
        how="as F57, 5 ms every 100 ms",
        expected="no effect",
        run=drifting,
    ),
    Fault(
        number="F58",
        name="the machine is suspended",
        how="SIGSTOP of the tracker for 25 s (10 min with HOURS)",
        expected="what was lost meanwhile is a gap; no actor is taken for dead",
        run=paused,
        deadline_s=180,
    ),
)
