"""The journal: everything that is received stands here first, numbered, in flat files.

Invariants
    1.  Sequences count from 1 and are never given twice, whatever crashes.
    2.  A record that `append` returned for survives the death of the process; one up to
        `durable_seq` survives the loss of power (a thread syncs every `sync_interval_s`).
    3.  A record is read back whole or not at all. What is missing is named: `read`
        gives every sequence exactly once, as an entry or within a `Hole`.
    4.  A file is deleted only when every sequence in it is below the mark that
        the database has *committed*; never the last one.
    5.  A descriptor whose sync failed is never synced again (the kernel may have forgotten the
        bytes and still say yes): what may lack is carried over, now or at the next start.
    6.  When there is no room, `append` says so (`JournalFull`) and nothing has changed:
        nothing is overwritten, dropped or kept in memory instead.
    7.  Bad data never keeps it from opening; a newer format or an unusable directory does.
    8.  Bounded: files and reserve by `max_bytes`, the unsynced by 8 MiB and 65,536
        records (then `append` waits for a sync), reading by one chunk and one record.

Files: `seg-<first sequence, 20 digits>.log` (see `segment.py`), `journal-id`, `unmet`,
`reserve`, `suspect-*` (notes of failed syncs), `*.tmp` (leftovers), `*.corrupt` (kept for people).

Writing     `extend`: number, header, CRC, one `write()` for all. No record spans two segments.
Reading     from any thread, beside appends. Deleting: `release(mark)` (`reader.py`).
Recovery    (`shelf.py`) only the last segment is scanned; a torn tail is cut off and counted,
            the rest is synced. After a *reboot* 65,536 numbers are skipped: so many records may
            have been written, told on and committed, and forgotten by the disk.
Errors      no room: the tail is cut back. Anything else: once, all that is not synced moves to
            a new segment; if that fails too, the journal has `failed`, and says so.
Rooms       `opening`, `disk` (calls), `segment` (one file), `shelf` (all), `tail` (growing end),
            `appender`, `syncer`, `reader`, `reserve`, `lineage` (`renew`), `suspicion`, `figures`.
"""

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from uuid import UUID

from actors.errors import JournalFailed, JournalUnreadable, Retryable
from actors.journal.active_segment import ActiveSegment
from actors.journal.appender import Appender, Syncer
from actors.journal.directory import JournalDirectory
from actors.journal.filesystem import Disk
from actors.journal.marker_files import Reserve, UnacknowledgedSince
from actors.journal.reader import Reader, Skip
from actors.model.facts import Entry, Hole
from actors.model.journal_stats import JournalStats

MIB = 1024 * 1024
_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})


# MERGED: How a journal is opened: the directory taken, its end recovered, the thread
# begun.


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

    shelf: JournalDirectory
    reserve: Reserve
    appender: Appender
    reader: Reader
    syncer: Syncer
    unmet: UnacknowledgedSince


def parts(disk: Disk, directory: Path, bounds: Bounds, clocks: Clocks, *, floor_seq: int) -> Parts:
    """Take the directory, recover, begin to sync; see `Journal.open`.

    Raises:
        StateDirBusy: Another process has the directory.
        JournalUnreadable: It cannot be used, or holds a newer format.
        JournalFailed: The disk fails, or has no room for a new journal.
    """
    shelf: JournalDirectory | None = None
    try:
        shelf = JournalDirectory(disk, directory, wall_ns=clocks.wall_ns)
        reserve = Reserve(disk, shelf.directory, bounds.reserve)
        tail, first_seq = ActiveSegment.of(
            shelf, reserve, floor_seq=floor_seq, segment_bytes=bounds.segment
        )
        oldest_seq = shelf.segments[0].first_seq
        unmet = UnacknowledgedSince(
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


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        kind = Retryable if exc.errno in _NO_DESCRIPTOR else JournalFailed
        raise kind(f"{what}: {exc.strerror or exc}") from exc


class Journal:
    """An open journal. Every method may be called from every thread."""

    def __init__(self, made: Parts, bounds: Bounds) -> None:
        self._shelf, self._reserve, self._appender, self._reader, self._syncer, self._unmet = made
        self._bounds = bounds
        self._closed = False
        self.opened_at_seq = self._appender.next_seq

    @classmethod
    def open(  # noqa: PLR0913  # each has its default; callers name what they change
        cls,
        directory: Path,
        *,
        max_bytes: int,
        segment_bytes: int = 64 * MIB,
        sync_interval_s: float = 0.020,
        reserve_bytes: int = 64 * MIB,
        floor_seq: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
        disk: Disk | None = None,
    ) -> "Journal":
        """Take the directory, recover, begin to sync.

        Args:
            directory: Made if it is not there.
            max_bytes: Cap for all segments and the reserve.
            segment_bytes: At most a quarter of the cap is used.
            sync_interval_s: What a loss of power may cost, about.
            reserve_bytes: At most an eighth of the cap is used.
            floor_seq: No sequence below it is given, such as the database's mark.
            monotonic: Clock for durations.
            wall_ns: Clock for the time that records bear.
            disk: What the directory lies on.

        Raises:
            StateDirBusy: Another process has the directory.
            JournalUnreadable: It cannot be used, or holds a newer format.
            JournalFailed: The disk fails, or has no room for a new journal.
        """
        bounds = Bounds(
            max_bytes,
            max(min(segment_bytes, max_bytes // 4), 1),
            min(reserve_bytes, max_bytes // 8),
        )
        clocks = Clocks(monotonic, wall_ns, sync_interval_s)
        return cls(parts(disk or Disk(), directory, bounds, clocks, floor_seq=floor_seq), bounds)

    def close(self) -> None:
        """Sync, end the thread, give the directory back. Closing twice is harmless.

        Raises:
            JournalFailed: The last sync failed; everything is closed nevertheless.
        """
        if not self._closed:
            self._closed = True
            self._syncer.stop()
            self._appender.close()

    def append(self, body: bytes, *, weight: int = 0) -> int:
        """Write one record at once; give its sequence.

        Args:
            body: At most 32 MiB.
            weight: Trades in it, for the books.

        Raises:
            ValueError: The body is too long.
            JournalFull: The disk or the cap leaves no room; nothing was written.
            JournalFailed: The disk does not take it; the process must end.
        """
        return self._appender.append(body, weight)

    def sync(self) -> None:
        """Have everything that is appended on the medium. Returns at once when it is.

        Raises:
            JournalFailed: It could not be brought there in any way.
        """
        self._appender.sync()

    def read(self, from_seq: int) -> Iterator[Entry | Hole]:
        """Return what stands from this sequence up to the last one there is now.

        Raises:
            Retryable: No file descriptor is left.
            JournalFailed: The directory cannot be read.
        """
        return self._read(max(from_seq, 1), self.next_seq)

    def _read(self, expected: int, until: int) -> Iterator[Entry | Hole]:
        with _named("cannot read the journal"):
            yield from self._reader.read(expected, until)

    def release(self, mark: int) -> None:
        """Everything below `mark` is committed: segments wholly below it are deleted.

        Raises:
            JournalFailed: The disk does not let them go.
        """
        try:
            with _named("cannot delete a segment"):
                self._reader.release(mark)
        finally:
            self._appender.recount()

    @property
    def journal_id(self) -> UUID:
        """The identity of this journal; sequences mean nothing without it."""
        return self._shelf.journal_id

    @property
    def oldest_seq(self) -> int:
        """The lowest sequence that can still be read."""
        return self._shelf.segments[0].first_seq

    @property
    def unmet_seq(self) -> int:
        """The lowest sequence given out since a database was met; no mark may be above it."""
        return self.next_seq if self._unmet.since is None else self._unmet.since

    def met(self) -> None:
        """Note that a database knows nothing of this journal that it does not hold.

        Raises:
            JournalFailed: It could not be noted.
        """
        with _named("cannot note that the database was met"):
            self._unmet.met()

    def renew(self) -> None:
        """Take another identity: to a database this is another journal now. Sequences go on.

        Raises:
            JournalFailed: It could not be noted, or what is there could not be synced.
        """
        with _named("cannot take another identity"):
            self._appender.renew()

    @property
    def next_seq(self) -> int:
        """The sequence that the next record will get."""
        return self._appender.next_seq

    @property
    def durable_seq(self) -> int:
        """Everything up to here survives a loss of power."""
        return self._appender.durable_seq

    @property
    def mark(self) -> int:
        """Highest mark that was released; at first the oldest sequence there is."""
        return self._reader.mark

    @property
    def weight_appended(self) -> int:
        """Sum of all weights in this process."""
        return self._appender.weight_appended

    @property
    def failed(self) -> str | None:
        """Why no more is taken, or None."""
        return self._appender.failed

    @property
    def sync_alive_at(self) -> float:
        """Monotonic seconds when the thread last came round."""
        return self._syncer.alive_at

    def stats(self) -> JournalStats:
        """Return all figures. Reads up to a MiB when the mark has moved."""
        return JournalStats(
            next_seq=self.next_seq,
            durable_seq=self.durable_seq,
            bytes=self._shelf.bytes,
            cap_bytes=self._bounds.cap,
            free_bytes=self._free_bytes(),
            sync_p99_s=self._syncer.p99_s,
            oldest_ns=self._reader.oldest_ns(self.next_seq),
            weight_appended=self.weight_appended,
        )

    @property
    def headroom_bytes(self) -> int:
        """What the cap leaves beside the reserve, held or not; and the disk, once more of it."""
        held, size = self._reserve.held_bytes, self._reserve.size
        return min(
            self._bounds.cap - self._shelf.bytes - size, self._free_bytes() + held - 2 * size
        )

    def room(self) -> bool:
        """Return whether cap and disk leave room for a segment more, beside the reserve."""
        return self.headroom_bytes >= self._bounds.segment

    def plenty(self) -> bool:
        """Return whether there is so much room that reading would not stop again at once.

        On the disk that is four times the reserve beside the reserve; of the cap, half.
        """
        wanted = max(3 * self._reserve.size, self._bounds.segment + self._reserve.size)
        return self.headroom_bytes >= min(wanted, self._bounds.cap // 2)

    def free_reserve(self) -> None:
        """Return the reserve's space to the last records; the cap grows by it too."""
        self._reserve.free()

    def rebuild_reserve(self) -> bool:
        """Set the reserve aside again; give False when there is no room for it.

        Raises:
            JournalFailed: The disk fails.
        """
        with _named("cannot build the reserve"):
            return self._reserve.build()

    def _free_bytes(self) -> int:
        with _named("cannot ask the disk"):
            return self._shelf.disk.free_bytes(self._shelf.directory)
