"""A PostgreSQL server on which tests may create databases."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_numbers = count(1)


class Server:
    """A server, given by the address of one of its databases."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    @contextlib.contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Create a database, yield its address, and drop it afterwards."""
        name = f"tracker_test_{os.getpid()}_{next(_numbers)}"
        command = sql.SQL("create database {} template {}")
        self._run(command.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield make_conninfo(self.dsn, dbname=name)
        finally:
            self._run(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def _run(self, command: sql.Composed) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(command)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Yield an empty folder that an embedded database may lie in, and delete it afterwards.

    Its path is short, since sockets are in it; as root the server is another user, who must pass.
    """
    with tempfile.TemporaryDirectory(prefix="tr-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def name_of(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["dbname"])


def connected(dsn: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """Return a connection that finds our own tables, too, without their schema."""
    connection = psycopg.connect(dsn, autocommit=True)
    connection.execute("set search_path to public, tracker")
    return connection


def ask(dsn: str, query: str, *given: object) -> list[tuple[Any, ...]]:
    """Return the rows of one query, run on a connection of its own."""
    with connected(dsn) as connection:
        return connection.execute(query.encode(), given or None).fetchall()


def do(dsn: str, command: str, *given: object) -> None:
    with connected(dsn) as connection:
        connection.execute(command.encode(), given or None)
