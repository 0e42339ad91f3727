"""A full disk, a bad disk, too few descriptors."""

import errno

import pytest

from actors.errors import (
    EXIT_IO,
    JournalBusy,
    JournalFailed,
    JournalFull,
)
from actors.journal.appender import Syncer
from actors.journal.journal import MIB
from actors.journal.marker_files import RESERVE
from actors.journal.segment import HEADER_BYTES
from tests.journal.journal_model import RECORD, MemoryDisk, Open, content, entries, fill


def reserved(disk: MemoryDisk) -> int:
    """Return how many bytes the reserve holds."""
    return len(disk.files[RESERVE].data) if RESERVE in disk.files else 0


# ----------------------------------------------------------------- a full disk


def test_short_writes_are_finished(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    disk.short.extend([1, 2, 3, 1, 1])
    fill(journal, 3)
    assert content(journal) == entries(1, 3)


@pytest.mark.parametrize("space", range(0, RECORD, 7))
def test_a_full_disk_leaves_whole_records_only_and_the_number_unused(
    space: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 3)
    disk.fill_up(space)
    for _ in range(3):
        with pytest.raises(JournalFull):
            fill(journal, 1)
    assert len(disk.files[disk.segments[0]].data) == HEADER_BYTES + 3 * RECORD
    assert journal.next_seq == 4
    disk.capacity = 1 << 30
    fill(journal, 2)
    assert content(journal) == entries(1, 5)
    disk.kill()
    assert content(opened()) == entries(1, 5)


def test_a_full_disk_with_a_tail_that_cannot_be_cut_moves_on(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 3)
    disk.short.append(10)
    disk.fail("write", 0, errno.ENOSPC)
    disk.fail("truncate", errno.EIO)
    fill(journal, 2)
    assert content(journal) == entries(1, 5)
    disk.kill()
    assert content(opened()) == entries(1, 5)


def test_no_space_for_a_new_segment_is_an_error_that_passes(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 2)
    disk.fill_up(10)
    with pytest.raises(JournalFull):
        fill(journal, 1)
    disk.capacity = 1 << 30
    fill(journal, 2)
    assert content(journal) == entries(1, 4)


def test_the_cap_holds_and_releasing_makes_space_again(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(max_bytes=2000)
    with pytest.raises(JournalFull, match="2000 bytes"):
        fill(journal, 100)
    assert sum(len(disk.files[name].data) for name in disk.segments) <= 2000
    assert not journal.has_space()
    stuck = journal.next_seq
    journal.release(stuck)
    assert journal.has_space()
    assert fill(journal, 1) == [stuck]


def test_a_full_disk_at_the_start_still_opens_for_reading(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 3)
    journal.sync()
    disk.lose_power()
    disk.capacity = 0
    journal = opened(segment_bytes=1, reserve_bytes=4096)
    assert content(journal)[:3] == entries(1, 3)
    assert reserved(disk) == 0
    with pytest.raises(JournalFull):
        journal.append(b"x")
    journal.release(4)
    assert len(disk.segments) == 1


def test_the_reserve_makes_space_for_the_last_records(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(reserve_bytes=4096)
    assert reserved(disk) == 4096
    disk.fill_up()
    with pytest.raises(JournalFull):
        fill(journal, 1)
    journal.free_reserve()
    assert fill(journal, 3) == [1, 2, 3]
    assert not journal.rebuild_reserve()
    assert not journal.has_space()
    disk.capacity = 1 << 30
    assert journal.rebuild_reserve()
    assert journal.has_space()
    journal.close()
    opened(reserve_bytes=4096)
    assert reserved(disk) == 4096


def test_the_reserve_counts_to_the_cap(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(max_bytes=4096, reserve_bytes=MIB)
    assert reserved(disk) == 512
    with pytest.raises(JournalFull):
        fill(journal, 1000)
    journal.free_reserve()
    fill(journal, 2)


# ------------------------------------------------------------------ a bad disk


def test_a_failed_sync_is_not_tried_again_and_loses_nothing(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 5)
    journal.sync()
    fill(journal, 5)
    disk.fail("sync_data", errno.EIO)
    journal.sync()
    assert journal.durable_seq == 10
    assert journal.failed is None
    fill(journal, 2)
    journal.sync()
    disk.lose_power()
    assert content(opened())[:12] == entries(1, 12)


@pytest.mark.parametrize("segment_bytes", [1, 100, 200, 10_000])
def test_a_failed_sync_over_several_segments_loses_nothing(
    segment_bytes: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=segment_bytes)
    fill(journal, 3)
    journal.sync()
    fill(journal, 7)
    disk.fail("sync_data", *([0] if segment_bytes < 300 else []), errno.EIO)
    journal.sync()
    assert journal.durable_seq == 10
    fill(journal, 3)
    assert content(journal) == entries(1, 13)
    journal.sync()
    disk.kill()
    assert content(opened()) == entries(1, 13)
    disk.lose_power()
    assert content(opened())[:13] == entries(1, 13)


def test_a_kill_between_carrying_over_and_deleting_is_harmless(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=100)
    fill(journal, 3)
    journal.sync()
    fill(journal, 8)
    disk.fail("sync_data", errno.EIO)
    disk.fail("unlink", *[errno.EIO] * 20)
    journal.sync()
    fill(journal, 1)
    stale = len(disk.segments)
    disk.kill()
    journal = opened()
    assert len(disk.segments) < stale
    assert content(journal) == entries(1, 12)
    assert journal.next_seq == 13


@pytest.mark.parametrize("call", ["create", "write", "sync", "rename"])
def test_a_journal_that_cannot_carry_over_has_failed_and_reports_it(
    call: str, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 5)
    disk.fail("sync_data", errno.EIO)
    disk.fail(call, errno.EIO)
    with pytest.raises(JournalFailed):
        journal.sync()
    assert journal.failed
    with pytest.raises(JournalFailed) as failed:
        journal.append(b"x")
    assert failed.value.exit_code == EXIT_IO
    assert content(journal) == entries(1, 5)
    journal.close()
    assert disk.holder is None
    assert content(opened())[:5] == entries(1, 5)


def test_carrying_over_may_use_the_reserve(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(reserve_bytes=8192)
    fill(journal, 5)
    disk.fill_up()
    disk.fail("sync_data", errno.EIO)
    journal.sync()
    assert journal.durable_seq == 5
    assert reserved(disk) == 1024, "the rest"


def test_a_failed_write_moves_to_a_new_segment_once(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 3)
    disk.short.append(10)
    disk.fail("write", 0, errno.EIO)
    fill(journal, 2)
    assert content(journal) == entries(1, 5)
    assert len(disk.segments) == 1, "the new segment carries all that was not synced"
    disk.lose_power(lambda n: n)
    assert content(opened())[:5] == entries(1, 5)


def test_a_write_that_fails_again_in_the_new_segment_is_the_end(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 1)
    disk.fail("write", errno.EIO, 0, 0, errno.EIO)
    with pytest.raises(JournalFailed):
        fill(journal, 1)
    with pytest.raises(JournalFailed):
        journal.sync()
    journal.close()


def test_without_space_for_what_must_be_carried_over_the_thread_tries_once_a_second() -> None:
    answers: list[bool | Exception] = [True, JournalFull(), False]
    failed: list[Exception] = []

    def sync() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    times = iter(range(100))
    syncer = Syncer(sync, failed.append, interval_s=0.02, monotonic=lambda: float(next(times)))
    assert [syncer.round() for _ in range(3)] == [0.02, 1.0, 0.02]
    assert syncer.p99_s == 1.0
    assert sum(syncer.syncs.counts) == syncer.syncs.sum_s > 0
    assert failed == []


def test_a_write_that_takes_nothing_does_not_hang(opened: Open, disk: MemoryDisk) -> None:
    class Stuck(MemoryDisk):
        stuck = False

        def write(self, fd: int, data: memoryview) -> int:
            return 0 if self.stuck else super().write(fd, data)

    stuck = Stuck()
    journal = opened(on=stuck)
    stuck.stuck = True
    with pytest.raises(JournalFailed):
        journal.append(b"x")
    del disk


def test_without_descriptors_the_open_segment_grows_and_reading_waits(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 2)
    disk.fail("create", errno.EMFILE, errno.ENFILE)
    fill(journal, 2)
    assert len(disk.segments) == 2
    disk.fail("open_read", errno.EMFILE)
    with pytest.raises(JournalBusy):
        content(journal)
    fill(journal, 1)
    assert content(journal) == entries(1, 5)
    assert len(disk.segments) == 3
