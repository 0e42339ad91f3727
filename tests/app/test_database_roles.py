"""A run stores as a role that owns nothing, and migrates as the owner."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from actors.app.database_of import database_of
from actors.app.factory import database, migrating_store
from actors.app.places import DATABASE
from actors.cli.main import main
from actors.config.load import Config, load
from actors.database.schema.opening import MigrationRule
from actors.database.server.embedded import Embedded
from actors.model.storage import Batch
from tests.database.samples import trade
from tests.postgres import ask, do, open_folder

WHO = "select current_user::text, session_user::text"
OWNERS = """select distinct c.relowner::regrole::text from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'tracker'::regnamespace)"""


@pytest.fixture
def state_dir() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


def config_of(state_dir: Path, url: str = "") -> Config:
    given = {"TRACKER_STATE_DIR": str(state_dir)} | ({"TRACKER_DATABASE_URL": url} if url else {})
    return load((), given).config


def only_stores(dsn: str) -> None:
    assert ask(dsn, WHO) == [("tracker_writer", "tracker_writer")]
    for forbidden in ("delete from tracker.trades", "create table public.mine ()"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            do(dsn, forbidden)


@pytest.mark.live
def test_a_run_with_the_embedded_database_stores_as_the_writer_and_migrates_as_the_owner(
    state_dir: Path,
) -> None:
    config = config_of(state_dir)
    with ExitStack() as ends:

        def at_end(stop: Callable[[], None]) -> None:
            ends.callback(stop)

        used = database(config, state_dir, at_end)
        store = migrating_store(used, MigrationRule(allowed=True))
        store.open(UUID(int=1))
        assert store.commit(Batch(trades=(trade(1),))).stored == 1
        store.close()
        only_stores(used.dsn.dsn)
        assert ask(used.owner.dsn, WHO) == [("tracker_owner", "tracker_owner")]
        assert ask(used.owner.dsn, OWNERS) == [("tracker_owner",)]
        with database_of(config) as beside:  # a command while it runs
            only_stores(beside)
    with database_of(config) as alone:
        only_stores(alone)


@pytest.mark.live
def test_the_embedded_database_is_migrated_by_hand_as_its_owner(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_STATE_DIR", str(state_dir))
    assert main(["--migrate"]) == 0
    server = Embedded(state_dir / DATABASE)
    server.start()
    try:
        assert ask(server.dsn(), OWNERS) == [("tracker_owner",)]
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("postgresql://a:b@db.example.com/t", [["db.example.com (sslmode=prefer)"]]),
        ("postgresql://a:b@db.example.com/t?sslmode=verify-full", []),
        ("postgresql://a:b@localhost/t", []),
    ],
)
def test_the_log_names_a_server_that_nothing_proves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, url: str, servers: list[list[str]]
) -> None:
    def nothing_to_stop(_: object) -> None:
        raise AssertionError("nothing was started")

    used = database(config_of(tmp_path, url), tmp_path, nothing_to_stop)
    assert used.embedded is None
    lines = [each for each in caplog.records if each.message == "database_unverified"]
    assert [vars(line)["servers"] for line in lines] == servers
    assert all(line.levelno == logging.WARNING for line in lines)
