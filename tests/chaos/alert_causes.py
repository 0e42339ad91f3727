"""Causes of alerts: each context manager begins a fault on entry and ends it on exit."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.chaos import tracer
from tests.chaos.bug_faults import SABOTAGE
from tests.chaos.monitor import Monitor
from tests.chaos.proxy import CLEAN, Toxics
from tests.chaos.scene import Scene, hears_all, python
from tests.live.stage import until

LONG_S = 600
FREE_MIB, LITTLE_MIB = 2048, 600

Bring = Callable[[Scene, Monitor], AbstractContextManager[None]]


def _again(scene: Scene) -> None:
    """Stop the tracker cleanly and start it again without the broken method."""
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
    with _lasting(scene, "reject_ws", status=503):
        scene.feed.reset()
        yield


@contextlib.contextmanager
def one_rejected(scene: Scene, _: Monitor) -> Iterator[None]:
    with _lasting(scene, "reject_ws", status=503):
        scene.admin("fault", kind="drop", count=1)
        yield


@contextlib.contextmanager
def no_trades(scene: Scene, _: Monitor) -> Iterator[None]:
    scene.strike()
    scene.admin("rates", trades_per_second=0)
    yield
    scene.admin("rates", trades_per_second=200)


@contextlib.contextmanager
def exchange_silent(scene: Scene, _: Monitor) -> Iterator[None]:
    with _lasting(scene, "freeze_all"):
        yield


@contextlib.contextmanager
def unconfirmed(scene: Scene, _: Monitor) -> Iterator[None]:
    """Markets begin on connections that listen already, and no book of them is sent.

    A connection without any book does not listen: that is another alert. Nobody trades
    meanwhile: books follow many trades, and such a book confirms the token as well.
    """
    scene.quiet()
    with _lasting(scene, "no_books"):
        for winner in (0, 1):
            scene.admin("market", fate="clean", winner=winner, life_s=90_000)
        yield
    scene.admin("fault", kind="drop", count=99)
    scene.admin("rates", trades_per_second=200)


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
    """No token is wanted. Nobody trades meanwhile: a token that is not wanted has no gap."""
    assert scene.tracked is not None
    scene.quiet()
    scene.tracked.stop()
    scene.strike()
    scene.tracker(TRACKER_TAGS="nobody-has-this-tag")
    yield
    scene.tracked.stop()
    scene.tracker()
    scene.until_status("every token is heard", hears_all)
    scene.admin("rates", trades_per_second=200)


@contextlib.contextmanager
def database_away(scene: Scene, _: Monitor) -> Iterator[None]:
    scene.admin("rates", trades_per_second=500)
    scene.strike()
    scene.server.stop()
    yield
    scene.admin("rates", trades_per_second=200)
    scene.server.start()


@contextlib.contextmanager
def behind(scene: Scene, _: Monitor) -> Iterator[None]:
    scene.strike()
    scene.base.toxics = Toxics(latency_s=0.6)
    yield
    scene.base.toxics = CLEAN


@contextlib.contextmanager
def disk_low(scene: Scene, _: Monitor) -> Iterator[None]:
    """The disk becomes smaller, as if another program had filled it."""
    scene.strike()
    state = scene.folder / "state"
    _resized(state, LITTLE_MIB)
    yield
    _resized(state, FREE_MIB)


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
    """Somebody changes the schema; once undone, a restart saves the wait of five minutes."""
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
    scene.note(f"{scene.set_aside} trades were rejected before it stopped")


@contextlib.contextmanager
def conflict(scene: Scene, _: Monitor) -> Iterator[None]:
    """A contradiction never ends; only a restart sets its count to zero."""
    scene.strike()
    scene.admin("market", fate="clean", winner=0, life_s=4, odd="contradicted_clob")
    yield
    _again(scene)


@contextlib.contextmanager
def drift(scene: Scene, _: Monitor) -> Iterator[None]:
    scene.strike("garbage", count=3)
    yield


@contextlib.contextmanager
def odd(scene: Scene, _: Monitor) -> Iterator[None]:
    """As `drift`; its reason holds for an hour, which a restart ends."""
    scene.strike("garbage", count=3)
    yield
    _again(scene)


def broken(target: str, action: str, times: int) -> Bring:
    """Return a cause that restarts the tracker with a method that fails so many times."""

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
        scene.quiet()
        yield
        scene.admin("rates", trades_per_second=200)
        _again(scene)

    return bring


@contextlib.contextmanager
def _lasting(scene: Scene, kind: str, **values: float) -> Iterator[None]:
    """Keep a fault of the simulator in force until exit."""
    scene.strike(kind, seconds=LONG_S, **values)
    try:
        yield
    finally:
        scene.admin("fault", kind=kind, seconds=0)
