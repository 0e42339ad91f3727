"""Migrations are applied once each, completely or not at all, and never edited."""

import shutil
import threading
from pathlib import Path

import pytest

from actors.database.schema import migrate, versions
from actors.database.schema.migration_files import MAY_WRITE, MIGRATIONS, MUST_NOT_WRITE, migrations
from actors.database.session import Session
from actors.errors import SchemaMismatch, SchemaNewer, StoreUnavailable
from tests.postgres import ask, do

pytestmark = pytest.mark.db

ALL = tuple(each.name for each in migrations())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the migrations that a test may change."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))


def applied(database: str) -> list[tuple[str, ...]]:
    return ask(database, "select name from tracker.schema_migrations order by name")


def test_an_empty_database_gets_all_of_them_in_order(empty_database: str) -> None:
    assert migrate.check(empty_database).pending == ALL
    assert migrate.apply(empty_database) == ALL
    assert applied(empty_database) == [(name,) for name in ALL]
    assert migrate.check(empty_database).pending == ()


def test_a_second_run_finds_nothing_to_do(database: str) -> None:
    assert migrate.apply(database) == ()
    session = Session(database)
    versions.verify(session.connection)
    session.close()


def test_a_check_changes_nothing(empty_database: str) -> None:
    migrate.check(empty_database)
    assert ask(empty_database, "select count(*) from pg_tables where schemaname = 'public'") == [
        (0,)
    ]


def test_a_new_migration_is_applied_alone(database: str, folder: Path) -> None:
    (folder / "9000_add_note.sql").write_text("-- 100% new\ncreate table tracker.note (a int);")
    assert migrate.check(database, folder).pending == ("9000_add_note.sql",)
    assert migrate.apply(database, folder) == ("9000_add_note.sql",)
    assert ask(database, "select count(*) from note") == [(0,)]


def test_a_failing_migration_leaves_no_trace(database: str, folder: Path) -> None:
    (folder / "9000_add_note.sql").write_text("create table tracker.note (a int);")
    (folder / "9001_break.sql").write_text("create table tracker.other (a int); select 1/0;")
    with pytest.raises(SchemaMismatch, match=r"9001_break\.sql does not fit.*division by zero"):
        migrate.apply(database, folder)
    assert applied(database)[-1] == ("9000_add_note.sql",)
    assert ask(database, "select to_regclass('other')") == [(None,)]


def test_an_edited_migration_is_rejected_with_its_name(database: str, folder: Path) -> None:
    edited = folder / ALL[1]
    edited.write_text(edited.read_text() + "\n-- a harmless remark\n")
    with pytest.raises(SchemaMismatch, match=rf"{ALL[1]} was edited.*new migration"):
        migrate.check(database, folder)
    with pytest.raises(SchemaMismatch, match="was edited"):
        migrate.apply(database, folder)


def test_a_database_of_a_newer_version_is_rejected(database: str) -> None:
    do(database, "insert into tracker.schema_migrations values ('9999_from_tomorrow.sql', 'x')")
    session = Session(database)
    with pytest.raises(SchemaNewer, match=r"9999_from_tomorrow\.sql.*newer"):
        versions.verify(session.connection)
    session.close()
    for work in (migrate.apply, migrate.check):
        with pytest.raises(SchemaMismatch, match=r"9999_from_tomorrow\.sql.*newer"):
            work(database)


def test_a_migration_records_whether_the_versions_before_it_may_write(
    database: str, folder: Path
) -> None:
    heads = {"9000_add_a.sql": MAY_WRITE, "9001_add_b.sql": MUST_NOT_WRITE, "9002_add_c.sql": b"--"}
    for number, (name, head) in enumerate(heads.items()):
        (folder / name).write_bytes(head + b"\ncreate table tracker.t%d (a int);" % number)
    migrate.apply(database, folder)
    assert ask(
        database,
        "select name, previous_may_write from schema_migrations where name > '9' order by name",
    ) == [("9000_add_a.sql", True), ("9001_add_b.sql", False), ("9002_add_c.sql", False)]


def test_a_newer_migration_that_allows_it_is_no_reason_to_stop(database: str, folder: Path) -> None:
    (folder / "9000_add_note.sql").write_bytes(MAY_WRITE + b"\ncreate table tracker.note (a int);")
    migrate.apply(database, folder)
    session = Session(database)
    assert versions.verify(session.connection) == ("9000_add_note.sql",)
    session.close()
    assert migrate.apply(database) == ()


def test_a_database_from_before_the_tables_were_settled_is_named_and_left_alone(
    empty_database: str,
) -> None:
    do(empty_database, "create table public.prints (a int)")
    do(empty_database, "create table public.schema_migrations (name text)")
    for look in (migrate.check, migrate.apply):
        with pytest.raises(SchemaMismatch, match=r"before the tables were settled.*another"):
            look(empty_database)
    count = "select count(*) from pg_tables where schemaname in ('public', 'tracker')"
    assert ask(empty_database, count) == [(2,)]


def test_an_older_database_is_not_verified(database: str, folder: Path) -> None:
    (folder / "9000_add_note.sql").write_text("create table tracker.note (a int);")
    (folder / "9001_add_note.sql").write_text("create table tracker.other (a int);")
    session = Session(database)
    with pytest.raises(SchemaMismatch, match=r"lacks 9000_add_note\.sql and 1 more.*--migrate"):
        versions.verify(session.connection, folder)
    session.close()


def test_two_at_once_apply_each_migration_once(empty_database: str) -> None:
    results: list[tuple[str, ...]] = []
    threads = [
        threading.Thread(target=lambda: results.append(migrate.apply(empty_database)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(name for one in results for name in one) == list(ALL)
    assert applied(empty_database) == [(name,) for name in ALL]


def test_a_server_that_is_away_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        migrate.check("host=/nonexistent dbname=x")


def test_names_are_numbers_verb_object_and_each_says_why() -> None:
    for each in migrations():
        assert each.name.removesuffix(".sql").split("_")[1] in {"create", "add", "change", "drop"}
        assert each.text.startswith(b"-- Why: ")
        assert b"-- Locks: " in each.text
    numbers = [int(name[:4]) for name in ALL]
    assert numbers == list(range(1, len(ALL) + 1))


def test_each_says_whether_the_versions_before_it_may_go_on_writing() -> None:
    # The first eight are older than the rule, and what is applied is never edited.
    for each in migrations()[8:]:
        head = each.text.partition(b"\n\n")[0].splitlines()
        assert (MAY_WRITE in head) != (MUST_NOT_WRITE in head), each.name
