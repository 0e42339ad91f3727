"""A restored database has the roles and rights of the one that was dumped."""

import re
import shlex
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from actors.database.queries import SQL
from actors.database.schema import migrate
from actors.database.server.postgres_binaries import find_binaries
from actors.database.store import Store
from actors.errors import StoreUnavailable
from actors.model.storage import Batch
from tests.database.everything import everything
from tests.database.samples import trade
from tests.database.test_opening import run
from tests.database.test_roles import OWNERS, TEXT, as_role, roles, secured
from tests.postgres import Server, ask, do

__all__ = ["roles", "secured"]  # fixtures
pytestmark = pytest.mark.db

PAGE = (SQL.parent / "docs" / "how-to" / "maintain.md").read_text()
RIGHTS = """
    select c.oid::regclass::text, unnest(c.relacl)::text from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'tracker'::regnamespace) and c.relkind <> 'i'
    union all
    select c.oid::regclass::text || '.' || a.attname, unnest(a.attacl)::text
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relnamespace in ('public'::regnamespace, 'tracker'::regnamespace)
    union all
    select p.oid::regprocedure::text, unnest(p.proacl)::text from pg_proc p
    where p.pronamespace in ('public'::regnamespace, 'tracker'::regnamespace)
       or p.proname ~ '^(lo_|pg_advisory|pg_try_advisory)'
    union all
    select n.nspname::text, unnest(n.nspacl)::text from pg_namespace n
    where n.nspname in ('public', 'tracker')
    union all
    select 'database', unnest(d.datacl)::text from pg_database d
    where d.datname = current_database()
    order by 1, 2"""


def test_a_database_restored_as_the_page_says_has_its_roles_again(
    server: Server, secured: str, tmp_path: Path
) -> None:
    if not (find_binaries() / "pg_restore").exists():
        pytest.skip("no pg_restore")
    ((version,),) = ask(secured, "show server_version")
    if run("pg_dump", "--version").split()[2].split(".")[0] != version.split(".")[0]:
        pytest.skip("pg_dump is of another version than the server")
    store = Store(as_role(secured, "tracker_writer"))
    store.open(UUID(int=1))
    assert store.commit(everything()).stored == 2
    store.close()
    run("pg_dump", "--format=custom", f"--file={tmp_path / 'dump'}", secured)

    (options,) = re.findall(r"pg_restore (.*) --dbname=trial tracker\.dump", PAGE)
    with server.database() as dsn:
        writer = as_role(dsn, "tracker_writer")
        run("pg_restore", *shlex.split(options), f"--dbname={dsn}", str(tmp_path / "dump"))
        store = Store(writer)
        with pytest.raises(StoreUnavailable, match="permission denied"):
            store.open(UUID(int=1))
        do(dsn, TEXT)
        assert migrate.apply(dsn) == ()
        assert ask(dsn, OWNERS) == [("tracker_owner",)]
        assert ask(dsn, RIGHTS) == ask(secured, RIGHTS)
        store.open(UUID(int=1))
        assert store.commit(everything()).duplicates == 2
        assert store.commit(Batch(trades=(trade(9), trade(86_400)))).stored == 2
        store.close()
        with pytest.raises(psycopg.errors.RestrictViolation):
            do(dsn, "delete from tracker.trades")
