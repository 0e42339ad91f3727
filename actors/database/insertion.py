"""Insert rows some of which may be stored already, and prove that all of them are there then.

A row that INSERT ... ON CONFLICT DO NOTHING does not count should be there already. It may also
have been lost without an error: TimescaleDB 2.18.0 left out all rows behind the first known one.
So the database is asked; of trades that costs a fifth of such an INSERT, and nothing where all rows
are new.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from actors.database import columns, queries
from actors.database.binary_copy import Origin
from actors.database.session import Connection
from actors.errors import StoreMiscounts
from actors.model.storage import RejectedRow
from actors.model.trade import Trade

_ROWS_AT_ONCE: Final = 2_500
"""Rows that are looked for in one statement; in compressed chunks each may take a millisecond."""
_NEAR: Final = timedelta(days=1)
_REJECTIONS_AT_ONCE: Final = 5_000
_BYTES_AT_ONCE: Final = 16 << 20
"""Of rejected payloads: the size of one large frame."""
_KEY: Final = ("traded", "hashes", "assets")


def insert_trades(
    connection: Connection,
    rows: Sequence[Trade],
    origins: Sequence[Origin],
    keys: Mapping[str, int],
    first_epoch: int,
) -> int:
    """Store the trades that are not there yet; return how many these were.

    Args:
        connection: In a transaction.
        rows: The trades.
        origins: Of each trade.
        keys: The asset_key of each token.
        first_epoch: Added to each epoch, so that it is unique in the database.

    Raises:
        StoreMiscounts: The transaction must be rolled back.
    """
    if not rows:
        return 0
    values = columns.trades(rows, keys, origins, first_epoch)
    stored = connection.execute(queries.INSERT_TRADES, values).rowcount
    if not 0 <= stored <= len(rows):
        raise StoreMiscounts(f"the database reports {stored} of {len(rows)} trades as stored")
    if stored < len(rows):
        lost = sum(_missing(connection, some) for some in _parts(values, len(rows)))
        if lost:
            raise StoreMiscounts(f"the database has lost {lost} of {len(rows)} trades")
    return stored


def insert_rejections(
    connection: Connection, journal_key: int, rows: Sequence[RejectedRow]
) -> None:
    """Store the rejections that are not there yet.

    Raises:
        StoreMiscounts: The transaction must be rolled back.
    """
    for some in _by_bytes(rows):
        given = {"journal": journal_key, **columns.rejections(some)}
        stored = connection.execute(queries.INSERT_REJECTIONS, given).rowcount
        if stored == len(some):
            continue
        # They come again, after a restart.
        row = connection.execute(queries.COUNT_MISSING_REJECTIONS, given).fetchone()
        if row != (0,) or not 0 <= stored < len(some):
            raise StoreMiscounts(f"the database has not kept all of {len(some)} rejections")


def _parts(values: Mapping[str, Any], rows: int) -> Iterator[dict[str, Any]]:
    """Yield what identifies the trades, a part of them at a time: of days without a gap.

    Partitions between the first and the last time are locked, also those that no trade is of.
    """
    traded = values["traded"]
    some: list[int] = []
    for place in sorted(range(rows), key=traded.__getitem__):
        if some and (len(some) == _ROWS_AT_ONCE or traded[place] - traded[some[-1]] > _NEAR):
            yield _part(values, some)
            some = []
        some.append(place)
    yield _part(values, some)


def _part(values: Mapping[str, Any], places: Sequence[int]) -> dict[str, Any]:
    some = {name: [values[name][place] for place in places] for name in _KEY}
    # Constants, so that TimescaleDB opens no other chunks for each row.
    return {**some, "first": some["traded"][0], "last": some["traded"][-1]}


def _missing(connection: Connection, some: Mapping[str, Any]) -> int:
    # A statement of its own: it sees what another tracker has committed since the INSERT began. Not
    # prepared: a plan for any times, which the server makes sooner or later, locks every partition.
    row = connection.execute(queries.COUNT_MISSING_TRADES, some, prepare=False).fetchone()
    return 1 if row is None else int(row[0])


def _by_bytes(rows: Iterable[RejectedRow]) -> Iterator[list[RejectedRow]]:
    """Cut rejections so that a statement carries little more than 16 MiB of payloads."""
    some: list[RejectedRow] = []
    carried = 0
    for row in rows:
        some.append(row)
        carried += len(row.rejection.payload)
        if carried > _BYTES_AT_ONCE or len(some) >= _REJECTIONS_AT_ONCE:
            yield some
            some, carried = [], 0
    if some:
        yield some
