"""COPY stores what INSERT would have stored; a trade that is stored already is no fault."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from actors.database import binary_copy, columns, queries
from actors.database.binary_copy import sorted_chunks
from actors.database.cache import RecentTrades, TradeDays, days_of
from actors.database.store import Store
from actors.model.storage import Batch
from actors.model.trade import TokenId, Trade, trade_hashes
from tests.database.samples import trade
from tests.postgres import ask

pytestmark = pytest.mark.db

NUMBERS = (
    *("1", "0.5", "0.330", "10", "9999", "9999.99999999", "10000", "0.000001", "1E-7", "1E+3"),
    *("219.217767", "123456789.123456789012", "0.123456789012", "1000000", "5.0", "100000000000"),
)
FIELDS: list[dict[str, Any]] = [
    *({"size": Decimal(number)} for number in NUMBERS),
    *({"price": Decimal(number)} for number in ("1", "0.9990", "1E-3", "0.000000000001")),
    *({"side": side} for side in ("BUY", "SELL")),
    *({"fee_rate_bps": fee} for fee in (None, 0, 1000, 2**15 - 1)),
    *({"transaction_hash": text} for text in (None, "0x" + "00" * 32, "0xab")),
    *({"trade_id": text} for text in (None, "", "é 1")),
    *({"extra": text} for text in (None, '{"a": [1, "ü"]}')),
    {"occurrence": 7},
    {"traded_at_ms": 1_577_836_800_001, "received_at_ns": 999},  # the first day that there is
]
ROWS = """select t::text, pg_column_size(t.price), pg_column_size(t.size)
    from tracker.trades t order by 1"""


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(database) as connection:
        yield connection


def test_copy_stores_what_insert_stores(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    rows = [trade(second, **fields) for second, fields in enumerate(FIELDS)]
    keys: dict[str, int] = {row.token_id: 7 for row in rows}
    origins = [(place % 3, 5 * place) for place in range(len(rows))]
    TradeDays().add(connection, days_of(rows))
    connection.commit()
    some = sorted_chunks(rows, [*trade_hashes(rows)], origins, keys, RecentTrades())
    assert binary_copy.copy(connection, queries.COPY_TRADES, some, 1 << 44) == len(rows)
    copied = connection.execute(ROWS).fetchall()
    connection.rollback()
    connection.execute(queries.INSERT_TRADES, columns.trades(rows, keys, origins, 1 << 44))
    assert copied == connection.execute(ROWS).fetchall()
    assert len(copied) == len(FIELDS)


def test_more_rows_than_one_chunk_are_stored(store: Store, database: str) -> None:
    trades = tuple(trade(second) for second in range(3000))
    assert store.commit(Batch(trades=trades)).stored == 3000
    assert ask(database, "select count(*) from tracker.trades") == [(3000,)]


def test_trades_of_the_other_feed_are_dropped_without_a_query(store: Store) -> None:
    trades = tuple(trade(second) for second in range(50))
    store.commit(Batch(trades=trades))
    known = len(store._recent._young)
    committed = store.commit(Batch(trades=trades))
    assert (committed.stored, committed.duplicates) == (0, 50)
    assert len(store._recent._young) == known == 50


def test_of_duplicates_in_one_batch_the_earliest_receipt_stays(store: Store, database: str) -> None:
    late, early = trade(received_at_ns=2_000_000_000_000), trade(received_at_ns=1_000_000_000_000)
    committed = store.commit(Batch(trades=(late, early, late)))
    assert (committed.stored, committed.duplicates) == (1, 2)
    assert ask(database, "select extract(epoch from received_at)::int from tracker.trades") == [
        (1000,)
    ]


def test_what_another_store_committed_collides_and_is_stored_once(database: str) -> None:
    first, second = Store(database), Store(database)
    for number, store in enumerate((first, second)):
        store.open(UUID(int=number))
    first.commit(Batch(trades=tuple(trade(second) for second in range(20))))
    results = [
        second.commit(Batch(trades=tuple(trade(second) for second in range(at, at + 20))))
        for at in (10, 20, 30, 40)
    ]
    assert [committed.stored for committed in results] == [10, 10, 10, 10]
    assert [committed.duplicates for committed in results] == [10, 10, 10, 10]
    assert ask(database, "select count(*), count(distinct traded_at) from tracker.trades") == [
        (60, 60)
    ]
    first.close()
    second.close()


def test_recent_trades_are_forgotten_with_the_connection(store: Store, database: str) -> None:
    trades = (trade(1), trade(2))
    store.commit(Batch(trades=trades))
    with psycopg.connect(database) as other:  # as if an older copy of the database took over
        other.execute("set session_replication_role = replica")  # no trigger forbids it
        other.execute("delete from tracker.trades")
    store.close()
    store.open(UUID(int=9))
    assert store.commit(Batch(trades=trades)).stored == 2


def test_a_rejected_trade_does_not_count_as_stored(store: Store, database: str) -> None:
    poison: Trade = trade(1, side="HOLD")
    batch = Batch(trades=(trade(0), poison, trade(2, token_id=TokenId("8"))))
    assert (store.commit(batch).stored, store.commit(batch).duplicates) == (2, 2)
    assert ask(database, "select count(*) from tracker.trades") == [(2,)]
    assert ask(database, "select count(*) from rejected_messages") == [(1,)]
