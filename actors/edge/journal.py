"""The journal: everything that is received stands here first, numbered, in flat files.

Invariants
    1.  Sequences count from 1 and are never given twice, whatever crashes.
    2.  A record that `append` returned for survives the death of the process; one up to
        `durable_seq` survives the loss of power (a thread syncs every `sync_interval_s`).
    3.  A record is read back whole or not at all. What is missing is named: `read`
        gives every sequence exactly once, as an entry or within a `Hole`.
    4.  A file is deleted only when every sequence in it is below the mark that
        the database has *committed*; never the last one.
    5.  A descriptor whose sync failed is never synced again (the kernel may have forgotten
        the bytes and still say yes): what may lack is carried over from memory.
    6.  When there is no room, `append` says so (`JournalFull`) and nothing has changed:
        nothing is overwritten, dropped or kept in memory instead.
    7.  Bad data never keeps it from opening; a newer format or an unusable directory does.
    8.  Bounded: files and reserve by `max_bytes`, the unsynced by 8 MiB and 65,536
        records (then `append` waits for a sync), reading by one chunk and one record.

Files: `seg-<first sequence, 20 digits>.log` (format: `segment.py`), `journal-id`,
`reserve`, `*.tmp` (leftovers), `*.corrupt` (damaged segments kept for people).

Writing     `append`: number, header, CRC, `write()` until all is taken. A segment
            that is full is left to the sync thread; a record never spans two.
Reading     from any thread, beside appends. Deleting: `release(mark)` (`reader.py`).
Recovery    (`shelf.py`) only the last segment is scanned; a torn tail is cut off
            and counted, the rest is synced. The next sequence is one more than the last;
            after a *reboot* 65,536 numbers more are skipped: so many records may have
            been written, told on and committed, and forgotten by the disk.
Errors      no room: the tail is cut back to the last whole record. Anything else: once,
            all that is not synced moves to a new segment; if that fails too, the
            journal has `failed` and says so at every call.
Rooms       `disk` (calls), `segment` (one file), `shelf` (all), `tail` (the growing end),
            `appender`, `syncer`, `reader`, `reserve`, `figures`.
"""

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from uuid import UUID

from actors.edge.appender import Appender
from actors.edge.disk import Disk
from actors.edge.figures import JournalStats
from actors.edge.reader import Reader, Skip
from actors.edge.reserve import Reserve
from actors.edge.shelf import Shelf
from actors.edge.syncer import Syncer
from actors.edge.tail import Tail
from actors.errors import JournalFailed, JournalUnreadable, Retryable
from actors.logic.record import Entry, Hole

MIB = 1024 * 1024
_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})
_NO_ACCESS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP})


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        kind = Retryable if exc.errno in _NO_DESCRIPTOR else JournalFailed
        raise kind(f"{what}: {exc.strerror or exc}") from exc


class Journal:
    """An open journal. Every method may be called from every thread."""

    def __init__(
        self,
        shelf: Shelf,
        reserve: Reserve,
        appender: Appender,
        reader: Reader,
        syncer: Syncer,
        *,
        bounds: tuple[int, int],
    ) -> None:
        self._shelf = shelf
        self._reserve = reserve
        self._appender = appender
        self._reader = reader
        self._syncer = syncer
        self._max_bytes, self._segment_bytes = bounds
        self._closed = False
        self.opened_at_seq = appender.next_seq

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
        bounds = max_bytes, max(min(segment_bytes, max_bytes // 4), 1)
        shelf: Shelf | None = None
        try:
            shelf = Shelf(disk or Disk(), directory, wall_ns=wall_ns)
            reserve = Reserve(shelf.disk, shelf.directory, min(reserve_bytes, max_bytes // 8))
            tail, first_seq = Tail.of(shelf, reserve, floor_seq=floor_seq, segment_bytes=bounds[1])
            reserve.build()
        except OSError as exc:
            if shelf:
                shelf.close()
            kind = JournalUnreadable if exc.errno in _NO_ACCESS else JournalFailed
            raise kind(f"cannot use {directory}: {exc.strerror or exc}") from exc
        lock = Lock()
        appender = Appender(
            shelf, tail, lock, first_seq=first_seq, max_bytes=max_bytes, wall_ns=wall_ns
        )
        skip = Skip(tail.used_seq, first_seq)
        reader = Reader(shelf, lock, tail=skip, changes=lambda: appender.changes)
        syncer = Syncer(
            appender.sync, appender.fail, interval_s=sync_interval_s, monotonic=monotonic
        )
        syncer.start()
        return cls(shelf, reserve, appender, reader, syncer, bounds=bounds)

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
            weight: Prints in it, for the books.

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
        """Give what stands from this sequence up to the last one there is now.

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
        """Monotonic seconds when the sync thread last came round."""
        return self._syncer.alive_at

    @property
    def sync_p99_s(self) -> float:
        """Seconds that 99 of 100 recent syncs took at most."""
        return self._syncer.p99_s

    @property
    def in_flight(self) -> int:
        """Records appended and not yet released."""
        return self.pending_records(self.mark)

    def pending_records(self, mark: int) -> int:
        """Give how many records there are from this sequence on."""
        return self._reader.pending(mark, self.next_seq)

    @property
    def pending_bytes(self) -> int:
        """About how many bytes wait above the mark; exact to one MiB."""
        return self._reader.pending_bytes(self.next_seq)

    def stats(self) -> JournalStats:
        """Give all figures. Reads up to a MiB when the mark has moved."""
        return JournalStats(
            next_seq=self.next_seq,
            durable_seq=self.durable_seq,
            mark=self.mark,
            bytes=self._shelf.bytes,
            max_bytes=self._max_bytes,
            segments=len(self._shelf.segments),
            free_bytes=self._free_bytes(),
            reserve_bytes=self._reserve.held_bytes,
            sync_p99_s=self.sync_p99_s,
            oldest_ns=self._reader.oldest_ns(self.next_seq),
            truncated_bytes=self._shelf.truncated_bytes,
            holes=self._reader.holes_total,
            weight_appended=self.weight_appended,
        )

    def room(self) -> bool:
        """Tell whether cap and disk leave room for a segment more, beside the reserve."""
        files = self._shelf.bytes + self._reserve.held_bytes + self._segment_bytes
        return (
            files <= self._max_bytes
            and self._free_bytes() >= self._reserve.size + self._segment_bytes
        )

    def free_reserve(self) -> None:
        """Give the reserve's space to the last records; the cap grows by it too."""
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
