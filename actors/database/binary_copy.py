"""Trades in PostgreSQL's binary COPY format: the fastest way into a table.

The bytes are written here, field by field, because turning every field into an object of the
driver costs more than the server needs for the row.

The rows are sorted by the table's key, a few hundred at a time: every writer uses the same order,
so trackers on one database wait for each other instead of deadlocking.

Source: PostgreSQL 18 manual, COPY, "Binary Format"; `numeric_recv` and `timestamptz_recv` in its
sources; the same since 8.4.
"""

import struct
from binascii import unhexlify
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache, lru_cache

from psycopg.types.numeric import DecimalBinaryDumper

from actors.database.cache import RecentTrades
from actors.database.columns import hash_bytes
from actors.database.session import Connection
from actors.errors import StoreMiscounts
from actors.model.histogram import END_TO_END_S, Histogram
from actors.model.trade import Trade

UNWRITABLE = (struct.error, OverflowError)
"""Raised for a number that does not fit its column."""

Origin = tuple[int, int]
"""The epoch in which a trade was received, and its sequence there; epoch 0: they are not known."""
KeyedTrade = tuple[bytes, Trade, int, int, Origin]
"""A key, which sorts as (traded_at, asset_key, trade_hash) does; trade; asset_key; trade_hash; its
origin. A plain tuple, because there is one for each row."""

_ROWS_PER_CHUNK = 256  # so that the server works while the next chunk is encoded
_LAST_MS = 253_402_300_799_999  # the end of the year 9999, the last that can be read back
_key = struct.Struct(">QIQ").pack
_time = struct.Struct(">Q12x").unpack

# Signature, flags, length of the extension of the header; the trailer is a field count of -1, NULL
# a length of -1 (manual, COPY, "Binary Format").
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01, from which PostgreSQL counts
_NULL = b"\xff\xff\xff\xff"
_head = struct.Struct(">hiqiqiq").pack
_int2_field = struct.Struct(">ih").pack
_int8_field = struct.Struct(">iq").pack
_int4_field = struct.Struct(">ii").pack
_size = struct.Struct(">i").pack
# Length and head of a `numeric` with three groups: one before the point, two behind it. Groups of
# zeros at either end are dropped by `numeric_recv` of the server.
_three_groups = struct.Struct(">ihhHHHHH").pack
_groups_head = struct.Struct(">ihhH").pack(14, 3, 0, 0)
_GROUPS_BYTES = 4 + 14
_HASH_BYTES = 32
_HASH_TEXT = 2 + 2 * _HASH_BYTES
_WHOLE_DIGITS, _SCALE_DIGITS = 4, 8
_SIDES = {"BUY": _size(1) + b"\x01", "SELL": _size(1) + b"\x00"}  # `is_buy`
_POWERS = [10**places for places in range(8, -1, -1)]
_dumper = DecimalBinaryDumper(Decimal)

# Bytes that are the same in every usual row, joined as far as possible: packing each piece costs
# as much as packing a field.
_FIELDS = 14
_FIELDS_AND_EIGHT = struct.pack(">hi", _FIELDS, 8)
_FOUR, _EIGHT, _HASH = _size(4), _size(8), _size(_HASH_BYTES)
_NO_ID_NO_EXTRA = 2 * _NULL


def sorted_chunks(
    rows: Sequence[Trade],
    hashes: Sequence[int],
    origins: Sequence[Origin],
    keys: Mapping[str, int],
    recent: RecentTrades,
) -> Iterator[list[KeyedTrade]]:
    """Yield the trades that were not stored recently, sorted by key, a few hundred at a time.

    Chunks are made one by one, so the first is written before the last is sorted. The rows of a
    chunk lie close together in the input, which is nearly in the order of time: memory that lies
    far apart is slow to read. Of trades with the same key the one that was received first is
    taken.

    Args:
        rows: The trades.
        hashes: The `trade_hash` of each.
        origins: That of each.
        keys: The asset_key of each token.
        recent: Is given the keys of the trades that are yielded.

    Raises:
        struct.error, OverflowError: A number does not fit.
    """
    times = [row.traded_at_ms for row in rows]
    places = sorted(range(len(rows)), key=times.__getitem__)
    start = 0
    while start < len(places):
        end = _end_of_millisecond(places, times, start + _ROWS_PER_CHUNK)
        some = places[start:end]
        fresh = _keyed([(rows[place], hashes[place], origins[place]) for place in some], keys)
        for key in recent.add(fresh.keys()):
            del fresh[key]
        yield [fresh[key] for key in sorted(fresh)]
        start = end


def _end_of_millisecond(places: Sequence[int], times: Sequence[int], end: int) -> int:
    """Return the first place at or behind this one that begins a later millisecond.

    Trades with the same key have the same time, so a chunk holds all of them.
    """
    while 0 < end < len(places) and times[places[end]] == times[places[end - 1]]:
        end += 1
    return min(end, len(places))


def _keyed(
    rows: Iterable[tuple[Trade, int, Origin]], keys: Mapping[str, int]
) -> dict[bytes, KeyedTrade]:
    found: dict[bytes, KeyedTrade] = {}
    for row, digest, origin in rows:
        at_ms = row.traded_at_ms
        if at_ms > _LAST_MS or row.received_at_ns > _LAST_MS * 1_000_000:
            raise OverflowError("a time after the year 9999")
        asset = keys[row.token_id]
        key = _key(at_ms, asset, digest + 2**63)  # unsigned, so that bytes sort as numbers do
        other = found.get(key)
        if other is None or other[1].received_at_ns > row.received_at_ns:
            found[key] = (key, row, asset, digest, origin)
    return found


def ages(keys: Iterable[bytes], now_ms: int) -> Histogram:
    """Return how long before this moment the trades with these keys were traded."""
    counts = [0] * (len(END_TO_END_S) + 1)
    sum_s = 0.0
    for key in keys:
        age_s = (now_ms - _time(key)[0]) / 1_000
        counts[bisect_left(END_TO_END_S, age_s)] += 1
        sum_s += max(0.0, age_s)
    return Histogram(tuple(counts), sum_s)


def copy(
    connection: Connection, query: bytes, chunks: Iterable[Sequence[KeyedTrade]], first_epoch: int
) -> int:
    """Write chunks of rows with this COPY statement, in this order; return the number of rows.

    Args:
        connection: In a transaction.
        query: Its rows have the fields of `tracker.trades`.
        chunks: The rows.
        first_epoch: Added to each epoch, so that it is unique in the database.

    Raises:
        struct.error, OverflowError: A number does not fit.
        ValueError: A field cannot be written.
        StoreMiscounts: The database reports another number of rows.
        psycopg.Error: The database's error.
    """
    written = 0
    # An exception in this block makes psycopg end the COPY with an error, so nothing is stored.
    with connection.cursor() as cursor:
        with cursor.copy(query) as channel:
            channel.write(_HEADER)
            for rows in chunks:
                channel.write(b"".join([_encode(row, first_epoch) for row in rows]))
                written += len(rows)
            channel.write(_TRAILER)
        # Known only behind the end of the COPY. A trigger leaves rows out without an error.
        stored = cursor.rowcount
    if stored != written:
        raise StoreMiscounts(f"the database reports {stored} of {written} trades as stored")
    return written


def _encode(keyed: KeyedTrade, first_epoch: int) -> bytes:
    """Return the bytes of one row; a usual row is packed in a single call."""
    _, row, asset, digest, (epoch, sequence) = keyed
    usual = _usual_fields(row.occurrence, row.fee_rate_bps, row.side, str(row.price))
    whole, _, part = str(row.size).partition(".")
    transaction, scale = row.transaction_hash, len(part)
    if (
        usual is None
        or transaction is None
        or len(transaction) != _HASH_TEXT
        or not transaction.startswith("0x")
        or len(whole) > _WHOLE_DIGITS
        or scale > _SCALE_DIGITS
        or row.trade_id is not None
        or row.extra is not None
        or not epoch
    ):
        return _encode_unusual(keyed, first_epoch)
    traded = row.traded_at_ms * 1000 - _POSTGRES_EPOCH_US
    received = row.received_at_ns // 1000 - _POSTGRES_EPOCH_US
    try:
        high, low = divmod(int(whole + part) * _POWERS[scale], 10_000)
    except ValueError:  # an exponent
        return _encode_unusual(keyed, first_epoch)
    pack, middle = usual
    return pack(
        _FIELDS_AND_EIGHT, traded, _EIGHT, received, _EIGHT, digest, _EIGHT, first_epoch + epoch,
        _EIGHT, sequence, _FOUR, asset, middle, scale, high // 10_000, high % 10_000, low, _HASH,
        unhexlify(transaction[2:]), _NO_ID_NO_EXTRA,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _usual_fields(
    occurrence: int, fee: int | None, side: str, price: str
) -> tuple[Callable[..., bytes], bytes] | None:
    """Return the bytes of the fields that recur from row to row, and what packs a row around them.

    None if the row is unusual: without a fee, with an unknown side, or with a price that does not
    have three groups of digits.
    """
    amount = _numeric(price)
    if fee is None or side not in _SIDES or len(amount) != _GROUPS_BYTES:
        return None
    middle = _int2_field(2, occurrence) + _int2_field(2, fee) + _SIDES[side] + amount
    middle += _groups_head
    return _row_packer(len(middle)), middle


@cache
def _row_packer(size: int) -> Callable[..., bytes]:
    return struct.Struct(f">6sq4sq4sq4sq4sq4si{size}sHHHH4s{_HASH_BYTES}s8s").pack


def _encode_unusual(keyed: KeyedTrade, first_epoch: int) -> bytes:
    _, row, asset, digest, (epoch, sequence) = keyed
    traded = row.traded_at_ms * 1000 - _POSTGRES_EPOCH_US
    received = row.received_at_ns // 1000 - _POSTGRES_EPOCH_US
    fee, transaction, extra = row.fee_rate_bps, row.transaction_hash, row.extra
    return b"".join(
        (
            _head(_FIELDS, 8, traded, 8, received, 8, digest),
            _int8_field(8, first_epoch + epoch) + _int8_field(8, sequence) if epoch else 2 * _NULL,
            _int4_field(4, asset) + _int2_field(2, row.occurrence),
            _NULL if fee is None else _int2_field(2, fee),
            _SIDES.get(row.side, _NULL),
            _numeric(str(row.price)),
            _numeric(str(row.size)),
            _NULL if transaction is None else _field(hash_bytes(transaction)),
            _NULL if row.trade_id is None else _field(row.trade_id.encode()),
            _NULL if extra is None else _field(b"\x01" + extra.encode()),  # jsonb, version 1
        )
    )


def _field(value: bytes) -> bytes:
    return _size(len(value)) + value


def _numeric(text: str) -> bytes:
    """Return a decimal number as a `numeric` field.

    Its bytes are groups of four decimal digits around the point: how many groups, the weight of
    the first, the sign, the number of digits behind the point, the groups.
    """
    whole, _, part = text.partition(".")
    digits, scale = whole + part, len(part)
    if len(whole) > _WHOLE_DIGITS or scale > _SCALE_DIGITS or not digits.isdecimal():
        return _field(bytes(_dumper.dump(Decimal(text)) or b""))
    rest, last = divmod(int(digits) * _POWERS[scale], 10_000)
    return _three_groups(14, 3, 0, 0, scale, rest // 10_000, rest % 10_000, last)
