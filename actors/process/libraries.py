"""What a program says when the libraries that it needs are not there. Imports none of them."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from actors.errors import EXIT_CONFIG
from actors.installed import DISTRIBUTION, how_to_add, project

_PROJECT = project()
_EXTRAS = {
    "aiohttp": "simulator",
    **dict.fromkeys(
        (
            "adbc_driver_manager",
            "adbc_driver_postgresql",
            "matplotlib",
            "numpy",
            "polars",
            "pyarrow",
        ),
        "dataset",
    ),
}


def end_without(missing: ImportError, program: str, root: Path | None = _PROJECT) -> NoReturn:
    """End with 78 and one line on standard error: which library is missing, and what to do.

    Args:
        missing: What the import of the program raised.
        program: Its name.
        root: The directory of the project; None where pip installed it.

    Raises:
        ImportError: `missing` itself: what is missing is a part of the program.
    """
    name = (missing.name or "").partition(".")[0]
    if name in ("", "actors"):
        raise missing
    what = _of_pip(name) if root is None else _of_venv(root, name)
    sys.stderr.write(f"{program}: the library {name} is missing; {what}\n")
    sys.exit(EXIT_CONFIG)


def _of_pip(name: str) -> str:
    extra = _EXTRAS.get(name)
    return how_to_add(extra) if extra else f"install {DISTRIBUTION} again"


def _of_venv(root: Path, name: str) -> str:
    python = root / ".venv" / "bin" / "python"
    if _EXTRAS.get(name) == "dataset" and os.access(python, os.X_OK):
        if not (root / "Makefile").exists():  # laid out by `make install`
            return "install it with the others: `make install DATASET=yes` in the repository"
        return f"run `make dataset` in {root}: it adds the libraries of exports and reports"
    if not (root / ".venv").exists():
        return f"run `make demo` in {root} once, or `make install`: they set up the libraries"
    if os.access(python, os.X_OK):
        return f"remove {root / '.venv'} and run `make demo` in {root}: it sets them up again"
    return f"{python} cannot be run by this user: give it access, or run the installed program"
