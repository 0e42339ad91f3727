"""Trades are added: no statement changes or removes one, whoever gives it, and none is slower."""

# ruff: noqa: S608 - the statements are made of names of ours

from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest

from actors.database import queries
from actors.database.schema import migrate
from actors.database.store import Store
from actors.model.storage import Batch
from tests.database.samples import trade
from tests.postgres import Server, ask, do

pytestmark = pytest.mark.db

DAY = 86_400
STORED = "select count(*) from tracker.trades"
DAYS = (
    "select inhrelid::regclass::text from pg_inherits where inhparent = 'tracker.trades'::regclass"
)


@pytest.fixture
def filled(store: Store, database: str) -> str:
    """Return a database with trades of two days; its schema belongs to whoever asks."""
    trades = (trade(1), trade(2), trade(DAY), trade(DAY + 1))
    assert store.commit(Batch(trades=trades)).stored == 4
    assert len(ask(database, DAYS)) == 2
    return database


def test_no_statement_changes_or_removes_trades_not_even_the_owners(filled: str) -> None:
    for table in ("tracker.trades", ask(filled, DAYS)[0][0]):
        for command in (
            f"delete from {table}",
            f"delete from only {table}",
            f"delete from {table} where false",
            f"update {table} set price = 0.5",
            f"update only {table} set is_buy = not is_buy where occurrence = 1",
            f"truncate {table}",
            f"truncate {table} restart identity cascade",
        ):
            with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
                do(filled, command)
    assert ask(filled, STORED) == [(4,)]


def test_a_merge_and_a_conflict_change_nothing_either(filled: str) -> None:
    merge = """merge into tracker.trades t using (select 1) s on true
        when matched then update set price = 0.5"""
    upsert = """insert into tracker.trades select * from tracker.trades
        on conflict (traded_at, asset_key, trade_hash) do update set price = 0.5"""
    for command in (merge, upsert):
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            do(filled, command)


def test_each_day_has_the_trigger_whoever_made_it_and_whenever(filled: str) -> None:
    do(filled, "select tracker.add_trade_day('2031-05-05')")
    without = ask(
        filled,
        f"""select c from ({DAYS}) d (c) where not exists (
              select from pg_trigger t
              where t.tgrelid = c::regclass and t.tgname = 'append_only')""",
    )
    assert without == []
    assert len(ask(filled, DAYS)) == 3


def test_the_owner_may_drop_a_day_as_a_whole(filled: str) -> None:
    do(filled, f"drop table {ask(filled, DAYS)[0][0]}")
    assert ask(filled, STORED) == [(2,)]


Fill = Callable[[Store], int]


def copied(store: Store) -> int:
    return store.commit(Batch(trades=tuple(trade(second) for second in range(50)))).stored


def repeated(store: Store) -> int:
    batch = Batch(trades=tuple(trade(second) for second in range(49)))
    store.commit(batch)
    store.open(UUID(int=1))  # forgets what it has stored
    return 49 + store.commit(Batch(trades=(*batch.trades, trade(60)))).stored


@pytest.mark.parametrize("fill", [copied, repeated])
def test_what_is_stored_fires_no_trigger(
    open_store: Callable[[UUID], Store], database: str, fill: Fill
) -> None:
    store = open_store(UUID(int=1))
    assert fill(store) == 50
    on_insert = """select count(*) from pg_trigger t
        where (t.tgrelid = 'tracker.trades'::regclass
               or t.tgrelid in (select inhrelid from pg_inherits))
          and t.tgtype & 4 <> 0"""
    assert ask(database, on_insert) == [(0,)]


# ------------------------------------------------------------------ TimescaleDB


@pytest.fixture
def hypertable(timescale_server: Server) -> Iterator[str]:
    """Return a database in which the trades of one day are compressed, and those of another not."""
    with timescale_server.database() as dsn:
        migrate.apply(dsn)
        store = Store(dsn)
        store.open(UUID(int=1))
        store.commit(Batch(trades=(trade(1), trade(2))))
        ask(dsn, "select compress_chunk(c) from show_chunks('tracker.trades') c")
        store.commit(Batch(trades=(trade(3), trade(DAY), trade(DAY + 1))))
        store.close()
        yield dsn


@pytest.mark.timescale
@pytest.mark.parametrize(
    "command", ["delete from {}", "update {} set price = 0.5 where occurrence = 1", "truncate {}"]
)
def test_the_same_with_timescaledb(hypertable: str, command: str) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        do(hypertable, command.format("tracker.trades"))
    chunks = [name for (name,) in ask(hypertable, "select show_chunks('tracker.trades')::text")]
    assert len(chunks) == 2
    for chunk in chunks if not command.startswith("truncate") else ():
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            do(hypertable, command.format(chunk))
    assert ask(hypertable, STORED) == [(5,)]


@pytest.mark.timescale
def test_chunks_are_compressed_again_and_dropped(hypertable: str) -> None:
    ask(hypertable, "select compress_chunk(c) from show_chunks('tracker.trades') c")
    compressed = "select count(*) from timescaledb_information.chunks where is_compressed"
    assert ask(hypertable, compressed) == [(2,)]
    assert ask(hypertable, STORED) == [(5,)]
    ask(hypertable, "select drop_chunks('tracker.trades', timestamptz '2040-01-01')")
    assert ask(hypertable, STORED) == [(0,)]


def test_no_statement_of_the_tracker_changes_a_trade() -> None:
    for name in dir(queries):
        text = getattr(queries, name)
        if isinstance(text, bytes):
            assert b"update tracker.trades" not in text, name
            assert b"delete from tracker.trades" not in text, name
