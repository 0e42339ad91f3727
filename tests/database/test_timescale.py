"""With TimescaleDB the table of trades is a hypertable with a columnstore.

Needs TRACKER_TEST_TIMESCALE_URL: a server that preloads TimescaleDB 2.18 or newer.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest

from actors.database.queries import SQL
from actors.database.schema import migrate
from actors.database.store import Store
from actors.dataset.export.source import Source
from actors.dataset.report.snapshot import opened
from actors.errors import ConfigError, SchemaMismatch, StoreUnavailable
from actors.model.storage import Batch
from tests.database.samples import YES, at, trade
from tests.database.test_roles import ROLES, as_role
from tests.postgres import Server, ask, do

MAINTAIN = (SQL.parent / "docs" / "how-to" / "maintain.md").read_text()
CHUNKS = """select c.oid::regclass::text from pg_class c
    where c.relnamespace = '_timescaledb_internal'::regnamespace and c.relkind = 'r'
      and c.relname ~ '^(compress_hyper|_hyper).*chunk$'"""

pytestmark = [pytest.mark.db, pytest.mark.timescale]


def version_of(dsn: str) -> tuple[int, ...]:
    ((version,),) = ask(dsn, "select extversion from pg_extension where extname = 'timescaledb'")
    return tuple(map(int, version.split("-")[0].split(".")))


@pytest.fixture
def timescale(timescale_server: Server) -> Iterator[str]:
    """Return the address of a migrated database with the extension."""
    with timescale_server.database() as dsn:
        migrate.apply(dsn)
        yield dsn


@pytest.fixture
def store(timescale: str) -> Iterator[Store]:
    store = Store(timescale)
    assert store.open(UUID(int=1)).timescale
    yield store
    store.close()


def test_trades_is_a_hypertable_with_explicit_columnstore_settings(timescale: str) -> None:
    rows = ask(
        timescale,
        "select hypertable_name, compression_enabled from timescaledb_information.hypertables"
        " where hypertable_schema = 'tracker'",
    )
    assert rows == [("trades", True)]


def test_no_retention_policy_deletes_trades(timescale: str) -> None:
    jobs = "select proc_name from timescaledb_information.jobs where hypertable_name = 'trades'"
    assert "policy_retention" not in {name for (name,) in ask(timescale, jobs)}


def test_a_replay_into_compressed_chunks_stores_nothing_twice(store: Store, timescale: str) -> None:
    batch = Batch(trades=tuple(trade(second) for second in range(2000)))
    assert store.commit(batch).stored == 2000
    ask(timescale, "select compress_chunk(c) from show_chunks('tracker.trades') c")
    assert store.commit(batch).duplicates == 2000
    late = store.commit(Batch(trades=(trade(5, occurrence=2),)))
    assert late.stored == 1
    assert ask(timescale, "select count(*) from trades") == [(2001,)]


def test_candles_agree_with_trades_that_come_a_week_late(store: Store, timescale: str) -> None:
    store.commit(Batch(trades=(trade(0, price=Decimal("0.2")), trade(1, price=Decimal("0.4")))))
    ask(timescale, "select compress_chunk(c) from show_chunks('tracker.trades') c")
    store.commit(Batch(trades=(trade(2, price=Decimal("0.6")), trade(60))))
    query = "select open, close, trades from candles(%s, %s, %s)"
    rows = ask(timescale, query, YES, at(0), at(60))
    assert rows == [(Decimal("0.2"), Decimal("0.6"), 3)]


def test_trades_of_days_on_which_there_are_none_are_rejected(store: Store, timescale: str) -> None:
    """As on plain PostgreSQL, where no such day is made: each would be a chunk."""
    edges = (trade(-86_400 * 365 * 6), trade(86_400 * 365 * 73))
    beyond = (trade(-86_400 * 365 * 7), trade(86_400 * 365 * 75))
    usual = tuple(trade(second) for second in range(200))
    committed = store.commit(Batch(trades=(*beyond, *edges, *usual)))
    assert (committed.stored, committed.rejected_rows) == (202, (("trade", 2),))
    assert ask(timescale, "select count(*) from show_chunks('tracker.trades')") == [(3,)]


def ways_in(dsn: str) -> tuple[Callable[[], object], ...]:
    """Return whatever stores trades or reads them for somebody."""
    return (
        lambda: Store(dsn).open(UUID(int=1)),
        lambda: migrate.apply(dsn),
        lambda: migrate.check(dsn),
        lambda: Source(dsn),
        lambda: opened(dsn).__enter__(),
    )


def test_while_it_is_restored_nothing_is_stored_or_read(store: Store, timescale: str) -> None:
    """A row would go into the table itself then, where no query finds it afterwards."""
    assert store.commit(Batch(trades=(trade(1),))).stored == 1
    store.close()
    ask(timescale, "select timescaledb_pre_restore()")
    for way in ways_in(timescale):
        with pytest.raises(StoreUnavailable, match="timescaledb_post_restore"):
            way()
    ask(timescale, "select timescaledb_post_restore()")
    store.open(UUID(int=1))
    assert store.commit(Batch(trades=(trade(1), trade(2)))).stored == 1
    assert ask(timescale, "select count(*) from trades") == [(2,)]


def test_a_server_that_does_not_load_it_is_not_used(store: Store, timescale: str) -> None:
    """As after a restart without shared_preload_libraries: rows would go there, too."""
    assert store.commit(Batch(trades=(trade(1),))).stored == 1
    for way in ways_in(f"{timescale} options='-c timescaledb.disable_load=on'"):
        with pytest.raises(ConfigError, match="shared_preload_libraries"):
            way()


def test_what_lies_in_partitions_needs_it_not(timescale_server: Server) -> None:
    with timescale_server.database() as dsn:
        migrate.apply(f"{dsn} options='-c tracker.timescale=off'")
        do(dsn, "create extension timescaledb")
        store = Store(f"{dsn} options='-c timescaledb.disable_load=on'")
        store.open(UUID(int=1))
        assert store.commit(Batch(trades=(trade(1),))).stored == 1
        store.close()
        assert ask(dsn, "select count(*) from trades") == [(1,)]


def test_it_can_be_turned_off(timescale_server: Server) -> None:
    with timescale_server.database() as dsn:
        migrate.apply(f"{dsn} options='-c tracker.timescale=off'")
        query = "select relkind::text from pg_class where oid = 'tracker.trades'::regclass"
        assert ask(dsn, query) == [("p",)]


@pytest.mark.parametrize("made_by", ["the owner", "another role, before"])
def test_the_tracker_that_owns_nothing_stores_into_chunks_and_the_policy_is_the_owners(
    timescale_server: Server, made_by: str
) -> None:
    already = {row[0] for row in ask(timescale_server.dsn, "select rolname from pg_roles")}
    with timescale_server.database() as dsn:
        if made_by != "the owner":
            migrate.apply(dsn)
            first = Store(dsn)
            first.open(UUID(int=1))
            first.commit(Batch(trades=(trade(0),)))
            first.close()
        do(dsn, (SQL / "roles.sql").read_text())
        migrate.apply(as_role(dsn, "tracker_owner"))
        store = Store(as_role(dsn, "tracker_writer"))
        try:
            assert store.open(UUID(int=2)).timescale
            assert store.commit(Batch(trades=(trade(1), trade(86_401)))).stored == 2
            do(dsn, "select compress_chunk(c) from show_chunks('tracker.trades') c")
            assert store.commit(Batch(trades=(trade(2), trade(86_401)))).stored == 1
        finally:
            store.close()
        ask(as_role(dsn, "tracker_reader"), "select * from public.trades")
        chunks = [chunk for (chunk,) in ask(dsn, CHUNKS)]
        assert len(chunks) == 4  # of each day one, and the table that its compressed rows lie in
        for chunk in chunks:
            for command in ("delete from {}", "update {} set asset_key = null", "truncate {}"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    do(as_role(dsn, "tracker_writer"), command.format(chunk))
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                ask(as_role(dsn, "tracker_reader"), f"select * from {chunk}")  # noqa: S608
        do(dsn, (SQL / "roles.sql").read_text())
        for role in ("tracker_reader", "tracker_writer"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="add_job"):
                ask(as_role(dsn, role), "select add_job('pg_catalog.pg_sleep', '1 hour')")
        jobs = """select distinct owner::text from timescaledb_information.jobs
            where hypertable_name = 'trades'"""
        if made_by != "the owner" and version_of(dsn) < (2, 26):
            assert ask(dsn, jobs) != [("tracker_owner",)]  # else the page need not speak of it
            for call in re.findall(r"call \w+_columnstore_policy\(.*?\);", MAINTAIN):
                do(as_role(dsn, "tracker_owner"), call)
        assert ask(dsn, jobs) == [("tracker_owner",)]
        owners = """select distinct c.relowner::regrole::text from pg_class c
            where c.oid = 'tracker.trades'::regclass
               or c.oid in (select show_chunks('tracker.trades'))"""
        assert ask(dsn, owners) == [("tracker_owner",)]
    for role in set(ROLES) - already:
        do(timescale_server.dsn, f"drop role {role}")


def test_a_function_of_a_stranger_is_not_taken_for_one_of_timescaledb(
    timescale_server: Server,
) -> None:
    with timescale_server.database() as dsn:
        do(dsn, "create extension timescaledb schema public")
        do(
            dsn,
            """create function public.by_range(name, interval) returns integer language plpgsql
               as 'begin raise exception ''executed''; end'""",
        )
        with pytest.raises(SchemaMismatch, match=r"not of TimescaleDB: drop them"):
            migrate.apply(dsn)
