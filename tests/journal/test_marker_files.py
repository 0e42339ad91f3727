"""The identity of a journal, and whether a database acknowledged it, on a disk in memory."""

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


def test_no_watermark_is_above_the_first_sequence_without_acknowledgement(
    opened: Open,
) -> None:
    journal = opened()
    fill(journal, 5)
    assert journal.unacknowledged_seq == 1

    journal.acknowledge()
    assert journal.unacknowledged_seq == journal.next_seq == 6


def test_a_process_that_no_database_acknowledged_is_known_to_the_next(opened: Open) -> None:
    journal = opened()
    fill(journal, 5)
    journal.acknowledge()
    journal.close()
    second = opened()
    fill(second, 2)
    second.close()
    third = opened()
    fill(third, 2)

    assert third.unacknowledged_seq == 6
    third.acknowledge()
    third.close()
    assert opened().unacknowledged_seq == 10


def test_an_acknowledgement_survives_the_loss_of_power(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 5)
    journal.sync()
    journal.acknowledge()
    disk.lose_power()

    assert opened().unacknowledged_seq > 5


def test_a_file_that_cannot_be_read_stands_for_the_oldest_sequence(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 5)
    journal.close()
    disk.files["unmet"].data = bytearray(b"\xff?")

    assert opened().unacknowledged_seq == 1


def test_a_disk_without_space_for_the_file_does_not_keep_it_from_starting(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 5)
    journal.acknowledge()
    disk.kill()
    disk.fail("write", errno.ENOSPC)

    assert opened().unacknowledged_seq == 6
