"""The command line of `tracker-status`. Light to import, as the program is."""

import argparse
from pathlib import Path
from typing import NoReturn

from actors import __version__
from actors.config.arguments import OnceParser, plain
from actors.errors import ConfigError


class _Parser(OnceParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{plain(message)}; see tracker-status --help")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; it raises ConfigError."""
    made = _Parser(
        prog="tracker-status",
        description="Ask the running tracker how it is.",
        epilog="Exit code: 0 healthy or attention, 1 degraded, starting or stopping,"
        " 2 unreachable. With --wait: 0 it has taken over, 1 not in time, 2 one is unreachable.",
        allow_abbrev=False,
    )
    form = made.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the document verbatim")
    form.add_argument("--field", metavar="A.B.C", help="print one value, such as trades.total")
    form.add_argument("--schema", action="store_true", help="print the document's JSON Schema")
    form.add_argument(
        "--version", action="version", version=f"tracker-status {__version__}",
        help="print the version",
    )  # fmt: skip
    form.add_argument(
        "--wait", metavar=("takes-over-from", "SOCKET"), nargs=2,
        help="wait until this tracker covers every token that the one at SOCKET covers,"
        " so that that one can be stopped without a gap",
    )  # fmt: skip
    made.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, default=600.0,
        help="of --wait (default: 600)",
    )  # fmt: skip
    made.add_argument(
        "--watch", metavar="SECONDS", nargs="?", const=2.0, type=_seconds,
        help="ask again and again (every 2 s) until Ctrl-C",
    )  # fmt: skip
    made.add_argument(
        "--socket", metavar="PATH", type=Path,
        help="where to ask (default: TRACKER_STATUS_SOCKET, else tracker.sock in"
        " TRACKER_STATE_DIR, /run/tracker or the user's state directory)",
    )  # fmt: skip
    return made


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0.1 to 86,400")
    return seconds
