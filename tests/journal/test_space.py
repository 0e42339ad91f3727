"""A disk, or a cap, that is full of what waits for the database, at a start and after it.

Faults: a cap that a restart lowers by what the journal holds, or that stays as low as it was when
the disk was full; a start that ends because some file finds no space, though reading the journal
is all that makes space; a segment that is never deleted because it is the last.
"""

import errno
from collections.abc import Callable
from uuid import UUID

import pytest

from actors.errors import JournalFailed, JournalFull
from actors.journal.journal import Journal
from actors.journal.marker_files import IDENTITY, RESERVE, REST_BYTES, SUSPECT, UNMET
from actors.journal.segment import HEADER_BYTES
from tests.journal.journal_model import (
    RECORD,
    Inode,
    MemoryDisk,
    Open,
    body_of,
    content,
    entries,
    fill,
)

THREE = HEADER_BYTES + 3 * RECORD
"""Segments of three records."""


def half(space: int) -> int:
    return space // 2


def until_full(journal: Journal) -> int:
    """Append until there is no space; return how many records there are."""
    try:
        while True:
            fill(journal, 1)
    except JournalFull:
        return journal.next_seq - 1


# ------------------------------------------------------------------------- the cap


@pytest.mark.parametrize("count", [0, 1, 10, 60])
@pytest.mark.parametrize("reserve_bytes", [0, 300])
def test_a_cap_that_depends_on_the_disk_counts_what_the_journal_holds(
    count: int, reserve_bytes: int, opened: Open, disk: MemoryDisk
) -> None:
    disk.capacity = 10_000
    settings = {"max_bytes": half, "segment_bytes": THREE, "reserve_bytes": reserve_bytes}
    journal = opened(**settings)
    before = journal.stats().cap_bytes
    assert 4_900 < before <= 5_000
    fill(journal, count)
    journal.close()
    journal = opened(**settings)
    # What is left over are the small files.
    assert abs(journal.stats().cap_bytes - before) < 100
    assert journal.has_space()


def test_a_restart_with_a_backlog_takes_as_many_records_as_the_process_before(
    opened: Open, disk: MemoryDisk
) -> None:
    disk.capacity = 10_000
    settings = {"max_bytes": half, "segment_bytes": THREE}
    most = until_full(opened(**settings))
    disk.kill()
    for name in list(disk.files):
        del disk.files[name]
    fill(opened(**settings), most // 2)
    disk.kill()
    assert abs(until_full(opened(**settings)) - most) < 4


def test_a_cap_grows_when_the_disk_has_more_space_again(opened: Open, disk: MemoryDisk) -> None:
    settings = {"max_bytes": half, "segment_bytes": 1_000, "reserve_bytes": 800}
    fill(opened(), 3)
    disk.kill()
    disk.fill_up()
    journal = opened(**settings)
    assert not journal.has_space()
    disk.capacity = 100_000
    journal.stats()
    assert journal.has_space()
    assert 49_000 < journal.stats().cap_bytes <= 50_000
    assert journal.rebuild_reserve()
    assert len(disk.files[RESERVE].data) == 800
    fill(journal, 100)
    assert len(disk.segments) < 10, "segments are as large as the cap allows now"


def test_a_cap_that_may_rise_makes_no_record_too_large(opened: Open, disk: MemoryDisk) -> None:
    """Fault: at a start on a full disk no record would ever fit, and it would be given up."""
    opened().close()
    disk.fill_up()
    journal = opened(max_bytes=half)
    for body in (b"small", bytes(5_000)):
        with pytest.raises(JournalFull):
            journal.append(body)
    disk.capacity = 100_000
    journal.stats()
    assert journal.append(bytes(5_000)) == 1


def test_a_cap_does_not_shrink_when_others_fill_the_disk(opened: Open, disk: MemoryDisk) -> None:
    disk.capacity = 10_000
    journal = opened(max_bytes=half)
    before = journal.stats().cap_bytes
    disk.capacity = 6_000
    assert journal.stats().cap_bytes == before


def test_a_reserve_that_was_freed_is_not_built_again_by_a_cap_that_grows(
    opened: Open, disk: MemoryDisk
) -> None:
    disk.capacity = 10_000
    journal = opened(max_bytes=half, reserve_bytes=300)
    journal.free_reserve()
    disk.capacity = 20_000
    journal.stats()
    assert len(disk.files[RESERVE].data) < 300 // 4


@pytest.mark.parametrize("reserve_bytes", [0, 100, 500])
def test_the_reserve_of_an_earlier_process_gets_the_size_of_this_one(
    reserve_bytes: int, opened: Open, disk: MemoryDisk
) -> None:
    opened(reserve_bytes=300).close()
    opened(reserve_bytes=reserve_bytes)
    assert len(disk.files[RESERVE].data if RESERVE in disk.files else b"") == reserve_bytes


# ------------------------------------------------------------ a start without space


Prepare = Callable[[MemoryDisk], object]


def as_it_was(_: MemoryDisk) -> None:
    """Leave the reserve of the process before."""


def without_reserve(disk: MemoryDisk) -> None:
    del disk.files[RESERVE]


def without_identity(disk: MemoryDisk) -> None:
    without_reserve(disk)
    del disk.files[IDENTITY]


def with_damaged_identity(disk: MemoryDisk) -> None:
    without_reserve(disk)
    disk.files[IDENTITY].data = bytearray(b"?")


def after_a_reboot(disk: MemoryDisk) -> None:
    without_reserve(disk)
    disk.lose_power(lambda size: size)


def with_a_torn_tail(disk: MemoryDisk) -> None:
    without_reserve(disk)
    disk.files[disk.segments[-1]].data += b"TRK1"


def with_a_failed_sync(disk: MemoryDisk) -> None:
    without_reserve(disk)
    disk.files[f"{SUSPECT}{1:020d}"] = Inode()


PREPARED = (
    *(as_it_was, without_reserve, without_identity, with_damaged_identity),
    *(after_a_reboot, with_a_torn_tail, with_a_failed_sync),
)


@pytest.mark.parametrize("prepare", PREPARED)
@pytest.mark.parametrize("max_bytes", [1 << 20, half, lambda _: 0], ids=["disk", "half", "cap"])
def test_a_start_without_any_space_reads_everything_and_takes_records_once_it_is_committed(
    prepare: Prepare, max_bytes: int | Callable[[int], int], opened: Open
) -> None:
    disk = MemoryDisk(name_bytes=50)
    settings = {"max_bytes": max_bytes, "segment_bytes": THREE, "reserve_bytes": 400}
    journal = opened(on=disk, **{**settings, "max_bytes": 1 << 20})
    fill(journal, 10)
    journal.acknowledge()
    disk.kill()
    prepare(disk)
    disk.fill_up()

    journal = opened(on=disk, **settings)
    assert content(journal)[:10] == entries(1, 10)
    journal.stats()
    journal.acknowledge()
    journal.release(journal.next_seq)
    journal.stats()
    assert len(disk.segments) == 1
    if journal.stats().cap_bytes > THREE:
        assert fill(journal, 1) == [journal.next_seq - 1]
        journal.sync()
        disk.kill()
        assert opened(on=disk, **settings).next_seq == journal.next_seq


def test_a_new_journal_without_space_is_an_error_that_says_so(opened: Open) -> None:
    disk = MemoryDisk(name_bytes=50)
    disk.fill_up()
    with pytest.raises(JournalFailed, match="No space"):
        opened(on=disk)


def test_the_last_segment_is_deleted_too_when_it_alone_is_in_the_way(
    opened: Open, disk: MemoryDisk
) -> None:
    """A cap that was lowered below the size of one segment."""
    fill(opened(), 50)
    disk.kill()
    journal = opened(max_bytes=1_000)
    with pytest.raises(JournalFull):
        fill(journal, 1)
    journal.stats()
    journal.release(50)
    assert disk.segments == [f"seg-{1:020d}.log"], "a record in it is not committed"
    journal.release(51)
    assert disk.segments == [f"seg-{51:020d}.log"]
    assert journal.has_space()
    assert fill(journal, 2) == [51, 52]
    journal.sync()
    disk.kill()
    assert content(opened(), 51) == entries(51, 52)


def test_the_last_segment_is_left_without_what_is_committed_and_not_synced(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=THREE)
    disk.fail("create", *[errno.EMFILE] * 20)  # so that it grows beyond its size
    fill(journal, 20)
    disk.faults.clear()
    disk.fill_up(len(disk.files[disk.segments[0]].data))
    disk.capacity -= 700
    journal.stats()
    journal.release(21)
    assert disk.segments == [f"seg-{21:020d}.log"]
    assert len(disk.files[disk.segments[0]].data) == HEADER_BYTES


def test_the_last_segment_stays_when_deleting_it_gives_too_little(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=10_000)
    for _ in range(5):
        (seq,) = fill(journal, 1)
        disk.fill_up(100)
        journal.stats()
        journal.release(seq + 1)
        assert disk.segments == [f"seg-{1:020d}.log"]


def test_the_last_segment_may_need_the_reserve_to_be_left(opened: Open) -> None:
    disk = MemoryDisk(name_bytes=50)
    fill(opened(on=disk), 20)
    disk.kill()
    journal = opened(on=disk, segment_bytes=THREE, reserve_bytes=100)
    disk.fill_up()
    journal.stats()
    journal.release(21)
    assert RESERVE not in disk.files
    assert disk.segments == [f"seg-{21:020d}.log"]


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("count", [1, 120])
def test_one_segment_alone_on_a_full_disk_is_left_though_the_reserve_was_freed(
    count: int, opened: Open, *, kill: bool
) -> None:
    """For it a few blocks stay, also through a start that finds no space."""
    disk = MemoryDisk(name_bytes=50)
    settings = {"max_bytes": half, "segment_bytes": 2_000, "reserve_bytes": 1_200}
    disk.capacity = 20_000
    journal = opened(on=disk, **settings)
    disk.fail("create", *[errno.EMFILE] * count)  # so that it stays one segment
    fill(journal, count)
    disk.faults.clear()
    journal.acknowledge()
    disk.fill_up()
    assert not journal.has_space()
    journal.free_reserve()
    disk.fill_up()
    journal.stats()
    if kill:
        disk.kill()
        journal = opened(on=disk, **settings)
        journal.free_reserve()
        journal.acknowledge()
        disk.fill_up()
        journal.stats()
    journal.release(count + 1)
    big = count > 1
    assert disk.segments == [f"seg-{count + 1 if big else 1:020d}.log"]
    journal.stats()
    assert journal.has_space() == big


# ------------------------------------------------------- what must be written first


def test_no_sequence_is_assigned_before_the_note_of_it_is_on_disk(opened: Open) -> None:
    """Else a watermark of another journal passes for ours, and hides what it has not got."""
    disk = MemoryDisk(name_bytes=50)
    journal = opened(on=disk)
    fill(journal, 5)
    journal.acknowledge()
    journal.close()

    disk.fill_up(45)  # for a record, not for a file
    second = opened(on=disk)
    with pytest.raises(JournalFull, match="acknowledged"):
        fill(second, 1)
    assert second.unacknowledged_seq == 6
    disk.capacity = 1 << 40
    fill(second, 5)
    disk.kill()
    assert opened(on=disk).unacknowledged_seq == 6


def test_a_journal_that_was_acknowledged_needs_no_note(opened: Open) -> None:
    disk = MemoryDisk(name_bytes=50)
    opened(on=disk).close()
    del disk.files[UNMET]
    disk.fill_up(45)
    journal = opened(on=disk)
    journal.acknowledge()
    assert fill(journal, 1) == [1]
    disk.capacity = 1 << 40
    fill(journal, 1)
    assert UNMET not in disk.files


def test_the_note_may_use_the_reserve(opened: Open) -> None:
    disk = MemoryDisk(name_bytes=50)
    journal = opened(on=disk, reserve_bytes=4 * REST_BYTES)
    journal.acknowledge()
    journal.close()
    disk.fill_up()
    journal = opened(on=disk, reserve_bytes=4 * REST_BYTES)
    assert fill(journal, 1) == [1]
    assert UNMET in disk.files


def test_another_identity_may_use_the_reserve(opened: Open) -> None:
    disk = MemoryDisk(name_bytes=50)
    journal = opened(on=disk, reserve_bytes=300)
    fill(journal, 2)
    before = journal.journal_id
    disk.fill_up()
    journal.renew()
    assert journal.journal_id != before
    assert fill(journal, 1) == [3]
    disk.kill()
    assert opened(on=disk).journal_id == journal.journal_id


def test_another_identity_waits_for_space(opened: Open) -> None:
    disk = MemoryDisk(name_bytes=50)
    journal = opened(on=disk)
    fill(journal, 2)
    before: UUID = journal.journal_id
    disk.fill_up()
    with pytest.raises(JournalFull, match="identity"):
        journal.renew()
    assert journal.journal_id == before
    assert journal.failed is None
    disk.capacity = 1 << 40
    journal.renew()
    assert journal.append(body_of(3)) == 3
    assert content(journal) == entries(1, 3)


def test_a_disk_that_fails_otherwise_is_no_full_disk(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 2)
    disk.fail("create", errno.EIO)
    with pytest.raises(JournalFailed, match="identity"):
        journal.renew()
