"""`tracker --demo`: the whole tracker against the built-in simulator, watched and judged.

The demo is a small stand-in for systemd. It starts the simulator and the tracker as processes,
starts the tracker again when it dies, shows its status and cuts connections now and then. In
the end it compares the simulator's ledger with the database. Nothing in the tracker knows that
it runs in a demo.
"""

import contextlib
import os
import shlex
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.live import Live

from actors.app.places import prepare_state_dir
from actors.cli import demo_processes, status, status_table
from actors.cli.demo_dir import DemoDir, require_own_settings
from actors.cli.demo_processes import Processes, ask_simulator, end, start_tracker
from actors.cli.demo_result import RunFigures, conclude, plain_console
from actors.cli.demo_screen import DemoScreen
from actors.config.load import Config, Invocation
from actors.errors import (
    EXIT_CONFIG,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_IO,
    EXIT_OK,
    ConfigError,
)
from actors.process import output
from actors.process.runtime import stop_signals
from actors.simulator.beliefs import parse_broken

TRADES = 500
"""Trades per second, from the moment at which every token is listened to."""
FIRST_CUT_S, CUT_EVERY_S = 8.0, 12.0
ALL_COVERED_S, MOST_COVERED = 10.0, 0.5
# As `RestartSec=` in systemd/tracker.service.
RESTART_S = 2.0
PAGE_PORT = 9464
QUIET_S = 0.5
"""Seconds between the last trade and the stop, so that the last trades arrive."""
COMPARED_S = {"stamps_differ": 6.0, "delivered_twice": 21.0}
"""In place of it where feeds differ: so long the tracker compares them before it marks trades."""
LINE_EVERY_S = 5.0
NOT_BEGUN = -signal.SIGTERM
"""How a tracker ends that is asked to while Python still starts: it has received nothing yet."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is to do.

    Attributes:
        demo: Where its files are.
        environ: The environment of its tracker.
        stop: Set when a person ends it.
        started: When it was started (monotonic).
        duration_s: Seconds after which it ends by itself, or None.
        page_port: Where the tracker serves its page.
        quiet_s: Seconds between the last trade and the stop.
    """

    demo: DemoDir
    environ: Mapping[str, str]
    stop: threading.Event
    started: float
    duration_s: float | None
    page_port: int
    quiet_s: float


def check_broken(broken: str) -> None:
    """Raise ConfigError unless these are beliefs that the simulator can break."""
    try:
        parse_broken(broken)
    except ValueError as exc:
        raise ConfigError(f"--broken: {exc}") from exc


def start(invocation: Invocation) -> int:
    """Run the demo that the command line asks for; raises what `run` raises."""
    check_broken(invocation.broken)
    prepare_state_dir(invocation.config.state_dir)
    return run(invocation.config, duration_s=invocation.duration_s, broken=invocation.broken)


def run(config: Config, *, duration_s: float | None, broken: str = "") -> int:
    """Run the demo until `duration_s` is over or a signal stops it; return the exit code.

    `broken` names beliefs about Polymarket that are false in the simulator, with commas.

    What it prints at its end is in `demo_result.py`.

    Raises:
        Fatal: It cannot run here, or with these settings.
        StoreUnavailable: A database that was named for it does not answer.
    """
    require_own_settings(config)
    demo = DemoDir(config.state_dir / "demo", config.status_socket, config.dsn)
    stop = threading.Event()
    with stop_signals(stop.set), demo.entered() as number:
        return _run(config, demo, number, stop, duration_s, broken)


def free_port() -> int:
    """Return the usual port of the page, or another one where that is taken."""
    for port in (PAGE_PORT, 0):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            return int(sock.getsockname()[1])
    return PAGE_PORT  # the tracker says then why it is not served


def _run(
    config: Config,
    demo: DemoDir,
    number: int,
    stop: threading.Event,
    duration_s: float | None,
    broken: str,
) -> int:
    started, began = time.monotonic(), datetime.now(UTC)
    page_port = config.metrics_port or free_port()
    processes = demo_processes.start_simulator(demo, number, broken, stop)
    if processes is None:
        return _not_begun(is_stopped=True)
    urls = processes.urls
    plan = Plan(
        demo=demo,
        environ=demo_processes.tracker_environment(os.environ, config, demo, urls, page_port),
        stop=stop,
        started=started,
        duration_s=duration_s,
        page_port=page_port,
        quiet_s=max(COMPARED_S.get(name, QUIET_S) for name in broken.split(",")),
    )
    code, tracker_code = EXIT_OK, NOT_BEGUN
    try:
        if not stop.is_set():
            processes.tracker = start_tracker(demo, processes, plan.environ)
            code = _watch(plan, processes)
    finally:
        if processes.tracker is not None:
            if processes.trading:
                _end_trades(plan, urls["admin_url"])
            tracker_code = end(processes.tracker)
        end(processes.simulator)
    if code == EXIT_OK and tracker_code != NOT_BEGUN:
        code = tracker_code
    if code != EXIT_OK:
        return _failed(demo, processes, code)
    if tracker_code == NOT_BEGUN and not processes.deaths:
        return _not_begun(is_stopped=stop.is_set())
    figures = RunFigures(
        number=number,
        began=began,
        restarts=len(processes.deaths),
        seconds=time.monotonic() - started,
        stopped=stop.is_set(),
    )
    found = conclude(demo, figures)
    return _not_begun(is_stopped=stop.is_set()) if found is None else found


def _end_trades(plan: Plan, admin_url: str) -> None:
    """Let no trade be under way, or be compared, when the tracker stops."""
    ask_simulator(admin_url, "rates", trades_per_second=0)
    if plan.quiet_s > QUIET_S:
        output.put(f"for {plan.quiet_s:.0f} s the tracker still compares the feeds\n")
    threading.Event().wait(plan.quiet_s)


def _failed(demo: DemoDir, processes: Processes, code: int) -> int:
    """Print why the tracker could not go on, and return the exit code."""
    lines = demo_processes.last_errors(demo, processes.log_at)
    if code == EXIT_CONFIG:
        lines += demo.how_to_begin_anew(lines)
    for line in lines:
        output.say(line)
    if code > 0:
        return code
    output.say(f"tracker: the tracker of the demo was ended by signal {-code}")
    return EXIT_INTERNAL


def _not_begun(*, is_stopped: bool) -> int:
    """Print that the tracker had not begun to record, and return the exit code."""
    if is_stopped:
        output.say("tracker: interrupted before anything was recorded")
        return EXIT_INTERRUPTED
    output.say("tracker: the time was over before anything was recorded; let it run for longer")
    return EXIT_INTERNAL


# ------------------------------------------------------------------ while it runs


def _watch(plan: Plan, processes: Processes) -> int:
    """Show the status, cut connections, keep the tracker running; return an exit code."""
    latest: dict[str, Any] = {}
    next_cut = plan.started + FIRST_CUT_S
    admin_url = processes.urls["admin_url"]
    with _screen(plan) as show:
        while not plan.stop.wait(1.0):
            now = time.monotonic()
            if plan.duration_s is not None and now - plan.started >= plan.duration_s:
                break
            if processes.tracker is not None and processes.tracker.poll() is not None:
                fatal = _restart(plan, processes)
                if fatal is not None:
                    return fatal
            with contextlib.suppress(status.Unreachable):
                latest = status.ask(plan.demo.socket)
            if not processes.trading and may_trade(latest, now - plan.started):
                processes.trading = True
                ask_simulator(admin_url, "rates", trades_per_second=TRADES)
            show(latest)
            if now >= next_cut:
                ask_simulator(admin_url, "fault", kind="drop", count=1)
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


def _restart(plan: Plan, processes: Processes) -> int | None:
    """Start a dead tracker again, as systemd would; return a code when that cannot help."""
    code = processes.tracker.returncode if processes.tracker else EXIT_INTERNAL
    processes.deaths.append(code)
    if code in {EXIT_CONFIG, EXIT_IO}:
        return code
    if not plan.stop.wait(RESTART_S):
        processes.tracker = start_tracker(plan.demo, processes, plan.environ)
    return None


@contextlib.contextmanager
def _screen(plan: Plan) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield a function that shows a status: live on a terminal, else a line now and then."""
    console, head = plain_console(), list(head_lines(plan.demo, plan.page_port))
    output.put("".join(f"{line}\n" for line in head))
    if not console.is_terminal:
        yield _line_printer(plan.stop)
        return
    rows = sum(-(-len(line) // console.width) for line in head)
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        yield lambda document: live.update(DemoScreen(document, rows)) if document else None


def head_lines(demo: DemoDir, page_port: int) -> Iterator[str]:
    """Return what stands above the status: how to look at more, and how to end it."""
    yield "simulated Polymarket, real tracker"
    more = ["bin/tracker-status"]
    if demo.has_own_socket:
        yield f"{demo.usual_socket} is that of another tracker; ask this one with"
        yield f"  {shlex.join([*more, '--socket', str(demo.socket)])}"
        more = []
    addresses = ", ".join([*more, f"http://localhost:{page_port}/"])
    yield f"more: {addresses}   stop: Ctrl-C"


def _line_printer(stop: threading.Event) -> Callable[[dict[str, Any]], None]:
    """Return a function that prints a status as one line; it stops the demo if nobody reads it."""
    shown = float("-inf")

    def show(document: dict[str, Any]) -> None:
        nonlocal shown
        now = time.monotonic()
        if document and now - shown >= LINE_EVERY_S:
            shown = now
            if not output.put(f"{status_table.summary(document)}\n"):
                stop.set()
        if not output.is_read():
            stop.set()

    return show
