"""`tracker-status`: asks the status socket, prints the answer and returns an exit code.

0 healthy or attention; 1 degraded, starting or stopping; 2 unreachable; 74 no space for the output;
78 a wrong option; 130 Ctrl-C.
`--wait takes-over-from SOCKET`: 0 that tracker may be stopped; 1 not in time; 2 one is unreachable.
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
from typing import Any, Protocol

from actors.cli import status_options
from actors.config import paths
from actors.errors import (
    EXIT_CONFIG,
    EXIT_INTERRUPTED,
    EXIT_IO,
    ConfigError,
    PayloadRejected,
    Retryable,
    SourceUnavailable,
    reason_of,
)
from actors.health import status_socket, takeover
from actors.model.conversion import terminal_safe
from actors.process import output, runtime

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
    """What draws the document: `display.Display`."""

    @property
    def is_terminal(self) -> bool: ...
    def show(self, document: Document) -> None: ...
    def watch(
        self, look: Callable[[Callable[[Document], None]], str], wait: Callable[[], None]
    ) -> None: ...


class Unreachable(Retryable):
    """No tracker answers, or not with a status document.

    Attributes:
        is_there: Somebody listens there.
    """

    def __init__(self, text: str, *, is_there: bool = False) -> None:
        super().__init__(text)
        self.is_there = is_there


def ask(path: Path, timeout_s: float = LIMIT_S) -> Document:
    """Return the health document of the tracker at this socket.

    Raises:
        Unreachable: Nobody answers, or the answer is not a status document; the text says which.
    """
    try:
        found = json.loads(status_socket.ask(path, timeout_s))
    except SourceUnavailable as exc:
        is_there = isinstance(exc.__cause__, TimeoutError)
        raise Unreachable(f"{path}: {exc}", is_there=is_there) from exc
    except (ValueError, RecursionError) as exc:
        raise Unreachable(f"{path}: the answer is not a status document") from exc
    if not isinstance(found, dict) or "state" not in found:
        why = found.get("error") if isinstance(found, dict) else None
        text = f"{path}: {why or 'the answer is not a status document'}"
        raise Unreachable(text, is_there=why is not None)
    return found


def command() -> int:
    """Run `main` for the program: the longer the process took to start, the less time is left."""
    return main(age_s=runtime.age_s)


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    wait: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    age_s: Callable[[], float] = lambda: 0.0,
) -> int:
    """Do what the command line names and return the exit code.

    Args:
        argv: Arguments without the program's name; None for those of the process.
        environ: Environment variables that may name the socket.
        wait: Waits for so many seconds between two looks.
        monotonic: Returns the time for `--timeout`.
        age_s: Returns the seconds since the process started.
    """
    if hasattr(sys.stdout, "reconfigure"):
        # A terminal without a character of the text must not end the program with a traceback.
        sys.stdout.reconfigure(errors="replace")
    try:
        options = status_options.parser().parse_args(argv)
        return _answer(options, environ, wait, monotonic, age_s)
    except ConfigError as exc:
        for line in exc.lines:
            _say(f"tracker-status: {line}")
        return EXIT_CONFIG
    except BrokenPipeError:  # the reader (`| head`) has ended
        return EXIT_UNHEALTHY
    except OSError as exc:
        output.discard(sys.stdout)
        _say(f"tracker-status: standard output: {reason_of(exc)}")
        return EXIT_IO
    except KeyboardInterrupt:
        _say("tracker-status: interrupted")
        return EXIT_INTERRUPTED


def _answer(
    options: argparse.Namespace,
    environ: Mapping[str, str],
    wait: Callable[[float], None],
    monotonic: Callable[[], float],
    age_s: Callable[[], float],
) -> int:
    """Do what the options name and return the exit code.

    Raises:
        ConfigError: A setting, or an option, is wrong.
        OSError: Standard output has no space, or no reader.
    """
    if options.schema:
        return _schema()
    sockets = (options.socket,) if options.socket else _sockets(environ)
    if options.wait or options.watch:
        follow = _wait if options.wait else _watch
        return follow(options, sockets, wait, monotonic)
    plain = options.json or options.field is not None
    limit_s = max(LEAST_S, min(LIMIT_S, WHOLE_S - age_s()))
    return _once(options, sockets, None if plain else _display(), limit_s)


# ---------------------------------------------------------------------- asking


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
    is_there = False
    for place in sockets:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            failures.append(f"{place}: not asked, no time was left")
            continue
        try:
            return ask(place, left_s)
        except Unreachable as exc:
            failures.append(str(exc))
            is_there = is_there or exc.is_there
    if is_there:
        raise Unreachable(
            f"a tracker is there and gives no status ({'; '.join(failures)}): it is busy, or lacks"
            " processor time or file descriptors; ask again, then look into its log"
        )
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
            _tell(text)
    except (Unreachable, PayloadRejected, ConfigError) as exc:
        _say(f"tracker-status: {exc}")
        return EXIT_CONFIG if isinstance(exc, ConfigError) else EXIT_UNREACHABLE
    return _code(document)


def _watch(
    options: argparse.Namespace,
    sockets: Sequence[Path],
    wait: Callable[[float], None],
    _: Callable[[], float],
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
        while output.is_read():
            code = _once(options, sockets, None if plain else display, LIMIT_S)
            wait(options.watch)
    except KeyboardInterrupt:
        pass
    return code


# ------------------------------------------------------------ a restart without a gap

TAKES_OVER = "takes-over-from"
COVERAGE_S = 10.0
"""Seconds for one answer about the coverage."""
UNREACHABLE_S = 15.0
"""For so long nobody may answer at a socket: a tracker that is started again needs some seconds."""
LEAST_PAUSE_S, SHARE = 1.0, 0.05
"""Least pause between two looks, and the largest share of time that the answers take."""
FIRST_TELL_S = 5.0


def _wait(
    options: argparse.Namespace,
    sockets: Sequence[Path],
    wait: Callable[[float], None],
    monotonic: Callable[[], float],
) -> int:
    """Wait until the tracker at `sockets` has taken over from another; return the exit code."""
    what, other = options.wait[0], Path(options.wait[1])
    if what != TAKES_OVER:
        _say(f"tracker-status: --wait knows {TAKES_OVER} SOCKET alone")
        return EXIT_CONFIG
    try:
        return _follow(other, sockets, options.timeout, wait, monotonic)
    except (ConfigError, Unreachable) as exc:
        _say(f"tracker-status: {exc}")
        return EXIT_CONFIG if isinstance(exc, ConfigError) else EXIT_UNREACHABLE
    except KeyboardInterrupt:
        return EXIT_UNHEALTHY


def _follow(
    other: Path,
    sockets: Sequence[Path],
    timeout_s: float,
    wait: Callable[[float], None],
    monotonic: Callable[[], float],
) -> int:
    """Look again and again how far the tracker at `sockets` has taken over; say so.

    Raises:
        ConfigError: Both are the same tracker, or write to different databases.
        Unreachable: One is of a version that cannot answer.
    """
    handover = takeover.Takeover()
    began = reached = monotonic()
    tell_s = FIRST_TELL_S
    while True:
        asked, code = monotonic(), EXIT_UNHEALTHY
        try:
            progress = _look(handover, other, sockets)
            if progress.done:
                took_s = monotonic() - began
                _tell(
                    f"taken over after {took_s:.0f} s: each of the {progress.total:,} tokens that"
                    f" {terminal_safe(str(other))} covers is proven here beyond its proof; it can"
                    " be stopped"
                )
                return EXIT_HEALTHY
            trouble, reached = str(progress), monotonic()
        except takeover.OlderVersion as exc:
            raise Unreachable(str(exc)) from exc  # nor will it say it later
        except PayloadRejected as exc:  # somebody answers, and cannot say it now
            trouble, reached = str(exc), monotonic()
        except Unreachable as exc:
            trouble, code = str(exc), EXIT_UNREACHABLE
        now = monotonic()
        if now - began >= timeout_s or now - reached > UNREACHABLE_S:
            _say(f"tracker-status: not taken over after {now - began:.0f} s: {trouble}")
            return code
        if now - began >= tell_s:
            # Twice as late each time: a wait of a day is a dozen lines.
            tell_s = 2 * (now - began)
            _say(f"waiting: {trouble}")
        left_s = began + timeout_s - now
        wait(min(left_s, max(LEAST_PAUSE_S, (now - asked) / SHARE)))


def _look(handover: takeover.Takeover, other: Path, sockets: Sequence[Path]) -> takeover.Progress:
    """Ask both trackers what they cover.

    Raises:
        Unreachable: Nobody answers at one of the sockets.
        PayloadRejected: One of them does not say what it covers, or where it is stored.
        ConfigError: They are the same, or write to different databases, or may not ask to which.
    """
    # The other first: what it has proven is then compared with what is proven here later.
    theirs, ours = _coverage((other,)), _coverage(sockets)
    if theirs.journal == ours.journal:
        raise ConfigError(
            f"{other} is the socket of the same tracker; name the new one's: --socket"
        )
    for which, one in ((str(other), theirs), ("this tracker", ours)):
        if not one.database:
            raise PayloadRejected(f"{which} has not reached its database yet")
        if one.database == takeover.UNKNOWN_DATABASE:
            raise ConfigError(
                f"{which} may not ask its database which one it is, so whether both write to the"
                " same is not known: `grant execute on function pg_postmaster_start_time() to`"
                " its role, and start it again"
            )
    if theirs.database != ours.database:
        raise ConfigError(
            f"{other} writes to another database ({theirs.database}) than this tracker"
            f" ({ours.database}), which therefore cannot take over from it; compare the settings"
            " of both (database.server in tracker-status --json); after a restart of the database"
            " ask again"
        )
    return handover.look(theirs, ours)


def _coverage(sockets: Sequence[Path]) -> takeover.Listing:
    """Return what the first tracker covers that answers at one of these sockets."""
    failures: list[str] = []
    for place in sockets:
        try:
            answer = status_socket.ask(place, COVERAGE_S, request=status_socket.COVERAGE_REQUEST)
        except SourceUnavailable as exc:
            failures.append(f"{place}: {exc}")
            continue
        try:
            return takeover.read(answer)
        except PayloadRejected as exc:
            raise type(exc)(f"{place}: {exc}") from exc
    raise Unreachable(f"no tracker answers ({'; '.join(failures)})")


def _tell(text: str) -> None:
    """Write lines of ours to standard output at once.

    Raises:
        BrokenPipeError: Nobody reads them any more.
    """
    if not output.put(f"{text}\n"):
        raise BrokenPipeError


def _say(text: str) -> None:
    """Write one line, which may repeat what strangers wrote, to standard error."""
    output.say(terminal_safe(text))


def _code(document: Document) -> int:
    return EXIT_HEALTHY if document["state"] in WELL else EXIT_UNHEALTHY


def _display() -> Display:
    from actors.cli import display  # noqa: PLC0415 - slow to import, not always needed

    return display.Display()


def _schema() -> int:
    from actors.cli.status_schema import schema  # noqa: PLC0415 - slow to import, seldom needed

    _tell(schema().rstrip("\n"))
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
