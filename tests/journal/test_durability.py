"""What survives the death of the process and the loss of power."""

import errno

import pytest

from actors.errors import JournalFailed, JournalFull
from actors.journal.directory import UNSYNCED_RECORDS
from actors.journal.journal import MIB
from actors.journal.marker_files import SUSPECT
from actors.journal.segment import HEADER_BYTES, RECORD_BYTES
from actors.model.facts import Entry, Hole
from tests.journal.journal_model import (
    BODY,
    RECORD,
    Inode,
    MemoryDisk,
    Open,
    body_of,
    content,
    entries,
    fill,
)

# ------------------------------------------------------------------ durability


def test_what_was_appended_survives_the_death_of_the_process(
    opened: Open, disk: MemoryDisk
) -> None:
    fill(opened(segment_bytes=300), 40)
    disk.kill()
    journal = opened(segment_bytes=300)
    assert content(journal) == entries(1, 40)
    assert journal.next_seq == 41
    disk.lose_power()
    assert content(opened())[:40] == entries(1, 40), "what is found at the start is synced"


def test_what_is_durable_survives_the_loss_of_power(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=300)
    fill(journal, 20)
    journal.sync()
    assert journal.durable_seq == 20
    fill(journal, 20)
    assert journal.durable_seq == 20
    disk.lose_power()
    assert content(opened())[:20] == entries(1, 20)


def test_a_sequence_lost_in_a_power_loss_is_not_used_again(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 5)
    journal.sync()
    fill(journal, 5)
    disk.lose_power()
    journal = opened()
    first = journal.next_seq
    assert first == 5 + 1 + UNSYNCED_RECORDS
    assert content(journal) == [*entries(1, 5), Hole(6, first - 1, 0, skipped=True)]
    fill(journal, 2)
    journal.sync()
    disk.kill()
    journal = opened()
    skipped = Hole(6, first - 1, 0, skipped=True)
    assert content(journal) == [*entries(1, 5), skipped, *entries(first, first + 1)]
    assert content(journal, 100)[0] == Hole(100, first - 1, 0, skipped=True)


def test_what_was_skipped_stays_skipped_when_a_sync_fails(opened: Open, disk: MemoryDisk) -> None:
    fill(opened(), 1)
    disk.lose_power()
    journal = opened()
    first = journal.next_seq
    fill(journal, 3)
    disk.fail("sync_data", errno.EIO)
    journal.sync()
    disk.kill()
    skipped = Hole(1, first - 1, 0, skipped=True)
    assert content(opened()) == [skipped, *entries(first, first + 2)]


def test_a_segment_that_cannot_be_synced_at_the_start_is_written_again(
    opened: Open, disk: MemoryDisk
) -> None:
    fill(opened(segment_bytes=150), 7)
    disk.kill()
    disk.fail("sync_data", errno.EIO, 0, errno.EIO)
    journal = opened(segment_bytes=150)
    assert journal.durable_seq == 7
    assert fill(journal, 2) == [8, 9]
    journal.sync()
    assert content(journal) == entries(1, 9)
    disk.lose_power()
    assert content(opened())[:9] == entries(1, 9)


@pytest.mark.parametrize("call", ["create", "write", "sync", "rename", "pread"])
def test_one_that_cannot_be_written_again_is_not_appended_to_nor_called_durable(
    call: str, opened: Open, disk: MemoryDisk
) -> None:
    fill(opened(), 3)
    disk.kill()
    disk.fail("sync_data", errno.EIO)
    disk.fail(call, *([0] if call in ("create", "pread") else []), errno.EIO)
    journal = opened()
    assert journal.durable_seq == 0
    assert fill(journal, 2) == [4, 5]
    journal.sync()
    assert len(disk.segments) == 2
    assert content(journal) == entries(1, 5)
    assert journal.durable_seq == 0
    journal.release(6)
    assert journal.durable_seq == 5


def left_in_doubt(opened: Open, disk: MemoryDisk, segment_bytes: int = 10_000) -> None:
    """Seven records; the last four were not synced, nor could they be carried over."""
    journal = opened(segment_bytes=segment_bytes)
    fill(journal, 3)
    journal.sync()
    fill(journal, 4)
    disk.fail("sync_data", errno.EIO)
    disk.fail("sync", errno.EIO)
    with pytest.raises(JournalFailed):
        journal.sync()
    disk.kill()


@pytest.mark.parametrize("segment_bytes", [1, 150, 10_000])
def test_what_a_failed_process_could_not_sync_is_written_again_by_the_next(
    segment_bytes: int, opened: Open, disk: MemoryDisk
) -> None:
    left_in_doubt(opened, disk, segment_bytes)
    journal = opened(segment_bytes=segment_bytes)
    assert content(journal) == entries(1, 7)
    assert fill(journal, 1) == [8]
    journal.sync()
    disk.lose_power()
    assert content(opened())[:8] == entries(1, 8)


def test_a_clock_step_that_passes_for_a_reboot_leaves_nothing_in_doubt(
    opened: Open, disk: MemoryDisk
) -> None:
    left_in_doubt(opened, disk)
    disk.boot = bytes(16)
    opened()
    disk.lose_power()
    assert content(opened())[:7] == entries(1, 7)


def test_what_is_in_doubt_and_cannot_be_written_again_at_the_start_stays_in_doubt(
    opened: Open, disk: MemoryDisk
) -> None:
    left_in_doubt(opened, disk)
    disk.fail("sync", errno.EIO)
    assert opened().durable_seq == 0
    disk.kill()

    assert content(opened()) == entries(1, 7)
    disk.lose_power()
    assert content(opened())[:7] == entries(1, 7)


def test_a_full_disk_does_not_keep_a_journal_in_doubt_from_opening(
    opened: Open, disk: MemoryDisk
) -> None:
    left_in_doubt(opened, disk)
    disk.fill_up()
    with pytest.raises(JournalFull):
        fill(opened(), 1)
    disk.kill()

    disk.capacity = 1 << 40
    assert content(opened()) == entries(1, 7)
    disk.lose_power()
    assert content(opened())[:7] == entries(1, 7)


def test_what_stays_in_doubt_is_not_forgotten_when_a_later_sync_fails_and_succeeds(
    opened: Open, disk: MemoryDisk
) -> None:
    left_in_doubt(opened, disk)
    disk.fill_up()
    journal = opened()
    assert journal.durable_seq == 0
    disk.capacity = 1 << 40
    assert fill(journal, 2) == [8, 9]
    disk.fail("sync_data", errno.EIO)
    journal.sync()
    fill(journal, 1)
    journal.sync()
    disk.kill()

    journal = opened()
    assert journal.durable_seq == 10
    disk.lose_power()
    assert content(opened())[:10] == entries(1, 10)


def test_what_was_in_doubt_is_not_any_more_once_it_is_released(
    opened: Open, disk: MemoryDisk
) -> None:
    left_in_doubt(opened, disk)
    disk.fill_up()
    journal = opened()
    disk.capacity = 1 << 40
    fill(journal, 1)
    journal.release(8)
    journal.sync()
    assert journal.durable_seq == 8
    assert not [name for name in disk.files if name.startswith(SUSPECT)]


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_only_what_may_have_been_unsynced_is_written_again(opened: Open, disk: MemoryDisk) -> None:
    """An old marker that came back costs no more than a fresh one."""
    journal = opened(segment_bytes=1 << 19)
    for _ in range(2 * UNSYNCED_RECORDS):
        journal.append(b"")
    journal.sync()
    assert len(disk.segments) > 6
    disk.kill()
    disk.files[f"{SUSPECT}{1:020d}"] = Inode()
    disk.calls.clear()
    opened(segment_bytes=1 << 19)
    assert disk.calls.count("rename") == 4


def test_what_is_in_doubt_before_a_damaged_tail_is_written_again_too(
    opened: Open, disk: MemoryDisk
) -> None:
    left_in_doubt(opened, disk)
    disk.files[disk.segments[-1]].data += b"\xff" * 77
    journal = opened()
    (first,) = fill(journal, 1)
    assert first == 7 + 77 // RECORD_BYTES + 1
    journal.sync()
    skipped = Hole(8, first - 1, 0, skipped=True)
    assert content(journal) == [*entries(1, 7), skipped, *entries(first, first)]
    disk.lose_power()
    assert content(opened())[:9] == [*entries(1, 7), skipped, *entries(first, first)]


def test_a_failed_sync_on_a_full_disk_waits_for_space_and_syncs_no_descriptor_again(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 3)
    disk.fill_up()
    disk.fail("sync_data", errno.EIO)
    for _ in range(3):
        with pytest.raises(JournalFull):
            journal.sync()
    with pytest.raises(JournalFull):
        fill(journal, 1)
    assert journal.failed is None
    assert content(journal) == entries(1, 3)
    disk.capacity = 1 << 40
    assert fill(journal, 1) == [4]
    journal.sync()
    disk.lose_power()
    assert content(opened())[:4] == entries(1, 4)


def test_a_failed_sync_on_a_full_disk_is_known_to_the_next_process(opened: Open) -> None:
    disk = MemoryDisk(name_bytes=20)
    journal = opened(on=disk, reserve_bytes=400)
    fill(journal, 3)
    disk.fill_up()
    disk.fail("sync_data", errno.EIO)
    disk.fail("rename", errno.EIO)
    with pytest.raises(JournalFailed):
        journal.sync()
    disk.kill()
    journal = opened(on=disk)
    disk.lose_power()
    assert content(opened(on=disk))[:3] == entries(1, 3)


def test_a_marker_that_could_not_be_deleted_is_deleted_by_a_later_sync(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 4)
    disk.fail("sync_data", errno.EIO)
    disk.fail("unlink", errno.EIO)
    journal.sync()
    assert [name for name in disk.files if name.startswith(SUSPECT)]
    fill(journal, 1)
    journal.sync()
    assert not [name for name in disk.files if name.startswith(SUSPECT)]


def test_after_a_reboot_an_old_marker_means_nothing(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 4)
    journal.sync()
    disk.lose_power()
    disk.files[f"{SUSPECT}{1:020d}"] = Inode()
    first = opened().next_seq
    disk.kill()
    assert opened().next_seq == first, "numbers that were skipped stay skipped"
    assert not [name for name in disk.files if name.startswith(SUSPECT)]


def test_the_marker_is_deleted_once_all_is_carried_over(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 4)
    disk.fail("sync_data", errno.EIO)
    journal.sync()
    assert not [name for name in disk.files if name.startswith(SUSPECT)]
    disk.kill()
    opened()
    assert len(disk.segments) == 1


def test_a_sync_with_nothing_new_calls_nothing_of_the_disk(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 1)
    journal.sync()
    disk.calls.clear()
    journal.sync()
    assert disk.calls == []


def test_a_segment_has_its_name_only_when_it_is_durable(disk: MemoryDisk, opened: Open) -> None:
    opened()
    named = ("create", "write", "sync", "rename", "sync_directory")
    assert tuple(call for call in disk.calls if call in named)[-5:] == named


def test_unsynced_records_are_bounded_by_waiting_for_the_disk(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    for _ in range(9):
        journal.append(bytes(MIB))
    assert journal.durable_seq >= 1
    assert disk.calls.count("sync_data") == 1


def test_unsynced_records_are_bounded_in_number_also_when_they_are_committed_before(
    opened: Open,
) -> None:
    """A reboot skips so many numbers; more must not have been used that the disk does not know."""
    journal = opened(segment_bytes=10_000)
    for count in range(1, UNSYNCED_RECORDS + 1):
        journal.append(b"")
        if count % 5_000 == 0:
            journal.release(journal.next_seq)
    assert journal.durable_seq == 0
    journal.append(b"")
    assert journal.durable_seq == UNSYNCED_RECORDS


def test_the_numbers_that_a_reboot_skipped_are_not_unsynced(opened: Open, disk: MemoryDisk) -> None:
    fill(opened(), 3)
    disk.lose_power()
    journal = opened()
    fill(journal, 1)
    disk.calls.clear()
    fill(journal, 10)
    assert "sync_data" not in disk.calls


def test_unsynced_records_are_bounded_in_number_too(opened: Open) -> None:
    journal = opened()
    for _ in range(UNSYNCED_RECORDS):
        journal.append(b"")
    assert journal.durable_seq == 0
    journal.append(b"")
    assert journal.durable_seq == UNSYNCED_RECORDS


# ------------------------------------------------------------------ torn tails


@pytest.mark.parametrize("kept", range(RECORD))
def test_a_torn_record_is_cut_off_wherever_it_was_torn(
    kept: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    for _ in range(3):
        journal.append(BODY)
    disk.kill()
    file = disk.files[disk.segments[0]]
    del file.data[HEADER_BYTES + 2 * RECORD + kept :]
    journal = opened()
    assert journal.next_seq == 3
    assert len(file.data) == len(file.durable) == HEADER_BYTES + 2 * RECORD
    assert journal.append(b"new") == 3
    assert content(journal) == [Entry(1, BODY), Entry(2, BODY), Entry(3, b"new")]


@pytest.mark.parametrize(
    "garbage",
    [bytes(5000), b"\xff" * 77, b"TRK1" * 999, b"TRK1\x00\x00\x00\x00\xff\xff\xff\x7f" * 9],
    ids=["zeros", "ones", "magics", "lengths"],
)
def test_garbage_behind_the_last_record_is_cut_off(
    garbage: bytes, opened: Open, disk: MemoryDisk
) -> None:
    fill(opened(), 3)
    disk.kill()
    file = disk.files[disk.segments[0]]
    file.data += garbage
    journal = opened()
    assert len(file.data) == len(file.durable) == HEADER_BYTES + 3 * RECORD
    skipped = len(garbage) // RECORD_BYTES
    first = 4 + skipped
    fill(journal, 1)
    hole = Hole(4, first - 1, 0, skipped=True)
    assert content(journal) == [*entries(1, 3), hole, *entries(first, first)]


def test_the_sequence_of_a_damaged_last_record_is_not_used_again(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 3)
    journal.close()
    disk.damage(disk.segments[0], HEADER_BYTES + 2 * RECORD + 30)
    assert opened().append(b"new") > 3


def test_a_damaged_end_of_what_was_carried_over_uses_no_sequence_again(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 5)
    disk.fail("sync_data", errno.EIO)
    journal.sync()
    disk.kill()
    del disk.files[disk.segments[0]].data[HEADER_BYTES + 2 * RECORD :]
    journal = opened()
    assert journal.append(body_of(6)) == 6
    assert content(journal) == [*entries(1, 2), Hole(3, 5, 0), *entries(6, 6)]


def test_recovery_that_is_interrupted_is_done_again(opened: Open, disk: MemoryDisk) -> None:
    fill(opened(), 3)
    disk.kill()
    disk.files[disk.segments[0]].data += b"torn"
    for call in ("truncate", "sync", "open_append"):
        disk.fail(call, errno.EIO)
        with pytest.raises(JournalFailed):
            opened()
        assert disk.holder is None
        disk.kill()
    assert content(opened()) == entries(1, 3)


def test_a_kill_while_a_segment_is_created_leaves_nothing_behind(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=100)
    fill(journal, 3)
    disk.fail("rename", errno.EIO, errno.EIO)
    with pytest.raises(JournalFailed):
        fill(journal, 3)
    disk.files["seg-00000000000000000099.log.tmp"] = disk.files[disk.segments[0]]
    disk.kill()
    journal = opened()
    assert content(journal)[:3] == entries(1, 3)
    assert not [name for name in disk.files if name.endswith(".tmp")]
