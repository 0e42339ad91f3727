"""Any order of appends, syncs, faults, kills and power losses keeps the promises."""

from errno import EIO, EMFILE, ENOSPC
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from actors.errors import JournalFailed, JournalFull
from actors.journal.journal import MIB, Journal
from actors.model.facts import Entry, Hole
from tests.journal.journal_model import MemoryDisk

CALLS = (
    *("write", "sync_data", "sync", "sync_directory"),
    *("create", "rename", "truncate", "unlink"),
)
FAULTS = st.sampled_from(
    [(call, code) for call in CALLS for code in (EIO, ENOSPC)] + [("create", EMFILE)]
)
NAMED = b"record %06d:"
"""Bytes that do not stand by chance in a header, with its random seed, or in a CRC."""


class JournalMachine(RuleBasedStateMachine):
    """Model: `bodies` by sequence, `durable`: those that nothing may take away."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = MemoryDisk(name_bytes=30)
        self.bodies: dict[int, bytes] = {}
        self.given: set[int] = set()
        self.durable: set[int] = set()
        self.watermark = 1
        self.journal: Journal
        self.count = 0

    @initialize(segment_bytes=st.sampled_from([1, 150, 400, 10_000]))
    def begin(self, segment_bytes: int) -> None:
        self.segment_bytes = segment_bytes
        self.open()

    def open(self) -> None:
        self.journal = Journal.open(
            Path("journal"),
            max_bytes=MIB,
            segment_bytes=self.segment_bytes,
            reserve_bytes=256,
            sync_interval_s=3600,
            disk=self.disk,
        )
        self.note_durable()

    def note_durable(self) -> None:
        self.durable |= {seq for seq in self.bodies if seq <= self.journal.durable_seq}

    def reopen_if_failed(self) -> None:
        if self.journal.failed:
            self.die()

    def die(self) -> None:
        """End the process without closing anything; the kernel keeps what it was given."""
        self.note_durable()
        self.journal._syncer.stop()
        self.disk.kill()
        self.open()

    # --------------------------------------------------------------- actions

    @rule(size=st.integers(0, 60), times=st.integers(1, 6))
    def append(self, size: int, times: int) -> None:
        self.append_some(size, times)
        self.reopen_if_failed()

    def append_some(self, size: int, times: int) -> None:
        for _ in range(times):
            self.count += 1
            body = NAMED % self.count + b"TRK1" * size
            try:
                seq = self.journal.append(body)
            except JournalFull:
                continue
            except JournalFailed:
                break
            assert seq not in self.given, "a sequence was given twice"
            assert not self.given or seq > max(self.given)
            self.given.add(seq)
            self.bodies[seq] = body

    @rule()
    def sync(self) -> None:
        upto = self.journal.next_seq - 1
        try:
            self.journal.sync()
        except JournalFull:
            assert self.journal.failed is None
        except JournalFailed:
            self.reopen_if_failed()
        else:
            doubtful = self.journal._directory.unsynced_since is not None
            assert self.journal.durable_seq >= upto or doubtful
        self.note_durable()

    @rule(size=st.integers(0, 60), times=st.integers(1, 6))
    def sync_while_segments_fill(self, size: int, times: int) -> None:
        """Append while the files are synced, as other threads do."""
        # A fault would make the append sync, for which it would wait in its own thread.
        self.disk.faults.clear()
        self.disk.on("sync_data", 1, lambda: self.append_some(size, times))
        self.sync()
        self.disk.forget_plans()

    @rule(fault=FAULTS, after=st.integers(0, 2))
    def fault(self, fault: tuple[str, int], after: int) -> None:
        call, code = fault
        self.disk.fail(call, *[0] * after, code)

    @rule(size=st.integers(1, 40))
    def short_write(self, size: int) -> None:
        self.disk.short.append(size)

    @rule(space=st.integers(0, 300))
    def fill_the_disk(self, space: int) -> None:
        self.disk.fill_up(space)

    @rule()
    def make_space(self) -> None:
        self.disk.capacity = 1 << 40

    @rule()
    def kill(self) -> None:
        self.die()

    @rule(fault=FAULTS, after=st.integers(0, 2))
    def kill_and_start_on_a_bad_disk(self, fault: tuple[str, int], after: int) -> None:
        """Start with one fault; a start that this ends is tried again."""
        call, code = fault
        self.note_durable()
        self.journal._syncer.stop()
        self.disk.kill()
        self.disk.fail(call, *[0] * after, code)
        try:
            self.open()
        except JournalFailed:
            full = code == ENOSPC and call in ("create", "write")
            assert not full, "a full disk keeps a journal from opening"
            self.disk.kill()
            self.open()

    @rule(junk=st.binary(min_size=1, max_size=60))
    def kill_with_a_torn_tail(self, junk: bytes) -> None:
        self.note_durable()
        self.journal._syncer.stop()
        self.disk.kill()
        self.disk.files[self.disk.segments[-1]].data += junk
        self.open()

    @rule(data=st.data())
    def lose_power(self, data: st.DataObject) -> None:
        self.note_durable()
        self.journal._syncer.stop()
        self.disk.lose_power(lambda size: data.draw(st.integers(0, size)))
        self.bodies = {
            seq: body for seq, body in self.bodies.items() if seq in self.durable or self.has(seq)
        }
        self.open()

    def has(self, seq: int) -> bool:
        """Return whether an unsynced record is on the disk: it may be there, it need not."""
        body = self.bodies[seq]
        return any(body in bytes(inode.data) for inode in self.disk.files.values())

    @rule()
    def close_and_open(self) -> None:
        try:
            self.journal.close()
        except JournalFailed:
            self.note_durable()
        else:
            self.durable |= set(self.bodies)
        assert self.disk.holder is None
        assert not self.disk.open, "a file was left open"
        self.disk.kill()
        self.open()

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        watermark = data.draw(st.integers(self.watermark, self.journal.next_seq))
        self.watermark = watermark
        try:
            self.journal.release(watermark)
        except JournalFailed:
            self.reopen_if_failed()

    # -------------------------------------------------------------- promises

    @invariant()
    def everything_is_read_once_whole_and_in_order(self) -> None:
        if not hasattr(self, "journal"):
            return
        self.disk.faults.pop("pread", None)
        expected = self.watermark
        holes: set[int] = set()
        for item in self.journal.read(self.watermark):
            if isinstance(item, Hole):
                assert item.first == expected
                assert item.last >= item.first
                holes |= {seq for seq in self.given if item.first <= seq <= item.last}
                expected = item.last + 1
            else:
                assert isinstance(item, Entry)
                assert item.seq == expected
                assert item.body == self.bodies.get(item.seq)
                expected += 1
        assert expected == max(self.journal.next_seq, self.watermark)
        alive = {seq for seq in self.bodies if seq >= self.watermark}
        assert not holes & alive & self.durable, "a durable record is gone"
        assert all(seq < self.journal.opened_at_seq for seq in holes & alive)

    @invariant()
    def what_is_called_durable_is_on_the_disk(self) -> None:
        if hasattr(self, "journal"):
            self.note_durable()
            bodies = [self.bodies[seq] for seq in self.durable if seq >= self.watermark]
            assert not self.disk.lacking(bodies)

    @invariant()
    def there_is_always_a_segment(self) -> None:
        if hasattr(self, "journal"):
            assert self.disk.segments

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal._syncer.stop()


TestJournal = pytest.mark.timeout(300)(JournalMachine.TestCase)
TestJournal.settings = settings(max_examples=100, stateful_step_count=30)
