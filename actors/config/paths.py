"""Places: where state and status socket lie when no setting names them.

It loads no library, so that who only asks for the status is quick: reading all
settings takes half a second.
"""

import os
from collections.abc import Mapping
from pathlib import Path

SOCKET_NAME = "tracker.sock"
DEFAULT_STATE_DIR = "~/.local/state/tracker"
ROOT_STATE_DIR = "/var/lib/tracker"
"""Root's home is closed to the user that the embedded database runs as."""
UNIT_SOCKET = Path("/run/tracker") / SOCKET_NAME
"""Where the shipped unit has it."""

Origin = tuple[str, str]
"""A place as text, and who says so."""


def state_dir(environ: Mapping[str, str]) -> Origin | None:
    """Return the directory that systemd made for us, or the platform's own; None: the default."""
    systemd = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if systemd:
        return systemd, "STATE_DIRECTORY"
    if environ.get("XDG_STATE_HOME", "").startswith("/"):
        return f"{environ['XDG_STATE_HOME']}/tracker", "XDG_STATE_HOME"
    return (ROOT_STATE_DIR, "root's own place") if os.geteuid() == 0 else None


def status_socket(environ: Mapping[str, str]) -> Origin | None:
    """Return the socket in the directory that systemd made for us; None: it made none."""
    runtime = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return (f"{runtime}/{SOCKET_NAME}", "RUNTIME_DIRECTORY") if runtime else None


def usual_sockets(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where a status socket may be that no setting names, likeliest first.

    After systemd's or the user's comes that of the shipped unit: who asks knows
    less than the tracker does.
    """
    ours, state = status_socket(environ), state_dir(environ)
    folder = Path(state[0] if state else DEFAULT_STATE_DIR).expanduser().absolute()
    first = Path(ours[0]).absolute() if ours else folder / SOCKET_NAME
    return tuple(dict.fromkeys((first, UNIT_SOCKET)))
