"""The venv of the rivals, made when needed, and kept.

Each rival is installed by itself: one that cannot be installed is named, and the others run.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VENV = ROOT / ".venv-bench"
PYTHON = VENV / "bin" / "python"
SOURCES = str(ROOT)
"""PYTHONPATH of the scripts that run in a process of their own: they import `tests.bench`."""

PACKAGES = (
    "polymarket-client==0.14.0",
    "cryptofeed",
    "websockets",
    "picows",
    "uvloop",
    "websocket-client",
    "polyws",
    "polypulse",
    "asyncpg",
    "msgspec",
    "matplotlib",
    "py-spy",
)
NAMES = tuple(package.partition("==")[0] for package in PACKAGES)
_LIST = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.name: d.version for d in m.distributions()}))"
)


@dataclass
class InstalledRivals:
    """The rivals that are installed.

    Attributes:
        versions: Of what is installed, by name.
        absent: What could not be installed, and the last line of the output of pip.
    """

    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Return whether a package is installed."""
        return name in self.versions


def install_rivals() -> InstalledRivals:
    """Make the venv if needed and install the missing packages."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    rivals = InstalledRivals(versions=_versions())
    for package in PACKAGES:
        name, _, wanted = package.partition("==")
        there = rivals.versions.get(name)
        if there is not None and wanted in ("", there):
            continue
        said = subprocess.run(
            [
                str(PYTHON),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                package,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode:
            rivals.absent[package] = (said.stderr.strip().splitlines() or ["no message"])[-1]
    rivals.versions = _versions()
    return rivals


def _versions() -> dict[str, str]:
    done = subprocess.run([str(PYTHON), "-c", _LIST], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found
