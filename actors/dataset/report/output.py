"""Writes a file that a person named: as a whole, and over nothing that is something else.

Its directory may be anybody's, such as /tmp; a link in the place of the file is not followed.
"""

import errno
import os
from pathlib import Path
from typing import Final

from actors import files

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def require_replaceable(path: Path, begins: bytes, *, force: bool = False) -> None:
    """Check that a file that a person named can be written: it is not there, or begins like this.

    Args:
        path: The file, in a directory of anybody.
        begins: How files of this kind begin.
        force: It may begin otherwise.

    Raises:
        FileExistsError: It is something else.
        OSError: Its directory cannot be opened, or it cannot be looked at.
    """
    directory = os.open(path.parent, _DIRECTORY)
    try:
        found = files.read_foreign(directory, path.name, len(begins))
    except FileNotFoundError:
        return
    except files.NotOurs as exc:
        raise FileExistsError(errno.EEXIST, exc.strerror) from exc
    finally:
        os.close(directory)
    if found != begins and not force:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def write_whole(path: Path, content: bytes, begins: bytes, *, force: bool = False) -> None:
    """Write a file that a person named, as a whole: at any moment the old or the new one is there.

    Raises:
        FileExistsError: As `require_replaceable`.
        OSError: It cannot be written.
    """
    require_replaceable(path, begins, force=force)
    directory, name = os.open(path.parent, _DIRECTORY), f".new-{os.getpid()}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o666, dir_fd=directory)
        try:
            try:
                left = memoryview(content)
                while left:
                    left = left[os.write(fd, left) :]
                os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(name, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            os.unlink(name, dir_fd=directory)
            raise
        os.fsync(directory)
    finally:
        os.close(directory)
