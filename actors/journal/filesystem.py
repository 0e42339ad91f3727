"""The file system calls of the journal.

They are the methods of one small object, so that tests can let each call fail, write less than
it was given, or lose its effect in a power loss. Nothing is decided here. Errors are the
`OSError` of the call. File names are relative to an open directory; `actors/files.py` opens them,
follows no link and takes only what is ours.
"""

import contextlib
import fcntl
import os
import time
from enum import Enum
from pathlib import Path
from uuid import UUID

from actors import files

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Place(Enum):
    """Where a path leads, seen from a directory that was opened by it."""

    THERE = "there"
    DELETED = "deleted"
    MOVED = "moved"
    REPLACED = "replaced"


class Disk:
    """The calls of the operating system."""

    def open_directory(self, path: Path) -> int:
        """Open the directory and return its descriptor.

        The directory (mode 0700) and its parents are created if need be. The names of all of
        them are synced, as far as they may be opened and are on one file system.
        """
        found = files.open_directory(path)
        try:
            self._sync_parents(path, os.fstat(found).st_dev)
        except BaseException:
            os.close(found)
            raise
        return found

    def _sync_parents(self, path: Path, device: int) -> None:
        # The name of a directory is durable only when its parent is synced (fsync(2)). Always, as
        # whoever made one of them may have ended before that.
        for parent in path.absolute().parents:
            try:
                fd = os.open(parent, _DIRECTORY)
            except PermissionError:
                break  # then we have made nothing in it
            try:
                if os.fstat(fd).st_dev != device:
                    break
                os.fsync(fd)
            finally:
                os.close(fd)

    def place(self, directory: int, path: Path) -> Place:
        """Return whether the path still leads to this open directory, and if not, why."""
        held = os.fstat(directory)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if os.path.samestat(path.stat(), held):
                return Place.THERE
            return Place.REPLACED if held.st_nlink else Place.DELETED
        return Place.MOVED if held.st_nlink else Place.DELETED

    def exposed(self, path: Path) -> str:
        """Return why a start would not trust the directory that holds this one, or nothing."""
        try:
            os.close(files.open_directory(path.parent, make=False, may_be_link=True))
        except files.NotOurs as exc:
            return exc.strerror or str(exc)
        except OSError:
            pass  # `place` tells whether it is there
        return ""

    def has_name(self, fd: int) -> bool:
        """Return whether an open file still has a name."""
        return os.fstat(fd).st_nlink > 0

    def duplicate(self, fd: int) -> int:
        """Return another descriptor of an open file."""
        return os.dup(fd)

    def check(self, directory: int) -> None:
        """Check that what is in the directory is ours.

        Raises:
            NotOurs: A file is a link, belongs to somebody else, or may be written to by others.
        """
        files.require_plain(directory)

    def links(self, directory: int, name: str) -> int:
        """Return how many names a file has (hard links); 0 if there is none of this name."""
        return files.links(directory, name)

    def lock(self, directory: int) -> None:
        """Lock the directory for this process.

        Raises:
            BlockingIOError: Another process holds the lock.
        """
        # The kernel releases it with the last descriptor, after kill -9 too, so no stale lock
        # remains (flock(2)).
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def names(self, directory: int) -> list[str]:
        """Return the names of the files in the directory, sorted."""
        return files.names(directory)

    def create(self, directory: int, name: str) -> int:
        """Create a file (mode 0600) that must not exist, and open it for appending."""
        return files.create(directory, name)

    def open_append(self, directory: int, name: str) -> int:
        """Open a file for appending and reading."""
        return files.open_append(directory, name)

    def open_read(self, directory: int, name: str) -> int:
        """Open a file for reading."""
        return files.open_read(directory, name)

    def close(self, fd: int) -> None:
        """Close a file or a directory. Closing a directory releases its lock."""
        os.close(fd)

    def write(self, fd: int, data: memoryview) -> int:
        """Append and return the number of bytes written, which may be less than all."""
        # Not through a Python file: its buffer would report errors later, at a flush or at the
        # close.
        return os.write(fd, data)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read at an offset; return less than `size` bytes at the end of the file."""
        return os.pread(fd, size, offset)

    def truncate(self, fd: int, size: int) -> None:
        """Set the length of the file."""
        os.ftruncate(fd, size)

    def allocate(self, fd: int, size: int) -> None:
        """Allocate blocks on the disk for so many bytes."""
        os.posix_fallocate(fd, 0, size)

    def size(self, fd: int) -> int:
        """Return the length of the file in bytes."""
        return os.fstat(fd).st_size

    def sync_data(self, fd: int) -> None:
        """Sync the bytes of a file to the disk. After an error, never call it again for it."""
        # It also writes the size of the file, which reading the new bytes needs (fdatasync(2)).
        os.fdatasync(fd)

    def sync(self, fd: int) -> None:
        """Sync a file with its metadata, or the names in a directory, to the disk."""
        os.fsync(fd)

    def unlink(self, directory: int, name: str) -> None:
        """Delete a file."""
        os.unlink(name, dir_fd=directory)

    def rename(self, directory: int, old: str, new: str) -> None:
        """Rename a file; a file that has the new name is replaced."""
        os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)

    def free_bytes(self, directory: int) -> int:
        """Return the free space that a user without privileges may use."""
        state = os.fstatvfs(directory)
        # f_bfree would include the blocks that are reserved for root (statvfs(3)).
        return state.f_bavail * state.f_frsize

    def boot_id(self) -> bytes:
        """Return 16 bytes that stay the same until the machine is restarted.

        Where the boot identity of the kernel is hidden (`ProcSubset=pid`), the second of the
        boot is used instead: a step of the clock changes it, which looks like another boot
        and costs only some sequence numbers.
        """
        try:
            return UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip()).bytes
        except (OSError, ValueError):
            booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
            return int(booted_at).to_bytes(16, "big", signed=True)
