"""What a program says when the libraries that it needs are not there. Imports none of them."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from actors.errors import EXIT_CONFIG


def end_without(missing: ImportError, program: str, root: Path) -> NoReturn:
    """End with 78 and one line on standard error: which library is missing, and what to do.

    Args:
        missing: What the import of the program raised.
        program: Its name.
        root: The directory of the project.

    Raises:
        ImportError: `missing` itself: what is missing is a part of the program.
    """
    name = (missing.name or "").partition(".")[0]
    if name in ("", "actors"):
        raise missing
    python = root / ".venv" / "bin" / "python"
    if not (root / ".venv").exists():
        what = f"run `make demo` in {root} once, or `make install`: they set up the libraries"
    elif os.access(python, os.X_OK):
        what = f"remove {root / '.venv'} and run `make demo` in {root}: it sets them up again"
    else:
        what = f"{python} cannot be run by this user: give it access, or run the installed program"
    sys.stderr.write(f"{program}: the library {name} is missing; {what}\n")
    sys.exit(EXIT_CONFIG)
