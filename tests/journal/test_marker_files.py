"""Who a journal is, and whether a database has met it since, on a disk in memory."""

import errno

import pytest

from actors.errors import JournalFailed
from actors.journal.journal import Journal
from actors.model.facts import Entry
from tests.journal.journal_model import BODY, MemoryDisk, Open


def fill(journal: Journal, count: int) -> None:
    for _ in range(count):
        journal.append(BODY)


def sequences(journal: Journal) -> list[int]:
    return [entry.seq for entry in journal.read(1) if isinstance(entry, Entry)]


def test_a_new_identity_loses_no_record_and_no_number(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 3)
    before = journal.journal_id
    journal.renew()
    fill(journal, 3)

    assert journal.journal_id != before
    assert sequences(journal) == [1, 2, 3, 4, 5, 6]
    assert len(disk.segments) == 2
    journal.close()
    again = opened()
    assert again.journal_id == journal.journal_id
    assert sequences(again) == [1, 2, 3, 4, 5, 6]


def test_a_new_identity_survives_the_loss_of_power_with_all_records(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 3)
    journal.renew()
    disk.lose_power()
    again = opened()

    assert again.journal_id == journal.journal_id
    assert sequences(again) == [1, 2, 3]


def test_a_new_identity_that_cannot_be_written_changes_nothing(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 2)
    before = journal.journal_id
    disk.fail("create", errno.EIO)
    with pytest.raises(JournalFailed, match="identity"):
        journal.renew()
    fill(journal, 1)

    assert journal.journal_id == before
    assert sequences(journal) == [1, 2, 3]


def test_of_two_identities_in_the_segments_the_newer_one_counts(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 1)
    journal.renew()
    fill(journal, 1)
    journal.close()
    del disk.files["journal-id"]

    assert opened().journal_id == journal.journal_id


def test_until_a_database_is_met_no_mark_may_be_above_the_first_number(opened: Open) -> None:
    journal = opened()
    fill(journal, 5)
    assert journal.unmet_seq == 1

    journal.met()
    assert journal.unmet_seq == journal.next_seq == 6


def test_a_process_that_met_no_database_is_remembered_by_the_next(opened: Open) -> None:
    journal = opened()
    fill(journal, 5)
    journal.met()
    journal.close()
    second = opened()
    fill(second, 2)
    second.close()
    third = opened()
    fill(third, 2)

    assert third.unmet_seq == 6
    third.met()
    third.close()
    assert opened().unmet_seq == 10


def test_that_they_met_survives_the_loss_of_power(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 5)
    journal.sync()
    journal.met()
    disk.lose_power()

    assert opened().unmet_seq > 5


def test_a_note_that_cannot_be_read_is_believed_to_say_the_oldest(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 5)
    journal.close()
    disk.files["unmet"].data = bytearray(b"\xff?")

    assert opened().unmet_seq == 1


def test_a_disk_without_room_for_the_note_is_no_reason_not_to_start(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 5)
    journal.met()
    disk.kill()
    disk.fail("write", errno.ENOSPC)

    assert opened().unmet_seq == 6
