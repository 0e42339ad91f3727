"""`bin/tracker`: runs the mode that the command line names and returns its exit code.

Exit codes: 0 good, 70 a fault of the tracker, 74 disk or address, 78 a person must act, 130 Ctrl-C
before it began to record or while it checked or migrated; `--psql` has those of psql. An error that
the user can mend is one line of text without a traceback; TRACKER_LOG_LEVEL=DEBUG shows it.
"""

import logging
import os
import sys
from collections.abc import Callable, Sequence

from actors import __version__
from actors.config.load import Invocation, Mode, help_text, load, secret_variables
from actors.errors import (
    EXIT_CONFIG,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_IO,
    EXIT_OK,
    SHORTAGES,
    Fatal,
    StoreUnavailable,
    reason_of,
)
from actors.process import logs, output
from actors.process.libraries import end_without

log = logging.getLogger(__name__)


def main(
    argv: Sequence[str] | None = None, *, imported: Callable[[], object] = lambda: None
) -> int:
    """Run what the command line names and return the exit code.

    Args:
        argv: Arguments without the program's name; None for those of the process.
        imported: Called when all is imported, before anything is done.
    """
    # Until the settings are read, and with them where lines go and which secrets must not be there.
    logs.configure("INFO", "auto", secrets=secret_variables(os.environ))
    restore_hooks = logs.install_hooks()
    try:
        return _main(sys.argv[1:] if argv is None else argv, imported)
    except KeyboardInterrupt:  # modes that have something to bring to an end see to it themselves
        _say("tracker: interrupted")
        return EXIT_INTERRUPTED
    except Exception:
        # Not left to Python, whose traceback would show whatever text the error has.
        log.critical("uncaught", extra={"where": "main"}, exc_info=True)
        return EXIT_INTERNAL
    finally:
        restore_hooks()


def _main(argv: Sequence[str], imported: Callable[[], object]) -> int:
    try:
        invocation = load(argv, os.environ)
    except Fatal as exc:
        return _report_error(exc)
    for warning in invocation.warnings:
        _say(f"warning: {warning}")
    config = invocation.config
    logs.configure(config.log_level, config.log_format, secrets=config.secrets())
    run = _mode(invocation.mode)
    imported()
    try:
        return run(invocation)
    except Fatal as exc:
        log.debug("fatal", exc_info=True)
        return _report_error(exc)
    except StoreUnavailable as exc:
        from actors.app.database_of import advice_for  # noqa: PLC0415 - as in _mode

        _say(f"tracker: database: {exc}; {advice_for(config, exc)}")
        # A run needs none that answers: only an embedded one that does not start keeps it from
        # starting, and the next start may find what it lacked.
        return EXIT_IO if invocation.mode is Mode.RUN else EXIT_CONFIG
    except OSError as exc:
        if exc.errno not in SHORTAGES:
            raise  # a fault of ours
        _say(f"tracker: {reason_of(exc)}")
        return EXIT_IO


def _mode(mode: Mode) -> Callable[[Invocation], int]:
    """Return what runs a mode; it ends the program with one line when a library is missing.

    Only here is imported what that mode needs: actors, drivers and tables take longer than all
    that is needed to find a wrong option, or to print the version.
    """
    if mode in (Mode.VERSION, Mode.HELP):
        return _version if mode is Mode.VERSION else _help
    try:
        if mode is Mode.CHECK:
            from actors.cli.check import check  # noqa: PLC0415 - see above

            return check
        if mode is Mode.DEMO:
            from actors.cli.demo import start  # noqa: PLC0415 - see above

            return start
        if mode is Mode.RUN:
            from actors.cli.run import run  # noqa: PLC0415 - see above

            return run
        from actors.cli.tools import TOOLS  # noqa: PLC0415 - see above

        return TOOLS[mode]
    except ImportError as missing:
        end_without(missing, "tracker")


def _version(_: Invocation) -> int:
    _print(f"tracker {__version__}")
    return EXIT_OK


def _help(_: Invocation) -> int:
    for line in help_text().split("\n"):
        _print(line)
    return EXIT_OK


def _report_error(exc: Fatal) -> int:
    for line in exc.lines:
        _say(f"tracker: {line}")
    return exc.exit_code


def _say(text: str) -> None:
    output.say(logs.for_people(text))


def _print(text: str) -> None:
    output.put(f"{logs.for_people(text)}\n")
