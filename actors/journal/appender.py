"""The writing side of an open journal: numbers, appends, syncs, from any thread.

Locks: `_syncing`, then `lock`. Files are synced and closed only under the first, so
no thread syncs a descriptor that another one has closed; appends need only the
second and go on while a sync takes its time.
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
from actors.journal.segment import MAX_BODY_BYTES, Segment, pack_record

# MERGED: The thread that syncs the journal, and how long that takes.


REMEMBERED = 512


class Syncer:
    """Calls `sync` every `interval_s`, in a thread of its own, until it is stopped.

    Args:
        sync: Gives whether there was anything to sync. Raises `JournalFailed` when
            there is nothing more to be done.
        on_fault: Is told of any other error, which ends the thread.

    Attributes:
        alive_at: Monotonic seconds when the thread last came round.
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
        self._times: deque[float] = deque(maxlen=REMEMBERED)
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self.alive_at = monotonic()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._interval_s):
                self.alive_at = began_at = self._monotonic()
                if self._sync():
                    self._times.append(self._monotonic() - began_at)
        except JournalFailed:
            return  # everyone who appends hears of it
        except Exception as exc:
            self._on_fault(exc)
            raise

    @property
    def p99_s(self) -> float:
        """Return what 99 of 100 of the last 512 syncs took at most; 0 before the first."""
        times = sorted(self._times.copy())
        return times[math.ceil(len(times) * 0.99) - 1] if times else 0.0

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()


class Appender:
    """Puts records at the end of a journal.

    Args:
        lock: Guards shelf, tail and numbers; shared with whoever reads them.
        first_seq: The sequence of the first record of this process.
        max_bytes: Cap for everything.
        wall_ns: Clock for the time that records bear.

    Attributes:
        changes: How often records have moved from one segment to another.
    """

    def __init__(
        self,
        shelf: JournalDirectory,
        tail: ActiveSegment,
        lock: Lock,
        *,
        first_seq: int,
        max_bytes: int,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._shelf = shelf
        self._tail = tail
        self._lock = lock
        self._syncing = Lock()
        self._max_bytes = max_bytes
        self._wall_ns = wall_ns
        self._closed = False
        self.next_seq = first_seq
        self.durable_seq = first_seq - 1
        self.weight_appended = 0
        self.changes = 0
        self.failed: str | None = None

    # ---------------------------------------------------------------- writing

    def append(self, body: bytes, weight: int) -> int:
        """Write one record; see `Journal.append`."""
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"a record of {len(body)} bytes is too long for the journal")
        suspects = 0
        while True:
            with self._lock:
                self._must_work()
                if self._tail.takes(len(body)):
                    seq = self._write(body)
                    if seq is not None:
                        self.weight_appended += weight
                        return seq
                    suspects += 1
                if suspects > 1:
                    # It failed, moved to a new segment, and failed again.
                    raise self.fail(self._tail.suspect)
            self.sync()

    def _write(self, body: bytes) -> int | None:
        seq = self.next_seq
        record = pack_record(seq, self._wall_ns(), body, self._shelf.seed)
        if self._tail.cost_of(len(record)) > self._max_bytes:
            raise JournalFull(f"the journal has reached its {self._max_bytes} bytes")
        if not self._tail.write(seq, record):
            return None
        self.next_seq = seq + 1
        return seq

    def _must_work(self) -> None:
        if self.failed is not None:
            raise JournalFailed(self.failed)
        if self._closed:
            raise JournalFailed("the journal is closed")

    def fail(self, cause: Exception | None) -> JournalFailed:
        """Take no more from now on; give the error that says so."""
        self.failed = self.failed or f"the disk does not take the journal: {cause}"
        error = JournalFailed(self.failed)
        error.__cause__ = cause
        return error

    # ---------------------------------------------------------------- syncing

    def sync(self) -> bool:
        """Have everything on the medium; see `Journal.sync`. Gives whether there was anything."""
        with self._syncing:
            with self._lock:
                self._must_work()
                upto, dirty = self.next_seq - 1, self._tail.dirty()
                suspect = self._tail.suspect is not None
                if not suspect and upto == self.durable_seq:
                    return False
            synced = not suspect and self._sync_files(dirty)
            with self._lock:
                if synced and self._tail.suspect is None:
                    self._tail.close_synced(dirty, upto)
                    self.durable_seq = upto
                else:
                    self._carry_over()
            return True

    def _sync_files(self, dirty: tuple[Segment, ...]) -> bool:
        """Sync each once; False when one failed. It must not be asked again."""
        try:
            for segment in dirty:
                if segment.fd is not None:
                    self._shelf.disk.sync_data(segment.fd)
        except OSError:
            # What it may have lost is carried over; if that fails, by the next life.
            self._shelf.suspicion.note(self.durable_seq + 1)
            return False
        return True

    def _carry_over(self) -> None:
        try:
            self._tail.carry_over(self.next_seq)
        except OSError as exc:
            raise self.fail(exc) from exc
        self._shelf.suspicion.lift()
        self.changes += 1
        self.durable_seq = self.next_seq - 1

    def renew(self) -> None:
        """Return the journal another identity, under which the next record is written.

        Raises:
            OSError: It could not be noted; nothing has changed.
            JournalFailed: What is there could not be made durable.
        """
        with self._syncing, self._lock:
            self._must_work()
            if self._tail.suspect is not None or not self._sync_files(self._tail.dirty()):
                self._carry_over()
            self.durable_seq = self.next_seq - 1
            self._shelf.renew()
            self._tail.turn()

    def recount(self) -> None:
        """Note that segments were deleted: there is room again."""
        with self._lock:
            self._tail.recount()

    def close(self) -> None:
        """Sync a last time and close every file and the directory.

        Raises:
            JournalFailed: That sync failed; everything is closed nevertheless.
        """
        try:
            if self.failed is None:
                self.sync()
        finally:
            with self._syncing, self._lock:
                self._closed = True
                self._tail.close()
                self._shelf.close()
