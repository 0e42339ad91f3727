"""No reader can store anything, nor take a lock that others wait for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from actors.database import queries
from actors.database.commands.kept import BEGINNING, KeptMessages, Understood
from actors.database.queries import SQL
from actors.database.schema import migrate
from actors.database.schema.migration_files import STEP
from actors.database.store import Store
from actors.model.storage import Batch
from tests.database.everything import everything
from tests.database.samples import trade
from tests.database.test_migration_steps import FILLED, NAME, NOTES, in_steps, written
from tests.database.test_roles import as_role, roles, secured
from tests.postgres import ask, do

__all__ = ["roles", "secured"]  # fixtures
pytestmark = pytest.mark.db

READER = "tracker_reader"
ADVISORY = (7041776131, 7041776132, 7041776133, 7041776134)
"""The numbers of the locks that trackers once had."""


@contextmanager
def session(dsn: str) -> "Iterator[psycopg.Connection[tuple[object, ...]]]":
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


# --------------------------------------------------------------------- storing


@pytest.mark.parametrize(
    "attack",
    [
        "select lo_create(0)",
        "select lo_creat(-1)",
        "select lo_from_bytea(0, repeat('x', 1000000)::bytea)",
        "select lo_put(1, 0, 'x')",
        "select lo_open(1, 131072)",
        "select lowrite(0, 'x')",
        "select lo_truncate64(0, 1)",
        "select lo_import('/etc/hostname')",
        "select pg_logical_emit_message(false, 'x', repeat('x', 1000000))",
        "create temporary table mine (x integer)",
        "create table public.mine (x integer)",
        "create schema mine",
    ],
)
@pytest.mark.parametrize("role", [READER, "tracker_writer"])
def test_a_reader_and_the_tracker_can_store_nothing_beside_the_tables(
    secured: str, role: str, attack: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        do(as_role(secured, role), attack)
    assert ask(secured, "select count(*) from pg_largeobject_metadata") == [(0,)]


# ----------------------------------------------------------------------- locks


@pytest.mark.parametrize(
    "attack",
    [
        *(f"select {take}({key})" for take in ("pg_advisory_lock", "pg_try_advisory_lock_shared")
          for key in ADVISORY),
        "select pg_advisory_xact_lock(n) from generate_series(1, 1000000) n",
        "select pg_advisory_lock(1, 1)",
        *(f"lock table {table} in share update exclusive mode"
          for table in ("tracker.schema_migrations", "tracker.journal_progress", "tracker.trades",
                        "public.markets", "public.trades", "public.coverage")),
        "select from tracker.journals for share",
        "select from public.markets for key share",
        "select from public.rejected_messages for update",
    ],
)  # fmt: skip
def test_a_reader_can_take_no_lock_that_others_wait_for(secured: str, attack: str) -> None:
    with session(as_role(secured, READER)) as reader, reader.transaction():
        reader.execute("set local lock_timeout = '2s'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(attack.encode())


def test_a_reader_who_holds_all_that_he_can_keeps_nobody_waiting(secured: str) -> None:
    with session(as_role(secured, READER)) as reader, reader.transaction():
        for (relation,) in ask(
            secured,
            """select format('%%I.%%I', c.relnamespace::regnamespace, c.relname) from pg_class c
               where c.relnamespace in ('public'::regnamespace, 'tracker'::regnamespace)
                 and c.relkind in ('r', 'p', 'v') and has_table_privilege(%s, c.oid, 'select')""",
            READER,
        ):
            reader.execute(f"lock table {relation} in access share mode".encode())
        as_usual(as_role(secured, "tracker_owner"), as_role(secured, "tracker_writer"))


@pytest.mark.parametrize("key", ADVISORY)
def test_the_locks_of_before_mean_nothing_where_anybody_may_take_them(
    database: str, key: int
) -> None:
    """In a database without sql/roles.sql."""
    with session(database) as other:
        other.execute("select pg_advisory_lock(%s)", (key,))
        as_usual(database, database)
    assert "advisory" not in "".join(path.read_text() for path in SQL.glob("*/*.sql"))


def as_usual(owner: str, tracker: str) -> None:
    """Migrate, open, correct a sequence, store on a new day, take kept messages in."""
    assert migrate.apply(owner) == ()
    store = Store(tracker)
    try:
        store.open(UUID(int=4))
        store.commit(everything())
        do(owner, "select setval('public.assets_asset_key_seq', 1, false)")
        store.open(UUID(int=4))
        ((days,),) = ask(owner, "select count(*) from pg_inherits")
        assert store.commit(Batch(trades=(trade(86_400 * (100 + days)),))).stored == 1
    finally:
        store.close()
    kept = KeptMessages(tracker)
    try:
        kept.step(0, BEGINNING, lambda _: Understood(reason="still not"))
    finally:
        kept.close()


def test_a_migration_waits_for_another_one_and_for_nobody_else(database: str) -> None:
    with session(database) as other, other.transaction():
        other.execute("lock table tracker.schema_migrations in share update exclusive mode")
        store = Store(database)
        store.open(UUID(int=5))
        assert store.commit(Batch(trades=(trade(5),))).stored == 1
        store.close()


def test_nobody_else_migrates_between_two_steps(database: str, tmp_path: Path) -> None:
    steps = ((STEP, NOTES), (STEP, b"select pg_sleep(0.2)"), (STEP, FILLED))
    folder = written(tmp_path, in_steps(*steps))
    under_way = """select to_regclass('tracker.note') is not null
        and not exists (select from tracker.schema_migrations where name = %s)"""
    seen: list[bool] = []

    def look() -> None:
        with session(database) as other:
            if other.execute(under_way, (NAME,)).fetchone() != (True,):
                return
            try:
                with other.transaction():
                    other.execute(queries.LOCK_MIGRATIONS + b" nowait")
            except psycopg.errors.LockNotAvailable:
                seen.append(False)
            else:
                seen.append(True)

    assert migrate.apply(database, folder, on_moved=look) == (NAME,)
    assert seen
    assert not any(seen), "somebody else could have migrated"
    assert ask(database, "select count(*) from tracker.note") == [(25,)]
