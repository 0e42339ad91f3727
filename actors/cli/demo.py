"""`tracker --demo`: the whole tracker against the built-in simulator, watched and judged.

A small stand-in for systemd: it starts the simulator and the tracker as
processes, starts the tracker anew when it dies, shows its status, cuts
connections now and then, and in the end holds the simulator's ledger against
the database. Nothing in the tracker knows that it is a demo.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psycopg
from rich.console import Console
from rich.live import Live

from actors.cli import board, status
from actors.config.load import Config
from actors.database.embedded import Embedded
from actors.errors import EXIT_CONFIG, EXIT_INTERNAL, EXIT_IO, EXIT_OK, Internal
from actors.process.runtime import stop_signals
from actors.simulator.judge import Judgement, judge

FIRST_CUT_S, CUT_EVERY_S = 8.0, 12.0
TRADES = 500


# MERGED: Simulator and tracker as processes: how a demo starts and ends them.


ROOT = Path(__file__).parents[2]
STOP_S = 60.0
_PR_SET_PDEATHSIG = 1


@dataclass
class Home:
    """Where a demo keeps its things: one folder for all runs, so a second run goes on."""

    folder: Path
    socket: Path
    dsn: str | None

    @property
    def simulator(self) -> Path:
        """The simulator's ledger lives here."""
        return self.folder / "simulator"

    @property
    def log(self) -> Path:
        """What the tracker writes to standard error."""
        return self.folder / "tracker.log"

    @property
    def tracker(self) -> Path:
        """The tracker's state directory."""
        return self.folder / "tracker"

    def next_run(self) -> int:
        """Count this run; identifiers of different runs never collide."""
        counter = self.folder / "run"
        run = int(counter.read_text()) + 1 if counter.exists() else 1
        counter.write_text(str(run))
        return run


@dataclass
class Processes:
    """The processes of one run."""

    simulator: subprocess.Popen[str]
    urls: dict[str, str]
    tracker: subprocess.Popen[bytes] | None = None
    deaths: list[int] = field(default_factory=list)


def start_simulator(home: Home, number: int) -> Processes:
    """Start the simulator and wait until it says where it listens."""
    command = [
        sys.executable,
        str(ROOT / "bin" / "tracker-simulator"),
        "--dir",
        str(home.simulator),
        "--run",
        str(number),
        "--seed",
        "7",
        "--trades-per-second",
        "0",
        "--die-with-parent",
    ]
    process = subprocess.Popen(  # noqa: S603 - our own script, no shell
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    if process.stdout is None:
        raise Internal("the simulator has no output")
    line = process.stdout.readline()
    if not line:
        raise Internal(f"the simulator ended with exit code {process.wait()}")
    return Processes(simulator=process, urls=json.loads(line))


def start_tracker(home: Home, urls: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the tracker as a user would, with the simulator's addresses in its environment."""
    settings = {
        "TRACKER_STATE_DIR": str(home.tracker),
        "TRACKER_STATUS_SOCKET": str(home.socket),
        "TRACKER_MARKET_WS_URL": urls["ws_url"],
        "TRACKER_GAMMA_URL": urls["gamma_url"],
        "TRACKER_CLOB_URL": urls["clob_url"],
        "TRACKER_DATA_URL": urls["data_url"],
        "TRACKER_POLYGON_RPC_URLS": urls["rpc_url"],
        "TRACKER_ASSETS_PER_CONNECTION": "60",
        "TRACKER_DISCOVERY_SECONDS": "2",
        "TRACKER_RESOLUTION_SECONDS": "2",
        "TRACKER_RESOLUTION_HOLD_SECONDS": "2",
        "TRACKER_LOG_FORMAT": "json",
    }
    if home.dsn:
        settings["TRACKER_DATABASE_URL"] = home.dsn
    with home.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own script, no shell
            [sys.executable, str(ROOT / "bin" / "tracker")],
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads are running yet
        )


def _die_with_parent() -> None:
    """In the child: end in good order when the demo is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end(process: subprocess.Popen[Any] | None) -> int:
    """Ask a process to end; give its exit code."""
    if process is None:
        return EXIT_INTERNAL
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def ask_simulator(admin_url: str, what: str, **said: object) -> None:
    """Ask the simulator for a fault or another rate."""
    request = urllib.request.Request(  # noqa: S310 - the simulator's own loopback address
        f"{admin_url}/{what}", data=json.dumps(said).encode()
    )
    with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=2):  # noqa: S310
        pass


"""Prints a second, from the moment at which every token is listened to."""
RESTART_S = 2.0
QUIET_S = 0.5
"""Seconds between the last trade and the stop, so that the last of them arrive."""


def run(config: Config, *, duration_s: float | None) -> int:
    """Play the demo until `duration_s` is over or someone stops it; give the exit code.

    The last line on stdout is one JSON object; its keys are those of
    `simulator.judge.Judgement` and `reconnects`, `restarts`, `seconds`.
    """
    home = Home(folder=config.state_dir / "demo", socket=config.status_socket, dsn=config.dsn)
    for folder in (home.folder, home.simulator, home.tracker):
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    stop = threading.Event()
    with stop_signals(stop.set):
        return _play(home, stop, duration_s)


def _play(home: Home, stop: threading.Event, duration_s: float | None) -> int:
    started = time.monotonic()
    processes = start_simulator(home, home.next_run())
    try:
        processes.tracker = start_tracker(home, processes.urls)
        code = _watch(home, processes, stop, started, duration_s)
    finally:
        ask_simulator(processes.urls["admin_url"], "rates", trades_per_second=0)
        threading.Event().wait(QUIET_S)
        tracker_code = end(processes.tracker)
        end(processes.simulator)
    if code != EXIT_OK or tracker_code != EXIT_OK:
        return code or tracker_code
    return _conclude(home, processes, time.monotonic() - started)


# -------------------------------------------------------------------- watching
def _watch(
    home: Home,
    processes: Processes,
    stop: threading.Event,
    started: float,
    duration_s: float | None,
) -> int:
    """Show the status, cut connections, keep the tracker alive. Give an exit code."""
    last: dict[str, Any] = {}
    next_cut, trading = started + FIRST_CUT_S, False
    with _screen(home) as show:
        while not stop.wait(1.0):
            now = time.monotonic()
            if duration_s is not None and now - started >= duration_s:
                break
            if processes.tracker is not None and processes.tracker.poll() is not None:
                fatal = _bury(home, processes, stop)
                if fatal is not None:
                    return fatal
            with contextlib.suppress(status.Unreachable):
                last = status.ask(home.socket)
            if not trading and _listens(last):
                trading = True
                ask_simulator(processes.urls["admin_url"], "rates", trades_per_second=TRADES)
            show(last)
            if now >= next_cut:
                ask_simulator(processes.urls["admin_url"], "fault", kind="drop", count=1)
                next_cut += CUT_EVERY_S
    return EXIT_OK


def _listens(document: dict[str, Any]) -> bool:
    """Return whether every token that is wanted is proven to be listened to."""
    assets = document.get("assets", {})
    return bool(assets) and assets["covered"] >= assets["wanted"] > 0


def _bury(home: Home, processes: Processes, stop: threading.Event) -> int | None:
    """Start a dead tracker anew, as systemd would; give a code when that cannot help."""
    code = processes.tracker.returncode if processes.tracker else EXIT_INTERNAL
    processes.deaths.append(code)
    if code in {EXIT_CONFIG, EXIT_IO}:
        _repeat_complaint(home)
        return code
    stop.wait(RESTART_S)
    processes.tracker = start_tracker(home, processes.urls)
    return None


def _repeat_complaint(home: Home) -> None:
    """Return what the tracker said when it gave up."""
    lines = home.log.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in [line for line in lines if line.startswith("tracker: ")][-3:]:
        sys.stderr.write(f"{line}\n")


@contextlib.contextmanager
def _screen(home: Home) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Return a function that shows a status: live on a terminal, a line elsewhere."""
    console = Console()
    console.print(f"simulated Polymarket, real tracker; everything is kept in {home.folder}")
    console.print("ask it from another terminal: bin/tracker-status   stop it: Ctrl-C")
    if not console.is_terminal:
        yield _line_printer(console)
        return
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        yield lambda document: live.update(board.render(document)) if document else None


def _line_printer(console: Console) -> Callable[[dict[str, Any]], None]:
    shown = 0.0

    def show(document: dict[str, Any]) -> None:
        nonlocal shown
        now = time.monotonic()
        if document and now - shown >= 5:
            shown = now
            console.print(board.summary(document))

    return show


# -------------------------------------------------------------------- the end
def _conclude(home: Home, processes: Processes, seconds: float) -> int:
    """Judge the run and say so in one line of JSON."""
    with _database(home) as dsn:
        verdict = judge(home.simulator / "ledger.jsonl", dsn)
        reconnects = _reconnects(dsn)
    said = {
        **verdict.as_dict(),
        "reconnects": reconnects,
        "restarts": len(processes.deaths),
        "seconds": round(seconds, 1),
    }
    _explain(verdict)
    print(json.dumps(said), file=_stdout(), flush=True)
    return EXIT_OK if verdict.clean else EXIT_INTERNAL


def _explain(verdict: Judgement) -> None:
    kept = "every promise held" if verdict.clean else "A PROMISE WAS BROKEN"
    Console().print(f"ledger against database: {kept}")


def _stdout() -> IO[str]:
    return sys.stdout


@contextlib.contextmanager
def _database(home: Home) -> Iterator[str]:
    """Return a DSN to read from; the embedded server is started again for it."""
    if home.dsn:
        yield home.dsn
        return
    server = Embedded(home.tracker / "postgres")
    server.start()
    try:
        yield server.dsn()
    finally:
        server.stop()


def _reconnects(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as database:
        row = database.execute(
            "SELECT count(*) FROM connection_events WHERE event = 'reconnected'"
        ).fetchone()
    return int(row[0]) if row else 0
