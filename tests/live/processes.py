"""Simulator and tracker as processes, with deadlines on every wait."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from actors.cli import status

ROOT = Path(__file__).parents[2]
FIXTURES = Path(os.environ.get("TRACKER_FIXTURES", ROOT.parent / "shared" / "fixtures"))
QUICK = {
    "TRACKER_DISCOVERY_SECONDS": "1",
    "TRACKER_RESOLUTION_SECONDS": "1",
    "TRACKER_RESOLUTION_HOLD_SECONDS": "1",
    "TRACKER_ASSETS_PER_CONNECTION": "40",
}
_clock = threading.Event()


def until(what: str, condition: Callable[[], Any], *, within_s: float = 30.0) -> Any:
    """Check repeatedly until the condition is true and return its value; fail at the deadline."""
    began = time.monotonic()
    while (waited_s := time.monotonic() - began) < within_s:
        found = condition()
        if found:
            return found
        # A status costs the tracker 3 ms: who waits for long need not ask twenty times a second.
        _clock.wait(min(0.2, 0.05 + waited_s / 20))
    raise AssertionError(f"not within {within_s} s: {what}")


def as_url(dsn: str) -> str:
    """Return a database address in the form that the tracker's setting has."""
    return "postgresql://?" + urllib.parse.urlencode(conninfo_to_dict(dsn))


class Process:
    """A child process of the test."""

    def __init__(
        self, name: str, arguments: list[str], env: dict[str, str], log: Path, root: Path = ROOT
    ) -> None:
        self._log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(root / "bin" / name), *arguments],
                env={**_bare_environment(), **env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = 30.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"did not end within {within_s} s") from None
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
        return code

    def log_text(self) -> str:
        return self._log.read_text()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]


def _bare_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")}


class Processes:
    """One simulator, one state directory, one database, any number of trackers in turn."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder = folder
        self.dsn = as_url(dsn)
        self.urls: dict[str, str] = {}
        self.socket = folder / "s"
        self.ledger = folder / "simulator" / "ledger.jsonl"
        self._processes: list[Process] = []

    def simulator(self, *arguments: str) -> Process:
        process = Process(
            "tracker-simulator",
            ["--dir", str(self.folder / "simulator"), "--die-with-parent", *arguments],
            {},
            self.folder / "simulator.log",
        )
        self._processes.append(process)
        self.urls = json.loads(process.line())
        return process

    def admin(self, what: str, **said: object) -> None:
        """Send a request to the admin interface of the simulator."""
        request = urllib.request.Request(  # noqa: S310 - the simulator's own loopback address
            f"{self.urls['admin_url']}/{what}", data=json.dumps(said).encode()
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            assert answer.status == 200

    def tracker(self, **settings: str) -> Process:
        return self.tracker_of(ROOT, **settings)

    def tracker_of(self, root: Path, **settings: str) -> Process:
        """Start a tracker with these settings, of the version that lies in `root`."""
        process = Process(
            "tracker", [], {**self.settings(), **settings}, self.folder / "tracker.log", root
        )
        self._processes.append(process)
        return process

    def own(self, process: Process) -> None:
        """Take a process that was started elsewhere, to end it with the others."""
        self._processes.append(process)

    def settings(self) -> dict[str, str]:
        return {
            **QUICK,
            "TRACKER_DATABASE_URL": self.dsn,
            "TRACKER_STATE_DIR": str(self.folder / "state"),
            "TRACKER_STATUS_SOCKET": str(self.socket),
            "TRACKER_MARKET_WS_URL": self.urls["ws_url"],
            "TRACKER_GAMMA_URL": self.urls["gamma_url"],
            "TRACKER_CLOB_URL": self.urls["clob_url"],
            "TRACKER_DATA_URL": self.urls["data_url"],
            "TRACKER_RTDS_URL": self.urls["rtds_url"],
            "TRACKER_POLYGON_RPC_URLS": self.urls["rpc_url"],
        }

    def status(self) -> dict[str, Any]:
        """Return the status document, or an empty one while the tracker does not answer."""
        with contextlib.suppress(status.Unreachable):
            return status.ask(self.socket)
        return {}

    def until_status(
        self, what: str, condition: Callable[[dict[str, Any]], Any], *, within_s: float = 30.0
    ) -> dict[str, Any]:
        def asked() -> dict[str, Any]:
            document = self.status()
            for last in self._processes[-1:]:
                if last.process.poll() not in (None, -signal.SIGKILL):
                    code = last.process.returncode
                    raise AssertionError(f"ended with {code}: {last.log_text()[-500:]}")
            return document if document and condition(document) else {}

        found: dict[str, Any] = until(what, asked, within_s=within_s)
        return found

    def clear(self) -> None:
        for process in reversed(self._processes):
            if process.process.poll() is None:
                process.process.kill()
                process.process.wait()
            if process.process.stdout is not None:
                process.process.stdout.close()


@contextlib.contextmanager
def processes_in(folder: Path, dsn: str) -> Iterator[Processes]:
    """Yield processes that have this folder; end them at the end."""
    found = Processes(folder, dsn)
    try:
        yield found
    finally:
        found.clear()
