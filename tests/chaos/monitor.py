"""A real Prometheus beside one tracker, with the shipped rules and a clock that runs faster."""

import json
import random
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.live.processes import ROOT, until

RULES = ROOT / "systemd" / "prometheus-alerts.yml"
FASTER = 30
"""A minute of the rules is two seconds here."""

SECONDS = {"s": 1, "m": 60, "h": 3600}
_SPAN = re.compile(r"(?<=for: )(\d+)([smh])\b|(?<=\[)(\d+)([smh])(?=\])")
_AGES = "uptime|trades_absent|journal_oldest|source_failing|catalog_failing|database_lag"
_AGE = re.compile(rf"(tracker_(?:{_AGES})_seconds > )(\d+)")
_AHEAD = re.compile(r"\b4 \* 3600\b")
_MANY = re.compile(r"(tracker_assets_wanted >= )1000\b")


def with_shorter_times(rules: str) -> str:
    """Divide by `FASTER` what is time in rules: `for:`, windows, limits of ages, hours ahead.

    The time that a sync of the disk may take, and counts and bytes, stay as they are; but ten
    tokens are many here, where the simulator has some dozens.
    """

    def shorter(found: re.Match[str]) -> str:
        number, unit = found[1] or found[3], found[2] or found[4]
        return f"{int(number) * SECONDS[unit] * 1000 // FASTER}ms"

    rules = _SPAN.sub(shorter, rules)
    rules = _AGE.sub(lambda found: f"{found[1]}{int(found[2]) // FASTER}", rules)
    rules = _MANY.sub(lambda found: f"{found[1]}10", rules)
    return _AHEAD.sub(f"{4 * 3600 // FASTER}", rules)


def free_port() -> int:
    """Return a free port of the loopback, below those that the kernel assigns by itself.

    It has to stay free until the tracker takes it, and between two trackers.
    """
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


class Monitor:
    """Scrapes and judges once a second; a context manager.

    Args:
        folder: Where it keeps its files; made here.
        target: Port of the tracker's metrics.
    """

    def __init__(self, folder: Path, target: int) -> None:
        self._folder = folder
        self._target = target
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir()
        (self._folder / "rules.yml").write_text(with_shorter_times(RULES.read_text()))
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {
                    "job_name": "tracker",
                    "static_configs": [{"targets": [f"127.0.0.1:{self._target}"]}],
                }
            ],
        }
        (self._folder / "prometheus.yml").write_text(json.dumps(config))
        command = ["prometheus", f"--config.file={self._folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={self._folder / 'data'}", "--log.level=warn"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, f"--web.listen-address=127.0.0.1:{self._port}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        until("Prometheus has scraped", lambda: self.value("tracker_up") == 1.0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def value(self, query: str) -> float | None:
        """Return the present value of a query that has one, or None."""
        rows = self._get(f"query?query={urllib.parse.quote(query)}").get("result")
        return float(rows[0]["value"][1]) if rows else None

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        alerts = self._get("alerts").get("alerts", ())
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    def fired(self, names: Collection[str], *, within_s: float) -> dict[str, float]:
        """Wait until each of these has fired; return after how many seconds."""
        return self._seen(names, within_s, firing=True)

    def resolved(self, names: Collection[str], *, within_s: float) -> dict[str, float]:
        """Wait until each of these has ceased to fire; give after how many seconds."""
        return self._seen(names, within_s, firing=False)

    def _seen(self, names: Collection[str], within_s: float, *, firing: bool) -> dict[str, float]:
        began = time.monotonic()
        found: dict[str, float] = {}

        def all_seen() -> bool:
            now = self.firing()
            for name in set(names) - found.keys():
                if (name in now) is firing:
                    found[name] = time.monotonic() - began
            return len(found) == len(set(names))

        try:
            until("", all_seen, within_s=within_s)
        except AssertionError:
            word = "fired" if firing else "ceased"
            left = ", ".join(sorted(set(names) - found.keys()))
            raise AssertionError(f"{left} has not {word} within {within_s:.0f} s") from None
        return found

    def _get(self, what: str) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-500:]
        place = f"http://127.0.0.1:{self._port}/api/v1/{what}"
        try:
            with urllib.request.urlopen(place, timeout=5) as answer:
                data: dict[str, Any] = json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}  # not up yet; whoever asks has a deadline
        return data
