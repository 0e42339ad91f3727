"""The programs as commands: what `bin/` and the scripts that pip makes run.

An interrupt while a program is still being imported ends it with one line; a missing library, too.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from actors.process import output
from actors.process.libraries import end_without
from actors.process.runtime import close_memory

_Handler = Callable[[int, FrameType | None], Any] | int | None


def tracker() -> NoReturn:
    """Run the tracker and end."""
    heeded = _interruptible("tracker")

    close_memory()  # before a secret is read
    try:
        from actors.cli.main import main  # noqa: PLC0415 - see above
    except ImportError as missing:
        end_without(missing, "tracker")
    imported = functools.partial(signal.signal, signal.SIGINT, heeded)
    _end("tracker", lambda: main(imported=imported))


def status() -> NoReturn:
    """Ask a running tracker how it is, and end."""
    heeded = _interruptible("tracker-status")
    try:
        from actors.cli.status import command  # noqa: PLC0415 - see above

        signal.signal(signal.SIGINT, heeded)
        _end("tracker-status", command)  # imports more
    except ImportError as missing:
        end_without(missing, "tracker-status")


def export() -> NoReturn:
    """Write a release of the data, or check one, and end."""
    heeded = _interruptible("tracker-export")

    close_memory()  # before a secret is read
    try:
        from actors.dataset.export.program import main  # noqa: PLC0415 - see above

        # Imports more.
        imported = functools.partial(signal.signal, signal.SIGINT, heeded)
        _end("tracker-export", lambda: main(imported=imported))
    except ImportError as missing:
        end_without(missing, "tracker-export")


def report() -> NoReturn:
    """Write a report of what is stored, and end."""
    heeded = _interruptible("tracker-report")

    close_memory()  # the address of the database may be a secret
    try:
        from actors.dataset.report.program import main  # noqa: PLC0415 - see above

        signal.signal(signal.SIGINT, heeded)
        _end("tracker-report", main)  # imports more
    except ImportError as missing:
        end_without(missing, "tracker-report")


def simulator() -> NoReturn:
    """Run the simulator and end."""
    heeded = _interruptible("tracker-simulator")
    try:
        from actors.simulator.main import main  # noqa: PLC0415 - see above
    except ImportError as missing:
        end_without(missing, "tracker-simulator")
    signal.signal(signal.SIGINT, heeded)
    _end("tracker-simulator", main)


def _interruptible(program: str) -> _Handler:
    """Let Ctrl-C end the program at once, and return what it did before; the first thing to do.

    In the middle of an import it would be a traceback, or be lost.
    """
    output.open_closed()

    def interrupted(*_: object) -> None:
        os.write(2, f"{program}: interrupted\n".encode())
        os._exit(130)

    heeded = signal.getsignal(
        signal.SIGINT
    )  # ignored, where a shell without job control started it
    if heeded in (signal.default_int_handler, signal.SIG_DFL):
        signal.signal(signal.SIGINT, interrupted)
        return signal.default_int_handler
    return heeded


def _end(program: str, run: Callable[[], int]) -> NoReturn:
    """Run a program, and end with its exit code."""
    try:
        code = run()
    except SystemExit as ended:  # as argparse does after a help
        code = ended.code if isinstance(ended.code, int) else 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to do but to end
    sys.exit(output.finish(program, code))
