"""Our own directories and files, opened so that nobody can put others in their place.

A directory is ours if it belongs to us (or to root), and neither group nor others may write to it;
so are its parents, but for the sticky ones (/tmp) and those whose group may write. On the way to a
directory that a setting names there may be symbolic links of root or of ours, such as the one that
systemd makes (/var/lib/tracker). In it there are none: we make none, and follow none.

Files are opened relative to an open directory. Whoever needs one of ours opens it here.

Every error is an `OSError`. The text of `NotOurs` says what is wrong, where, and what to do;
callers put it into their own, as they do with the texts of the system.
"""

import contextlib
import errno
import os
import pwd
import shutil
import stat
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a pipe that somebody put there would wait for the other end of it.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_APPEND = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_CREATE = _APPEND | os.O_CREAT | os.O_EXCL
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_MOST_LINKS = 40
_PROBE = ".writable"
_LISTS = "system.posix_acl_"


class NotOurs(OSError):
    """Somebody else made it, or may change it. The path is part of the text."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.EPERM, text)


# ------------------------------------------------------------------ directories


def open_directory(
    path: Path,
    *,
    mode: int = 0o700,
    may_be_link: bool = False,
    make: bool = True,
    owners: tuple[int, ...] = (),
) -> int:
    """Return the descriptor of a directory of ours.

    Args:
        path: The directory.
        mode: If it is made; its parents get 0755.
        may_be_link: A setting names it, so the last step may be a link, too.
        make: Make it if it does not exist.
        owners: Users whose directory it may be as well, for `take_over`.

    Raises:
        NotOurs: Somebody else can put something in its place, or may write to it.
        OSError: It cannot be made or opened.
    """
    real = _real(path, make=mode if make else None, may_be_link=may_be_link)
    fd = os.open(real, _DIRECTORY)
    try:
        state = os.fstat(fd)
        if state.st_uid not in owners:
            _require_own(_shown(path), state)
    except BaseException:
        os.close(fd)
        raise
    return fd


def take_over(directory: int, mode: int) -> None:
    """Let an open directory be ours alone, whatever its owner had allowed to whom."""
    # First the owner, who could otherwise allow it again at any moment.
    os.fchown(directory, os.geteuid(), os.getegid())
    with contextlib.suppress(AttributeError, OSError):  # not on this system, or file system
        for name in os.listxattr(directory):
            if name.startswith(_LISTS):
                os.removexattr(directory, name)
    os.fchmod(directory, mode)


def require_guarded(path: Path) -> None:
    """Check a directory that need not be ours, in which we make a socket.

    Raises:
        NotOurs: Others can replace it, or what we make in it.
        OSError: It cannot be looked at.
    """
    real = _real(path, make=None, may_be_link=True)
    state = real.lstat()
    _require_guarded(real, state)
    if state.st_uid == os.geteuid() and state.st_mode & stat.S_IWGRP and not _is_sticky(state):
        raise NotOurs(_writable(_shown(path), state))


def require_plain(directory: int) -> None:
    """Check that a directory of ours holds no links, and no files that others may write to.

    Directories in it, such as lost+found, do not matter.

    Raises:
        NotOurs: It does.
        OSError: It cannot be read.
    """
    for name in names(directory):
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            state = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISDIR(state.st_mode):
                _require_file(directory, name, state)


def names(directory: int) -> list[str]:
    """Return the names in an open directory, sorted."""
    return sorted(os.listdir(directory))


def require_writable(directory: int) -> None:
    """Make a file in a directory of ours, and remove it.

    Raises:
        OSError: That is not possible.
    """
    for _ in range(2):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_PROBE, dir_fd=directory)
        try:
            os.close(create(directory, _PROBE))
        except FileExistsError:  # of another process that looks at the same moment
            continue
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_PROBE, dir_fd=directory)
        return


def require_directory(directory: int, name: str, owners: tuple[int, ...]) -> bool:
    """Return whether there is a directory of this name, whoever may write to it.

    Raises:
        NotOurs: It is a link or a file, or belongs to none of these users.
    """
    try:
        state = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    where = _where(directory, name)
    if stat.S_ISLNK(state.st_mode):
        raise NotOurs(_link(where))
    if not stat.S_ISDIR(state.st_mode):
        raise NotOurs(f"{where} is no directory: see who put it there, and remove it")
    if state.st_uid not in owners:
        raise NotOurs(_foreign(where, state.st_uid, owners[-1]))
    return True


def open_inner(directory: int, name: str) -> int:
    """Return the descriptor of a directory in an open one, whoever it belongs to; no link."""
    return os.open(name, _DIRECTORY, dir_fd=directory)


def remove_tree(directory: int, name: str) -> None:
    """Delete a directory with all that is in it, or a file or link of this name. Follows no link.

    Raises:
        OSError: It is still there.
    """
    try:
        state = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISDIR(state.st_mode):
            shutil.rmtree(name, dir_fd=directory)
        else:
            os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return


# ------------------------------------------------------------------------ files


def create(directory: int, name: str) -> int:
    """Create a file (mode 0600) that must not exist, and open it for appending."""
    return os.open(name, _CREATE, 0o600, dir_fd=directory)


def open_append(directory: int, name: str) -> int:
    """Open a file for appending and reading.

    Raises:
        NotOurs: It is no plain file of ours with this one name.
        OSError: It cannot be opened.
    """
    return _open(directory, name, _APPEND)


def open_or_create(directory: int, name: str) -> int:
    """Open a file for appending and reading, as `open_append`; create it if there is none."""
    try:
        return create(directory, name)
    except FileExistsError:
        return open_append(directory, name)


def open_read(directory: int, name: str) -> int:
    """Open a file for reading.

    Raises:
        NotOurs: It is no plain file of ours.
        OSError: It cannot be opened.
    """
    return _open(directory, name, _READ)


def read_foreign(directory: int, name: str, size: int) -> bytes:
    """Return the beginning of a plain file in a directory that is not ours.

    Raises:
        NotOurs: It is no plain file.
        OSError: It cannot be read.
    """
    fd = _opened(directory, name, _READ)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotOurs(_no_file(_where(directory, name)))
        return os.pread(fd, size, 0)
    finally:
        os.close(fd)


def links(directory: int, name: str) -> int:
    """Return how many names a file has; 0 if there is none of this name."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_nlink
    except FileNotFoundError:
        return 0


def _open(directory: int, name: str, flags: int) -> int:
    fd = _opened(directory, name, flags)
    try:
        state = os.fstat(fd)
        _require_file(directory, name, state)
        if flags == _APPEND:
            _require_one_name(directory, name, state)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _opened(directory: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=directory)
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise NotOurs(_link(_where(directory, name))) from exc
        if exc.errno == errno.ENXIO:  # a socket, or a pipe without a reader
            raise NotOurs(_no_file(_where(directory, name))) from exc
        raise


# ----------------------------------------------------------------------- checks


def _real(path: Path, *, make: int | None, may_be_link: bool) -> Path:
    """Return the path of a directory without links; check all that leads to it."""
    at, left, seen = Path("/"), list(path.absolute().parts[1:]), 0
    while left:
        _require_guarded(at, at.lstat())
        name = left.pop(0)
        step = at / name
        state = _looked_at(step, (0o755 if left else make) if make is not None else None)
        if stat.S_ISDIR(state.st_mode):
            at = at.parent if name == ".." else step
        elif not stat.S_ISLNK(state.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(step))
        elif not left and not may_be_link:
            raise NotOurs(_link(_shown(step)))
        else:
            seen += 1
            _require_own_link(step, state, seen)
            target = step.readlink()
            at = Path("/") if target.is_absolute() else at
            left[:0] = target.parts[target.is_absolute() :]
    return at


def _looked_at(step: Path, make: int | None) -> os.stat_result:
    try:
        return step.lstat()
    except FileNotFoundError:
        if make is None:
            raise
    with contextlib.suppress(FileExistsError):  # another process made it at the same moment
        step.mkdir(make)
    return step.lstat()


def _require_own_link(step: Path, state: os.stat_result, seen: int) -> None:
    if seen > _MOST_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if state.st_uid not in _trusted():
        raise NotOurs(
            f"{_shown(step)} is a symbolic link of {_name(state.st_uid)}, who can lead it to"
            " another place: remove it, or name the directory itself"
        )


def _require_guarded(path: Path, state: os.stat_result) -> None:
    """Check that others cannot replace what is in a directory, on the way to one of ours."""
    if state.st_uid not in _trusted():
        raise NotOurs(
            f"{_shown(path)} belongs to {_name(state.st_uid)}, who can put anything in the place"
            " of what is in it: use a directory below those of root or of"
            f" {_name(os.geteuid())}, as who the tracker runs"
        )
    if state.st_mode & stat.S_IWOTH and not _is_sticky(state):
        raise NotOurs(
            f"{_shown(path)} is writable by everybody, who can put anything in the place of what"
            f" is in it: `chmod o-w {_shown(path)}`"
        )


def _is_own(state: os.stat_result) -> bool:
    return state.st_uid in _trusted() and not state.st_mode & _OTHERS


def _require_own(where: str, state: os.stat_result) -> None:
    if state.st_uid not in _trusted():
        raise NotOurs(_foreign(where, state.st_uid, os.geteuid()))
    if state.st_mode & _OTHERS:
        raise NotOurs(_writable(where, state))


def _require_file(directory: int, name: str, state: os.stat_result) -> None:
    if stat.S_ISREG(state.st_mode) and _is_own(state):
        return
    where = _where(directory, name)
    if stat.S_ISLNK(state.st_mode):
        raise NotOurs(_link(where))
    if not stat.S_ISREG(state.st_mode):
        raise NotOurs(_no_file(where))
    _require_own(where, state)


def _require_one_name(directory: int, name: str, state: os.stat_result) -> None:
    if state.st_nlink != 1:
        where = _where(directory, name)
        raise NotOurs(
            f"{where} has another name, too (a hard link), so that what is written to it would"
            f" change another file: `cp {where} {where}.new && mv {where}.new {where}`"
        )


def _trusted() -> tuple[int, int]:
    return (0, os.geteuid())


def _is_sticky(state: os.stat_result) -> bool:
    return bool(state.st_mode & stat.S_ISVTX)


# ------------------------------------------------------------------------ texts


def _where(directory: int, name: str) -> str:
    """Return the path of a file in an open directory, for people."""
    try:
        return _shown(Path(f"/proc/self/fd/{directory}").readlink() / name)
    except OSError:
        return _shown(Path(name))


def _shown(path: Path) -> str:
    text = str(path)
    # Somebody else may have chosen the name, and it is printed on a terminal.
    return text if text.isprintable() else ascii(text)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"


def _link(where: str) -> str:
    return (
        f"{where} is a symbolic link, and the tracker makes none: see who put it there, and"
        " remove it"
    )


def _no_file(where: str) -> str:
    return f"{where} is no plain file: see who put it there, and remove it"


def _foreign(where: str, uid: int, expected: int) -> str:
    ours = _name(expected)
    return f"{where} belongs to {_name(uid)} and not to {ours}: `chown {expected} {where}`"


def _writable(where: str, state: os.stat_result) -> str:
    return (
        f"{where} may be written to by others (mode {stat.S_IMODE(state.st_mode):04o}):"
        f" `chmod go-w {where}`"
    )
