"""F5-F8: SIGTERM at any moment."""

import os
import signal
import time
from collections.abc import Callable

from tests.chaos.fault import Fault
from tests.chaos.fault_run import FaultRun

CALM_STOP_S = 10.0
_OPEN_EPOCHS = "select count(*) from tracker.epochs where closed_seq is null"


def stopped(run: FaultRun) -> None:
    tracker = run.start(trades=1000)
    run.fault_begins()
    code = tracker.stop(within_s=20)
    run.received_until(run.at)
    _stopped_well(run, code)
    left = run.server.ask(_OPEN_EPOCHS, db=run.plain_dsn)
    run.expect(left == [(0,)], f"{left} epochs were left open")


def _stopped_well(run: FaultRun, code: int) -> None:
    took = time.time() - run.at
    run.note(f"stopped in {took:.1f} s")
    run.expect(code == 0, f"exit code {code}")
    run.expect(took <= CALM_STOP_S, f"the stop took longer than {CALM_STOP_S:.0f} s")
    assert run.tracked is not None
    run.expect("forced_exit" not in run.tracked.log_text(), "the exit was forced")


def stopped_without_database(run: FaultRun) -> None:
    tracker = run.start(trades=500)
    run.server.stop()
    run.noticed_database_away()
    run.fault_begins()
    code = tracker.stop(within_s=20)
    run.received_until(run.at)
    _stopped_well(run, code)
    run.server.start()
    run.tracker()
    run.flows()


def stopped_at_any_time(run: FaultRun) -> None:
    """SIGTERM from the first moment of the process on, and a second one in the stop."""
    run.simulate(trades=200)
    codes = []
    for wait_s in (0.05, 0.3, 0.6, 0.9, 1.2, 1.8):
        tracker = run.tracker()
        time.sleep(wait_s)
        codes.append(_terminated_twice(tracker.process.pid, tracker.stop))
    run.tracker()
    run.flows()
    assert run.tracked is not None
    codes.append(_terminated_twice(run.tracked.process.pid, run.tracked.stop))
    run.note(f"exit codes {codes}")
    # Before the first line of the script runs, the signal ends it like any program.
    run.expect(set(codes) <= {0, -signal.SIGTERM}, "an unclean exit")
    run.tracker()
    run.flows()


def _terminated_twice(pid: int, stop: Callable[[], int]) -> int:
    try:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has ended already; `stop` returns its code
    return stop()


def stopped_while_stuck(run: FaultRun) -> None:
    run.simulate()
    assert run.feed.accepted == 0
    tracker = run.start()
    for kind in ("drip", "half_frame"):
        run.inject(kind, count=2)
    run.feed_stalls()
    code = tracker.stop(within_s=50)
    _stopped_well(run, code)


FAULTS = (
    Fault(
        number="F5",
        name="SIGTERM under load",
        how="SIGTERM under 1,000 trades/s",
        expected="exit 0 within 10 s, all of it stored, coverage closed",
        run=stopped,
    ),
    Fault(
        number="F6",
        name="SIGTERM while the database is down",
        how="server stopped, then SIGTERM, then all started again",
        expected="exit 0 within 10 s; the backlog is stored by the next start",
        run=stopped_without_database,
    ),
    Fault(
        number="F7",
        name="SIGTERM during the start, twice, in the stop",
        how="two SIGTERM 0.05 to 1.8 s after the start and under load",
        expected="no traceback, no half files",
        run=stopped_at_any_time,
    ),
    Fault(
        number="F8",
        name="SIGTERM with stuck connections",
        how="drip, half frames and a black hole, then SIGTERM",
        expected="no forced exit, exit 0 within 10 s",
        run=stopped_while_stuck,
    ),
)
