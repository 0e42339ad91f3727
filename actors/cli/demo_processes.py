"""The processes of a demo: the simulator, and the tracker as a user would start it."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.cli.demo_dir import LOG, DemoDir
from actors.config.load import Config
from actors.database.server.processes import end_with_parent
from actors.errors import EXIT_CONFIG, ConfigError, Internal
from actors.installed import program

STOP_S, POLL_S = 60.0, 0.1
OURS = ("TRACKER_", "PG", "CREDENTIALS_DIRECTORY")
"""How the variables begin that a demo keeps from its processes."""
BINARIES = "TRACKER_POSTGRES_BIN"
MOST_ERRORS = 3


@dataclass
class Processes:
    """The processes of one run.

    Attributes:
        urls: Addresses of the simulator, by name (`ws_url`, `gamma_url`, `admin_url`, …).
        deaths: Exit codes of trackers that ended by themselves.
        log_at: Where in its log the tracker began that runs now, in bytes.
        trading: The simulator has been asked for trades.
    """

    simulator: subprocess.Popen[str]
    urls: dict[str, str]
    tracker: subprocess.Popen[bytes] | None = None
    deaths: list[int] = field(default_factory=list)
    log_at: int = 0
    trading: bool = False


def start_simulator(
    demo: DemoDir, number: int, broken: str, stop: threading.Event
) -> Processes | None:
    """Start the simulator and wait until it prints its addresses; None if `stop` comes first.

    Raises:
        ConfigError: It cannot run with these options, or here.
        Internal: It ended otherwise.
    """
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
        env=without_settings(os.environ),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if process.stdout is None:
        raise Internal("the simulator has no output")
    while not (stop.is_set() or select.select([process.stdout], [], [], POLL_S)[0]):
        pass
    if stop.is_set():
        end(process)
        return None
    line = process.stdout.readline()
    if not line:
        code = process.wait()
        if code == EXIT_CONFIG:
            raise ConfigError("the simulator did not start; it says above why")
        raise Internal(f"the simulator ended with exit code {code}")
    return Processes(simulator=process, urls=json.loads(line))


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without settings of a tracker or a database, and without secrets.

    The memory of the simulator is not closed; and what its user wants of the real Polymarket says
    nothing about simulated markets.
    """
    return {name: text for name, text in environ.items() if not name.startswith(OURS)}


def tracker_environment(
    environ: Mapping[str, str],
    config: Config,
    demo: DemoDir,
    urls: Mapping[str, str],
    page_port: int,
) -> dict[str, str]:
    """Return the environment of the tracker: the settings of a demo alone.

    Of its user's it has how much is logged, where the page is, the programs of PostgreSQL, and,
    with a database that was named for the demo, that and the variables of libpq.
    """
    kept = without_settings(environ)
    if environ.get(BINARIES):
        kept[BINARIES] = environ[BINARIES]
    settings = {
        "TRACKER_STATE_DIR": str(demo.tracker),
        "TRACKER_STATUS_SOCKET": str(demo.socket),
        "TRACKER_MARKET_WS_URL": urls["ws_url"],
        "TRACKER_GAMMA_URL": urls["gamma_url"],
        "TRACKER_CLOB_URL": urls["clob_url"],
        "TRACKER_DATA_URL": urls["data_url"],
        "TRACKER_RTDS_URL": urls["rtds_url"],
        "TRACKER_POLYGON_RPC_URLS": urls["rpc_url"],
        "TRACKER_ASSETS_PER_CONNECTION": "60",
        "TRACKER_DISCOVERY_SECONDS": "2",
        "TRACKER_RESOLUTION_SECONDS": "2",
        "TRACKER_RESOLUTION_HOLD_SECONDS": "2",
        "TRACKER_METRICS_PORT": str(page_port),
        "TRACKER_METRICS_ADDRESS": config.metrics_address,
        "TRACKER_LOG_FORMAT": "json",
        "TRACKER_LOG_LEVEL": config.log_level,
    }
    if demo.dsn:
        kept |= {name: text for name, text in environ.items() if name.startswith("PG")}
        settings["TRACKER_DATABASE_URL"] = demo.dsn
    return {**kept, **settings}


def start_tracker(
    demo: DemoDir, processes: Processes, environ: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the tracker as a user would, with this environment; its errors go to its log."""
    log = demo.open(LOG)
    try:
        processes.log_at = os.fstat(log).st_size
        return subprocess.Popen(  # noqa: S603 - our own script, no shell
            [sys.executable, str(program("tracker"))],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one call, no lock taken
        )
    finally:
        os.close(log)


def last_errors(demo: DemoDir, log_at: int) -> list[str]:
    """Return the last error messages for people that stand in the log of the tracker.

    Args:
        demo: Where that is.
        log_at: Where it began to run: what stands before is of another run.
    """
    with os.fdopen(demo.open(LOG), "rb") as log:
        log.seek(log_at)
        lines = log.read().decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.startswith("tracker: ")][-MOST_ERRORS:]


def end(process: subprocess.Popen[Any]) -> int:
    """Ask a process to end, kill it after `STOP_S`, and return its exit code."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def ask_simulator(admin_url: str, path: str, **values: object) -> None:
    """Ask the simulator for a fault or other rates; a simulator that is away is ignored."""
    request = urllib.request.Request(  # noqa: S310 - the simulator's own loopback address
        f"{admin_url}/{path}", data=json.dumps(values).encode()
    )
    # A proxy of the environment does not know our loopback address.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with contextlib.suppress(OSError), direct.open(request, timeout=2):
        pass
