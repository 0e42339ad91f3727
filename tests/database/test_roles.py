"""sql/roles.sql: the tracker needs no more than its role allows, and readers only read."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from actors.database.commands.kept import Understood
from actors.database.queries import SQL
from actors.database.schema import migrate
from actors.database.store import Store
from actors.errors import StoreUnavailable
from actors.model.storage import Batch, Housekept
from actors.model.trade import TokenId
from tests.database.everything import everything
from tests.database.samples import YES, trade
from tests.database.test_kept import Feed, all_of, take_in
from tests.postgres import Server, ask, do, name_of

pytestmark = pytest.mark.db

ROLES = ("tracker_owner", "tracker_writer", "tracker_reader")
READABLE = (
    "trades", "markets", "assets", "resolutions", "resolution_payouts",
    "resolution_observations", "resolution_confirmations", "resolution_conflicts",
    "unresolved_markets", "coverage", "connection_events",
    "rejected_messages",
)  # fmt: skip


@pytest.fixture(scope="module")
def roles(server: Server) -> Iterator[None]:
    """Remove the roles afterwards: they belong to the whole server."""
    already = {row[0] for row in ask(server.dsn, "select rolname from pg_roles")} & set(ROLES)
    yield
    for role in set(ROLES) - already:
        do(server.dsn, f"drop role if exists {role}")


@pytest.fixture(scope="module")
def secured(server: Server, roles: None) -> Iterator[str]:
    """Return a database prepared as docs/how-to/maintain.md says: roles, migrations, roles."""
    del roles  # used for its cleanup only
    with server.database() as dsn:
        text = (SQL / "roles.sql").read_text()
        do(dsn, text)
        migrate.apply(as_role(dsn, "tracker_owner"))
        do(dsn, text)
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
        "delete from resolutions",
        "update connection_events set event = 'sent_twice'",
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
            do(dsn, f"update rejected_messages set {forbidden}")  # noqa: S608


def test_the_role_of_the_tracker_deletes_what_is_old_or_says_that_it_may_not(secured: str) -> None:
    store = Store(as_role(secured, "tracker_writer"))
    try:
        store.open(UUID(int=78))
        Feed(store, secured).reject(13)
        do(secured, "update rejected_messages set received_at = now() - interval '40 days'")
        do(secured, "update connection_events set at = at - interval '91 days'")
        ((events,),) = ask(secured, "select count(*) from connection_events")
        assert events > 0
        assert store.housekeep() == Housekept(what="samples", deleted=1)
        samples = "select from rejected_messages where doubt is null and epoch is not null"
        assert ask(secured, samples) == []
        done = store.housekeep()
        assert done == Housekept(what="connection_events", deleted=events, is_last=True)
        do(secured, "revoke delete on rejected_messages, connection_events from tracker_writer")
        forbidden = [store.housekeep() for _ in range(2)]
        assert [each.what for each in forbidden] == ["samples", "connection_events"]
        assert not any(each.permitted for each in forbidden)
        assert store.commit(Batch()).rejected == 0, "the session goes on"
    finally:
        store.close()
        do(secured, (SQL / "roles.sql").read_text())


def test_a_role_that_may_not_says_so(secured: str) -> None:
    text = (SQL / "roles.sql").read_text()
    do(secured, "revoke all on rejected_messages from tracker_writer")
    do(secured, "grant select, insert on rejected_messages to tracker_writer")
    try:
        with pytest.raises(StoreUnavailable) as caught:
            take_in(as_role(secured, "tracker_writer"))
        assert caught.value.sqlstate == "42501"
    finally:
        do(secured, text)


@pytest.mark.parametrize("relation", READABLE)
def test_the_reader_reads_the_public_relations(secured: str, relation: str) -> None:
    ask(as_role(secured, "tracker_reader"), f"table {relation}")


def test_the_reader_asks_for_gaps(secured: str) -> None:
    query = "select * from coverage_gaps('1', now() - interval '1 day', now())"
    assert ask(as_role(secured, "tracker_reader"), query) == []


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
