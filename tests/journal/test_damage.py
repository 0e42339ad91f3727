"""What is still read from a damaged journal, and the holes in place of the rest."""

import errno
from uuid import uuid4

import pytest

from actors.journal.journal import MIB
from actors.journal.segment import HEADER_BYTES, RECORD_BYTES
from actors.model.facts import Entry, Hole
from tests.journal.journal_model import (
    BODY,
    RECORD,
    MemoryDisk,
    Open,
    content,
    entries,
    fill,
    untimed,
)

# ---------------------------------------------------------------------- damage


@pytest.mark.parametrize("offset", range(RECORD))
@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_one_damaged_byte_costs_one_record(
    offset: int, mask: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    for _ in range(5):
        journal.append(BODY)
    journal.close()
    disk.damage(disk.segments[0], HEADER_BYTES + 2 * RECORD + offset, mask)
    journal = opened()
    assert journal.next_seq == 6
    rest = [Entry(4, BODY), Entry(5, BODY)]
    assert content(journal) == [Entry(1, BODY), Entry(2, BODY), Hole(3, 3, RECORD), *rest]
    assert content(journal, 3)[1:] == rest


@pytest.mark.parametrize("offset", range(HEADER_BYTES))
def test_a_damaged_header_costs_no_record_and_no_number(
    offset: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 3)
    journal.close()
    disk.damage(disk.segments[0], offset)
    journal = opened()
    assert content(journal)[:3] == entries(1, 3)
    assert journal.next_seq > 3
    first = journal.append(b"new")
    assert content(journal)[-1] == Entry(first, b"new")


@pytest.mark.parametrize("size", [0, 1, HEADER_BYTES - 1, HEADER_BYTES])
def test_an_empty_or_headless_last_segment_is_followed_by_another(
    size: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 3)
    journal.close()
    del disk.files[disk.segments[-1]].data[size:]
    journal = opened(segment_bytes=1)
    first = journal.append(b"new")
    assert first >= 3
    got = content(journal)
    assert got[:2] == entries(1, 2)
    assert got[-1] == Entry(first, b"new")
    disk.kill()
    assert content(opened()) == got


def test_a_record_cannot_be_forged_by_a_body(opened: Open, disk: MemoryDisk) -> None:
    other = MemoryDisk()
    journal = opened(on=other)
    for _ in range(3):
        journal.append(b"forged")
    forged = bytes(other.files[other.segments[0]].data[HEADER_BYTES:])
    journal = opened()
    journal.append(forged)
    journal.append(b"real")
    journal.close()
    disk.damage(disk.segments[0], HEADER_BYTES)
    assert content(opened()) == [Hole(1, 1, RECORD_BYTES + len(forged)), Entry(2, b"real")]


def test_a_missing_segment_is_a_hole_and_nothing_else(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 5)
    journal.close()
    del disk.files[disk.segments[2]]
    journal = opened()
    assert content(journal) == [*entries(1, 2), Hole(3, 3, 0), *entries(4, 5)]
    assert content(journal) == [*entries(1, 2), Hole(3, 3, 0), *entries(4, 5)]


def test_a_segment_that_vanishes_from_an_open_journal_is_a_hole(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 5)
    journal.sync()
    del disk.files[disk.segments[2]]
    assert content(journal) == [*entries(1, 2), Hole(3, 3, RECORD), *entries(4, 5)]


def test_a_segment_that_vanishes_while_it_is_open_is_read_all_the_same(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 5)
    del disk.files[disk.segments[2]]
    assert content(journal) == entries(1, 5)


def test_a_missing_first_segment_is_a_hole_for_who_reads_from_there(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 3)
    journal.close()
    del disk.files[disk.segments[0]]
    journal = opened()
    assert content(journal) == [Hole(1, 1, 0), *entries(2, 3)]
    assert content(journal, 2) == entries(2, 3)


def test_a_full_segment_that_is_cut_short_is_a_hole_up_to_the_next(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=HEADER_BYTES + 3 * RECORD)
    fill(journal, 9)
    journal.close()
    del disk.files[disk.segments[0]].data[HEADER_BYTES + RECORD + 5 :]
    assert content(opened()) == [*entries(1, 1), Hole(2, 3, 5), *entries(4, 9)]


def test_a_page_that_cannot_be_read_costs_its_records_only(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 1000)
    disk.fail("pread", errno.EIO, 0, 0, errno.EIO)
    got = content(journal)
    holes = [item for item in got if isinstance(item, Hole)]
    assert len(holes) == 1
    assert (holes[0].last - holes[0].first + 1) * RECORD < 4096 + 2 * RECORD
    assert [e for e in got if isinstance(e, Entry)] == [
        e for e in entries(1, 1000) if not holes[0].first <= e.seq <= holes[0].last
    ]


def test_a_few_damaged_segments_are_kept_for_examination(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 6)
    for name in disk.segments[:4]:
        disk.damage(name, HEADER_BYTES + 3)
    content(journal)
    journal.release(7)
    kept = [name for name in disk.files if name.endswith(".corrupt")]
    assert kept == [f"seg-{n:020d}.log.corrupt" for n in (1, 2)]
    assert len(disk.segments) == 1


def test_a_lost_identity_is_found_in_the_segments(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 2)
    journal.close()
    for damaged in (b"", b"not a uuid", b"\xff\xff"):
        disk.files["journal-id"].data = bytearray(damaged)
        again = opened()
        assert again.journal_id == journal.journal_id
        again.close()
    del disk.files["journal-id"]
    assert content(opened()) == entries(1, 2)


def test_segments_of_another_identity_are_read_and_not_appended_to(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 2)
    journal.close()
    other = uuid4()
    disk.files["journal-id"].data = bytearray(f"{other}\n".encode())
    journal = opened()
    assert journal.journal_id == other
    fill(journal, 2)
    assert len(disk.segments) == 2
    assert content(journal) == entries(1, 4)


def test_a_journal_without_any_segment_is_a_new_one(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    journal.close()
    for name in disk.segments:
        del disk.files[name]
    assert opened().journal_id != journal.journal_id


# ------------------------------------------------------ reading beside writing


def test_reading_ends_where_the_journal_ended_when_it_began(opened: Open) -> None:
    journal = opened(segment_bytes=100)
    fill(journal, 5)
    reading = untimed(journal.read(1))
    got: list[Entry | Hole] = [next(reading)]
    fill(journal, 5)
    assert [*got, *reading] == entries(1, 5)


def test_reading_goes_on_through_a_failed_sync(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=100)
    fill(journal, 10)
    reading = untimed(journal.read(1))
    got: list[Entry | Hole] = [next(reading)]
    disk.fail("sync_data", errno.EIO)
    journal.sync()
    assert disk.segments == ["seg-00000000000000000001.log"]
    assert [*got, *reading] == entries(1, 10)


def test_reading_goes_on_through_a_release(opened: Open) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 10)
    reading = untimed(journal.read(1))
    got: list[Entry | Hole] = [next(reading)]
    journal.release(7)
    assert [*got, *reading] == [*entries(1, 1), *entries(7, 10)]


def test_reading_from_the_middle_of_a_large_segment_begins_near(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    body = bytes(64 * 1024)
    for _ in range(100):
        journal.append(body)
    disk.calls.clear()
    assert next(untimed(journal.read(95))) == Entry(95, body)
    assert disk.calls.count("pread") < 12
    journal.close()
    journal = opened()
    disk.calls.clear()
    assert next(untimed(journal.read(95))) == Entry(95, body)
    assert disk.calls.count("pread") < 12


def test_an_offset_seen_in_reading_is_found_again_quickly(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=8 * MIB)
    body = bytes(64 * 1024)
    for _ in range(200):
        journal.append(body)
    journal.close()
    journal = opened(segment_bytes=8 * MIB)
    content(journal)
    disk.calls.clear()
    assert next(untimed(journal.read(110))) == Entry(110, body)
    assert disk.calls.count("pread") < 12
