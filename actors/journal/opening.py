"""How a journal is opened: the directory taken, its end recovered, the thread begun."""

import errno
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from actors.errors import JournalFailed, JournalUnreadable
from actors.journal.active_segment import Tail
from actors.journal.appender import Appender
from actors.journal.directory import Shelf
from actors.journal.filesystem import Disk
from actors.journal.marker_files import Unmet
from actors.journal.reader import Reader, Skip
from actors.journal.reserve import Reserve
from actors.journal.syncer import Syncer

_NO_ACCESS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP})


class Bounds(NamedTuple):
    """Bytes: the cap for everything, of one segment, of the reserve."""

    cap: int
    segment: int
    reserve: int


class Clocks(NamedTuple):
    """Monotonic seconds, wall-clock nanoseconds, and seconds between syncs."""

    monotonic: Callable[[], float]
    wall_ns: Callable[[], int]
    sync_interval_s: float


class Parts(NamedTuple):
    """What an open journal is made of."""

    shelf: Shelf
    reserve: Reserve
    appender: Appender
    reader: Reader
    syncer: Syncer
    unmet: Unmet


def parts(disk: Disk, directory: Path, bounds: Bounds, clocks: Clocks, *, floor_seq: int) -> Parts:
    """Take the directory, recover, begin to sync; see `Journal.open`.

    Raises:
        StateDirBusy: Another process has the directory.
        JournalUnreadable: It cannot be used, or holds a newer format.
        JournalFailed: The disk fails, or has no room for a new journal.
    """
    shelf: Shelf | None = None
    try:
        shelf = Shelf(disk, directory, wall_ns=clocks.wall_ns)
        reserve = Reserve(disk, shelf.directory, bounds.reserve)
        tail, first_seq = Tail.of(shelf, reserve, floor_seq=floor_seq, segment_bytes=bounds.segment)
        oldest_seq = shelf.segments[0].first_seq
        unmet = Unmet(
            disk, shelf.directory, shelf.place, first_seq=first_seq, oldest_seq=oldest_seq
        )
        reserve.build()
    except OSError as exc:
        if shelf:
            shelf.close()
        kind = JournalUnreadable if exc.errno in _NO_ACCESS else JournalFailed
        raise kind(f"cannot use {directory}: {exc.strerror or exc}") from exc
    lock = Lock()
    appender = Appender(
        shelf, tail, lock, first_seq=first_seq, max_bytes=bounds.cap, wall_ns=clocks.wall_ns
    )
    skip = Skip(tail.used_seq, first_seq)
    reader = Reader(shelf, lock, tail=skip, changes=lambda: appender.changes)
    syncer = Syncer(
        appender.sync,
        appender.fail,
        interval_s=clocks.sync_interval_s,
        monotonic=clocks.monotonic,
    )
    syncer.start()
    return Parts(shelf, reserve, appender, reader, syncer, unmet)
