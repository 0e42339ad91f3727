"""The database of the tracker: one method, one transaction.

Exactly once: rows and the journal's mark move in the same transaction, and
every row has a key, so a batch that is told again changes nothing.

After any error the connection is closed and nothing of the batch is to
be relied on: `open` again, and read the mark.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import msgspec

from actors.database import memory, migrate, queries
from actors.database.cache import TokenKeys
from actors.database.recent import Recent
from actors.database.session import Connection, Session, errors
from actors.database.tolerance import Tolerance
from actors.database.transaction import Transaction
from actors.errors import StoreUnavailable
from actors.model.batch import Batch, Committed, Opened
from actors.model.market import Market
from actors.model.trade import ConditionId
from actors.resolution.rechecks import Recheck, Stretch
from actors.resolution.standing import LastWords

_CHUNK = 5000
_market = msgspec.json.Decoder(Market)


class Store:
    """Used by one thread at a time; `abort` and `busy_since` by any.

    Args:
        dsn: Checked by `dsn.check_dsn`.
        monotonic: Clock for `busy_since`.
        wall_ns: Clock for the time of a database refusal of a row that has none.
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
        self._recent = Recent()
        self._tolerance = Tolerance()
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
        self._tolerance = Tolerance()
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
            StorePoisoned: So many rows were refused that the fault must be ours;
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
        """Give the markets that have no verdict yet and are open or wanted, 5,000 at a time.

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

    def last_words(self, conditions: Sequence[ConditionId]) -> LastWords:
        """Give what earlier lives heard last of these markets.

        Raises:
            StoreUnavailable: The database went away.
        """
        with self._waiting():
            return memory.last_words(self._connection(), conditions)

    def verdicts_to_check(self, stretch: Stretch) -> Iterator[tuple[Recheck, ...]]:
        """Give the verdicts of which another look falls due in a stretch, 5,000 at a time.

        Raises:
            StoreUnavailable: The database went away.
        """
        after = ""
        while True:
            with self._waiting():
                found = memory.verdicts_to_check(
                    self._connection(), stretch, after=after, room=_CHUNK
                )
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
        self._recent = Recent()
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
