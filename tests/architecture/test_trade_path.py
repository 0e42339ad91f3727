"""One trade arrives in the database driver, and passes no more files than the limit allows."""

import struct
from decimal import Decimal

import pytest
from psycopg.types.numeric import NumericBinaryLoader

from tests.architecture.trade_path import (
    LIMIT,
    NOW_MS,
    TRANSACTION,
    Figures,
    Passage,
    Step,
    passages,
)

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"
EPOCH_US = 946_684_800_000_000  # 2000-01-01, from which PostgreSQL counts


@pytest.fixture(scope="module")
def second() -> Passage:
    """Return how the second trade went through; the first one has filled the caches."""
    return passages()[1]


def rows(copied: bytes) -> list[list[bytes | None]]:
    """Return the fields of each row of a binary COPY."""
    assert copied.startswith(COPY_HEADER)
    at, found = len(COPY_HEADER), []
    while copied[at:] != COPY_TRAILER:
        (count,) = struct.unpack_from(">h", copied, at)
        at += 2
        fields: list[bytes | None] = []
        for _ in range(count):
            (size,) = struct.unpack_from(">i", copied, at)
            fields.append(copied[at + 4 : at + 4 + size] if size >= 0 else None)
            at += 4 + max(size, 0)
        found.append(fields)
    return found


def number(field: bytes | None) -> int:
    assert field is not None
    return int.from_bytes(field, "big", signed=True)


def decimal(field: bytes | None) -> Decimal:
    assert field is not None
    return NumericBinaryLoader(0).load(field)


def test_the_trade_arrives_as_bytes_of_copy(second: Passage) -> None:
    [row] = rows(second.copied)
    traded, _, _, epoch, sequence, token, occurrence, fee, is_buy, *amounts = row
    price, size, transaction, trade_id, extra = amounts
    assert number(traded) + EPOCH_US == (NOW_MS + 2) * 1_000
    assert (number(token), number(occurrence), number(fee), is_buy) == (1, 1, 0, b"\x01")
    assert number(epoch) > 0
    assert number(sequence) > 0
    assert (decimal(price), decimal(size)) == (Decimal("0.456"), Decimal("219.217767"))
    assert transaction == bytes.fromhex(TRANSACTION.removeprefix("0x"))
    assert (trade_id, extra) == (None, None)


def test_a_trade_passes_no_more_files_than_the_limit(second: Passage) -> None:
    for name, counted, most in zip(Figures._fields, second.figures, LIMIT, strict=True):
        assert 0 < counted <= most, f"{name}: `make path VERBOSE=1` lists the steps"


def test_every_trade_after_the_first_takes_the_same_steps() -> None:
    _, *later = [passage.steps for passage in passages(4)]
    assert later[0] == later[1] == later[2]


def test_a_change_of_file_counts_as_back_when_the_file_was_entered_before() -> None:
    steps = tuple(Step(file, "f") for file in ("a.py", "a.py", "b.py", "a.py", "c.py", "b.py"))
    assert Passage(steps, b"").figures == Figures(files=3, changes=5, back=2)
