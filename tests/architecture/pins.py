"""`make pins`: say which pinned packages are behind their newest version, and what holds them.

The index of packages is asked by pip. A pin is behind because `setup.cfg` wants no newer one,
because another package does, or because nobody has renewed the lock files since.
"""

import configparser
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = "setup.cfg"
RENEW = "nothing holds it: `make lock` renews it"

Wishes = Mapping[str, tuple[tuple[str, Requirement], ...]]
"""Package → (who wants it, and which versions of it)."""


def pinned(lock: str) -> dict[str, str]:
    """Return the version of each package in a lock file."""
    lines = (line.split(";")[0].split("\\")[0].strip() for line in lock.splitlines())
    pins = (line.partition("==") for line in lines if "==" in line and not line.startswith("-"))
    return {canonicalize_name(name): version for name, _, version in pins}


def wishes(requirements: Iterable[tuple[str, str]]) -> Wishes:
    """Return who wants what, of (who, line of a requirement)."""
    found: dict[str, tuple[tuple[str, Requirement], ...]] = {}
    for who, line in requirements:
        wanted = Requirement(line)
        # Of another system, or of an extra that nobody has asked for.
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            name = canonicalize_name(wanted.name)
            found[name] = (*found.get(name, ()), (who, wanted))
    return found


def behind(pins: Mapping[str, str], newest: Mapping[str, str], wanted: Wishes) -> Iterator[str]:
    """Yield a line for each pin that is behind: what is pinned, what there is, and why."""
    for name, version in sorted(pins.items()):
        latest = newest.get(name, version)
        if latest == version:
            continue
        holders = [
            f"{who} wants {wish.specifier}"
            for who, wish in wanted.get(name, ())
            if not wish.specifier.contains(latest, prereleases=True)
        ]
        yield f"{name} {version} -> {latest}: {', '.join(holders) or RENEW}"


def _of_setup() -> Iterator[tuple[str, str]]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / OURS)
    texts = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    for text in texts:
        for line in text.split("\n"):
            if line.strip():
                yield OURS, line.strip()


def _of_installed() -> Iterator[tuple[str, str]]:
    for each in metadata.distributions():
        for line in each.requires or ():
            yield f"{each.name} {each.version}", line


def _newest() -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "list", "--outdated", "--format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the index of packages does not answer: {done.stderr.strip()[-300:]}")
    rows = json.loads(done.stdout)
    return {canonicalize_name(row["name"]): row["latest_version"] for row in rows}


def main() -> int:
    """Print the lines, those that a server runs first, and their number."""
    pins = pinned((ROOT / "requirements-dev.lock").read_text())
    on_server = pinned((ROOT / "requirements.lock").read_text())
    lines = list(behind(pins, _newest(), wishes((*_of_setup(), *_of_installed()))))
    served = [line for line in lines if line.split(" ")[0] in on_server]
    for title, some in (
        ("on a server", served),
        ("for development", [line for line in lines if line not in served]),
    ):
        print(f"{title}: {len(some)} behind")  # noqa: T201 - a program for people
        for line in some:
            print(f"  {line}")  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
