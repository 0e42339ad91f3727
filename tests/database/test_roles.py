"""sql/roles.sql: the tracker needs no more than its role allows, and readers only read."""

# ruff: noqa: S608 - the statements are made of names of ours

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from actors.database.commands.kept import Understood
from actors.database.queries import SQL
from actors.database.schema import migrate
from actors.database.schema.migration_files import MIGRATIONS
from actors.database.schema.opening import MigratingStore, MigrationRule
from actors.database.store import Store
from actors.errors import SchemaMismatch, StoreUnavailable
from actors.model.storage import Batch, ConnectionEvent, Housekept
from actors.model.trade import TokenId
from tests.database.everything import everything
from tests.database.samples import YES, ns, trade
from tests.database.test_kept import Feed, all_of, take_in
from tests.postgres import Server, ask, do, name_of

pytestmark = pytest.mark.db

ROLES = ("tracker_owner", "tracker_writer", "tracker_reader")
TEXT = (SQL / "roles.sql").read_text()
RELATIONS = """select format('%I.%I', c.relnamespace::regnamespace, c.relname) from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'tracker'::regnamespace)
      and c.relkind in ('r', 'p', 'v', 'm') order by 1"""
CALLABLE = """select p.oid::regprocedure::text from pg_proc p
    where p.pronamespace in ('public'::regnamespace, 'tracker'::regnamespace)
      and has_function_privilege(%s, p.oid, 'execute')"""
OWNERS = """select distinct c.relowner::regrole::text from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'tracker'::regnamespace)"""
OF_GAPS = {"wanted", "listening", "listening_now", "coverage_ranges", "epochs", "process_life"}
"""Of schema tracker: `coverage_gaps()` reads them with the rights of its caller."""
QUESTIONS = {
    "coverage_gaps(text,timestamp with time zone,timestamp with time zone)":
        "select * from public.coverage_gaps('1', now() - interval '1 day', now())",
    "market_coverage(text,timestamp with time zone,timestamp with time zone)":
        "select * from public.market_coverage('0x', now() - interval '1 day', now())",
    "covered_until(integer,timestamp with time zone)":
        "select tracker.covered_until(1, now())",
    "is_first_book(text,tstzrange,text)":
        "select tracker.is_first_book('1', '[2026-01-01,2026-01-02)', 'never_confirmed')",
    "candles(text,timestamp with time zone,timestamp with time zone,interval)":
        "select * from public.candles('1', now() - interval '1 day', now())",
    "labels_as_of(timestamp with time zone)": "select * from public.labels_as_of(now())",
    "trades_of_transaction(text,timestamp with time zone,timestamp with time zone)":
        "select * from public.trades_of_transaction('0x00')",
    "candle_width(timestamp with time zone,timestamp with time zone,interval)":
        "select tracker.candle_width('2026-01-01', '2026-01-02', '1 minute')",
}  # fmt: skip
OWNED = """select c.relname::text from pg_class c where c.relowner = %(role)s::regrole
    union all select n.nspname::text from pg_namespace n where n.nspowner = %(role)s::regrole
    union all select p.proname::text from pg_proc p where p.proowner = %(role)s::regrole
    union all select d.datname::text from pg_database d where d.datdba = %(role)s::regrole"""


@pytest.fixture(scope="module")
def roles(server: Server) -> Iterator[None]:
    """Remove the roles afterwards: they belong to the whole server."""
    already = {row[0] for row in ask(server.dsn, "select rolname from pg_roles")} & set(ROLES)
    yield
    for role in set(ROLES) - already:
        do(server.dsn, f"drop role if exists {role}")


@pytest.fixture(scope="module")
def secured(server: Server, roles: None) -> Iterator[str]:
    """Return a database prepared as docs/how-to/maintain.md says: roles, migrations."""
    del roles  # used for its cleanup only
    with server.database() as dsn:
        do(dsn, TEXT)
        migrate.apply(as_role(dsn, "tracker_owner"))
        yield dsn


def as_role(dsn: str, role: str) -> str:
    return make_conninfo(dsn, options=f"-c role={role}")


def test_the_tracker_runs_as_the_writer(secured: str) -> None:
    dsn = as_role(secured, "tracker_writer")
    assert migrate.check(dsn).pending == ()
    store = Store(dsn)
    try:
        assert store.open(UUID(int=1)).watermark == 1
        assert store.commit(everything()).stored == 2
        assert store.commit(everything()).duplicates == 2
        assert not any(store.open_markets())
    finally:
        store.close()
    assert ask(secured, "select count(*) from resolutions") == [(1,)]
    assert ask(secured, "select count(*) from coverage") == [(1,)]


def test_the_writer_puts_a_sequence_right_that_is_behind(secured: str) -> None:
    store = Store(as_role(secured, "tracker_writer"))
    try:
        store.open(UUID(int=1))
        store.commit(everything())
        do(secured, "select setval('assets_asset_key_seq', 1, false)")
        store.open(UUID(int=1))
        new = trade(50, token_id=TokenId("77"))
        assert store.commit(Batch(trades=(new,))).stored == 1
    finally:
        store.close()


@pytest.mark.parametrize(
    "forbidden",
    [
        "create table mine (x integer)",
        "drop table tracker.trades",
        "alter table tracker.trades add column x integer",
        "truncate tracker.trades",
        "delete from tracker.trades",
        "update tracker.trades set price = 1",
        "alter table tracker.trades disable trigger append_only",
        "drop trigger append_only on tracker.trades",
        "set session_replication_role = replica",
        "create function mine() returns integer language sql as 'select 1'",
        "create schema mine",
        "delete from resolutions",
        "update connection_events set event = 'sent_twice'",
        "update assets set token_id = 'x' || token_id",
        "update assets set asset_key = default",
        "delete from assets",
        "update resolutions set kind = 'split'",
        "delete from resolution_conflicts",
        "update resolution_conflicts set observed = ''",
        "delete from markets",
        "alter table resolutions disable trigger all",
        "insert into tracker.schema_migrations select 'x', 'y', now()",
        "create role mine",
        "create temporary table mine (x integer)",
    ],
)
def test_the_writer_may_not(secured: str, forbidden: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        do(as_role(secured, "tracker_writer"), forbidden)


def test_the_role_of_the_tracker_may_and_may_not_change_what_was_kept(secured: str) -> None:
    dsn = as_role(secured, "tracker_writer")
    store = Store(dsn)
    try:
        store.open(UUID(int=77))
        feed = Feed(store, secured)
        number = feed.reject(12, YES)
        feed.release(10)
        feed.confirm(14)
        feed.close(30)
    finally:
        store.close()
    (step,) = take_in(
        dsn, lambda each: all_of(each) if each.payload == b"%d" % number else Understood(reason="r")
    )
    assert (step.stored, step.covered) == (1, 1)
    for forbidden in ("payload = ''", "reason = ''", "seq = 1"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            do(dsn, f"update rejected_messages set {forbidden}")


def test_the_role_of_the_tracker_deletes_what_is_old_or_says_that_it_may_not(secured: str) -> None:
    store = Store(as_role(secured, "tracker_writer"))
    try:
        store.open(UUID(int=78))
        Feed(store, secured).reject(13)
        opened = ConnectionEvent(at_ns=ns(1), connection="c", event="opened", reason="")
        store.commit(Batch(events=(opened,)))
        do(secured, "update rejected_messages set received_at = now() - interval '40 days'")
        do(secured, "update connection_events set at = at - interval '91 days'")
        ((events,),) = ask(secured, "select count(*) from connection_events")
        assert events > 0
        assert store.housekeep() == Housekept(what="samples", deleted=1)
        samples = "select from rejected_messages where doubt is null and epoch is not null"
        assert ask(secured, samples) == []
        done = store.housekeep()
        assert done == Housekept(what="connection_events", deleted=events)
        done = store.housekeep()
        assert done == Housekept(what="audits", is_last=True)
        do(
            secured,
            "revoke delete on rejected_messages, connection_events, audits from tracker_writer",
        )
        forbidden = [store.housekeep() for _ in range(3)]
        assert [each.what for each in forbidden] == ["samples", "connection_events", "audits"]
        assert not any(each.permitted for each in forbidden)
        assert store.commit(Batch()).rejected == 0, "the session goes on"
    finally:
        store.close()
        migrate.apply(as_role(secured, "tracker_owner"))


def test_the_role_of_the_tracker_deletes_no_message_that_may_be_a_trade(secured: str) -> None:
    store = Store(as_role(secured, "tracker_writer"))
    try:
        store.open(UUID(int=79))
        feed = Feed(store, secured)
        feed.reject(14)  # a sample
        feed.reject(15, YES)
    finally:
        store.close()
    writer = as_role(secured, "tracker_writer")
    doubtful = "select count(*) from rejected_messages where doubt is not null"
    before = ask(secured, doubtful)
    for which in ("true", "doubt is not null", "seq is null or doubt = ''"):
        do(secured, "update rejected_messages set doubt = '' where doubt is not null")
        with pytest.raises(psycopg.errors.RestrictViolation, match="may be a trade"):
            do(writer, f"delete from rejected_messages where {which}")
    do(writer, "delete from rejected_messages where doubt is null and epoch is not null")
    assert ask(secured, doubtful) == before != [(0,)]
    do(secured, "delete from rejected_messages where doubt is not null")  # whose it is may


def test_a_role_that_may_not_says_so(secured: str) -> None:
    do(secured, "revoke all on rejected_messages from tracker_writer")
    do(secured, "grant select, insert on rejected_messages to tracker_writer")
    try:
        with pytest.raises(StoreUnavailable) as caught:
            take_in(as_role(secured, "tracker_writer"))
        assert caught.value.sqlstate == "42501"
    finally:
        migrate.apply(as_role(secured, "tracker_owner"))


def test_the_reader_reads_all_that_is_public_and_nothing_else(secured: str) -> None:
    for (relation,) in ask(secured, RELATIONS):
        schema, _, name = relation.partition(".")
        if schema == "public" or name in OF_GAPS:
            ask(as_role(secured, "tracker_reader"), f"table {relation}")
            continue
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(as_role(secured, "tracker_reader"), f"table {relation}")
    assert {f for (f,) in ask(secured, CALLABLE, "tracker_reader")} == set(QUESTIONS)
    for question in QUESTIONS.values():
        ask(as_role(secured, "tracker_reader"), question)


PUBLIC_FUNCTIONS = """select p.oid::regprocedure::text from pg_proc p
    where p.pronamespace = 'public'::regnamespace"""


def test_a_reader_made_as_the_page_says_reads_every_public_relation_and_function(
    server: Server, secured: str
) -> None:
    page = (SQL.parent / "docs" / "how-to" / "query.md").read_text()
    (prints,) = re.findall(r"```sql\n(select format\('grant tracker_reader.*?)```", page, re.DOTALL)
    ((grant,),) = ask(secured, prints)
    name = "reader_of_the_page"
    do(server.dsn, f"create role {name} login")
    try:
        do(secured, f"{grant.rpartition(' ')[0]} {name}")
        reader = make_conninfo(secured, user=name)
        relations = [each for (each,) in ask(secured, RELATIONS) if each.startswith("public.")]
        assert len(relations) > 15
        for relation in relations:
            ask(reader, f"select * from {relation}")
        functions = [each for (each,) in ask(secured, PUBLIC_FUNCTIONS)]
        assert len(functions) >= 4
        for function in functions:
            ask(reader, QUESTIONS[function])
    finally:
        do(server.dsn, f"drop role {name}")


@pytest.fixture
def stranger(server: Server) -> Iterator[str]:
    do(server.dsn, "create role stranger login")
    yield "stranger"
    do(server.dsn, "drop role stranger")


def test_a_stranger_who_may_connect_finds_nothing(secured: str, stranger: str) -> None:
    do(secured, f"grant connect on database {name_of(secured)} to {stranger}")
    do(secured, f"grant usage on schema public, tracker to {stranger}")
    as_stranger = as_role(secured, stranger)
    try:
        tables = [f"table {relation}" for (relation,) in ask(secured, RELATIONS)]
        calls = ["select tracker.add_trade_day('2026-01-01')", *QUESTIONS.values()]
        storing = [
            "create temporary table mine ()",
            "create table public.mine ()",
            "select lo_create(0)",
        ]
        for attack in (*tables, *calls, *storing):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                do(as_stranger, attack)
        assert ask(secured, CALLABLE, stranger) == []
    finally:
        do(secured, f"drop owned by {stranger}")


def test_everybody_has_no_right_to_anything_of_ours(secured: str) -> None:
    to_everybody = """
        select c.relname::text, (aclexplode(c.relacl)).grantee from pg_class c
        where c.relnamespace in ('public'::regnamespace, 'tracker'::regnamespace)
        union all
        select n.nspname::text, (aclexplode(n.nspacl)).grantee from pg_namespace n
        where n.nspname in ('public', 'tracker')
        union all
        select p.proname::text,
               (aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))).grantee
        from pg_proc p where p.pronamespace in ('public'::regnamespace, 'tracker'::regnamespace)
        union all
        select d.datname::text, (aclexplode(coalesce(d.datacl, acldefault('d', d.datdba)))).grantee
        from pg_database d where d.datname = current_database()"""
    assert [name for name, grantee in ask(secured, to_everybody) if grantee == 0] == []


def test_the_tracker_and_its_readers_own_nothing(secured: str) -> None:
    for role in ("tracker_writer", "tracker_reader"):
        with psycopg.connect(secured) as connection:
            assert connection.execute(OWNED, {"role": role}).fetchall() == []
        assert ask(secured, "select pg_has_role(%s, 'tracker_owner', 'member')", role) == [(False,)]
    assert ask(secured, OWNERS) == [("tracker_owner",)]


def test_the_relations_that_roles_sql_takes_over_are_all_that_are_public(secured: str) -> None:
    named = set(
        re.findall(
            r"'(\w+)'", TEXT.partition("ours constant text[] := array[")[2].partition("]")[0]
        )
    )
    public = ask(
        secured,
        """select c.relname::text from pg_class c
           where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
           union select p.proname::text from pg_proc p
           where p.pronamespace = 'public'::regnamespace""",
    )
    assert named == {name for (name,) in public}


# ------------------------------------------------------------------- migrating


@pytest.mark.parametrize("role", ["tracker_writer", "tracker_reader"])
def test_a_role_that_may_not_migrate_is_told_who_may(
    server: Server, roles: None, role: str, tmp_path: Path
) -> None:
    del roles
    with server.database() as dsn:
        do(dsn, TEXT)
        with pytest.raises(SchemaMismatch, match=rf"(?s){name_as(dsn)}.*--migrate.*tracker_owner"):
            migrate.apply(as_role(dsn, role))
        migrate.apply(as_role(dsn, "tracker_owner"))
        folder = Path(shutil.copytree(MIGRATIONS, tmp_path / "newer"))
        (folder / "9000_add_note.sql").write_text("create table tracker.note (a int);")
        with pytest.raises(SchemaMismatch, match=r"9000_add_note|may not apply"):
            migrate.apply(as_role(dsn, role), folder)
        writer = as_role(dsn, "tracker_writer")
        store = MigratingStore(writer, rule=MigrationRule(allowed=True), folder=folder)
        with pytest.raises(SchemaMismatch, match="may not apply"):
            store.open(UUID(int=1))
        assert ask(dsn, "select to_regclass('tracker.note')") == [(None,)]
        owner = as_role(dsn, "tracker_owner")
        store = MigratingStore(writer, owner=owner, rule=MigrationRule(allowed=True), folder=folder)
        store.open(UUID(int=1))
        store.close()
        assert ask(dsn, "select count(*) from tracker.note") == [(0,)]


def name_as(dsn: str) -> str:
    """Return as whom the server knows an address of `as_role`."""
    return str(conninfo_to_dict(dsn)["user"])


def test_an_administrator_migrates_as_the_owner(server: Server, roles: None) -> None:
    del roles
    with server.database() as dsn:
        do(dsn, TEXT)
        migrate.apply(dsn)
        assert ask(dsn, OWNERS) == [("tracker_owner",)]
        store = Store(as_role(dsn, "tracker_writer"))
        store.open(UUID(int=1))
        assert store.commit(everything()).stored == 2
        store.close()


def test_an_installation_of_before_moves_to_the_roles(server: Server, roles: None) -> None:
    """As docs/how-to/maintain.md says, with the statements that stand there."""
    del roles
    page = (SQL.parent / "docs" / "how-to" / "maintain.md").read_text()
    name = "tracker_before"
    do(server.dsn, f"create role {name} login")
    try:
        with server.database() as dsn:
            do(dsn, f"alter database {name_of(dsn)} owner to {name}")
            do(dsn, f"grant create on schema public to {name}")
            old = make_conninfo(dsn, user=name)
            migrate.apply(old)
            store = Store(old)
            store.open(UUID(int=1))
            assert store.commit(everything()).stored == 2
            do(old, "create view public.mine as select 1 as x")

            do(dsn, TEXT)
            migrate.apply(dsn)
            with pytest.raises(StoreUnavailable, match="permission denied"):
                store.commit(Batch(trades=(trade(9),)))
            for said in (
                "alter database polymarket owner to postgres",
                "drop owned by tracker; drop role tracker",
            ):
                assert said in page
            do(dsn, f"alter database {name_of(dsn)} owner to current_user")
            with psycopg.connect(dsn) as connection:
                left = connection.execute(OWNED, {"role": name}).fetchall()
            assert {each for (each,) in left} == {"mine"}, "what is not the tracker's"
            do(dsn, f"drop owned by {name}")
            do(dsn, f"drop role {name}")

            store = Store(as_role(dsn, "tracker_writer"))
            store.open(UUID(int=1))
            assert store.commit(everything()).duplicates == 2
            assert store.commit(Batch(trades=(trade(9), trade(86_400)))).stored == 2
            store.close()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                do(as_role(dsn, "tracker_writer"), "delete from tracker.trades")
    finally:
        do(server.dsn, f"drop role if exists {name}")


def test_roles_sql_may_run_again_at_any_time(secured: str) -> None:
    for _ in range(2):
        do(secured, TEXT)
    test_the_tracker_and_its_readers_own_nothing(secured)


def test_the_reader_asks_for_candles_and_is_told_what_is_wrong(secured: str) -> None:
    dsn = as_role(secured, "tracker_reader")
    assert len(ask(dsn, "select * from candles('1', now() - interval '1 hour', now())")) >= 60
    assert ask(dsn, "select * from trades_of_transaction('0xab')") == []
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="candles: "):
        ask(dsn, "select * from candles('1', now(), 'infinity')")


@pytest.mark.parametrize(
    "forbidden",
    [
        "select * from tracker.trades",
        "select * from tracker.journals",
        "select * from tracker.unresolved",
        "select * from tracker.schema_migrations",
        "insert into markets (condition_id) values ('0x1')",
        "update assets set outcome = 'x'",
        "select tracker.add_trade_day('2026-01-01')",
        "delete from resolutions",
        "truncate rejected_messages",
        "create table mine (x integer)",
        "select setval('assets_asset_key_seq', 1)",
    ],
)
def test_the_reader_may_not(secured: str, forbidden: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        do(as_role(secured, "tracker_reader"), forbidden)


def test_the_reader_may_only_read(secured: str) -> None:
    granted = ask(
        secured,
        "select distinct privilege_type from information_schema.role_table_grants"
        " where grantee = 'tracker_reader'",
    )
    assert granted == [("SELECT",)]


def test_other_roles_cannot_connect(secured: str) -> None:
    rows = ask(secured, "select has_database_privilege('public', %s, 'connect')", name_of(secured))
    assert rows == [(False,)]


def test_a_tracker_that_may_not_write_says_so_and_keeps_its_journal(secured: str) -> None:
    store = Store(as_role(secured, "tracker_reader"))
    with pytest.raises(StoreUnavailable, match="permission denied"):
        store.open(UUID(int=1))
    store.close()
