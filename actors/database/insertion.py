"""Insert rows some of which may be stored already, and prove that all of them are there then.

And rows that the database cannot hold: as what they are kept, and when they are too many.

A row that INSERT ... ON CONFLICT DO NOTHING does not count should be there already. It may also
have been lost without an error: TimescaleDB 2.18.0 left out all rows behind the first known one.
So the database is asked; of trades that costs a fifth of such an INSERT, and nothing where all rows
are new.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from actors.database import columns, queries
from actors.database.binary_copy import Origin
from actors.database.session import Connection
from actors.errors import StoreMiscounts
from actors.model.conversion import instant
from actors.model.storage import RejectedRow
from actors.model.trade import Rejection, Trade

MAX_REJECTED_SHARE: Final = 0.01
"""Of the trades of a batch, and of its other rows, at most this share may be rejected …"""
MIN_ROWS_FOR_SHARE: Final = 100
"""… if there are at least so many of them."""
MAX_REJECTED_BEYOND: Final = 100
"""So many more than that share may be rejected over any number of batches: in a row, or nearly."""
_PER_STORED: Final = MAX_REJECTED_SHARE / (1 - MAX_REJECTED_SHARE)

_S: Final = 1_000_000_000
_UNKNOWN_NS: Final = 60 * _S
"""So long before its receipt a trade may have been traded whose time is impossible."""
_LONGEST_TOKEN: Final = 256
"""Characters: more than three times those of a token, and few enough for an index."""

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


# ------------------------------------------------------------------------ rejected rows


def rejected(row: Any, reason: str, wall_ns: Callable[[], int]) -> RejectedRow:
    """Return as what a row is kept; of a trade it says which time is not covered without it."""
    seq, connection, payload = columns.rejected_as(row)
    if not isinstance(row, Trade):
        kept = Rejection(reason=reason, payload=payload, received_at_ns=wall_ns())
        return RejectedRow(seq=seq, index=0, connection=connection, rejection=kept)
    kept = Rejection(reason=reason, payload=payload, received_at_ns=row.received_at_ns)
    return RejectedRow(
        seq=seq,
        index=0,
        connection=connection,
        rejection=kept,
        # A longer one is in no table, so nothing is claimed of it.
        doubts=(row.token_id,) if len(row.token_id) <= _LONGEST_TOKEN else (),
        uncovered_ns=uncovered_ns(row, wall_ns),
    )


def uncovered_ns(trade: Trade, wall_ns: Callable[[], int]) -> tuple[int, int]:
    """Return the time in which no listening counts while a trade is missing: from when until when.

    That is the second of the exchange's clock in which it was traded. Its token and time are known,
    so no other time is in doubt; whole seconds, so that a thousand trades are no thousand gaps.
    """
    at_ns = trade.traded_at_ms * 1_000_000
    if _is_possible(at_ns):
        first_ns = at_ns - at_ns % _S
        return first_ns, first_ns + _S
    received_ns = trade.received_at_ns if _is_possible(trade.received_at_ns) else wall_ns()
    return received_ns - _UNKNOWN_NS, received_ns + _S


def _is_possible(ns: int) -> bool:
    try:
        instant(ns - _UNKNOWN_NS)
        instant(ns + _UNKNOWN_NS)
    except OverflowError:
        return False
    return True


class RejectionLimit:
    """Decides when so many rows were rejected that the fault must be the tracker's.

    Trades are counted by themselves, and so is all else: of a table that takes no trade nothing is
    said by facts and markets that are stored beside them. What is counted in a batch counts for the
    next ones once it has ended.

    Attributes:
        is_counting: Rows were rejected of late: what is stored has to be told.
    """

    def __init__(self) -> None:
        self.is_counting = False
        self._before = {True: 0.0, False: 0.0}
        self._beyond = dict(self._before)
        self._rows = {True: 0, False: 0}
        self._rejected = {True: 0, False: 0}

    def start_batch(self, trades: int, others: int) -> None:
        """Begin a batch, also once more after it was rolled back.

        Args:
            trades: How many trades it has.
            others: How many other rows.
        """
        self._beyond = dict(self._before)
        self._rows = {True: trades, False: others}
        self._rejected = {True: 0, False: 0}

    def stored(self, rows: int, *, trades: bool) -> None:
        """Count rows that were stored."""
        self._beyond[trades] = max(0.0, self._beyond[trades] - rows * _PER_STORED)

    def rejected(self, *, trade: bool) -> str:
        """Count a rejected row; return why it is one too many, or an empty text."""
        self._beyond[trade] += 1
        self._rejected[trade] += 1
        what = "trades" if trade else "rows"
        rows, rejected_rows = self._rows[trade], self._rejected[trade]
        if rows >= MIN_ROWS_FOR_SHARE and rejected_rows > rows * MAX_REJECTED_SHARE:
            return f"more than {MAX_REJECTED_SHARE:.0%} of {rows} {what}"
        if self._beyond[trade] > MAX_REJECTED_BEYOND:
            most = f"{MAX_REJECTED_BEYOND} {what} more than {MAX_REJECTED_SHARE:.0%}"
            return f"more than {most} over several batches"
        return ""

    def end_batch(self) -> None:
        """Let what was counted count for the next batches: this one is stored."""
        self._before = dict(self._beyond)
        self.is_counting = any(self._before.values())
