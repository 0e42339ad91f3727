"""`tracker-status`: asks the status socket, prints the answer and returns an exit code.

0 healthy or attention; 1 degraded, starting or stopping; 2 unreachable; 78 a wrong option.
The socket is all it needs: no database, no configuration file. `--schema` prints
docs/reference/status.schema.json. It answers or gives up within two seconds, so it imports
only what the command line needs: settings, tables and types take long to import.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from actors.config import paths
from actors.errors import EXIT_CONFIG, ConfigError, PayloadRejected, Retryable, SourceUnavailable
from actors.health import status_socket
from actors.model.conversion import terminal_safe
from actors.process import runtime

__all__ = ["Document", "Unreachable", "ask", "command", "main"]

EXIT_HEALTHY, EXIT_UNHEALTHY, EXIT_UNREACHABLE = 0, 1, 2
LIMIT_S = 1.5
"""Seconds for all sockets together, when the program started at once."""
WHOLE_S = 1.8
"""Seconds since the process started after which it gives up; the rest of two s is for its end."""
LEAST_S = 0.2
"""Seconds that a question always has, however slow the start was; a healthy tracker needs less."""

WELL = ("healthy", "attention")
"""States in which nothing is at risk."""

Document = dict[str, Any]


class Display(Protocol):
    """What draws the document: `status_table.Display`."""

    @property
    def is_terminal(self) -> bool: ...
    def show(self, document: Document) -> None: ...
    def watch(
        self, look: Callable[[Callable[[Document], None]], str], wait: Callable[[], None]
    ) -> None: ...


class Unreachable(Retryable):
    """No tracker answers."""


def ask(path: Path, timeout_s: float = LIMIT_S) -> Document:
    """Return the health document of the tracker at this socket.

    Raises:
        Unreachable: Nobody answers, or the answer is not a status document; the text says which.
    """
    try:
        found = json.loads(status_socket.ask(path, timeout_s))
    except SourceUnavailable as exc:
        raise Unreachable(f"{path}: {exc}") from exc
    except (ValueError, RecursionError) as exc:
        raise Unreachable(f"{path}: the answer is not a status document") from exc
    if not isinstance(found, dict) or "state" not in found:
        why = found.get("error") if isinstance(found, dict) else None
        raise Unreachable(f"{path}: {why or 'the answer is not a status document'}")
    return found


def command() -> int:
    """Run `main` for the program: the longer the process took to start, the less time is left."""
    return main(age_s=runtime.age_s)


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    wait: Callable[[float], None] = time.sleep,
    age_s: Callable[[], float] = lambda: 0.0,
) -> int:
    """Do what the command line names and return the exit code.

    Args:
        argv: Arguments without the program's name; None for those of the process.
        environ: Environment variables that may name the socket.
        wait: Waits for so many seconds between two looks.
        age_s: Returns the seconds since the process started.
    """
    try:
        options = _parser().parse_args(argv)
        if options.schema:
            return _schema()
        sockets = (options.socket,) if options.socket else _sockets(environ)
    except ConfigError as exc:
        sys.stderr.write(f"tracker-status: {exc}\n")
        return EXIT_CONFIG
    if hasattr(sys.stdout, "reconfigure"):
        # A terminal without a character of the text must not end the program with a traceback.
        sys.stdout.reconfigure(errors="replace")
    try:
        if options.watch:
            return _watch(options, sockets, wait)
        plain = options.json or options.field is not None
        display = None if plain else _display()
        limit_s = max(LEAST_S, min(LIMIT_S, WHOLE_S - age_s()))
        return _once(options, sockets, display, limit_s)
    except BrokenPipeError:
        # The reader (`| head`) has ended; a flush at exit would fail with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNHEALTHY


# ---------------------------------------------------------------------- asking


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see tracker-status --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tracker-status",
        description="Ask the running tracker how it is.",
        epilog="Exit code: 0 healthy or attention, 1 degraded, starting or stopping,"
        " 2 unreachable.",
        allow_abbrev=False,
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the document verbatim")
    form.add_argument("--field", metavar="A.B.C", help="print one value, such as trades.total")
    form.add_argument("--schema", action="store_true", help="print the document's JSON Schema")
    parser.add_argument(
        "--watch", metavar="SECONDS", nargs="?", const=2.0, type=_seconds,
        help="ask again and again (every 2 s) until Ctrl-C",
    )  # fmt: skip
    parser.add_argument(
        "--socket", metavar="PATH", type=Path,
        help="where to ask (default: TRACKER_STATUS_SOCKET, else tracker.sock in"
        " TRACKER_STATE_DIR, /run/tracker or the user's state directory)",
    )  # fmt: skip
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 86_400:
        raise ValueError
    return seconds


def _sockets(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the sockets to ask; loads all settings (0.3 s) only when one may name the socket.

    Raises:
        ConfigError: A setting is wrong.
    """
    named = environ.get("TRACKER_STATUS_SOCKET", "")
    if named.startswith("/"):
        return (Path(named),)
    if not {"TRACKER_STATUS_SOCKET", "TRACKER_STATE_DIR", "TRACKER_CONFIG"} & environ.keys():
        return paths.usual_sockets(environ)
    from actors.config.load import socket_candidates  # noqa: PLC0415 - slow to import, seldom needed

    return socket_candidates(environ)


def _first_answer(sockets: Sequence[Path], limit_s: float = LIMIT_S) -> Document:
    """Return the document of the first socket on which a tracker answers, within the limit."""
    deadline = time.monotonic() + limit_s
    failures: list[str] = []
    for place in sockets:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            failures.append(f"{place}: not asked, no time was left")
            continue
        try:
            return ask(place, left_s)
        except Unreachable as exc:
            failures.append(str(exc))
    raise Unreachable(
        f"no tracker answers ({'; '.join(failures)}). Is it running? Name its socket with --socket"
        " or TRACKER_STATUS_SOCKET; to read it one must be root, its user or in its group."
    )


def _once(
    options: argparse.Namespace, sockets: Sequence[Path], display: Display | None, limit_s: float
) -> int:
    """Ask once and show the document; without a display print one value or the whole as text."""
    try:
        document = _first_answer(sockets, limit_s)
        if display is not None:
            display.show(document)
        else:
            text = json.dumps(document) if options.json else _field(document, options.field)
            sys.stdout.write(f"{text}\n")
    except (Unreachable, PayloadRejected, ConfigError) as exc:
        sys.stderr.write(f"tracker-status: {terminal_safe(str(exc))}\n")
        return EXIT_CONFIG if isinstance(exc, ConfigError) else EXIT_UNREACHABLE
    sys.stdout.flush()
    return _code(document)


def _watch(
    options: argparse.Namespace, sockets: Sequence[Path], wait: Callable[[float], None]
) -> int:
    """Show the status again and again; return the exit code of the last look."""
    code = EXIT_UNREACHABLE

    def look(show: Callable[[Document], None]) -> str:
        nonlocal code
        try:
            document = _first_answer(sockets)
            code = _code(document)
            show(document)
        except (Unreachable, PayloadRejected) as exc:
            code = EXIT_UNREACHABLE
            return str(exc)
        return ""

    plain = options.json or options.field is not None
    display = _display()
    try:
        if not plain and display.is_terminal:
            display.watch(look, lambda: wait(options.watch))
        while True:
            code = _once(options, sockets, None if plain else display, LIMIT_S)
            wait(options.watch)
    except KeyboardInterrupt:
        return code


def _code(document: Document) -> int:
    return EXIT_HEALTHY if document["state"] in WELL else EXIT_UNHEALTHY


def _display() -> Display:
    from actors.cli import status_table  # noqa: PLC0415 - slow to import, not always needed

    return status_table.Display()


def _schema() -> int:
    from actors.health.schema import schema  # noqa: PLC0415 - slow to import, seldom needed

    sys.stdout.write(schema())
    return EXIT_HEALTHY


def _field(document: Document, path: str) -> str:
    """Return one value as text; a step into a list is a number or the `id` of an entry.

    Raises:
        ConfigError: There is no such value.
    """
    found: Any = document
    for step in path.split("."):
        entries = found
        if isinstance(found, list):
            entries = {str(index): entry for index, entry in enumerate(found)}
            entries |= {e["id"]: e for e in found if isinstance(e, dict) and "id" in e}
        if not isinstance(entries, dict) or step not in entries:
            raise ConfigError(f"the status has no field {path!r}; --json shows all of them")
        found = entries[step]
    return terminal_safe(found) if isinstance(found, str) else json.dumps(found)
