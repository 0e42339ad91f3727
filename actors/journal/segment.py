"""One file of the journal: its bytes, how they are written and found again.

A segment is a header and then records, nothing between them. All numbers are
little-endian. `crc` is CRC-32 (zlib).

| header  | bytes | meaning                                                        |
|---------|-------|----------------------------------------------------------------|
| magic   | 4     | `TRKS`                                                         |
| version | 2     | 1; a newer one is rejected                                      |
| length  | 2     | of the header, 76                                              |
| first   | 8     | the lowest sequence that can stand here; also in the file name |
| after   | 8     | the sequence before `first` that was used last; between them   |
|         |       | numbers were skipped on purpose                                |
| carried | 8     | the highest sequence that was moved here from another segment, |
|         |       | whose file could not be synced; 0 for none                     |
| made at | 8     | wall clock, nanoseconds                                        |
| journal | 16    | identity of the journal                                        |
| boot    | 16    | identity of the boot of the machine                            |
| crc     | 4     | over all of the above                                          |

| record  | bytes  | meaning                                                       |
|---------|--------|---------------------------------------------------------------|
| magic   | 4      | `TRK1`                                                        |
| crc     | 4      | over the rest, begun with the CRC of the journal's identity   |
| length  | 4      | of the body, at most 32 MiB                                   |
| seq     | 8      | one more than the record before                               |
| at      | 8      | wall clock when it was appended, nanoseconds                  |
| body    | length | opaque                                                        |

What cannot be a record is passed over up to the next one that is whole. A body
cannot pretend to be one: its text does not know the journal's identity.
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

VERSION = 1
MAX_BODY_BYTES = 32 * 1024 * 1024
CHUNK_BYTES = 256 * 1024
PAGE_BYTES = 4096
STRIDE_BYTES = 1024 * 1024

_HEADER_MAGIC = b"TRKS"
_HEADER = struct.Struct("<4sHHQQQQ16s16s")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size

_RECORD_MAGIC = b"TRK1"
_RECORD = struct.Struct("<4sIIQQ")
_CHECKED = struct.Struct("<IQQ")
RECORD_BYTES = _RECORD.size


class Header(NamedTuple):
    """What a segment says of itself."""

    first_seq: int
    after_seq: int
    carried_to: int
    made_at_ns: int
    journal_id: bytes
    boot_id: bytes

    def pack(self) -> bytes:
        """Return the bytes at the head of the file."""
        head = _HEADER.pack(_HEADER_MAGIC, VERSION, HEADER_BYTES, *self)
        return head + _CRC.pack(zlib.crc32(head))


def unpack_header(data: bytes, name: str) -> Header | None:
    """Read the head of a file; None when it is torn or damaged.

    Raises:
        JournalUnreadable: It is whole, but of a newer version.
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
    """Return what the checksums of this journal's records begin with."""
    return zlib.crc32(journal_id)


def pack_record(seq: int, at_ns: int, body: bytes, seed: int) -> bytes:
    """Return the bytes of one record."""
    crc = zlib.crc32(body, zlib.crc32(_CHECKED.pack(len(body), seq, at_ns), seed))
    return b"".join((_RECORD.pack(_RECORD_MAGIC, crc, len(body), seq, at_ns), body))


def is_torn(head: bytes, size: int, seq: int) -> bool:
    """Return whether these bytes are the beginning of one unfinished record and nothing else.

    Args:
        head: The first bytes, as far as they go, up to a record's head.
        size: How many bytes there are in all.
        seq: The sequence that the record must have.
    """
    if len(head) < RECORD_BYTES:
        return size == len(head) and _RECORD_MAGIC.startswith(head[: len(_RECORD_MAGIC)])
    magic, _, length, found, _ = _RECORD.unpack(head)
    fits = magic == _RECORD_MAGIC and found == seq and length <= MAX_BODY_BYTES
    return bool(fits and size < RECORD_BYTES + length)


def name_of(first_seq: int) -> str:
    """Return the file name of the segment that begins with this sequence."""
    return f"seg-{first_seq:020d}.log"


def first_of(name: str) -> int | None:
    """Return the first sequence of the segment with this file name; None for other files."""
    digits = name[4:-4]
    if name[:4] == "seg-" and name[-4:] == ".log" and len(digits) == 20 and digits.isdecimal():
        return int(digits)
    return None


@dataclass(eq=False, slots=True)
class Segment:
    """One file.

    Attributes:
        size: Bytes up to the end of the last whole record.
        fd: Open for appending while records in it may not be synced; else None.
        damaged: Reading found a stretch in it that is not whole.
        index: A place every MiB or so: (sequence, where its record begins).
    """

    first_seq: int
    header: Header | None
    size: int
    fd: int | None = None
    damaged: bool = False
    index: list[tuple[int, int]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its file name."""
        return name_of(self.first_seq)

    @property
    def after_seq(self) -> int:
        """The sequence used last before its first one."""
        return self.header.after_seq if self.header is not None else self.first_seq - 1

    def note(self, seq: int, offset: int) -> None:
        """Remember where this record begins, if that is news worth its memory."""
        last = self.index[-1][1] if self.index else 0
        if offset >= last + STRIDE_BYTES:
            self.index.append((seq, offset))

    def place_of(self, seq: int) -> int:
        """Return a place to begin to look for this sequence: at its record or before."""
        found = bisect_right(self.index, (seq, self.size)) - 1
        return self.index[found][1] if found >= 0 else HEADER_BYTES

    def append(self, disk: Disk, seq: int, record: bytes) -> None:
        """Write a whole record at the end.

        Raises:
            OSError: As the call did. Part of it may stand behind `size`.
        """
        if self.fd is None:
            raise OSError(errno.EBADF, f"{self.name} is not open")
        write_all(disk, self.fd, record)
        self.note(seq, self.size)
        self.size += len(record)


def write_all(disk: Disk, fd: int, data: bytes) -> None:
    """Write until all is written: one call may take less than it is given."""
    view = memoryview(data)
    while view:
        written = disk.write(fd, view)
        if written <= 0:
            raise OSError(errno.EIO, "the disk took nothing and gave no error")
        view = view[written:]


class Found(NamedTuple):
    """A whole record in a file, and where it stands."""

    seq: int
    at_ns: int
    body: bytes
    begin: int
    end: int


class Scan:
    """Finds the whole records of one file in order. Memory is one chunk and one record.

    Args:
        fd: Open for reading; stays the caller's.
        end: How much of the file to look at.
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
        """Return the whole records from this place on; passes over whatever is none."""
        while offset + RECORD_BYTES <= self._end:
            found = self._record_at(offset)
            if found is None:
                offset = self._next_magic(offset + 1)
            else:
                yield found
                offset = found.end

    def _record_at(self, begin: int) -> Found | None:
        at = self._bring(begin, RECORD_BYTES)
        if len(self._chunk) - at < RECORD_BYTES:
            return None
        magic, crc, length, seq, at_ns = _RECORD.unpack_from(self._chunk, at)
        end = begin + RECORD_BYTES + length
        # The cheap checks come first: a long body is only read for a sequence that
        # can stand here, or text full of magics would cost a body's check for each.
        if magic != _RECORD_MAGIC or length > MAX_BODY_BYTES or end > self._end:
            return None
        if not self._first_seq <= seq <= self._first_seq + begin // RECORD_BYTES:
            return None
        at = self._bring(begin, RECORD_BYTES + length) + RECORD_BYTES
        body = self._chunk[at : at + length]
        head = zlib.crc32(self._chunk[at - _CHECKED.size : at], self._seed)
        return Found(seq, at_ns, body, begin, end) if zlib.crc32(body, head) == crc else None

    def _next_magic(self, offset: int) -> int:
        while offset < self._end:
            at = self._bring(offset, len(_RECORD_MAGIC))
            if at >= len(self._chunk):
                break  # the file is shorter than it was said to be
            found = self._chunk.find(_RECORD_MAGIC, at)
            if found >= 0:
                return self._base + found
            offset = max(offset + 1, self._base + len(self._chunk) - len(_RECORD_MAGIC) + 1)
        return self._end

    def _bring(self, offset: int, size: int) -> int:
        """Have these bytes in the chunk, as far as the file goes; give where they begin."""
        if offset < self._base or offset + size > self._base + len(self._chunk):
            want = min(max(size, CHUNK_BYTES), self._end - offset)
            self._base, self._chunk = offset, self._read(want, offset)
        return offset - self._base

    def _read(self, size: int, offset: int) -> bytes:
        """Read; what the medium does not give back is zeros, which no record survives."""
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
