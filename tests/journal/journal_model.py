"""A disk in memory that can fail, write less than it was given, fill up, and lose its power.

It remembers which bytes of each file and which names of the directory were synced, as fsync(2)
describes it: after a failed sync the bytes may be gone, and a second sync proves nothing,
whatever it returns. To sync a descriptor again after a failure is an error. A change of a name
that was not synced may outlive a loss of power or not, each for itself.
"""

import errno
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn
from uuid import uuid4

from actors.journal.filesystem import Disk, Place
from actors.journal.journal import Journal
from actors.journal.marker_files import SUSPECT
from actors.journal.segment import RECORD_BYTES
from actors.model.facts import Entry, Hole

BODY = b"twelve bytes"
RECORD = RECORD_BYTES + len(BODY)

Open = Callable[..., Journal]
"""The fixture `opened`."""


class Inode:
    def __init__(self) -> None:
        self.data = bytearray()
        self.durable = b""
        self.sync_failed = False

    def after_power_loss(self, keep: Callable[[int], int]) -> None:
        synced = len(self.durable)
        grown = bytes(self.data[:synced]) == self.durable
        unsynced = bytes(self.data[synced:]) if grown else b""
        kept = b"" if self.sync_failed else unsynced[: keep(len(unsynced))]
        self.data = bytearray(self.durable + kept)
        self.durable = bytes(self.data)
        self.sync_failed = False


class Renaming(NamedTuple):
    """A change of the directory: one name goes, another one comes, or both at once."""

    gone: str | None
    come: str | None = None
    inode: Inode | None = None

    def apply(self, files: dict[str, Inode]) -> None:
        if self.gone is not None:
            files.pop(self.gone, None)
        if self.come is not None and self.inode is not None:
            files[self.come] = self.inode


def error(code: int) -> NoReturn:
    raise OSError(code, os.strerror(code))


class MemoryDisk(Disk):
    """One directory.

    Args:
        capacity: Of the bytes of all files.
        name_bytes: What a file takes for itself, so that a full disk takes no new file.

    """

    def __init__(self, capacity: int = 1 << 40, *, name_bytes: int = 0) -> None:
        self.capacity = capacity
        self.name_bytes = name_bytes
        self._meanwhile: dict[str, tuple[int, Callable[[], object]]] = {}
        self.unsynced_names: list[Renaming] = []
        self.files: dict[str, Inode] = {}
        self.durable_files: dict[str, Inode] = {}
        self.open: dict[int, Inode | None] = {}
        self.boot = uuid4().bytes
        self.holder: int | None = None
        self.short: deque[int] = deque()
        self.faults: dict[str, deque[int]] = {}
        self.calls: list[str] = []
        self.failed: set[int] = set()
        self._next_fd = 1000

    # ----------------------------------------------------------------- faults

    def fail(self, call: str, *codes: int) -> None:
        """Let the next calls end like this; 0 is success."""
        self.faults.setdefault(call, deque()).extend(codes)

    def on(self, call: str, nth: int, happens: Callable[[], object]) -> None:
        """Let something happen within the n-th of the next calls, before its effect.

        During `sync_data` the bytes of the file are then on their way to the disk.
        """
        self._meanwhile[call] = nth, happens

    def forget_plans(self) -> None:
        """Let nothing happen that has not happened yet."""
        self._meanwhile.clear()

    def _called(self, call: str) -> None:
        self.calls.append(call)
        left, happens = self._meanwhile.pop(call, (0, None))
        if happens is not None:
            if left > 1:
                self.on(call, left - 1, happens)
            else:
                happens()
        faults = self.faults.get(call)
        code = faults.popleft() if faults else 0
        if code:
            error(code)

    def kill(self) -> None:
        """End the process; the kernel keeps what it was given."""
        self.open.clear()
        self.holder = None
        self.faults.clear()
        self._meanwhile.clear()
        self.short.clear()

    def lose_power(self, keep: Callable[[int], int] = lambda _: 0) -> None:
        """Forget what was not synced, but for the first `keep(n)` of n such bytes of a file.

        Each change of a name is kept if `keep(1)` is 1.
        """
        self.kill()
        self.boot = uuid4().bytes
        for change in self.unsynced_names:
            if keep(1):
                change.apply(self.durable_files)
        self.unsynced_names.clear()
        self.files = dict(self.durable_files)
        for inode in self.files.values():
            inode.after_power_loss(keep)

    def lacking(self, bodies: Iterable[bytes]) -> list[bytes]:
        """Return which of these a loss of power now would take.

        Of the unsynced names it keeps either none or all.
        """
        all_names = dict(self.durable_files)
        for change in self.unsynced_names:
            change.apply(all_names)
        media = [
            b"".join(each.durable for each in files.values())
            for files in (self.durable_files, all_names)
        ]
        return [body for body in bodies if not all(body in medium for medium in media)]

    # ------------------------------------------------------------------ calls

    def _rename(self, gone: str | None, come: str | None = None) -> Inode:
        """Change a name; what is to be called `come` is new, or has been called `gone`."""
        inode = Inode() if gone is None else self.files[gone]
        self.unsynced_names.append(Renaming(gone, come, inode))
        self.unsynced_names[-1].apply(self.files)
        return inode

    @property
    def used(self) -> int:
        """Return how much of the capacity is taken."""
        return sum(len(each.data) + self.name_bytes for each in self.files.values())

    def fill_up(self, space: int = 0) -> None:
        """Leave so much space, whatever it takes."""
        self.capacity = self.used + space

    def _new_fd(self, inode: Inode | None) -> int:
        self._next_fd += 1
        self.open[self._next_fd] = inode
        return self._next_fd

    def _inode(self, fd: int) -> Inode:
        inode = self.open.get(fd)
        if inode is None:
            error(errno.EBADF)
        return inode

    def open_directory(self, path: Path) -> int:
        del path
        self._called("open_directory")
        return self._new_fd(None)

    def exposed(self, path: Path) -> str:
        del path
        return ""

    def place(self, directory: int, path: Path) -> Place:
        """Return that it is there: nobody else knows this directory."""
        del directory, path
        return Place.THERE

    def has_name(self, fd: int) -> bool:
        return self._inode(fd) in self.files.values()

    def duplicate(self, fd: int) -> int:
        return self._new_fd(self._inode(fd))

    def check(self, directory: int) -> None:
        """Find nothing: all files in memory are ours."""

    def links(self, directory: int, name: str) -> int:
        del directory
        return int(name in self.files)

    def lock(self, directory: int) -> None:
        if self.holder is not None:
            error(errno.EAGAIN)
        self.holder = directory

    def names(self, directory: int) -> list[str]:
        self._called("names")
        if directory not in self.open:
            error(errno.EBADF)
        return sorted(self.files)

    def create(self, directory: int, name: str) -> int:
        # The marker of a failed sync is left out: that it cannot be created would be another fault.
        if not name.startswith(SUSPECT):
            self._called("create")
        if directory not in self.open:
            error(errno.EBADF)
        if name in self.files:
            error(errno.EEXIST)
        if self.used + self.name_bytes > self.capacity:
            error(errno.ENOSPC)
        return self._new_fd(self._rename(None, name))

    def open_append(self, directory: int, name: str) -> int:
        self._called("open_append")
        return self._open(directory, name)

    def open_read(self, directory: int, name: str) -> int:
        self._called("open_read")
        return self._open(directory, name)

    def _open(self, directory: int, name: str) -> int:
        if directory not in self.open:
            error(errno.EBADF)
        if name not in self.files:
            error(errno.ENOENT)
        return self._new_fd(self.files[name])

    def close(self, fd: int) -> None:
        if fd not in self.open:
            error(errno.EBADF)
        if self.holder == fd:
            self.holder = None
        del self.open[fd]

    def write(self, fd: int, data: memoryview) -> int:
        inode = self._inode(fd)
        self._called("write")
        size = len(data)
        size = min(size, self.short.popleft() if self.short else size, self.capacity - self.used)
        if size <= 0:
            error(errno.ENOSPC)
        inode.data += data[:size]
        return size

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        self._called("pread")
        return bytes(self._inode(fd).data[offset : offset + size])

    def truncate(self, fd: int, size: int) -> None:
        self._called("truncate")
        inode = self._inode(fd)
        inode.data = inode.data[:size].ljust(size, b"\0")

    def allocate(self, fd: int, size: int) -> None:
        self._called("allocate")
        if self.used - len(self._inode(fd).data) + size > self.capacity:
            error(errno.ENOSPC)
        self.truncate(fd, size)

    def size(self, fd: int) -> int:
        return len(self._inode(fd).data)

    def sync_data(self, fd: int) -> None:
        inode = self._inode(fd)
        assert fd not in self.failed, "a descriptor whose sync failed was synced again"
        on_their_way = bytes(inode.data)
        try:
            self._called("sync_data")
        except OSError:
            self.failed.add(fd)
            inode.sync_failed = True
            raise
        if not inode.sync_failed:
            inode.durable = on_their_way

    def sync(self, fd: int) -> None:
        inode = self.open[fd]
        if inode is None:
            self._called("sync_directory")
            self.durable_files = dict(self.files)
            self.unsynced_names.clear()
        else:
            self._called("sync")
            inode.durable = bytes(inode.data)

    def unlink(self, directory: int, name: str) -> None:
        self._called("unlink")
        if directory not in self.open:
            error(errno.EBADF)
        if name not in self.files:
            error(errno.ENOENT)
        self._rename(name)

    def rename(self, directory: int, old: str, new: str) -> None:
        self._called("rename")
        if directory not in self.open or old not in self.files:
            error(errno.ENOENT)
        self._rename(old, new)

    def free_bytes(self, directory: int) -> int:
        if directory not in self.open:
            error(errno.EBADF)
        return max(0, self.capacity - self.used)

    def boot_id(self) -> bytes:
        return self.boot

    # --------------------------------------------------------------- figures

    @property
    def segments(self) -> list[str]:
        return sorted(name for name in self.files if name.endswith(".log"))

    def damage(self, name: str, offset: int, mask: int = 0x01) -> None:
        """Flip bits of one byte, on the medium too."""
        inode = self.files[name]
        inode.data[offset] ^= mask
        inode.durable = bytes(inode.data)


def fill(journal: Journal, count: int) -> list[int]:
    return [journal.append(b"body %07d" % journal.next_seq) for _ in range(count)]


def body_of(seq: int) -> bytes:
    return b"body %07d" % seq


def content(journal: Journal, from_seq: int = 1) -> list[Entry | Hole]:
    """Return what is read, without the times at which it was written."""
    return list(untimed(journal.read(from_seq)))


def untimed(items: Iterable[Entry | Hole]) -> Iterator[Entry | Hole]:
    """Yield what is read, without the times at which it was written."""
    for item in items:
        yield Entry(item.seq, item.body) if isinstance(item, Entry) else item


def entries(first: int, last: int) -> list[Entry]:
    return [Entry(seq, body_of(seq)) for seq in range(first, last + 1)]
