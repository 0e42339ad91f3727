"""A server that would lose rows is not used; one that a loss of power may damage is named."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from actors.database.schema import migrate
from actors.database.schema.migration_files import migrations
from actors.database.schema.opening import MigratingStore, MigrationRule
from actors.database.server.embedded import Embedded
from actors.database.server.facts import require_timescale
from actors.database.store import Store
from actors.errors import ConfigError
from tests.postgres import Server, ask, do, name_of

LOSING = (
    *("2.0.0", "2.9.3", "2.17.2", "2.18", "2.18.0"),
    *("2.18.1-dev", "2.18.1-rc1", "1.7.5", "2.18.0-dev", "0.1", "newest", ""),
)
RIGHT = ("2.18.1", "2.18.2", "2.18.10", "2.19.0", "2.19.0-dev", "2.28.3", "3.0", "10.1.2")


@pytest.mark.parametrize("version", LOSING)
def test_a_timescaledb_that_loses_rows_is_rejected_by_name(version: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_timescale(version)
    said = str(caught.value)
    assert f"TimescaleDB {version or '(unknown)'}" in said
    assert "2.18.1" in said  # what to do
    assert "\n" not in said


@pytest.mark.parametrize("version", RIGHT)
def test_one_that_keeps_them_is_taken(version: str) -> None:
    require_timescale(version)


@pytest.fixture
def old_timescale(database: str) -> str:
    """Return a database that says of itself that it has TimescaleDB 2.18.0."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("set allow_system_table_mods = on")
        connection.execute(
            "insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable,"
            " extversion) values (4242, 'timescaledb', 10, 'public'::regnamespace, false, '2.18.0')"
        )
    return database


@pytest.mark.db
def test_nothing_is_opened_migrated_or_found_well_there(old_timescale: str) -> None:
    store = Store(old_timescale)
    for use in (
        lambda: store.open(UUID(int=1)),
        lambda: migrate.apply(old_timescale),
        lambda: migrate.check(old_timescale),
    ):
        with pytest.raises(ConfigError, match=r"TimescaleDB 2\.18\.0"):
            use()
    assert ask(old_timescale, "select count(*) from tracker.journals") == [(0,)]


@pytest.fixture
def old_one_available(server: Server, tmp_path: Path) -> Iterator[str]:
    """Return an empty database on which the first migration would create TimescaleDB 2.18.0."""
    with psycopg.connect(server.dsn) as connection:
        if connection.info.server_version < 180000:
            pytest.skip("needs PostgreSQL 18, whose extensions may be in any folder")
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(0o755)
    extensions = tmp_path / "extension"
    extensions.mkdir()
    (extensions / "timescaledb.control").write_text("default_version = '2.18.0'\n")
    with server.database() as dsn:
        places = f"{tmp_path}:$system".replace("$", "\\$")
        loaded = "-c timescaledb.max_background_workers=1"
        yield make_conninfo(dsn, options=f"-c extension_control_path={places} {loaded}")


@pytest.mark.db
def test_an_old_one_is_rejected_before_the_first_migration_creates_it(
    old_one_available: str,
) -> None:
    for use in (
        lambda: migrate.check(old_one_available),
        lambda: migrate.apply(old_one_available),
        lambda: MigratingStore(old_one_available, rule=MigrationRule(allowed=True)).open(
            UUID(int=1)
        ),
    ):
        with pytest.raises(ConfigError, match=r"TimescaleDB 2\.18\.0.*tracker\.timescale"):
            use()
    assert ask(old_one_available, "select count(*) from pg_extension") == [(1,)]
    tables = "select count(*) from pg_tables where schemaname = 'public'"
    assert ask(old_one_available, tables) == [(0,)]


@pytest.mark.db
def test_it_is_not_rejected_where_it_is_not_to_be_used(old_one_available: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(old_one_available)["dbname"]
    do(old_one_available, f"alter database {name} set tracker.timescale = 'off'")
    assert migrate.apply(old_one_available) == tuple(each.name for each in migrations())


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """Return a server whose settings may be changed."""
    root = Path(tempfile.mkdtemp(prefix="tracker-"))
    root.chmod(0o755)
    embedded = Embedded(root / "pg")
    try:
        embedded.start()
        dsn = embedded.dsn()
        migrate.apply(dsn)
        yield Server(dsn)
    finally:
        embedded.stop()
        shutil.rmtree(root)


@pytest.mark.db
@pytest.mark.parametrize("fsync", ["on", "off"])
@pytest.mark.parametrize("full_page_writes", ["on", "off"])
def test_settings_by_which_a_loss_of_power_may_damage_it_are_named(
    own_server: Server, fsync: str, full_page_writes: str
) -> None:
    wanted = {"fsync": fsync, "full_page_writes": full_page_writes}
    set_all(own_server.dsn, wanted)
    unsafe = tuple(f"{name}=off" for name, value in wanted.items() if value == "off")
    store = Store(own_server.dsn)
    assert store.open(UUID(int=1)).unsafe == unsafe
    store.close()
    assert migrate.check(own_server.dsn).unsafe == unsafe


@pytest.mark.db
@pytest.mark.parametrize("value", ["replica", "local", "origin"])
def test_a_setting_without_which_no_trigger_runs_is_named(database: str, value: str) -> None:
    """No change of a market would be kept, and what is recorded could be changed."""
    do(database, f"alter database {name_of(database)} set session_replication_role = {value}")
    store = Store(database)
    found = [each for each in store.open(UUID(int=1)).unsafe if "replication" in each]
    store.close()

    assert found == (["session_replication_role=replica"] if value == "replica" else [])
    assert set(found) <= set(migrate.check(database).unsafe)


def set_all(dsn: str, values: dict[str, str]) -> None:
    """Give the server these settings, and wait until a new session has them."""
    for name, value in values.items():
        do(dsn, f"alter system set {name} = {value}")
    do(dsn, "select pg_reload_conf()")
    end = time.monotonic() + 30
    while {name: ask(dsn, f"show {name}")[0][0] for name in values} != values:
        assert time.monotonic() < end
