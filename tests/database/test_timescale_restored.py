"""A database with TimescaleDB that is restored as the page says is what it was."""

import re
import shlex
import subprocess
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
from tests.database.samples import trade
from tests.database.test_opening import run
from tests.postgres import Server, ask, do

pytestmark = [pytest.mark.db, pytest.mark.timescale]

PAGE = (SQL.parent / "docs" / "how-to" / "maintain.md").read_text()
DAY = 86_400
STORED = Batch(trades=tuple(trade(second) for second in (1, 2, 3, DAY, DAY + 1)))
# Another may be compressed as well: the policy finds these days old.
COMPRESSED = "select bool_or(is_compressed), count(*) from timescaledb_information.chunks"
POLICIES = (
    "select proc_name, owner::text from timescaledb_information.jobs where hypertable_name='trades'"
)


def dump(dsn: str, file: Path) -> None:
    """Dump a database; a warning of circular keys of TimescaleDB's own tables is no error."""
    command = [str(find_binaries() / "pg_dump"), "--format=custom", f"--file={file}", dsn]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def test_it_is_restored_as_the_page_says(timescale_server: Server, tmp_path: Path) -> None:
    if not (find_binaries() / "pg_restore").exists():
        pytest.skip("no pg_restore")
    ((version,),) = ask(timescale_server.dsn, "show server_version")
    if run("pg_dump", "--version").split()[2].split(".")[0] != version.split(".")[0]:
        pytest.skip("pg_dump is of another version than the server")
    (options,) = re.findall(r"pg_restore (.*) --dbname=trial tracker\.dump", PAGE)
    before, after = (
        re.findall(r'-c "(.*?)"', line)
        for line in PAGE.splitlines()
        if re.search(r"psql .*timescaledb_(pre|post)_restore", line)
    )
    with timescale_server.database() as dumped, timescale_server.database() as dsn:
        migrate.apply(dumped)
        store = Store(dumped)
        store.open(UUID(int=1))
        assert store.commit(STORED).stored == 5
        ask(dumped, "select compress_chunk(c) from show_chunks('tracker.trades') c limit 1")
        store.close()
        dump(dumped, tmp_path / "dump")

        for command in before:
            do(dsn, command)
        run("pg_restore", *shlex.split(options), f"--dbname={dsn}", str(tmp_path / "dump"))
        with pytest.raises(StoreUnavailable, match="timescaledb_post_restore"):
            Store(dsn).open(UUID(int=1))
        for command in after:
            do(dsn, command)

        store = Store(dsn)
        assert store.open(UUID(int=1)).timescale
        assert store.commit(STORED).duplicates == 5
        assert store.commit(Batch(trades=(trade(4), trade(DAY + 2)))).stored == 2
        store.close()
        assert ask(dsn, "select count(*) from trades") == [(7,)]
        assert ask(dsn, COMPRESSED) == [(True, 2)]
        assert ask(dsn, POLICIES) == ask(dumped, POLICIES)
        for chunk, *_ in ask(dsn, "select show_chunks('tracker.trades')::text"):
            with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
                do(dsn, f"delete from {chunk}")  # noqa: S608 - a name of its own
