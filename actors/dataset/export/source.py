"""The database, read for a dataset: two sessions that see the same moment.

Rows of trades come over ADBC, which decodes COPY into Arrow without the interpreter; all else over
psycopg. One thread at a time uses either of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

import adbc_driver_manager
import psycopg
import pyarrow as pa
from adbc_driver_postgresql import StatementOptions, dbapi
from psycopg.conninfo import make_conninfo

from actors.database import queries
from actors.database.server import verification
from actors.database.server.advice import NAMED, advice
from actors.database.server.facts import require_chunks
from actors.database.session import Connection, check_dsn, translate_errors
from actors.errors import NO_PERMISSION, ConfigError, StoreUnavailable

Row = tuple[Any, ...]

BATCH_BYTES: Final = 4 << 20
"""About so many bytes of rows are one batch."""
_OTHER_SCHEMA: Final = ("42P01", "42703", "42883", "3F000")
_OPTIONS: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "application_name": "polymarket-tracker-dataset",
    "client_encoding": "UTF8",
}


class Moment(NamedTuple):
    """One snapshot of the database.

    Attributes:
        name: By which another session takes it.
        now: The clock of the database.
    """

    name: str
    now: datetime


class Source:
    """Two sessions with one database.

    Args:
        dsn: The address; it is checked.
        named: Where it is named, for whoever has to correct it.

    Raises:
        ConfigError: It is no address, or the role may not read there.
        StoreUnavailable: The database does not answer.
    """

    def __init__(self, dsn: str, *, named: str = NAMED) -> None:
        self._named = named
        safe = check_dsn(dsn).dsn
        whole = make_conninfo(safe, **{**_OPTIONS, **verification.permitted(safe)})
        with _errors(named), ExitStack() as opened:
            self._rows: Connection = psycopg.connect(whole, autocommit=True)
            opened.callback(self._rows.close)
            self._rows.prepare_threshold = None  # each is planned for its values
            self._trades = dbapi.connect(whole, autocommit=True)
            opened.callback(self._trades.close)
            self._rows.execute(queries.SET_SEARCH_PATH)
            require_chunks(self._rows.execute(queries.SELECT_TIMESCALE_STATE).fetchone())
            self._rows.execute(queries.SET_DATASET_LIMITS)
            self._run(queries.filled(queries.SET_SEARCH_PATH).as_string(self._rows))
            self._run(queries.filled(queries.SET_DATASET_LIMITS).as_string(self._rows))
            ((self._may_read_table,),) = self.rows(queries.SELECT_MAY_READ_TRADES)
            opened.pop_all()  # both stay open

    def close(self) -> None:
        """End both sessions; one that does not end properly is left to the server."""
        with suppress(psycopg.Error):
            self._rows.close()
        with suppress(adbc_driver_manager.Error, RuntimeError):
            self._trades.close()

    @contextmanager
    def snapshot(self) -> Iterator[Moment]:
        """Let both sessions see one moment until the end.

        Raises:
            ConfigError: The role may not read what is asked, or the schema is another one.
            StoreUnavailable: The database does not answer.
        """
        with _errors(self._named):
            self._rows.execute(queries.BEGIN_DATASET_SNAPSHOT)
            ((name, now),) = self._rows.execute(queries.SELECT_DATASET_SNAPSHOT).fetchall()
            self._run(queries.filled(queries.BEGIN_DATASET_SNAPSHOT).as_string(self._rows))
            self._run(queries.filled(queries.SET_DATASET_SNAPSHOT, name=name).as_string(self._rows))
            yield Moment(name, now)
            self._run(queries.filled(queries.COMMIT_DATASET_SNAPSHOT).as_string(self._rows))
            self._rows.execute(queries.COMMIT_DATASET_SNAPSHOT)

    def rows(self, query: bytes, **given: object) -> list[Row]:
        """Return the rows of one of our queries; within `snapshot`."""
        return self._rows.execute(query, given or None).fetchall()

    def count(
        self, from_at: datetime, to_at: datetime, as_of: datetime | None, keys: Sequence[int] | None
    ) -> int:
        """Return the number of trades that `trades` yields; within `snapshot`."""
        query = queries.filled(
            queries.COUNT_DATASET_TRADES
            if self._may_read_table
            else queries.COUNT_DATASET_TRADES_OF_READER,
            from_at=from_at,
            to_at=to_at,
            as_of=as_of,
            keys=list(keys) if keys is not None else None,
        )
        ((found,),) = self._rows.execute(query).fetchall()
        return int(found)

    def tokens(self, keys: Sequence[int]) -> list[Row]:
        """Return number, token id and condition id of tokens with these numbers."""
        # As text: the driver would look at each number of a list for what must be quoted.
        return self.rows(queries.SELECT_DATASET_TOKENS, keys=f"{{{','.join(map(str, keys))}}}")

    def trades(
        self, from_at: datetime, to_at: datetime, as_of: datetime | None, keys: Sequence[int] | None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of `select_dataset_trades`; within `snapshot`."""
        query = queries.filled(
            queries.SELECT_DATASET_TRADES
            if self._may_read_table
            else queries.SELECT_DATASET_TRADES_OF_READER,
            from_at=from_at,
            to_at=to_at,
            as_of=as_of,
            keys=list(keys) if keys is not None else None,
        )
        with self._trades.cursor() as cursor:
            cursor.adbc_statement.set_options(
                **{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)}
            )
            cursor.execute(query.as_string(self._rows))
            yield from cursor.fetch_record_batch()

    def _run(self, query: str) -> None:
        """Run a statement in the session that reads trades."""
        with self._trades.cursor() as cursor:
            cursor.execute(query)


@contextmanager
def _errors(named: str) -> Iterator[None]:
    try:
        with translate_errors():
            yield
    except adbc_driver_manager.Error as exc:
        away = StoreUnavailable(_one_line(exc), sqlstate=exc.sqlstate or None)
        raise _told(away, named) from exc
    except pa.ArrowException as exc:  # of a stream that broke
        raise StoreUnavailable(_one_line(exc)) from exc
    except StoreUnavailable as exc:
        raise _told(exc, named) from exc


def _told(exc: StoreUnavailable, named: str) -> StoreUnavailable | ConfigError:
    if exc.sqlstate == NO_PERMISSION:
        return ConfigError(
            f"database: {exc}; name a role that is a member of tracker_reader, or tracker_writer,"
            " and let `bin/tracker --migrate` grant what they lack as the owner"
        )
    if exc.sqlstate in _OTHER_SCHEMA:
        return ConfigError(
            f"database: {exc}; it has not the schema of this version: run `bin/tracker --migrate`"
        )
    return StoreUnavailable(f"{exc}; {advice(exc, named=named)}", sqlstate=exc.sqlstate)


def _one_line(exc: Exception) -> str:
    """Return what happened without the statement, which may be long."""
    text = str(exc).partition("\n\nQuery was:")[0].partition("Query:")[0]
    return " ".join(text.split())[:300]
