"""A PostgreSQL server on which tests may create databases."""

import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_numbers = count(1)
_MEMORY = Path("/dev/shm")
_SPACE = 4 << 30
"""So many bytes must be free in memory: a server and its databases need a tenth of it."""
_CLONINGS = 5
_END_WORKERS = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
FAST = ("fsync=off", "full_page_writes=off", "max_wal_size=128MB")
"""Settings of a server that has nothing to survive: commits do not wait for the disk."""


class Server:
    """A server, given by the address of one of its databases."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    @functools.cached_property
    def _copied(self) -> sql.SQL:
        """Return how a database is copied: as files, which costs half of what a log of it does."""
        with psycopg.connect(self.dsn) as connection:
            newer = connection.info.server_version >= 150_000
        return sql.SQL(" strategy file_copy" if newer else "")

    @contextlib.contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Create a database, yield its address, and drop it afterwards."""
        name = f"tracker_test_{os.getpid()}_{next(_numbers)}"
        command = sql.SQL("create database {} template {}")
        named = command.format(sql.Identifier(name), sql.Identifier(template))
        self._clone(named + self._copied, template)
        try:
            yield make_conninfo(self.dsn, dbname=name)
        finally:
            self._run(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def _clone(self, command: sql.Composed, template: str) -> None:
        """Create a database; end what TimescaleDB runs in the template, which nobody may be in.

        The server waits five seconds for it to leave; it may also come back meanwhile.
        """
        for _ in range(_CLONINGS):
            try:
                self._run(command)
            except psycopg.errors.ObjectInUse:
                ask(self.dsn, _END_WORKERS, template)
            else:
                return
        self._run(command)

    def _run(self, command: sql.Composed) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(command)


@contextlib.contextmanager
def open_folder(place: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that an embedded database may lie in, and delete it afterwards.

    Its path is short, since sockets are in it; as root the server is another user, who must pass.

    Args:
        place: Where; None: where temporary files are.
    """
    with tempfile.TemporaryDirectory(prefix="tr-", dir=place, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def memory() -> Path | None:
    """Return where files are in memory, if there is space and programs may be there, too.

    A database is hundreds of files, and each test makes one and drops it: on a disk that alone
    takes a third of the time of these tests.
    """
    try:
        may_not_run = os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
        return None if may_not_run or shutil.disk_usage(_MEMORY).free < _SPACE else _MEMORY
    except OSError:
        return None


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
