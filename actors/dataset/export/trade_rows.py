"""Rows of trades as the database gives them → rows of a release, in its order.

The order is that of `traded_at`, `token_id`, `price`, `size`, `side`, `transaction_hash` and
`occurrence`: those tell every trade from every other, so it does not depend on how the database
keeps them. Work is done by column, but for trades of one token in one millisecond.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from actors.dataset import schemas
from actors.errors import ConfigError

ROWS: Final = 65_536
"""Of a row group, but for the last one of a day."""
_MOST_TOKENS: Final = 1_000_000
_TOKENS_AT_ONCE: Final = 16_384
_LOW: Final = np.uint64(0xFFFF_FFFF)
_MICRO: Final = 10**12
_SIDES: Final = pa.array(["SELL", "BUY"])
_SCALE: Final = 18

Look = Callable[[Sequence[int]], Iterable[tuple[int, str, str | None]]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


class Tokens:
    """Token and condition ids by their number in the database, looked up once.

    Args:
        look: Returns number, token id and condition id of tokens with these numbers.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._forget()

    def _forget(self) -> None:
        self._keys: Ints = np.empty(0, np.int64)
        self._places: Ints = np.empty(0, np.int64)
        self._tokens: pa.Array = pa.array([], pa.string())
        self._conditions: pa.Array = pa.array([], pa.string())

    def of(self, keys: Ints) -> tuple[pa.Array, pa.Array]:
        """Return token ids and condition ids of these numbers.

        Raises:
            ConfigError: The database has a trade of a token that it does not know.
        """
        known = np.isin(keys, self._keys)
        if not known.all():
            if len(self._keys) > _MOST_TOKENS:
                self._forget()
                known[:] = False
            new = np.unique(keys[~known])
            for first in range(0, len(new), _TOKENS_AT_ONCE):
                self._add(new[first : first + _TOKENS_AT_ONCE])
        places = pa.array(self._places[np.searchsorted(self._keys, keys)])
        return self._tokens.take(places), self._conditions.take(places)

    def _add(self, keys: Ints) -> None:
        rows = list(self._look(keys.tolist()))
        if len(rows) != len(keys):
            lacking = min(set(keys.tolist()) - {row[0] for row in rows})
            raise ConfigError(f"database: a trade has the token {lacking}, which is not in assets")
        before = len(self._tokens)
        more = (pa.array([row[place] for row in rows], pa.string()) for place in (1, 2))
        self._tokens = pa.concat_arrays([self._tokens, next(more)])
        self._conditions = pa.concat_arrays([self._conditions, next(more)])
        all_keys = np.concatenate([self._keys, np.array([row[0] for row in rows], np.int64)])
        places = np.concatenate([self._places, np.arange(before, before + len(rows))])
        order = np.argsort(all_keys)
        self._keys, self._places = all_keys[order], places[order]


def groups(batches: Iterable[pa.RecordBatch], tokens: Tokens) -> Iterator[pa.Table]:
    """Yield all rows in the order of the release, `ROWS` at a time.

    Args:
        batches: In the order of `traded_at`.
        tokens: Looks up their tokens.
    """
    ready: list[pa.Table] = []
    for part in _whole_milliseconds(batches):
        ready.append(_in_order(part, tokens))
        while sum(table.num_rows for table in ready) >= ROWS:
            whole = pa.concat_tables(ready)
            yield _released(whole.slice(0, ROWS), tokens)
            ready = [whole.slice(ROWS)]
    rest = pa.concat_tables(ready) if ready else None
    if rest is not None and rest.num_rows:
        yield _released(rest, tokens)


def _whole_milliseconds(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield rows so that all trades of one moment are in one part."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(each.num_rows for each in held) < ROWS:
            continue
        at = _times(pa.chunked_array([each.column("traded_at") for each in held]))
        cut = int(np.searchsorted(at, at[-1], side="left"))
        if cut == 0:
            continue  # one moment has more rows than a group
        whole = pa.Table.from_batches(held)
        yield whole.slice(0, cut)
        held = whole.slice(cut).to_batches()
    if held:
        yield pa.Table.from_batches(held)


def _times(column: pa.ChunkedArray) -> Ints:
    found: Ints = column.cast(pa.int64()).to_numpy()
    return found


def _in_order(rows: pa.Table, tokens: Tokens) -> pa.Table:
    at = _times(rows.column("traded_at"))
    same = at[1:] == at[:-1]
    if not same.any():
        return rows
    among = np.flatnonzero(np.concatenate([[False], same]) | np.concatenate([same, [False]]))
    keys = rows.column("asset_key").to_numpy()[among].astype(np.int64)
    distinct, places = np.unique(keys, return_inverse=True)
    texts = np.array(tokens.of(distinct)[0].to_pylist())
    rank = np.argsort(np.argsort(texts))[places]
    order = np.arange(len(at))
    inner = np.lexsort((rank, at[among]))
    order[among] = among[inner]
    ordered_at, ordered_rank = at[among][inner], rank[inner]
    equal = (ordered_at[1:] == ordered_at[:-1]) & (ordered_rank[1:] == ordered_rank[:-1])
    if equal.any():
        _order_alike(rows, order, among, equal)
    return rows.take(pa.array(order))


def _order_alike(rows: pa.Table, order: Ints, among: Ints, equal: Any) -> None:
    """Put trades of one token and moment in order, in `order`."""
    starts = np.flatnonzero(np.concatenate([[True], ~equal]))
    ends = np.concatenate([starts[1:], [len(among)]])
    many = ends - starts > 1
    picked = np.concatenate([among[a:b] for a, b in zip(starts[many], ends[many], strict=True)])
    names = ("price", "size", "wide_size", "is_buy", "transaction_hash", "occurrence")
    some = rows.select(names).take(pa.array(order[picked])).to_pylist()
    done = 0
    for length in (ends - starts)[many].tolist():
        told = list(map(_identity, some[done : done + length]))
        slots = picked[done : done + length]
        order[slots] = order[slots][sorted(range(length), key=told.__getitem__)]
        done += length


def _identity(row: dict[str, Any]) -> tuple[Any, ...]:
    size = row["size"] * _MICRO if row["size"] is not None else _unscaled(row["wide_size"])
    side = "BUY" if row["is_buy"] else "SELL"
    return (row["price"] or 0, size, side, row["transaction_hash"] or b"", row["occurrence"])


def _released(rows: pa.Table, tokens: Tokens) -> pa.Table:
    """Return rows with the columns of the release."""
    rows = rows.combine_chunks()
    column = {name: _one(rows.column(name)) for name in rows.column_names}
    keys = column["asset_key"].dictionary_encode()
    token_ids, condition_ids = tokens.of(keys.dictionary.to_numpy().astype(np.int64))
    conditions = condition_ids.dictionary_encode()
    condition_of = conditions.indices.take(keys.indices)
    if column["price"].null_count:
        at = pc.filter(column["traded_at"], pc.is_null(column["price"]))[0]
        raise ConfigError(f"database: a price of {at} has more than {_SCALE} decimals")
    sizes = _sizes(column["size"], column["wide_size"])
    made = {
        "traded_at": column["traded_at"],
        "received_at": column["received_at"],
        "condition_id": pa.DictionaryArray.from_arrays(condition_of, conditions.dictionary),
        "token_id": pa.DictionaryArray.from_arrays(keys.indices, token_ids),
        "price": _decimals(column["price"].to_numpy(), 1, schemas.PRICE),
        "size": sizes,
        "side": pa.DictionaryArray.from_arrays(column["is_buy"].cast(pa.int32()), _SIDES),
        "extra": column["extra"].cast(pa.string()),
        "trade_id": column["trade_id"].cast(pa.string()),
    }
    arrays = [made.get(name, column.get(name)) for name in schemas.TRADES.names]
    return pa.Table.from_arrays(arrays, schema=schemas.TRADES)


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _sizes(micro: pa.Array, wide: pa.Array) -> pa.Array:
    if not micro.null_count:
        return _decimals(micro.to_numpy(), _MICRO, schemas.SIZE)
    limbs = _limbs(micro.fill_null(0).to_numpy(), _MICRO)
    for place in np.flatnonzero(micro.is_null().to_numpy(zero_copy_only=False)).tolist():
        number = _unscaled(wide[place].as_py())
        limbs[place] = number & 0xFFFF_FFFF_FFFF_FFFF, number >> 64
    return _array(limbs, schemas.SIZE)


def _unscaled(text: str) -> int:
    """Return a number of 10^-18.

    Raises:
        ConfigError: It has more decimals, or more digits than a release holds.
    """
    whole, _, part = text.partition(".")
    part = part.rstrip("0")
    if len(part) > _SCALE or len(whole) > schemas.SIZE.precision - _SCALE:
        raise ConfigError(
            f"database: the size {Decimal(text)} of a trade does not fit a release, which has"
            f" {schemas.SIZE.precision} digits, {_SCALE} of them decimals"
        )
    return int(whole + part.ljust(_SCALE, "0"))


def _decimals(values: Ints, factor: int, kind: pa.Decimal128Type) -> pa.Array:
    return _array(_limbs(values, factor), kind)


def _array(limbs: Any, kind: pa.Decimal128Type) -> pa.Array:
    return pa.Array.from_buffers(kind, len(limbs), [None, pa.py_buffer(limbs)])


def _limbs(values: Ints, factor: int) -> Any:
    """Return positive numbers times a factor as 128-bit integers: their lower and upper halves."""
    found = np.zeros((len(values), 2), np.dtype("<u8"))
    number = values.astype(np.uint64)
    if factor == 1:
        found[:, 0] = number
        return found
    low, high = number & _LOW, number >> np.uint64(32)
    below, above = np.uint64(factor & 0xFFFF_FFFF), np.uint64(factor >> 32)
    first, second, third = low * below, low * above, high * below
    middle = (first >> np.uint64(32)) + (second & _LOW) + (third & _LOW)
    found[:, 0] = (first & _LOW) | (middle << np.uint64(32))
    upper = (second >> np.uint64(32)) + (third >> np.uint64(32)) + (middle >> np.uint64(32))
    found[:, 1] = high * above + upper
    return found
