"""F5-F8: SIGTERM at any moment."""

import os
import signal
import time
from collections.abc import Callable

from tests.chaos.fault import Fault
from tests.chaos.scene import Scene

CALM_STOP_S = 10.0
_OPEN_EPOCHS = "select count(*) from epochs where closed_seq is null"


def stopped(scene: Scene) -> None:
    tracker = scene.play(trades=1000)
    scene.strike()
    code = tracker.stop(within_s=20)
    scene.heard_until(scene.at)
    _stopped_well(scene, code)
    left = scene.server.ask(_OPEN_EPOCHS, db=scene.plain_dsn)
    scene.expect(left == [(0,)], f"{left} epochs were left open")


def _stopped_well(scene: Scene, code: int) -> None:
    took = time.time() - scene.at
    scene.note(f"stopped in {took:.1f} s")
    scene.expect(code == 0, f"exit code {code}")
    scene.expect(took <= CALM_STOP_S, f"the stop took longer than {CALM_STOP_S:.0f} s")
    assert scene.tracked is not None
    scene.expect("forced_exit" not in scene.tracked.log_text(), "the exit was forced")


def stopped_without_database(scene: Scene) -> None:
    tracker = scene.play(trades=500)
    scene.server.stop()
    scene.noticed_database_away()
    scene.strike()
    code = tracker.stop(within_s=20)
    scene.heard_until(scene.at)
    _stopped_well(scene, code)
    scene.server.start()
    scene.tracker()
    scene.flows()


def stopped_at_any_time(scene: Scene) -> None:
    """SIGTERM from the first moment of the process on, and a second one in the stop."""
    scene.simulate(trades=200)
    codes = []
    for wait_s in (0.05, 0.3, 0.6, 0.9, 1.2, 1.8):
        tracker = scene.tracker()
        time.sleep(wait_s)
        codes.append(_terminated_twice(tracker.process.pid, tracker.stop))
    scene.tracker()
    scene.flows()
    assert scene.tracked is not None
    codes.append(_terminated_twice(scene.tracked.process.pid, scene.tracked.stop))
    scene.note(f"exit codes {codes}")
    # Before the first line of the script runs, the signal ends it like any program.
    scene.expect(set(codes) <= {0, -signal.SIGTERM}, "an unclean exit")
    scene.tracker()
    scene.flows()


def _terminated_twice(pid: int, stop: Callable[[], int]) -> int:
    try:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has ended already; `stop` returns its code
    return stop()


def stopped_while_stuck(scene: Scene) -> None:
    scene.simulate()
    assert scene.feed.accepted == 0
    tracker = scene.play()
    for kind in ("drip", "half_frame"):
        scene.strike(kind, count=2)
    scene.feed_holes()
    code = tracker.stop(within_s=50)
    _stopped_well(scene, code)


FAULTS = (
    Fault(
        number="F5",
        name="SIGTERM under load",
        how="SIGTERM under 1,000 trades/s",
        expected="exit 0 within 10 s, all of it stored, coverage closed",
        play=stopped,
    ),
    Fault(
        number="F6",
        name="SIGTERM while the database is down",
        how="server stopped, then SIGTERM, then all started again",
        expected="exit 0 within 10 s; the backlog is stored by the next start",
        play=stopped_without_database,
    ),
    Fault(
        number="F7",
        name="SIGTERM during the start, twice, in the stop",
        how="two SIGTERM 0.05 to 1.8 s after the start and under load",
        expected="no traceback, no half files",
        play=stopped_at_any_time,
    ),
    Fault(
        number="F8",
        name="SIGTERM with stuck connections",
        how="drip, half frames and a black hole, then SIGTERM",
        expected="no forced exit, exit 0 within 10 s",
        play=stopped_while_stuck,
    ),
)
