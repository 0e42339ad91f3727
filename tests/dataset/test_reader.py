"""A reader of the database gets the same release as the tracker's own role."""

from pathlib import Path
from uuid import UUID

import pytest

from actors.database.queries import SQL
from actors.database.schema import migrate
from actors.database.store import Store
from actors.dataset.export.verify import faults
from tests.database.test_roles import ROLES, as_role
from tests.dataset.stored import exported, fill, wish
from tests.postgres import Server, ask, do

pytestmark = pytest.mark.db


def test_a_reader_exports_what_the_writer_exports(server: Server, tmp_path: Path) -> None:
    already = {row[0] for row in ask(server.dsn, "select rolname from pg_roles")} & set(ROLES)
    with server.database() as dsn:
        do(dsn, (SQL / "roles.sql").read_text())
        migrate.apply(as_role(dsn, "tracker_owner"))
        store = Store(as_role(dsn, "tracker_writer"))
        store.open(UUID(int=1))
        fill(store, 500)
        store.close()
        for name, asked in (("all", wish()), ("some", wish(markets=("slug-1",)))):
            by_writer = exported(as_role(dsn, "tracker_writer"), tmp_path / f"w-{name}", asked)
            by_reader = exported(as_role(dsn, "tracker_reader"), tmp_path / f"r-{name}", asked)
            assert by_reader == by_writer
            assert list(faults(tmp_path / f"r-{name}")) == []
            assert by_reader.days["2026-03-01"].current.rows > 30
    for role in set(ROLES) - already:
        do(server.dsn, f"drop role if exists {role}")
