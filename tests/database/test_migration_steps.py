"""Migrations that take long: in steps, told while they go on, and with no lock for long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from actors.database.schema import migrate
from actors.database.schema.migration_files import (
    IN_STEPS,
    MAY_WRITE,
    MUST_NOT_WRITE,
    STEP,
    STEP_REPEATED,
    Migration,
    Step,
    migrations,
)
from actors.database.schema.opening import MigratingStore, MigrationRule
from actors.database.server.watchdog import MAX_WAIT_S
from actors.database.session import ReportingConnection, Session
from actors.database.store import Store
from actors.errors import SchemaMismatch, StoreUnavailable
from actors.model.storage import Batch
from tests.database.samples import trade
from tests.postgres import ask

NAME = "9000_add_note.sql"
HEAD = b"\n".join((MAY_WRITE, IN_STEPS, b""))


def in_steps(*steps: tuple[bytes, bytes]) -> bytes:
    return HEAD + b"\n".join(kind + b"\n" + text for kind, text in steps)


def test_a_file_in_steps_is_read_as_its_statements() -> None:
    text = in_steps((STEP, b"-- why\nselect 1;"), (STEP_REPEATED, b"update a set b = 1\n;\n"))
    assert Migration(NAME, text).steps == (
        Step(b"-- why\nselect 1;"),
        Step(b"update a set b = 1\n;", is_repeated=True),
    )


def test_a_file_without_that_head_is_one_transaction_whatever_its_comments_say() -> None:
    assert Migration(NAME, MAY_WRITE + b"\n" + STEP + b"\nselect 1").steps == ()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (HEAD + b"select 1", "no line `-- Step"),
        (in_steps((STEP, b"select 1")).replace(MAY_WRITE, MUST_NOT_WRITE), "allowed to write"),
        (in_steps((STEP, b"select 1")).replace(MAY_WRITE, b"--"), "allowed to write"),
    ],
)
def test_a_file_in_steps_that_makes_no_sense_is_named(text: bytes, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"{NAME}.*{wrong}"):
        _ = Migration(NAME, text).steps


def test_the_files_of_this_version_make_sense() -> None:
    assert all(isinstance(each.steps, tuple) for each in migrations())


def written(folder: Path, text: bytes) -> Path:
    """Return the folder of this version's migrations and one more."""
    for each in migrations():
        (folder / each.name).write_bytes(each.text)
    (folder / NAME).write_bytes(text)
    return folder


NOTES = b"create table if not exists tracker.note (a int primary key, b int)"
FILLED = b"insert into tracker.note select n from generate_series(1, 25) n on conflict do nothing"
CHANGED = b"""update tracker.note set b = a where a in (
  select n.a from tracker.note n where n.b is null order by n.a limit 10)"""


@pytest.mark.db
def test_each_step_is_committed_and_a_repeated_one_goes_on_until_nothing_changes(
    database: str, tmp_path: Path
) -> None:
    steps = (
        (STEP, NOTES),
        (STEP, FILLED),
        (STEP_REPEATED, CHANGED),
        # Within a transaction the server rejects this one.
        (STEP, b"create index concurrently if not exists note_b on tracker.note (b)"),
    )
    folder = written(tmp_path, in_steps(*steps))
    assert migrate.apply(database, folder) == (NAME,)
    assert ask(database, "select count(b)::int, sum(b)::int from tracker.note") == [(25, 325)]
    # 10, 10, 5 rows, and one statement that changes none.
    assert ask(database, "select count(distinct xmin::text)::int from tracker.note") == [(3,)]
    assert ask(database, "select to_regclass('tracker.note_b') is not null") == [(True,)]
    assert migrate.apply(database, folder) == ()


@pytest.mark.db
def test_what_was_begun_is_carried_out_again_from_the_first_step(
    database: str, tmp_path: Path
) -> None:
    broken = written(tmp_path, in_steps((STEP, NOTES), (STEP, FILLED), (STEP, b"select 1 / 0")))
    with pytest.raises(SchemaMismatch, match=f"{NAME} does not fit"):
        migrate.apply(database, broken)
    assert ask(database, "select count(*)::int from tracker.note") == [(25,)]
    assert migrate.check(database, broken).pending == (NAME,)
    mended = written(tmp_path, in_steps((STEP, NOTES), (STEP, FILLED), (STEP_REPEATED, CHANGED)))
    assert migrate.apply(database, mended) == (NAME,)
    assert ask(database, "select count(b)::int from tracker.note") == [(25,)]


@contextmanager
def reading(dsn: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Yield a session that has read trades in a transaction that it does not end."""
    with psycopg.connect(dsn) as session:
        session.execute("select count(*) from tracker.trades")
        yield session


@pytest.mark.db
def test_a_lock_that_is_not_free_is_tried_again_and_meanwhile_trades_are_stored(
    database: str, tmp_path: Path, journal_id: UUID
) -> None:
    folder = written(tmp_path, MAY_WRITE + b"\nalter table tracker.trades add column note text;")
    store = Store(database)
    store.open(journal_id)
    stored: list[int] = []
    with reading(database) as session:

        def after_a_try(_seconds: float) -> None:
            stored.append(store.commit(Batch(trades=(trade(len(stored) + 1),), watermark=2)).stored)
            if len(stored) == 2:
                session.rollback()

        assert migrate.apply(database, folder, sleep=after_a_try) == (NAME,)
    store.close()
    assert stored == [1, 1]


@pytest.mark.db
@pytest.mark.parametrize("whole", [True, False], ids=["in one transaction", "in steps"])
def test_who_never_gets_its_lock_says_what_to_do_and_leaves_no_trace(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, whole: bool
) -> None:
    monkeypatch.setattr(migrate, "LOCK_S", 0.02)
    change = b"alter table tracker.trades add column note text"
    text = MAY_WRITE + b"\n" + change if whole else in_steps((STEP, change))
    folder, waits = written(tmp_path, text), list[float]()
    with reading(database), pytest.raises(StoreUnavailable, match=f"{NAME}.*end long queries"):
        migrate.apply(database, folder, sleep=waits.append)
    assert waits == [migrate.BETWEEN_TRIES_S] * (migrate.LOCK_TRIES - 1)
    assert migrate.check(database, folder).pending == (NAME,)
    assert migrate.apply(database, folder) == (NAME,)


@pytest.mark.db
def test_a_wait_is_told_while_it_goes_on(database: str) -> None:
    with ReportingConnection.connect(database, autocommit=True) as connection:
        told: list[str] = []
        connection.on_moved = lambda: told.append("moved")
        connection.on_waiting = lambda: told.append("waiting")
        assert connection.execute("select 7 from pg_sleep(0.35)").fetchall() == [(7,)]
    assert told[0] == told[-1] == "moved"
    assert told.count("waiting") >= 2


@pytest.mark.db
def test_an_error_of_the_server_passes_through_a_wait_that_is_told(database: str) -> None:
    with ReportingConnection.connect(database, autocommit=True) as connection:
        connection.on_waiting = lambda: None
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("select 1 / 0")
        assert connection.execute("select 1").fetchall() == [(1,)]


def test_a_statement_that_lasts_longer_than_the_server_allows_is_told_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 1_000.0
    moved: list[float] = []
    telling = migrate.Telling(lambda: moved.append(now), lambda: now)
    telling.begin()
    caplog.set_level("INFO")
    for _ in range(2 * migrate.STATEMENT_S):
        now += 1
        telling.wait()
    assert len(moved) == 1 + migrate.STATEMENT_S
    assert len(caplog.records) == migrate.STATEMENT_S // migrate.LOG_EVERY_S
    assert max(b - a for a, b in pairwise(moved)) < MAX_WAIT_S


@pytest.mark.db
def test_the_writer_reports_while_it_migrates_and_can_be_cut_off(
    empty_database: str, journal_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MigratingStore(empty_database, rule=MigrationRule(allowed=True))
    seen: list[tuple[float | None, Session | None]] = []
    apply: Callable[..., tuple[str, ...]] = migrate.apply

    def watched(*args: Any, on_moved: Callable[[], None], **kwargs: Any) -> tuple[str, ...]:
        def moved() -> None:
            on_moved()
            seen.append((store.busy_since, store._session))

        return apply(*args, on_moved=moved, **kwargs)

    monkeypatch.setattr(migrate, "apply", watched)
    assert store.open(journal_id).is_new
    store.close()
    assert len(seen) > 10
    assert all(since is not None for since, _ in seen)
    assert len({session for _, session in seen if session is not None}) == 1
