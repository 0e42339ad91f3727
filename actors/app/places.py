"""The state directory, and the check of every place that a start writes to.

`--check`, and what works beside a tracker, import this without all that a run is made of.
"""

import os
from pathlib import Path

from actors import files
from actors.config.settings import Config
from actors.database.server.embedded import Embedded
from actors.errors import ConfigError, start_error
from actors.health import status_socket
from actors.journal.inspection import inspect
from actors.journal.marker_files import NO_SPACE

JOURNAL, DATABASE = "journal", "postgres"
"""Names in the state directory."""


def prepare_state_dir(state_dir: Path) -> Path:
    """Create the state directory if need be, check that it is ours to write to, and return it.

    Raises:
        ConfigError: It cannot be created or written, or others may write to it.
        Shortage: The machine lacks what it takes to create it.
    """
    try:
        # 711: started by root, the embedded database runs as another user
        # and must pass through here.
        directory = files.open_directory(state_dir, mode=0o711, may_be_link=True)
        try:
            files.require_writable(directory)
        finally:
            os.close(directory)
    except files.NotOurs as exc:
        raise ConfigError(
            f"state directory: {exc.strerror}, or name another with TRACKER_STATE_DIR"
        ) from exc
    except NotADirectoryError as exc:
        raise ConfigError(
            f"state directory {state_dir}: {exc.filename} is no directory; remove it, or name"
            " another place with TRACKER_STATE_DIR"
        ) from exc
    except OSError as exc:
        if exc.errno in NO_SPACE and state_dir.is_dir():
            return state_dir  # what the journal in it holds may be all that takes the space
        raise start_error(
            exc,
            f"state directory {state_dir}",
            "give the tracker's user write access, or name another with TRACKER_STATE_DIR",
        ) from exc
    return state_dir


def check_places(config: Config) -> bool:
    """Check every place that a start writes to, without changing anything in it.

    Return whether a tracker works there now.

    Raises:
        ConfigError: It cannot be used, or others could put something there.
        JournalUnreadable: So is the journal.
        Shortage: The machine lacks what it takes to create the state directory, or to look.
    """
    state_dir = prepare_state_dir(config.state_dir)
    is_running = inspect(state_dir / JOURNAL)
    status_socket.require_guarded(config.status_socket)
    if not config.dsn:
        Embedded(state_dir / DATABASE).check()
    return is_running
