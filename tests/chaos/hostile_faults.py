"""Strangers of all kinds at once: silent clients, black holes, cookies, endless listings, frames.

Everything that the exchange, a source of outcomes and the other users of the host can do without
leaving their protocols, for a while and under load. Feed A is left alone, so nothing may be missing
and nothing may be called a gap.
"""

import contextlib
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.cli import status
from actors.feed.lateness import BOUNDS_MS
from tests.chaos.fault import Fault
from tests.chaos.fault_run import PROOF_S, STEADY, FaultRun
from tests.chaos.hostile import BlackHoles, SilentClients, Watch, hosts_file
from tests.chaos.monitor import free_port
from tests.chaos.mounts import in_place_of
from tests.live.processes import ROOT

SECONDS = 90.0
TRADES_PER_S = 2000.0
MARKETS = 100
PER_CONNECTION = "200"
"""As installed."""
COOKIE_KB = 62
LASTING_S = 3600
FILES = 512
"""The limit of open files, far below that of the unit, so that reaching it takes seconds."""
FILES_LEFT = 16
"""So many are never used: for a journal segment, a session, a look-up that comes on top."""
PEAK_MIB = 700.0
STILL = 10
"""So many answers of the status show the same count once nothing more is read."""
SILENT_AT_METRICS, SILENT_AT_STATUS = 200, 50
METRICS_S = 10.0
STATUS_EVERY_S, METRICS_EVERY_S = 0.25, 3.0
UNFINISHED_EVERY_S, UNFINISHED_AT_ONCE = 2.0, 4
HOLE = "hole.test"
ADDRESSES = 12
ENDING = 8
"""Markets that end meanwhile, so that the source behind the black holes is asked."""


@dataclass
class _Asked:
    """How long the answers of the tracker took, and how often none came in time."""

    took_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def longest_s(self) -> float:
        return max(self.took_s, default=0.0)

    def __str__(self) -> str:
        return f"{len(self.took_s)} answers within {self.longest_s:.2f} s"


def surrounded(run: FaultRun) -> None:
    """Let all of them come at once."""
    run.simulate(*STEADY, markets=MARKETS)
    run.admin(
        "fault",
        kind="cookies",
        seconds=LASTING_S,
        kilobytes=COOKIE_KB,
    )
    port = free_port()
    _lead_into_black_holes(run)
    run.overrides["TRACKER_METRICS_PORT"] = str(port)
    run.overrides["TRACKER_ASSETS_PER_CONNECTION"] = PER_CONNECTION
    command = ["prlimit", f"--nofile={FILES}:{FILES}", sys.executable]
    run.launch([*command, str(ROOT / "bin" / "tracker")])
    run.trade(TRADES_PER_S)
    time.sleep(PROOF_S)
    watch = run.resources.enter_context(Watch(_pid(run)))
    run.fault_begins()
    for to, count in ((("127.0.0.1", port), SILENT_AT_METRICS), (run.socket, SILENT_AT_STATUS)):
        run.resources.enter_context(SilentClients(to, count))
    run.admin("fault", kind="endless_listing", seconds=LASTING_S, markets=1000)
    for _ in range(ENDING):
        run.admin("market", opens_in_s=8, life_s=12, fate="clean", v2=False)
    with _asking_status(run) as answers, _asking_metrics(port) as scrapes:
        hit = _leave_messages_unfinished(run, SECONDS * min(run.scale, 4))
        found = run.status()
    _let_it_catch_up(run)
    run.outcome.figures["status"] = found
    run.expect(not answers.failures, f"tracker-status: {answers.failures[:3]}")
    run.expect(answers.longest_s < 2.0, f"tracker-status took {answers.longest_s:.1f} s")
    run.expect(not scrapes.failures, f"metrics: {scrapes.failures[:3]}")
    run.expect(scrapes.longest_s < METRICS_S, f"metrics took {scrapes.longest_s:.1f} s")
    _judge_resources(run, watch)
    run.expect(hit >= SECONDS / UNFINISHED_EVERY_S, f"only {hit} messages were left unfinished")
    run.expect(not _returned_cookies(run), "cookies came back with later handshakes")
    run.note(f"status: {answers}; metrics: {scrapes}; {hit} messages unfinished")
    run.costs_no_trade = True


def _let_it_catch_up(run: FaultRun) -> None:
    """End the trades, and wait until what was sent is read: what a stop leaves is a true gap.

    Simulator, database and tracker share the processors of this machine.
    """
    run.quiet_at = time.time()
    run.quiet()
    counts: list[int] = []

    def is_still(found: dict[str, Any]) -> bool:
        counts.append(found["trades"]["received_total"])
        return len(counts) > STILL and counts[-1] == counts[-STILL]

    run.until_status("it has read what was sent", is_still, within_s=60)
    time.sleep(BOUNDS_MS[-1] / 1000)  # as far as the proof may stay behind


def _pid(run: FaultRun) -> int:
    assert run.tracked is not None
    return run.tracked.process.pid


def _lead_into_black_holes(run: FaultRun) -> None:
    """Give the Data API and one node of the chain a name with addresses that never answer."""
    holes = run.resources.enter_context(BlackHoles(ADDRESSES))
    hosts = hosts_file(run.folder, HOLE, holes.addresses)
    run.resources.enter_context(in_place_of(hosts, Path("/etc/hosts")))
    place = f"http://{HOLE}:{holes.port}"
    run.overrides["TRACKER_DATA_URL"] = f"{place}/data"
    run.overrides["TRACKER_POLYGON_RPC_URLS"] = f"{place}/rpc,{run.urls['rpc_url']}"


def _leave_messages_unfinished(run: FaultRun, seconds: float) -> int:
    """Do so again and again; return on how many connections."""
    hit, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        run.admin("fault", kind="unfinished", count=UNFINISHED_AT_ONCE, mebibytes=15)
        time.sleep(UNFINISHED_EVERY_S)
        hit += UNFINISHED_AT_ONCE
    return hit


def _judge_resources(run: FaultRun, watch: Watch) -> None:
    peak_mib, files = watch.peak_mib(), watch.most_descriptors
    run.outcome.figures.update(peak_mib=round(peak_mib), files=files)
    run.note(f"memory {peak_mib:.0f} MiB at most, {files} of {FILES} files")
    run.expect(peak_mib < PEAK_MIB, f"it took {peak_mib:.0f} MiB of memory")
    run.expect(files <= FILES - FILES_LEFT, f"it had {files} of {FILES} files open")


def _returned_cookies(run: FaultRun) -> int:
    found = run.summary()["connections"]
    return int(found["with_cookies"])


@contextlib.contextmanager
def _asking_status(run: FaultRun) -> Iterator[_Asked]:
    """Ask as `tracker-status` does, again and again, in a thread."""

    def ask() -> None:
        status.ask(run.socket)

    with _asking(ask, STATUS_EVERY_S) as asked:
        yield asked


@contextlib.contextmanager
def _asking_metrics(port: int) -> Iterator[_Asked]:
    def scrape() -> None:
        place = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(place, timeout=METRICS_S) as answer:
            assert b"tracker_up" in answer.read()

    with _asking(scrape, METRICS_EVERY_S) as asked:
        yield asked


@contextlib.contextmanager
def _asking(ask: Callable[[], None], every_s: float) -> Iterator[_Asked]:
    asked, stop = _Asked(), threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            began = time.monotonic()
            try:
                ask()
            except (status.Unreachable, OSError, AssertionError) as exc:
                asked.failures.append(f"{type(exc).__name__}: {exc}")
            asked.took_s.append(time.monotonic() - began)
            stop.wait(every_s)

    thread = threading.Thread(target=go_on, name="asking", daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        stop.set()
        thread.join(2 * METRICS_S)


FAULTS = (
    Fault(
        number="hostile",
        name="surrounded by strangers who mean harm",
        how=(
            "2,000 trades/s; 200 silent clients at the metrics and 50 at the status, a source and a"
            " node behind twelve black holes, cookies of 62 kB, an endless listing, messages of"
            " 15 MiB without an end on feed B, 512 files"
        ),
        expected=(
            "no trade missing or in a gap, no false gap; memory and files bounded; status within"
            " 2 s, metrics within 10 s, a stop within TimeoutStopSec"
        ),
        run=surrounded,
        needs=("root", "prlimit"),
        deadline_s=420.0,
    ),
)
