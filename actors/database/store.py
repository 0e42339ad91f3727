"""The tracker's database: open it, commit batches, read back what was stored about outcomes.

Exactly once: a batch's rows and the journal's watermark are written in one transaction, and every
row has a key, so storing a batch a second time changes nothing.

After any error the connection is closed, and the batch may or may not be stored: call `open` again
and read the watermark.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from msgspec.structs import replace

from actors.database import auditing, binary_copy, cache, queries, reading
from actors.database.commands.kept import KeptMessages, count_of
from actors.database.insertion import RejectionLimit
from actors.database.reading import Row, decode_market, recheck
from actors.database.schema import objects, versions
from actors.database.schema.migration_files import MIGRATIONS, migrations
from actors.database.server import sequences
from actors.database.server.sequences import HINT
from actors.database.session import Connection, Session, translate_errors
from actors.database.transaction import StoredJournal, Transaction, move_watermark
from actors.database.upkeep.housekeeping import Housekeeping
from actors.database.upkeep.market_days import MarketDays
from actors.database.upkeep.settlement import Settlement
from actors.errors import StorePoisoned, StoreUnavailable
from actors.model.audit import AuditAnswer, AuditQuestion
from actors.model.conversion import instant, milliseconds
from actors.model.market import Market, Recheck, StoredEvidence, TimeWindow
from actors.model.storage import (
    Batch,
    Committed,
    DayStored,
    Housekept,
    OpenConflicts,
    Opened,
    RecordedOutcome,
    Review,
    TakenIn,
    TokenName,
    Unresolved,
)
from actors.model.trade import ConditionId, TokenId

log = logging.getLogger(__name__)

REPORT_EVERY_S = 5.0
"""How often a long call says that it goes on."""
_PAGE_ROWS = 250


class Progress:
    """Since when the call that runs has not moved.

    Written by the thread of the store; `since` is read by the watchdog's, without a lock.

    Args:
        monotonic: The clock.

    Attributes:
        now: The clock.
        since: When the call began, or moved last; None: no call runs.
        on_report: Called with the time while a call goes on, at most every 5 s.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.now = monotonic
        self._reported_at = 0.0
        self.since: float | None = None
        self.on_report: Callable[[float], None] = _ignore

    def begin(self) -> None:
        """Record that a call begins."""
        self.since = self._reported_at = self.now()

    def moved(self) -> None:
        """Record that the call moves, if one runs."""
        if self.since is None:
            return
        self.since = now = self.now()
        if now - self._reported_at >= REPORT_EVERY_S:
            self._reported_at = now
            self.on_report(now)

    def end(self) -> None:
        """Record that no call runs."""
        self.since = None


def _ignore(_now: float) -> None:
    """Report nothing."""


class Store:
    """The database as the writer uses it: one call, one transaction.

    Used by one thread at a time; `abort` and `busy_since` by any.

    Args:
        dsn: Checked by `check_dsn`.
        monotonic: Clock for `busy_since`.
        wall_ns: Clock for the time of a database rejection of a row that has none.
        folder: The migrations of this version.
    """

    def __init__(
        self,
        dsn: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
        folder: Path = MIGRATIONS,
    ) -> None:
        self._dsn = dsn
        self._folder = folder
        self._migrations = [each.name for each in migrations(folder)]
        self._wall_ns = wall_ns
        self._session: Session | None = None
        self._journal = StoredJournal(0)
        self._tokens = cache.TokenKeys()
        self._recent = cache.RecentTrades()
        self._days = cache.TradeDays()
        self._rejection_limit = RejectionLimit()
        self._settlement: Settlement | None = None
        self._kept: KeptMessages | None = None
        self._housekeeping = Housekeeping()
        self._market_days = Housekeeping([MarketDays()])
        self._progress = Progress(monotonic)

    @property
    def busy_since(self) -> float | None:
        """Return the monotonic time since which a call has not moved, or None: no call runs."""
        return self._progress.since

    def report_progress(self, on_report: Callable[[float], None]) -> None:
        """Set what is called while a call moves, at most every 5 s, in the thread of that call.

        Args:
            on_report: Takes monotonic seconds.
        """
        self._progress.on_report = on_report

    def open(self, journal_id: UUID, *, first_seq: int = 1) -> Opened:
        """Connect, check the schema, and read how far this journal is committed.

        Args:
            journal_id: The journal whose watermark is read.
            first_seq: The watermark of a journal that this database does not know yet.

        Raises:
            StoreUnavailable: The database does not answer or rejects the login.
            SchemaMismatch: Its schema is missing, older, edited or not whole.
            SchemaNewer: A newer version migrated it, and this one must not write.
            ConfigError: It cannot be relied on as it is: a person must act.
        """
        self.close()
        with self._waiting():
            session = Session(self._dsn, on_begun=self._keep_session, on_moved=self._progress.moved)
            run = session.connection.execute
            newer = versions.verify(session.connection, self._folder)
            if newer:
                log.info("schema_newer", extra={"migrations": list(newer)})
            else:  # what a newer version has made in place of ours is not known here
                missing = objects.require(session.connection)
                if missing:
                    log.warning("schema_incomplete", extra={"missing": list(missing)})
            sequences.put_right(session.connection)
            session_id = uuid4()
            given = {"journal_id": journal_id, "first": first_seq, "session": session_id}
            is_new = run(queries.INSERT_JOURNAL, given).rowcount > 0
            row = run(queries.TAKE_JOURNAL, given).fetchone()
            if row is None:
                raise StoreUnavailable(f"the database did not keep the journal's row; {HINT}")
            key, watermark, moved_at = row
            self._journal = StoredJournal(key, session_id, session.tag)
            return Opened(
                server=session.server,
                identity=session.identity,
                timescale=session.timescale,
                unsafe=session.unsafe,
                unverified=session.unverified,
                watermark=watermark,
                is_new=is_new,
                moved_at_ms=milliseconds(moved_at),
                rejected_trades=count_of(run(queries.COUNT_REJECTED_TRADES).fetchone()),
            )

    def commit(self, batch: Batch) -> Committed:
        """Store a batch in one transaction, and move the watermark with it.

        A row that the database cannot hold is stored in `rejected_messages` in the same
        transaction; the others are stored. Trades of many days come in several: see `in_days`.

        Raises:
            StoreUnavailable: Nothing, or (if the connection broke during COMMIT) everything was
                stored; storing the batch again is harmless.
            StorePoisoned: So many were rejected that the fault must be ours; nothing was stored.
            SchemaNewer: A migration since it was opened forbids it to write; nothing was stored.
            JournalTaken: Another process stores under its identity; nothing was stored.
            ConfigError: A pool has taken the session away; nothing was stored.
        """
        with self._waiting():
            try:
                days = {each.traded_at_ms // cache.DAY_MS for each in batch.trades}
                if len(days) <= cache.DAYS_AT_ONCE:
                    return self._commit(days, batch)
                return cache.as_one([self._commit(*each) for each in cache.in_days(batch)])
            except BaseException:
                self._tokens.rollback()
                self._recent.rollback()
                raise

    def _commit(self, days: AbstractSet[int], batch: Batch) -> Committed:
        if not days <= self._days.known:
            self._days.add(self._connection(), days)
        transaction = Transaction(
            self._connection(),
            self._journal,
            self._tokens,
            recent=self._recent,
            limit=self._rejection_limit,
            wall_ns=self._wall_ns,
            migrations=self._migrations,
        )
        began_at = self._progress.now()
        try:
            committed = transaction.run(batch)
        except StorePoisoned:
            self._rejection_limit = RejectionLimit()  # it is tried again after a while
            raise
        took_s = self._progress.now() - began_at
        self._tokens.commit()
        ages = binary_copy.ages(self._recent.commit(), self._wall_ns() // 1_000_000)
        return replace(committed, took_s=took_s, ages=ages)

    def settle(self) -> bool:
        """Settle a little of what is final in coverage; return whether nothing is left to settle.

        Raises:
            StoreUnavailable: The database went away; what was not settled is settled later.
            SchemaNewer: The database was migrated, and this version must not write any more.
        """
        with self._waiting():
            connection = self._connection()
            if self._settlement is None:
                self._settlement = Settlement(connection, self._journal, self._migrations)
            return self._settlement.step().is_done

    def housekeep(self) -> Housekept:
        """Delete some of what is kept for a time only, in a short step; raises as `settle`."""
        return self._keep(self._housekeeping)

    def compute_coverage(self) -> Housekept:
        """Compute some coverage by market and day, in a short step; raises as `settle`."""
        return self._keep(self._market_days)

    def _keep(self, chores: Housekeeping) -> Housekept:
        now = instant(self._wall_ns())
        with self._waiting():
            connection = self._connection()
            with connection.transaction():
                move_watermark(connection, self._journal, None, self._migrations)
                return chores.step(connection, now)

    def take_in(self, after: int) -> TakenIn:
        """Take in some trades that the database had rejected, in a short transaction.

        Args:
            after: `until` of the step before; 0 at first.

        Raises:
            StoreUnavailable: The database went away.
            SchemaNewer, SchemaMismatch: This version must not write any more.
        """
        with self._waiting():
            self._kept = self._kept or KeptMessages(self._opened(), self._folder)
            return self._kept.take_trades(after)

    def day_stored(self, day: int, opened_at_seq: int) -> DayStored:
        """Return what is known of a day (days since 1970, UTC), and of earlier processes.

        Args:
            day: The present one.
            opened_at_seq: The first sequence that this process journalled.

        Raises:
            StoreUnavailable: The database went away.
        """
        with self._waiting():
            return reading.day(self._connection(), self._journal.key, day, opened_at_seq)

    def open_markets(self) -> Iterator[tuple[Market, ...]]:
        """Yield the markets without a resolution that are open, then the others that we want.

        Each statement takes at most 500 rows, so that none is long; a page may be empty.

        Raises:
            StoreUnavailable: The database went away.
        """
        for rows in self._pages(queries.SELECT_OPEN_MARKETS, {}):
            yield tuple(decode_market(text) for _, text in rows if text is not None)
        given = {"journal": self._journal.key}
        for rows in self._pages(queries.SELECT_WANTED_MARKETS, given, after=0):
            # Two tokens of one market have the same text.
            texts = dict.fromkeys(text for _, text in rows if text is not None)
            yield tuple(map(decode_market, texts))

    def review(self, after: ConditionId) -> Review:
        """Return what is not known of the next 1,000 tokens without a name, by condition id.

        Raises:
            StoreUnavailable: The database went away.
        """
        with self._waiting():
            return reading.review(self._connection(), after)

    def unresolved_after(self, after: ConditionId) -> Unresolved:
        """Return those of the next 500 markets without a resolution that ended.

        Raises:
            StoreUnavailable: The database went away.
        """
        with self._waiting():
            return reading.unresolved_after(self._connection(), after)

    def open_conflicts(self) -> OpenConflicts:
        """Return the first 1,000 contradictions that are open, and about how many markets any is.

        Raises:
            StoreUnavailable: The database went away.
        """
        with self._waiting():
            return reading.open_conflicts(self._connection())

    def stored_evidence(self, conditions: Sequence[ConditionId]) -> StoredEvidence:
        """Return the last observation of each source about these markets, and their last state.

        Raises:
            StoreUnavailable: The database went away.
        """
        with self._waiting():
            return reading.stored_evidence(self._connection(), conditions)

    def recheck_window(self, window: TimeWindow) -> TimeWindow:
        """Return the first 15 minutes of the window, with the start that it has when it names none.

        After days without a tracker half a million rechecks are overdue: asked for at once, each
        page of them would sort all, longer than a statement may take.

        Raises:
            StoreUnavailable: The database went away.
        """
        with self._waiting():
            return reading.recheck_window(self._connection(), window)

    def resolutions_to_check(self, window: TimeWindow) -> Iterator[tuple[Recheck, ...]]:
        """Return the resolutions whose next recheck falls due in this window, 500 at a time.

        Raises:
            StoreUnavailable: The database went away.
        """
        given = reading.rechecks_due(window)
        for rows in self._pages(queries.SELECT_RESOLUTIONS_TO_CHECK, given):
            yield tuple(recheck(row) for row in rows)

    def named(
        self, tokens: Sequence[TokenId], conditions: Sequence[ConditionId]
    ) -> tuple[tuple[TokenName, ...], tuple[RecordedOutcome, ...]]:
        """Return the names of these tokens, and the stored resolutions of these markets.

        Raises:
            StoreUnavailable: The database went away.
        """
        with self._waiting():
            return reading.named(self._connection(), tokens, conditions)

    def for_audit(self, question: AuditQuestion) -> AuditAnswer:
        """Return the answer to a question of the audit.

        Raises:
            StoreUnavailable: The database went away.
        """
        with self._waiting():
            return auditing.answer(self._connection(), question)

    def abort(self) -> None:
        """Cut the connection, from any thread: a waiting call raises StoreUnavailable at once."""
        # Read once: the thread of the store may set it to None meanwhile.
        session = self._session
        if session is not None:
            session.abort()

    def close(self) -> None:
        """Close the connection, if there is one. Never waits for the server."""
        session, self._session = self._session, None
        self._tokens = cache.TokenKeys()
        self._recent = cache.RecentTrades()
        self._days = cache.TradeDays()
        self._settlement = self._kept = None
        if session is not None:
            session.close()

    def _keep_session(self, session: Session) -> None:
        self._session = session

    def _opened(self) -> Session:
        if self._session is None:
            raise StoreUnavailable("the database is not open")
        return self._session

    def _connection(self) -> Connection:
        return self._opened().connection

    def _pages(
        self, query: bytes, given: Mapping[str, Any], after: str | int = ""
    ) -> Iterator[list[Row]]:
        """Yield the rows of a query that is sorted by its first column, one page per call."""
        # By key, page for page: a cursor of the server would keep a transaction open between the
        # calls.
        while True:
            page = {**given, "after": after, "limit": _PAGE_ROWS}
            with self._waiting():
                rows = self._connection().execute(query, page).fetchall()
            if rows:
                yield rows
                after = rows[-1][0]
            if len(rows) < _PAGE_ROWS:
                return

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Record that a call runs; close the connection after any error."""
        self._progress.begin()
        try:
            yield
        except BaseException:
            self.close()
            with translate_errors():  # entered only here: most calls succeed
                raise
        finally:
            self._progress.end()
