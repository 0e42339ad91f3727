"""The deciding modules: one list, which stands in setup.cfg.

    python -m tests.architecture.deciding

prints them as a pattern for `coverage report --include`.
"""

import configparser
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRACT = "importlinter:contract:deciding-modules-are-pure"


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


if __name__ == "__main__":
    sys.stdout.write(f"{pattern()}\n")
