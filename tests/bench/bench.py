"""`make bench`: the tracker beside its rivals, as ratios, kept in bench.json."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import (
    coverage_part,
    end_part,
    latency_part,
    profile_part,
    restart_part,
    scale_part,
    storage_part,
    store_part,
    wire_part,
)
from tests.bench.comparison import HEAD, Findings, table
from tests.bench.rivals_venv import HERE, NAMES, PYTHON, ROOT, InstalledRivals, install_rivals
from tests.bench.surroundings import surroundings

Part = Callable[[InstalledRivals, Path, int], Findings]
PARTS: dict[str, Part] = {
    "wire": wire_part.measure,
    "store": store_part.measure,
    "end_to_end": end_part.measure,
    "latency": latency_part.measure,
    "storage": storage_part.measure,
    "coverage": coverage_part.measure,
    "scale": scale_part.measure,
    "restart": restart_part.measure,
    "profile": profile_part.measure,
}


def main() -> int:
    """Run the chosen parts; one that fails raises."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="parts, with commas between them")
    parser.add_argument("--turns", type=int, default=5, help="how often each runs")
    parser.add_argument("--out", type=Path, default=ROOT / "bench.json")
    parser.add_argument("--plot", type=Path, help="where to draw what was found, an SVG")
    asked = parser.parse_args()
    names = asked.only.split(",") if asked.only else [name for name in PARTS if name != "profile"]
    unknown = set(names) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    rivals = install_rivals()
    _say(*(f"{name:20} {value}" for name, value in surroundings().items()))
    _say(*(f"{name:20} {rivals.versions[name]}" for name in NAMES if rivals.has(name)))
    _say(*(f"NOT INSTALLED {name}: {why}" for name, why in rivals.absent.items()))
    found = [_run(name, rivals, asked.turns) for name in names]
    _keep(asked.out, [figure.as_json() for each in found for figure in each.figures])
    if asked.plot:
        _plot(asked.plot, found)
    return 0


def _run(name: str, rivals: InstalledRivals, turns: int) -> Findings:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tracker-bench-") as folder:
        findings = PARTS[name](rivals, Path(folder), turns)
    _say("", *(table(*each) + "\n" for each in findings.tables))
    _say(*(f"ABSENT {each}" for each in findings.absent))
    if findings.figures:
        _say(HEAD, *(figure.line() for figure in findings.figures))
    _say(f"({name} took {time.monotonic() - began:.0f} s)")
    return findings


def _plot(path: Path, found: list[Findings]) -> None:
    """Draw what this run found, with the plotter of the rivals' venv."""
    drawn = {
        "figures": [
            {**figure.as_json(), "wanted": figure.wanted}
            for each in found
            for figure in each.figures
        ],
        "growth": [row for each in found for row in each.growth],
    }
    command = [str(PYTHON), str(HERE / "rivals" / "plot.py"), str(path)]
    subprocess.run(command, input=json.dumps(drawn), text=True, check=True)


def _keep(path: Path, figures: list[dict[str, Any]]) -> None:
    """Write the figures; those of parts that did not run stay."""
    kept = json.loads(path.read_text()) if path.exists() else []
    fresh = {figure["name"] for figure in figures}
    figures = [*(figure for figure in kept if figure["name"] not in fresh), *figures]
    path.write_text(json.dumps(figures, indent=1) + "\n")


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
