"""Prints in PostgreSQL's binary COPY format: the quickest way into a table.

Written out here, byte by byte, because making the driver's objects of every field
costs more than the server needs for the row.

Source: PostgreSQL 18 manual, COPY, "Binary Format"; `numeric_recv` and
`timestamptz_recv` in its sources; the same since 8.4.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from psycopg.types.numeric import DecimalBinaryDumper

from actors.edge.session import Connection
from actors.logic.trade import Print, print_hash

UNWRITABLE = (struct.error, OverflowError)
"""What is raised for a number that does not fit its column."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH_US = 946_684_800_000_000  # 2000-01-01, from which PostgreSQL counts
_LAST_MS = 253_402_300_799_999  # the end of the year 9999, the last that can be read back
_NULL = b"\xff\xff\xff\xff"
_ROWS_AT_ONCE = 512  # so that the server works while the next are written
_key = struct.Struct(">IQQ").pack
_head = struct.Struct(">hiqiqiqiiii").pack
_whole = struct.Struct(">ii").pack
_size = struct.Struct(">i").pack
_three_groups = struct.Struct(">ihhHHHHH").pack
_SIDES = {side: _size(len(side)) + side.encode() for side in ("BUY", "SELL")}
_dumper = DecimalBinaryDumper(Decimal)


class Keyed(NamedTuple):
    """A print with its key, which sorts as (asset_key, traded_at, print_hash) does."""

    key: bytes
    row: Print
    asset: int
    hash: int


def keyed(rows: Iterable[Print], keys: Mapping[str, int]) -> Iterator[Keyed]:
    """Give each print its key.

    Raises:
        struct.error, OverflowError: A number does not fit.
    """
    for row in rows:
        if row.traded_at_ms > _LAST_MS or row.received_at_ns > _LAST_MS * 1_000_000:
            raise OverflowError("a time behind the year 9999")
        asset, digest = keys[row.token_id], print_hash(row)
        yield Keyed(_key(asset, row.traded_at_ms, digest + 2**63), row, asset, digest)


def copy(connection: Connection, query: bytes, rows: Sequence[Keyed]) -> None:
    """Write these rows by this COPY statement, in this order.

    Raises:
        struct.error: A number does not fit.
        ValueError: A field cannot be written.
        psycopg.Error: What the database says.
    """
    with connection.cursor() as cursor, cursor.copy(query) as channel:
        channel.write(_HEADER)
        rest = iter(rows)
        while some := b"".join(map(_tuple, islice(rest, _ROWS_AT_ONCE))):
            channel.write(some)
        channel.write(_TRAILER)


def _tuple(keyed: Keyed) -> bytes:
    row = keyed.row
    fee, extra = row.fee_rate_bps, row.extra
    return b"".join(
        (
            _head(
                12,
                8,
                row.traded_at_ms * 1000 - _EPOCH_US,
                8,
                row.received_at_ns // 1000 - _EPOCH_US,
                8,
                keyed.hash,
                4,
                keyed.asset,
                4,
                row.occurrence,
            ),
            _NULL if fee is None else _whole(4, fee),
            _SIDES.get(row.side) or _sized(row.side.encode()),
            _numeric(str(row.price)),
            _numeric(str(row.size)),
            _hash(row.transaction_hash),
            _NULL if row.trade_id is None else _sized(row.trade_id.encode()),
            _NULL if extra is None else _sized(b"\x01" + extra.encode()),  # jsonb, version 1
        )
    )


def _sized(value: bytes) -> bytes:
    return _size(len(value)) + value


def _hash(transaction_hash: str | None) -> bytes:
    if transaction_hash is None:
        return _NULL
    if not transaction_hash.startswith("0x"):
        raise ValueError("transaction hash without 0x")
    return _sized(bytes.fromhex(transaction_hash[2:]))


@lru_cache(maxsize=8192)  # most prices and many sizes come again and again
def _numeric(text: str) -> bytes:
    # Groups of four decimal digits around the point; their number, the weight of the first,
    # the sign, and how many digits are shown behind the point.
    whole, _, part = text.partition(".")
    if len(whole) > 4 or len(part) > 8 or not (whole + part).isdecimal():
        return _sized(bytes(_dumper.dump(Decimal(text)) or b""))
    groups = part.ljust(8, "0")
    return _three_groups(
        14, 3, 0, 0, len(part), int(whole or "0"), int(groups[:4]), int(groups[4:])
    )
