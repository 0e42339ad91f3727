"""F18-F22, F27: the journal's disk is full, slow, failing and read-only."""

import subprocess
import time

from tests.chaos import tracer
from tests.chaos.damage_faults import segments
from tests.chaos.fault import Fault
from tests.chaos.fault_run import FaultRun, receives_all
from tests.chaos.mounts import fill, small_disk
from tests.chaos.process_faults import SMALL_JOURNAL
from tests.live.processes import until


def full(run: FaultRun) -> None:
    """The disk is full while the database is there."""
    state = run.resources.enter_context(small_disk(run.folder / "state", 48))
    run.start(trades=500)
    run.fault_begins()
    filler = fill(state)
    run.degraded("journal_full", within_s=30)
    time.sleep(2)
    run.fault_ends()
    filler.unlink()
    run.recovered(within_s=90)
    run.expect("disk_full" in causes(run), f"causes of gaps: {causes(run)}")


def causes(run: FaultRun) -> dict[str, int]:
    """Return the causes of the recorded gaps, as they stand."""
    rows = run.server.ask(
        "select g.cause, count(*) from assets a, coverage_gaps(a.token_id, %s, now()) g group by 1",
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.began)),
        db=run.plain_dsn,
    )
    return {cause: int(count) for cause, count in rows}


def full_without_database(run: FaultRun) -> None:
    """The disk is full and the database down; then the disk has space, then all is back."""
    state = run.resources.enter_context(small_disk(run.folder / "state", 48))
    run.start(trades=500)
    run.server.stop()
    run.noticed_database_away()
    time.sleep(1)
    run.fault_begins()
    filler = fill(state)
    run.degraded("journal_full", within_s=30)
    # The connection for announcements writes nothing to the journal, and may go on.
    quiet = lambda found: found["connections"]["live"] <= 1  # noqa: E731
    run.until_status("reading has stopped", quiet, within_s=20)
    filler.unlink()
    run.until_status("it reads again by itself", receives_all, within_s=90)
    run.fault_ends()
    run.server.start()
    run.recovered(within_s=60)
    run.expect("disk_full" in causes(run), f"causes of gaps: {causes(run)}")


def capped(run: FaultRun) -> None:
    """The journal's own cap is reached with the database down."""
    run.start(trades=500, **SMALL_JOURNAL)
    run.fault_begins()
    run.server.stop()
    run.degraded("journal_full", within_s=60)
    size = sum(path.stat().st_size for path in (run.folder / "state" / "journal").iterdir())
    run.expect(size <= 1 << 20, f"{size} bytes are more than the cap")
    run.fault_ends()
    run.server.start()
    run.recovered(within_s=90)
    run.expect("disk_full" in causes(run), f"causes of gaps: {causes(run)}")


def started_full(run: FaultRun) -> None:
    """Killed with its journal at the cap, and restarted many times while the database is away.

    Every start writes to the journal, until no record fits.
    """
    run.start(trades=500, **SMALL_JOURNAL)
    run.fault_begins()
    run.server.stop()
    run.degraded("journal_full", within_s=60)
    codes: list[int | None] = []
    for _ in range(8):
        run.kill()
        run.received.clear()  # reading had stopped; what the journal holds counts
        started = run.tracker(**SMALL_JOURNAL)
        answers = lambda: started.process.poll() is not None or run.status()  # noqa: B023, E731
        until("it answers or ends", answers)
        time.sleep(1)
        codes.append(started.process.poll())
        if codes[-1] is not None:
            run.note(" ".join(started.log_text().split())[-200:])
            break
    run.expect(set(codes) == {None}, f"it did not start: exit codes {codes}")
    run.fault_ends()
    run.server.start()
    if codes[-1] is not None:
        run.tracker(**SMALL_JOURNAL)
    run.recovered(within_s=60)


def started_on_a_full_disk(run: FaultRun) -> None:
    """A small disk full of backlog and of other files; killed, and started without any space.

    With the database away it waits. When it comes, storing the backlog alone makes space.
    """
    state = run.resources.enter_context(small_disk(run.folder / "state", 64))
    run.start(trades=500)
    run.server.stop()
    run.noticed_database_away()
    time.sleep(10)
    run.fault_begins()
    filler = fill(state)
    run.degraded("journal_full", within_s=30)
    run.kill()
    run.received.clear()  # reading had stopped; what the journal holds counts
    started = run.tracker()
    run.until_status("it waits", lambda found: "journal_full" in found["codes"], within_s=30)
    time.sleep(5)
    run.expect(started.process.poll() is None, f"it ended with {started.process.returncode}")
    run.fault_ends()
    run.server.start()
    run.until_status("it reads again", receives_all, within_s=60)
    filler.unlink()
    run.recovered(within_s=90)


def sync_fails(run: FaultRun) -> None:
    tracker = run.start(trades=500)
    run.fault_begins()
    before = segments(run)
    with tracer.attached(tracker.process.pid, "fdatasync:error=EIO:when=1"):
        time.sleep(2)
    ended = tracker.process.poll()
    carried = segments(run) != before
    run.note("carried over" if carried else f"exit {ended}")
    run.expect(ended in (None, 74), f"exit code {ended}")
    run.expect(carried or ended == 74, "nothing was carried over")
    if ended is not None:
        run.tracker()
    run.recovered(within_s=30)
    run.received_until(time.time())


def sync_fails_for_good(run: FaultRun) -> None:
    """No new segment can be synced either: exit 74, and all is there at the next start."""
    run.sabotaged = True  # the deaths of actors are logged with tracebacks
    tracker = run.start(trades=500)
    run.fault_begins()
    with tracer.attached(tracker.process.pid, "fdatasync,fsync:error=EIO"):
        until("it gives up", lambda: tracker.process.poll() is not None, within_s=60)
    run.outcome.notice_s = time.time() - run.at
    run.received_until(run.at)
    run.died()
    run.expect(tracker.process.returncode == 74, f"exit code {tracker.process.returncode}")
    run.fault_ends()
    run.tracker()
    run.flows()
    run.outcome.recover_s = time.time() - (run.ended_at or 0)


def slow_sync(run: FaultRun) -> None:
    tracker = run.start(trades=500)
    run.fault_begins()
    with tracer.attached(tracker.process.pid, "fdatasync:delay_enter=1500ms"):
        time.sleep(8)
        found = run.status()
    with tracer.attached(tracker.process.pid, "fdatasync:delay_enter=12s:when=1"):
        time.sleep(14)
    run.note(f"fdatasync p99 {found['journal']['sync_p99_s']:.1f} s")
    run.expect(found["journal"]["sync_p99_s"] >= 1.5, "the status does not show it")
    run.expect('"stuck"' not in tracker.log_text(), "the watchdog took it for stuck")
    run.fault_ends()
    run.recovered(within_s=30)
    run.costs_nothing = True


def not_writable(run: FaultRun) -> None:
    run.simulate()
    state = run.resources.enter_context(small_disk(run.folder / "state", 8))
    subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)
    started = run.tracker()
    code = started.process.wait(20)
    said = started.log_text().strip()
    run.expect(code == 78, f"exit code {code}")
    run.expect("TRACKER_STATE_DIR" in said, "it does not name the setting to change")
    run.expect('"started"' not in said, "it logged that it had started")
    run.note(said.splitlines()[-1][:120] if said else "nothing was logged")
    run.tracked = None
    run.admin("rates", trades_per_second=0)
    run.ledger.unlink()


FAULTS = (
    Fault(
        number="F18",
        name="journal's disk full, database up",
        how="tmpfs filled by another file, then freed",
        expected="reading stops, a gap with cause disk_full, goes on by itself",
        run=full,
        needs=("root",),
        deadline_s=180,
    ),
    Fault(
        number="F19",
        name="journal's disk full, database down",
        how="as F18 with the server stopped",
        expected="as F18; nothing acknowledged is lost",
        run=full_without_database,
        needs=("root",),
        deadline_s=240,
    ),
    Fault(
        number="F19b",
        name="journal's cap reached, database down",
        how="TRACKER_JOURNAL_MAX_BYTES=1MiB, server stopped, then started",
        expected="as F18, and never more bytes than the cap",
        run=capped,
        deadline_s=240,
    ),
    Fault(
        number="F19c",
        name="started with a journal at its cap, database down",
        how="as F19b, then kill -9 and a new start",
        expected="it starts, waits, and goes on by itself; nothing acknowledged is lost",
        run=started_full,
        deadline_s=240,
    ),
    Fault(
        number="F19d",
        name="started on a disk without space, database down",
        how="tmpfs, filled up; kill -9, a new start, then the database, and last the space",
        expected="it starts, waits, and goes on by itself; nothing acknowledged is lost",
        run=started_on_a_full_disk,
        needs=("root",),
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
        run=sync_fails,
        needs=("strace",),
    ),
    Fault(
        number="F21b",
        name="EIO from every sync",
        how="strace lets every fdatasync and fsync fail",
        expected="exit 74; all that was written is stored by the next start",
        run=sync_fails_for_good,
        needs=("strace",),
    ),
    Fault(
        number="F22",
        name="fdatasync takes 1.5 s, then 12 s",
        how="strace delays the call",
        expected="capture goes on, no watchdog, the status shows it",
        run=slow_sync,
        needs=("strace",),
    ),
    Fault(
        number="F27",
        name="state directory read-only",
        how="tmpfs mounted read-only",
        expected="exit 78 with one line, before READY",
        run=not_writable,
        needs=("root",),
    ),
)
