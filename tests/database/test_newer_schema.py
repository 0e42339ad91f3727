"""A running tracker meets the schema of a newer version: it goes on, or leaves all to that one."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast
from uuid import UUID

import psycopg
import pytest

from actors.database import queries
from actors.database.schema import migrate
from actors.database.schema.migration_files import MAY_WRITE, MIGRATIONS, MUST_NOT_WRITE
from actors.database.schema.opening import MigratingStore, MigrationRule
from actors.database.store import Store
from actors.errors import SchemaNewer, StoreUnavailable
from actors.messages import Drain, WriterReport
from actors.model.storage import Batch
from tests.database.samples import trade
from tests.fakes import FakeJournal, FakeStore
from tests.fakes_box import drain
from tests.postgres import ask
from tests.writer.test_actor import WriterHarness

pytestmark = pytest.mark.db

TRADES = "select count(*)::int from tracker.trades"
BATCH = Batch(trades=(trade(1),), watermark=2)
Newer = Callable[[bytes], Path]


@pytest.fixture
def newer(database: str, tmp_path: Path) -> Newer:
    """Return a function that has a newer version migrate the database; it returns its folder."""

    def migrated(head: bytes) -> Path:
        folder = Path(shutil.copytree(MIGRATIONS, tmp_path / "newer"))
        (folder / "9000_add_note.sql").write_bytes(head + b"\ncreate table tracker.note (a int);")
        assert migrate.apply(database, folder) == ("9000_add_note.sql",)
        return folder

    return migrated


@pytest.fixture
def running(database: str, journal_id: UUID) -> Iterator[Store]:
    store = Store(database)
    store.open(journal_id)
    yield store
    store.close()


def test_a_version_that_must_not_write_stores_nothing_from_the_migration_on(
    database: str, running: Store, newer: Newer, journal_id: UUID
) -> None:
    newer(MUST_NOT_WRITE)
    with pytest.raises(SchemaNewer, match=r"9000_add_note\.sql.*install"):
        running.commit(BATCH)
    assert ask(database, TRADES) == [(0,)]
    assert ask(database, "select mark from tracker.journal_progress") == [(1,)]
    with pytest.raises(SchemaNewer, match=r"9000_add_note\.sql"):
        running.open(journal_id)
    with pytest.raises(SchemaNewer):
        MigratingStore(database, rule=MigrationRule(allowed=True)).open(journal_id)


def test_a_version_that_may_write_goes_on_and_can_start_again(
    database: str, running: Store, newer: Newer, journal_id: UUID
) -> None:
    newer(MAY_WRITE)
    assert running.commit(BATCH).stored == 1
    assert running.open(journal_id).watermark == 2
    assert running.commit(Batch(trades=(trade(2),), watermark=3)).stored == 1
    assert ask(database, TRADES) == [(2,)]


def test_what_is_committed_during_the_migration_waits_for_its_end_and_is_not_stored(
    database: str, running: Store
) -> None:
    failed: list[Exception] = []

    def commit() -> None:
        try:
            running.commit(BATCH)
        except (SchemaNewer, StoreUnavailable) as exc:
            failed.append(exc)

    with psycopg.connect(database) as migrating:
        migrating.execute(queries.STOP_WRITERS)
        writer = threading.Thread(target=commit)
        writer.start()
        waiting = "select count(*)::int from pg_locks where not granted"
        deadline = time.monotonic() + 4
        while ask(database, waiting) == [(0,)]:
            assert time.monotonic() < deadline
        migrating.execute("insert into tracker.schema_migrations values ('9000_add_note.sql', 'x')")
    writer.join(timeout=30)
    assert [type(each) for each in failed] == [SchemaNewer]
    assert ask(database, TRADES) == [(0,)]


def test_the_newer_version_stores_what_the_older_one_journalled(
    database: str, newer: Newer
) -> None:
    journal = FakeJournal()
    old = WriterHarness(journal, cast(FakeStore, Store(database))).open()
    old.tell(old.journal_trade(1))
    old.flush()
    folder = newer(MUST_NOT_WRITE)
    for number in (2, 3):
        old.tell(old.journal_trade(number))
        old.flush()
    old.journal_trade(4)

    assert old.supervisor.last(WriterReport).state == "outdated"
    assert old.actor.on_receive(Drain()) is False
    assert ask(database, TRADES) == [(1,)]

    replaced = WriterHarness(journal, cast(FakeStore, Store(database, folder=folder))).open()
    drain(replaced.actor)
    assert ask(database, TRADES) == [(4,)]
    replaced.actor.on_stop()
