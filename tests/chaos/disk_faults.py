"""F18-F22, F27: the journal's disk is full, slow, failing and read-only."""

import subprocess
import time

from tests.chaos import tracer
from tests.chaos.damage_faults import segments
from tests.chaos.fault import Fault
from tests.chaos.mounts import fill, small_disk
from tests.chaos.process_faults import SMALL_JOURNAL
from tests.chaos.scene import Scene, hears_all
from tests.live.stage import until


def full(scene: Scene) -> None:
    """The disk is full while the database is there."""
    state = scene.resources.enter_context(small_disk(scene.folder / "state", 48))
    scene.play(trades=500)
    scene.strike()
    filler = fill(state)
    scene.degraded("journal_full", within_s=30)
    time.sleep(2)
    scene.over()
    filler.unlink()
    scene.recovered(within_s=90)
    scene.expect("disk_full" in causes(scene), f"causes of gaps: {causes(scene)}")


def causes(scene: Scene) -> dict[str, int]:
    """Return the causes of the recorded gaps, as they stand."""
    rows = scene.server.ask(
        "select g.cause, count(*) from assets a, coverage_gaps(a.token_id, %s, now()) g group by 1",
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(scene.began)),
        db=scene.plain_dsn,
    )
    return {cause: int(count) for cause, count in rows}


def full_without_database(scene: Scene) -> None:
    """The disk is full and the database down; then the disk has space, then all is back."""
    state = scene.resources.enter_context(small_disk(scene.folder / "state", 48))
    scene.play(trades=500)
    scene.server.stop()
    scene.noticed_database_away()
    time.sleep(1)
    scene.strike()
    filler = fill(state)
    scene.degraded("journal_full", within_s=30)
    # The connection for announcements writes nothing to the journal, and may go on.
    quiet = lambda found: found["connections"]["live"] <= 1  # noqa: E731
    scene.until_status("reading has stopped", quiet, within_s=20)
    filler.unlink()
    scene.until_status("it reads again by itself", hears_all, within_s=90)
    scene.over()
    scene.server.start()
    scene.recovered(within_s=60)
    scene.expect("disk_full" in causes(scene), f"causes of gaps: {causes(scene)}")


def capped(scene: Scene) -> None:
    """The journal's own cap is reached with the database down."""
    scene.play(trades=500, **SMALL_JOURNAL)
    scene.strike()
    scene.server.stop()
    scene.degraded("journal_full", within_s=60)
    size = sum(path.stat().st_size for path in (scene.folder / "state" / "journal").iterdir())
    scene.expect(size <= 1 << 20, f"{size} bytes are more than the cap")
    scene.over()
    scene.server.start()
    scene.recovered(within_s=90)
    scene.expect("disk_full" in causes(scene), f"causes of gaps: {causes(scene)}")


def started_full(scene: Scene) -> None:
    """Killed with its journal at the cap, and restarted many times while the database is away.

    Every start writes to the journal, until no record fits.
    """
    scene.play(trades=500, **SMALL_JOURNAL)
    scene.strike()
    scene.server.stop()
    scene.degraded("journal_full", within_s=60)
    codes: list[int | None] = []
    for _ in range(8):
        scene.kill()
        scene.heard.clear()  # reading had stopped; what the journal holds counts
        run = scene.tracker(**SMALL_JOURNAL)
        answers = lambda: run.process.poll() is not None or scene.status()  # noqa: B023, E731
        until("it answers or ends", answers)
        time.sleep(1)
        codes.append(run.process.poll())
        if codes[-1] is not None:
            scene.note(" ".join(run.log_text().split())[-200:])
            break
    scene.expect(set(codes) == {None}, f"it did not start: exit codes {codes}")
    scene.over()
    scene.server.start()
    if codes[-1] is not None:
        scene.tracker(**SMALL_JOURNAL)
    scene.recovered(within_s=60)


def sync_fails(scene: Scene) -> None:
    tracker = scene.play(trades=500)
    scene.strike()
    before = segments(scene)
    with tracer.attached(tracker.process.pid, "fdatasync:error=EIO:when=1"):
        time.sleep(2)
    ended = tracker.process.poll()
    carried = segments(scene) != before
    scene.note("carried over" if carried else f"exit {ended}")
    scene.expect(ended in (None, 74), f"exit code {ended}")
    scene.expect(carried or ended == 74, "nothing was carried over")
    if ended is not None:
        scene.tracker()
    scene.recovered(within_s=30)
    scene.heard_until(time.time())


def sync_fails_for_good(scene: Scene) -> None:
    """No new segment can be synced either: exit 74, and all is there at the next start."""
    scene.sabotaged = True  # the deaths of actors are logged with tracebacks
    tracker = scene.play(trades=500)
    scene.strike()
    with tracer.attached(tracker.process.pid, "fdatasync,fsync:error=EIO"):
        until("it gives up", lambda: tracker.process.poll() is not None, within_s=60)
    scene.outcome.notice_s = time.time() - scene.at
    scene.heard_until(scene.at)
    scene.died()
    scene.expect(tracker.process.returncode == 74, f"exit code {tracker.process.returncode}")
    scene.over()
    scene.tracker()
    scene.flows()
    scene.outcome.recover_s = time.time() - (scene.ended_at or 0)


def slow_sync(scene: Scene) -> None:
    tracker = scene.play(trades=500)
    scene.strike()
    with tracer.attached(tracker.process.pid, "fdatasync:delay_enter=1500ms"):
        time.sleep(8)
        found = scene.status()
    with tracer.attached(tracker.process.pid, "fdatasync:delay_enter=12s:when=1"):
        time.sleep(14)
    scene.note(f"fdatasync p99 {found['journal']['sync_p99_s']:.1f} s")
    scene.expect(found["journal"]["sync_p99_s"] >= 1.5, "the status does not show it")
    scene.expect('"stuck"' not in tracker.log_text(), "the watchdog took it for stuck")
    scene.over()
    scene.recovered(within_s=30)
    scene.costs_nothing = True


def not_writable(scene: Scene) -> None:
    scene.simulate()
    state = scene.resources.enter_context(small_disk(scene.folder / "state", 8))
    subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)
    run = scene.tracker()
    code = run.process.wait(20)
    said = run.log_text().strip()
    scene.expect(code == 78, f"exit code {code}")
    scene.expect("TRACKER_STATE_DIR" in said, "it does not name the setting to change")
    scene.expect('"started"' not in said, "it logged that it had started")
    scene.note(said.splitlines()[-1][:120] if said else "nothing was logged")
    scene.tracked = None
    scene.admin("rates", trades_per_second=0)
    scene.ledger.unlink()


FAULTS = (
    Fault(
        number="F18",
        name="journal's disk full, database up",
        how="tmpfs filled by another file, then freed",
        expected="reading stops, a gap with cause disk_full, goes on by itself",
        play=full,
        needs=("root",),
        deadline_s=180,
    ),
    Fault(
        number="F19",
        name="journal's disk full, database down",
        how="as F18 with the server stopped",
        expected="as F18; nothing acknowledged is lost",
        play=full_without_database,
        needs=("root",),
        deadline_s=240,
    ),
    Fault(
        number="F19b",
        name="journal's cap reached, database down",
        how="TRACKER_JOURNAL_MAX_BYTES=1MiB, server stopped, then started",
        expected="as F18, and never more bytes than the cap",
        play=capped,
        deadline_s=240,
    ),
    Fault(
        number="F19c",
        name="started with a journal at its cap, database down",
        how="as F19b, then kill -9 and a new start",
        expected="it starts, waits, and goes on by itself; nothing acknowledged is lost",
        play=started_full,
        deadline_s=240,
    ),
    Fault(
        number="F20",
        name="short write, then no space",
        how="a fake disk that falls short and fills up at any point",
        expected="cut back to the last whole record; nothing acknowledged",
        proof=(
            "tests/journal/test_faults.py::test_short_writes_are_finished",
            "tests/journal/test_faults.py::test_a_full_disk_leaves_whole_records_only_and_the_number_unused",
        ),
    ),
    Fault(
        number="F21",
        name="EIO from one fdatasync",
        how="strace lets one call fail",
        expected="carried over to a new segment; nothing lost",
        play=sync_fails,
        needs=("strace",),
    ),
    Fault(
        number="F21b",
        name="EIO from every sync",
        how="strace lets every fdatasync and fsync fail",
        expected="exit 74; all that was written is stored by the next start",
        play=sync_fails_for_good,
        needs=("strace",),
    ),
    Fault(
        number="F22",
        name="fdatasync takes 1.5 s, then 12 s",
        how="strace delays the call",
        expected="capture goes on, no watchdog, the status shows it",
        play=slow_sync,
        needs=("strace",),
    ),
    Fault(
        number="F27",
        name="state directory read-only",
        how="tmpfs mounted read-only",
        expected="exit 78 with one line, before READY",
        play=not_writable,
        needs=("root",),
    ),
)
