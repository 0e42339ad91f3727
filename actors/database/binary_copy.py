"""Prints in PostgreSQL's binary COPY format: the quickest way into a table.

Written out here, byte by byte, because making the driver's objects of every field
costs more than the server needs for the row.

Source: PostgreSQL 18 manual, COPY, "Binary Format"; `numeric_recv` and
`timestamptz_recv` in its sources; the same since 8.4.
"""

import struct
from binascii import unhexlify
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence
from decimal import Decimal
from functools import cache, lru_cache

from psycopg.types.numeric import DecimalBinaryDumper

from actors.database.session import Connection
from actors.model.trade import Trade

UNWRITABLE = (struct.error, OverflowError)


# MERGED: Trades in the order of the table's key, some hundred at a time. One order for
# everybody who writes: trackers on one database wait for each other and do not deadlock.


_LAST_MS = 253_402_300_799_999  # the end of the year 9999, the last that can be read back
_ROWS_AT_ONCE = 256  # so that the server works while the next are written
_key = struct.Struct(">QIQ").pack
Keyed = tuple[bytes, Trade, int, int]
"""A key, which sorts as (traded_at, asset_key, trade_hash) does; trade; asset_key; trade_hash.

Plain tuples: there is one for each row.
"""
Known = Callable[[KeysView[bytes]], Iterable[bytes]]


def portions(
    rows: Sequence[Trade], hashes: Sequence[int], keys: Mapping[str, int], known: Known
) -> Iterator[list[Keyed]]:
    """Return the trades that are not known, sorted by their keys, some hundred at a time.

    So the first are written before the last are looked at. They come nearly in the order
    of their times, so little is moved: what lies apart in memory is slow to read. Of trades
    with the same key the one of the earliest receipt is given.

    Args:
        rows: The trades.
        hashes: The `trade_hash` of each.
        keys: The asset_key of each token.
        known: Tells which of these keys need not be given.

    Raises:
        struct.error, OverflowError: A number does not fit.
    """
    times = [row.traded_at_ms for row in rows]
    places = sorted(range(len(rows)), key=times.__getitem__)
    start = 0
    while start < len(places):
        end = _end_of_moment(places, times, start + _ROWS_AT_ONCE)
        some = places[start:end]
        fresh = _keyed([rows[place] for place in some], [hashes[place] for place in some], keys)
        for key in known(fresh.keys()):
            del fresh[key]
        yield [fresh[key] for key in sorted(fresh)]
        start = end


def _end_of_moment(places: Sequence[int], times: Sequence[int], end: int) -> int:
    """Return the first place at or behind this one at which a later time begins."""
    while 0 < end < len(places) and times[places[end]] == times[places[end - 1]]:
        end += 1
    return min(end, len(places))


def _keyed(
    rows: Sequence[Trade], hashes: Sequence[int], keys: Mapping[str, int]
) -> dict[bytes, Keyed]:
    found: dict[bytes, Keyed] = {}
    for row, digest in zip(rows, hashes, strict=True):
        at_ms = row.traded_at_ms
        if at_ms > _LAST_MS or row.received_at_ns > _LAST_MS * 1_000_000:
            raise OverflowError("a time behind the year 9999")
        asset = keys[row.token_id]
        key = _key(at_ms, asset, digest + 2**63)
        other = found.get(key)
        if other is None or other[1].received_at_ns > row.received_at_ns:
            found[key] = (key, row, asset, digest)
    return found


"""What is raised for a number that does not fit its column."""
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH_US = 946_684_800_000_000  # 2000-01-01, from which PostgreSQL counts
_NULL = b"\xff\xff\xff\xff"
_head = struct.Struct(">hiqiqiqiiii").pack
_whole = struct.Struct(">ii").pack
_size = struct.Struct(">i").pack
_three_groups = struct.Struct(">ihhHHHHH").pack
_groups_head = struct.Struct(">ihhH").pack(14, 3, 0, 0)
_GROUPS_BYTES = 4 + 14
_HASH_BYTES = 32
_HASH_TEXT = 2 + 2 * _HASH_BYTES
_WHOLE_DIGITS, _SHOWN_DIGITS = 4, 8
_SIDES = {side: _size(len(side)) + side.encode() for side in ("BUY", "SELL")}


# What stands in every row, in as few pieces as may be: each costs as much as a field.
_FIELDS_AND_EIGHT = struct.pack(">hi", 12, 8)
_FOUR, _EIGHT, _HASH = _size(4), _size(8), _size(_HASH_BYTES)
_NO_ID_NO_EXTRA = 2 * _NULL
_SHIFTS = [10**places for places in range(8, -1, -1)]
_dumper = DecimalBinaryDumper(Decimal)


def copy(connection: Connection, query: bytes, some: Iterable[Sequence[Keyed]]) -> int:
    """Write these portions of rows by this COPY statement, in this order; give their number.

    Raises:
        struct.error, OverflowError: A number does not fit.
        ValueError: A field cannot be written.
        psycopg.Error: What the database says.
    """
    written = 0
    with connection.cursor() as cursor, cursor.copy(query) as channel:
        channel.write(_HEADER)
        for rows in some:
            channel.write(b"".join([_tuple(row) for row in rows]))
            written += len(rows)
        channel.write(_TRAILER)
    return written


def _tuple(keyed: Keyed) -> bytes:
    _, row, asset, digest = keyed
    usual = _usual(row.occurrence, row.fee_rate_bps, row.side, str(row.price))
    whole, _, part = str(row.size).partition(".")
    transaction, shown = row.transaction_hash, len(part)
    if (
        usual is None
        or transaction is None
        or len(transaction) != _HASH_TEXT
        or not transaction.startswith("0x")
        or len(whole) > _WHOLE_DIGITS
        or shown > _SHOWN_DIGITS
        or row.trade_id is not None
        or row.extra is not None
    ):
        return _unusual(keyed)
    traded, received = row.traded_at_ms * 1000 - _EPOCH_US, row.received_at_ns // 1000 - _EPOCH_US
    try:
        high, low = divmod(int(whole + part) * _SHIFTS[shown], 10_000)
    except ValueError:  # an exponent
        return _unusual(keyed)
    pack, middle = usual
    return pack(
        _FIELDS_AND_EIGHT, traded, _EIGHT, received, _EIGHT, digest, _FOUR, asset, middle,
        shown, high // 10_000, high % 10_000, low, _HASH, unhexlify(transaction[2:]),
        _NO_ID_NO_EXTRA,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _usual(
    occurrence: int, fee: int | None, side: str, price: str
) -> tuple[Callable[..., bytes], bytes] | None:
    """Return what comes again and again in the midst of rows, and what packs a row around it.

    None: it is not as nearly all are, with a fee, a known side, and a price of three groups.
    """
    amount = _numeric(price)
    if fee is None or side not in _SIDES or len(amount) != _GROUPS_BYTES:
        return None
    middle = _whole(4, occurrence) + _whole(4, fee) + _SIDES[side] + amount + _groups_head
    return _around(len(middle)), middle


@cache
def _around(size: int) -> Callable[..., bytes]:
    return struct.Struct(f">6sq4sq4sq4si{size}sHHHH4s{_HASH_BYTES}s8s").pack


def _unusual(keyed: Keyed) -> bytes:
    _, row, asset, digest = keyed
    traded, received = row.traded_at_ms * 1000 - _EPOCH_US, row.received_at_ns // 1000 - _EPOCH_US
    fee, transaction, extra = row.fee_rate_bps, row.transaction_hash, row.extra
    return b"".join(
        (
            _head(12, 8, traded, 8, received, 8, digest, 4, asset, 4, row.occurrence),
            _NULL if fee is None else _whole(4, fee),
            _SIDES.get(row.side) or _sized(row.side.encode()),
            _numeric(str(row.price)),
            _numeric(str(row.size)),
            _NULL if transaction is None else _sized(_hash(transaction)),
            _NULL if row.trade_id is None else _sized(row.trade_id.encode()),
            _NULL if extra is None else _sized(b"\x01" + extra.encode()),  # jsonb, version 1
        )
    )


def _sized(value: bytes) -> bytes:
    return _size(len(value)) + value


def _hash(transaction_hash: str) -> bytes:
    if not transaction_hash.startswith("0x"):
        raise ValueError("transaction hash without 0x")
    return unhexlify(transaction_hash[2:])


def _numeric(text: str) -> bytes:
    # Groups of four decimal digits around the point; their number, the weight of the first,
    # the sign, and how many digits are shown behind the point.
    whole, _, part = text.partition(".")
    digits, shown = whole + part, len(part)
    if len(whole) > _WHOLE_DIGITS or shown > _SHOWN_DIGITS or not digits.isdecimal():
        return _sized(bytes(_dumper.dump(Decimal(text)) or b""))
    rest, last = divmod(int(digits) * _SHIFTS[shown], 10_000)
    return _three_groups(14, 3, 0, 0, shown, rest // 10_000, rest % 10_000, last)
