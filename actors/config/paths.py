"""Default paths: state directory and status socket when no setting names them.

Imports no library: reading all settings takes half a second, and `tracker-status` must be quick.
"""

import os
from collections.abc import Mapping
from pathlib import Path

SOCKET_NAME = "tracker.sock"
DEFAULT_STATE_DIR = "~/.local/state/tracker"
ROOT_STATE_DIR = "/var/lib/tracker"
"""For root: the user that runs the embedded database cannot enter the home of root."""
UNIT_SOCKET = Path("/run/tracker") / SOCKET_NAME
"""Where the systemd unit of this project puts it."""
TURN_SOCKETS = tuple(Path(f"/run/tracker-{color}") / SOCKET_NAME for color in ("blue", "green"))
"""Where those put it that take turns."""

Origin = tuple[str, str]
"""A path as text, and the source that it comes from."""


def state_dir(environ: Mapping[str, str]) -> Origin | None:
    """Return the directory that systemd created, or that of the platform; None: the default."""
    # systemd separates several directories by colons; the unit of this project names one.
    systemd = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if systemd:
        return systemd, "STATE_DIRECTORY"
    if environ.get("XDG_STATE_HOME", "").startswith("/"):
        return f"{environ['XDG_STATE_HOME']}/tracker", "XDG_STATE_HOME"
    return (ROOT_STATE_DIR, "default for root") if os.geteuid() == 0 else None


def status_socket(environ: Mapping[str, str]) -> Origin | None:
    """Return the socket in the directory that systemd created; None when it created none."""
    runtime = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return (f"{runtime}/{SOCKET_NAME}", "RUNTIME_DIRECTORY") if runtime else None


def usual_sockets(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where the status socket may be when no setting names it, the most likely first.

    The paths of the systemd units come last: `tracker-status` may run in another environment
    than the tracker.
    """
    ours, state = status_socket(environ), state_dir(environ)
    folder = Path(state[0] if state else DEFAULT_STATE_DIR).expanduser().absolute()
    first = Path(ours[0]).absolute() if ours else folder / SOCKET_NAME
    return tuple(dict.fromkeys((first, UNIT_SOCKET, *TURN_SOCKETS)))
