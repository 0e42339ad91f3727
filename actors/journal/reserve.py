"""Disk space set aside, so that a full disk still takes the journal's last words.

A file of real blocks. Freeing it makes room to write down where coverage ends
when everything else has run full; it is built again before reading resumes.
"""

import contextlib
import errno

from actors.journal.filesystem import Disk

NAME = "reserve"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class Reserve:
    """The file, held or freed.

    Args:
        directory: Open directory to have it in.
        size: Bytes to set aside.
    """

    def __init__(self, disk: Disk, directory: int, size: int) -> None:
        self._disk = disk
        self._directory = directory
        self.size = size
        self.held_bytes = 0

    def build(self) -> bool:
        """Have the file with all its blocks; give False when there is no room for it.

        Raises:
            OSError: Something else is wrong with the disk.
        """
        if self.size and not self.held_bytes:
            try:
                self._allocate()
            except OSError as exc:
                self.free()
                if exc.errno in NO_ROOM:
                    return False
                raise
            self.held_bytes = self.size
        return True

    def _allocate(self) -> None:
        try:
            fd = self._disk.create(self._directory, NAME)
        except FileExistsError:
            fd = self._disk.open_append(self._directory, NAME)
        try:
            self._disk.truncate(fd, self.size)
            self._disk.allocate(fd, self.size)
        finally:
            self._disk.close(fd)

    def free(self) -> None:
        """Give the space back to the disk."""
        with contextlib.suppress(FileNotFoundError):
            self._disk.unlink(self._directory, NAME)
        self.held_bytes = 0
