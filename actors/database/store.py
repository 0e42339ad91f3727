"""The database of the tracker: one method, one transaction.

Exactly once: rows and the journal's mark move in the same transaction, and
every row has a key, so a batch that is told again changes nothing.

After any error the connection is closed and nothing of the batch is to
be relied on: `open` again, and read the mark.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from actors.database import migrate, queries
from actors.database.cache import RecentTrades, TokenKeys
from actors.database.session import Connection, Session, errors
from actors.database.transaction import RejectionLimit, Transaction
from actors.errors import SchemaMismatch, StoreUnavailable
from actors.model.batch import Batch, Committed, Opened
from actors.model.market import Market
from actors.model.outcome import (
    RECHECKS_MS,
    TRACKER,
    MarketState,
    Observation,
    Recheck,
    Resolution,
    Source,
    StoredEvidence,
    TimeWindow,
)
from actors.model.trade import ConditionId, TokenId
from actors.model.wall_time import instant_of_ms

log = logging.getLogger(__name__)
_CHUNK = 5000


# MERGED: What the database remembers of outcomes, read back for the next life.


_STAGES = [timedelta(milliseconds=each) for each in RECHECKS_MS]
_SOURCES = frozenset(Source)
_STANDINGS = frozenset(MarketState)
Row = tuple[Any, ...]
_payouts = msgspec.json.Decoder(tuple[tuple[TokenId, Decimal], ...])
_resolution = msgspec.json.Decoder(Resolution)
_told = msgspec.json.Decoder(tuple[tuple[str, str], ...])


def last_words(connection: Connection, conditions: Sequence[ConditionId]) -> StoredEvidence:
    """Return the last word of each source about these markets; what we do not know is left out."""
    rows = connection.execute(queries.SELECT_LAST_WORDS, {"conditions": list(conditions)})
    observations: list[Observation] = []
    standings: list[tuple[ConditionId, MarketState, int]] = []
    contradicted: list[ConditionId] = []
    for condition_id, source, at_ms, reason, payouts, verdict in rows:
        if source == "conflict":
            contradicted.append(condition_id)
        elif source == TRACKER and verdict in _STANDINGS:
            standings.append((condition_id, MarketState(verdict), at_ms))
        elif source in _SOURCES:
            observations.append(
                Observation(
                    condition_id=condition_id,
                    source=Source(source),
                    observed_at_ms=at_ms,
                    payouts=_payouts.decode(payouts) if payouts else None,
                    reason=reason,
                    payload="",
                )
            )
    return StoredEvidence(
        observations=tuple(observations),
        states=tuple(standings),
        contradicted=tuple(contradicted),
    )


def verdicts_to_check(
    connection: Connection, stretch: TimeWindow, *, after: str, room: int
) -> tuple[Recheck, ...]:
    """Return at most `room` verdicts of which a look falls due, behind the condition id `after`."""
    given = {
        "since": None if stretch.since_ms is None else instant_of_ms(stretch.since_ms),
        "until": instant_of_ms(stretch.until_ms),
        "stages": _STAGES,
        "after": after,
        "room": room,
    }
    return tuple(
        _recheck(row) for row in connection.execute(queries.SELECT_VERDICTS_TO_CHECK, given)
    )


def _recheck(row: Row) -> Recheck:
    _, recorded_ms, due_ms, resolution, market, told = row
    known = (pair for pair in _told.decode(told) if pair[0] in _SOURCES)
    return Recheck(
        resolution=_resolution.decode(resolution),
        market=_market.decode(market),
        recorded_at_ms=recorded_ms,
        due_at_ms=due_ms,
        contradicted_by=tuple((Source(source), observed) for source, observed in known),
    )


_market = msgspec.json.Decoder(Market)


class Store:
    """Used by one thread at a time; `abort` and `busy_since` by any.

    Args:
        dsn: Checked by `dsn.check_dsn`.
        monotonic: Clock for `busy_since`.
        wall_ns: Clock for the time of a database rejection of a row that has none.
    """

    def __init__(
        self,
        dsn: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._dsn = dsn
        self._monotonic = monotonic
        self._wall_ns = wall_ns
        self._session: Session | None = None
        self._journal = 0
        self._tokens = TokenKeys()
        self._recent = RecentTrades()
        self._tolerance = RejectionLimit()
        self.busy_since: float | None = None
        """Monotonic time since which the database is being waited for, or None."""

    def open(self, journal_id: UUID, *, first_seq: int = 1) -> Opened:
        """Connect, check the schema, and read how far this journal is committed.

        Args:
            journal_id: Whose mark.
            first_seq: The mark of a journal that this database does not know yet.

        Raises:
            StoreUnavailable: The database does not answer or does not let us.
            SchemaMismatch: Its schema is missing, older, newer or edited.
            ConfigError: Its commits cannot be made durable, or it is not in UTF-8.
        """
        self.close()
        self._tolerance = RejectionLimit()
        with self._waiting():
            session = Session(self._dsn, on_connected=self._hold)
            run = session.connection.execute
            migrate.verify(session.connection)
            run(queries.INSERT_JOURNAL, {"journal_id": journal_id, "first": first_seq})
            row = run(queries.SELECT_JOURNAL, {"journal_id": journal_id}).fetchone()
            if row is None:
                raise StoreUnavailable("the journal was not taken down")
            self._journal, mark = row
            return Opened(server=session.server, timescale=session.timescale, mark=mark)

    def commit(self, batch: Batch) -> Committed:
        """Store a batch in one transaction, and move the mark with it.

        A row that the database cannot hold is set aside in `rejected_messages`
        in the same transaction; the others are stored.

        Raises:
            StoreUnavailable: Nothing, or (if the connection broke during COMMIT)
                everything was stored; telling the batch again is harmless.
            StorePoisoned: So many rows were rejected that the fault must be ours;
                nothing was stored or set aside.
        """
        with self._waiting():
            try:
                transaction = Transaction(
                    self._connection(),
                    self._journal,
                    self._tokens,
                    recent=self._recent,
                    tolerance=self._tolerance,
                    wall_ns=self._wall_ns,
                )
                committed = transaction.run(batch)
            except BaseException:
                self._tokens.forget()
                self._recent.forget()
                raise
            self._tokens.keep()
            self._recent.keep()
            return committed

    def open_markets(self) -> Iterator[tuple[Market, ...]]:
        """Return the markets that have no verdict yet and are open or wanted, 5,000 at a time.

        Raises:
            StoreUnavailable: The database went away.
        """
        after = ""
        while True:
            with self._waiting():
                given = {"after": after, "room": _CHUNK}
                rows = self._connection().execute(queries.SELECT_OPEN_MARKETS, given).fetchall()
            if rows:
                yield tuple(_market.decode(text) for _, text in rows)
                after = rows[-1][0]
            if len(rows) < _CHUNK:
                return

    def last_words(self, conditions: Sequence[ConditionId]) -> StoredEvidence:
        """Return what earlier lives heard last of these markets.

        Raises:
            StoreUnavailable: The database went away.
        """
        with self._waiting():
            return last_words(self._connection(), conditions)

    def verdicts_to_check(self, stretch: TimeWindow) -> Iterator[tuple[Recheck, ...]]:
        """Return the verdicts of which another look falls due in a stretch, 5,000 at a time.

        Raises:
            StoreUnavailable: The database went away.
        """
        after = ""
        while True:
            with self._waiting():
                found = verdicts_to_check(self._connection(), stretch, after=after, room=_CHUNK)
            if found:
                yield found
                after = found[-1].resolution.condition_id
            if len(found) < _CHUNK:
                return

    def abort(self) -> None:
        """Cut the connection, from any thread: a waiting call raises StoreUnavailable at once."""
        session = self._session
        if session is not None:
            session.abort()

    def close(self) -> None:
        """Close the connection, if there is one. Never waits for the server."""
        session, self._session = self._session, None
        self._tokens = TokenKeys()
        self._recent = RecentTrades()
        if session is not None:
            session.close()

    def _hold(self, session: Session) -> None:
        self._session = session

    def _connection(self) -> Connection:
        if self._session is None:
            raise StoreUnavailable("the database is not open")
        return self._session.connection

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        self.busy_since = self._monotonic()
        try:
            with errors():
                yield
        except BaseException:
            self.close()
            raise
        finally:
            self.busy_since = None


class MigratingStore(Store):
    """A store that brings the schema up to date when it finds it lacking."""

    def __init__(self, dsn: str, *, may_migrate: bool) -> None:
        super().__init__(dsn)
        self._target = dsn
        self._may_migrate = may_migrate

    def open(self, journal_id: UUID, *, first_seq: int = 1) -> Opened:
        """Connect; migrate first when that is needed, which no guard cuts short."""
        try:
            return super().open(journal_id, first_seq=first_seq)
        except SchemaMismatch:
            if not self._may_migrate:
                raise
        applied = migrate.apply(self._target)
        if applied:
            log.info("schema_migrated", extra={"applied": list(applied)})
        return super().open(journal_id, first_seq=first_seq)
