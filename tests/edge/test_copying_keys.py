"""COPY and INSERT must store the very same rows: tests/db/test_copying.py asks the database."""

import struct
from decimal import Decimal

import msgspec
import pytest

from actors.edge import copying
from actors.logic.trade import ConditionId, Print, TokenId, print_hash

TOKEN = TokenId("7" * 77)


def trade(at_ms: int = 1_785_000_000_000, size: str = "5") -> Print:
    return Print(
        token_id=TOKEN,
        condition_id=ConditionId("0x" + "ab" * 32),
        traded_at_ms=at_ms,
        received_at_ns=at_ms * 1_000_000,
        price=Decimal("0.5"),
        size=Decimal(size),
        side="BUY",
    )


def test_keys_sort_by_token_time_and_signed_hash() -> None:
    rows = [trade(1_785_000_000_000 + number % 3, str(number)) for number in range(1, 40)]
    hashes = [print_hash(row) for row in rows]
    given = [
        each for asset in (300, 2) for each in copying.keyed(rows, hashes, {TOKEN: asset}).values()
    ]
    by_key = [(asset, row.traded_at_ms, digest) for _, row, asset, digest in sorted(given)]
    assert by_key == sorted(by_key)
    assert min(hash_ for _, _, hash_ in by_key) < 0 < max(hash_ for _, _, hash_ in by_key)


@pytest.mark.parametrize("at_ms", [-1, 253_402_300_800_000, 2**64])
def test_a_time_that_has_no_key_is_refused(at_ms: int) -> None:
    with pytest.raises((struct.error, OverflowError)):
        copying.keyed([trade(at_ms)], [1], {TOKEN: 1})


def test_of_equal_prints_the_earliest_receipt_stays() -> None:
    late = msgspec.structs.replace(trade(), received_at_ns=9_000_000_000)
    early = msgspec.structs.replace(late, received_at_ns=8_000_000_000)
    for rows in ((late, early), (early, late)):
        found = copying.keyed(rows, (1, 1), {TOKEN: 1})
        assert [row for _, row, _, _ in found.values()] == [early]
