"""The operating system's file calls, as the journal uses them.

One thin object, so that tests can let each call fail, fall short or be forgotten
by a power loss. Nothing is decided here; errors are the `OSError` of the call.
All names are relative to an open directory and never follow a symbolic link.
"""

import fcntl
import os
import time
from pathlib import Path
from uuid import UUID

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = _APPEND | os.O_CREAT | os.O_EXCL
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Disk:
    """A file system and what it may be asked."""

    def open_directory(self, path: Path) -> int:
        """Make the directory (0700) and its parents if need be, durably; give a descriptor."""
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            parent = os.open(path.parent, _DIRECTORY)
            try:
                os.fsync(parent)
            finally:
                os.close(parent)
        return os.open(path, _DIRECTORY)

    def lock(self, directory: int) -> None:
        """Take the directory for this process.

        Raises:
            BlockingIOError: Another process holds it.
        """
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def names(self, directory: int) -> list[str]:
        """Return what the directory holds, sorted."""
        return sorted(os.listdir(directory))

    def create(self, directory: int, name: str) -> int:
        """Make a file (0600) that is not there yet and open it for appending."""
        return os.open(name, _CREATE, 0o600, dir_fd=directory)

    def open_append(self, directory: int, name: str) -> int:
        """Open a file for appending and reading."""
        return os.open(name, _APPEND, dir_fd=directory)

    def open_read(self, directory: int, name: str) -> int:
        """Open a file for reading."""
        return os.open(name, _READ, dir_fd=directory)

    def close(self, fd: int) -> None:
        """Close a file or a directory; closing a directory gives its lock back."""
        os.close(fd)

    def write(self, fd: int, data: memoryview) -> int:
        """Append; may write less than it was given."""
        return os.write(fd, data)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read from a place; less at the end of the file."""
        return os.pread(fd, size, offset)

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file."""
        os.ftruncate(fd, size)

    def allocate(self, fd: int, size: int) -> None:
        """Have blocks for so many bytes, really."""
        os.posix_fallocate(fd, 0, size)

    def size(self, fd: int) -> int:
        """Return the length in bytes."""
        return os.fstat(fd).st_size

    def sync_data(self, fd: int) -> None:
        """Have the file's bytes on the medium. After an error, never ask again for this file."""
        os.fdatasync(fd)

    def sync(self, fd: int) -> None:
        """Have a file or the names of a directory on the medium."""
        os.fsync(fd)

    def unlink(self, directory: int, name: str) -> None:
        """Take a name away."""
        os.unlink(name, dir_fd=directory)

    def rename(self, directory: int, old: str, new: str) -> None:
        """Return a file another name, in place of whatever had it."""
        os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)

    def free_bytes(self, directory: int) -> int:
        """Return what is left for an ordinary user."""
        state = os.fstatvfs(directory)
        return state.f_bavail * state.f_frsize

    def boot_id(self) -> bytes:
        """Return 16 bytes that are the same for as long as the machine stays up.

        Where the kernel's own name for this boot is hidden (`ProcSubset=pid`), the
        second of the boot serves: a step of the clock changes it, which is taken
        for a new boot and costs nothing but some sequence numbers.
        """
        try:
            return UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip()).bytes
        except (OSError, ValueError):
            booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
            return int(booted_at).to_bytes(16, "big", signed=True)
