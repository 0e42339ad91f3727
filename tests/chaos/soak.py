"""The soak: a long run in a short time, in which nothing may grow.

    make soak MINUTES=90        renews docs/evidence/soak.md and its picture

Thousands of markets begin, trade, end and are resolved while connections, HTTP sources and the
database fail many times and the exchange has its weekly restart. The tracker is one process all
the time. Every few seconds its memory, threads, descriptors and what waits in its journal are
measured. Each fault occurs three times, and resolutions are checked again 20 times sooner
(`shortened_timers.py`): in the first third everything that takes memory has come once, and a
line through the last two thirds must be flat. At the end ledger and database are compared.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Any

from tests.chaos.fault import FAIL, Outcome
from tests.chaos.fault_run import FaultRun, carry_out, fault_run, python
from tests.chaos.mounts import own_mounts
from tests.chaos.server import OwnServer
from tests.chaos.trend import Point, Trend, drawn, fit
from tests.live.processes import ROOT

LIFE_H = 12.0
"""What one round of the faults stands for: each comes as often as in so many hard hours."""
CYCLES = 3
SHORTENED_BY = 20
"""So much sooner resolutions are checked again: six hours after 18 minutes, a day after 72."""
SAMPLE_S = 5.0
NEW_MARKETS, LIFE, MARKETS, TRADES = 4.0, "20-60", 150, 300
SETTINGS = {
    "TRACKER_REPLACE_SECONDS": "120",
    "TRACKER_SILENCE_SECONDS": "15",
    "TRACKER_CLOSED_SECONDS": "300",
}

SERIES: dict[str, tuple[str, float, float]] = {
    "memory": ("MiB, resident", 0.05, 6.0),
    "threads": ("threads beside one for each connection", 0.1, 3.0),
    "descriptors": ("file descriptors beside one for each connection", 0.1, 4.0),
    "waiting": ("s, age of the oldest record in the journal", 0.0, 5.0),
    "tokens": ("tokens wanted", 0.0, inf),
    "connections": ("connections wanted", 0.0, inf),
}
"""Unit, and what a line may gain: a share of its mean, or at least so much. The last two
depend on the exchange and are not judged."""


def _weekly_restart(found: FaultRun) -> None:
    found.admin("fault", kind="reject_ws", seconds=9, status=503)
    found.admin("fault", kind="close", code=1001, count=99)


def _database_away(found: FaultRun) -> None:
    found.server.stop()
    time.sleep(8)
    found.server.start()


def _of(kind: str, **values: float) -> Callable[[FaultRun], None]:
    return lambda found: found.admin("fault", kind=kind, **values)


FAULTS: tuple[tuple[str, Callable[[FaultRun], None]], ...] = (
    ("two connections reset", _of("drop", count=2)),
    ("a connection frozen", _of("freeze", count=1, seconds=0)),
    ("garbage", _of("garbage", count=2)),
    ("HTTP 500", _of("http_500", seconds=10)),
    ("database away", _database_away),
    ("tokens missed", _of("miss_token", count=3)),
    ("weekly restart", _weekly_restart),
    ("HTTP 429", _of("http_429", seconds=10, retry_after=5)),
    ("database crash", lambda found: found.server.restart()),
    ("half a frame", _of("half_frame", count=1)),
    ("flaky HTTP", _of("flaky_http", seconds=15, share=0.3)),
    ("slow readers cut", _of("close", code=1013, count=2)),
)
FAULT_COUNT = CYCLES * len(FAULTS)


class Soak:
    """The measurements of one run."""

    def __init__(self, found: FaultRun, seconds: float) -> None:
        self._run = found
        self._seconds = seconds
        self.series: dict[str, list[Point]] = {name: [] for name in SERIES}
        self.marks: list[tuple[float, str]] = []
        self.last: dict[str, Any] = {}

    def run(self) -> None:
        """Cause the faults and measure until the time is over."""
        began = time.monotonic()
        every_s = self._seconds / (FAULT_COUNT + 1)
        while (passed := time.monotonic() - began) < self._seconds:
            due = int(passed / every_s)
            if 0 < due <= FAULT_COUNT and due > len(self.marks):
                what, inject = FAULTS[len(self.marks) % len(FAULTS)]
                self.marks.append((passed, what))
                inject(self._run)
            self._sample(time.monotonic() - began)
            time.sleep(SAMPLE_S)

    def _sample(self, at: float) -> None:
        tracked = self._run.tracked
        assert tracked is not None
        assert tracked.process.poll() is None, f"the tracker ended: {tracked.log_text()[-500:]}"
        place = Path(f"/proc/{tracked.process.pid}")
        self.last = self._run.status() or self.last
        connections = float(self.last["connections"]["wanted"])
        seen = {
            "memory": self._run.memory_mib(),
            "threads": len(list((place / "task").iterdir())) - connections,
            "descriptors": len(list((place / "fd").iterdir())) - connections,
            "waiting": float(self.last["journal"]["oldest_s"]),
            "tokens": float(self.last["assets"]["wanted"]),
            "connections": connections,
        }
        for name, value in seen.items():
            self.series[name].append((at, value))

    def trends(self) -> dict[str, tuple[Trend, bool]]:
        """Return the line of each series, and whether it is flat."""
        found = {name: fit(points) for name, points in self.series.items()}
        return {
            name: (trend, trend.flat(share=SERIES[name][1], least=SERIES[name][2]))
            for name, trend in found.items()
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak and write the page; return 0 when all is flat and nothing is lost."""
    parser = argparse.ArgumentParser(prog="soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "docs" / "evidence", help="where page and picture go"
    )
    asked = parser.parse_args(arguments)
    own_mounts()
    outcome = Outcome(number="soak", name="soak", how="", expected="")
    runs: list[Soak] = []

    def steps(found: FaultRun) -> None:
        words = ("--markets-per-second", str(NEW_MARKETS), "--life", LIFE)
        found.simulate(*words, markets=MARKETS)
        found.launch(
            python(str(ROOT / "tests/chaos/shortened_timers.py"), str(SHORTENED_BY)), env=SETTINGS
        )
        found.until_status("something is received", lambda said: said["assets"]["covered"] > 100)
        found.admin("rates", trades_per_second=TRADES)
        found.began = time.time()
        runs.append(Soak(found, asked.minutes * 60))
        runs[0].run()

    folder = Path(tempfile.mkdtemp(prefix="tracker-soak-"))
    folder.chmod(0o755)
    server = OwnServer(folder / "pg")
    try:
        with fault_run(folder, server, outcome) as found:
            carry_out(steps, found)
    finally:
        if server.up:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if not runs or not runs[0].last:
        sys.stdout.write(f"{outcome.line()}\n")
        return 1
    page, flat = _page(runs[0], outcome, asked.minutes)
    (asked.out / "soak.md").write_text(page)
    pictured = {f"{name} ({SERIES[name][0]})": points for name, points in runs[0].series.items()}
    (asked.out / "soak.svg").write_text(drawn(pictured, runs[0].marks))
    sys.stdout.write(page)
    return 0 if flat and outcome.result != FAIL else 1


PAGE = """# Soak

Made by `make soak`; do not edit. One tracker, feeds A and B, for {minutes:.0f} minutes:
{new_markets:g} markets begin every second and trade for {life} s,
{rate} trades and 300 other events come every
second, and {faults} faults, as many as in {hours:.0f} hard hours. Resolutions are checked
again {shortened_by} times sooner than usual. Measured every {sample:.0f} s; the line
goes through the last two thirds, when each fault has occurred once.

![memory, threads, descriptors, what waits](soak.svg)

Where threads and descriptors drop, the exchange accepts no connection for 9 s: fewer are open
than are wanted.

| figure | unit | mean | most | the line gains | result |
|---|---|---|---|---|---|
{rows}

{markets:,} markets were followed. {resolutions:,} resolutions, {trades:,} trades,
{reconnects:,} reconnects, {deaths} deaths of actors; accounting {books}.
Ledger against database: sent {sent}, lost {lost}, duplicates {doubled},
uncovered {uncovered}, in gaps {in_gaps}; {told}.

Faults: {occurred}.
"""


def _judged(name: str, *, good: bool) -> str:
    if SERIES[name][2] == inf:
        return "not judged"
    return "flat" if good else "GROWS"


def _page(soak: Soak, outcome: Outcome, minutes: float) -> tuple[str, bool]:
    """Return the page, and whether every figure is flat."""
    trends = soak.trends()
    rows = (
        f"| {name} | {SERIES[name][0]} | {trend.mean:.1f} | {trend.most:.1f}"
        f" | {trend.drift:+.2f} | {_judged(name, good=good)} |"
        for name, (trend, good) in trends.items()
    )
    last = soak.last
    found = last["resolutions"]
    page = PAGE.format(
        minutes=minutes,
        new_markets=NEW_MARKETS,
        life=LIFE,
        rate=TRADES,
        faults=len(soak.marks),
        hours=CYCLES * LIFE_H,
        sample=SAMPLE_S,
        shortened_by=SHORTENED_BY,
        rows="\n".join(rows),
        markets=found["recorded"] + found["pending_total"],
        resolutions=found["recorded"],
        trades=last["trades"]["total"],
        reconnects=last["connections"]["reconnects_total"],
        deaths=last["restarts"]["total"],
        books="balanced" if last["accounting"]["balanced"] else "NOT BALANCED",
        sent=outcome.sent,
        lost=outcome.lost,
        doubled=outcome.duplicated,
        uncovered=outcome.uncovered,
        in_gaps=outcome.in_gaps,
        told="; ".join([*outcome.broken, *outcome.notes]) or "nothing was broken",
        occurred=", ".join(f"{what} ({at / 60:.1f} min)" for at, what in soak.marks),
    )
    return page, all(good for _, good in trends.values())


if __name__ == "__main__":
    sys.exit(main())
