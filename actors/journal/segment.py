"""One file of the journal: its format, and how records are written and found again.

A segment is a header followed by records, with nothing between them. All numbers are
little-endian. `crc` is CRC-32 (zlib).

| header  | bytes | meaning                                                        |
|---------|-------|----------------------------------------------------------------|
| magic   | 4     | `TRKS`                                                         |
| version | 2     | 1; a newer one is rejected                                     |
| length  | 2     | of the header, 76                                              |
| first   | 8     | the lowest sequence that can be in it; also in the file name   |
| after   | 8     | the last sequence used before `first`; those between the two   |
|         |       | were skipped on purpose                                        |
| carried | 8     | the highest sequence that was carried over from a segment      |
|         |       | whose file could not be synced; 0 for none                     |
| created | 8     | wall clock, nanoseconds                                        |
| journal | 16    | identity of the journal                                        |
| boot    | 16    | identity of the boot of the machine                            |
| crc     | 4     | over all of the above                                          |

| record  | bytes  | meaning                                                       |
|---------|--------|---------------------------------------------------------------|
| magic   | 4      | `TRK1`                                                        |
| crc     | 4      | over the rest; its start value is the CRC of the identity     |
| length  | 4      | of the body, at most 32 MiB                                   |
| seq     | 8      | one more than the record before                               |
| at      | 8      | wall clock when it was appended, nanoseconds                  |
| body    | length | opaque                                                        |

Bytes that are not a record are skipped up to the next whole record. The body of a record cannot
contain bytes that pass for a record, because its author does not know the journal's identity.
"""

import errno
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from actors.errors import JournalUnreadable
from actors.journal.filesystem import Disk
from actors.model.facts import LARGEST_RECORD_BYTES

VERSION = 1
MAX_BODY_BYTES = LARGEST_RECORD_BYTES
CHUNK_BYTES = 256 * 1024
PAGE_BYTES = 4096
INDEX_STEP_BYTES = 1024 * 1024

_HEADER_MAGIC = b"TRKS"
_HEADER = struct.Struct("<4sHHQQQQ16s16s")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size

_RECORD_MAGIC = b"TRK1"
_RECORD = struct.Struct("<4sIIQQ")
_CHECKED = struct.Struct("<IQQ")
RECORD_BYTES = _RECORD.size


class Header(NamedTuple):
    """The head of a segment."""

    first_seq: int
    after_seq: int
    carried_to: int
    created_at_ns: int
    journal_id: bytes
    boot_id: bytes

    def pack(self) -> bytes:
        """Return the bytes with which the file begins."""
        head = _HEADER.pack(_HEADER_MAGIC, VERSION, HEADER_BYTES, *self)
        return head + _CRC.pack(zlib.crc32(head))


def unpack_header(data: bytes, name: str) -> Header | None:
    """Return the head of a file, or None when it is torn or damaged.

    Raises:
        JournalUnreadable: It is whole, but a newer version wrote it.
    """
    if len(data) < HEADER_BYTES or data[:4] != _HEADER_MAGIC:
        return None
    _, version, length, *values = _HEADER.unpack_from(data)
    checked = length - _CRC.size
    if not HEADER_BYTES <= length <= len(data):
        return None
    if _CRC.unpack_from(data, checked)[0] != zlib.crc32(data[:checked]):
        return None
    if version > VERSION:
        raise JournalUnreadable(
            f"{name} has journal format {version}; this version of the tracker reads up to "
            f"{VERSION}. Run the newer version, or let it empty the journal first."
        )
    return Header(*values)


def seed_of(journal_id: bytes) -> int:
    """Return the start value of the checksums of this journal's records."""
    return zlib.crc32(journal_id)


def pack_record(seq: int, at_ns: int, body: bytes, seed: int) -> bytes:
    """Return the bytes of one record."""
    crc = zlib.crc32(body, zlib.crc32(_CHECKED.pack(len(body), seq, at_ns), seed))
    return b"".join((_RECORD.pack(_RECORD_MAGIC, crc, len(body), seq, at_ns), body))


def is_torn(head: bytes, size: int, seq: int) -> bool:
    """Return whether the end of a file is the beginning of one unfinished record.

    Args:
        head: The bytes behind the last whole record, at most as many as a record's head.
        size: How many bytes there are behind it in all.
        seq: The sequence that the record must have.
    """
    if len(head) < RECORD_BYTES:
        return size == len(head) and _RECORD_MAGIC.startswith(head[: len(_RECORD_MAGIC)])
    magic, _, length, found, _ = _RECORD.unpack(head)
    fits = magic == _RECORD_MAGIC and found == seq and length <= MAX_BODY_BYTES
    return bool(fits and size < RECORD_BYTES + length)


def file_name(first_seq: int) -> str:
    """Return the file name of the segment that begins with this sequence."""
    return f"seg-{first_seq:020d}.log"


def first_seq_of(name: str) -> int | None:
    """Return the first sequence of the segment with this file name; None for other files."""
    digits = name[4:-4]
    if name[:4] == "seg-" and name[-4:] == ".log" and len(digits) == 20 and digits.isdecimal():
        return int(digits)
    return None


@dataclass(eq=False, slots=True)
class Segment:
    """One file.

    Attributes:
        first_seq: The lowest sequence that can be in it.
        size: Bytes up to the end of the last whole record.
        fd: Open for appending while records in it may not be synced; else None.
        damaged: Reading found bytes in it that are not a whole record.
        index: (sequence, offset of its record), about one for each MiB.
        index_from: The offset from which on the next record belongs into the index.
    """

    first_seq: int
    header: Header | None
    size: int
    fd: int | None = None
    damaged: bool = False
    index: list[tuple[int, int]] = field(default_factory=list)
    index_from: int = INDEX_STEP_BYTES

    @property
    def name(self) -> str:
        """Return the file name."""
        return file_name(self.first_seq)

    @property
    def after_seq(self) -> int:
        """Return the last sequence used before its first one."""
        return self.header.after_seq if self.header is not None else self.first_seq - 1

    def index_record(self, seq: int, offset: int) -> None:
        """Add a record to the index if it is far enough behind the last one there."""
        if offset >= self.index_from:
            self.index.append((seq, offset))
            self.index_from = offset + INDEX_STEP_BYTES

    def offset_before(self, seq: int) -> int:
        """Return an offset at or before the record with this sequence, to read from."""
        found = bisect_right(self.index, (seq, self.size)) - 1
        return self.index[found][1] if found >= 0 else HEADER_BYTES

    def append(self, disk: Disk, seq: int, record: bytes) -> None:
        """Write a whole record at the end.

        Raises:
            OSError: The call failed. A part of the record may be in the file behind `size`.
        """
        write_all(disk, self._open_fd(), record)
        if self.size >= self.index_from:
            self.index_record(seq, self.size)
        self.size += len(record)

    def sync(self, disk: Disk) -> None:
        """Sync what was appended to the disk.

        Raises:
            OSError: The call failed, and must not be repeated.
        """
        disk.sync_data(self._open_fd())

    def _open_fd(self) -> int:
        if self.fd is None:
            raise OSError(errno.EBADF, f"{self.name} is not open")
        return self.fd


def write_all(disk: Disk, fd: int, data: bytes) -> None:
    """Write all of the data; one call of the operating system may write less than it is given."""
    view = memoryview(data)
    while view:
        written = disk.write(fd, view)
        # The loop would never end otherwise.
        if written <= 0:
            raise OSError(errno.EIO, "the disk wrote nothing and reported no error")
        view = view[written:]


class Found(NamedTuple):
    """A whole record, and the offsets at which it begins and ends."""

    seq: int
    at_ns: int
    body: bytes
    begin: int
    end: int


class Scan:
    """Finds the whole records of one file in order. Memory is one chunk and one record.

    Args:
        fd: Open for reading; the caller closes it.
        end: The offset at which to stop.
        first_seq: No record of the file has a lower sequence.
        seed: See `seed_of`.
    """

    def __init__(self, disk: Disk, fd: int, *, end: int, first_seq: int, seed: int) -> None:
        self._disk = disk
        self._fd = fd
        self._end = end
        self._first_seq = first_seq
        self._seed = seed
        self._base = 0
        self._chunk = b""

    def records(self, offset: int) -> Iterator[Found]:
        """Yield the whole records from this offset on; skip everything else."""
        while offset + RECORD_BYTES <= self._end:
            found = self._record_at(offset)
            if found is None:
                offset = self._next_magic(offset + 1)
            else:
                yield found
                offset = found.end

    def _record_at(self, begin: int) -> Found | None:
        at = self._load(begin, RECORD_BYTES)
        if len(self._chunk) - at < RECORD_BYTES:
            return None
        magic, crc, length, seq, at_ns = _RECORD.unpack_from(self._chunk, at)
        end = begin + RECORD_BYTES + length
        # The cheap checks come first: a long body is read only for a sequence that is possible
        # here. Otherwise text full of magics would cost the check of a body for each of them.
        if magic != _RECORD_MAGIC or length > MAX_BODY_BYTES or end > self._end:
            return None
        # Each record takes RECORD_BYTES at least, so no more than so many can come before this one.
        if not self._first_seq <= seq <= self._first_seq + begin // RECORD_BYTES:
            return None
        at = self._load(begin, RECORD_BYTES + length) + RECORD_BYTES
        body = self._chunk[at : at + length]
        head = zlib.crc32(self._chunk[at - _CHECKED.size : at], self._seed)
        return Found(seq, at_ns, body, begin, end) if zlib.crc32(body, head) == crc else None

    def _next_magic(self, offset: int) -> int:
        while offset < self._end:
            at = self._load(offset, len(_RECORD_MAGIC))
            if at >= len(self._chunk):
                break  # the file is shorter than `end`
            found = self._chunk.find(_RECORD_MAGIC, at)
            if found >= 0:
                return self._base + found
            # The next magic may begin in the last three bytes of this chunk.
            offset = max(offset + 1, self._base + len(self._chunk) - len(_RECORD_MAGIC) + 1)
        return self._end

    def _load(self, offset: int, size: int) -> int:
        """Load these bytes, as far as the file goes; return where they begin in the chunk."""
        if offset < self._base or offset + size > self._base + len(self._chunk):
            want = min(max(size, CHUNK_BYTES), self._end - offset)
            self._base, self._chunk = offset, self._read(want, offset)
        return offset - self._base

    def _read(self, size: int, offset: int) -> bytes:
        """Return bytes of the file, with zeros for each page that the disk cannot read.

        The records in such a page then fail their checksum.
        """
        try:
            return self._disk.pread(self._fd, size, offset)
        except OSError as exc:
            if exc.errno != errno.EIO:
                raise
        return b"".join(
            self._read_page(min(PAGE_BYTES, offset + size - page), page)
            for page in range(offset, offset + size, PAGE_BYTES)
        )

    def _read_page(self, size: int, offset: int) -> bytes:
        try:
            page = self._disk.pread(self._fd, size, offset)
        except OSError as exc:
            if exc.errno != errno.EIO:
                raise
            page = b""
        return page.ljust(size, b"\0")
