"""What the journal promises, on a disk in memory; on the real one where the kernel matters."""

import errno
import itertools
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from journal_model import MemoryDisk

from actors.edge.journal import MIB, Journal
from actors.edge.segment import HEADER_BYTES, RECORD_BYTES, Header
from actors.edge.tail import UNSYNCED_RECORDS
from actors.errors import (
    EXIT_CONFIG,
    EXIT_IO,
    JournalFailed,
    JournalFull,
    JournalUnreadable,
    Retryable,
    StateDirBusy,
)
from actors.logic.record import Entry, Hole

NEVER_S = 3600.0
BODY = b"twelve bytes"
RECORD = RECORD_BYTES + len(BODY)

Open = Callable[..., Journal]


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk()


@pytest.fixture
def opened(disk: MemoryDisk) -> Iterator[Open]:
    """Opens journals that sync only when asked to."""
    journals: list[Journal] = []

    def open_journal(on: MemoryDisk | None = None, **settings: Any) -> Journal:
        settings = {"max_bytes": 64 * MIB, "reserve_bytes": 0, **settings}
        journal = Journal.open(
            Path("journal"), disk=on or disk, sync_interval_s=NEVER_S, **settings
        )
        journals.append(journal)
        return journal

    yield open_journal
    for journal in journals:
        journal._syncer.stop()


def fill(journal: Journal, count: int) -> list[int]:
    return [journal.append(b"body %07d" % journal.next_seq) for _ in range(count)]


def body_of(seq: int) -> bytes:
    return b"body %07d" % seq


def content(journal: Journal, from_seq: int = 1) -> list[Entry | Hole]:
    return list(journal.read(from_seq))


def entries(first: int, last: int) -> list[Entry]:
    return [Entry(seq, body_of(seq)) for seq in range(first, last + 1)]


# ------------------------------------------------------------------- numbers


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


def test_a_body_that_is_too_long_is_the_callers_mistake(opened: Open) -> None:
    journal = opened()
    with pytest.raises(ValueError, match="too long"):
        journal.append(bytes(32 * MIB + 1))
    assert journal.next_seq == 1


def test_a_closed_journal_goes_on_where_it_ended(opened: Open, disk: MemoryDisk) -> None:
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


def test_no_sequence_below_the_floor_is_given(opened: Open) -> None:
    journal = opened()
    fill(journal, 3)
    journal.close()
    journal = opened(floor_seq=100)
    assert journal.append(body_of(100)) == 100
    assert content(journal) == [*entries(1, 3), Hole(4, 99, 0, skipped=True), *entries(100, 100)]
    assert journal.pending_records(1) == 4


def test_a_floor_below_the_end_changes_nothing(opened: Open) -> None:
    fill(first := opened(), 3)
    first.close()
    assert opened(floor_seq=2).append(b"x") == 4


def test_weights_are_summed_for_the_books(opened: Open) -> None:
    journal = opened()
    journal.append(b"a", weight=3)
    journal.append(b"b")
    journal.append(b"c", weight=4)
    assert journal.weight_appended == 7


# ----------------------------------------------------------------- durability


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


def test_a_number_that_power_loss_forgot_is_not_given_again(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 5)
    journal.sync()
    fill(journal, 5)
    disk.lose_power()
    journal = opened()
    first = journal.next_seq
    assert first == 5 + 1 + UNSYNCED_RECORDS
    assert content(journal) == [*entries(1, 5), Hole(6, first - 1, 0, skipped=True)]
    assert journal.pending_records(1) == 5
    fill(journal, 2)
    journal.sync()
    disk.kill()
    journal = opened()
    skipped = Hole(6, first - 1, 0, skipped=True)
    assert content(journal) == [*entries(1, 5), skipped, *entries(first, first + 1)]
    assert content(journal, 100)[0] == Hole(100, first - 1, 0, skipped=True)
    assert journal.stats().holes == 0


def test_a_sync_with_nothing_new_asks_nothing_of_the_disk(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 1)
    journal.sync()
    disk.calls.clear()
    journal.sync()
    assert disk.calls == []


def test_a_segment_has_its_name_only_when_it_is_durable(disk: MemoryDisk, opened: Open) -> None:
    opened()
    calls = [call for call in disk.calls if call in ("create", "write", "sync", "rename")]
    assert calls[-5:] == ["create", "write", "sync", "rename", "sync"]


def test_unsynced_records_are_bounded_by_waiting_for_the_disk(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    for _ in range(9):
        journal.append(bytes(MIB))
    assert journal.durable_seq >= 1
    assert disk.calls.count("sync_data") == 1


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
    assert journal.stats().truncated_bytes == kept
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
    disk.files[disk.segments[0]].data += garbage
    journal = opened()
    assert journal.stats().truncated_bytes == len(garbage)
    fill(journal, 1)
    assert content(journal) == entries(1, 4)


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


def test_a_death_while_a_segment_is_made_leaves_nothing_behind(
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


# ------------------------------------------------------------------- damage


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
    assert journal.stats().holes == 1
    assert journal.stats().truncated_bytes == 0


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
def test_an_empty_or_headless_last_segment_is_gone_on_from(
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
    assert journal.stats().holes == 1


def test_a_segment_that_vanishes_beneath_us_is_a_hole(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 5)
    del disk.files[disk.segments[2]]
    assert content(journal) == [*entries(1, 2), Hole(3, 3, RECORD), *entries(4, 5)]


def test_the_first_segment_missing_is_told_to_who_asks_for_it(
    opened: Open, disk: MemoryDisk
) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 3)
    journal.close()
    del disk.files[disk.segments[0]]
    journal = opened()
    assert content(journal) == [Hole(1, 1, 0), *entries(2, 3)]
    assert content(journal, 2) == entries(2, 3)


def test_a_sealed_segment_cut_short_is_a_hole_up_to_the_next(
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


def test_a_damaged_segment_is_kept_for_people_and_only_a_few_are(
    opened: Open, disk: MemoryDisk
) -> None:
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


def test_a_journal_without_any_segment_is_a_new_one(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    journal.close()
    for name in disk.segments:
        del disk.files[name]
    assert opened().journal_id != journal.journal_id


# ------------------------------------------------------------- refusing to open


def test_a_newer_format_is_refused_and_left_as_it_is(opened: Open, disk: MemoryDisk) -> None:
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
    with pytest.raises(JournalUnreadable, match="format 2") as refused:
        opened()
    assert refused.value.exit_code == EXIT_CONFIG
    assert bytes(file.data) == before
    assert disk.holder is None


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


def test_a_second_tracker_is_refused_by_name(opened: Open) -> None:
    journal = opened()
    with pytest.raises(StateDirBusy, match="another tracker works on journal"):
        opened()
    assert journal.append(b"unharmed") == 1


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_directory_that_cannot_be_written_is_refused_at_once(
    code: int, opened: Open, disk: MemoryDisk
) -> None:
    disk.fail("create", code)
    with pytest.raises(JournalUnreadable, match="cannot use journal") as refused:
        opened()
    assert refused.value.exit_code == EXIT_CONFIG


# ---------------------------------------------------------------- a full disk


def test_short_writes_are_finished(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    disk.short.extend([1, 2, 3, 1, 1])
    fill(journal, 3)
    assert content(journal) == entries(1, 3)


@pytest.mark.parametrize("room", range(0, RECORD, 7))
def test_a_full_disk_leaves_whole_records_only_and_the_number_unused(
    room: int, opened: Open, disk: MemoryDisk
) -> None:
    journal = opened()
    fill(journal, 3)
    disk.capacity = sum(len(file.data) for file in disk.files.values()) + room
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


def test_no_room_for_a_new_segment_is_said_and_passes(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 2)
    disk.capacity = sum(len(file.data) for file in disk.files.values()) + 10
    with pytest.raises(JournalFull):
        fill(journal, 1)
    disk.capacity = 1 << 30
    fill(journal, 2)
    assert content(journal) == entries(1, 4)


def test_the_cap_holds_and_releasing_makes_room_again(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(max_bytes=2000)
    with pytest.raises(JournalFull, match="2000 bytes"):
        fill(journal, 100)
    assert sum(len(disk.files[name].data) for name in disk.segments) <= 2000
    assert not journal.room()
    stuck = journal.next_seq
    journal.release(stuck)
    assert journal.room()
    assert fill(journal, 1) == [stuck]


def test_a_full_disk_at_the_start_still_opens_for_reading(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 3)
    journal.sync()
    disk.lose_power()
    disk.capacity = 0
    journal = opened(segment_bytes=1, reserve_bytes=4096)
    assert content(journal)[:3] == entries(1, 3)
    assert journal.stats().reserve_bytes == 0
    with pytest.raises(JournalFull):
        journal.append(b"x")
    journal.release(4)
    assert len(disk.segments) == 1


def test_the_reserve_makes_room_for_last_words(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(reserve_bytes=4096)
    assert journal.stats().reserve_bytes == 4096
    disk.capacity = sum(len(file.data) for file in disk.files.values())
    with pytest.raises(JournalFull):
        fill(journal, 1)
    journal.free_reserve()
    assert fill(journal, 3) == [1, 2, 3]
    assert not journal.rebuild_reserve()
    assert not journal.room()
    disk.capacity = 1 << 30
    assert journal.rebuild_reserve()
    assert journal.room()
    journal.close()
    assert opened(reserve_bytes=4096).stats().reserve_bytes == 4096


def test_the_reserve_counts_to_the_cap(opened: Open) -> None:
    journal = opened(max_bytes=4096, reserve_bytes=MIB)
    assert journal.stats().reserve_bytes == 512
    with pytest.raises(JournalFull):
        fill(journal, 1000)
    journal.free_reserve()
    fill(journal, 2)


# ---------------------------------------------------------------- a bad disk


def test_a_failed_sync_is_never_repeated_and_loses_nothing(opened: Open, disk: MemoryDisk) -> None:
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


def test_a_death_between_carrying_over_and_deleting_is_harmless(
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
def test_a_journal_that_cannot_carry_over_has_failed_and_says_so(
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
    disk.capacity = sum(len(file.data) for file in disk.files.values())
    disk.fail("sync_data", errno.EIO)
    journal.sync()
    assert journal.durable_seq == 5
    assert journal.stats().reserve_bytes == 0


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
    with pytest.raises(Retryable):
        content(journal)
    fill(journal, 1)
    assert content(journal) == entries(1, 5)
    assert len(disk.segments) == 3


# ------------------------------------------------------- reading beside writing


def test_reading_ends_where_the_journal_ended_when_it_began(opened: Open) -> None:
    journal = opened(segment_bytes=100)
    fill(journal, 5)
    reading = journal.read(1)
    got: list[Entry | Hole] = [next(reading)]
    fill(journal, 5)
    assert [*got, *reading] == entries(1, 5)


def test_reading_goes_on_through_a_failed_sync(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=100)
    fill(journal, 10)
    reading = journal.read(1)
    got: list[Entry | Hole] = [next(reading)]
    disk.fail("sync_data", errno.EIO)
    journal.sync()
    assert disk.segments == ["seg-00000000000000000001.log"]
    assert [*got, *reading] == entries(1, 10)


def test_reading_goes_on_through_a_release(opened: Open) -> None:
    journal = opened(segment_bytes=1)
    fill(journal, 10)
    reading = journal.read(1)
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
    assert next(journal.read(95)) == Entry(95, body)
    assert disk.calls.count("pread") < 12
    journal.close()
    journal = opened()
    disk.calls.clear()
    assert next(journal.read(95)) == Entry(95, body)
    assert disk.calls.count("pread") < 12


# ------------------------------------------------------------------ releasing


def test_only_segments_wholly_below_the_mark_go(opened: Open, disk: MemoryDisk) -> None:
    journal = opened(segment_bytes=HEADER_BYTES + 2 * RECORD)
    fill(journal, 7)
    assert [int(name[4:-4]) for name in disk.segments] == [1, 3, 5, 7]
    journal.release(4)
    assert [int(name[4:-4]) for name in disk.segments] == [3, 5, 7]
    assert content(journal, 4) == entries(4, 7)
    journal.release(2)
    assert journal.mark == 4


def test_the_last_segment_never_goes(opened: Open, disk: MemoryDisk) -> None:
    journal = opened()
    fill(journal, 3)
    journal.release(4)
    assert len(disk.segments) == 1
    assert journal.in_flight == 0
    journal.close()
    assert opened().next_seq == 4


def test_what_waits_is_counted_from_the_mark(opened: Open) -> None:
    journal = opened()
    fill(journal, 10)
    assert journal.in_flight == 10
    assert journal.pending_bytes == 10 * RECORD
    journal.release(8)
    assert journal.in_flight == 3
    assert journal.pending_records(5) == 6
    journal.release(11)
    assert (journal.in_flight, journal.pending_bytes) == (0, 0)


def test_a_segment_that_cannot_be_deleted_is_an_error_and_goes_later(
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


def test_the_figures_say_how_it_is(opened: Open, disk: MemoryDisk) -> None:
    clock = itertools.count(1000)
    journal = opened(wall_ns=lambda: next(clock))
    first = journal.stats()
    assert (first.oldest_ns, first.next_seq, first.durable_seq) == (None, 1, 0)
    fill(journal, 4)
    journal.release(3)
    stats = journal.stats()
    assert stats.oldest_ns == 1003
    assert stats.mark == 3
    assert stats.bytes == HEADER_BYTES + 4 * RECORD
    assert stats.segments == 1
    assert stats.free_bytes == disk.free_bytes(next(iter(disk.open)))
    assert stats.max_bytes == 64 * MIB
