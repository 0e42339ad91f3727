from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.segment import (
    HEADER_BYTES,
    RECORD_BYTES,
    Found,
    Header,
    Scan,
    Segment,
    file_name,
    first_seq_of,
    pack_record,
    seed_of,
    unpack_header,
)
from tests.journal.journal_model import MemoryDisk

IDENTITY = bytes(range(16))
SEED = seed_of(IDENTITY)
HEADER = Header(1, 0, 0, 1_700_000_000_000_000_000, IDENTITY, bytes(16))


def scan(data: bytes, *, first_seq: int = 1, seed: int = SEED) -> list[Found]:
    disk = MemoryDisk()
    directory = disk.open_directory(Path("x"))
    fd = disk.create(directory, "x")
    disk.files["x"].data += data
    found = Scan(disk, fd, end=len(data), first_seq=first_seq, seed=seed)
    return list(found.records(0))


def packed(bodies: list[bytes], first_seq: int = 1) -> bytes:
    return b"".join(pack_record(n, 7, body, SEED) for n, body in enumerate(bodies, first_seq))


def test_a_header_says_what_it_was_given() -> None:
    assert len(HEADER.pack()) == HEADER_BYTES == 76
    assert unpack_header(HEADER.pack() + b"more", "x") == HEADER


@given(offset=st.integers(0, HEADER_BYTES - 1), mask=st.integers(1, 255))
def test_a_damaged_header_is_none(offset: int, mask: int) -> None:
    data = bytearray(HEADER.pack())
    data[offset] ^= mask
    assert unpack_header(bytes(data), "x") is None


@pytest.mark.parametrize("size", range(HEADER_BYTES))
def test_a_torn_header_is_none(size: int) -> None:
    assert unpack_header(HEADER.pack()[:size], "x") is None


def test_the_format_on_disk_is_this_one() -> None:
    """Journals outlive versions: this must only change together with the version."""
    assert HEADER.pack()[:8].hex() == "54524b5301004c00"
    assert pack_record(5, 9, b"body", SEED).hex() == (
        "54524b31" + pack_record(5, 9, b"body", SEED)[4:8].hex() + "04000000"
        "0500000000000000"
        "0900000000000000"
        "626f6479"
    )
    assert RECORD_BYTES == 28


def test_a_name_says_the_first_sequence() -> None:
    assert file_name(7) == "seg-00000000000000000007.log"
    assert first_seq_of(file_name(123)) == 123
    for other in ("seg-7.log", "reserve", "seg-0000000000000000000x.log", file_name(7) + ".tmp"):
        assert first_seq_of(other) is None


@given(st.binary(max_size=400))
def test_any_bytes_hold_no_record_and_no_error(data: bytes) -> None:
    assert scan(data) == []


@given(
    bodies=st.lists(st.binary(max_size=40), max_size=6),
    junk=st.lists(st.binary(max_size=40) | st.just(b"TRK1"), min_size=7, max_size=7),
)
def test_whole_records_are_found_between_any_junk(bodies: list[bytes], junk: list[bytes]) -> None:
    data = junk[0]
    for seq, body in enumerate(bodies, 1):
        data += pack_record(seq, 7, body, SEED) + junk[seq]
    assert [(found.seq, found.body) for found in scan(data)] == list(enumerate(bodies, 1))


@pytest.mark.parametrize("size", [1, 1000, 300_000, 600_000])
def test_records_longer_than_a_chunk_and_across_chunks_are_found(size: int) -> None:
    bodies = [bytes([n]) * size for n in range(5)]
    assert [found.body for found in scan(b"junk" + packed(bodies))] == bodies


def test_a_magic_across_two_chunks_is_found() -> None:
    for shift in range(6):
        data = bytes(256 * 1024 - shift) + packed([b"x"])
        assert [found.body for found in scan(data)] == [b"x"]


def test_records_of_another_journal_or_another_place_are_not_found() -> None:
    assert scan(packed([b"x"]), seed=SEED + 1) == []
    assert scan(packed([b"x"], first_seq=5), first_seq=6) == []
    assert scan(packed([b"x"], first_seq=500), first_seq=6) == []


def test_a_place_is_remembered_once_in_a_mib() -> None:
    segment = Segment(1, HEADER, size=10 << 20)
    for n in range(10 << 10):
        segment.index_record(n + 1, HEADER_BYTES + n * 1024)
    assert len(segment.index) == 9
    for seq in (1, 2, 1024, 1025, 5000, 10 << 10):
        place = segment.offset_before(seq)
        exact = HEADER_BYTES + (seq - 1) * 1024
        assert exact - (1 << 20) - 1024 <= place <= exact
