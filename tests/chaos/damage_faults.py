"""F23-F26, F28: the journal after power loss, torn, damaged, incomplete and very long."""

import os
import shutil
import signal
import time
from pathlib import Path

from tests.chaos.fault import Fault
from tests.chaos.mounts import make_image, mounted
from tests.chaos.process_faults import tear
from tests.chaos.scene import Scene, hears_all

MOST_MIB = 200.0


def power_lost(scene: Scene) -> None:
    """The disk as it is at one instant; what was received 0.5 s before must be on it."""
    image = scene.folder / "disk"
    make_image(image, 256)
    with mounted(image, scene.folder / "state"):
        tracker = scene.play(trades=500)
        scene.server.stop()
        scene.noticed_database_away()
        time.sleep(2)
        os.kill(tracker.process.pid, signal.SIGSTOP)
        scene.strike()
        copy = scene.folder / "medium"
        shutil.copyfile(image, copy)
        scene.heard_until(scene.at)
        tracker.process.kill()
        tracker.process.wait()
    scene.resources.enter_context(mounted(copy, scene.folder / "state"))
    scene.over()
    scene.server.start()
    scene.tracker()
    scene.flows()
    scene.outcome.recover_s = time.time() - (scene.ended_at or 0)


def torn(scene: Scene) -> None:
    for garbage in (b"\0" * 100, b"TRK1" + os.urandom(200), os.urandom(3), b"TRK1\0\0"):
        scene.play() if scene.tracked is None else scene.tracker()
        scene.flows()
        scene.kill()
        tear(scene, garbage)
    scene.strike()
    scene.tracker()
    scene.flows()
    scene.outcome.recover_s = time.time() - scene.at
    scene.note("4 torn tails")


def segments(scene: Scene) -> list[Path]:
    """Return the files of the journal, oldest first."""
    return sorted((scene.folder / "state" / "journal").glob("seg-*.log"))


def _backlog(scene: Scene, **settings: str) -> None:
    """Fill the journal while the database is away, with one feed; then kill the tracker."""
    scene.play(trades=1000, TRACKER_REDUNDANCY="1", **settings)
    scene.server.stop()
    scene.noticed_database_away()
    # Long enough for a proof of coverage behind what will be damaged.
    time.sleep(8)
    os.kill(_pid(scene), signal.SIGKILL)
    assert scene.tracked is not None
    scene.tracked.process.wait()


def _pid(scene: Scene) -> int:
    assert scene.tracked is not None
    return scene.tracked.process.pid


def flipped(scene: Scene) -> None:
    """One byte in the middle of the backlog; the only feed's record of some trade is gone."""
    _backlog(scene)
    segment = segments(scene)[-1]
    with segment.open("r+b") as file:
        file.seek(segment.stat().st_size * 2 // 3)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0xFF]))
    _damaged(scene)


def missing(scene: Scene) -> None:
    """A whole segment of the backlog is gone."""
    _backlog(scene, TRACKER_JOURNAL_MAX_BYTES="5MiB")
    found = segments(scene)
    scene.expect(len(found) >= 2, f"only {len(found)} segments")
    scene.note(f"{len(found)} segments")
    found[-2].unlink()
    _damaged(scene)


def _damaged(scene: Scene) -> None:
    scene.strike()
    scene.server.start()
    scene.tracker(TRACKER_REDUNDANCY="1")
    scene.noticed("journal_hole", within_s=20)
    scene.flows()
    scene.recovered(within_s=30)


def great_backlog(scene: Scene) -> None:
    """Live capture begins at once, beside a backlog that memory could not hold."""
    scene.simulate()
    scene.server.stop()
    before = scene.tracker()
    scene.until_status("every token is heard", hears_all, within_s=40)
    scene.admin("rates", trades_per_second=8000)
    time.sleep(25 * min(scene.scale, 10))
    scene.admin("rates", trades_per_second=200)
    before.stop()
    size = sum(path.stat().st_size for path in segments(scene)) / 2**20
    scene.strike()
    scene.server.start()
    scene.tracker()
    scene.until_status("every token is heard", hears_all, within_s=30)
    scene.outcome.notice_s = time.time() - scene.at
    peak = 0.0
    while scene.status().get("database", {}).get("state") != "live":
        peak = max(peak, scene.memory_mib())
        time.sleep(0.2)
    scene.outcome.recover_s = time.time() - scene.at
    scene.began = time.time()
    scene.note(f"{size:.0f} MiB, at most {peak:.0f} MiB of memory; `notice` is until it listens")
    scene.expect(peak < MOST_MIB, f"{peak:.0f} MiB of memory")


FAULTS = (
    Fault(
        number="F23",
        name="power loss",
        how="ext4 in a file; the file is copied while the tracker is stopped",
        expected="all that was received 0.5 s before is there",
        play=power_lost,
        needs=("root", "mkfs.ext4"),
    ),
    Fault(
        number="F24",
        name="torn tail",
        how="zeros, garbage, a false header and a torn one behind the last record",
        expected="cut off; nothing lost",
        play=torn,
    ),
    Fault(
        number="F25",
        name="a bit flips in the backlog, one feed",
        how="one byte of the last segment, at two thirds",
        expected="the record is named as a hole, and not claimed as covered",
        play=flipped,
    ),
    Fault(
        number="F26",
        name="a segment of the backlog is missing, one feed",
        how="the last but one is removed",
        expected="as F25; it starts",
        play=missing,
    ),
    Fault(
        number="F28",
        name="great backlog at the start",
        how="8,000 trades/s for 25 s with the server stopped (10 x with HOURS)",
        expected="memory below 200 MiB, listening before the backlog is stored",
        play=great_backlog,
        deadline_s=300,
    ),
)
