"""One segment follows another: while the disk syncs, and while names do not reach it.

Faults: what comes during a sync is closed with the segments that were synced; a name that is not
durable is built upon; a segment that was given up passes for the end of the journal at the next
start, so that numbers are given twice.
"""

import errno

import pytest

from actors.errors import JournalFailed
from actors.journal.segment import HEADER_BYTES
from actors.model.facts import Entry, Hole
from tests.journal.journal_model import RECORD, MemoryDisk, Open, content, entries, fill

THREE = HEADER_BYTES + 3 * RECORD
"""Segments of three records."""


def read_again(opened: Open) -> list[Entry | Hole]:
    """Return what the next process reads, but for the numbers that a reboot skips."""
    return [
        item
        for item in content(opened(segment_bytes=THREE))
        if not (isinstance(item, Hole) and item.skipped)
    ]


# ------------------------------------------------------------------ while it syncs


@pytest.mark.parametrize("before", range(1, 8))
@pytest.mark.parametrize("meanwhile", range(1, 8))
def test_what_fills_a_segment_during_a_sync_is_synced_by_the_next(
    before: int, meanwhile: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=THREE)
    fill(journal, before)
    disk.on("sync_data", 1, lambda: fill(journal, meanwhile))
    journal.sync()
    assert journal.durable_seq == before
    journal.sync()
    assert journal.durable_seq == before + meanwhile
    disk.lose_power()
    assert read_again(opened) == entries(1, before + meanwhile)


@pytest.mark.parametrize("meanwhile", range(1, 8))
def test_what_comes_during_a_sync_that_fails_is_carried_over_with_the_rest(
    meanwhile: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=THREE)
    fill(journal, 2)
    disk.on("sync_data", 1, lambda: fill(journal, meanwhile))
    disk.fail("sync_data", errno.EIO)
    journal.sync()
    assert journal.durable_seq == 2 + meanwhile
    disk.lose_power()
    assert read_again(opened) == entries(1, 2 + meanwhile)


def test_files_are_closed_once_they_are_full_and_synced(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=THREE)
    for _ in range(10):
        disk.on("sync_data", 1, lambda: fill(journal, 4))
        fill(journal, 1)
        journal.sync()
    journal.sync()
    assert len(disk.segments) > 10
    assert len(disk.open) == 2, "the directory and the segment that is appended to"


# --------------------------------------------------------------- names of segments


def end(disk: MemoryDisk, *, by_power: bool) -> None:
    """End the process; what a loss of power keeps of the unsynced names is the most or the least"""
    if by_power:
        disk.lose_power()
    else:
        disk.kill()


@pytest.mark.parametrize("by_power", [False, True])
@pytest.mark.parametrize("synced", range(4))
@pytest.mark.parametrize("then", range(1, 5))
def test_a_name_that_could_not_be_synced_gives_no_number_twice_and_loses_nothing(
    then: int, synced: int, opened: Open, disk: MemoryDisk, *, by_power: bool
) -> None:
    journal = opened(segment_bytes=THREE)
    fill(journal, synced)
    journal.sync()
    fill(journal, 3 - synced)
    disk.fail("sync_directory", errno.EIO)
    fill(journal, then)
    journal.sync()
    assert content(journal) == entries(1, 3 + then)
    end(disk, by_power=by_power)

    journal = opened(segment_bytes=THREE)
    assert journal.next_seq > 3 + then
    journal.close()
    assert read_again(opened) == entries(1, 3 + then)


@pytest.mark.parametrize("by_power", [False, True])
@pytest.mark.parametrize("call", ["sync_directory", "unlink"])
def test_a_new_segment_that_is_given_up_without_a_record_is_not_the_end_of_the_journal(
    call: str, opened: Open, disk: MemoryDisk, *, by_power: bool
) -> None:
    journal = opened(segment_bytes=THREE)
    fill(journal, 3)
    disk.fail("write", 0, errno.EIO)  # the head of the new segment, and its first record
    disk.fail(call, *([0] if call == "sync_directory" else []), errno.EIO)
    try:
        fill(journal, 2)
    except JournalFailed:
        pass
    else:
        journal.sync()
    last = journal.next_seq - 1
    end(disk, by_power=by_power and last == 5)

    journal = opened(segment_bytes=THREE)
    assert journal.next_seq > last
    journal.close()
    assert read_again(opened) == entries(1, last)


def test_a_journal_whose_names_stay_unsynced_has_failed_and_the_next_one_has_all(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=THREE)
    fill(journal, 3)
    disk.fail("sync_directory", errno.EIO, errno.EIO)
    with pytest.raises(JournalFailed):
        fill(journal, 1)
    assert journal.failed
    assert content(journal) == entries(1, 3)
    disk.kill()

    journal = opened(segment_bytes=THREE)
    assert fill(journal, 1) == [4]
    journal.sync()
    disk.lose_power()
    assert read_again(opened) == entries(1, 4)


def test_a_name_that_a_killed_process_did_not_sync_is_synced_before_it_is_built_upon(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=THREE)
    fill(journal, 3)
    journal.sync()
    disk.fail("sync_directory", errno.EIO, errno.EIO)
    with pytest.raises(JournalFailed):
        fill(journal, 1)
    disk.kill()  # as if it had been killed after the rename
    assert disk.segments[-1] not in disk.durable_files

    journal = opened(segment_bytes=THREE)
    fill(journal, 1)
    journal.sync()
    assert journal.durable_seq == 4
    disk.lose_power()
    assert read_again(opened) == entries(1, 4)


def test_a_start_that_cannot_sync_the_names_is_none(opened: Open, disk: MemoryDisk) -> None:
    fill(opened(), 3)
    disk.kill()
    disk.fail("sync_directory", errno.EIO)
    with pytest.raises(JournalFailed):
        opened()
    disk.kill()
    assert content(opened()) == entries(1, 3)
