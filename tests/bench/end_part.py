"""End to end at saturation: trades only, as fast as they are taken, until the last is committed.

Ten connections of 100 tokens; the server waits where a reader is slow, so that
none is cut off. Rows a second from the first byte sent to the last row committed.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from tests.bench.comparison import Figure, Findings, Run, alternate
from tests.bench.database import Server, served
from tests.bench.load_generator import token_of
from tests.bench.processes import (
    LoadGenerator,
    Process,
    cost_of,
    load_generator,
    reader,
    settings,
    settled,
    stored,
    tracker,
)
from tests.bench.rivals_venv import HERE, PYTHON, InstalledRivals

TOKENS = 1000
PER_CONNECTION = 100
TRADES = 60_000
WITHIN_S = 120.0


@dataclass
class Races:
    """All runs.

    Attributes:
        costs: Name → processor microseconds a trade, MiB at the end, one pair a run.
    """

    server: Server
    folder: Path
    costs: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def tracker(self) -> float:
        """Run the tracker; return rows a second."""
        place = Path(tempfile.mkdtemp(dir=self.folder))
        more = {"TRACKER_REDUNDANCY": "1", "TRACKER_ASSETS_PER_CONNECTION": str(PER_CONNECTION)}
        with (
            self.server.fresh() as dsn,
            load_generator(TOKENS // 2) as load,
            reader(tracker(), settings(load, dsn, place, **more), place / "log") as process,
        ):
            return self._race("tracker", load, process, dsn, "trades")

    def ordinary(self) -> float:
        """Run the rival; return rows a second."""
        with self.server.fresh(migrated=False) as dsn, load_generator(TOKENS // 2) as load:
            where = conninfo_to_dict(dsn)
            url = "postgresql://{user}@/{dbname}?host={host}&port={port}".format(**where)
            tokens = ",".join(token_of(number) for number in range(TOKENS))
            command = [str(PYTHON), str(HERE / "ordinary.py"), load.ws, url, tokens]
            log = self.folder / "ordinary.log"
            with reader([*command, str(PER_CONNECTION)], {}, log) as process:
                return self._race("ordinary", load, process, dsn, "trades")

    def _race(
        self, name: str, load: LoadGenerator, process: Process, dsn: str, table: str
    ) -> float:
        load.ask(expect=TOKENS)
        settled(process, within_s=20)
        before = cost_of(process)
        sent = load.ask(burst=TRADES)
        done = stored(dsn, rows=TRADES, within_s=WITHIN_S, table=table)
        after = cost_of(process)
        each_us = (after.cpu_s - before.cpu_s) / TRADES * 1e6
        self.costs.setdefault(name, []).append((each_us, after.rss_mib))
        return float(TRADES / (done - sent["began"]))


def measure(rivals: InstalledRivals, folder: Path, turns: int) -> Findings:
    """Run both in turns; every row must arrive."""
    findings = Findings()
    with served() as server:
        races = Races(server, folder)
        runs: dict[str, Run] = {"tracker": races.tracker}
        if rivals.has("asyncpg") and rivals.has("websockets"):
            runs["ordinary"] = races.ordinary
        else:
            findings.absent.append("ordinary: asyncpg or websockets is not installed")
        found = alternate(runs, turns)
    findings.figures.append(
        Figure(
            "end_to_end_ordinary",
            "rows committed/s",
            found["tracker"],
            found.get("ordinary", ()),
            ">= 3",
        )
    )
    rows: list[Sequence[Any]] = [
        (name, median(each for each, _ in costs), median(mib for _, mib in costs))
        for name, costs in races.costs.items()
    ]
    findings.tables.append(("End to end", ("", "CPU µs a trade", "RSS MiB at the end"), rows))
    return findings
