"""F23-F26, F28: the journal after power loss, torn, damaged, incomplete and very long."""

import os
import shutil
import signal
import time
from pathlib import Path

from tests.chaos.fault import Fault
from tests.chaos.fault_run import FaultRun, receives_all
from tests.chaos.mounts import make_image, mounted
from tests.chaos.process_faults import tear

MOST_MIB = 200.0


def power_lost(run: FaultRun) -> None:
    """The disk as it is at one instant; what was received 0.5 s before must be on it."""
    image = run.folder / "disk"
    make_image(image, 256)
    with mounted(image, run.folder / "state"):
        tracker = run.start(trades=500)
        run.server.stop()
        run.noticed_database_away()
        time.sleep(2)
        os.kill(tracker.process.pid, signal.SIGSTOP)
        run.fault_begins()
        copy = run.folder / "medium"
        shutil.copyfile(image, copy)
        run.received_until(run.at)
        tracker.process.kill()
        tracker.process.wait()
    run.resources.enter_context(mounted(copy, run.folder / "state"))
    run.fault_ends()
    run.server.start()
    run.tracker()
    run.flows()
    run.outcome.recover_s = time.time() - (run.ended_at or 0)


def torn(run: FaultRun) -> None:
    for garbage in (b"\0" * 100, b"TRK1" + os.urandom(200), os.urandom(3), b"TRK1\0\0"):
        run.start() if run.tracked is None else run.tracker()
        run.flows()
        run.kill()
        tear(run, garbage)
    run.fault_begins()
    run.tracker()
    run.flows()
    run.outcome.recover_s = time.time() - run.at
    run.note("4 torn tails")


def segments(run: FaultRun) -> list[Path]:
    """Return the files of the journal, oldest first."""
    return sorted((run.folder / "state" / "journal").glob("seg-*.log"))


def _backlog(run: FaultRun, **settings: str) -> None:
    """Fill the journal while the database is away, with one feed; then kill the tracker."""
    run.start(trades=1000, TRACKER_REDUNDANCY="1", **settings)
    run.server.stop()
    run.noticed_database_away()
    # Long enough for a proof of coverage behind what will be damaged.
    time.sleep(8)
    os.kill(_pid(run), signal.SIGKILL)
    assert run.tracked is not None
    run.tracked.process.wait()


def _pid(run: FaultRun) -> int:
    assert run.tracked is not None
    return run.tracked.process.pid


def flipped(run: FaultRun) -> None:
    """One byte in the middle of the backlog; the only feed's record of some trade is gone."""
    _backlog(run)
    segment = segments(run)[-1]
    with segment.open("r+b") as file:
        file.seek(segment.stat().st_size * 2 // 3)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0xFF]))
    _damaged(run)


def missing(run: FaultRun) -> None:
    """A whole segment of the backlog is gone."""
    _backlog(run, TRACKER_JOURNAL_MAX_BYTES="5MiB")
    found = segments(run)
    run.expect(len(found) >= 2, f"only {len(found)} segments")
    run.note(f"{len(found)} segments")
    found[-2].unlink()
    _damaged(run)


def _damaged(run: FaultRun) -> None:
    run.fault_begins()
    run.server.start()
    run.tracker(TRACKER_REDUNDANCY="1")
    run.noticed("journal_hole", within_s=20)
    run.flows()
    run.recovered(within_s=30)


def great_backlog(run: FaultRun) -> None:
    """Live capture begins at once, beside a backlog that memory could not hold."""
    run.simulate()
    run.server.stop()
    before = run.tracker()
    run.until_status("every token is received", receives_all, within_s=40)
    run.admin("rates", trades_per_second=8000)
    time.sleep(25 * min(run.scale, 10))
    run.admin("rates", trades_per_second=200)
    before.stop()
    size = sum(path.stat().st_size for path in segments(run)) / 2**20
    run.fault_begins()
    run.server.start()
    run.tracker()
    run.until_status("every token is received", receives_all, within_s=30)
    run.outcome.notice_s = time.time() - run.at
    peak = 0.0
    while run.status().get("database", {}).get("state") != "live":
        peak = max(peak, run.memory_mib())
        time.sleep(0.2)
    run.outcome.recover_s = time.time() - run.at
    run.began = time.time()
    run.note(f"{size:.0f} MiB, at most {peak:.0f} MiB of memory; `notice` is until it listens")
    run.expect(peak < MOST_MIB, f"{peak:.0f} MiB of memory")


FAULTS = (
    Fault(
        number="F23",
        name="power loss",
        how="ext4 in a file; the file is copied while the tracker is stopped",
        expected="all that was received 0.5 s before is there",
        run=power_lost,
        needs=("root", "mkfs.ext4"),
    ),
    Fault(
        number="F24",
        name="torn tail",
        how="zeros, garbage, a false header and a torn one behind the last record",
        expected="cut off; nothing lost",
        run=torn,
    ),
    Fault(
        number="F25",
        name="a bit flips in the backlog, one feed",
        how="one byte of the last segment, at two thirds",
        expected="the record is named as a hole, and not claimed as covered",
        run=flipped,
    ),
    Fault(
        number="F26",
        name="a segment of the backlog is missing, one feed",
        how="the last but one is removed",
        expected="as F25; it starts",
        run=missing,
    ),
    Fault(
        number="F28",
        name="great backlog at the start",
        how="8,000 trades/s for 25 s with the server stopped (10 x with HOURS)",
        expected="memory below 200 MiB, listening before the backlog is stored",
        run=great_backlog,
        deadline_s=300,
    ),
)
