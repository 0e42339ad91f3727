"""Simulator and tracker as processes: how a demo starts and ends them."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.errors import EXIT_INTERNAL, Internal

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
        "--prints-per-second",
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
