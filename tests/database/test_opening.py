"""A database that a running tracker meets is migrated only when no restore can be disturbed."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from actors.database.schema import migrate
from actors.database.schema.migration_files import MAY_WRITE, MIGRATIONS, migrations
from actors.database.schema.opening import EMPTY_S, MigratingStore, MigrationRule
from actors.database.server.postgres_binaries import find_binaries
from actors.errors import SchemaMismatch, StoreUnavailable
from actors.model.storage import Batch
from tests.database.samples import trade
from tests.postgres import Server, ask, do

pytestmark = pytest.mark.db

JOURNAL = UUID(int=1)
ALL = tuple(each.name for each in migrations())
RELATIONS = """select count(*)::int from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'tracker')"""


class Running:
    """The stores of a process whose start is over, and its clock."""

    def __init__(self, *, allowed: bool = True) -> None:
        self.now = 1_000.0
        self.rule = MigrationRule(allowed=allowed, monotonic=lambda: self.now)
        self.rule.is_starting = False

    def store(self, dsn: str, folder: Path = MIGRATIONS) -> MigratingStore:
        return MigratingStore(dsn, rule=self.rule, folder=folder)

    def open(self, dsn: str, folder: Path = MIGRATIONS) -> None:
        store = self.store(dsn, folder)  # a new one: the writer may have been restarted
        store.open(JOURNAL)
        store.close()

    def rejects(self, dsn: str, words: str, folder: Path = MIGRATIONS) -> None:
        before = ask(dsn, RELATIONS)
        with pytest.raises(SchemaMismatch, match=words):
            self.open(dsn, folder)
        assert ask(dsn, RELATIONS) == before


@pytest.fixture
def running(server: Server, template: str) -> Running:
    """Return a process that has opened a whole database."""
    found = Running()
    with server.database(template) as dsn:
        found.open(dsn)
    return found


def test_a_start_migrates_an_empty_database_at_once(empty_database: str) -> None:
    store = MigratingStore(empty_database, rule=MigrationRule(allowed=True))
    store.open(JOURNAL)
    store.close()
    assert ask(empty_database, "select count(*) from tracker.schema_migrations") == [(len(ALL),)]


def test_one_that_stays_empty_gets_its_tables_after_a_minute(
    running: Running, empty_database: str
) -> None:
    for _ in range(6):
        running.rejects(empty_database, r"is empty.*a restore is about to fill it.*60 s")
        running.now += EMPTY_S / 6
    running.open(empty_database)
    assert ask(empty_database, "select count(*) from tracker.schema_migrations") == [(len(ALL),)]


def test_roles_and_extensions_that_were_made_before_do_not_fill_it(
    running: Running, empty_database: str
) -> None:
    do(empty_database, "create schema tracker")
    for name in ("pg_stat_statements", "hstore"):  # views and functions
        if ask(empty_database, f"select from pg_available_extensions where name = '{name}'"):
            do(empty_database, f"create extension {name}")
    running.rejects(empty_database, "is empty")
    running.now += EMPTY_S
    running.open(empty_database)


def test_the_minute_begins_anew_when_it_was_away_or_filled(
    running: Running, empty_database: str
) -> None:
    running.rejects(empty_database, "is empty")
    running.now += EMPTY_S - 1
    with pytest.raises(StoreUnavailable):
        running.open("host=/nonexistent dbname=x")
    running.now += 1
    running.rejects(empty_database, "is empty")

    running.now += EMPTY_S - 1
    do(empty_database, "create function public.f() returns int language sql as 'select 1'")
    running.rejects(empty_database, "lacks 0001.*an older copy, or another one")
    do(empty_database, "drop function public.f()")
    running.now += 1
    running.rejects(empty_database, "is empty")
    running.now += EMPTY_S
    running.open(empty_database)


def test_one_with_something_else_in_it_is_never_migrated(
    running: Running, empty_database: str
) -> None:
    do(empty_database, "create table public.assets (x int)")
    for _ in range(3):
        running.rejects(empty_database, r"has public\.assets and no record.*half restored")
        running.now += EMPTY_S
    do(empty_database, "alter table public.assets rename to other")
    for _ in range(3):
        running.rejects(empty_database, "lacks 0001.*another one.*--migrate")
        running.now += EMPTY_S
    do(empty_database, "alter table public.other rename to markets")
    running.rule.is_starting = True
    running.rejects(empty_database, r"has public\.markets and no record")


@pytest.fixture
def longer(tmp_path: Path) -> Path:
    """Return the migrations of a version that has one more."""
    folder = Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
    (folder / "9000_add_note.sql").write_bytes(MAY_WRITE + b"\ncreate table tracker.note (a int);")
    return folder


def test_an_older_copy_is_left_to_the_person_who_put_it_there(
    running: Running, database: str, longer: Path
) -> None:
    for _ in range(3):
        running.rejects(database, r"lacks 9000_add_note\.sql.*older copy.*--migrate", longer)
        running.now += EMPTY_S
    assert migrate.apply(database, longer) == ("9000_add_note.sql",)
    running.open(database, longer)


def test_a_start_that_found_none_brings_an_older_one_up_to_date(
    database: str, longer: Path
) -> None:
    found = Running()
    found.open(database, longer)
    assert migrate.check(database, longer).pending == ()


def test_a_migration_that_was_cut_off_goes_on(
    running: Running, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.rejects(empty_database, "is empty")
    running.now += EMPTY_S
    whole: Callable[..., Any] = migrate._Migrating._apply
    applied: list[str] = []

    def cut(migrating: Any, session: Any, migration: Any, *rest: Any) -> Any:
        if len(applied) == 3:
            raise StoreUnavailable("cut")
        applied.append(migration.name)
        return whole(migrating, session, migration, *rest)

    monkeypatch.setattr(migrate._Migrating, "_apply", cut)
    with pytest.raises(StoreUnavailable, match="cut"):
        running.open(empty_database)
    monkeypatch.undo()
    with pytest.raises(StoreUnavailable):
        running.open("host=/nonexistent dbname=x")
    running.open(empty_database)
    assert migrate.check(empty_database).pending == ()


def test_one_that_may_not_migrate_says_so_and_never_does(empty_database: str) -> None:
    found = Running(allowed=False)
    for _ in range(3):
        found.rejects(empty_database, "lacks 0001.*--migrate")
        found.now += EMPTY_S


# ------------------------------------------------------------------- a real restore


def run(program: str, *arguments: str) -> str:
    """Run a program of PostgreSQL; it must find nothing wrong. Return what it printed."""
    command = [str(find_binaries() / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def dump(database: str, tmp_path: Path) -> Path:
    """Return a dump of a database with a trade."""
    if not (find_binaries() / "pg_restore").exists():
        pytest.skip("no pg_restore")
    ((version,),) = ask(database, "show server_version")
    if run("pg_dump", "--version").split()[2].split(".")[0] != version.split(".")[0]:
        pytest.skip("pg_dump is of another version than the server")
    store = MigratingStore(database, rule=MigrationRule(allowed=True))
    store.open(JOURNAL)
    store.commit(Batch(trades=(trade(1),), watermark=2))
    store.close()
    run("pg_dump", "--format=custom", f"--file={tmp_path / 'dump'}", database)
    return tmp_path / "dump"


def test_between_the_parts_of_a_restore_nothing_is_changed_and_then_it_is_used(
    running: Running, empty_database: str, dump: Path
) -> None:
    running.rejects(empty_database, "is empty")
    found = []
    for part in ("pre-data", "data", "post-data"):
        run("pg_restore", f"--section={part}", f"--dbname={empty_database}", str(dump))
        if part != "post-data":
            running.now += 10 * EMPTY_S
            found.append(ask(empty_database, RELATIONS))
            running.rejects(empty_database, "half restored")
    store = running.store(empty_database)
    opened = store.open(JOURNAL)
    assert (opened.is_new, opened.watermark) == (False, 2)
    assert store.commit(Batch(trades=(trade(1), trade(2)), watermark=3)).stored == 1
    store.close()


def test_a_restore_is_never_disturbed_whatever_item_it_is_at(
    running: Running, empty_database: str, dump: Path, tmp_path: Path
) -> None:
    lines = run("pg_restore", "--list", str(dump)).splitlines()
    items = [line for line in lines if line and not line.startswith(";")]
    opened_at = None
    for number, item in enumerate(items):
        (tmp_path / "list").write_text(item + "\n")
        run(
            "pg_restore", f"--use-list={tmp_path / 'list'}", f"--dbname={empty_database}", str(dump)
        )
        running.now += EMPTY_S - 1 if number == 0 else 10 * EMPTY_S
        if opened_at is None:
            try:
                running.open(empty_database)
            except SchemaMismatch:
                continue
            opened_at = number
    assert opened_at is not None
    # From then on only what the tracker does not need is still made.
    left = {item.split()[3] for item in items[opened_at + 1 :]}
    assert left <= {"FK", "COMMENT", "ACL", "DEFAULT"}, left
    assert migrate.check(empty_database).missing == ()
