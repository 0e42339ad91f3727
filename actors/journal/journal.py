"""The journal: everything that is received is written here first, numbered, in flat files.

Invariants
    1.  Sequences count from 1, and none is used twice, whatever crashes.
    2.  A record that `append` returned for survives the death of the process; one up to
        `durable_seq` survives a loss of power (a thread syncs every `sync_interval_s`).
    3.  A record is read back whole or not at all. `read` returns every sequence exactly once,
        as an entry or within a `Hole`.
    4.  A file is deleted only when every sequence in it is below the watermark that the
        database has *committed*; the last file is never deleted.
    5.  A descriptor whose sync failed is never synced again (the kernel may have forgotten the
        bytes and report success): what the disk may lack is carried over to a new segment now,
        or its segments are written again at the next start.
    6.  When there is no space, `append` raises `JournalFull` and nothing has changed: nothing is
        overwritten, dropped or kept in memory instead.
    7.  Bad data and a full disk never keep the journal from opening, so that what it holds can be
        stored; a newer format, an unusable directory, and no space for a new journal do.
    8.  Bounded: files and reserve by `max_bytes`, unsynced records by 8 MiB and 65,536 records
        (then `append` waits for a sync), memory of reading by one chunk and one record.
    9.  A sync covers what was there when it began. A segment is appended to once its name is
        durable, and closed by a sync that began when it was full.

Files: `seg-<first sequence, 20 digits>.log` (see `segment`), `journal-id`, `unmet`, `reserve`,
`suspect-*` (see `marker_files`), `*.tmp` (left over), `*.corrupt` (kept for examination).

Writing     Sequence, header, CRC and body with one `write()`. No record spans two segments.
Reading     From any thread, while others append.
Recovery    Only the last segment is scanned; what is not a whole record at its end is cut off,
            and the rest is synced. After a restart of the machine 65,536 sequences are skipped:
            so many records may have been written, committed to the database, and lost by the
            disk.
Errors      No space: what was written of the record is cut off again. Any other error: once,
            all unsynced records move to a new segment; if that fails too, the journal `failed`,
            unless space is all that is missing: then they move when there is some.

Modules     `appender` and `active_segment` write, `reader` reads, `directory` holds the segments
            in order, `segment` is one file, `marker_files` are the small files beside them,
            `limits` are the sizes, `presence` sees whether all has its name, `filesystem` makes the
            calls; `recorder` and `watermark` are for those who use it.
"""

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from uuid import UUID

from actors.errors import (
    JournalBusy,
    JournalFailed,
    JournalFull,
    JournalUnreadable,
    TrackerError,
    reason_of,
)
from actors.journal.active_segment import NO_DESCRIPTOR, ActiveSegment
from actors.journal.appender import Appender, Syncer
from actors.journal.directory import JournalDirectory
from actors.journal.filesystem import Disk
from actors.journal.limits import CapOf, Limits
from actors.journal.marker_files import NO_SPACE, Reserve, UnacknowledgedSince
from actors.journal.presence import lost_names
from actors.journal.reader import Reader, Skipped
from actors.model.facts import Entry, Hole
from actors.model.storage import JournalStats

MIB = 1024 * 1024
_NO_ACCESS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
)


class _Clocks(NamedTuple):
    """Monotonic seconds, wall-clock nanoseconds, and seconds between syncs."""

    monotonic: Callable[[], float]
    wall_ns: Callable[[], int]
    sync_interval_s: float


class _Parts(NamedTuple):
    """What an open journal consists of."""

    directory: JournalDirectory
    reserve: Reserve
    appender: Appender
    reader: Reader
    syncer: Syncer
    unacknowledged: UnacknowledgedSince


class Journal:
    """An open journal. Every method may be called from every thread, `release` from one alone.

    Attributes:
        opened_at_seq: The first sequence of this process.
        watermark: Highest watermark that was released; at first the oldest sequence there is.
    """

    def __init__(self, parts: _Parts, limits: Limits) -> None:
        self._directory, self._reserve, self._appender, self._reader = parts[:4]
        self._syncer, self._unacknowledged = parts[4:]
        self._limits = limits
        self._closed = False
        self._lacked_space = False  # when it was last measured
        self.opened_at_seq = self._appender.next_seq
        # An attribute and not a property, because it is read for every record.
        self.watermark = self._reader.watermark

    @classmethod
    def open(  # noqa: PLR0913  # each has its default; callers name what they change
        cls,
        directory: Path,
        *,
        max_bytes: int | CapOf,
        segment_bytes: int = 64 * MIB,
        sync_interval_s: float = 0.020,
        reserve_bytes: int = 64 * MIB,
        floor_seq: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
        disk: Disk | None = None,
    ) -> "Journal":
        """Lock the directory, recover the journal, start the thread that syncs.

        Args:
            directory: Created if it does not exist.
            max_bytes: Cap for all segments and the reserve. If it depends on the disk, it grows
                with the space there, and never shrinks.
            segment_bytes: Size of a segment; at most a quarter of the cap is used.
            sync_interval_s: About what a loss of power may cost.
            reserve_bytes: Size of the reserve; at most an eighth of the cap is used.
            floor_seq: No sequence below it is assigned.
            monotonic: Clock for durations.
            wall_ns: Clock for the times of records.
            disk: The file system that the directory is on.

        Raises:
            StateDirBusy: Another process has locked the directory.
            JournalUnreadable: It cannot be used, or holds a newer format.
            JournalFailed: The disk fails, or has no space for a new journal.
        """
        limits = Limits(max_bytes, segment_bytes=segment_bytes, reserve_bytes=reserve_bytes)
        clocks = _Clocks(monotonic, wall_ns, sync_interval_s)
        return cls(_recover(disk or Disk(), directory, limits, clocks, floor_seq), limits)

    def close(self) -> None:
        """Sync, stop the thread, unlock the directory. A second call does nothing.

        Raises:
            JournalFailed: The last sync failed; everything is closed nevertheless.
        """
        if not self._closed:
            self._closed = True
            self._syncer.stop()
            self._appender.close()

    # --------------------------------------------------------------- records

    def append(self, body: bytes, *, weight: int = 0) -> int:
        """Write one record at once and return its sequence.

        Args:
            body: At most 32 MiB, and less where the cap is smaller.
            weight: Trades and rejections in it, for the accounting.

        Raises:
            RecordTooLarge: The body is too long; nothing was written.
            JournalFull: The disk or the cap leaves no space; nothing was written.
            JournalFailed: The disk does not take it; the process must end.
        """
        if not self._unacknowledged.noted:
            self._note_unacknowledged()
        return self._appender.append(body, weight)

    def _note_unacknowledged(self) -> None:
        """Write down from where on the database has not acknowledged this journal."""
        what = "cannot note that no database acknowledged the journal"
        with _translated(what, may_wait=True):
            self._unacknowledged.note()

    def sync(self) -> None:
        """Sync everything that was appended to the disk; return at once when it is synced.

        Raises:
            JournalFull: The sync failed, and there is no space for a new segment.
            JournalFailed: Neither the sync nor a new segment succeeded.
        """
        self._appender.sync()

    def read(self, from_seq: int) -> Iterator[Entry | Hole]:
        """Yield what is in the journal, from this sequence to the last one at this moment.

        Raises:
            JournalBusy: No file descriptor is left.
            JournalFailed: The directory cannot be read.
        """
        return self._read(max(from_seq, 1), self.next_seq)

    def _read(self, expected: int, until: int) -> Iterator[Entry | Hole]:
        with _translated("cannot read the journal"):
            yield from self._reader.read(expected, until)

    def release(self, watermark: int) -> None:
        """Delete the segments that are wholly below the watermark, which is committed.

        Raises:
            JournalFailed: A segment could not be deleted; it is deleted later.
        """
        self._delete_below(watermark)
        # With nothing else to delete, the last segment may be what keeps records from being taken:
        # it may be larger than a cap that has been lowered.
        if self._lacked_space and watermark >= self.next_seq:
            available, last = self.available_bytes, self._directory.segments[-1].size
            in_the_way = available < self._limits.segment <= available + last
            if in_the_way and self._appender.leave_last_segment(watermark):
                self._delete_below(watermark)

    def _delete_below(self, watermark: int) -> None:
        # First out of the list, then off the disk: a reading that meets a missing file sees that
        # the list has changed, and looks again. Not under the lock, so that no append waits for it.
        deleted = self._reader.release(watermark)
        self.watermark = max(self.watermark, watermark)
        if not deleted:
            return
        try:
            with _translated("cannot delete a segment"):
                for segment in deleted:
                    self._directory.delete(segment)
        finally:
            self._appender.segments_deleted()

    @property
    def next_seq(self) -> int:
        """Return the sequence that the next record gets."""
        return self._appender.next_seq

    @property
    def oldest_seq(self) -> int:
        """Return the lowest sequence that can still be read."""
        return self._directory.segments[0].first_seq

    @property
    def durable_seq(self) -> int:
        """Return the sequence up to which everything survives a loss of power."""
        durable, unsynced = self._appender.durable_seq, self._directory.unsynced_since
        return durable if unsynced is None else min(durable, unsynced - 1)

    # -------------------------------------------------------------- identity

    @property
    def journal_id(self) -> UUID:
        """Return the identity of this journal; sequences mean nothing without it."""
        return self._directory.journal_id

    @property
    def unacknowledged_seq(self) -> int:
        """Return the lowest sequence assigned since a database acknowledged this journal.

        No watermark of this journal can be above it.
        """
        since = self._unacknowledged.since
        return self.next_seq if since is None else since

    def acknowledge(self) -> None:
        """Record that a database knows this journal as it is.

        Raises:
            JournalFailed: It could not be noted.
        """
        with _translated("cannot note that the database acknowledged the journal"):
            self._unacknowledged.acknowledge()

    def renew(self) -> None:
        """Take a new identity, so that a database sees another journal. Sequences go on.

        Raises:
            JournalFull: There is no space for it.
            JournalFailed: It could not be written, or the records so far could not be synced.
        """
        with _translated("cannot take another identity", may_wait=True):
            self._appender.renew()

    # ---------------------------------------------------------------- health

    @property
    def weight_appended(self) -> int:
        """Return the sum of all weights in this process."""
        return self._appender.weight_appended

    @property
    def failed(self) -> str | None:
        """Return why nothing more is appended, or None."""
        return self._appender.failed

    @property
    def sync_alive_at(self) -> float:
        """Return the monotonic seconds when the thread that syncs last began a round."""
        return self._syncer.alive_at

    @property
    def sync_is_alive(self) -> bool:
        """Return whether the thread that syncs runs."""
        return self._syncer.is_alive

    def stats(self) -> JournalStats:
        """Return the figures of this moment. Reads up to a MiB when the watermark has moved."""
        # Of one moment, since others append meanwhile and the accounting compares them.
        next_seq, weight = self._appender.appended()
        free_bytes = self._free_bytes()
        self._raise_cap(free_bytes)
        self._lacked_space = not self.has_space()
        return JournalStats(
            next_seq=next_seq,
            durable_seq=self.durable_seq,
            bytes=self._directory.bytes,
            cap_bytes=self._limits.cap,
            free_bytes=free_bytes,
            sync_p99_s=self._syncer.p99_s,
            syncs=self._syncer.syncs,
            oldest_ns=self._reader.oldest_ns(next_seq),
            weight_appended=weight,
            gone=lost_names(self._directory, self._appender),
            watermark=self.watermark,
            exposed=self._directory.disk.exposed(self._directory.path),
        )

    def _raise_cap(self, free_bytes: int) -> None:
        """Raise the cap, if the journal may have more space than when it was last looked at."""
        if self._limits.grow(_space(free_bytes, self._directory, self._reserve)):
            self._reserve.size = self._limits.reserve
            # One that was freed stays so, until reading resumes.
            if not self._reserve.is_freed:
                self.rebuild_reserve()

    # ----------------------------------------------------------------- space

    @property
    def available_bytes(self) -> int:
        """Return how many bytes may be appended before the reserve is needed.

        That is what the cap leaves beside the reserve; the disk must leave twice the reserve.
        """
        held, reserve = self._reserve.held_bytes, self._reserve.size
        return min(
            self._limits.cap - self._directory.bytes - reserve,
            self._free_bytes() + held - 2 * reserve,
        )

    def has_space(self) -> bool:
        """Return whether one more segment fits beside the reserve."""
        return self.available_bytes >= self._limits.segment

    def has_ample_space(self) -> bool:
        """Return whether there is so much space that reading would not stop again at once.

        On the disk that is four times the reserve beside the reserve; of the cap, half.
        """
        reserve = self._reserve.size
        wanted = max(3 * reserve, self._limits.segment + reserve)
        return self.available_bytes >= min(wanted, self._limits.cap // 2)

    def free_reserve(self) -> None:
        """Free the reserve, so that the last records can be written; the cap grows by it too."""
        self._reserve.free()

    def rebuild_reserve(self) -> bool:
        """Allocate the reserve again; return False when there is no space for it.

        Raises:
            JournalFailed: The disk fails.
        """
        with _translated("cannot build the reserve"):
            return self._reserve.build()

    def _free_bytes(self) -> int:
        with _translated("cannot read the free space of the disk"):
            return self._directory.disk.free_bytes(self._directory.fd)


def _recover(disk: Disk, path: Path, limits: Limits, clocks: _Clocks, floor_seq: int) -> _Parts:
    """Lock the directory, recover, start to sync; see `Journal.open`."""
    directory: JournalDirectory | None = None
    try:
        directory = JournalDirectory(disk, path, wall_ns=clocks.wall_ns)
        reserve = Reserve(disk, directory.fd)
        limits.grow(_space(disk.free_bytes(directory.fd), directory, reserve))
        reserve.size = limits.reserve
        active, first_seq = ActiveSegment.recover(
            directory, reserve, floor_seq=floor_seq, limits=limits
        )
        unacknowledged = UnacknowledgedSince(
            disk,
            directory.fd,
            write_file=directory.write_file,
            reserve=reserve,
            first_seq=first_seq,
            oldest_seq=directory.segments[0].first_seq,
        )
        reserve.build()
    except OSError as exc:
        if directory:
            directory.close()
        kind = JournalUnreadable if exc.errno in _NO_ACCESS else JournalFailed
        place = path / exc.filename if isinstance(exc.filename, str) else path
        raise kind(f"cannot use {place}: {reason_of(exc)}") from exc
    lock = Lock()
    appender = Appender(directory, active, lock, first_seq=first_seq, wall_ns=clocks.wall_ns)
    reader = Reader(
        directory,
        lock,
        skipped=Skipped(active.used_seq, first_seq),
        carried_over=lambda: appender.carried_over,
        forget=active.forget,
    )
    syncer = Syncer(
        appender.sync,
        appender.fail,
        interval_s=clocks.sync_interval_s,
        monotonic=clocks.monotonic,
    )
    syncer.start()
    return _Parts(directory, reserve, appender, reader, syncer, unacknowledged)


def _space(free_bytes: int, directory: JournalDirectory, reserve: Reserve) -> int:
    """Return how many bytes the journal may have, if it may have all of the disk that is free.

    What it holds counts: otherwise a restart with a backlog would lower its cap.
    """
    return free_bytes + directory.bytes + reserve.held_bytes


@contextmanager
def _translated(what: str, *, may_wait: bool = False) -> Iterator[None]:
    """Raise an `OSError` as an error of the journal; a full disk as one that passes if it may."""
    try:
        yield
    except OSError as exc:
        kind: type[TrackerError] = JournalFailed
        if exc.errno in NO_DESCRIPTOR:
            kind = JournalBusy
        elif may_wait and exc.errno in NO_SPACE:
            kind = JournalFull
        raise kind(f"{what}: {exc.strerror or exc}") from exc
