"""`tracker --demo`: the whole tracker against the built-in simulator, watched and judged.

A small stand-in for systemd: it starts the simulator and the tracker as
processes, starts the tracker anew when it dies, shows its status, cuts
connections now and then, and in the end holds the simulator's ledger against
the database. Nothing in the tracker knows that it is a demo.
"""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

import psycopg
from rich.console import Console
from rich.live import Live

from actors.cli import board, status
from actors.cli.rehearsal import Home, Processes, ask_simulator, end, start_simulator, start_tracker
from actors.config.load import Config
from actors.database.embedded import Embedded
from actors.errors import EXIT_CONFIG, EXIT_INTERNAL, EXIT_IO, EXIT_OK
from actors.process.ending import told_to_end
from actors.simulator.judge import Judgement, judge

FIRST_CUT_S, CUT_EVERY_S = 8.0, 12.0
PRINTS = 500
"""Prints a second, from the moment at which every token is listened to."""
RESTART_S = 2.0
QUIET_S = 0.5
"""Seconds between the last print and the stop, so that the last of them arrive."""


def run(config: Config, *, duration_s: float | None) -> int:
    """Play the demo until `duration_s` is over or someone stops it; give the exit code.

    The last line on stdout is one JSON object; its keys are those of
    `simulator.judge.Judgement` and `reconnects`, `restarts`, `seconds`.
    """
    home = Home(folder=config.state_dir / "demo", socket=config.status_socket, dsn=config.dsn)
    for folder in (home.folder, home.simulator, home.tracker):
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    stop = threading.Event()
    with told_to_end(stop.set):
        return _play(home, stop, duration_s)


def _play(home: Home, stop: threading.Event, duration_s: float | None) -> int:
    started = time.monotonic()
    processes = start_simulator(home, home.next_run())
    try:
        processes.tracker = start_tracker(home, processes.urls)
        code = _watch(home, processes, stop, started, duration_s)
    finally:
        ask_simulator(processes.urls["admin_url"], "rates", prints_per_second=0)
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
                ask_simulator(processes.urls["admin_url"], "rates", prints_per_second=PRINTS)
            show(last)
            if now >= next_cut:
                ask_simulator(processes.urls["admin_url"], "fault", kind="drop", count=1)
                next_cut += CUT_EVERY_S
    return EXIT_OK


def _listens(document: dict[str, Any]) -> bool:
    """Tell whether every token that is wanted is proven to be listened to."""
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
    """Say what the tracker said when it gave up."""
    lines = home.log.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in [line for line in lines if line.startswith("tracker: ")][-3:]:
        sys.stderr.write(f"{line}\n")


@contextlib.contextmanager
def _screen(home: Home) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Give a function that shows a status: live on a terminal, a line elsewhere."""
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
    """Give a DSN to read from; the embedded server is started again for it."""
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
