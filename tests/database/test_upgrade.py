"""A database of every released version is upgraded in place, with all that it holds."""

from pathlib import Path
from uuid import UUID

import pytest

from actors import __version__
from actors.database.schema import migrate
from actors.database.store import Store
from tests.database.everything import everything
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
        assert migrate.check(dsn).pending == ()
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


def _rows(dsn: str, name: str) -> list[dict[str, object]]:
    query = f"select to_jsonb(t) from {name} t order by to_jsonb(t)::text"  # noqa: S608 - a name from above
    return [row for (row,) in ask(dsn, query)]
