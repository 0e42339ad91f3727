"""The deciding modules: one list, which stands in setup.cfg.

    python -m tests.architecture.deciding

prints them as a pattern for `coverage report --include`.

    python -m tests.architecture.deciding measured

as options of pytest-cov; and

    coverage json -o - | python -m tests.architecture.deciding judge

says how many of their branches are covered, and fails when that is too few.
"""

import configparser
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONTRACT = "importlinter:contract:deciding-modules-are-pure"
FLOOR = 95
"""Percent of the branches of all deciding modules together."""
LOW = 90
"""A module with fewer percent is named."""


def modules() -> tuple[str, ...]:
    """Return the dotted names of the modules and packages that decide."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return tuple(setup[CONTRACT]["source_modules"].split())


def pattern() -> str:
    """Return their files, separated by commas; a package stands for all that is in it."""
    places = (ROOT.joinpath(*name.split(".")) for name in modules())
    return ",".join(
        f"{place.relative_to(ROOT)}/*" if place.is_dir() else f"{place.relative_to(ROOT)}.py"
        for place in places
    )


def files() -> list[str]:
    """Return their files, each by its path in the project."""
    paths = (path for part in pattern().split(",") for path in ROOT.glob(part))
    return sorted(str(path.relative_to(ROOT)) for path in paths if path.suffix == ".py")


def judge(document: dict[str, Any], names: Iterable[str]) -> tuple[str, bool]:
    """Return what a document of `coverage json` says of these files, and whether it is enough."""
    measured = document.get("files", {})
    covered = number = 0
    low, missing = [], []
    for name in names:
        summary = measured.get(name, {}).get("summary", {})
        if "num_branches" not in summary:
            missing.append(name)
            continue
        ours, all_of_it = summary["covered_branches"], summary["num_branches"]
        covered, number = covered + ours, number + all_of_it
        if ours * 100 < all_of_it * LOW:
            low.append(f"{name} {ours} of {all_of_it}")
    if missing or not number:
        without = ", ".join(missing) or "any branch"
        return f"FAILED: coverage has no figures of {without}.", False
    enough = covered * 100 >= number * FLOOR
    share = covered * 1_000 // number / 10  # rounded down: 94.99 is not 95
    said = f"{covered} of {number} branches are covered ({share} %, at least {FLOOR} %)."
    said = f"Deciding modules: {said}" if enough else f"FAILED: deciding modules: only {said}"
    return f"{said} Below {LOW} %: {', '.join(low)}." if low else said, enough


def main() -> int:
    if sys.argv[1:] == ["measured"]:
        sys.stdout.write(" ".join(f"--cov={name}" for name in modules()) + "\n")
        return 0
    if sys.argv[1:] != ["judge"]:
        sys.stdout.write(f"{pattern()}\n")
        return 0
    try:
        document = json.load(sys.stdin)
    except ValueError:
        sys.stderr.write("FAILED: coverage gave no document, so no branches were counted.\n")
        return 1
    said, enough = judge(document, files())
    (sys.stdout if enough else sys.stderr).write(f"{said}\n")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
