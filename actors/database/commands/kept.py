"""Rejected messages that are kept until a version understands them, read and stored in steps.

Each step is one transaction: it locks some messages, stores what is understood now (trades, facts
about coverage, other rows), marks the messages as taken in, and covers the time that was not
covered because of them. So a step that is repeated or cut off changes nothing, and a tracker may
run beside it: what both store has the same key. Nothing is deleted.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from psycopg.types.numeric import Int4, Int8

from actors.database import columns, queries
from actors.database.cache import DAYS_AT_ONCE, TokenKeys, TradeDays, days_of, in_days
from actors.database.commands.kept_rows import KeptRows
from actors.database.coverage import NumberedFact
from actors.database.insertion import insert_trades
from actors.database.schema import versions
from actors.database.schema.migration_files import MIGRATIONS, migrations
from actors.database.session import DATA_FAULTS, Connection, Session, one_line, translate_errors
from actors.errors import SchemaMismatch, SchemaNewer
from actors.model.connection import GapCause
from actors.model.conversion import EPOCH, milliseconds
from actors.model.storage import Batch, OtherRow, TakenIn
from actors.model.trade import Trade

BEGINNING = datetime.min.replace(tzinfo=EPOCH.tzinfo)
"""Before everything that is kept."""
MESSAGES_AT_ONCE = 500
BYTES_AT_ONCE = 4 * 2**20
"""Of payloads; the last message of a step may go beyond it."""
TRADES_AT_ONCE = 200
"""Trades of one step between two commits of the writer: each may have to be tried by itself."""


class KeptMessage(NamedTuple):
    """A rejected message.

    Attributes:
        key: Messages are read in the order of their keys.
        occurrence: k for the k-th message with the same bytes on its connection.
        received_at_ns: When its bytes arrived, wall clock.
        exchange_ms: A time that was not in the future when it was received.
        seq: Where it stands in the journal; None: the database had rejected a row.
    """

    key: int
    connection: str
    reason: str
    payload: bytes
    occurrence: int
    received_at_ns: int
    exchange_ms: int
    seq: int | None


class Understood(NamedTuple):
    """What a message holds, as it is understood now.

    Attributes:
        trades: With their occurrences.
        reason: Why it, or a part of it, is still not understood; empty when all is.
        fact: What it says about coverage, with its journal sequence.
        row: Another row that the database had rejected.
    """

    trades: tuple[Trade, ...] = ()
    reason: str = ""
    fact: NumberedFact | None = None
    row: OtherRow | None = None


def understand_row(message: KeptMessage) -> Understood:
    """Return the row that the database rejected; it may take it now."""
    row = columns.rejected_row(message.payload)
    match row:
        case None:
            return Understood(reason=message.reason)
        case Trade():
            return Understood((row,))
        case (seq, fact):
            return Understood(fact=(seq, fact))
        case _:
            return Understood(row=row)


class Step(NamedTuple):
    """One transaction.

    Attributes:
        until: The key of its last message; the next step begins behind it.
        messages: How many were read.
        taken_in: How many of them were understood as a whole.
        trades: How many trades were in them.
        stored: How many of those were new.
        covered: How many spans of time are covered now, each of one token on one connection.
        rows: How many rows other than trades were taken in, of each kind.
        left: Why the others were not understood, with how many each.
    """

    until: int
    messages: int
    taken_in: int
    trades: int
    stored: int
    covered: int
    left: Counter[str]
    rows: Counter[str]


class _Row(NamedTuple):
    """A message in the database: what `select_kept_messages` returns."""

    key: int
    journal_key: int
    epoch: int | None
    doubt: str | None
    connection: str
    reason: str
    payload: bytes
    occurrence: int
    received_at: datetime
    known_until: datetime
    seq: int | None

    @property
    def message(self) -> KeptMessage:
        return KeptMessage(
            key=self.key,
            connection=self.connection,
            reason=self.reason,
            payload=bytes(self.payload),
            occurrence=self.occurrence,
            received_at_ns=_ns(self.received_at),
            exchange_ms=milliseconds(self.known_until),
            seq=self.seq,
        )


Taken = tuple[_Row, Understood]
Given = Mapping[str, object]
"""The parameters of a query for messages."""


class _ManyDays(Exception):
    """The trades of a step are of more days than one transaction may hold."""

    def __init__(self, trades: Sequence[Trade], journal_keys: frozenset[int]) -> None:
        super().__init__()
        self.trades, self.journal_keys = trades, journal_keys


class KeptMessages:
    """The rejected messages of one database that are not taken in yet.

    Used by one thread; `abort` by any.

    Args:
        of: A session of its caller, or an address, checked by `check_dsn`, for one of its own.
        folder: The migrations of this version.

    Raises:
        StoreUnavailable: The database does not answer.
        SchemaMismatch: Its schema is not that of this version.
    """

    def __init__(self, of: str | Session, folder: Path = MIGRATIONS) -> None:
        self._folder = folder
        self._session = Session(of) if isinstance(of, str) else of
        self._tokens = TokenKeys()
        self._days = TradeDays()
        names = [each.name for each in migrations(folder)]
        self._rows = KeptRows(self._session.connection, self._tokens, names)
        try:
            with translate_errors():
                self._verify()
        except BaseException:
            self.close()
            raise

    @property
    def _connection(self) -> Connection:
        return self._session.connection

    def count(self, since: datetime) -> int:
        """Return how many messages are not taken in yet, of those received since then.

        Raises:
            StoreUnavailable: The database went away.
        """
        with translate_errors():
            found = self._connection.execute(queries.COUNT_KEPT_MESSAGES, {"since": since})
            return count_of(found.fetchone())

    def step(
        self, after: int, since: datetime, understand: Callable[[KeptMessage], Understood]
    ) -> Step | None:
        """Take in the next messages; return None when there are none.

        Args:
            after: The last key of the step before; 0 at first.
            since: Only messages received then or later.
            understand: Called for each message, in order.

        Raises:
            SchemaMismatch: The database was migrated meanwhile, and this version must not write.
            StoreUnavailable: Nothing, or (if the connection broke during COMMIT) everything of
                this step was stored; repeating it is harmless.
        """
        given = {
            "after": after,
            "since": since,
            "rows": MESSAGES_AT_ONCE,
            "bytes": BYTES_AT_ONCE,
        }
        return self._take_next(queries.SELECT_KEPT_MESSAGES, given, understand)

    def take_trades(self, after: int) -> TakenIn:
        """Take in the next trades that the database had rejected.

        Args:
            after: `until` of the step before; 0 at first.

        Raises:
            SchemaMismatch, StoreUnavailable: As `step`.
        """
        given = {"after": after, "rows": TRADES_AT_ONCE, "bytes": BYTES_AT_ONCE}
        step = self._take_next(queries.SELECT_REJECTED_TRADES, given, understand_row)
        with translate_errors():
            left = count_of(self._connection.execute(queries.COUNT_REJECTED_TRADES).fetchone())
        if step is None:
            return TakenIn(left=left)
        reason = next(iter(step.left), "")
        return TakenIn(until=step.until, trades=step.taken_in, reason=reason, left=left)

    def _rows_of(self, query: bytes, given: Given) -> list[_Row]:
        return [_Row(*found) for found in self._connection.execute(query, given)]

    def _take_next(
        self, query: bytes, given: Given, understand: Callable[[KeptMessage], Understood]
    ) -> Step | None:
        with translate_errors():
            try:
                return self._attempt(query, given, understand)
            except _ManyDays as many:
                self._tokens.rollback()
                before, stored = self._store_before(many)
            step = self._attempt(query, given, understand, before)
        return step and step._replace(stored=step.stored + stored)

    def _attempt(
        self,
        query: bytes,
        given: Given,
        understand: Callable[[KeptMessage], Understood],
        before: frozenset[Trade] | None = None,
    ) -> Step | None:
        """Do a step in one transaction; the trades of `before` are stored.

        Raises:
            _ManyDays: It needs several, and `before` is not given.
        """
        for careful in (False, True):
            try:
                with self._connection.transaction():
                    step = self._step(query, given, understand, before, careful=careful)
            except DATA_FAULTS:
                self._tokens.rollback()
                if careful:
                    raise
            else:
                self._tokens.commit()
                return step
        return None

    def _store_before(self, many: _ManyDays) -> tuple[frozenset[Trade], int]:
        """Store trades in transactions of their own; return which, and how many of them were new.

        What the database does not take is not among them.
        """
        done: list[Trade] = []
        stored = 0
        left = [part.trades for _, part in in_days(Batch(trades=tuple(many.trades)))]
        while left:
            trades = left.pop()
            self._days.add(self._connection, days_of(trades))
            try:
                with self._connection.transaction():
                    self._verify()
                    self._session.require_same()
                    self._rows.lock(many.journal_keys)
                    stored += self._store(trades)
            except DATA_FAULTS:
                self._tokens.rollback()
                if len(trades) > 1:
                    middle = len(trades) // 2
                    left += [trades[:middle], trades[middle:]]
            else:
                self._tokens.commit()
                done += trades
        return frozenset(done), stored

    def _step(
        self,
        query: bytes,
        given: Given,
        understand: Callable[[KeptMessage], Understood],
        before: frozenset[Trade] | None,
        *,
        careful: bool,
    ) -> Step | None:
        # Two processes take turns: each reads what the other has left.
        self._connection.execute(queries.LOCK_KEPT_MESSAGES)
        found = self._rows_of(query, given)
        if not found:
            return None
        # Behind the lock that the statement above takes: a migration waits for the end of this
        # transaction, or is seen here.
        self._verify()
        self._session.require_same()
        read = [(row, understand(row.message)) for row in found]
        trades = [trade for _, each in read for trade in each.trades]
        if before is None and len(days_of(trades)) > DAYS_AT_ONCE:
            raise _ManyDays(trades, frozenset(row.journal_key for row, _ in read))
        locked = self._rows.lock(row.journal_key for row, _ in read)
        if careful:
            read, stored = self._store_one_by_one(read, before or frozenset())
        else:
            stored = self._store([trade for trade in trades if trade not in (before or ())])
        read = [(row, self._take_other(row, each)) for row, each in read]
        taken = [(row, each) for row, each in read if not each.reason]
        covered = self._take_in([row for row, _ in taken])
        journals = [Int4(journal) for journal in locked]
        self._connection.execute(queries.RELEASE_HELD_EPOCHS, {"journals": journals})
        return Step(
            until=read[-1][0].key,
            messages=len(read),
            taken_in=len(taken),
            trades=sum([len(each.trades) for _, each in read]),
            stored=stored,
            covered=covered,
            left=Counter([each.reason for _, each in read if each.reason]),
            rows=Counter(
                [
                    columns.row_kind(each.fact or each.row)
                    for _, each in taken
                    if each.fact is not None or each.row is not None
                ]
            ),
        )

    def _verify(self) -> None:
        """Check that this version may write.

        Raises:
            SchemaMismatch: It may not.
        """
        try:
            versions.verify(self._connection, self._folder)
        except SchemaNewer as newer:
            raise SchemaMismatch(str(newer)) from newer

    def _store(self, trades: Sequence[Trade]) -> int:
        """Store trades that are not there yet; return how many these were."""
        if not trades:
            return 0
        self._days.add(self._connection, days_of(trades))
        conditions: dict[str, str] = {trade.token_id: trade.condition_id for trade in trades}
        keys = self._tokens.get(self._connection, conditions, conditions)
        # Where in its record a trade stood is not kept, so its order is not known.
        return insert_trades(self._connection, trades, [(0, 0)] * len(trades), keys, 0)

    def _store_one_by_one(
        self, read: Sequence[Taken], before: frozenset[Trade]
    ) -> tuple[list[Taken], int]:
        """Store the trades of each message by itself; what the database rejects stays as it is."""
        judged: list[Taken] = []
        stored = 0
        for row, understood in read:
            try:
                with self._connection.transaction():  # a savepoint
                    stored += self._store(
                        [each for each in understood.trades if each not in before]
                    )
            except DATA_FAULTS as exc:
                self._tokens.rollback()
                judged.append((row, Understood(reason=f"database rejected: {one_line(exc)}")))
            else:
                judged.append((row, understood))
        return judged, stored

    def _take_other(self, kept: _Row, understood: Understood) -> Understood:
        """Store the fact or other row of a message; return it with the reason if that failed."""
        fact, row = understood.fact, understood.row
        if fact is None and row is None:
            return understood
        try:
            with self._connection.transaction():  # a savepoint
                if fact is not None:
                    self._rows.store_fact(fact, kept.journal_key)
                reason = "" if row is None else self._rows.store(row, kept.journal_key)
        except DATA_FAULTS as exc:
            self._tokens.rollback()
            reason = f"database rejected: {one_line(exc)}"
        return understood._replace(reason=reason) if reason else understood

    def _take_in(self, rows: Sequence[_Row]) -> int:
        """Mark messages, and cover the time that they put in doubt; return how many spans."""
        if not rows:
            return 0
        keys = [Int8(row.key) for row in rows]
        self._connection.execute(queries.MARK_TAKEN_IN, {"keys": keys})
        doubts = {
            (row.journal_key, row.epoch, row.doubt)
            for row in rows
            if row.epoch is not None and row.doubt is not None
        }
        if not doubts:
            return 0
        journals, epochs, tokens = zip(*sorted(doubts), strict=True)
        given = {
            "journals": [Int4(journal) for journal in journals],
            "epochs": [Int8(epoch) for epoch in epochs],
            "doubts": list(tokens),
            "missed": GapCause.TOKEN_MISSED.value,
        }
        return self._connection.execute(queries.RESTORE_LISTENING, given).rowcount

    def abort(self) -> None:
        """Cut the connection, from any thread: a waiting call raises StoreUnavailable at once."""
        self._session.abort()

    def close(self) -> None:
        """Close the connection. Never waits for the server."""
        self._session.close()


def count_of(row: Sequence[int] | None) -> int:
    """Return the number in the only row of a query that counts."""
    return int(row[0]) if row else 0


def _ns(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1) * 1_000
