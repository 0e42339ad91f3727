"""`tracker --demo`: the whole tracker against the built-in simulator, watched and judged.

The demo is a small stand-in for systemd. It starts the simulator and the tracker as processes,
starts the tracker again when it dies, shows its status and cuts connections now and then. In
the end it compares the simulator's ledger with the database. Nothing in the tracker knows that
it runs in a demo.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live

from actors.cli import status, status_table
from actors.cli.demo_result import LOG, DemoDir, RunFigures, conclude, plain_console
from actors.cli.demo_screen import DemoScreen
from actors.config.load import Config
from actors.database.server.processes import end_with_parent
from actors.errors import EXIT_CONFIG, EXIT_INTERNAL, EXIT_IO, EXIT_OK, ConfigError, Internal
from actors.installed import program
from actors.process.runtime import stop_signals
from actors.simulator.beliefs import parse_broken

TRADES = 500
"""Trades per second, from the moment at which every token is listened to."""
FIRST_CUT_S, CUT_EVERY_S = 8.0, 12.0
ALL_COVERED_S, MOST_COVERED = 10.0, 0.5
# As `RestartSec=` in systemd/tracker.service.
RESTART_S = 2.0
STOP_S = 60.0
PAGE_PORT = 9464
QUIET_S = 0.5
"""Seconds between the last trade and the stop, so that the last trades arrive."""


@dataclass
class Processes:
    """The processes of one run.

    Attributes:
        urls: Addresses of the simulator, by name (`ws_url`, `gamma_url`, `admin_url`, …).
        page_port: Where the tracker serves its page.
        deaths: Exit codes of trackers that ended by themselves.
    """

    simulator: subprocess.Popen[str]
    urls: dict[str, str]
    page_port: int
    tracker: subprocess.Popen[bytes] | None = None
    deaths: list[int] = field(default_factory=list)


def check_broken(broken: str) -> None:
    """Raise ConfigError unless these are beliefs that the simulator can break."""
    try:
        parse_broken(broken)
    except ValueError as exc:
        raise ConfigError(f"--broken: {exc}") from exc


def run(config: Config, *, duration_s: float | None, broken: str = "") -> int:
    """Run the demo until `duration_s` is over or a signal stops it; return the exit code.

    `broken` names beliefs about Polymarket that are false in the simulator, with commas.

    What it prints at its end is in `demo_result.py`.
    """
    demo = DemoDir(path=config.state_dir / "demo", socket=config.status_socket, dsn=config.dsn)
    demo.make()
    page_port = config.metrics_port or free_port()
    stop = threading.Event()
    with stop_signals(stop.set):
        return _run(demo, stop, duration_s, broken, page_port)


def free_port() -> int:
    """Return the usual port of the page, or another one where that is taken."""
    for port in (PAGE_PORT, 0):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            return int(sock.getsockname()[1])
    return PAGE_PORT  # the tracker says then why it is not served


def _run(
    demo: DemoDir, stop: threading.Event, duration_s: float | None, broken: str, page_port: int
) -> int:
    started, began, number = time.monotonic(), datetime.now(UTC), demo.next_run()
    processes = _start_simulator(demo, number, broken, page_port)
    try:
        processes.tracker = _start_tracker(demo, processes)
        code = _watch(demo, processes, stop, started, duration_s)
    finally:
        # First, so that no trade is under way when the tracker stops.
        _ask_simulator(processes.urls["admin_url"], "rates", trades_per_second=0)
        threading.Event().wait(QUIET_S)
        tracker_code = _end(processes.tracker)
        _end(processes.simulator)
    if code != EXIT_OK or tracker_code != EXIT_OK:
        return code or tracker_code
    run_figures = RunFigures(
        number=number,
        began=began,
        restarts=len(processes.deaths),
        seconds=time.monotonic() - started,
        stopped=stop.is_set(),
    )
    return conclude(demo, run_figures)


# --------------------------------------------------------------- the processes


def _start_simulator(demo: DemoDir, number: int, broken: str, page_port: int) -> Processes:
    """Start the simulator and wait until it prints its addresses."""
    command = [
        sys.executable,
        str(program("tracker-simulator")),
        "--dir",
        str(demo.simulator),
        "--run",
        str(number),
        "--seed",
        "7",
        "--trades-per-second",
        "0",
        "--die-with-parent",
        "--broken",
        broken,
    ]
    # A session of its own: Ctrl-C reaches this process alone, which ends the others in order.
    process = subprocess.Popen(  # noqa: S603 - our own script, no shell
        command,
        env=_without_secrets(os.environ),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if process.stdout is None:
        raise Internal("the simulator has no output")
    line = process.stdout.readline()
    if not line:
        code = process.wait()
        if code == EXIT_CONFIG:
            raise ConfigError("the simulator did not start; it says above why")
        raise Internal(f"the simulator ended with exit code {code}")
    return Processes(simulator=process, urls=json.loads(line), page_port=page_port)


def _without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a program whose memory is not closed, and needs no database."""
    return {n: text for n, text in environ.items() if not n.startswith(("TRACKER_", "PG"))}


def _start_tracker(demo: DemoDir, processes: Processes) -> subprocess.Popen[bytes]:
    """Start the tracker as a user would, with the simulator's addresses in its environment."""
    urls = processes.urls
    settings = {
        "TRACKER_STATE_DIR": str(demo.tracker),
        "TRACKER_STATUS_SOCKET": str(demo.socket),
        "TRACKER_MARKET_WS_URL": urls["ws_url"],
        "TRACKER_GAMMA_URL": urls["gamma_url"],
        "TRACKER_CLOB_URL": urls["clob_url"],
        "TRACKER_DATA_URL": urls["data_url"],
        "TRACKER_POLYGON_RPC_URLS": urls["rpc_url"],
        "TRACKER_ASSETS_PER_CONNECTION": "60",
        "TRACKER_DISCOVERY_SECONDS": "2",
        "TRACKER_RESOLUTION_SECONDS": "2",
        "TRACKER_RESOLUTION_HOLD_SECONDS": "2",
        "TRACKER_METRICS_PORT": str(processes.page_port),
        "TRACKER_LOG_FORMAT": "json",
    }
    if demo.dsn:
        settings["TRACKER_DATABASE_URL"] = demo.dsn
    log = demo.open(LOG)
    try:
        return subprocess.Popen(  # noqa: S603 - our own script, no shell
            [sys.executable, str(program("tracker"))],
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one call, no lock taken
        )
    finally:
        os.close(log)


def _end(process: subprocess.Popen[Any] | None) -> int:
    """Ask a process to end, kill it after `STOP_S`, and return its exit code."""
    if process is None:
        return EXIT_INTERNAL
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _ask_simulator(admin_url: str, path: str, **values: object) -> None:
    """Ask the simulator for a fault or other rates; a simulator that is away is ignored."""
    request = urllib.request.Request(  # noqa: S310 - the simulator's own loopback address
        f"{admin_url}/{path}", data=json.dumps(values).encode()
    )
    # A proxy of the environment does not know our loopback address.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with contextlib.suppress(OSError), direct.open(request, timeout=2):
        pass


# ------------------------------------------------------------------ while it runs


def _watch(
    demo: DemoDir,
    processes: Processes,
    stop: threading.Event,
    started: float,
    duration_s: float | None,
) -> int:
    """Show the status, cut connections, keep the tracker running; return an exit code."""
    latest: dict[str, Any] = {}
    next_cut, trading = started + FIRST_CUT_S, False
    with _screen(processes.page_port) as show:
        while not stop.wait(1.0):
            now = time.monotonic()
            if duration_s is not None and now - started >= duration_s:
                break
            if processes.tracker is not None and processes.tracker.poll() is not None:
                fatal = _restart(demo, processes, stop)
                if fatal is not None:
                    return fatal
            with contextlib.suppress(status.Unreachable):
                latest = status.ask(demo.socket)
            if not trading and may_trade(latest, now - started):
                trading = True
                _ask_simulator(processes.urls["admin_url"], "rates", trades_per_second=TRADES)
            show(latest)
            if now >= next_cut:
                _ask_simulator(processes.urls["admin_url"], "fault", kind="drop", count=1)
                next_cut += CUT_EVERY_S
    return EXIT_OK


def may_trade(document: dict[str, Any], seconds: float) -> bool:
    """Return whether trades may begin: every token of the plan is proven to be listened to.

    Markets begin all the time, and a busy machine may never listen to all of them at once: after
    so many seconds most of them are enough.
    """
    assets = document.get("assets")
    if not assets or not assets["wanted"]:
        return False
    share = 1.0 if seconds < ALL_COVERED_S else MOST_COVERED
    return bool(assets["covered"] >= share * assets["wanted"])


def _restart(demo: DemoDir, processes: Processes, stop: threading.Event) -> int | None:
    """Start a dead tracker again, as systemd would; return a code when that cannot help."""
    code = processes.tracker.returncode if processes.tracker else EXIT_INTERNAL
    processes.deaths.append(code)
    if code in {EXIT_CONFIG, EXIT_IO}:
        _repeat_errors(demo)
        return code
    stop.wait(RESTART_S)
    processes.tracker = _start_tracker(demo, processes)
    return None


def _repeat_errors(demo: DemoDir) -> None:
    """Write the last error messages of the tracker to standard error."""
    with os.fdopen(demo.open(LOG), "rb") as log:
        log.seek(0)
        lines = log.read().decode("utf-8", "replace").splitlines()
    for line in [line for line in lines if line.startswith("tracker: ")][-3:]:
        sys.stderr.write(f"{line}\n")


@contextlib.contextmanager
def _screen(page_port: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield a function that shows a status: live on a terminal, else a line now and then."""
    console = plain_console()
    more = f"more: bin/tracker-status, http://localhost:{page_port}/   stop: Ctrl-C"
    for line in ("simulated Polymarket, real tracker", more):
        console.print(line, no_wrap=True, overflow="ellipsis")
    if not console.is_terminal:
        yield _line_printer(console)
        return
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        yield lambda document: live.update(DemoScreen(document)) if document else None


def _line_printer(console: Console) -> Callable[[dict[str, Any]], None]:
    shown = 0.0

    def show(document: dict[str, Any]) -> None:
        nonlocal shown
        now = time.monotonic()
        if document and now - shown >= 5:
            shown = now
            console.print(status_table.summary(document))

    return show
