"""A role that may not store: `--check` and a start end alike, a tracker that runs goes on."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from actors.app.factory import Database, check_schema
from actors.cli.main import main
from actors.database import queries
from actors.database.schema import migrate, objects
from actors.database.schema.opening import MigratingStore, MigrationRule
from actors.database.server.watchdog import MAX_WAIT_S, QueryWatchdog
from actors.database.session import check_dsn
from actors.errors import EXIT_CONFIG, ConfigError, StoreUnavailable
from actors.journal.journal import Journal
from tests.app.test_acknowledge import as_url
from tests.postgres import Server, ask, do

pytestmark = pytest.mark.db

JOURNAL = UUID(int=1)
WRITER = "test_rights_writer"
ALL = "grant select, insert, update, delete on all tables in schema public, tracker to {}"
OPEN = (
    "grant usage on schema public, tracker to {0};"
    " grant select, update on all sequences in schema public, tracker to {0}"
)


@pytest.fixture(scope="module")
def whole(server: Server, template: str) -> Iterator[str]:
    """Return a database as the owner, and a role beside it that may do nothing yet."""
    with server.database(template) as dsn:
        do(server.dsn, f"drop role if exists {WRITER}")
        do(dsn, f"create role {WRITER}")
        yield dsn
        do(dsn, f"drop owned by {WRITER}")
        do(server.dsn, f"drop role {WRITER}")


@pytest.fixture
def role(whole: str) -> Iterator[str]:
    """Return the database as a role that may store everything."""
    do(whole, f"{OPEN.format(WRITER)}; {ALL.format(WRITER)}")
    yield make_conninfo(whole, options=f"-c role={WRITER}")
    do(whole, f"drop owned by {WRITER}; revoke pg_read_all_data from {WRITER}")


def start(dsn: str) -> None:
    """Open the database as a start does."""
    checked = check_dsn(dsn)
    journal = cast("Journal", SimpleNamespace(journal_id=JOURNAL, oldest_seq=1))
    watchdog = QueryWatchdog(lambda _: None, max_wait_s=lambda: MAX_WAIT_S)
    check_schema(Database(checked, checked), journal, watchdog, MigrationRule(allowed=True))


TAKEN = [
    pytest.param("revoke all on all tables in schema tracker, public from {}", id="all"),
    pytest.param("revoke usage on schema tracker from {}", id="the schema"),
    pytest.param(
        "revoke all on all tables in schema tracker, public from {0};"
        " grant pg_read_all_data to {0}",
        id="all but reading",
    ),
    *(
        pytest.param(f"revoke {right} on {table} from {{}}", id=f"{right} on {table}")
        for right, table in (
            ("select", "tracker.schema_migrations"),
            ("insert", "tracker.journals"),
            ("insert", "tracker.trades"),
            ("select", "tracker.trades"),
            ("update", "tracker.journal_progress"),
            ("update", "public.markets"),
            ("insert", "public.rejected_messages"),
            ("delete", "tracker.listening"),
        )
    ),
]


def test_a_role_that_may_store_is_none_of_them(role: str) -> None:
    migrate.check(role)
    start(role)


@pytest.mark.parametrize("taken", TAKEN)
def test_check_and_start_end_alike_and_a_tracker_that_runs_tries_again(
    whole: str, role: str, taken: str
) -> None:
    do(whole, taken.format(WRITER))
    with pytest.raises(StoreUnavailable) as checked:
        migrate.check(role)
    assert checked.value.sqlstate == "42501"

    with pytest.raises(ConfigError) as started:
        start(role)
    assert str(checked.value) in str(started.value)
    assert "tracker_writer" in str(started.value)

    running = MigrationRule(allowed=True)
    running.is_starting = False
    store = MigratingStore(role, rule=running)
    with pytest.raises(StoreUnavailable, match=str(checked.value)):
        store.open(JOURNAL)
    do(whole, f"{OPEN.format(WRITER)}; {ALL.format(WRITER)}")
    store.open(JOURNAL)
    store.close()


def test_what_it_may_not_do_is_named(whole: str, role: str) -> None:
    do(whole, f"revoke insert on tracker.trades, public.markets from {WRITER}")
    with pytest.raises(StoreUnavailable) as found:
        migrate.check(role)
    assert str(found.value) == (
        f"the role {WRITER} lacks the rights insert on public.markets, insert on tracker.trades"
    )


def test_rights_to_columns_count(whole: str, role: str) -> None:
    """A right to some columns may be all that is needed: no start ends because of the others."""
    do(whole, f"revoke update on public.assets from {WRITER}")
    do(whole, f"grant update (outcome) on public.assets to {WRITER}")
    start(role)


def test_every_table_that_is_there_is_asked_about(whole: str, role: str) -> None:
    do(whole, f"revoke all on all tables in schema tracker, public from {WRITER}")
    with psycopg.connect(role) as connection:
        lacked = connection.execute(queries.SELECT_MISSING_RIGHTS).fetchall()
    for right in ("select", "insert"):
        asked = {table for own, table, _ in lacked if own == right}
        assert {f"table {table}" for table in asked} == {str(each) for each in tables(whole)}


def tables(dsn: str) -> list[objects.Object]:
    with psycopg.connect(dsn) as connection:
        return [each for each in objects.look(connection) if each.kind == "table"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--retire", "x"],
        ["--reingest"],
        ["--acknowledge", "0x" + "1" * 64, "--reason", "x"],
        ["--check"],
    ],
)
def test_who_only_reads_is_told_which_role_it_takes(
    whole: str,
    role: str,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    do(whole, f"revoke all on all tables in schema tracker, public from {WRITER}")
    monkeypatch.setenv("TRACKER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TRACKER_DATABASE_URL", as_url(role))
    assert main(arguments) == EXIT_CONFIG
    said = capsys.readouterr().err
    assert "permission denied" in said
    assert "name a role that may" in said
    assert "tracker_writer" in said
    assert ask(whole, "select count(*) from tracker.journals where retired_at is not null") == [
        (0,)
    ]


def test_rights_are_granted_before_a_column_is_there_that_a_migration_adds(
    server: Server, template: str
) -> None:
    """An embedded database gets them at each start, and an older one is migrated afterwards."""
    with server.database(template) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(queries.ROLES)
        connection.execute("set role tracker_owner")
        connection.execute(
            "alter table public.resolution_conflicts drop column clearance_recorded_at cascade"
        )
        connection.execute(queries.SET_SEARCH_PATH)
        connection.execute(queries.GRANT_RIGHTS)
