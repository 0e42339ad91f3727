"""N1: one bad night, in which one thing after another goes wrong, as the one on call sees it.

Simulator, tracker and a real Prometheus whose times are divided by `monitor.FASTER`; the limits of
the tracker are unchanged. Each part of the night has one cause. Of each: nobody is woken twice for
it, nothing is reported that does not belong to it, and after its end nothing is left of it, neither
in the status nor as an alert. What the log has at `-p warning`, each alert with its time, and each
change of the status are written to `build/night.txt`.

A source that lies is a contradiction that a person ends; events of unknown type are shown for ten
minutes after the last one.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import alert_causes as causes
from tests.chaos.fault import Fault
from tests.chaos.fault_run import FaultRun, at_of
from tests.chaos.monitor import FASTER, Monitor, free_port
from tests.chaos.mounts import small_disk
from tests.live.processes import ROOT

TRANSCRIPT = ROOT / "build" / "night.txt"
EVERY_S = 0.5
WARNING = ("WARNING", "ERROR", "CRITICAL")
LONGEST = 160
SETTINGS = {
    "TRACKER_REDUNDANCY": "1",
    "TRACKER_ASSETS_PER_CONNECTION": "20",
    "TRACKER_SILENCE_SECONDS": "5",
}

Bring = Callable[[FaultRun, Monitor], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the night.

    Attributes:
        name: What happens.
        bring: Causes it, and ends it.
        lasts_s: For how long it lasts at least; longer until all of `alerts` have fired.
        clears_s: Within this time after its end nothing is left of it.
        alerts: What fires because of it.
        warnings: What may fire as well, and wakes nobody.
        codes: Reasons that the status may show for it.
    """

    name: str
    bring: Bring
    lasts_s: float
    clears_s: float
    alerts: frozenset[str] = frozenset()
    warnings: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()


@contextmanager
def nothing(_: FaultRun, __: Monitor) -> Iterator[None]:
    yield


@contextmanager
def database_stopped(run: FaultRun, _: Monitor) -> Iterator[None]:
    run.fault_begins()
    run.server.stop()
    yield
    run.server.start()


@contextmanager
def restart(run: FaultRun, _: Monitor) -> Iterator[None]:
    assert run.tracked is not None
    run.fault_begins()
    run.tracked.stop()
    run.tracker()
    run.flows(within_s=120)
    yield


_DOWN = frozenset({"no_connection_live", "coverage_lost", "connections_down"})
_AWAY = frozenset({"database_away", "database_behind"})
PARTS = (
    Part(name="nothing", bring=nothing, lasts_s=20, clears_s=10),
    Part(name="the feed is lost", bring=causes.disconnected, lasts_s=90, clears_s=90,
         alerts=frozenset({"TrackerDisconnected"}), codes=_DOWN),
    Part(name="the database is away", bring=database_stopped, lasts_s=90, clears_s=90,
         alerts=frozenset({"TrackerDatabaseAway"}), codes=_AWAY,
         warnings=frozenset({"TrackerJournalGrowing", "TrackerDatabaseBehind"})),
    Part(name="the disk is nearly full", bring=causes.disk_low, lasts_s=30, clears_s=60,
         alerts=frozenset({"TrackerDiskLow"}), codes=frozenset({"disk_low"})),
    Part(name="a source lies", bring=causes.conflict, lasts_s=20, clears_s=150,
         alerts=frozenset({"TrackerResolutionConflict"}),
         codes=frozenset({"resolution_conflicts"})),
    Part(name="a restart", bring=restart, lasts_s=20, clears_s=60),
    Part(name="events of unknown type", bring=causes.drift, lasts_s=10, clears_s=720,
         alerts=frozenset({"TrackerDrift"}),
         codes=frozenset({"protocol_drift", "trades_rejected"})),
)  # fmt: skip


@dataclass
class Watch:
    """Who looks at everything twice a second, and writes down what changes.

    Attributes:
        lines: What was seen, in order.
        rises: How often each alert began to fire in this part of the night.
        seen: The reasons of the status in this part.
        firing: What fires now.
        state: The state and reasons that the status showed last.
    """

    run: FaultRun
    monitor: Monitor
    began: float = field(default_factory=time.time)
    lines: list[tuple[float, str]] = field(default_factory=list)
    rises: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    firing: set[str] = field(default_factory=set)
    state: tuple[str, tuple[str, ...]] = ("", ())

    def note(self, text: str, at: float | None = None) -> None:
        """Write down what was seen now, or then."""
        self.lines.append((at or time.time(), text[:LONGEST]))

    def look(self) -> None:
        """Look once."""
        firing = self.monitor.firing()
        for name in sorted(firing - self.firing):
            self.rises[name] += 1
            self.note(f"alert   {name} fires")
        for name in sorted(self.firing - firing):
            self.note(f"alert   {name} is over")
        self.firing = firing
        found = self.run.status()
        codes = tuple(found.get("codes", ()))
        state = (str(found.get("state", "no answer")), codes)
        self.seen |= set(codes)
        if state != self.state:
            self.state = state
            self.note(f"status  {state[0]}: {'; '.join(found.get('reasons', ())) or '-'}")

    def until(self, over: Callable[[], bool], *, least_s: float, within_s: float) -> bool:
        """Look until it is over, for so long at least; return whether it was over in time."""
        began = time.monotonic()
        while True:
            self.look()
            passed = time.monotonic() - began
            if passed >= least_s and over():
                return True
            if passed > within_s:
                return False
            time.sleep(EVERY_S)

    def write(self, events: list[dict[str, Any]]) -> None:
        """Write down all of it, with the lines of the log that `-p warning` shows."""
        log = [
            (at_of(event), f"log     {event['level'].lower()} {_words(event)}"[:LONGEST])
            for event in events
            if event.get("level") in WARNING
        ]
        rows = sorted([*self.lines, *log])
        TRANSCRIPT.parent.mkdir(exist_ok=True)
        text = "".join(f"{at - self.began:7.1f} s  {row}\n" for at, row in rows)
        TRANSCRIPT.write_text(text)


def _words(event: dict[str, Any]) -> str:
    known = ("timestamp", "level", "event", "logger", "traceback")
    more = " ".join(f"{name}={value}" for name, value in event.items() if name not in known)
    return f"{event.get('event')} {more}"


def one_night(run: FaultRun) -> None:
    """Carry out every part, one after the other."""
    port = free_port()
    run.overrides.update(SETTINGS, TRACKER_METRICS_PORT=str(port))
    run.simulate()
    run.feed, run.base  # noqa: B018 - asked for before the tracker starts
    run.resources.enter_context(small_disk(run.folder / "state", causes.FREE_MIB))
    run.start()
    monitor = run.resources.enter_context(Monitor(run.folder / "prometheus", port))
    watch = Watch(run, monitor)
    calm = lambda: not watch.firing and watch.state[0] == "healthy"  # noqa: E731
    try:
        run.expect(watch.until(calm, least_s=5, within_s=120), "it is not healthy at the start")
        for part in PARTS:
            _carry_out(run, watch, part, calm)
    finally:
        assert run.tracked is not None
        watch.write(run.tracked.events())
    run.note(f"{TRANSCRIPT.relative_to(ROOT)}: {len(watch.lines)} changes seen")
    run.fault_ends()
    run.recovered(within_s=60)


def _carry_out(run: FaultRun, watch: Watch, part: Part, calm: Callable[[], bool]) -> None:
    watch.rises.clear()
    watch.seen.clear()
    watch.note(f"-- {part.name}")
    began = time.time()
    with part.bring(run, watch.monitor):
        fired = lambda: part.alerts <= watch.rises.keys()  # noqa: E731
        in_time = watch.until(fired, least_s=part.lasts_s, within_s=part.lasts_s + 120)
    run.expect(in_time, f"{part.name}: {sorted(part.alerts)} have not fired")
    watch.note(f"-- {part.name}: over after {time.time() - began:.0f} s")
    ended = time.time()
    clear = watch.until(calm, least_s=10, within_s=part.clears_s)
    left = f"{sorted(watch.firing)} {watch.state}"
    run.expect(clear, f"{part.name}: {part.clears_s:.0f} s after its end there is {left}")
    twice = {name: count for name, count in watch.rises.items() if count > 1}
    run.expect(not twice, f"{part.name}: told more than once: {twice}")
    more = watch.rises.keys() - part.alerts - part.warnings
    run.expect(not more, f"{part.name}: {sorted(more)} fired as well")
    codes = watch.seen - part.codes
    run.expect(not codes, f"{part.name}: the status also said {sorted(codes)}")
    run.note(f"{part.name}: {', '.join(sorted(watch.rises)) or 'no alert'},"
             f" nothing left after {time.time() - ended:.0f} s")  # fmt: skip


FAULTS = (
    Fault(
        number="N1",
        name="one bad night",
        how=f"feed, database, disk, source, restart, drift; alerts {FASTER} times as fast",
        expected="one alert for each cause, and nothing is left of any",
        run=one_night,
        needs=("prometheus", "root"),
        deadline_s=2_400,
    ),
)
