"""A plain restart: how long until 99 % of the tokens are covered, from the database's universe.

The tracker as it is, at its own pace, beside the cheap server of the other parts. It is started
on a database that knows all markets, stopped in good order, and started again; only the second
start is measured, from the start of the process on.

    python -m tests.bench.restart_part --tokens 60000 --feeds 2

runs it without the rivals.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from actors.database.store import Store
from actors.errors import SourceUnavailable
from actors.health.status_socket import ask
from actors.model.market import Asset, Market
from actors.model.storage import Batch
from actors.model.trade import ConditionId, TokenId
from tests.bench.comparison import Figure, Findings
from tests.bench.database import Server, served
from tests.bench.load_generator import condition_of, token_of
from tests.bench.processes import Process, cost_of, load_generator, reader, settings
from tests.bench.rivals_venv import ROOT, InstalledRivals

TOKENS, PER_CONNECTION = 60_000, 200
LEVELS = 30
"""Prices on each side of a book, which then has 2 KiB."""
AT_ONCE = 2_000
LONGEST_S = 300.0
SHARES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Start:
    """What one start took, in seconds since the process began.

    Attributes:
        first_s: Until the first token was covered.
        share_s: Until these shares of the tokens were, on one feed at least.
        every_s: Until every connection listens, those of feed B too.
        cpu_s: Processor time of the tracker until then.
    """

    first_s: float
    share_s: dict[float, float]
    every_s: float
    cpu_s: float


def remember(dsn: str, tokens: int) -> None:
    """Store the markets of the load generator, as an earlier run of the tracker would have."""
    store = Store(dsn)
    store.open(UUID(int=1))
    for start in range(0, tokens // 2, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, tokens // 2))
        store.commit(Batch(markets=tuple(map(_market, numbers))))
    store.close()


def _market(number: int) -> Market:
    pair = enumerate(zip((2 * number, 2 * number + 1), ("Yes", "No"), strict=True))
    return Market(
        condition_id=ConditionId(condition_of(2 * number)),
        question=f"Will number {number} be drawn?",
        slug=f"number-{number}",
        assets=tuple(
            Asset(token_id=TokenId(token_of(token)), outcome=outcome, outcome_index=index)
            for index, (token, outcome) in pair
        ),
    )


def _statuses(process: Process, path: Path) -> Iterator[dict[str, Any]]:
    """Yield the status until it is asked for no more; nothing while nobody answers."""
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        time.sleep(0.2)
        cost_of(process)  # it has not ended
        try:
            yield json.loads(ask(path, 2.0))
        except SourceUnavailable:
            continue
    raise TimeoutError(f"not all tokens were covered within {LONGEST_S:.0f} s")


def start(process: Process, folder: Path, *, tokens: int, began: float) -> Start:
    """Watch a start until every connection listens.

    Raises:
        TimeoutError: It takes too long.
    """
    first_s, share_s = 0.0, dict[float, float]()
    for status in _statuses(process, folder / "s"):
        if "assets" not in status:
            continue
        now_s, covered = time.monotonic() - began, status["assets"]["covered"]
        first_s = first_s or (now_s if covered else 0.0)
        for share in SHARES:
            if covered >= share * tokens:
                share_s.setdefault(share, now_s)
        connections = status["connections"]
        if len(share_s) == len(SHARES) and 0 < connections["wanted"] <= connections["live"]:
            return Start(first_s, share_s, now_s, cost_of(process).cpu_s)
    raise AssertionError


def run(server: Server, folder: Path, *, tokens: int, feeds: int, levels: int = LEVELS) -> Start:
    """Start, stop and start again; return what the second start took."""
    folder.mkdir()
    more = {
        "TRACKER_REDUNDANCY": str(feeds),
        "TRACKER_ASSETS_PER_CONNECTION": str(PER_CONNECTION),
    }
    command = [sys.executable, str(ROOT / "bin/tracker")]
    with server.fresh() as dsn, load_generator(tokens // 2, levels) as load:
        remember(dsn, tokens)
        found = settings(load, dsn, folder, **more)
        with reader(command, found, folder / "log1") as process:
            start(process, folder, tokens=tokens, began=time.monotonic())
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        began = time.monotonic()
        with reader(command, found, folder / "log2") as process:
            return start(process, folder, tokens=tokens, began=began)


def measure(_: InstalledRivals, folder: Path, turns: int) -> Findings:  # noqa: ARG001
    """Measure a restart with one feed and with two."""
    findings = Findings()
    with served() as server:
        for feeds, wanted in ((1, "<= 30"), (2, "<= 60")):
            try:
                seen = run(server, folder / str(feeds), tokens=TOKENS, feeds=feeds)
            except (TimeoutError, RuntimeError) as exc:
                findings.absent.append(f"restart with {feeds} feeds: {exc}")
                continue
            findings.figures += [
                Figure(f"restart_{feeds}_covered_s", "s", [seen.share_s[0.99]], (), "<= 30"),
                Figure(f"restart_{feeds}_all_s", "s", [seen.every_s], (), wanted),
            ]
    return findings


def main() -> int:
    """Measure one restart and print it as JSON, with the load of the machine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--feeds", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep state and logs in this folder")
    parser.add_argument("--levels", type=int, default=LEVELS, help="prices a side of a book")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tracker-bench-") as temporary, served() as server:
        place = (asked.keep or Path(temporary)) / f"restart-{asked.feeds}"
        seen = run(server, place, tokens=asked.tokens, feeds=asked.feeds, levels=asked.levels)
    shown = {
        "tokens": asked.tokens,
        "feeds": asked.feeds,
        "levels": asked.levels,
        "first_s": round(seen.first_s, 1),
        **{f"{share:.0%}_s": round(at, 1) for share, at in seen.share_s.items()},
        "every_connection_s": round(seen.every_s, 1),
        "cpu_s": round(seen.cpu_s, 1),
        "load": os.getloadavg()[0],
    }
    sys.stdout.write(json.dumps(shown) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
