"""A copy of the server programs for a user who may not enter the folder of the installed ones.

It is used as long as every file of it is that of the installed package, by its hash, belongs to us,
and cannot be written to by others. Otherwise, and when there is none, a new one is made.
"""

import hashlib
import os
import shutil
import stat
from pathlib import Path

_PARTS = ("bin", "lib", "share")
"""Of the package; without the headers, which are most of its files."""
_FOREIGN = "foreign"


def renewed(package: Path, copy: Path) -> Path:
    """Return the copy of the package; a new one is made unless it is what is installed.

    Args:
        package: The folder of the package; its libraries are beside it.
        copy: The folder for the copy, in a folder of ours.

    Raises:
        OSError: It cannot be copied.
    """
    sources = _sources(package)
    if _found(sources, copy) != (installed := _installed(sources)):
        fresh = copy.with_name(f"{copy.name}.new")
        for stale in (fresh, copy):
            if os.path.lexists(stale):
                shutil.rmtree(stale)
        for place, source in sources.items():
            shutil.copytree(source, fresh / place, symlinks=True)
        _close(fresh)
        # Renamed when it is whole: half a copy must never be taken for the programs.
        fresh.rename(copy)
        if _found(sources, copy) != installed:
            raise OSError(0, "the copy is not what is installed; is it being upgraded?")
    return copy / package.name


def _sources(package: Path) -> dict[str, Path]:
    """Return which folders are copied: place in the copy → folder."""
    libraries = package.with_name(f"{package.name}.libs")
    parts = (package / "pginstall" / part for part in _PARTS)
    found = [libraries, *(part for part in parts if part.is_dir())]
    return {str(each.relative_to(package.parent)): each for each in found}


def _installed(sources: dict[str, Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for place, source in sources.items():
        found |= _tree(source, place)
    return found


def _found(sources: dict[str, Path], copy: Path) -> dict[str, str]:
    """Return what is in the copy, also where nothing should be."""
    if copy.is_symlink() or not copy.is_dir():
        return {}
    between = {str(above) for place in sources for above in Path(place).parents}
    tree = _tree(copy, "", ours=True)
    return {name: what for name, what in tree.items() if what != "folder" or name not in between}


def _tree(top: Path, place: str, *, ours: bool = False) -> dict[str, str]:
    """Return of each entry of a folder what it is: `folder`, or the hash of the file.

    Args:
        top: The folder.
        place: What the names begin with.
        ours: What is not ours alone counts as nothing that could be installed.
    """
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(top, onerror=_raise):
        for path in (Path(folder), *(Path(folder) / name for name in (*folders, *names))):
            state = path.lstat()
            name = str(Path(place) / path.relative_to(top))
            if ours and not _is_ours(state):
                found[name] = _FOREIGN
            elif stat.S_ISDIR(state.st_mode):
                found[name] = "folder"
            elif stat.S_ISREG(state.st_mode):
                found[name] = _hash(path)
            else:
                found[name] = f"link to {path.readlink()}" if path.is_symlink() else _FOREIGN
    return found


def _is_ours(state: os.stat_result) -> bool:
    writable = state.st_mode & 0o022 and not stat.S_ISLNK(state.st_mode)
    return state.st_uid == os.geteuid() and not writable


def _raise(error: OSError) -> None:
    raise error


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        executable = os.fstat(file.fileno()).st_mode & stat.S_IXUSR
        return f"{executable:o} {hashlib.file_digest(file, 'sha256').hexdigest()}"


def _close(top: Path) -> None:
    """Let everybody read what is in a folder, and nobody but us write to it."""
    for path in (top, *top.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
