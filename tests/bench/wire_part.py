"""Wire: frames a reader takes in one second of its processor time.

A server sends the same 20,000 frames repeatedly through one loopback socket,
as fast as the reader takes them. Measured is the processor time of the reader's
process, from its subscription to the last trade.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

import trustme

from tests.bench.comparison import Figure, Findings, Run, alternate
from tests.bench.rivals_venv import HERE, PYTHON, SOURCES, InstalledRivals
from tests.bench.traffic import Traffic

FRAMES = 20_000
RIVALS = {
    "picows": ("read_picows.py", "picows", 25, ()),
    "picows on uvloop": ("read_picows.py", "picows", 25, ("--uvloop",)),
    "websockets": ("read_websockets.py", "websockets", 3, ()),
    "websockets, threads": ("read_websockets_threads.py", "websockets", 3, ()),
    "websocket-client": ("read_websocket_client.py", "websocket-client", 1, ()),
    "polymarket-client": ("read_official.py", "polymarket-client", 1, ()),
    "polyws": ("read_polyws.py", "polyws", 1, ()),
    "polypulse": ("read_polypulse.py", "polypulse", 1, ()),
}
"""Name → script, package, how often the frames are sent, more arguments."""


class WireRuns:
    """The frames on disk, and how a reader runs over them."""

    def __init__(self, folder: Path) -> None:
        traffic = Traffic(seed=5)
        self._mix, self._last = folder / "mix", folder / "last"
        self._mix.write_bytes(b"".join(traffic.mix(FRAMES)))
        self._last.write_bytes(traffic.last())
        self._tokens = ",".join(traffic.tokens)
        self._ca, self._pem = folder / "ca.pem", folder / "server.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self._ca)
        server = authority.issue_cert("127.0.0.1")
        server.private_key_and_cert_chain_pem.write_to_path(self._pem)

    @property
    def frame_bytes(self) -> float:
        """Return the mean length of a frame."""
        return self._mix.stat().st_size / FRAMES

    def run(
        self, python: Path, script: str, times: int, more: Sequence[str] = (), *, tls: bool = False
    ) -> float:
        """Return frames a second of the reader's processor time."""
        source = subprocess.Popen(
            [
                sys.executable,
                str(HERE / "source.py"),
                *map(str, (self._mix, self._last, "--times", times)),
                *(("--pem", str(self._pem)) if tls else ()),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert source.stdout is not None
            port = source.stdout.readline().strip()
            url = f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/ws/market"
            ca = ("--ca", str(self._ca)) if tls else ()
            said = subprocess.run(
                [str(python), str(HERE / script), url, "--tokens", self._tokens, *ca, *more],
                env={**os.environ, "PYTHONPATH": SOURCES},
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
        finally:
            source.kill()
            source.wait()
        cost = json.loads(said.stdout)
        return FRAMES * times / float(cost["cpu_s"])


def measure(rivals: InstalledRivals, folder: Path, turns: int) -> Findings:
    """Run all in turns; with TLS only the fastest."""
    wire = WireRuns(folder)
    findings = Findings()
    ours = Path(sys.executable), "read_ours.py"
    runs: dict[str, Run] = {"tracker": partial(wire.run, *ours, 40)}
    ciphered: dict[str, Run] = {"tracker": partial(wire.run, *ours, 25, tls=True)}
    for name, (script, package, times, more) in RIVALS.items():
        if not rivals.has(package):
            findings.absent.append(f"{name}: not installed")
            continue
        theirs = PYTHON, f"rivals/{script}"
        runs[name] = partial(wire.run, *theirs, times, more)
        if package == "picows":
            ciphered[name] = partial(wire.run, *theirs, 15, more, tls=True)
    plain, tls = alternate(runs, turns), alternate(ciphered, turns)
    findings.tables.append(_table(f"Wire, {wire.frame_bytes:.0f} bytes a frame", plain))
    findings.tables.append(_table("Wire with TLS", tls))
    for name, rival, found, wanted in (
        ("wire_picows", "picows", plain, ">= 2"),
        ("wire_websockets", "websockets", plain, ">= 10"),
        ("wire_official", "polymarket-client", plain, ">= 40"),
        ("wire_tls_picows", "picows", tls, ">= 1.5"),
    ):
        best = _best(rival, found)
        if best:
            findings.figures.append(
                Figure(name, "frames/CPU-second", found["tracker"], found[best], wanted, best)
            )
    return findings


def _best(rival: str, found: dict[str, list[float]]) -> str:
    # picows runs on two event loops: the better one counts.
    names = [name for name in found if name.split(" on ")[0] == rival]
    return max(names, key=lambda name: median(found[name]), default="")


def _table(
    title: str, found: dict[str, list[float]]
) -> tuple[str, Sequence[str], list[Sequence[object]]]:
    ours = median(found["tracker"])
    rows: list[Sequence[object]] = [
        (name, median(values), min(values), max(values), ours / median(values))
        for name, values in found.items()
    ]
    return title, ("frames/CPU-second", "median", "least", "most", "tracker by it"), rows
