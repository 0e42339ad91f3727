"""The run of one fault: simulator, server, proxies and tracker, and what was observed.

A function that takes a `FaultRun` carries the fault out: it starts the processes (`start`), begins
the fault (`inject`), notes what it observes (`noticed`, `recovered`, `expect`); the runner
compares ledger and database at the end (`conclude`).
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos.acknowledged import Key, journalled, stored_keys
from tests.chaos.checker import Span, check
from tests.chaos.fault import FAIL, Outcome
from tests.chaos.proxied import CommandProcess, ProxiedProcesses
from tests.chaos.server import OwnServer
from tests.live.processes import ROOT, Process, until

STEADY = ("--markets-per-second", "0", "--life", "90000-100000", "--zipf", "0.5")
"""No market begins or ends, and none is quiet: every second of every token can be judged."""
QUIET_S = 0.6
STOPPED_S = 60.0
ARRIVAL_S = 1.5
"""What was sent so long ago has been received: a trade may be 150 ms old when it is sent, the
rest is for a busy machine. What the journal holds is compared to the last record."""
PROOF_S = 1.5
"""How far behind the last trade the last proof may be: a stop is no false gap."""


class FaultRun(ProxiedProcesses):
    """All processes and observations of one fault.

    Attributes:
        outcome: What was observed so far.
        scale: Long runs are so many times longer.
        rounds: How many kills.
        at: Wall clock when the fault began.
        received: Spans in which everything was received: all of it must be stored.
        acknowledged: What journals of killed trackers held: it must be stored as well.
        sabotaged: Whether the test itself causes tracebacks.
        set_aside: Trades that the database was made to reject: kept, but not in `trades`.
        quiet_at: When the last trades were sent, if the fault itself ends them; else 0.
        costs_nothing: Whether there must be no gap at all from the first to the last trade.
        costs_no_trade: Whether no trade may fall into a gap, and no gap may be false.
    """

    def __init__(
        self, folder: Path, server: OwnServer, dsn: str, outcome: Outcome, *, scale: float = 1.0
    ) -> None:
        super().__init__(folder, server, dsn)
        self.outcome = outcome
        self.scale = scale
        self.at = 0.0
        self.began = 0.0
        self.flowing_at = self.quiet_at = 0.0
        self.ended_at: float | None = None
        self.received: list[Span] = []
        self.acknowledged: set[Key] = set()
        self._read_to = 1
        self.set_aside = 0
        self.costs_nothing = self.costs_no_trade = False
        self.sabotaged = False
        self.simulated: Process | None = None
        self.tracked: Process | None = None
        self.rounds = 20

    # ------------------------------------------------------------------- start

    def simulate(self, *options: str, markets: int = 40, trades: float = 0) -> Process:
        """Start the simulator; nothing begins or ends in it unless `options` say so.

        Of an option that is given twice, with its value, the last one counts.
        """
        usual = ("--markets", str(markets), "--trades-per-second", str(trades))
        words = (*usual, "--noise-per-second", "300", *(options or STEADY))
        last = dict(zip(words[::2], words[1::2], strict=True))
        self.simulated = self.simulator(*(word for pair in last.items() for word in pair))
        return self.simulated

    def start(self, *options: str, trades: float = 200, **settings: str) -> Process:
        """Start simulator and tracker; let trades come once every token is received and stored."""
        if self.simulated is None:
            self.simulate(*options)
        self.tracker(**settings)
        return self.trade(trades)

    def trade(self, trades: float) -> Process:
        """Wait until the tracker receives every token, then let trades come; return the tracker."""
        self.until_status("every token is received", receives_all)
        self.admin("rates", trades_per_second=trades)
        self.flows()
        return self._now()

    def tracker(self, **settings: str) -> Process:
        self.tracked = super().tracker(**settings)
        return self.tracked

    def launch(
        self, command: list[str], *, env: dict[str, str] | None = None, **popen: Any
    ) -> CommandProcess:
        """Start the tracker in another way, such as under a tracer."""
        process = CommandProcess(
            command, {**self.settings(), **(env or {})}, self.folder / "tracker.log", **popen
        )
        self._processes.append(process)
        self.tracked = process
        return process

    def flows(self, *, within_s: float = 30.0, stored: int = 50) -> None:
        """Wait until this tracker receives every token and the database has trades of it."""
        tracker = self._now()

        def flowing(found: dict[str, Any]) -> bool:
            mine: bool = found["pid"] == tracker.process.pid
            return mine and receives_all(found) and found["trades"]["total"] >= stored

        self.until_status("every token is received and stored", flowing, within_s=within_s)
        self.flowing_at = time.time()
        self.began = self.began or self.flowing_at

    def _now(self) -> Process:
        assert self.tracked is not None
        return self.tracked

    # -------------------------------------------------------------------- see

    def fault_begins(self) -> None:
        """Note that the fault begins now: notice counts from here."""
        self.at = time.time()

    def inject(self, kind: str, **said: object) -> None:
        """Have the simulator inject a fault now."""
        self.fault_begins()
        self.admin("fault", kind=kind, **said)

    def fault_ends(self) -> None:
        """Note that the fault is over: recovery counts from here."""
        self.ended_at = time.time()

    def noticed(
        self, *events: str, within_s: float, where: Callable[[dict[str, Any]], bool] = bool
    ) -> dict[str, Any]:
        """Wait until the log has one of these events after the fault; note how long it took."""
        tracker = self._now()

        def logged() -> dict[str, Any]:
            for event in tracker.events():
                if event.get("event") in events and at_of(event) >= self.at and where(event):
                    return event
            return {}

        found: dict[str, Any] = until(f"one of {events} is logged", logged, within_s=within_s)
        self.outcome.notice_s = max(0.0, at_of(found) - self.at)
        return found

    def noticed_database_away(self) -> None:
        """Wait until the status says that the database is away; the time does not count."""
        away = lambda found: found["database"]["state"] == "away"  # noqa: E731
        self.until_status("the database is away", away, within_s=30)

    def degraded(self, *codes: str, within_s: float) -> dict[str, Any]:
        """Wait until the status has one of these codes; note how long it took, if not yet noted."""
        found = self.until_status(
            f"degraded by one of {codes}",
            lambda found: set(codes) & set(found["codes"]),
            within_s=within_s,
        )
        if self.outcome.notice_s is None:
            self.outcome.notice_s = time.time() - self.at
        return found

    def recovered(self, *, within_s: float) -> None:
        """Wait until all is received and stored again; note how long after the fault."""
        since = self.ended_at or self.at
        self.until_status("it has recovered", _well, within_s=within_s)
        total = int(self.status()["trades"]["total"])
        self.until_status(
            "fresh trades are stored",
            lambda found: found["trades"]["total"] > total and _well(found),
            within_s=within_s,
        )
        self.outcome.recover_s = time.time() - since

    def expect(self, kept: object, promise: str) -> None:
        """Note a promise that was not kept; the run goes on."""
        if not kept:
            self.outcome.broken.append(promise)

    def note(self, text: str) -> None:
        self.outcome.notes.append(text)

    def memory_mib(self) -> float:
        """Return the resident memory of the tracker."""
        text = Path(f"/proc/{self._now().process.pid}/status").read_text()
        line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def lines(self) -> list[dict[str, Any]]:
        """Return the simulator's open connections that have subscribed to tokens."""
        place = f"{self.urls['admin_url']}/connections"
        with urllib.request.urlopen(place, timeout=5) as answer:  # noqa: S310 - loopback, ours
            rows = json.load(answer)["connections"]
        return [row for row in rows if row["tokens"]]

    def summary(self) -> dict[str, Any]:
        """Return the simulator's counts of this run."""
        place = f"{self.urls['admin_url']}/summary"
        with urllib.request.urlopen(place, timeout=5) as answer:  # noqa: S310 - loopback, ours
            found: dict[str, Any] = json.load(answer)
        return found

    # -------------------------------------------------------------------- end

    def died(self) -> None:
        """Note what the journal of a tracker that was killed holds: all of it must be stored."""
        directory = self.folder / "state" / "journal"
        found, self._read_to = journalled(directory, self._read_to)
        self.acknowledged |= found

    def received_until(self, at: float) -> None:
        """Note that everything from the last start on until then was received."""
        self.received.append((self.flowing_at, at - ARRIVAL_S))

    def kill(self) -> float:
        """Kill with SIGKILL and return when; what was received before must be stored in the end."""
        tracker = self._now()
        at = time.time()
        os.kill(tracker.process.pid, signal.SIGKILL)
        tracker.process.wait(20)
        self.received_until(at)
        self.died()
        return at

    def quiet(self) -> None:
        """Stop the trades, and wait for the last of them to arrive."""
        self.admin("rates", trades_per_second=0)
        time.sleep(QUIET_S)

    def conclude(self) -> None:
        """Stop everything cleanly, and compare ledger and database."""
        quiet = self.quiet_at or time.time()
        if self.simulated is not None and self.simulated.process.poll() is None:
            self.quiet()
        if self.tracked is not None and self.tracked.process.poll() is None:
            began = time.monotonic()
            code = self.tracked.stop(within_s=STOPPED_S)
            self.outcome.figures["stop_s"] = round(time.monotonic() - began, 2)
            self.expect(code == 0, f"exit code {code} at the stop")
        if self.simulated is not None and self.simulated.process.poll() is None:
            self.simulated.stop()
        if self.tracked is not None:
            tracebacks = self.tracked.log_text().count("Traceback (most recent")
            self.expect(self.sabotaged or not tracebacks, "a traceback in the log")
        if self.ledger.exists():
            began = self.began or quiet
            self._judge((began, max(began, quiet - PROOF_S)))

    def _judge(self, looked: Span) -> None:
        if not self.server.up:
            self.server.start()
        out = self.outcome
        checked = check(
            self.ledger, self.plain_dsn, looked, blind=self.blind, received=self.received
        )
        found = checked.judged
        out.sent, out.stored = found.sent, found.stored
        out.lost, out.uncovered = found.missing - found.uncovered, found.uncovered
        out.duplicated, out.unexpected = found.duplicates, found.unexpected + found.marked
        out.in_gaps, out.unwatched = found.in_gaps, found.unwatched
        out.gap_s, out.false_gap_s = round(checked.gap_s, 2), round(checked.false_gap_s, 2)
        out.figures["longest_gap_s"] = round(checked.longest_gap_s, 2)
        out.figures["gap_causes"] = checked.causes
        # Rejected trades are missing, unless they were sent while something else made a gap.
        absent = max(found.missing - self.set_aside, 0)
        claimed = max(found.uncovered - self.set_aside, 0)
        explained = replace(found, missing=absent, uncovered=claimed)
        self.expect(explained.clean, "ledger and database differ")
        silent = checked.received_and_absent
        out.lost += silent
        self.expect(not silent, f"{silent} trades were received before the end and are not stored")
        lost = self.acknowledged - stored_keys(self.server, self.plain_dsn)
        out.lost += len(lost)
        self.expect(not lost, f"{len(lost)} trades in journals of killed trackers are not stored")
        if self.acknowledged:
            out.figures["acknowledged"] = len(self.acknowledged)
        if self.costs_nothing or self.costs_no_trade:
            self.expect(found.in_gaps + found.unwatched == 0, "trades fell into gaps")
        if self.costs_nothing:
            self.expect(out.gap_s == 0, f"a gap was recorded: {checked.causes}")
        elif self.costs_no_trade:
            self.expect(out.false_gap_s == 0, f"a gap was recorded: {checked.causes}")


def receives_all(found: dict[str, Any]) -> bool:
    """Return whether every connection is live and every token confirmed."""
    lines, tokens = found["connections"], found["assets"]
    return bool(tokens["covered"] >= tokens["wanted"] > 0 and lines["live"] >= lines["wanted"])


def _well(found: dict[str, Any]) -> bool:
    return receives_all(found) and found["database"]["state"] == "live"


def reasons_of(event: dict[str, Any]) -> str:
    """Return the reasons of a line about the ends of connections, one or several."""
    return str(event.get("reason") or " ".join(event.get("reasons", ())))


def at_of(event: dict[str, Any]) -> float:
    """Return the time of a log line in seconds since 1970."""
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def python(*arguments: str) -> list[str]:
    """Return the command that runs the tracker or another script."""
    return [sys.executable, *(arguments or (str(ROOT / "bin" / "tracker"),))]


@contextlib.contextmanager
def fault_run(
    folder: Path, server: OwnServer, outcome: Outcome, *, scale: float = 1.0
) -> Iterator[FaultRun]:
    """Yield a run with a new database; nothing of it stays."""
    with server.database() as dsn:
        found = FaultRun(folder, server, dsn, outcome, scale=scale)
        try:
            yield found
        finally:
            found.clear()
            if not server.up:
                server.start()


def carry_out(steps: Callable[[FaultRun], None], found: FaultRun) -> None:
    """Run the steps and conclude; an error of a step is noted and does not skip the conclusion."""
    began = time.monotonic()
    for step in (steps, FaultRun.conclude):
        try:
            step(found)
        except (
            AssertionError,
            OSError,
            subprocess.SubprocessError,
            KeyError,
            psycopg.Error,
        ) as exc:
            found.outcome.broken.append(f"{type(exc).__name__}: {exc}"[:300])
    found.outcome.seconds = round(time.monotonic() - began, 1)
    if found.outcome.broken:
        found.outcome.result = FAIL


def carry_out_alone(
    run: Callable[[Path, Outcome, float], None], folder: Path, outcome: Outcome, scale: float
) -> None:
    """Run a fault that needs no simulator of ours; an error is noted."""
    began = time.monotonic()
    try:
        run(folder, outcome, scale)
    except (OSError, RuntimeError, TimeoutError, AssertionError, psycopg.Error) as exc:
        outcome.broken.append(f"{type(exc).__name__}: {exc}"[:300])
        outcome.result = FAIL
    outcome.seconds = round(time.monotonic() - began, 1)
