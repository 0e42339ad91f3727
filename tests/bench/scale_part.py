"""Scale: the whole tracker beside a cheap server, from 10 to 4,400 connections.

200 tokens a connection; 2 % trades, the rest book noise. Measured from the kernel
over the load alone, once every token is confirmed; a trade is lost when it is not
in the table at the end.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.comparison import Figure, Findings
from tests.bench.database import Server, served
from tests.bench.processes import (
    cost_of,
    load_generator,
    reader,
    settings,
    settled,
    stored,
    tracker,
)
from tests.bench.rivals_venv import InstalledRivals

PER_CONNECTION = 200


@dataclass(frozen=True)
class Size:
    """How large a run is; `rate` counts frames a second over all connections."""

    connections: int
    feeds: int
    rate: int
    seconds: float

    @property
    def tokens(self) -> int:
        """Return how many tokens there are."""
        return self.connections * PER_CONNECTION // self.feeds


@dataclass(frozen=True)
class Seen:
    """What a run cost.

    Attributes:
        base_mib: Memory of the tracker before its first connection.
        listening_mib: With everything confirmed, before the load.
    """

    size: Size
    cores: float
    us_a_frame: float
    base_mib: float
    listening_mib: float
    peak_mib: float
    threads: int
    lags_ms: Sequence[float]
    trades: int
    rate: float
    load_cores: float
    opened_s: float

    def lag_ms(self, share: float) -> float:
        """Return the lag that this share of the trades had at most."""
        return self.lags_ms[min(int(share * len(self.lags_ms)), len(self.lags_ms) - 1)]


GROWTH = (Size(10, 1, 28_000, 12), Size(100, 1, 28_000, 12), Size(500, 1, 28_000, 12))
PLENTY = Size(1_500, 1, 28_000, 20)
UNIVERSE = Size(4_400, 2, 56_000, 20)


def run(server: Server, folder: Path, size: Size, *, trades: float = 0.02) -> Seen:
    """Run one size; raise TimeoutError when a trade is lost."""
    place = folder / f"{size.connections}-{time.monotonic_ns()}"
    place.mkdir()
    more = {
        "TRACKER_REDUNDANCY": str(size.feeds),
        "TRACKER_ASSETS_PER_CONNECTION": str(PER_CONNECTION),
    }
    with server.fresh() as dsn, load_generator(size.tokens // 2) as load:
        with reader(tracker(), settings(load, dsn, place, **more), place / "log") as process:
            time.sleep(1.5)
            base = cost_of(process).rss_mib
            began = time.monotonic()
            load.ask(expect=size.tokens * size.feeds)
            opened_s = time.monotonic() - began
            stored(dsn, rows=size.tokens * size.feeds, within_s=600, table="listening", every_s=2)
            settled(process, within_s=60)
            before, wall = cost_of(process), time.perf_counter()
            sent = load.ask(rate=size.rate, trades=trades, seconds=size.seconds)
            after, wall = cost_of(process), time.perf_counter() - wall
            stored(dsn, rows=sent["trades"], within_s=60)
        lags = json.loads((place / "lags.json").read_text())
    used = after.cpu_s - before.cpu_s
    return Seen(
        size=size,
        cores=used / wall,
        us_a_frame=used / sent["frames"] * 1e6,
        base_mib=base,
        listening_mib=before.rss_mib,
        peak_mib=after.rss_mib,
        threads=after.threads,
        lags_ms=lags,
        trades=sent["trades"],
        rate=sent["frames"] / sent["wall_s"],
        load_cores=sent["cpu_s"] / sent["wall_s"],
        opened_s=opened_s,
    )


def measure(_: InstalledRivals, folder: Path, turns: int) -> Findings:
    """Run all sizes; the first promised one once more when there is time for it."""
    findings = Findings()
    seen: list[Seen] = []
    with served() as server:
        for size in (*GROWTH, *[PLENTY] * (1 + (turns > 5)), UNIVERSE):
            try:
                seen.append(run(server, folder, size))
            except (TimeoutError, RuntimeError) as exc:
                findings.absent.append(f"{size.connections} connections: {exc}")
    plenty = [each for each in seen if each.size == PLENTY]
    universe = [each for each in seen if each.size == UNIVERSE]
    findings.tables.append(_table(seen))
    findings.growth = [
        {"connections": each.size.connections, "cores": each.cores, "mib": each.peak_mib}
        for each in seen
    ]
    for name, values, unit, wanted in (
        ("scale_cores", [each.cores for each in plenty], "cores", "< 0.5"),
        ("scale_rss_gib", [each.peak_mib / 1024 for each in plenty], "GiB", "< 0.39"),
        ("scale_p99_s", [each.lag_ms(0.99) / 1000 for each in plenty], "s", "< 1"),
        ("universe_cores", [each.cores for each in universe], "cores", "< 1"),
        ("universe_rss_gib", [each.peak_mib / 1024 for each in universe], "GiB", "< 1"),
    ):
        if values:
            findings.figures.append(Figure(name, unit, values, (), wanted))
    return findings


def _table(seen: Sequence[Seen]) -> tuple[str, Sequence[str], list[Sequence[Any]]]:
    heads = (
        *("connections", "tokens", "frames/s", "cores", "CPU ms/1,000 frames", "RSS MiB"),
        *("KiB/connection", "threads", "p50 ms", "p99 ms", "trades", "opened in s", "load cores"),
    )
    rows: list[Sequence[Any]] = [
        (
            *(each.size.connections, each.size.tokens, each.rate, each.cores, each.us_a_frame),
            *(each.peak_mib, (each.listening_mib - each.base_mib) * 1024 / each.size.connections),
            *(each.threads, each.lag_ms(0.5), each.lag_ms(0.99), each.trades, each.opened_s),
            each.load_cores,
        )
        for each in seen
    ]
    return "Scale: nothing lost in any of these", heads, rows
