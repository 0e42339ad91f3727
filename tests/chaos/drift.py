"""Break each belief about Polymarket alone, and judge what the tracker stores and says of it.

    make drift                     every break of the simulator, ten minutes each, two at a time
    make drift ONLY=keyset_gone,numbers MINUTES=5 JOBS=1

For each break: the trades that were sent after the time that is allowed to notice it (`ALLOWED_S`)
and could have been had, and how many of them are stored or kept verbatim; what is absent outside
of recorded gaps; which reason the status showed and after how many seconds, and that no reason was
shown that is not permitted. Where feeds tell one trade differently, that each row too many is
marked and counted. What belongs to a break that failed (log, journal, ledger) is kept in
`build/drift`. The last line is JSON. Those of `OURS` are broken on the tracker's machine, not
by the simulator.
"""

import argparse
import concurrent.futures
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from actors.simulator.judge import Judgement, judge, ledger_lines
from actors.simulator.market import Market
from actors.simulator.markets import market_from_line
from tests.chaos.drift_expected import EXPECTED, OURS
from tests.chaos.payouts import PAYOUTS, judge_payouts, stored_payouts
from tests.chaos.proxied import CommandProcess
from tests.chaos.server import OwnServer
from tests.live.processes import ROOT, Process, Processes, processes_in, until

NOTICED_S = 300.0
OF_THE_SERVER = {"database_unsafe"}
"""What is shown in every run, since nothing here has to survive a loss of power."""
SHARE = 0.995
QUIET_S = 6.0
"""From the last trade to the stop, so that late ones arrive."""
COMPARED_S = 30.0
"""The same where the feeds are compared: how often each had a trade is known after 20 s."""
FEEDS = 2
TRADES = ("--trades-per-second", "100", "--noise-per-second", "300", "--markets-per-second", "0.2")
MARKETS = ("--markets", "150", "--ending", "0.1", "--first-end", "60", "--life", "60-240")
SETTINGS = {"TRACKER_DISCOVERY_SECONDS": "5", "TRACKER_ASSETS_PER_CONNECTION": "60"}
SABOTAGE = Path(__file__).with_name("sabotage.py")


@dataclass
class Result:
    """What became of one break; seconds since the start of the tracker."""

    name: str
    could: int = 0
    had: int = 0
    judged: dict[str, int] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return the result as one line."""
        share = f"{self.had / self.could:.2%}" if self.could else "none"
        shown = ", ".join(f"{code} {at:.0f} s" for code, at in self.seen.items()) or "none"
        state = "FAIL" if self.wrong else "PASS"
        judged = self.judged
        figures = (
            f"could {self.could} · had {self.had} ({share}) · in gaps {judged.get('in_gaps', 0)}"
            f" · missing {judged.get('missing', 0)} · unwatched {judged.get('unwatched', 0)}"
        )
        permitted = ", ".join(sorted(EXPECTED[self.name].permitted)) or "none"
        counted = ", ".join(f"{name} {count}" for name, count in self.counted.items()) or "none"
        wrong = f" | {'; '.join(self.wrong)}" if self.wrong else ""
        said = f"shown: {shown} · permitted: {permitted} · counted: {counted}"
        return f"{self.name:18} {state} {figures} · {said}{wrong}"


class BeliefRun:
    """Simulator and tracker with one belief broken. In the thread of its job."""

    def __init__(self, name: str, processes: Processes, minutes: float) -> None:
        self._processes = processes
        self._seconds = minutes * 60
        self._expected = EXPECTED[name]
        self._result = Result(name)
        self._first = 0  # the last trade that does not count
        self._first_at = 0.0  # and when that was, in seconds since 1970

    def run(self) -> Result:
        """Run to the end and return the result; what did not happen in time is a part of it."""
        try:
            self._run()
        except AssertionError as exc:
            self._result.wrong.append(str(exc).partition("\n")[0])
        return self._result

    def _run(self) -> None:
        processes, result = self._processes, self._result
        expected = self._expected
        broken = () if result.name in OURS else ("--broken", result.name)
        simulator = processes.simulator(*MARKETS, *TRADES, *expected.arguments, *broken)
        tracker = self._tracker()
        self._watch(tracker)
        processes.admin("rates", trades_per_second=0, markets_per_second=0)
        _pause(COMPARED_S if expected.marked else QUIET_S)
        self._count(processes.status())
        if tracker.stop() != 0:
            result.wrong.append("the tracker did not end with 0")
        simulator.stop()
        if "Traceback" in tracker.log_text():
            result.wrong.append("a traceback in the log")
        self._judge()

    def _tracker(self) -> Process:
        """Start the tracker, with a clock that can step when it has to."""
        settings = {**SETTINGS, **dict(self._expected.settings)}
        if not self._expected.clock:
            return self._processes.tracker(**settings)
        command = [sys.executable, str(SABOTAGE), str(self._clock), "clock", "shift"]
        tracker = CommandProcess(
            command,
            {**self._processes.settings(), **settings},
            self._processes.folder / "tracker.log",
        )
        self._processes.own(tracker)
        return tracker

    @property
    def _clock(self) -> Path:
        return self._processes.folder / "clock"

    def _step_clock(self, passed: float) -> None:
        """Let the tracker's clock be as far from the right time as is due."""
        due = [offset for at, offset in self._expected.clock if at <= passed]
        if due:
            # Replaced, so that it is never read half written.
            passing = self._clock.with_suffix(".next")
            passing.write_text(str(due[-1]))
            passing.replace(self._clock)

    def _watch(self, tracker: Process) -> None:
        """Note when each reason is first shown, until the time is over."""
        result, began = self._result, time.monotonic()
        while (passed := time.monotonic() - began) < self._seconds:
            if tracker.process.poll() is not None:
                result.wrong.append(f"the tracker ended with {tracker.process.returncode}")
                return
            if not self._first and passed >= self._expected.counts_after_s:
                self._first, self._first_at = self._sent(), time.time()
            self._step_clock(passed)
            document = self._processes.status()
            for code in set(document.get("codes", ())) - OF_THE_SERVER:
                result.seen.setdefault(code, round(passed, 1))
            self._count(document)
            _pause(1.0)

    def _count(self, document: dict[str, Any]) -> None:
        """Keep how often each assumption was seen to be false."""
        for name, counts in document.get("assumptions", {}).items():
            if counts["total"]:
                self._result.counted[name] = counts["total"]

    def _sent(self) -> int:
        """Return the number of the last trade that was sent."""
        numbers = (
            line["n"] for line in ledger_lines(self._processes.ledger) if line["kind"] == "trade"
        )
        return max(numbers, default=0)

    def _judge(self) -> None:
        result, expected = self._result, self._expected
        judged = judge(self._processes.ledger, self._processes.dsn)
        result.judged = judged.as_dict()
        self._count_had()
        self._judge_payouts()
        result.wrong += _broken_promises(judged, expected.marked)
        if expected.marked:
            self._check_marks()
        if not expected.nothing and result.had < SHARE * result.could:
            result.wrong.append(f"less than {SHARE:.1%} of what could be had")
        if not expected.nothing and not result.could:
            result.wrong.append("no trade was sent after the time to notice")
        shown = {code: at for code, at in result.seen.items() if code in expected.reasons}
        if expected.reasons and min(shown.values(), default=NOTICED_S + 1) > NOTICED_S:
            result.wrong.append(f"not shown: {' or '.join(sorted(expected.reasons))}")
        others = result.seen.keys() - expected.reasons - expected.permitted
        if others:
            result.wrong.append(f"not permitted: {', '.join(sorted(others))}")
        if expected.counted and expected.counted not in result.counted:
            result.wrong.append(f"{expected.counted} was not counted as violated")

    def _judge_payouts(self) -> None:
        """Note tokens with the payout or the name of the other one."""
        lines = ledger_lines(self._processes.ledger)
        markets = {
            line["condition"]: market_from_line(line) for line in lines if line["kind"] == "market"
        }
        with psycopg.connect(self._processes.dsn, autocommit=True) as database:
            counts = judge_payouts(stored_payouts(database), markets)
        self._result.wrong += [f"{counts[name]} {name}" for name in PAYOUTS if counts[name]]

    def _check_marks(self) -> None:
        """Note rows too many that are not marked, or not counted."""
        trades = [line for line in ledger_lines(self._processes.ledger) if line["kind"] == "trade"]
        sent = Counter(map(_key, trades))
        # Where only one feed listened yet, there was nothing to compare; nor is there while the
        # tracker starts, when trades come to the writer out of the journal.
        alone = {_key(line) for line in trades if line["delivered"] < FEEDS}
        after_ms = 1 + max((int(one["ts"]) for one in trades if one["n"] <= self._first), default=0)
        with psycopg.connect(self._processes.dsn, autocommit=True) as database:
            rows = database.execute(
                "select token_id, (extract(epoch from traded_at) * 1000)::bigint, price, size,"
                " side, transaction_hash, occurrence from trades"
            ).fetchall()
            marks = database.execute(
                "select reason from connection_events where event in ('sent_twice', 'dated_apart')"
            ).fetchall()
        compared = [row for row in rows if row[1] > after_ms and row[:-1] not in alone]
        found = compare_marks(sent, compared, {mark_of(reason) for (reason,) in marks})
        result, counted = self._result, self._result.counted.get(self._expected.counted, 0)
        if not found.too_many:
            result.wrong.append("no row is too many: nothing was compared")
        if found.unmarked:
            result.wrong.append(f"{found.unmarked} of {found.too_many} rows too many not marked")
        if counted < found.too_many - found.unmarked:
            result.wrong.append(f"only {counted} of {found.too_many} counted")

    def _count_had(self) -> None:
        """Count the trades that could be had, and those that are stored or kept verbatim."""
        sent: Counter[tuple[Any, ...]] = Counter()
        lines = ledger_lines(self._processes.ledger)
        unknown = unknowable(lines, self._expected.never_listed)
        for line in ledger_lines(self._processes.ledger):
            if line["kind"] != "trade" or line["token"] in unknown:
                continue
            if line["n"] > self._first > 0:
                sent[_key(line)] += 1
        with psycopg.connect(self._processes.dsn, autocommit=True) as database:
            rows = database.execute(
                "select token_id, (extract(epoch from traded_at) * 1000)::bigint, price, size,"
                " side, transaction_hash from trades"
            ).fetchall()
            # Two feeds keep the same event twice, and what came earlier does not count.
            ((kept,),) = database.execute(
                "select count(distinct payload) from rejected_messages"
                " where received_at >= to_timestamp(%s)",
                (self._first_at,),
            ).fetchall()
        stored = Counter(rows)
        self._result.could = sent.total()
        self._result.had = min(sent.total(), (sent & stored).total() + kept)


def unknowable(lines: Iterable[dict[str, Any]], never_listed: Callable[[Market], bool]) -> set[str]:
    """Return the tokens of a ledger's markets that neither Gamma nor an announcement names."""
    markets = (market_from_line(line) for line in lines if line["kind"] == "market")
    return {
        token
        for market in markets
        if never_listed(market) and not market.lifetime.announced
        for token in market.tokens
    }


Mark = tuple[str, int, int, Decimal, Decimal]
"""(token, exchange ms, occurrence, price, size)."""


class Marks(NamedTuple):
    """How many rows of `trades` are more than what was sent, and how many of them have no mark."""

    too_many: int
    unmarked: int


def compare_marks(
    sent: Counter[tuple[Any, ...]], rows: Iterable[tuple[Any, ...]], marks: set[Mark]
) -> Marks:
    """Compare the rows beyond what was sent with the marks; a row ends with its occurrence."""
    too_many = [
        (token, ms, occurrence, price, size)
        for token, ms, price, size, side, transaction, occurrence in rows
        if occurrence > sent[(token, ms, price, size, side, transaction)]
    ]
    return Marks(len(too_many), sum(each not in marks for each in too_many))


def mark_of(reason: str) -> Mark:
    """Return what the `reason` of an event names; see `docs/reference/data.md`."""
    token, ms, occurrence, price, size = reason.split(" ")
    return token, int(ms), int(occurrence), Decimal(price), Decimal(size)


def _key(line: dict[str, Any]) -> tuple[Any, ...]:
    """Return a trade of the ledger as its row has it, without the occurrence."""
    price, size = Decimal(line["price"]), Decimal(line["size"])
    return (line["token"], int(line["ts"]), price, size, line["side"], line["hash"] or None)


def _pause(seconds: float) -> None:
    at = time.monotonic() + seconds
    until("a pause is over", lambda: time.monotonic() >= at, within_s=seconds + 5)


def _broken_promises(judged: Judgement, marked: str) -> list[str]:
    counts = judged.as_dict()
    names = ("missing", "duplicates", "unexpected", "marked", "uncovered", "resolved_wrong")
    permitted = {marked, "marked"} if marked else set()
    return [f"{counts[name]} {name}" for name in names if counts[name] and name not in permitted]


def _job(name: str, server: OwnServer, minutes: float) -> Result:
    with (
        tempfile.TemporaryDirectory(prefix=f"tracker-drift-{name}-") as folder,
        server.database() as dsn,
        processes_in(Path(folder), dsn) as processes,
    ):
        result = BeliefRun(name, processes, minutes).run()
        if result.wrong:
            kept = ROOT / "build" / "drift" / name
            shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=_sockets)
            result.wrong.append(f"kept in {kept.relative_to(ROOT)}")
        return result


def _sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_socket()]


def main() -> int:
    """Run the breaks and print the results; exit code 1 when one was not as expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(EXPECTED), help="names of breaks, with commas")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each break")
    parser.add_argument("--jobs", type=int, default=2, help="at a time")
    given = parser.parse_args()
    names = [name for name in given.only.split(",") if name]
    if unknown := [name for name in names if name not in EXPECTED]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(EXPECTED)}")
    results = []
    with tempfile.TemporaryDirectory(prefix="tracker-drift-") as folder:
        Path(folder).chmod(0o755)
        server = OwnServer(Path(folder) / "base", durable=False)
        try:
            with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
                jobs = [pool.submit(_job, name, server, given.minutes) for name in names]
                for job in concurrent.futures.as_completed(jobs):
                    results.append(job.result())
                    sys.stdout.write(results[-1].line() + "\n")
                    sys.stdout.flush()
        finally:
            server.stop()
    failed = [result.name for result in results if result.wrong]
    sys.stdout.write(json.dumps({"failed": failed, "results": [asdict(r) for r in results]}) + "\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
