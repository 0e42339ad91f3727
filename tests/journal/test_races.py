"""What two threads do to the journal at once, with one of them held at a chosen place.

Faults: a segment is deleted under a name that another one has taken; a reading takes what is
just being moved for lost.
"""

import contextlib
import errno
from threading import Lock
from typing import cast

import pytest

from actors.errors import JournalFailed
from actors.journal.segment import HEADER_BYTES
from actors.model.facts import Entry, Hole
from tests.journal.journal_model import RECORD, MemoryDisk, Open, content, entries, fill, untimed

THREE = HEADER_BYTES + 3 * RECORD
"""Segments of three records."""


@pytest.mark.parametrize("watermark", range(4, 10))
def test_a_sync_that_fails_while_segments_are_deleted_loses_nothing_behind_the_watermark(
    watermark: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=THREE)
    fill(journal, 8)

    def carry_over() -> None:
        disk.fail("sync_data", errno.EIO)
        journal.sync()

    disk.on("unlink", 1, carry_over)
    journal.release(watermark)
    assert journal.durable_seq == 8
    fill(journal, 1)
    assert content(journal, watermark) == entries(watermark, 9)
    disk.kill()
    assert content(opened(), watermark) == entries(watermark, 9)


@pytest.mark.parametrize("read", range(1, 8))
@pytest.mark.parametrize(
    ("call", "nth"), [("rename", 1), ("sync_directory", 1), ("unlink", 1), ("unlink", 2)]
)
def test_a_reading_finds_everything_while_records_are_carried_over(
    call: str, nth: int, read: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=THREE)
    fill(journal, 8)
    # The lock is held by who carries over; it is this very thread.
    journal._reader._lock = cast("Lock", contextlib.nullcontext())
    reading = journal.read(1)
    got: list[Entry | Hole] = [next(reading) for _ in range(read)]
    disk.fail("sync_data", errno.EIO)
    disk.on(call, nth, lambda: got.extend(reading))
    journal.sync()
    assert [*untimed(got)] == entries(1, 8)


@pytest.mark.parametrize("read", range(1, 8))
@pytest.mark.parametrize("call", ["sync_directory", "rename", "unlink"])
def test_a_reading_finds_everything_when_carrying_over_failed_half_way(
    call: str, read: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=THREE)
    fill(journal, 2)
    journal.sync()
    fill(journal, 6)
    reading = journal.read(1)
    got: list[Entry | Hole] = [next(reading) for _ in range(read)]
    disk.fail("sync_data", errno.EIO)
    disk.fail(call, errno.EIO)
    with contextlib.suppress(JournalFailed):
        journal.sync()
    assert [*untimed([*got, *reading])] == entries(1, 8)


@pytest.mark.parametrize("read", range(1, 8))
def test_a_reading_ends_with_what_is_left_when_segments_are_deleted_meanwhile(
    read: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=THREE)
    fill(journal, 8)
    reading = journal.read(1)
    got: list[Entry | Hole] = [next(reading) for _ in range(read)]
    disk.on("unlink", 1, lambda: got.extend(reading))
    journal.release(7)
    numbers = [item.seq for item in got if isinstance(item, Entry)]
    assert len(numbers) == len(got), "what is committed is no hole"
    assert numbers == sorted(set(numbers))
    assert {7, 8} <= set(numbers)
