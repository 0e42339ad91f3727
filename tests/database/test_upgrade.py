"""A database of every released version is upgraded in place, with all that it holds."""

from pathlib import Path
from uuid import UUID

import pytest

from actors import __version__
from actors.database import migrate
from actors.database.store import Store
from tests.database.everything import everything
from tests.database.samples import at
from tests.postgres import Server, ask, do

pytestmark = pytest.mark.db

RELEASED = sorted((Path(__file__).parent / "released").glob("*.sql"))
PUBLIC = (
    "trades", "markets", "assets", "resolutions", "resolution_observations", "coverage",
    "connection_events", "rejected_messages",
)  # fmt: skip


def test_the_current_version_has_its_snapshot() -> None:
    assert f"{__version__}.sql" in {path.name for path in RELEASED}, "see Releasing"


@pytest.mark.parametrize("file", RELEASED, ids=lambda path: path.stem)
def test_every_row_reads_the_same_after_the_upgrade(server: Server, file: Path) -> None:
    with server.database() as dsn:
        do(dsn, file.read_text())
        before = {name: _rows(dsn, name) for name in PUBLIC}
        assert all(before.values()), "a snapshot has a row of everything"
        migrate.apply(dsn)
        assert migrate.pending(dsn) == ()
        for name, rows in before.items():
            # A newer version may add columns; the older columns keep their values.
            now = _rows(dsn, name)
            assert [
                {key: new[key] for key in old} for old, new in zip(rows, now, strict=True)
            ] == rows


@pytest.mark.parametrize("file", RELEASED, ids=lambda path: path.stem)
def test_an_upgraded_database_is_written_to_and_nothing_is_stored_twice(
    server: Server, file: Path
) -> None:
    with server.database() as dsn:
        do(dsn, file.read_text())
        migrate.apply(dsn)
        store = Store(dsn)
        try:
            assert store.open(UUID(int=1)).watermark == everything().watermark
            assert store.open(UUID(int=2)).watermark == 1
            committed = store.commit(everything())
        finally:
            store.close()
        assert (committed.stored, committed.duplicates) == (0, 2)
        assert len(_rows(dsn, "resolutions")) == 1


KEPT = """insert into rejected_messages
    (received_at, connection, reason, payload, journal_key, seq, index)
    values (%s, %s, 'r', %s, 1, %s, %s)"""


def test_what_was_kept_before_its_events_had_numbers_gets_them_from_their_order(
    server: Server, tmp_path: Path
) -> None:
    before = tmp_path / "migrations"
    before.mkdir()
    for each in migrate.migrations():
        if each.name < "0008":
            (before / each.name).write_bytes(each.text)
    with server.database() as dsn:
        migrate.apply(dsn, before)
        do(dsn, "insert into journals (journal_id) values (%s)", UUID(int=1))
        opened = "insert into epochs (journal_key, epoch, connection) values (1, %s, %s)"
        for epoch, connection in ((10, "a"), (11, "b"), (20, "a")):
            do(dsn, opened, epoch, connection)
        told = (("a", b"x", 12, 0), ("a", b"x", 12, 1), ("a", b"y", 13, 0), ("b", b"x", 14, 0))
        late = (("a", b"x", 21, 0), ("a", b"x", 15, 0), ("c", b"x", 9, 0))
        for connection, payload, seq, index in (*told, *late):
            do(dsn, KEPT, at(1), connection, payload, seq, index)
        do(dsn, KEPT, at(1), "database", b"{}", None, None)
        migrate.apply(dsn)
        query = """select connection, seq, index, epoch, occurrence, doubt from rejected_messages
            order by seq, index"""
        assert ask(dsn, query) == [
            ("c", 9, 0, None, 1, "*"),
            ("a", 12, 0, 10, 1, "*"),
            ("a", 12, 1, 10, 2, "*"),
            ("a", 13, 0, 10, 1, "*"),
            ("b", 14, 0, 11, 1, "*"),
            ("a", 15, 0, 10, 3, "*"),
            ("a", 21, 0, 20, 1, "*"),
            ("database", None, None, None, 1, None),
        ]


def _rows(dsn: str, name: str) -> list[dict[str, object]]:
    query = f"select to_jsonb(t) from {name} t order by to_jsonb(t)::text"  # noqa: S608 - a name from above
    return [row for (row,) in ask(dsn, query)]
