"""Alerts: each rule of `systemd/prometheus-alerts.yml` fires for its fault, and ceases after it.

Simulator, tracker and a real Prometheus; the times of the rules are divided by
`monitor.FASTER`, the tracker's own limits are as they are.
"""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import tracer
from bug_faults import SABOTAGE
from fault import Fault
from monitor import Monitor, free_port
from mounts import small_disk
from proxy import CLEAN, Toxics
from scene import Scene, hears_all, python
from stage import until

SETTINGS = {
    "TRACKER_REDUNDANCY": "1",
    "TRACKER_ASSETS_PER_CONNECTION": "20",
    "TRACKER_SILENCE_SECONDS": "5",
}
"""One leg of four connections beside the one for announcements."""
LONG_S = 600
ROOM_MIB, LITTLE_MIB = 2048, 600

Bring = Callable[[Scene, Monitor], AbstractContextManager[None]]


def _play(
    scene: Scene, *, names: tuple[str, ...], bring: Bring, fires_s: float, ceases_s: float
) -> None:
    """Let the fault last until every alert has fired; then wait until all have ceased."""
    port = free_port()
    scene.overrides.update(SETTINGS, TRACKER_METRICS_PORT=str(port))
    scene.simulate()
    scene.feed, scene.base  # noqa: B018 - asked for before the tracker starts
    if bring is disk_low:
        scene.doors.enter_context(small_disk(scene.folder / "state", ROOM_MIB))
    if bring is database_away:
        scene.overrides["TRACKER_JOURNAL_MAX_BYTES"] = "8MiB"
    scene.play()
    monitor = scene.doors.enter_context(Monitor(scene.folder / "prometheus", port))
    monitor.resolved(names, within_s=60)  # some are true for a moment after a start
    with bring(scene, monitor):
        waited_s = time.time() - scene.at
        fired = {
            name: waited_s + seconds
            for name, seconds in monitor.fired(names, within_s=fires_s).items()
        }
        scene.outcome.notice_s = max(fired.values())
    scene.over()
    ceased = monitor.resolved(names, within_s=ceases_s)
    for name in names:
        scene.note(f"{name} fired after {fired[name]:.0f} s, ceased after {ceased[name]:.0f} s")
    scene.outcome.figures.update(fired_s=fired, ceased_s=ceased)
    scene.recovered(within_s=90)


def _again(scene: Scene) -> None:
    """Stop the tracker in order and start it anew, without whatever broke it."""
    assert scene.tracked is not None
    scene.tracked.stop()
    scene.tracker()
    scene.flows()


@contextlib.contextmanager
def down(scene: Scene, _: Monitor) -> Iterator[None]:
    scene.at = scene.kill()
    yield
    scene.tracker()
    scene.flows()


@contextlib.contextmanager
def restarting(scene: Scene, monitor: Monitor) -> Iterator[None]:
    scene.strike()
    began = monitor.value("tracker_start_time_seconds")
    for _ in range(3):
        before = began
        scene.kill()
        scene.tracker()
        fresh = lambda: monitor.value("tracker_start_time_seconds") not in (None, before)  # noqa: B023, E731
        until("the new process is scraped", fresh)
        scene.flows()
        began = monitor.value("tracker_start_time_seconds")
    yield


@contextlib.contextmanager
def disconnected(scene: Scene, _: Monitor) -> Iterator[None]:
    with _lasting(scene, "refuse_ws", status=503):
        scene.feed.reset()
        yield


@contextlib.contextmanager
def one_refused(scene: Scene, _: Monitor) -> Iterator[None]:
    with _lasting(scene, "refuse_ws", status=503):
        scene.admin("fault", kind="drop", count=1)
        yield


@contextlib.contextmanager
def no_prints(scene: Scene, _: Monitor) -> Iterator[None]:
    scene.strike()
    scene.admin("rates", prints_per_second=0)
    yield
    scene.admin("rates", prints_per_second=200)


@contextlib.contextmanager
def exchange_silent(scene: Scene, _: Monitor) -> Iterator[None]:
    with _lasting(scene, "freeze_all"):
        yield


@contextlib.contextmanager
def unconfirmed(scene: Scene, _: Monitor) -> Iterator[None]:
    """Nobody trades meanwhile: a book follows many a print, and proves the token as well."""
    scene.hush()
    with _lasting(scene, "no_books"):
        scene.admin("fault", kind="drop", count=1)
        yield
    scene.admin("fault", kind="drop", count=99)
    scene.admin("rates", prints_per_second=200)


@contextlib.contextmanager
def http_dead(scene: Scene, _: Monitor) -> Iterator[None]:
    """Every HTTP source answers 500 while a market is due."""
    scene.admin("market", fate="clean", winner=0, life_s=5)
    wanted = int(scene.status()["assets"]["wanted"])
    scene.until_status("it is found", lambda found: found["assets"]["wanted"] > wanted)
    with _lasting(scene, "http_500"):
        yield


@contextlib.contextmanager
def unwanted(scene: Scene, _: Monitor) -> Iterator[None]:
    """Nobody trades meanwhile: what is not wanted is no gap."""
    assert scene.tracked is not None
    scene.hush()
    scene.tracked.stop()
    scene.strike()
    scene.tracker(TRACKER_TAGS="nobody-has-this-tag")
    yield
    scene.tracked.stop()
    scene.tracker()
    scene.until_status("every token is heard", hears_all)
    scene.admin("rates", prints_per_second=200)


@contextlib.contextmanager
def database_away(scene: Scene, _: Monitor) -> Iterator[None]:
    scene.admin("rates", prints_per_second=500)
    scene.strike()
    scene.server.stop()
    yield
    scene.admin("rates", prints_per_second=200)
    scene.server.start()


@contextlib.contextmanager
def behind(scene: Scene, _: Monitor) -> Iterator[None]:
    scene.strike()
    scene.base.toxics = Toxics(latency_s=0.6)
    yield
    scene.base.toxics = CLEAN


@contextlib.contextmanager
def disk_low(scene: Scene, _: Monitor) -> Iterator[None]:
    """As if another program had taken the room; it is only promised, never filled."""
    scene.strike()
    state = scene.folder / "state"
    _resized(state, LITTLE_MIB)
    yield
    _resized(state, ROOM_MIB)


def _resized(disk: Path, mib: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={mib}m", str(disk)], check=True)


@contextlib.contextmanager
def disk_slow(scene: Scene, _: Monitor) -> Iterator[None]:
    assert scene.tracked is not None
    scene.strike()
    with tracer.attached(scene.tracked.process.pid, "fdatasync:delay_enter=1500ms"):
        yield


@contextlib.contextmanager
def storing_stopped(scene: Scene, _: Monitor) -> Iterator[None]:
    """Somebody changes the schema; after it is undone a restart spares five minutes of waiting."""
    scene.strike()
    table = "alter table prints"
    scene.server.run(
        f"{table} add constraint wrong check (price < 0) not valid", db=scene.plain_dsn
    )
    yield
    scene.server.run(f"{table} drop constraint wrong", db=scene.plain_dsn)
    _again(scene)
    rows = scene.server.ask("select count(*) from rejected_messages", db=scene.plain_dsn)
    scene.set_aside = int(rows[0][0])
    scene.note(f"{scene.set_aside} prints were set aside before it stopped")


@contextlib.contextmanager
def conflict(scene: Scene, _: Monitor) -> Iterator[None]:
    """A contradiction is never over; the count begins anew with the process."""
    scene.strike()
    scene.admin("market", fate="clean", winner=0, life_s=4, odd="contradicted_clob")
    yield
    _again(scene)


@contextlib.contextmanager
def drift(scene: Scene, _: Monitor) -> Iterator[None]:
    scene.strike("garbage", count=3)
    yield


def _broken(target: str, action: str, times: int) -> Bring:
    """Give what starts a tracker in which a method is broken so many times."""

    @contextlib.contextmanager
    def bring(scene: Scene, _: Monitor) -> Iterator[None]:
        assert scene.tracked is not None
        scene.sabotaged = True
        scene.tracked.stop()
        fuse = scene.folder / "fuse"
        scene.launch(python("-X", "faulthandler", SABOTAGE, str(fuse), target, action))
        scene.flows()
        scene.strike()
        fuse.write_text(str(times))
        scene.admin("fault", kind="drop", count=1)
        scene.hush()
        yield
        scene.admin("rates", prints_per_second=200)
        _again(scene)

    return bring


@contextlib.contextmanager
def _lasting(scene: Scene, kind: str, **values: float) -> Iterator[None]:
    """Bring a fault of the simulator that lasts for as long as this does."""
    scene.strike(kind, seconds=LONG_S, **values)
    try:
        yield
    finally:
        scene.admin("fault", kind=kind, seconds=0)


def _fault(
    number: str, how: str, *names: str, bring: Bring, fires_s: float = 60, ceases_s: float = 60,
    needs: tuple[str, ...] = (),
) -> Fault:  # fmt: skip
    return Fault(
        number=number,
        name=f"alerts: {how}"[:44],
        how=how,
        expected=f"{', '.join(names)}: fires, and ceases after it",
        play=partial(_play, names=names, bring=bring, fires_s=fires_s, ceases_s=ceases_s),
        needs=("prometheus", *needs),
        deadline_s=fires_s + ceases_s + 240,
    )


def names_of(fault: Fault) -> tuple[str, ...]:
    """Give the alerts that a fault raises."""
    assert isinstance(fault.play, partial)
    names: tuple[str, ...] = fault.play.keywords["names"]
    return names


FAULTS = (
    _fault("A1", "the tracker is killed", "TrackerDown", bring=down),
    _fault("A2", "it is killed three times in a row", "TrackerRestarting", bring=restarting),
    _fault("A3", "handshakes refused, all connections reset", "TrackerDisconnected",
           bring=disconnected, ceases_s=90),
    _fault("A4", "handshakes refused, one connection reset", "TrackerConnectionsDown",
           "TrackerGapOpen", bring=one_refused, fires_s=120, ceases_s=120),
    _fault("A5", "nobody trades", "TrackerNoPrints", bring=no_prints),
    _fault("A6", "the exchange is frozen", "TrackerExchangeSilent", bring=exchange_silent),
    _fault("A7", "no books after subscriptions", "TrackerTokensUnconfirmed",
           bring=unconfirmed, fires_s=300, ceases_s=120),
    _fault("A8", "HTTP 500 from every source", "TrackerCatalogueDead", "TrackerSourceDead",
           bring=http_dead, fires_s=120, ceases_s=120),
    _fault("A9", "the database is stopped, journal cap 8 MiB", "TrackerDatabaseAway",
           "TrackerJournalGrowing", "TrackerJournalFillsSoon", "TrackerJournalFull",
           bring=database_away, fires_s=180),
    _fault("A10", "the database is slow", "TrackerDatabaseBehind", bring=behind, fires_s=90),
    _fault("A11", "the disk has 600 MiB left", "TrackerDiskLow", bring=disk_low,
           needs=("root",)),
    _fault("A12", "fdatasync takes 1.5 s", "TrackerDiskSlow", bring=disk_slow, fires_s=120,
           ceases_s=120, needs=("strace",)),
    _fault("A13", "a constraint that no print fulfils", "TrackerStoringStopped",
           bring=storing_stopped),
    _fault("A14", "a source contradicts the others", "TrackerResolutionConflict",
           bring=conflict, fires_s=90),
    _fault("A15", "one connection dies of a bug 8 times", "TrackerRestartLoop",
           bring=_broken("actors.epoch:Epoch.confirm", "raise", 8), fires_s=120),
    _fault("A16", "events of unknown type", "TrackerDrift", bring=drift, ceases_s=180),
    _fault("A17", "a commit is not counted", "TrackerBooksUnbalanced",
           bring=_broken("actors.logic.tally:Tally.committed", "skip", 1)),
    _fault("A18", "a filter that no market passes", "TrackerNothingToWatch", bring=unwanted),
)  # fmt: skip
