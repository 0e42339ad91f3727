"""F29-F40: the database is away, killed, cut off, frozen, slow, full and unwilling."""

import time

from fault import Fault
from scene import Scene

MOST_GROWTH_MIB = 50.0


def down_for_long(scene: Scene) -> None:
    """The outage; its length grows with the scale, its rate is 500 prints/s."""
    scene.play(prints=500)
    outage_s = 20.0 * scene.scale
    scene.strike()
    scene.server.stop()
    scene.degraded("database_away", within_s=15)
    before = scene.memory_mib()
    peak = before
    end = time.monotonic() + outage_s
    while time.monotonic() < end:
        time.sleep(0.25)
        peak = max(peak, scene.memory_mib())
        said = scene.status()
        scene.expect(
            not said or "database_away" in said["codes"], f"status said {said.get('codes')}"
        )
    scene.over()
    scene.server.start()
    scene.recovered(within_s=60 + outage_s)
    scene.note(f"down {outage_s:.0f} s; memory {before:.0f} -> {peak:.0f} MiB")
    scene.expect(peak - before <= MOST_GROWTH_MIB, f"memory grew by {peak - before:.0f} MiB")


def killed_in_a_loop(scene: Scene) -> None:
    scene.play(prints=500)
    scene.strike()
    for _ in range(max(6, round(6 * scene.scale))):
        scene.server.restart()
        time.sleep(1.0)
    scene.over()
    scene.recovered(within_s=60)


FAULTS = (
    Fault(
        number="F30",
        name="database down for long, under load",
        how="server stopped and started again under 500 prints/s",
        expected="the journal grows, memory does not; all stored afterwards",
        play=down_for_long,
        deadline_s=180,
    ),
    Fault(
        number="F31",
        name="immediate stops in a loop",
        how="postmaster gets SIGQUIT and is started again, 6 times",
        expected="exactly once",
        play=killed_in_a_loop,
    ),
)
