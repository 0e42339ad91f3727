"""F1-F16: the process is killed, stopped, starved and broken from within."""

import time

from fault import Fault
from scene import Scene


def killed_once(scene: Scene) -> None:
    scene.play()
    scene.at = scene.kill()
    scene.tracker()
    scene.flows()
    scene.outcome.recover_s = time.time() - scene.at


def stopped(scene: Scene) -> None:
    tracker = scene.play(prints=1000)
    scene.strike()
    code = tracker.stop(within_s=20)
    scene.outcome.recover_s = time.time() - scene.at
    scene.expect(code == 0, f"exit code {code}")
    scene.expect(scene.outcome.recover_s <= 10, "the stop took longer than 10 s")
    left = scene.server.ask(_BEHIND, db=scene.plain_dsn)
    scene.note(f"stopped in {scene.outcome.recover_s:.1f} s")
    scene.expect(left == [(0,)], f"{left} epochs were left open")


_BEHIND = "select count(*) from epochs where closed_seq is null"


def stopped_without_database(scene: Scene) -> None:
    tracker = scene.play(prints=500)
    scene.server.stop()
    scene.noticed_database_away()
    scene.strike()
    code = tracker.stop(within_s=20)
    scene.outcome.recover_s = time.time() - scene.at
    scene.expect(code == 0, f"exit code {code}")
    scene.expect(scene.outcome.recover_s <= 10, "the stop took longer than 10 s")
    scene.server.start()
    scene.tracker()
    scene.flows()


FAULTS = (
    Fault(
        number="F1",
        name="kill -9",
        how="SIGKILL under 200 prints/s, then a new start",
        expected="nothing acknowledged is lost or doubled; a gap from the last mark on",
        play=killed_once,
    ),
    Fault(
        number="F5",
        name="SIGTERM under load",
        how="SIGTERM under 1,000 prints/s",
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
)
