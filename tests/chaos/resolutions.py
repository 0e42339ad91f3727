"""Thousands of markets end in every way, sources lag, fail and contradict, the tracker is killed.

    python -m tests.chaos.resolutions --minutes 10 --markets 2000

With `--pace 1` it has the real lags (1 s to 10 min), poll (60 s) and hold (120 s) of the
defaults, and takes half an hour; `--pace 4`, the default, divides all of them by four, not the
minutes and the markets. With `--broken clob_gone,free_nodes` beliefs about Polymarket are false,
as the option of the simulator has it. The last line is JSON: every promised figure and whether it
was kept; `due` are the markets that two independent sources show rightly, `absent` says why
those of them have no resolution that have none.
"""

import argparse
import contextlib
import json
import os
import random
import re
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from actors.polymarket import sources
from actors.resolution.schedule import AGE_DIVISOR
from actors.simulator.beliefs import in_force, parse_broken
from actors.simulator.ledger import history
from actors.simulator.market import CONTRADICTED, NEVER, SOURCES, UNDECIDED, Market
from actors.simulator.markets import market_from_line
from actors.simulator.sources.finality import final_at, final_times, is_contradicted, is_due
from tests.chaos.payouts import PAYOUTS, judge_payouts, stored_payouts
from tests.chaos.server import OwnServer
from tests.live.processes import Process, Processes, processes_in, until

POLL_S, HOLD_S, LAG_S = 60.0, 330.0, 600.0
MOST = {
    "gamma": 300,
    "clob": sources.CLOB,
    "data": 2 * sources.DATA,
    "rpc": sources.CHAIN_REQUESTS,
}
"""Requests in any ten seconds; of Gamma what it documents, for the catalog and the outcomes."""
GRACE_S = 5.0
HEAD_START_S = 12.0
"""The time for the tracker to start and find the markets before the first of them ends."""
LIES = ("lie_gamma", "lie_clob", "lie_data", "lie_chain")
OUTAGES = ("http_500", "http_html", "http_429", "http_truncated", "http_redirect")
COUNTS = (
    "right",
    "wrong",
    "two_wrong",
    "missing",
    "invented",
    "rightly_absent",
    "contradicted",
    "conflicts_missed",
)
BROKEN = (
    "wrong",
    "missing",
    "invented",
    "conflicts_missed",
    "over_budget",
    "evidence_repeated",
    *PAYOUTS,
)
REPEATED = """select condition_id, source, verdict, reason, first_at, observed_at from (
  select *, (verdict, reason, payouts, naming, mapped_by, names) is not distinct from
         (lag(verdict) over w, lag(reason) over w, lag(payouts) over w, lag(naming) over w,
          lag(mapped_by) over w, lag(names) over w) as same, lag(verdict) over w as before,
         lag(observed_at) over w as first_at
  from resolution_observations
  window w as (partition by condition_id, source order by observed_at)) rows
where same and before is not null order by observed_at"""


@dataclass(frozen=True)
class RunSize:
    """The size of a run; times are seconds, but for `minutes`; `broken` is a list with commas."""

    minutes: float
    markets: int
    pace: float
    kills: int
    seed: int
    broken: str = ""

    @property
    def in_force(self) -> frozenset[str]:
        return in_force(parse_broken(self.broken))

    @property
    def poll_s(self) -> float:
        return max(1.0, POLL_S / self.pace)

    @property
    def hold_s(self) -> float:
        return max(1.0, HOLD_S / self.pace)

    @property
    def lag_s(self) -> float:
        return LAG_S / self.pace


class ResolutionRun:
    """One run: simulator, tracker and faults.

    Attributes:
        kills: How often the tracker was killed.
    """

    def __init__(self, processes: Processes, size: RunSize) -> None:
        self._processes = processes
        self._size = size
        self._rng = random.Random(size.seed)
        self._lie_at = 0.0
        self.kills = 0

    def run(self) -> dict[str, Any]:
        """Run to the end and return the figures."""
        size, rng = self._size, self._rng
        simulator = self._simulator()
        tracker = self._tracker()
        began = time.monotonic()
        kill_at = sorted(
            HEAD_START_S + rng.uniform(0.2, 0.9) * size.minutes * 60 for _ in range(size.kills)
        )
        trouble_at = HEAD_START_S + size.poll_s
        while (passed := time.monotonic() - began) < HEAD_START_S + size.minutes * 60:
            if kill_at and passed >= kill_at[0]:
                kill_at.pop(0)
                self.kills += 1
                os.kill(tracker.process.pid, signal.SIGKILL)
                tracker.process.wait(30)
                tracker = self._tracker()
            if passed >= trouble_at:
                trouble_at = passed + rng.uniform(0.5, 1.5) * size.poll_s
                self._inject_fault()
            _pause(0.2)
        self._wait()
        assert tracker.stop() == 0
        assert simulator.stop() == 0
        return figures(self._processes, size, self.kills)

    def _simulator(self) -> Process:
        size = self._size
        lag = f"{1 / size.pace:g}-{size.lag_s:g}"
        lags = [word for name in SOURCES for word in (f"--lag-{name}", lag)]
        return self._processes.simulator(
            *("--markets", str(size.markets), "--ending", "1", "--odd", "0.35"),
            *("--markets-per-second", "0", "--trades-per-second", "0", "--noise-per-second", "20"),
            *(
                "--first-end",
                f"{HEAD_START_S:g}",
                "--life",
                f"{HEAD_START_S + size.minutes * 60:g}",
            ),
            *("--settle", f"{20 / size.pace:g}", *lags),
            *("--seed", str(size.seed), "--broken", size.broken),
        )

    def _tracker(self) -> Process:
        size = self._size
        return self._processes.tracker(
            TRACKER_RESOLUTION_SECONDS=f"{size.poll_s:g}",
            TRACKER_RESOLUTION_HOLD_SECONDS=f"{size.hold_s:g}",
            TRACKER_REDUNDANCY="1",
            TRACKER_ASSETS_PER_CONNECTION="200",
            TRACKER_DISCOVERY_SECONDS="5",
        )

    def _inject_fault(self) -> None:
        """Inject one fault: a share of the answers fails, or all of them, or a source lies.

        Lies are shorter than a poll and further apart than two holds: with two
        sources that are wrong at once for longer nothing is promised.
        """
        rng, size = self._rng, self._size
        seconds = round(rng.uniform(0.2, 0.8) * size.poll_s, 2)
        kind = rng.choice(("flaky_http", "flaky_http", "slow_http", rng.choice(OUTAGES), "lie"))
        more: dict[str, float] = {}
        if kind == "lie":
            if time.monotonic() < self._lie_at:
                return
            self._lie_at = time.monotonic() + 3 * size.hold_s
            kind = rng.choice(LIES)
        elif kind == "slow_http":
            seconds, more = min(seconds, 5.0), {"delay": 0.3}
        elif kind == "flaky_http":
            more = {"share": 0.3}
        self._processes.admin("fault", kind=kind, seconds=seconds, **more)

    def _wait(self) -> None:
        """Wait until every source is final, and for hold, two polls and a grace after it.

        A poll is the interval in force: of a market that ended long ago a tenth of its age.
        """
        size = self._size
        over_s = 0.0
        for one in markets(self._processes).values():
            final_s = max(final_at(one, size.in_force).values(), default=0) / 1000
            poll_s = max(size.poll_s, (final_s - one.lifetime.ends / 1000) / AGE_DIVISOR)
            over_s = max(over_s, final_s + size.hold_s + 2 * poll_s + GRACE_S)
        until("all is over", lambda: time.time() >= over_s, within_s=over_s - time.time() + 60)


def _pause(seconds: float) -> None:
    at = time.monotonic() + seconds
    until("a moment passes", lambda: time.monotonic() >= at, within_s=seconds + 5)


# ---------------------------------------------------------------- judgement


def markets(processes: Processes) -> dict[str, Market]:
    """Return every market with its plan, as the ledger has it."""
    lines = history(processes.ledger)
    return {line["condition"]: market_from_line(line) for line in lines if line["kind"] == "market"}


def figures(processes: Processes, size: RunSize, kills: int) -> dict[str, Any]:
    """Compare the plans with the database."""
    with psycopg.connect(processes.dsn, autocommit=True) as base:
        base.execute("set time zone 'UTC'")
        known = {row[0] for row in base.execute("select condition_id from markets")}
        rows = {
            row[0]: (row[1] or "split", row[2])
            for row in base.execute(
                "select condition_id, winning_token_id,"
                " (extract(epoch from recorded_at) * 1000)::bigint from resolutions"
            )
        }
        conflicts = {
            row[0] for row in base.execute("select distinct condition_id from resolution_conflicts")
        }
        repeated = base.execute(REPEATED).fetchall()
        payouts = stored_payouts(base)
        unresolved = {
            row[0]: f"{row[1]}: {row[2]}"
            for row in base.execute("select condition_id, state, reason from unresolved_markets")
        }
    every = markets(processes)
    plans = {each: market for each, market in every.items() if each in known}
    counts = count_markets(plans, rows, conflicts, size.in_force)
    counts += judge_payouts(payouts, every)
    due = {each: market for each, market in plans.items() if is_due(market, size.in_force)}
    waits = [
        (rows[each][1] - sorted(final_at(market, size.in_force).values())[1]) / 1000
        for each, market in due.items()
        if each in rows
    ]
    requests = _requests(processes)
    median = statistics.median(waits) if waits else 0.0
    said: dict[str, Any] = {
        "markets": len(plans),
        "unseen": len(every) - len(plans),
        "due": len(due),
        "due_right": sum(each in rows and rows[each][0] == truth(due[each]) for each in due),
        **{name: counts[name] for name in COUNTS},
        "absent": dict(
            Counter(
                plain_reason(unresolved.get(each, "unknown")) for each in due.keys() - rows.keys()
            )
        ),
        **{name: counts[name] for name in ("payouts", *PAYOUTS)},
        "evidence_repeated": len(repeated),
        "repeated": [" ".join(map(str, row)) for row in repeated[:5]],
        "second_final_to_row_median_s": round(median, 1),
        "second_final_to_row_p99_s": round(_percentile_99(waits), 1),
        "allowed_median_s": size.poll_s + size.hold_s + GRACE_S,
        "kills": kills,
        "requests": requests,
        "over_budget": [side for side, most in MOST.items() if _most(requests, side) > most],
        "unresolved": dict(Counter(words.partition(":")[0] for words in unresolved.values())),
        "wrong_ones": _wrong(plans, rows),
        "late": _late(due, rows, unresolved, size.in_force),
        "ways": dict(Counter(market.odd or market.fate for market in plans.values())),
        "pace": size.pace,
        "beliefs_broken": sorted(size.in_force),
    }
    broken = [name for name in BROKEN if said[name]]
    return {"kept": not broken and median <= said["allowed_median_s"], "broken": broken, **said}


def count_markets(
    plans: dict[str, Market],
    rows: dict[str, tuple[str, int]],
    conflicts: set[str],
    broken: frozenset[str],
) -> Counter[str]:
    """Count what became of each market.

    Args:
        plans: Those that the tracker knows, by condition.
        rows: Winning token or `split`, and when it was recorded (milliseconds).
        conflicts: Conditions with a recorded contradiction.
        broken: The beliefs that do not hold.
    """
    counts: Counter[str] = Counter()
    for condition, market in plans.items():
        row = rows.get(condition)
        liar = market.odd.removeprefix(CONTRADICTED) if CONTRADICTED in market.odd else ""
        final = final_times(market, broken)
        # Where the order of a list makes a source name the loser, a conflict is right, too; with
        # one that contradicts besides there are two wrong sources, and nothing is promised.
        misnamed = is_contradicted(market, broken)
        due = is_due(market, broken) and not misnamed
        disputed = liar in final and len(final) > 1
        if row is not None and (market.odd in UNDECIDED or market.lifetime.reported == NEVER):
            counts["invented"] += 1
        elif row is not None and row[0] == truth(market):
            counts["right"] += 1
        elif row is not None:
            counts["two_wrong" if misnamed and liar in final else "wrong"] += 1
        elif due:
            counts["missing"] += 1
        else:
            counts["rightly_absent"] += 1
        if disputed and (row is None or final[liar] + POLL_S * 1000 < row[1]):
            counts["contradicted"] += 1
            counts["conflicts_missed"] += condition not in conflicts
    return counts


def truth(market: Market) -> str:
    """Return the winning token of a market, or `split`."""
    return "split" if market.winner is None else market.tokens[market.winner]


def plain_reason(words: str) -> str:
    """Return the state and the reason of a market without the tokens that it names."""
    return re.sub(r"[0-9]{5,}", "…", words)


def _percentile_99(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=100)[98] if len(waits) > 1 else sum(waits)


def _wrong(plans: dict[str, Market], rows: dict[str, tuple[str, int]]) -> list[str]:
    """Describe up to five markets whose resolution is wrong."""
    return [
        f"{condition}: {market.odd or market.fate}, {'v2' if market.v2 else 'v1'}, number"
        f" {market.index}, recorded {rows[condition][0]}, true {truth(market)}"
        for condition, market in plans.items()
        if condition in rows and rows[condition][0] != truth(market)
    ][:5]


def _late(
    due: dict[str, Market],
    rows: dict[str, tuple[str, int]],
    unresolved: dict[str, str],
    broken: frozenset[str],
) -> list[str]:
    """Describe up to five markets that are final at two sources and unresolved in the tracker."""
    return [
        f"{condition}: {market.odd or market.fate}, final"
        f" {', '.join(f'{name} +{(at - market.lifetime.ends) / 1000:.0f} s' for name, at in seen)},"
        f" stands as {unresolved.get(condition, 'unknown')}"
        for condition, market in due.items()
        if condition not in rows and (seen := sorted(final_at(market, broken).items()))
    ][:5]


def _requests(processes: Processes) -> dict[str, dict[str, int]]:
    with processes.ledger.open("rb") as lines:
        last = next(line for line in reversed(lines.readlines()) if b'"summary"' in line)
    found: dict[str, dict[str, int]] = json.loads(last)["requests"]
    return found


def _most(requests: dict[str, dict[str, int]], side: str) -> int:
    return requests.get(side, {}).get("most_in_10_s", 0)


def main() -> int:
    """Run and print; exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="in which the markets end")
    parser.add_argument("--markets", type=int, default=2_000)
    parser.add_argument("--pace", type=float, default=4, help="lags, poll and hold are divided")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broken", default="", help="beliefs that are false, NAME,…")
    size = RunSize(**vars(parser.parse_args()))
    with (
        tempfile.TemporaryDirectory(prefix="resolutions-") as name,
        contextlib.ExitStack() as resources,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        server = OwnServer(folder / "base")
        resources.callback(server.stop)
        dsn = resources.enter_context(server.database())
        with processes_in(folder, dsn) as found:
            said = ResolutionRun(found, size).run()
    sys.stdout.write(json.dumps(said) + "\n")
    return int(not said["kept"])


if __name__ == "__main__":
    sys.exit(main())
