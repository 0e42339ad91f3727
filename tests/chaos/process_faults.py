"""F1-F4, F9-F12: the process is killed, or lacks memory, threads or descriptors."""

import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos import groups, tracer
from tests.chaos.fault import Fault
from tests.chaos.fault_run import FaultRun, python
from tests.live.processes import until

SMALL_JOURNAL = {"TRACKER_JOURNAL_MAX_BYTES": "1MiB"}
"""Segments of 256 KiB: at 500 trades/s one is full in less than a second."""
HOG = """
import sys
taken = []
while True:
    taken.append(b"x" * (4 << 20))
"""


def killed_once(run: FaultRun) -> None:
    run.start()
    run.at = run.kill()
    run.tracker()
    run.flows()
    run.outcome.recover_s = time.time() - run.at


def killed_at(call: str) -> Callable[[FaultRun], None]:
    """Return a fault that kills the tracker as it enters a system call."""

    def killed(run: FaultRun) -> None:
        for _ in range(3):
            if run.tracked is None:
                tracker = run.start(trades=500, **SMALL_JOURNAL)
            else:
                tracker = run.tracker(**SMALL_JOURNAL)
                run.flows()
            with tracer.attached(tracker.process.pid, f"{call}:signal=KILL:when=1"):
                until(f"killed at {call}", lambda: tracker.process.poll() is not None)  # noqa: B023
            run.at = time.time()
            run.received_until(run.at)
            run.died()
            run.expect(tracker.process.returncode == -signal.SIGKILL, "it was not the kill")
        run.tracker(**SMALL_JOURNAL)
        run.flows()
        run.outcome.recover_s = time.time() - run.at
        run.note(f"3 kills at {call}")

    return killed


def killed_in_recovery(run: FaultRun) -> None:
    run.start()
    run.at = run.kill()
    for _ in range(2):
        tear(run)
        started = run.launch(tracer.under("ftruncate:signal=KILL:when=1", python()))
        started.process.wait(30)
        run.expect(started.process.returncode != 0, "it was not killed in its recovery")
        run.expect("started" not in _events_of(run), "it had started already")
    run.tracker()
    run.flows()
    run.outcome.recover_s = time.time() - run.at
    run.note("twice killed as it cut a torn tail")


def _events_of(run: FaultRun) -> list[str]:
    assert run.tracked is not None
    events = [event.get("event") for event in run.tracked.events()]
    return [str(event) for event in events[events.index("started") + 1 :]]


def tear(run: FaultRun, garbage: bytes = b"TRK1" + bytes(60)) -> Path:
    """Append bytes that are no record to the last segment; return the segment."""
    last = max((run.folder / "state" / "journal").glob("seg-*.log"))
    with last.open("ab") as file:
        file.write(garbage)
    return last


def out_of_memory(run: FaultRun) -> None:
    """A memory group with a process that takes all of it, and the tracker first to be killed."""
    tracker = run.start()
    with groups.grouped(groups.MEMORY, tracker.process.pid) as group:
        (group / "memory.limit_in_bytes").write_text("64M")
        join = f"open({str(group / 'cgroup.procs')!r}, 'w').write('0')"
        Path(f"/proc/{tracker.process.pid}/oom_score_adj").write_text("1000")
        run.fault_begins()
        hog = subprocess.Popen(python("-c", f"{join}{HOG}"))
        try:
            until("the kernel kills it", lambda: tracker.process.poll() is not None)
        finally:
            hog.kill()
            hog.wait()
    run.received_until(run.at)
    run.died()
    run.expect(tracker.process.returncode == -signal.SIGKILL, "it was not killed")
    run.at = time.time()
    run.tracker()
    run.flows()
    run.outcome.recover_s = time.time() - run.at


def without_threads(run: FaultRun) -> None:
    """A group without space for another task (systemd's TasksMax=), then connections end."""
    run.sabotaged = True  # the failed start is logged with its traceback
    tracker = run.start()
    pid = tracker.process.pid
    with groups.grouped(groups.PIDS, pid) as group:
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        (group / "pids.max").write_text(str(threads - 2))
        run.inject("drop", count=2)
        run.noticed("child_not_started", within_s=30)
        found = run.until_status("it answers all the same", bool)
        run.note(f"{found['connections']['live']} of {found['connections']['wanted']} live")
        run.expect(
            found["connections"]["live"] < found["connections"]["wanted"],
            "a connection without a thread",
        )
        (group / "pids.max").write_text("max")
        run.fault_ends()
        run.recovered(within_s=90)


def without_descriptors(run: FaultRun) -> None:
    tracker = run.start()
    pid = tracker.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    run.fault_begins()
    used = max(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 1, hard))
    run.admin("fault", kind="drop", count=5)
    # What the ends of the old connections free is taken, so that nothing is left.
    run.noticed("connection_ended", within_s=10)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, hard))
    time.sleep(5)
    failed = [each for each in tracker.events() if each.get("event") == "connections_failed"]
    said = [each["reasons"] for each in failed]
    rejected = sum(reasons.get("no_descriptors", 0) for reasons in said)
    run.note(f"{rejected} connections failed for want of a descriptor")
    run.expect(rejected, "no connection failed for want of a descriptor")
    run.expect(tracker.process.poll() is None, "it ended")
    run.fault_ends()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    run.recovered(within_s=90)


def second_instance(run: FaultRun) -> None:
    first = run.start()
    run.fault_begins()
    second = run.tracker(TRACKER_STATUS_SOCKET=str(run.folder / "other"))
    code = second.process.wait(20)
    run.tracked = first
    run.expect(code == 78, f"exit code {code}")
    run.expect(first.process.poll() is None, "the first one ended")
    run.costs_nothing = True


FAULTS = (
    Fault(
        number="F1",
        name="kill -9",
        how="SIGKILL under 200 trades/s, then a new start",
        expected="nothing received is lost or doubled; a gap from the last proof on",
        run=killed_once,
    ),
    Fault(
        number="F2",
        name="kill -9 as a segment is made",
        how="strace kills at renameat, with segments of 256 KiB, 3 times",
        expected="as F1; no empty file is in the way",
        run=killed_at("renameat"),
        needs=("strace",),
    ),
    Fault(
        number="F3",
        name="kill -9 during recovery, twice",
        how="torn tail; strace kills the next two starts at ftruncate",
        expected="recovery is done again",
        run=killed_in_recovery,
        needs=("strace",),
    ),
    Fault(
        number="F4",
        name="kill -9 between COMMIT and unlink",
        how="strace kills at unlinkat of a segment, 3 times",
        expected="nothing doubled; the segment goes at the next start",
        run=killed_at("unlinkat"),
        needs=("strace",),
    ),
    Fault(
        number="F9",
        name="killed by the kernel for want of memory",
        how="a memory cgroup of 64 MiB and a process that fills it",
        expected="as F1",
        run=out_of_memory,
        needs=("root", str(groups.MEMORY)),
    ),
    Fault(
        number="F10",
        name="no thread can be started",
        how="pids cgroup as TasksMax=, two connections dropped, then lifted",
        expected="no connection counts as live without a thread; recovers when it is lifted",
        run=without_threads,
        needs=("root", str(groups.PIDS)),
    ),
    Fault(
        number="F11",
        name="no descriptor is left",
        how="RLIMIT_NOFILE of the running tracker, and connections dropped",
        expected="connections fail and back off; the journal stays open",
        run=without_descriptors,
    ),
    Fault(
        number="F12",
        name="second instance",
        how="started on the same state directory",
        expected="rejected with 78, the first one unharmed",
        run=second_instance,
    ),
)
