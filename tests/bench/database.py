"""An embedded server for benchmarks: durable as in real use, with enough space."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from actors.database.schema import migrate
from actors.database.server.embedded import Embedded

OPTIONS = ("shared_buffers=256MB", "max_wal_size=4GB", "checkpoint_timeout=30min")
"""No checkpoint falls into a run; fsync and synchronous_commit stay on."""

_numbers = count(1)


class Server:
    """A server whose databases have the schema of the tracker, or none."""

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded

    def database(self, *, migrated: bool = True) -> str:
        """Make a database; return its address."""
        dsn = self._embedded.dsn(f"bench_{next(_numbers)}")
        if migrated:
            migrate.apply(dsn)
        return dsn

    def drop(self, dsn: str) -> None:
        """Drop a database after its run, and checkpoint."""
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        admin = make_conninfo(dsn, dbname="postgres")
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f'drop database "{name}" with (force)'.encode())
            connection.execute(b"checkpoint")

    @contextlib.contextmanager
    def fresh(self, *, migrated: bool = True) -> Iterator[str]:
        """Yield a database for one run."""
        dsn = self.database(migrated=migrated)
        try:
            yield dsn
        finally:
            self.drop(dsn)


@contextlib.contextmanager
def served() -> Iterator[Server]:
    """Yield a server for one part of the benchmark."""
    root = Path(tempfile.mkdtemp(prefix="tracker-bench-"))
    root.chmod(0o755)  # under root the server runs as another user
    embedded = Embedded(root / "pg", options=OPTIONS)
    try:
        embedded.start()
        yield Server(embedded)
    finally:
        embedded.stop()
        shutil.rmtree(root)
