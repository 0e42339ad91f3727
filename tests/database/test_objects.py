"""The list of what the migrations make is complete, and what a database lacks of it is named."""

import logging
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from actors.database.schema import migrate, objects
from actors.database.schema.objects import NEEDED
from actors.database.session import Connection
from actors.database.store import Store
from actors.errors import SchemaMismatch
from tests.postgres import do

pytestmark = pytest.mark.db

MADE = """
    select case when c.relkind in ('r', 'p') then 'table' when c.relkind = 'v' then 'view'
                when c.relkind = 'S' then 'sequence' when i.indisunique then 'unique index'
                else 'index' end, n.nspname || '.' || c.relname
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    left join pg_index i on i.indexrelid = c.oid
    where n.nspname in ('public', 'tracker') and not c.relispartition and c.relkind <> 't'
      and c.relname not like 'schema_migrations%'
    union all
    select 'function', n.nspname || '.' || p.proname
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'tracker')
    union all
    select 'trigger', n.nspname || '.' || c.relname || '.' || t.tgname
    from pg_trigger t join pg_class c on c.oid = t.tgrelid
    join pg_namespace n on n.oid = c.relnamespace where not t.tgisinternal
    union all
    select 'foreign key', n.nspname || '.' || c.relname || '.' || f.conname
    from pg_constraint f join pg_class c on c.oid = f.conrelid
    join pg_namespace n on n.oid = c.relnamespace where f.contype = 'f'"""
BEHIND_INDEX = """select conrelid::regclass::text, conname from pg_constraint
    where conindid = %s::regclass and contype in ('p', 'u')"""
NUMBERED = """select d.refobjid::regclass::text, a.attname from pg_depend d
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where d.objid = %s::regclass and d.deptype = 'i'"""


def drop(connection: "psycopg.Connection[Any]", kind: str, name: str) -> None:
    """Drop one of them, with what depends on it."""
    schema, first, *rest = name.split(".")
    table = sql.Identifier(schema, first)
    if kind == "sequence":
        ((owner, column),) = connection.execute(NUMBERED, (name,)).fetchall()
        connection.execute(f"alter table {owner} alter column {column} drop identity".encode())
    elif kind == "trigger":
        connection.execute(sql.SQL("drop trigger {} on {}").format(sql.Identifier(*rest), table))
    elif kind == "foreign key":
        command = sql.SQL("alter table {} drop constraint {}")
        connection.execute(command.format(table, sql.Identifier(*rest)))
    elif kind.endswith("index"):
        found = connection.execute(BEHIND_INDEX, (name,)).fetchall()
        for owner, constraint in found:
            connection.execute(f"alter table {owner} drop constraint {constraint} cascade".encode())
        if not found:
            connection.execute(sql.SQL("drop index {}").format(table))
    else:
        connection.execute(sql.SQL(f"drop {kind} {{}} cascade").format(table))


@pytest.fixture
def connection(database: str) -> Any:
    with psycopg.connect(database, autocommit=True) as found:
        found.execute("set search_path to pg_catalog")
        yield found


def test_the_list_is_what_the_migrations_make(connection: Connection) -> None:
    found = objects.look(connection)
    assert {(each.kind, each.name) for each in found} == set(connection.execute(MADE.encode()))
    assert all(each.is_there for each in found)
    assert objects.require(connection) == ()


def test_each_of_them_is_named_when_it_is_missing(connection: Connection) -> None:
    for each in objects.look(connection):
        with connection.transaction(force_rollback=True):
            drop(connection, each.kind, each.name)
            gone = {str(found) for found in objects.look(connection) if not found.is_there}
            assert str(each) in gone
            if each.kind in NEEDED:
                with pytest.raises(SchemaMismatch, match=r"lacks the .* half restored"):
                    objects.require(connection)
            elif each.kind != "function":  # with its function a trigger goes
                assert str(each) in objects.require(connection)


def test_an_index_that_lacks_a_partition_is_missing(connection: Connection) -> None:
    connection.execute("select tracker.add_trade_day('2026-11-29')")
    with connection.transaction(force_rollback=True):
        connection.execute(
            "alter table tracker.trades drop constraint trades_traded_at_asset_key_trade_hash_key"
        )
        connection.execute(
            "alter table only tracker.trades add unique (traded_at, asset_key, trade_hash)"
        )
        with pytest.raises(SchemaMismatch, match="trades_traded_at_asset_key_trade_hash_key"):
            objects.require(connection)


def test_a_trigger_that_a_day_lacks_is_missing(connection: Connection) -> None:
    for day in ("2026_11_29", "2026_11_30"):
        connection.execute("select tracker.add_trade_day(to_date(%s, 'YYYY_MM_DD'))", (day,))
    assert objects.require(connection) == ()
    connection.execute("drop trigger append_only on tracker.trades_2026_11_30")
    with pytest.raises(SchemaMismatch, match=r"lacks the trigger tracker\.trades\.append_only"):
        objects.require(connection)


def test_a_database_that_is_not_whole_is_not_opened_and_a_check_says_so(database: str) -> None:
    do(database, "drop index public.rejected_messages_once")
    for look in (lambda: Store(database).open(UUID(int=1)), lambda: migrate.check(database)):
        with pytest.raises(SchemaMismatch, match=r"unique index public\.rejected_messages_once"):
            look()


def test_what_only_readers_miss_is_named_and_keeps_nothing_from_being_stored(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    do(database, "drop view public.unresolved_markets")
    assert migrate.check(database).missing == ("view public.unresolved_markets",)
    store = Store(database)
    store.open(UUID(int=1))
    store.close()
    (line,) = [each for each in caplog.records if each.message == "schema_incomplete"]
    assert vars(line)["missing"] == ["view public.unresolved_markets"]
    assert line.levelno == logging.WARNING


def test_what_a_newer_version_has_replaced_is_not_missed(database: str) -> None:
    do(database, "drop index public.rejected_messages_once")
    do(database, "insert into tracker.schema_migrations values ('9000_x.sql', 'x', now(), true)")
    assert migrate.check(database).missing == ()
    store = Store(database)
    store.open(UUID(int=1))
    store.close()


def test_another_process_that_migrates_between_two_questions_is_no_other_program(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = objects.require_none

    def migrated_meanwhile(connection: Connection) -> None:
        monkeypatch.undo()
        migrate.apply(empty_database)
        whole(connection)

    monkeypatch.setattr(objects, "require_none", migrated_meanwhile)
    store = Store(empty_database)
    store.open(UUID(int=1))
    store.close()


def test_every_name_is_in_the_way_of_the_first_migration(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        relations = (each for each in objects.look(connection) if each.kind != "function")
        names = [each.name for each in relations if each.name.count(".") == 1]
        assert len(names) > 50
        connection.execute("create schema tracker")
        for name in names:
            with connection.transaction(force_rollback=True):
                connection.execute(f"create table {name} (x int)".encode())
                with pytest.raises(SchemaMismatch, match=rf"has {name} and no record"):
                    objects.require_none(connection)
        objects.require_none(connection)
