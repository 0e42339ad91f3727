"""What the journal promises: numbers, rejections, releasing."""

import errno
import itertools
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from actors.errors import (
    EXIT_CONFIG,
    JournalFailed,
    JournalFull,
    JournalUnreadable,
    RecordTooLarge,
    StateDirBusy,
)
from actors.journal.journal import MIB
from actors.journal.segment import HEADER_BYTES, Header, unpack_header
from actors.model.facts import LARGEST_RECORD_BYTES, Entry, Hole
from tests.clocks import DAY_S, HOUR_S, clocks
from tests.journal.journal_model import RECORD, MemoryDisk, Open, body_of, content, entries, fill

# --------------------------------------------------------------------- numbers


def test_sequences_count_from_one_and_records_come_back_in_order(opened: Open) -> None:
    journal = opened()
    assert fill(journal, 5) == [1, 2, 3, 4, 5]
    assert content(journal) == entries(1, 5)
    assert content(journal, 4) == entries(4, 5)
    assert content(journal, 6) == []


def test_an_empty_body_and_a_long_one_are_records_like_others(opened: Open) -> None:
    journal = opened()
    bodies = [b"", bytes(range(256)) * 8192, b"", b"TRK1" * 100]
    for body in bodies:
        journal.append(body)
    assert content(journal) == [Entry(n, body) for n, body in enumerate(bodies, start=1)]


def test_a_body_that_is_too_long_is_rejected_and_the_next_one_is_taken(opened: Open) -> None:
    journal = opened()
    with pytest.raises(RecordTooLarge, match=f"{LARGEST_RECORD_BYTES + 1:,} bytes"):
        journal.append(bytes(LARGEST_RECORD_BYTES + 1))
    assert journal.next_seq == 1
    longest = bytes(LARGEST_RECORD_BYTES)
    assert journal.append(longest) == 1
    assert journal.append(b"next") == 2
    assert content(journal) == [Entry(1, longest), Entry(2, b"next")]


def test_a_body_that_an_empty_journal_has_no_space_for_is_too_long_and_not_a_full_disk(
    opened: Open,
) -> None:
    journal = opened(max_bytes=2 * MIB)
    with pytest.raises(RecordTooLarge, match=r"3,145,728 bytes"):
        journal.append(bytes(3 * MIB))
    assert journal.append(b"next") == 1


def test_a_record_is_written_with_one_call(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    journal.append(body_of(1))
    before = disk.calls.count("write")

    assert journal.append(body_of(2), weight=5) == 2
    assert disk.calls.count("write") == before + 1
    assert content(journal) == entries(1, 2)
    assert journal.weight_appended == 5


def test_a_record_that_finds_no_space_for_its_end_leaves_nothing_behind(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 2)
    disk.short.append(20)  # a part of it
    disk.fail("write", 0, errno.ENOSPC)
    with pytest.raises(JournalFull):
        journal.append(body_of(3))

    assert journal.next_seq == 3
    assert journal.append(body_of(3)) == 3
    assert content(journal) == entries(1, 3)


def test_records_whose_sync_failed_are_carried_over_together(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 2)
    disk.fail("sync_data", errno.EIO)
    journal.sync()

    assert journal.durable_seq == 2
    assert journal.append(body_of(3)) == 3
    journal.close()
    assert content(opened()) == entries(1, 3)


def test_a_closed_journal_continues_where_it_ended(opened: Open, disk: MemoryDisk) -> None:
    identity = None
    for round_ in range(4):
        journal = opened()
        assert journal.opened_at_seq == journal.next_seq == 3 * round_ + 1
        assert identity in (None, journal.journal_id)
        identity = journal.journal_id
        fill(journal, 3)
        journal.close()
        journal.close()
    assert len(disk.segments) == 1
    assert content(opened()) == entries(1, 12)


def test_a_closed_journal_takes_nothing(opened: Open) -> None:
    journal = opened()
    journal.close()
    with pytest.raises(JournalFailed, match="closed"):
        journal.append(b"late")
    with pytest.raises(JournalFailed):
        list(journal.read(0))
    with pytest.raises(JournalFailed):
        journal.stats()


def test_no_sequence_below_the_floor_is_used(opened: Open) -> None:
    journal = opened()
    fill(journal, 3)
    journal.close()
    journal = opened(floor_seq=100)
    assert journal.append(body_of(100)) == 100
    assert content(journal) == [*entries(1, 3), Hole(4, 99, 0, skipped=True), *entries(100, 100)]


def test_a_floor_below_the_end_changes_nothing(opened: Open) -> None:
    fill(first := opened(), 3)
    first.close()
    assert opened(floor_seq=2).append(b"x") == 4


def test_weights_are_summed_for_the_accounting(opened: Open) -> None:
    journal = opened()
    journal.append(b"a", weight=3)
    journal.append(b"b")
    journal.append(b"c", weight=4)
    assert journal.weight_appended == 7


# ------------------------------------------------------------ rejecting to open


def test_a_newer_format_is_rejected_and_left_as_it_is(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 2)
    journal.close()
    file = disk.files[disk.segments[0]]
    packed = Header(1, 0, 0, 0, bytes(16), bytes(16)).pack()
    newer = bytearray(packed)
    newer[4] = 2
    newer[-4:] = _crc(bytes(newer[:-4]))
    file.data[:HEADER_BYTES] = newer
    before = bytes(file.data)
    with pytest.raises(JournalUnreadable, match="format 2") as rejected:
        opened()
    assert rejected.value.exit_code == EXIT_CONFIG
    assert bytes(file.data) == before
    assert disk.holder is None


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


def test_a_second_tracker_is_rejected_by_name(opened: Open) -> None:
    journal = opened()
    with pytest.raises(StateDirBusy, match="another tracker works on journal"):
        opened()
    assert journal.append(b"unharmed") == 1


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_directory_that_cannot_be_written_is_rejected_at_once(
    code: int, opened: Open, disk: MemoryDisk
) -> None:
    disk.fail("create", code)
    with pytest.raises(JournalUnreadable, match="cannot use journal") as rejected:
        opened()
    assert rejected.value.exit_code == EXIT_CONFIG


# ------------------------------------------------------------------- releasing


def test_only_segments_below_the_watermark_are_deleted(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=HEADER_BYTES + 2 * RECORD)
    fill(journal, 7)
    assert [int(name[4:-4]) for name in disk.segments] == [1, 3, 5, 7]
    journal.release(4)
    assert [int(name[4:-4]) for name in disk.segments] == [3, 5, 7]
    assert content(journal, 4) == entries(4, 7)
    journal.release(2)
    assert journal.watermark == journal.stats().watermark == 4


def test_the_last_segment_is_never_deleted(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 3)
    journal.release(4)
    assert len(disk.segments) == 1
    assert content(journal, journal.watermark) == []
    journal.close()
    assert opened().next_seq == 4


def test_a_segment_that_cannot_be_deleted_is_an_error_and_is_deleted_later(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 3)
    disk.fail("unlink", errno.EIO)
    with pytest.raises(JournalFailed):
        journal.release(3)
    journal.close()
    journal = opened()
    journal.release(3)
    assert len(disk.segments) == 1
    assert content(journal, 3) == entries(3, 3)


def test_the_figures_are_those_of_the_moment(opened: Open, disk: MemoryDisk) -> None:
    clock = itertools.count(1000)
    journal = opened(wall_ns=lambda: next(clock))
    first = journal.stats()
    assert (first.oldest_ns, first.next_seq, first.durable_seq) == (None, 1, 0)
    fill(journal, 4)
    journal.release(3)
    stats = journal.stats()
    assert stats.oldest_ns == 1003
    assert stats.bytes == HEADER_BYTES + 4 * RECORD
    assert stats.free_bytes == disk.free_bytes(next(iter(disk.open)))
    assert stats.cap_bytes == 64 * MIB


class BusyDisk(MemoryDisk):
    """Something happens, once, while the free space is asked for."""

    meanwhile: Callable[[], object] | None = None

    def free_bytes(self, directory: int) -> int:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().free_bytes(directory)


def test_what_is_appended_meanwhile_does_not_count_without_its_sequence(opened: Open) -> None:
    disk = BusyDisk()
    journal = opened(on=disk)
    journal.append(b"first", weight=3)
    disk.meanwhile = lambda: journal.append(b"meanwhile", weight=5)
    stats = journal.stats()
    assert (stats.next_seq, stats.weight_appended) == (2, 3)
    assert journal.stats().weight_appended == 8


# Faults of a clock that steps: records in the order of their times and not of their numbers; one
# that is taken for damaged, since its time lies before the one before it, or in the future; a
# segment that is taken for another's.


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -HOUR_S, HOUR_S, 400 * DAY_S])
def test_a_clock_that_steps_changes_neither_order_nor_content(
    opened: Open, disk: MemoryDisk, step_s: float
) -> None:
    with clocks(datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC)) as held:
        journal = opened(segment_bytes=3 * RECORD, wall_ns=time.time_ns)
        fill(journal, 4)
        held.step(step_s)
        fill(journal, 4)
        journal.sync()
        journal.close()
        held.step(-step_s)
        again = opened(segment_bytes=3 * RECORD, wall_ns=time.time_ns)
        fill(again, 2)
        assert content(again) == entries(1, 10)
        again.release(7)
        assert content(again, 7) == entries(7, 10)
        assert again.stats().bytes == sum(len(disk.files[name].data) for name in disk.segments)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
    ],
    ids=["leap day", "new year", "clock never set"],
)
def test_segments_and_records_carry_the_time_that_the_clock_shows(
    opened: Open, disk: MemoryDisk, at: datetime
) -> None:
    at_ns = int(at.timestamp()) * 10**9
    with clocks(at) as held:
        journal = opened(wall_ns=time.time_ns)
        held.run(2.0)
        fill(journal, 1)
        held.run(DAY_S)
        fill(journal, 1)
        assert journal.stats().oldest_ns == at_ns + 2 * 10**9
        journal.release(2)
        assert journal.stats().oldest_ns == at_ns + 86_402 * 10**9
    header = unpack_header(bytes(disk.files[disk.segments[0]].data), disk.segments[0])
    assert header is not None
    assert header.created_at_ns == at_ns


def test_what_waits_may_be_from_the_future_after_a_step_back(opened: Open) -> None:
    with clocks() as held:
        journal = opened(wall_ns=time.time_ns)
        fill(journal, 1)
        held.step(-DAY_S)
        oldest_ns = journal.stats().oldest_ns
        assert oldest_ns is not None
        assert oldest_ns - time.time_ns() == DAY_S * 1e9


def test_a_record_is_read_with_the_time_at_which_it_was_written(opened: Open) -> None:
    clock = iter([1, 77, 78])
    journal = opened(wall_ns=lambda: next(clock))
    journal.append(b"body")
    journal.append(b"body")
    found = list(journal.read(1))
    journal.close()

    assert found == [Entry(1, b"body", at_ns=77), Entry(2, b"body", at_ns=78)]
