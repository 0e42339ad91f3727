"""Load generator, reader and database as processes, and what the reader costs."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.bench.rivals_venv import HERE, SOURCES

Process = subprocess.Popen[str]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What a process has used so far.

    Attributes:
        cpu_s: Processor time so far.
        rss_mib: Memory now.
        threads: Threads now.
    """

    cpu_s: float
    rss_mib: float
    threads: int


def cost_of(process: Process) -> Cost:
    """Return the cost of a process, from the kernel.

    Raises:
        RuntimeError: The process has ended.
    """
    if process.poll() is not None:
        raise RuntimeError(f"the reader ended with {process.returncode}")
    place = Path(f"/proc/{process.pid}")
    fields = (place / "stat").read_text().rsplit(")", 1)[1].split()
    status = dict(
        line.split(":", 1) for line in (place / "status").read_text().splitlines() if ":" in line
    )
    return Cost(
        cpu_s=(int(fields[11]) + int(fields[12])) / TICKS,
        rss_mib=int(status["VmRSS"].split()[0]) / 1024,
        threads=int(status["Threads"]),
    )


class LoadGenerator:
    """The load generator (`load_generator.py`); commands go to its stdin."""

    def __init__(self, markets: int, levels: int = 0) -> None:
        program = [sys.executable, str(HERE / "load_generator.py")]
        self.process = subprocess.Popen(
            [*program, "--markets", str(markets), "--levels", str(levels)],
            env={**os.environ, "PYTHONPATH": SOURCES},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        ports = self._line()
        self.ws = f"ws://127.0.0.1:{ports['ws']}/ws/market"
        self.http = f"http://127.0.0.1:{ports['gamma']}"

    def ask(self, **command: float) -> dict[str, Any]:
        """Send a command and return its answer."""
        self.tell(**command)
        return self._line()

    def tell(self, **command: float) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@contextlib.contextmanager
def load_generator(markets: int, levels: int = 0) -> Iterator[LoadGenerator]:
    """Yield a load generator for one run; its books have so many prices on each side."""
    found = LoadGenerator(markets, levels)
    try:
        yield found
    finally:
        found.process.kill()
        found.process.wait()


@contextlib.contextmanager
def reader(command: list[str], settings: Mapping[str, str], log: Path) -> Iterator[Process]:
    """Start a reader; end it by SIGTERM, or by force after a minute."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")}
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env={**bare, "PYTHONPATH": SOURCES, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def settings(load: LoadGenerator, dsn: str, folder: Path, **more: str) -> dict[str, str]:
    """Return the settings of the tracker for a run against this load generator."""
    return {
        "TRACKER_DATABASE_URL": "postgresql://?" + urllib.parse.urlencode(conninfo_to_dict(dsn)),
        "TRACKER_STATE_DIR": str(folder / "state"),
        "TRACKER_STATUS_SOCKET": str(folder / "s"),
        "TRACKER_MARKET_WS_URL": load.ws,
        "TRACKER_GAMMA_URL": load.http,
        "TRACKER_CLOB_URL": load.http,
        "TRACKER_DATA_URL": load.http,
        "TRACKER_POLYGON_RPC_URLS": "off",
        "TRACKER_SILENCE_SECONDS": "600",
        "TRACKER_DISCOVERY_SECONDS": "3600",
        "LATENCY_FILE": str(folder / "lags.json"),
        **more,
    }


def tracker() -> list[str]:
    """Return the command of the tracker that connects at once (`measured_tracker.py`)."""
    return [sys.executable, str(HERE / "measured_tracker.py")]


def stored(
    dsn: str, *, rows: int, within_s: float, table: str = "trades", every_s: float = 0.05
) -> float:
    """Wait until so many rows are committed; return when that was (perf_counter).

    Raises:
        TimeoutError: They are not.
    """
    deadline = time.perf_counter() + within_s
    with psycopg.connect(dsn, autocommit=True) as connection:
        while True:
            count = sql.SQL("select count(*) from {}").format(sql.Identifier(table))
            row = connection.execute(count).fetchone()
            now = time.perf_counter()
            if row is not None and row[0] >= rows:
                return now
            if now > deadline:
                raise TimeoutError(f"{row} of {rows} rows are in {table}")
            time.sleep(every_s)


def settled(process: Process, *, within_s: float) -> None:
    """Wait until a reader uses no processor time any more."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        before = cost_of(process).cpu_s
        time.sleep(1)
        if cost_of(process).cpu_s - before < 0.25:
            return
