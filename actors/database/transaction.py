"""Stores one batch in one transaction, and finds the rows that the database cannot hold.

Nearly every batch has no bad row, so a batch is first stored as if it had none: without
savepoints, and its trades with COPY as if all were new. If anything fails, the transaction is
rolled back and the batch is stored a second time, carefully: each list of rows under a savepoint,
halved until the bad row is alone. That row goes into `rejected_messages`; the others are stored.

Meant for one row in a million. If it happens often, the rows are right and the tracker is wrong:
then nothing is stored, and all waits in the journal for a corrected version (`RejectionLimit`).
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import psycopg

from actors.database import binary_copy, columns, queries
from actors.database.binary_copy import KeyedTrade, Origin, sorted_chunks
from actors.database.cache import RecentTrades, TokenKeys
from actors.database.coverage import CoverageWriter, NumberedFact
from actors.database.insertion import (
    RejectionLimit,
    insert_rejections,
    insert_trades,
    rejected,
)
from actors.database.outcomes import OutcomeWriter
from actors.database.schema import versions
from actors.database.server.pooling import LOST_SESSION
from actors.database.server.sequences import HINT, is_number_taken
from actors.database.session import DATA_FAULTS, Connection, one_line
from actors.database.shared_rows import MARKETS_AT_ONCE, in_order, lock_shared
from actors.errors import (
    ConfigError,
    JournalTaken,
    StoreMiscounts,
    StorePoisoned,
    StoreUnavailable,
)
from actors.model.conversion import chunks
from actors.model.storage import Batch, Committed, ConnectionEvent, RejectedRow
from actors.model.trade import Trade, trade_hashes

T = TypeVar("T")

EVIDENCE_MISSING = "evidence missing"
"""Why a resolution is not recorded, in `rejected_messages`."""

DEADLOCKS = 3
"""So often a batch is stored again when the database has ended it to end a deadlock."""

_TRADES_AT_ONCE = 20_000  # 5,000 of each feed


class StoredJournal(NamedTuple):
    """A journal's number in the database, and who may store it (None: anyone).

    Attributes:
        session: Chosen when the journal was opened.
        tag: That of the session of the database: a pool must not give the transaction to another.
    """

    key: int
    session: UUID | None = None
    tag: str | None = None

    @property
    def first_epoch(self) -> int:
        """Return what is added to its epochs, so that each is unique in the database."""
        return self.key << 44  # the records of 500 years at a thousand a second


def move_watermark(
    connection: Connection,
    journal: StoredJournal,
    watermark: int | None,
    migrations: Sequence[str],
) -> tuple[int, int]:
    """Lock the journal's row until the end of the transaction and move its watermark.

    Return the lowest sequence that is not committed, before and after it.

    Args:
        connection: Within a transaction.
        journal: Of whom.
        watermark: None leaves it where it is; it never moves back.
        migrations: Names of those that this version has.

    Raises:
        SchemaNewer: The database was migrated, and this version must not write any more.
        JournalTaken: Another session stores this journal.
    """
    given = {"journal": journal.key, "session": journal.session, "known": list(migrations)}
    row = connection.execute(queries.MOVE_WATERMARK, {**given, "watermark": watermark}).fetchone()
    if row is None:
        raise JournalTaken("another process stores a copy of this journal under its identity")
    before, after, forbidding, tag = row
    if journal.tag is not None and tag != journal.tag:
        raise ConfigError(LOST_SESSION)
    if forbidding is not None:
        raise versions.forbidden(forbidding)
    if watermark is not None and after < watermark:
        raise StoreMiscounts(f"the watermark is {after} after it was moved to {watermark}")
    return int(before), int(after)


class _NotAllNew(Exception):
    """COPY failed: a trade is stored already or cannot be stored. Nothing of it is stored."""


class Transaction:
    """Stores one batch; made for that batch.

    Args:
        journal: The journal that the batch comes from, and the session that stores it.
        tokens: Its `rollback` is called whenever a part of the transaction is rolled back.
        recent: Likewise. Trades that it knows are not stored a second time.
        limit: Decides how many rejected rows are too many.
        wall_ns: Clock for the time of the rejection of a row that has no time itself.
        migrations: Names of those that this version has.
    """

    def __init__(  # noqa: PLR0913 -- called once, with keywords
        self,
        connection: Connection,
        journal: StoredJournal,
        tokens: TokenKeys,
        *,
        recent: RecentTrades,
        limit: RejectionLimit,
        wall_ns: Callable[[], int],
        migrations: Sequence[str],
    ) -> None:
        self._connection = connection
        self._journal = journal
        self._tokens = tokens
        self._recent = recent
        self._limit = limit
        self._wall_ns = wall_ns
        self._migrations = list(migrations)
        self._careful = False
        self._begin()

    def run(self, batch: Batch) -> Committed:
        """Store the batch, move the watermark and commit; the journal's row is locked meanwhile.

        Raises:
            StorePoisoned: Too many rows were rejected; nothing is stored.
            StoreMiscounts: What the database reports does not add up; nothing is stored.
            ConfigError: A pool has given it to another session; nothing is stored.
            SchemaNewer: This version must not write any more; nothing is stored.
        """
        # Trackers lock in one order. Others who write may not: the database then ends one of the
        # two, and is not away because of it.
        for _ in range(DEADLOCKS):
            with contextlib.suppress(psycopg.errors.DeadlockDetected):
                return self._run_once(batch)
            self._rolled_back()
            self._begin()
        return self._run_once(batch)

    def _begin(self) -> None:
        """Forget what the transaction that was rolled back had met."""
        self._rejected: list[RejectedRow] = []
        self._kinds: Counter[str] = Counter()
        self._because = ""
        self._keys: Mapping[str, int] | None = None  # of the tokens of all trades

    def _run_once(self, batch: Batch) -> Committed:
        rows = batch.rows
        if self._careful:
            return self._store_counted(batch, rows)
        try:
            committed = self._store(batch, rows)
        except (_NotAllNew, *DATA_FAULTS):
            self._rolled_back()
            self._begin()
            self._careful = True
            return self._store_counted(batch, rows)
        if self._limit.is_counting:
            self._count(batch)
        return committed

    def _store_counted(self, batch: Batch, rows: int) -> Committed:
        trades = len(batch.trades)
        self._limit.start_batch(trades, rows - trades)
        committed = self._store(batch, rows)
        self._limit.end_batch()
        return committed

    def _count(self, batch: Batch) -> None:
        """Count a batch of which nothing was rejected."""
        trades = len(batch.trades)
        self._limit.start_batch(trades, batch.rows - trades)
        self._limit.stored(trades, trades=True)
        self._limit.stored(batch.rows - trades, trades=False)
        self._limit.end_batch()

    def _store(self, batch: Batch, rows: int) -> Committed:
        # The watermark is moved before anything is stored, because that locks the journal's row: a
        # second writer of the same journal waits there and not between its trades.
        with self._connection.transaction():
            before, watermark = move_watermark(
                self._connection, self._journal, batch.watermark, self._migrations
            )
            outcomes: OutcomeWriter | None = None
            if rows > len(batch.trades) or self._careful or rows > _TRADES_AT_ONCE:
                outcomes = self._lock_shared(batch)
            unstored = len(self._rejected)
            stored = self._store_trades(batch)
            if stored:
                self._run(queries.COUNT_STORED, at=self._wall_ns() / 1e9, rows=stored)
            unstorable = len(self._rejected) - unstored
            if outcomes is not None:  # most batches hold nothing but trades
                self._store_outcomes(batch, outcomes)
                self._store_coverage(batch.facts, batch.watermark, before)
                self._bisect(batch.events, self._insert_events, self._reject)
            rejections = (*batch.rejections, *self._rejected)
            if rejections:
                insert_rejections(self._connection, self._journal.key, rejections)
            committed = Committed(
                stored=stored,
                duplicates=len(batch.trades) - stored - unstorable,
                rejected=len(batch.rejections) + unstorable,
                watermark=watermark,
                unproven=tuple(row.condition_id for row in outcomes.unproven) if outcomes else (),
                mapping_changed=tuple(outcomes.mapping_changed) if outcomes else (),
                resolved=tuple(outcomes.resolved) if outcomes else (),
                rejected_rows=tuple(self._kinds.items()),
                rejected_because=self._because,
            )
            # Before the commit: what does not add up must not be acknowledged.
            if not adds_up(committed, given=len(batch.trades) + len(batch.rejections)):
                raise StoreMiscounts(f"a batch does not add up: {committed}")
        return committed

    def _lock_shared(self, batch: Batch) -> OutcomeWriter:
        """Lock what other trackers may change, too, in the order of `shared_rows`.

        The trades of one statement bring their tokens in that order by themselves.
        """
        # When careful, each market is added together with what belongs to it.
        locked = lock_shared(self._connection, batch, self._tokens, add_markets=not self._careful)
        if all(row.token_id in locked.keys for row in batch.trades):
            self._keys = locked.keys
        outcomes = OutcomeWriter(self._connection, self._journal.key, self._tokens, locked)
        for some in chunks(in_order(batch.markets), MARKETS_AT_ONCE):
            self._bisect(some, outcomes.upsert_markets, self._reject)
        return outcomes

    def _store_trades(self, batch: Batch) -> int:
        rows: Sequence[Trade] = batch.trades
        hashes: Sequence[int] = batch.hashes or trade_hashes(batch.trades)
        origins: Sequence[Origin] = batch.origins or ((0, 0),) * len(rows)
        if self._careful or len(rows) > _TRADES_AT_ONCE:
            # Each part is sorted by itself, so the parts have to be in order, too.
            order = sorted(range(len(rows)), key=lambda place: rows[place].traded_at_ms)
            rows, hashes = [rows[place] for place in order], [hashes[place] for place in order]
            origins = [origins[place] for place in order]

        # Bisected by place: a pair of trade and hash for each would cost as much as its key.
        def store(places: Sequence[int]) -> int:
            part = slice(places[0], places[-1] + 1)
            return self._insert_trades(rows[part], hashes[part], origins[part])

        def reject(place: int, exc: Exception) -> None:
            self._reject(rows[place], exc)

        stored = 0
        for start in range(0, len(rows), _TRADES_AT_ONCE):
            places = range(start, min(start + _TRADES_AT_ONCE, len(rows)))
            stored += self._bisect(places, store, reject, trades=True)
        return stored

    def _store_outcomes(self, batch: Batch, outcomes: OutcomeWriter) -> None:
        # Before the resolutions: each is recorded only when all that proves it is there.
        evidence = (each for row in batch.resolutions for each in row.evidence)
        observations = tuple(dict.fromkeys((*batch.observations, *evidence)))
        bisect, insert, reject = self._bisect, outcomes.insert_observations, self._reject
        # Evidence that is no JSON is stored as a JSON string, or else rejected.
        bisect(observations, insert, lambda row, _: bisect([columns.quoted(row)], insert, reject))
        self._bisect(batch.transitions, outcomes.insert_transitions, self._reject)
        self._bisect(batch.resolutions, outcomes.insert_resolutions, self._reject)
        self._bisect(batch.confirmations, outcomes.insert_confirmations, self._reject)
        # Twice: a contradiction may come back after its end, or end in the same batch. Each
        # clearance ends only what was found before it.
        self._bisect(batch.clearances, outcomes.clear_conflicts, self._reject)
        self._bisect(batch.contradictions, outcomes.insert_contradictions, self._reject)
        self._bisect(batch.clearances, outcomes.clear_conflicts, self._reject)
        self._bisect(batch.audits, outcomes.upsert_audits, self._reject)
        for row in outcomes.unproven:
            # Not counted as a row that the database rejects: nothing is wrong with its form.
            self._keep(row, EVIDENCE_MISSING)

    def _store_coverage(
        self, facts: Sequence[NumberedFact], watermark: int | None, complete_below: int
    ) -> None:
        if not facts:
            return
        coverage = CoverageWriter(
            self._connection,
            self._journal.key,
            self._tokens,
            watermark=watermark,
            complete_below=complete_below,
        )

        def apply(some: Sequence[NumberedFact]) -> int:
            coverage.apply(some)
            return len(some)

        def reject(numbered: NumberedFact, exc: Exception) -> None:
            self._reject(numbered, exc)
            # What ends a claim must not be missing: then no more is claimed than without it.
            try:
                with self._connection.transaction():
                    coverage.take_back(*numbered)
            except DATA_FAULTS as again:
                raise StorePoisoned(
                    f"the database rejected the end of coverage, twice: {one_line(again)}"
                ) from again

        self._bisect(sorted(facts, key=lambda numbered: numbered[0]), apply, reject)

    def _bisect(
        self,
        rows: Sequence[T],
        store: Callable[[Sequence[T]], int],
        reject: Callable[[T, Exception], object],
        *,
        trades: bool = False,
    ) -> int:
        """Store rows together; when careful, halve them until the bad row is alone: reject it.

        Returns:
            The sum of what `store` returned for the rows that were stored.
        """
        if not rows:
            return 0
        if not self._careful:
            return store(rows)
        try:
            # Within a transaction this is a savepoint (psycopg manual, "Transactions management").
            with self._connection.transaction():
                stored = store(rows)
            self._limit.stored(len(rows), trades=trades)
            return stored  # noqa: TRY300 - an error of `stored` belongs to these rows
        except DATA_FAULTS as exc:
            self._rolled_back()
            if len(rows) == 1:
                reject(rows[0], exc)
                return 0
        middle = len(rows) // 2
        halves = (rows[:middle], rows[middle:])
        return sum([self._bisect(half, store, reject, trades=trades) for half in halves])

    def _rolled_back(self) -> None:
        self._tokens.rollback()
        self._recent.rollback()

    def _reject(self, row: Any, exc: Exception) -> None:
        """Add a row that the database cannot hold to the rejections of this transaction.

        Raises:
            StorePoisoned: It is one too many.
            StoreUnavailable: The row is right: it was given a number that another one has.
        """
        if is_number_taken(exc):
            raise StoreUnavailable(f"{one_line(exc)}; {HINT}") from exc
        too_many = self._limit.rejected(trade=isinstance(row, Trade))
        if too_many:
            raise StorePoisoned(f"the database rejected {too_many}: {one_line(exc)}") from exc
        self._kinds[columns.row_kind(row)] += 1
        self._because = self._because or one_line(exc)
        self._keep(row, f"database rejected: {one_line(exc)}")

    def _keep(self, row: Any, reason: str) -> None:
        """Add a row to the rejections of this transaction."""
        self._rejected.append(rejected(row, reason, self._wall_ns))

    def _insert_trades(
        self, rows: Sequence[Trade], hashes: Sequence[int], origins: Sequence[Origin]
    ) -> int:
        keys = self._keys
        if keys is None:
            conditions: dict[str, str] = {row.token_id: row.condition_id for row in rows}
            keys = self._tokens.known(conditions.keys()) or self._tokens.get(
                self._connection, conditions, conditions
            )
        chunks = sorted_chunks(rows, hashes, origins, keys, self._recent)
        if not self._careful and self._recent.expect_new():
            return self._copy(chunks)
        with contextlib.suppress(*binary_copy.UNWRITABLE):  # then the database judges all of them
            fresh = [(row, origin) for some in chunks for _, row, _, _, origin in some]
            rows, origins = [row for row, _ in fresh], [origin for _, origin in fresh]
        first_epoch = self._journal.first_epoch
        return insert_trades(self._connection, rows, origins, keys, first_epoch)

    def _copy(self, chunks: Iterable[list[KeyedTrade]]) -> int:
        """Store trades as if all were new and valid.

        Raises:
            _NotAllNew: At least one is not.
        """
        try:
            first = self._journal.first_epoch
            stored = binary_copy.copy(self._connection, queries.COPY_TRADES, chunks, first)
        # Before DATA_FAULTS, because it is an IntegrityError too.
        except psycopg.errors.UniqueViolation as exc:
            self._recent.was_not_new()
            raise _NotAllNew from exc
        except (*DATA_FAULTS, *binary_copy.UNWRITABLE) as exc:
            raise _NotAllNew from exc
        self._recent.was_new()
        return stored

    def _insert_events(self, rows: Sequence[ConnectionEvent]) -> int:
        return self._run(queries.INSERT_CONNECTION_EVENTS, **columns.connection_events(rows))

    def _run(self, query: bytes, **given: Any) -> int:
        """Run a statement; return the number of rows that it changed."""
        return self._connection.execute(query, {"journal": self._journal.key, **given}).rowcount


def adds_up(committed: Committed, *, given: int) -> bool:
    """Return whether so many trades and rejections can have become this."""
    numbers = (committed.stored, committed.duplicates, committed.rejected)
    return min(numbers) >= 0 and sum(numbers) == given
