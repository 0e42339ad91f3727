"""What several rooms of tests share: a database server and databases of it.

The server is the one that TRACKER_TEST_DATABASE_URL names (its role must be
allowed to create databases), else an embedded one in a folder that goes away.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from actors.edge import migrate
from actors.edge.embedded import Embedded
from actors.edge.store import Store

JOURNAL = UUID(int=1)
_numbers = count(1)


class Server:
    """A PostgreSQL server on which a test may make databases."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def address(self, name: str) -> str:
        return make_conninfo(self.dsn, dbname=name)

    @contextlib.contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Make a database for as long as the context lasts; give its address."""
        name = f"tracker_test_{os.getpid()}_{next(_numbers)}"
        self._run(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        try:
            yield self.address(name)
        finally:
            self._run(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def _run(self, command: sql.Composed) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(command)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    named = os.environ.get("TRACKER_TEST_DATABASE_URL")
    if named:
        yield Server(named)
        return
    # Not tmp_path: its folders are for us alone, and as root the server is not us.
    root = Path(tempfile.mkdtemp(prefix="tracker-", dir="/tmp"))
    root.chmod(0o755)
    embedded = Embedded(root / "pg", options=("fsync=off", "full_page_writes=off"))
    try:
        embedded.start()
        yield Server(embedded.dsn("postgres"))
    finally:
        embedded.stop()
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def template(server: Server) -> Iterator[str]:
    """Give the name of a migrated database."""
    with server.database() as dsn:
        migrate.apply(dsn)
        yield str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])


@pytest.fixture
def database(server: Server, template: str) -> Iterator[str]:
    """Give the address of a migrated, empty database."""
    with server.database(template) as dsn:
        yield dsn


@pytest.fixture
def empty_database(server: Server) -> Iterator[str]:
    """Give the address of a database without any schema."""
    with server.database() as dsn:
        yield dsn


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """Give an open store of JOURNAL."""
    store = Store(database)
    store.open(JOURNAL)
    yield store
    store.close()
