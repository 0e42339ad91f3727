"""One batch on its way into the database, row by row where a row is at fault.

Nearly always all is well, so a batch is first stored as if it were, without a savepoint.
When anything in it is at fault, all of it is undone and stored once more, carefully.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import psycopg

from actors.database import binary_copy, columns, queries
from actors.database.binary_copy import Keyed, portions
from actors.database.cache import RecentTrades, TokenKeys
from actors.database.coverage import CoverageWriter, Numbered
from actors.database.session import DATA_FAULTS, Connection, one_line
from actors.errors import StorePoisoned
from actors.model.batch import Batch, Committed, ConnectionEvent, RejectedRow
from actors.model.chunks import chunks
from actors.model.market import Market
from actors.model.outcome import Contradiction, Observation, Resolution, Transition
from actors.model.trade import Rejection, Trade, trade_hashes

T = TypeVar("T")
_MARKETS_AT_ONCE = 1000
_TRADES_AT_ONCE = 20_000  # 5,000 of each feed
_ROWS_AT_ONCE = 5000
_BYTES_AT_ONCE = 16 * 2**20


# MERGED: When rows that the database rejects are no accident any more, but a fault of
# ours. A row that cannot be stored is set aside and the others are stored: that is for the one
# trade in a million that passed our checks and not the database's. When it happens often, the
# rows are right and we are wrong; then nothing may be set aside, and everything waits in the
# journal for a version that knows better.


SHARE = 0.01
"""More rejected of one batch than this share is no accident …"""
LEAST_ROWS = 100
"""… when the batch has so many rows at least."""
MOST_IN_A_ROW = 100
"""More rejected one after the other than this is none either, whatever the batches."""


class RejectionLimit:
    """Counts through the batches of one session with the database."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._rows = self._rejected = 0

    def begin(self, rows: int) -> None:
        """Begin a batch of so many rows."""
        self._rows, self._rejected = rows, 0

    def passed(self, rows: int) -> None:
        """So many were stored."""
        if rows:
            self._in_a_row = 0

    def rejected(self) -> str:
        """One was rejected; give why that is one too many, or nothing."""
        self._in_a_row += 1
        self._rejected += 1
        if self._in_a_row > MOST_IN_A_ROW:
            return f"{self._in_a_row} rows in a row"
        if self._rows >= LEAST_ROWS and self._rejected > self._rows * SHARE:
            return f"more than {SHARE:.0%} of {self._rows} rows"
        return ""


class _NotAllNew(Exception):
    """Rows that were copied blindly are not all new and storable: nothing of them is stored."""


class Transaction:
    """Stores one batch. Built for each batch anew.

    Args:
        journal: The journal's key.
        tokens: Told to forget whenever a part of the transaction is undone.
        recent: Likewise. What it knows is not stored again.
        tolerance: Judges how many rejected rows are too many.
        wall_ns: Gives the time at which a row without one was set aside.
    """

    def __init__(
        self,
        connection: Connection,
        journal: int,
        tokens: TokenKeys,
        *,
        recent: RecentTrades,
        tolerance: RejectionLimit,
        wall_ns: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._journal = journal
        self._tokens = tokens
        self._recent = recent
        self._tolerance = tolerance
        self._wall_ns = wall_ns
        self._rejected: list[RejectedRow] = []
        self._careful = False

    def run(self, batch: Batch) -> Committed:
        """Store it and commit, the mark with it; the journal is locked meanwhile.

        Raises:
            StorePoisoned: Too many rows were rejected; nothing is stored.
        """
        try:
            committed = self._store(batch)
        except (_NotAllNew, *DATA_FAULTS):
            self._undone()
            self._careful = True
            return self._store(batch)
        self._tolerance.passed(batch.rows)
        return committed

    def _store(self, batch: Batch) -> Committed:
        self._tolerance.begin(batch.rows)
        with self._connection.transaction():
            mark = self._number(queries.MOVE_MARK, mark=batch.mark)
            stored = self._all_trades(batch)
            unstorable = len(self._rejected)
            self._catalogue(batch)
            self._coverage(batch.facts, batch.mark)
            self._sift(batch.events, self._events, self._reject)
            self._set_aside((*batch.rejections, *self._rejected))
        return Committed(
            stored=stored,
            duplicates=len(batch.trades) - stored - unstorable,
            rejected=len(batch.rejections) + unstorable,
            mark=mark,
        )

    def _all_trades(self, batch: Batch) -> int:
        # Sifted by their places: a pair of trade and hash for each would cost as much as its key.
        rows, hashes = batch.trades, batch.hashes or trade_hashes(batch.trades)

        def store(places: Sequence[int]) -> int:
            part = slice(places[0], places[-1] + 1)
            return self._trades(rows[part], hashes[part])

        def reject(place: int, exc: Exception) -> None:
            self._reject(rows[place], exc)

        return sum(
            self._sift(some, store, reject) for some in chunks(range(len(rows)), _TRADES_AT_ONCE)
        )

    def _catalogue(self, batch: Batch) -> None:
        for some in chunks(batch.markets, _MARKETS_AT_ONCE):
            self._sift(some, self._markets, self._reject)
        self._sift(batch.observations, self._observations, self._quote)
        self._sift(batch.transitions, self._transitions, self._reject)
        self._sift(batch.resolutions, self._resolutions, self._reject)
        self._sift(batch.contradictions, self._contradictions, self._reject)

    def _coverage(self, facts: Sequence[Numbered], mark: int | None) -> None:
        if not facts:
            return
        ledger = CoverageWriter(self._connection, self._journal, self._tokens, mark)

        def apply(some: Sequence[Numbered]) -> int:
            ledger.apply(some)
            return len(some)

        self._sift(sorted(facts, key=lambda numbered: numbered[0]), apply, self._reject)
        ledger.settle()

    def _sift(
        self,
        rows: Sequence[T],
        store: Callable[[Sequence[T]], int],
        reject: Callable[[T, Exception], None],
    ) -> int:
        """Store rows together; carefully, halve them until the one at fault is alone: reject that.

        Returns:
            The sum of what `store` gave for the rows that stayed.
        """
        if not rows:
            return 0
        if not self._careful:
            return store(rows)
        try:
            with self._connection.transaction():
                stored = store(rows)
            self._tolerance.passed(len(rows))
            return stored  # noqa: TRY300 - it belongs to what may be rejected
        except DATA_FAULTS as exc:
            self._undone()
            if len(rows) == 1:
                reject(rows[0], exc)
                return 0
        middle = len(rows) // 2
        return self._sift(rows[:middle], store, reject) + self._sift(rows[middle:], store, reject)

    def _undone(self) -> None:
        """Forget what the part of the transaction that was rolled back has taught."""
        self._tokens.forget()
        self._recent.forget()

    def _reject(self, row: Any, exc: Exception) -> None:
        """Set aside what the database cannot hold, as JSON, for the end of the transaction.

        Raises:
            StorePoisoned: It was one too many.
        """
        too_many = self._tolerance.rejected()
        if too_many:
            raise StorePoisoned(f"the database rejected {too_many}: {one_line(exc)}") from exc
        received = row.received_at_ns if isinstance(row, Trade) else self._wall_ns()
        rejection = Rejection(
            reason=f"database rejected: {one_line(exc)}",
            payload=_json(row),
            received_at_ns=received,
        )
        self._rejected.append(
            RejectedRow(seq=-1, index=0, connection="database", rejection=rejection)
        )

    def _quote(self, row: Observation, _: Exception) -> None:
        """Keep evidence that is no JSON as a JSON string; what fails even so is set aside."""
        self._sift([columns.quoted(row)], self._observations, self._reject)

    def _set_aside(self, rows: Sequence[RejectedRow]) -> None:
        for some in _by_bytes(rows):
            self._run(queries.INSERT_REJECTIONS, **columns.rejections(some))

    def _trades(self, rows: Sequence[Trade], hashes: Sequence[int]) -> int:
        conditions: dict[str, str] = {row.token_id: row.condition_id for row in rows}
        keys = self._tokens.of(self._connection, conditions, conditions)
        fresh = self._fresh(rows, hashes, keys)
        if not self._careful and self._recent.hopeful():
            return self._copy(fresh)
        with contextlib.suppress(*binary_copy.UNWRITABLE):  # then the database judges all of them
            rows = [row for some in fresh for _, row, _, _ in some]
        return self._run(queries.INSERT_TRADES, **columns.trades(rows, keys))

    def _fresh(
        self, rows: Sequence[Trade], hashes: Sequence[int], keys: Mapping[str, int]
    ) -> Iterator[list[Keyed]]:
        """Return what was not stored a moment ago, in order, and note it as stored."""
        for some in portions(rows, hashes, keys, self._recent.among):
            yield some
            self._recent.add(key for key, _, _, _ in some)

    def _copy(self, fresh: Iterable[list[Keyed]]) -> int:
        """Store rows as if all were new.

        Raises:
            _NotAllNew: They are not, or one is at fault.
        """
        try:
            stored = binary_copy.copy(self._connection, queries.COPY_TRADES, fresh)
        except psycopg.errors.UniqueViolation as exc:
            self._recent.collided()
            raise _NotAllNew from exc
        except (*DATA_FAULTS, *binary_copy.UNWRITABLE) as exc:
            raise _NotAllNew from exc
        self._recent.went_well()
        return stored

    def _markets(self, rows: Sequence[Market]) -> int:
        given = columns.markets(rows)
        self._run(queries.UPSERT_MARKETS, **given)
        stored = self._run(queries.UPSERT_ASSETS, **given)
        self._tokens.name(asset.token_id for row in rows for asset in row.assets)
        return stored

    def _observations(self, rows: Sequence[Observation]) -> int:
        return self._run(queries.INSERT_RESOLUTION_OBSERVATIONS, **columns.observations(rows))

    def _transitions(self, rows: Sequence[Transition]) -> int:
        return self._run(queries.INSERT_RESOLUTION_OBSERVATIONS, **columns.transitions(rows))

    def _resolutions(self, rows: Sequence[Resolution]) -> int:
        given = columns.resolutions(rows)
        stored = self._run(queries.INSERT_RESOLUTIONS, **given)
        self._run(queries.INSERT_OVERRULED_RESOLUTIONS, **given)
        return stored

    def _contradictions(self, rows: Sequence[Contradiction]) -> int:
        return self._run(queries.INSERT_RESOLUTION_CONFLICTS, **columns.contradictions(rows))

    def _events(self, rows: Sequence[ConnectionEvent]) -> int:
        return self._run(queries.INSERT_CONNECTION_EVENTS, **columns.connection_events(rows))

    def _run(self, query: bytes, **given: Any) -> int:
        """Return the number of rows that it changed."""
        return self._connection.execute(query, {"journal": self._journal, **given}).rowcount

    def _number(self, query: bytes, **given: Any) -> int:
        row = self._connection.execute(query, {"journal": self._journal, **given}).fetchone()
        if row is None:
            raise LookupError("the journal has no row in journal_progress")
        return int(row[0])


def _by_bytes(rows: Iterable[RejectedRow]) -> Iterator[list[RejectedRow]]:
    """Cut so that a statement carries little more than 16 MiB, the size of one large frame."""
    some: list[RejectedRow] = []
    carried = 0
    for row in rows:
        some.append(row)
        carried += len(row.rejection.payload)
        if carried > _BYTES_AT_ONCE or len(some) >= _ROWS_AT_ONCE:
            yield some
            some, carried = [], 0
    if some:
        yield some


def _json(row: Any) -> bytes:
    """Return a row as JSON, whatever characters it holds."""
    try:
        return msgspec.json.encode(row)
    except (ValueError, TypeError):
        return repr(row).encode("utf-8", "backslashreplace")
