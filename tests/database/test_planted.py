"""Code that others plant in a database is executed by nobody who may do more than they."""

# ruff: noqa: S608 - the statements are made of names of ours

from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest

from actors.database.queries import SQL
from actors.database.schema import migrate
from actors.database.store import Store
from tests.database.everything import everything
from tests.database.planted import SPRUNG, STRANGER, plant
from tests.database.samples import at
from tests.database.test_roles import ROLES, as_role
from tests.postgres import Server, ask, do, name_of

pytestmark = pytest.mark.db


@pytest.fixture(scope="module")
def stranger(server: Server) -> Iterator[str]:
    """Return a role that may do nothing of its own; it and the roles go with the module."""
    already = {row[0] for row in ask(server.dsn, "select rolname from pg_roles")} & set(ROLES)
    do(server.dsn, f"create role {STRANGER} login")
    yield STRANGER
    for role in (STRANGER, *(set(ROLES) - already)):
        do(server.dsn, f"drop role if exists {role}")


@pytest.fixture(scope="module")
def planted(server: Server, stranger: str) -> Iterator[str]:
    """Return the name of a database in which a stranger has planted all that he can."""
    with server.database() as dsn:
        assert plant(dsn, stranger) > 1_000
        yield name_of(dsn)


@pytest.fixture
def hostile(server: Server, planted: str) -> Iterator[str]:
    """Return a copy of it, without a schema; its sessions look at the stranger's names first."""
    with server.database(planted) as dsn:
        do(dsn, f"alter database {name_of(dsn)} set search_path = public, pg_catalog")
        yield dsn


def run(dsn: str, command: str) -> None:
    """Run it as psql does, in a session as the database has it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(command.encode())


def test_the_traps_are_real(hostile: str) -> None:
    for innocent in (
        "select array['a'] || array['b']",
        "select set_config('statement_timeout', '0', false)",
        "select count(*) from (values (1)) as v",
        "select from pg_class",
        "select 'x'::text",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match=SPRUNG):
            run(hostile, innocent)


def test_nothing_planted_is_executed_by_the_administrator_the_owner_the_tracker_or_a_reader(
    hostile: str,
) -> None:
    roles = (SQL / "roles.sql").read_text()
    run(hostile, roles)
    migrate.apply(as_role(hostile, "tracker_owner"))
    run(hostile, roles)
    store = Store(as_role(hostile, "tracker_writer"))
    try:
        store.open(UUID(int=1))
        assert store.commit(everything()).stored == 2
        assert store.commit(everything()).duplicates == 2
        use(store)
    finally:
        store.close()
    token = f"'{everything().trades[0].token_id}'"
    times = f"'{at(-9)}', '{at(99)}'"
    for question in (
        f"select * from public.candles({token}, {times})",
        f"select * from public.coverage_gaps({token}, {times})",
        f"select * from public.trades_of_transaction('{everything().trades[0].transaction_hash}')",
        f"select * from public.market_coverage('{everything().markets[0].condition_id}', {times})",
        *(f"table public.{view}" for view in VIEWS),
    ):
        run(as_role(hostile, "tracker_reader"), question)
        run(hostile, question)


VIEWS = ("trades", "coverage", "market_coverage", "unresolved_markets")


def use(store: Store) -> None:
    """Ask the store for everything that it reads and does by itself."""
    condition = everything().markets[0].condition_id
    while not store.settle():
        pass
    assert store.housekeep().permitted
    assert not store.compute_coverage().failed
    list(store.open_markets())
    store.review(condition)
    store.unresolved_after(condition)
    store.open_conflicts()
    store.stored_evidence((condition,))


def test_an_administrator_migrates_a_database_of_strangers(hostile: str) -> None:
    migrate.check(hostile)
    assert migrate.apply(hostile)
    store = Store(hostile)
    store.open(UUID(int=1))
    store.close()


# ------------------------------------------------- by the caller of a function


NOTE = f"""create function pg_temp.note() returns boolean language plpgsql as
    $$begin raise exception '{SPRUNG} %', current_user; end$$"""
SHADOWS = {
    "a catalog": "create view pg_temp.{} as select pg_temp.note() as oid, 'p'::\"char\" as relkind",
    "a type": "create domain pg_temp.{} as pg_catalog.{} check (pg_temp.note())",
}
CALLS = {
    "trades_of_transaction": "select * from public.trades_of_transaction('0x00')",
    "add_trade_day": "select tracker.add_trade_day('2026-01-01')",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
@pytest.mark.parametrize("name", ["pg_class", "text", "name", "date", "int4", "timestamptz"])
def test_what_a_caller_has_in_its_own_schema_is_not_executed_by_the_owner(
    database: str, stranger: str, name: str, call: str
) -> None:
    do(database, f"grant usage on schema tracker to {stranger}")
    do(database, f"grant execute on all functions in schema public, tracker to {stranger}")
    shadow = SHADOWS["a catalog" if name.startswith("pg_") else "a type"].format(name, name)
    with psycopg.connect(as_role(database, stranger), autocommit=True) as connection:
        for command in (NOTE, shadow, call):
            connection.execute(command.encode())
    do(database, f"drop owned by {stranger}")


def test_each_function_of_ours_has_a_path_that_nobody_else_writes_to(database: str) -> None:
    open_ones = ask(
        database,
        """select p.oid::regprocedure::text from pg_proc p
           where p.pronamespace in ('public'::regnamespace, 'tracker'::regnamespace)
             and p.prosqlbody is null
             and not coalesce(p.proconfig, '{}') @> array['search_path=pg_catalog, pg_temp']""",
    )
    assert open_ones == []


# ------------------------------------------------------- by sql/roles.sql itself


def leak(dsn: str) -> None:
    """Plant what would be worth something if it were the owner's."""
    do(dsn, f"grant create, usage on schema public to {STRANGER}")
    as_stranger = as_role(dsn, STRANGER)
    do(as_stranger, "create table public.bait (x integer)")
    do(as_stranger, "create view public.leak as select * from public.bait")
    do(as_stranger, "grant all on public.bait, public.leak to public")
    for name in ("escalate", "candles"):  # beside ours, where that is there
        do(
            as_stranger,
            f"""create function public.{name}() returns name language sql security definer
                as 'select current_user'""",
        )
    if not ask(dsn, "select from pg_class where relname = 'unresolved_markets'"):
        do(as_stranger, "create view public.unresolved_markets as select * from public.bait")


OF_STRANGER = """with one as (select %s::regrole as role)
    select c.relname::text from pg_class c, one where c.relowner = one.role
    union all select p.proname::text from pg_proc p, one where p.proowner = one.role"""
Prepare = Callable[[str], None]


@pytest.mark.parametrize("after", [migrate.apply, lambda _: None], ids=["migrated", "empty"])
def test_what_is_not_ours_stays_with_its_owner(
    empty_database: str, stranger: str, after: Prepare
) -> None:
    after(empty_database)
    leak(empty_database)
    his = set(ask(empty_database, OF_STRANGER, stranger))
    assert {("bait",), ("leak",), ("escalate",), ("candles",)} <= his
    run(empty_database, (SQL / "roles.sql").read_text())
    assert set(ask(empty_database, OF_STRANGER, stranger)) == his
    assert ask(empty_database, "select public.escalate()::text, public.candles()::text") == [
        (stranger, stranger)
    ]
    do(empty_database, f"drop owned by {stranger}")
