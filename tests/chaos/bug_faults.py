"""F13-F17: bugs of the tracker itself: hangs, exceptions, crash loops."""

import contextlib
import os
import signal
import socket
import time
from functools import partial
from pathlib import Path

from tests.chaos.fault import Fault
from tests.chaos.fault_run import FaultRun, python
from tests.live.processes import until

SABOTAGE = str(Path(__file__).with_name("sabotage.py"))
WATCHDOG_S = 8.0

MOMENTS = {
    "connection": "actors.feed.actor:ConnectionActor._frames_received",
    "connection (proof)": "actors.feed.epoch:Epoch.write_proof",
    "writer": "actors.writer.actor:WriterActor._commit",
    "writer (tick)": "actors.writer.actor:WriterActor._tick",
    "catalog": "actors.catalog.actor:CatalogActor._tick",
    "resolution": "actors.resolution.actor:ResolutionActor._tick",
    "reactor callback": "actors.journal.recorder:Recorder.frames",
}
"""Methods that fail once; each failure restarts one actor and nothing else."""

HANGS = (
    ("F13", "the journal's", "actors.journal.appender:Appender.sync", "journal-sync"),
    (
        "F13b",
        "the supervisor's",
        "actors.supervision.monitor:ConnectionMonitor.check",
        "supervisor",
    ),
    ("F13c", "the status socket's", "actors.health.status_socket:StatusSocket._reply", "status"),
)


def start(run: FaultRun, target: str, action: str, **env: str) -> Path:
    """Start a tracker with a method that can be broken; return the file that breaks it."""
    if run.simulated is None:
        run.simulate()
    run.sabotaged = True
    fuse = run.folder / "fuse"
    fuse.unlink(missing_ok=True)
    run.launch(python("-X", "faulthandler", SABOTAGE, str(fuse), target, action), env=env)
    run.trade(200)
    return fuse


def hung(run: FaultRun, target: str, thread: str) -> None:
    """Act as systemd: receive the watchdog pings, end the tracker without them, start it again.

    Args:
        target: The method that never returns.
        thread: The thread that hangs in it; the log must name it.
    """
    place = run.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place))
        manager.settimeout(WATCHDOG_S)
        fuse = start(
            run,
            target,
            "hang",
            NOTIFY_SOCKET=str(place),
            WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)),
        )
        run.fault_begins()
        fuse.write_text("100")
        if thread == "status":
            run.expect(run.status() == {}, "a thread that hangs answered")
        _wait_for_silence(manager)
    run.outcome.notice_s = time.time() - run.at
    assert run.tracked is not None
    os.kill(run.tracked.process.pid, signal.SIGABRT)
    run.tracked.process.wait(20)
    stuck = [found for found in run.tracked.events() if found["event"] == "stuck"]
    named = any(f"thread {thread}:" in found["stacks"] for found in stuck)
    run.expect(named, "the log does not name the thread that hangs")
    run.expect("Fatal Python error: Aborted" in run.tracked.log_text(), "no stacks were logged")
    run.fault_ends()
    run.tracker()
    run.flows()
    run.outcome.recover_s = time.time() - run.at - run.outcome.notice_s


def _wait_for_silence(manager: socket.socket) -> None:
    """Wait until no ping came for the time of the watchdog, whatever other messages come."""
    began = pinged = time.monotonic()
    while time.monotonic() - began < 60:
        with contextlib.suppress(TimeoutError):
            if manager.recv(4096) == b"WATCHDOG=1":
                pinged = time.monotonic()
        if time.monotonic() - pinged > WATCHDOG_S:
            return
    raise AssertionError("the watchdog pings did not stop")


def bugs(run: FaultRun) -> None:
    """One bug in each actor; between them everything is stopped cleanly."""
    slowest = 0.0
    for name, target in MOMENTS.items():
        fuse = start(run, target, "raise")
        run.fault_begins()
        fuse.write_text("1")
        run.noticed("child_died", within_s=30)
        slowest = max(slowest, run.outcome.notice_s or 0.0)
        run.recovered(within_s=60)
        assert run.tracked is not None
        found = run.status()
        run.expect(found["restarts"]["total"] == 1, f"{name}: {found['restarts']}")
        run.expect(found["accounting"]["balanced"], f"{name}: the accounting does not balance")
        run.expect(run.tracked.stop() == 0, f"{name}: unclean stop")
    run.outcome.notice_s = slowest
    run.note(f"{len(MOMENTS)} bugs, one restart each")


def dead_at_start(run: FaultRun) -> None:
    fuse = start(run, "actors.feed.actor:ConnectionActor.on_start", "raise")
    fuse.write_text("1")
    run.inject("drop", count=1)
    died = run.noticed("child_died", within_s=10)
    run.note(f"found by the check of the supervisor: {died['reason']}")
    run.recovered(within_s=60)


def crash_loop(run: FaultRun) -> None:
    """One connection dies whenever a token is confirmed; the other feed receives its tokens."""
    fuse = start(run, "actors.feed.epoch:Epoch.confirm", "raise")
    fuse.write_text("8")
    run.inject("drop", count=1)
    run.noticed("child_died", within_s=15)
    found = run.degraded("restart_loop", within_s=60)
    run.note(f"looping: {found['restarts']['looping']}, {found['restarts']['total']} deaths")
    before = int(found["trades"]["total"])
    grows = lambda said: said["trades"]["total"] > before  # noqa: E731
    run.until_status("the others go on", grows)
    assert run.tracked is not None
    run.expect(run.tracked.process.poll() is None, "the process ended")


def fatal_loop(run: FaultRun) -> None:
    """The writer keeps dying: the process ends with 70 and is started anew."""
    fuse = start(run, "actors.writer.actor:WriterActor._transact", "raise")
    run.fault_begins()
    fuse.write_text("1000")
    assert run.tracked is not None
    process = run.tracked.process
    until("it gives up", lambda: process.poll() is not None, within_s=60)
    run.outcome.notice_s = time.time() - run.at
    run.expect(process.returncode == 70, f"exit code {process.returncode}")
    run.fault_ends()
    run.tracker()
    run.flows()
    run.outcome.recover_s = time.time() - (run.ended_at or run.at)


FAULTS = (
    *(
        Fault(
            number=number,
            name=f"{whose} thread hangs",
            how="test build; the runner is systemd: watchdog 8 s, SIGABRT",
            expected="no watchdog ping, stacks in the log, a restart recovers",
            run=partial(hung, target=target, thread=thread),
        )
        for number, whose, target, thread in HANGS
    ),
    Fault(
        number="F14",
        name="a bug in each actor",
        how="test build: one exception in each of 7 places",
        expected="that actor alone is restarted; no trade is lost",
        run=bugs,
        deadline_s=240,
    ),
    Fault(
        number="F15",
        name="an actor dies at its start without a report",
        how="test build: exception in on_start",
        expected="found by the check of the supervisor, within 5 s",
        run=dead_at_start,
    ),
    Fault(
        number="F16",
        name="one connection keeps dying",
        how="test build: one exception after another",
        expected="degraded; the others are unaffected",
        run=crash_loop,
    ),
    Fault(
        number="F16b",
        name="the writer keeps dying",
        how="test build: exception in every transaction",
        expected="exit 70 after the third death; the next start stores all",
        run=fatal_loop,
    ),
    Fault(
        number="F17",
        name="RecursionError and garbage in parsing",
        how="crafted frames, also in F47",
        expected="the frame is kept, the actor continues",
        proof=("tests/live/test_bad_input.py", "tests/polymarket/test_channel.py"),
    ),
)
