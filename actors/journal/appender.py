"""The writing side of an open journal: sequences, appends and syncs, from any thread.

Two locks, taken in this order: `_syncing`, then the lock of the journal. Files are synced and
closed only under the first, so that no thread syncs a descriptor that another one has closed.
Appends need only the second, so they go on while a sync takes its time.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from threading import Lock

from actors.errors import JournalFailed, JournalFull
from actors.journal.active_segment import ActiveSegment
from actors.journal.directory import JournalDirectory
from actors.journal.marker_files import NO_SPACE
from actors.journal.segment import Segment
from actors.model.histogram import SYNC_S, Histogram, Stopwatch

SYNCS_MEASURED = 512
WITHOUT_SPACE_S = 1.0
"""Seconds between two tries to carry records over for which there is no space."""


class Appender:
    """Appends records to a journal and syncs them.

    Args:
        lock: Guards the directory, the active segment and the sequences; shared with the reader.
        first_seq: The sequence of the first record of this process.
        wall_ns: Clock for the times of records.

    Attributes:
        next_seq: The sequence of the next record.
        durable_seq: Every record up to this one survives a loss of power.
        weight_appended: Sum of the weights of this process's records.
        carried_over: How often records were carried over to another segment.
        failed: Why nothing more is appended, or None.
    """

    def __init__(
        self,
        directory: JournalDirectory,
        active: ActiveSegment,
        lock: Lock,
        *,
        first_seq: int,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._directory = directory
        self._active = active
        self._lock = lock
        self._syncing = Lock()
        self._wall_ns = wall_ns
        self._closed = False
        self.next_seq = first_seq
        self.durable_seq = first_seq - 1
        self.weight_appended = 0
        self.carried_over = 0
        self.failed: str | None = None

    def appended(self) -> tuple[int, int]:
        """Return the sequence of the next record and the weight of all before it, of one moment."""
        with self._lock:
            return self.next_seq, self.weight_appended

    def has_name(self) -> bool:
        """Return whether the file that is appended to still has a name."""
        with self._lock:
            return self._active.has_name()

    # ---------------------------------------------------------------- writing

    def append(self, body: bytes, weight: int) -> int:
        """Write one record and return its sequence; see `Journal.append`."""
        failures = 0
        while True:
            with self._lock:
                if self.failed is not None or self._closed:
                    raise self._unusable()
                if self._active.accepts(len(body)):
                    seq = self.next_seq
                    if self._active.append(seq, self._wall_ns(), body):
                        self.next_seq = seq + 1
                        self.weight_appended += weight
                        return seq
                    failures += 1
                if failures > 1:
                    # It failed, moved to a new segment, and failed again.
                    raise self.fail(self._active.suspect)
            # Outside of the lock: `sync` takes `_syncing` first, and the order of the locks must
            # hold.
            self.sync()

    def _unusable(self) -> JournalFailed:
        return JournalFailed(self.failed or "the journal is closed")

    def fail(self, cause: Exception | None) -> JournalFailed:
        """Append nothing more from now on; return the error to raise."""
        self.failed = self.failed or f"the disk does not take the journal: {cause}"
        error = JournalFailed(self.failed)
        error.__cause__ = cause
        return error

    # ---------------------------------------------------------------- syncing

    def sync(self) -> bool:
        """Sync everything to the disk; return False when there was nothing to sync.

        Raises:
            JournalFull, JournalFailed: See `Journal.sync`.
        """
        with self._syncing:
            with self._lock:
                if self.failed is not None or self._closed:
                    raise self._unusable()
                # Records that are appended during the sync may be on the disk too; they are not
                # counted. Nor is a segment closed that they fill.
                upto, segments = self.next_seq - 1, self._active.open_segments()
                full = self._active.full_segments()
                suspect = self._active.suspect is not None
                if not suspect and upto == self.durable_seq:
                    return False
            synced = not suspect and self._sync_files(segments)
            with self._lock:
                # An append may have failed while the files were synced; its segment is suspect
                # since then.
                if synced and self._active.suspect is None:
                    self._active.close_synced(full, upto)
                    self._directory.all_synced()
                    self.durable_seq = upto
                else:
                    self._carry_over()
            return True

    def _sync_files(self, segments: tuple[Segment, ...]) -> bool:
        """Sync each file once; return False when one failed, which must not be synced again."""
        try:
            for segment in segments:
                segment.sync(self._directory.disk)
        except OSError:
            # What it may have lost is carried over now or, if that fails, by the next process.
            # After a failed fsync Linux may mark the pages clean, so that a second one succeeds
            # although the bytes are gone. PostgreSQL panics for the same reason (manual,
            # data_sync_retry).
            self._active.note_failed_sync(self.durable_seq + 1)
            return False
        return True

    def _carry_over(self) -> None:
        """Move what is not synced to a new segment; a later sync tries again without space.

        Raises:
            JournalFull: There is no space for it.
            JournalFailed: The disk does not take it.
        """
        self._move_on(self._active.carry_over)

    def _move_on(self, move: Callable[[int], None]) -> None:
        # First, and in any case: from now on files may change their names, and whoever reads them
        # without the lock must then look again.
        self.carried_over += 1
        try:
            move(self.next_seq)
        except OSError as exc:
            if exc.errno in NO_SPACE:
                raise JournalFull(f"no space to carry records over: {exc.strerror}") from exc
            raise self.fail(exc) from exc
        self._directory.all_synced()
        self.durable_seq = self.next_seq - 1

    def renew(self) -> None:
        """Take a new identity, under which the next record is written.

        Raises:
            OSError: It could not be written; nothing has changed.
            JournalFull, JournalFailed: The records so far could not be synced.
        """
        # Appends wait for all of this: whatever is in the old segment must be synced before records
        # with the new identity begin.
        with self._syncing, self._lock:
            if self.failed is not None or self._closed:
                raise self._unusable()
            if self._active.suspect is not None or not self._sync_files(
                self._active.open_segments()
            ):
                self._carry_over()
            self.durable_seq = self.next_seq - 1
            self._active.start_new(self._directory.renew)

    def leave_last_segment(self, watermark: int) -> bool:
        """Continue in a new segment, so that the last one can be deleted.

        Returns:
            Whether there is one: not when some record is not committed, or without any space.

        Raises:
            JournalFailed: The disk does not take it.
        """
        with self._syncing, self._lock:
            usable = self.failed is None and not self._closed
            if not usable or not self._active.holds_only_below(watermark):
                return False
            try:
                self._move_on(self._active.leave)
            except JournalFull:
                return False
            return True

    def segments_deleted(self) -> None:
        """Record that segments were deleted, which leaves space below the cap."""
        with self._lock:
            self._active.segments_deleted()

    def close(self) -> None:
        """Sync a last time and close every file and the directory.

        Raises:
            JournalFailed: That sync failed; everything is closed nevertheless.
        """
        try:
            if self.failed is None:
                self.sync()
        except JournalFull as exc:
            raise JournalFailed(str(exc)) from exc
        finally:
            with self._syncing, self._lock:
                self._closed = True
                self._active.close()
                self._directory.close()


class Syncer:
    """Calls `sync` every `interval_s` in its own thread, until it is stopped.

    Args:
        sync: Returns whether there was anything to sync. `JournalFull` is tried again,
            `JournalFailed` ends the thread.
        on_fault: Called with any other error, which ends the thread too.

    Attributes:
        alive_at: Monotonic seconds when the thread last began a round.
    """

    def __init__(
        self,
        sync: Callable[[], bool],
        on_fault: Callable[[Exception], object],
        *,
        interval_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._sync = sync
        self._on_fault = on_fault
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._stopping = threading.Event()
        self._times: deque[float] = deque(maxlen=SYNCS_MEASURED)
        self._syncs = Stopwatch(SYNC_S)
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self.alive_at = monotonic()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def round(self) -> float:
        """Sync once, and return after how many seconds to do so again."""
        self.alive_at = began_at = self._monotonic()
        try:
            if self._sync():
                took_s = self._monotonic() - began_at
                self._times.append(took_s)
                self._syncs.add(took_s)
        except JournalFull:
            # Each try writes as much as there is space for.
            return max(self._interval_s, WITHOUT_SPACE_S)
        return self._interval_s

    def _run(self) -> None:
        wait_s = self._interval_s
        try:
            while not self._stopping.wait(wait_s):
                wait_s = self.round()
        except JournalFailed:
            return  # every caller that appends gets the same error
        except Exception as exc:
            self._on_fault(exc)
            raise

    @property
    def syncs(self) -> Histogram:
        """Return how long all syncs took."""
        return self._syncs.histogram

    @property
    def p99_s(self) -> float:
        """Return the 99th percentile of the last 512 syncs in seconds; 0 before the first."""
        # A copy, since iterating raises RuntimeError when the other thread appends meanwhile.
        times = sorted(self._times.copy())
        return times[math.ceil(len(times) * 0.99) - 1] if times else 0.0

    def stop(self) -> None:
        """Stop the thread and wait for its end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
