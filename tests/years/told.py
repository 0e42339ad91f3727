"""Lines for people while a scenario runs, on stderr: the last line of stdout is the outcome."""

import sys


def tell(line: str) -> None:
    """Write a line at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
