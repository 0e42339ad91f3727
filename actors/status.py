"""`tracker-status`: asks the status socket, shows the answer in words, gives an exit code.

0 healthy; 1 degraded, starting or stopping; 2 unreachable; 78 a wrong option.
The socket is all it needs: no database, no configuration file. `--schema` prints
docs/status.schema.json.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from actors.board import render, summary
from actors.config import socket_candidates
from actors.edge import status_question
from actors.errors import EXIT_CONFIG, ConfigError, PayloadRefused, Retryable, SourceUnavailable
from actors.logic.headline import clean
from actors.schema import schema

__all__ = ["Document", "Unreachable", "ask", "main", "render", "summary"]

EXIT_HEALTHY, EXIT_UNHEALTHY, EXIT_UNREACHABLE = 0, 1, 2
LIMIT_S = 1.5
"""Seconds for all questions together: with the start of the program it is less than two."""

Document = dict[str, Any]


class Unreachable(Retryable):
    """No tracker answers."""


def ask(path: Path, timeout_s: float = LIMIT_S) -> Document:
    """Give the health document of the tracker at this socket.

    Raises:
        Unreachable: Nobody answers, or the answer is none. The text says why.
    """
    try:
        found = msgspec.json.decode(status_question.ask(path, timeout_s))
    except SourceUnavailable as exc:
        raise Unreachable(f"{path}: {exc}") from exc
    except msgspec.DecodeError as exc:
        raise Unreachable(f"{path}: the answer is no status document") from exc
    if not isinstance(found, dict) or "state" not in found:
        why = found.get("error") if isinstance(found, dict) else None
        raise Unreachable(f"{path}: {why or 'the answer is no status document'}")
    return found


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Do what the command line asks; give the exit code.

    Args:
        argv: Without the program's name; None: the process's own.
        environ: Where the socket's place is looked up.
        wait: Lets seconds pass between two looks.
    """
    try:
        options = _parser().parse_args(argv)
        if options.schema:
            sys.stdout.write(schema())
            return EXIT_HEALTHY
        places = (options.socket,) if options.socket else socket_candidates(environ)
    except ConfigError as exc:
        sys.stderr.write(f"tracker-status: {exc}\n")
        return EXIT_CONFIG
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    try:
        return _watch(options, places, wait) if options.watch else _once(options, places)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; nothing may be flushed into it at exit.
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
        epilog="Exit code: 0 healthy, 1 degraded, starting or stopping, 2 unreachable.",
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


def _first_answer(places: Sequence[Path]) -> Document:
    """Give the document of the first place where a tracker answers, all within the limit."""
    deadline = time.monotonic() + LIMIT_S
    said: list[str] = []
    for place in places:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            said.append(f"{place}: not asked, the time was over")
            continue
        try:
            return ask(place, left_s)
        except Unreachable as exc:
            said.append(str(exc))
    raise Unreachable(
        f"no tracker answers ({'; '.join(said)}). Is it running? Name its socket with --socket"
        " or TRACKER_STATUS_SOCKET; to read it one must be root, its user or in its group."
    )


def _once(options: argparse.Namespace, places: Sequence[Path]) -> int:
    try:
        document = _first_answer(places)
        shown = _shown(options, document)
    except (Unreachable, PayloadRefused, ConfigError) as exc:
        sys.stderr.write(f"tracker-status: {clean(str(exc))}\n")
        return EXIT_CONFIG if isinstance(exc, ConfigError) else EXIT_UNREACHABLE
    if isinstance(shown, str):
        sys.stdout.write(f"{shown}\n")
    else:
        Console(highlight=False).print(shown)
    sys.stdout.flush()
    return EXIT_HEALTHY if document["state"] == "healthy" else EXIT_UNHEALTHY


def _watch(
    options: argparse.Namespace, places: Sequence[Path], wait: Callable[[float], None]
) -> int:
    """Show the state again and again; the exit code is that of the last look."""
    console = Console(highlight=False)
    code = EXIT_UNREACHABLE
    if options.json or options.field is not None or not console.is_terminal:
        try:
            while True:
                code = _once(options, places)
                wait(options.watch)
        except KeyboardInterrupt:
            return code
    with Live(console=console, auto_refresh=False, screen=True) as live:
        try:
            while True:
                try:
                    document = _first_answer(places)
                    code = int(document["state"] != "healthy")
                    live.update(render(document), refresh=True)
                except (Unreachable, PayloadRefused) as exc:
                    code = EXIT_UNREACHABLE
                    live.update(Text(clean(str(exc)), style="bold red"), refresh=True)
                wait(options.watch)
        except KeyboardInterrupt:
            return code


def _shown(options: argparse.Namespace, document: Document) -> str | RenderableType:
    if options.json:
        return json.dumps(document)
    return render(document) if options.field is None else _field(document, options.field)


def _field(document: Document, path: str) -> str:
    """Give one value; a list is entered by number or by the `id` of an entry.

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
    return clean(found) if isinstance(found, str) else json.dumps(found)
