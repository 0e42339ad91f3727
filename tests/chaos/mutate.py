"""Remove the mechanisms behind the promises, one at a time, and show that tests fail.

    python -m tests.chaos.mutate [--security | --reliability] [NAME ...]

Each mutation is made in a copy of the tree in a temporary folder. One line each;
exit code 1 when a mutation survives, no longer fits the source, or cannot be tried on this machine.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.mutations import reliability, security
from tests.chaos.mutations.mutation import Mutation

ROOT = Path(__file__).parents[2]
TREE = (
    "actors", "bin", "docs", "sql", "systemd", "tests", "setup.cfg", "pyproject.toml", "Makefile",
    "requirements.lock", "requirements-dev.lock", "requirements-dataset.lock", "LICENSE",
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile",
)  # fmt: skip
GREEN = 0


def main(arguments: Sequence[str]) -> int:
    """Try the named mutations, or all; return the exit code."""
    chosen = _chosen(arguments)
    with tempfile.TemporaryDirectory(prefix="tracker-mutate-") as home:
        Path(home).chmod(0o755)
        tree = _copied(Path(home))
        tests = sorted({test for each in chosen for test in each.tests})
        code, said = _tested(tree, tests)
        _say(f"{'unchanged':<40} {'green: ' if code == GREEN else 'RED: '}{said}")
        survived = code != GREEN
        for each in chosen:
            survived = not _dies(tree, each) or survived
    return 1 if survived else 0


def _chosen(arguments: Sequence[str]) -> list[Mutation]:
    parser = argparse.ArgumentParser(prog="tests.chaos.mutate")
    parser.add_argument("--security", action="store_const", dest="of", const=security.MUTATIONS)
    parser.add_argument(
        "--reliability", action="store_const", dest="of", const=reliability.MUTATIONS
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args(arguments)
    mutations = given.of or (*reliability.MUTATIONS, *security.MUTATIONS)
    chosen = [each for each in mutations if not given.names or each.name in given.names]
    if not chosen:
        parser.error("there is no mutation of this name")
    return chosen


def _copied(home: Path) -> Path:
    tree = home / "tree"
    tree.mkdir(mode=0o755)
    leave = shutil.ignore_patterns("__pycache__")
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=leave)
        else:
            shutil.copy(source, tree / name)
    return tree


def _dies(tree: Path, mutation: Mutation) -> bool:
    """Make one mutation, run its tests, undo it."""
    place = tree / mutation.file
    whole = place.read_text()
    if whole.count(mutation.old) != 1:
        _say(f"{mutation.name:<40} DOES NOT FIT {mutation.file} any more")
        return False
    place.write_text(whole.replace(mutation.old, mutation.new))
    try:
        results = [(test, *_tested(tree, [test], "-x")) for test in mutation.tests]
    finally:
        place.write_text(whole)
    # Not an error before the test began: then the mutation is no program any more.
    red = [test for test, _, said in results if re.search(r"\b\d+ failed", said)]
    left = [f"{test}: {said}" for test, _, said in results if test not in red]
    _say(f"{mutation.name:<40} {_outcome(red, left)}")
    # A line of the page of security names each of its tests for what it proves.
    return bool(red) and not (mutation.promise and left)


def _outcome(red: Sequence[str], left: Sequence[str]) -> str:
    if red:
        return "; ".join(
            (f"red, as it must be: {', '.join(red)}", *(f"but {each}" for each in left))
        )
    ran = any(re.search(r"\b\d+ (passed|error)", each) for each in left)
    return f"{'SURVIVED' if ran else 'NOT TRIED, skipped here'}: {'; '.join(left)}"


def _tested(tree: Path, tests: Sequence[str], *options: str) -> tuple[int, str]:
    """Return the exit code of the tests, and in words which of them failed and how many ran."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=no", *options]
    # Whatever its marks are: nothing is deselected.
    command += ["-p", "no:cacheprovider", "-m", "", *tests]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    failed = [line.split(" - ")[0] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return done.returncode, "; ".join((*failed, *lines[-1:])) or done.stderr[-200:]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
