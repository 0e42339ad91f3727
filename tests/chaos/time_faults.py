"""F57, F58: the clock steps, and the machine is suspended."""

import os
import signal
import time

from tests.chaos.bug_faults import start
from tests.chaos.fault import Fault
from tests.chaos.scene import PROOF_S, Scene

HOUR_S = 3600


def stepped(scene: Scene) -> None:
    """The clock goes an hour forward, back, an hour back, and forward; nothing reconnects."""
    fuse = start(scene, "clock", "shift")
    scene.strike()
    reconnects = scene.status()["connections"]["reconnects_total"]
    for offset in (HOUR_S, 0, -HOUR_S, 0):
        passing = scene.folder / "passing"
        passing.write_text(str(offset))
        passing.replace(fuse)
        time.sleep(4)
        found = scene.status()
        scene.expect(
            found["connections"]["reconnects_total"] == reconnects, f"reconnected at {offset} s"
        )
        scene.expect(found["connections"]["live"] > 0, f"nothing is live at {offset} s")
    time.sleep(PROOF_S)
    scene.note("4 steps of an hour")


def drifting(scene: Scene) -> None:
    """The clock is slewed by 5 % for a while, as after a correction."""
    fuse = start(scene, "clock", "shift")
    scene.strike()
    for step in range(40):
        passing = scene.folder / "passing"
        passing.write_text(str(step * 0.005))
        passing.replace(fuse)
        time.sleep(0.1)
    scene.recovered(within_s=20)
    scene.note("200 ms in 4 s")


def paused(scene: Scene) -> None:
    """The process is stopped, as when its machine is suspended."""
    seconds = 25.0 if scene.scale == 1.0 else 600.0
    tracker = scene.play()
    scene.strike()
    os.kill(tracker.process.pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(tracker.process.pid, signal.SIGCONT)
    scene.over()
    scene.recovered(within_s=60)
    found = scene.status()
    scene.expect(found["restarts"]["total"] == 0, "an actor was taken for dead")
    scene.note(f"{seconds:.0f} s; {found['connections']['reconnects_total']} reconnects")


FAULTS = (
    Fault(
        number="F57",
        name="wall clock steps by an hour, both ways",
        how="test build whose wall clock is off",
        expected="no reconnect, no wrong timeout, nothing claimed that was not received",
        play=stepped,
    ),
    Fault(
        number="F57b",
        name="wall clock is slewed",
        how="as F57, 5 ms every 100 ms",
        expected="no effect",
        play=drifting,
    ),
    Fault(
        number="F58",
        name="the machine is suspended",
        how="SIGSTOP of the tracker for 25 s (10 min with HOURS)",
        expected="what was lost meanwhile is a gap; no actor is taken for dead",
        play=paused,
        deadline_s=180,
    ),
)
